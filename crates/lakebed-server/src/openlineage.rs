//! Where a server tells what happens in its lake: a file of JSON lines, or somebody who takes OpenLineage
//! events by HTTP. Which of them, and how far they were told, is the service's affair.

use std::{io, net::IpAddr, path::PathBuf, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, StatusCode, header};
use lakebed_api::media;
use lakebed_service::LineageSink;
use reqwest::Url;
use tokio::{fs::OpenOptions, io::AsyncWriteExt as _};

/// So many bytes of what a sink says are logged.
const MOST_SAID: usize = 500;

/// Appends each event to a file, and waits until the disk has it.
#[derive(Debug)]
pub struct LineageFile {
    path: PathBuf,
    name: String,
}

impl LineageFile {
    /// The file; it need not be there.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        let name = format!("file {}", path.display());
        Self { path, name }
    }
}

#[async_trait]
impl LineageSink for LineageFile {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tell(&self, event: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).await?;
        file.write_all(format!("{event}\n").as_bytes()).await?;
        file.flush().await?;
        file.sync_data().await
    }
}

/// Sends each event to a URL, as OpenLineage's own clients do.
#[derive(Debug)]
pub struct LineageUrl {
    client: reqwest::Client,
    url: Url,
    /// Not shown by `Debug`: the header is marked as a secret.
    authorization: Option<HeaderValue>,
    name: String,
}

/// Why events cannot be sent to a URL.
#[derive(Debug, thiserror::Error)]
pub enum LineageUrlError {
    /// No URL, or one that holds a secret.
    #[error("it is no plain URL: a host and a path, no user and no password")]
    NotPlain,
    /// What is sent could be read on its way.
    #[error("it must be https, or http on this machine")]
    InTheClear,
    /// It cannot stand in a header.
    #[error("the token is no token")]
    Token,
    /// The system's certificates cannot be read.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

impl LineageUrl {
    /// The whole URL, as in `https://marquez.example.org/api/v1/lineage`; events show `token`, if there
    /// is one, as a bearer's.
    ///
    /// # Errors
    /// See [`LineageUrlError`].
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, LineageUrlError> {
        let url = Url::parse(url).map_err(|_| LineageUrlError::NotPlain)?;
        if !url.has_host() || !url.username().is_empty() || url.password().is_some() {
            return Err(LineageUrlError::NotPlain);
        }
        let is_local = is_loopback(&url);
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err(LineageUrlError::InTheClear);
        }
        let authorization = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok::<_, header::InvalidHeaderValue>(value)
        });
        let authorization = authorization.transpose().map_err(|_| LineageUrlError::Token)?;
        // Whoever is asked answers: what is told goes nowhere else.
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30));
        if is_local {
            client = client.no_proxy();
        }
        let client = client.build().map_err(LineageUrlError::Client)?;
        // A query may hold a key.
        let mut shown = url.clone();
        shown.set_query(None);
        let name = format!("url {shown}");
        Ok(Self { client, url, authorization, name })
    }
}

#[async_trait]
impl LineageSink for LineageUrl {
    fn name(&self) -> &str {
        &self.name
    }

    async fn tell(&self, event: &str) -> io::Result<()> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, media::JSON)
            .body(event.to_owned());
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        let answer = request.send().await.map_err(io::Error::other)?;
        let status = answer.status();
        if is_final(status) {
            // The next one may be to its taste, and would wait for ever behind this one.
            let (about, why) = (about(event), said(answer).await);
            tracing::warn!(
                %status, sink = %self.name, %about, why, "an event of lineage was refused for good"
            );
            return Ok(());
        }
        match status.is_success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("it answered {status}"))),
        }
    }
}

/// Which event it is, for whoever looks for it.
fn about(event: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(event).unwrap_or_default();
    let text = |pointer: &str| event.pointer(pointer).and_then(|text| text.as_str());
    let [kind, job, run] =
        ["/eventType", "/job/name", "/run/runId"].map(|pointer| text(pointer).unwrap_or("?"));
    format!("{kind} of {job}, run {run}")
}

/// The beginning of an answer, as far as it can be shown on a line.
async fn said(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < MOST_SAID
        && let Ok(Some(more)) = answer.chunk().await
    {
        bytes.extend_from_slice(&more);
    }
    bytes.truncate(MOST_SAID);
    String::from_utf8_lossy(&bytes).chars().flat_map(char::escape_debug).collect()
}

/// Whether the same event would be refused again, whatever else changes.
fn is_final(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY
    )
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        LineageUrl::new(url, None).expect_err(url).to_string()
    }

    #[test]
    fn what_is_told_cannot_be_read_on_its_way() {
        for url in ["https://a.example/api/v1/lineage", "http://127.0.0.1:5000/x", "http://[::1]/x"]
        {
            LineageUrl::new(url, Some("t")).expect(url);
        }
        let in_the_clear = "it must be https, or http on this machine";
        assert_eq!(refused("http://a.example/api/v1/lineage"), in_the_clear);
        assert_eq!(refused("http://127.0.0.1.example/"), in_the_clear);
        assert_eq!(refused("ftp://localhost/"), in_the_clear);
        for url in ["lineage", "https://me:secret@a.example/", "https://me@a.example/"] {
            assert!(refused(url).starts_with("it is no plain URL"), "{url}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let sink = LineageUrl::new("https://a.example/", Some("s3cret")).expect("a sink");
        assert!(!format!("{sink:?} {}", sink.name()).contains("s3cret"));
        assert!(LineageUrl::new("https://a.example/", Some("a\nb")).is_err());
    }
}
