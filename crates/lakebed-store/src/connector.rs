//! The HTTP connection to an object store, with an ear on what answers say beside their content.
//!
//! The store's clock and the bucket's region stand in header fields that `object_store` does not
//! pass on. And one key is never sent as it was signed: a store that accepts it does not check what
//! it receives. See [`crate::Store::examine`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use chrono::DateTime;
use object_store::{
    ClientOptions, Result,
    client::{
        HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse,
        HttpService, ReqwestConnector,
    },
};

/// What a key ends in whose bytes are changed after they were hashed and signed.
pub(crate) const DAMAGED_ON_THE_WAY: &str = "damaged-on-the-way";

/// What the last answers said. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Last>>);

#[derive(Debug, Default)]
struct Last {
    ahead_ms: Option<i64>,
    region: Option<String>,
}

impl Seen {
    /// How far this machine's clock is ahead of the store's, to about a second.
    pub(crate) fn ahead_ms(&self) -> Option<i64> {
        self.last().ahead_ms
    }

    pub(crate) fn ahead_seconds(&self) -> Option<i64> {
        self.ahead_ms().map(|ahead| ahead / 1000)
    }

    /// Where the store says that the bucket is.
    pub(crate) fn region(&self) -> Option<String> {
        self.last().region.clone()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, response: &HttpResponse) {
        let text = |name: &str| response.headers().get(name)?.to_str().ok();
        let date = text("date").and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut last = self.last();
        if let (Some(theirs), Ok(ours)) = (date, now) {
            // Theirs was cut to whole seconds.
            let theirs = theirs.timestamp_millis() + 500;
            last.ahead_ms = i64::try_from(ours.as_millis()).ok().map(|ours| ours - theirs);
        }
        if let Some(region) = text("x-amz-bucket-region") {
            last.region = Some(region.to_owned());
        }
    }
}

/// Makes clients that note what they see in [`Seen`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Listening(pub(crate) Seen);

impl HttpConnector for Listening {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(ListeningClient { inner, seen: self.0.clone() }))
    }
}

#[derive(Debug)]
struct ListeningClient {
    inner: HttpClient,
    seen: Seen,
}

#[async_trait]
impl HttpService for ListeningClient {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_put = request.method() == http::Method::PUT;
        if is_put && request.uri().path().ends_with(DAMAGED_ON_THE_WAY) {
            let length = request.body().content_length();
            *request.body_mut() = HttpRequestBody::from(vec![b'!'; length]);
        }
        let response = self.inner.execute(request).await?;
        self.seen.note(&response);
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_and_the_region_of_a_store_are_noted() {
        let seen = Seen::default();
        let response = http::Response::builder()
            .header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("x-amz-bucket-region", "eu-west-1")
            .body(String::new().into())
            .unwrap();
        seen.note(&response);
        assert!(seen.ahead_seconds().is_some_and(|ahead| ahead > 300_000_000));
        assert_eq!(seen.region().as_deref(), Some("eu-west-1"));
    }
}
