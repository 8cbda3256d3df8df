//! Objects straight from the store a lake is in, at a URL that the lake signed.
//!
//! Such a URL is a key: it is sent to its host and shown to nobody, and nothing of ours goes with it.

use std::{ops::Range, sync::OnceLock, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use http::header;
use url::Url;

use crate::{ByteStream, ClientError, object::counted};

/// Whether a file's URL is a signed one of an object store, rather than a path on a server.
#[must_use]
pub fn is_signed(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Bytes `range` of what is at a signed URL. Nobody verified them: hash them.
///
/// # Errors
/// [`ClientError`], which does not name the URL. A server that gave it has the bytes, too.
pub async fn read_signed(url: &str, range: Range<u64>) -> Result<ByteStream, ClientError> {
    let place = Url::parse(url).map_err(|_| ClientError::protocol("a file without a URL"))?;
    let place = place.join("/").map_err(|_| ClientError::protocol("a file without a host"))?;
    if range.is_empty() {
        return Ok(futures::stream::empty().boxed());
    }
    let asked = client()?
        .get(url)
        .header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
    let answer = asked.send().await.map_err(|error| ClientError::Unreachable {
        url: place,
        source: error.without_url().into(),
    })?;
    if answer.status() != http::StatusCode::PARTIAL_CONTENT {
        return Err(ClientError::protocol(format!("the store said {}", answer.status())));
    }
    let bytes = answer
        .bytes_stream()
        .map_err(|error| ClientError::from_body(error.without_url().into()))
        .boxed();
    Ok(counted(bytes, range.end - range.start))
}

/// One for the process: it keeps connections.
fn client() -> Result<&'static reqwest::Client, ClientError> {
    static CLIENT: OnceLock<Option<reqwest::Client>> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            .build()
            .ok()
    });
    made.as_ref().ok_or_else(|| ClientError::protocol("no client can be made on this machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_server_are_not_signed() {
        assert!(is_signed("https://bucket.s3.example/x?X-Amz-Signature=1"));
        assert!(!is_signed("/v1/objects/00") && !is_signed("file:///srv/lake"));
    }

    #[tokio::test]
    async fn an_error_does_not_give_the_key_away() {
        let url = "http://127.0.0.1:1/bucket/key?X-Amz-Signature=hush";
        let Err(error) = read_signed(url, 0..1).await else { panic!("nobody is there") };
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
