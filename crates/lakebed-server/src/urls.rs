//! Sources that a request names by URL: fetched, and then an upload like any other.
//!
//! From where may be fetched is `lakebed-web`'s business and its policy's. Off until whoever runs
//! the server lists hosts. ARCHITECTURE.md, D-62.

use std::sync::{Arc, OnceLock};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http::StatusCode;
use lakebed_api::IngestSource;
use lakebed_service::{Ctx, IngestRequest, Progress, ProgressSink, SourceInput};
use lakebed_web::{Error, Fetched, Fetcher, Location};

use crate::{
    AppState,
    encode::BoxError,
    problem::{Failure, Result},
};

/// The most URLs of one request.
const MOST: usize = 100;

/// A source that has to be fetched.
#[derive(Debug)]
pub(crate) struct UrlSource {
    /// Which of the request's sources it is.
    place: usize,
    name: String,
    location: Location,
    fetcher: Fetcher,
}

impl UrlSource {
    /// # Errors
    /// For what may not be fetched, as far as can be told without asking anyone.
    pub(crate) fn parse(
        place: usize,
        url: &str,
        source: IngestSource,
        state: &AppState,
    ) -> Result<Self> {
        if source.upload.is_some() || source.path.is_some() {
            return Err(not_one_of());
        }
        let fetcher = state.fetcher.clone().ok_or_else(off)?;
        let location = fetcher.check(url)?;
        let name = source.name.unwrap_or_else(|| location.source_name());
        Ok(Self { place, name, location, fetcher })
    }
}

pub(crate) fn not_one_of() -> Failure {
    let detail = "a source has exactly one of `upload`, `url` and `path`";
    Failure::invalid("invalid-source", detail)
}

fn off() -> Failure {
    let detail = "this server fetches nothing from URLs";
    Failure::new(StatusCode::FORBIDDEN, "urls-off", detail).hint(
        "download it and send the bytes; whoever runs the server can list hosts to fetch from",
    )
}

/// Fetches `urls`, one after the other, and puts them where they belong in `request`.
pub(crate) async fn fetch(
    state: &AppState,
    ctx: &Ctx,
    request: &mut IngestRequest,
    urls: Vec<UrlSource>,
    progress: &dyn ProgressSink,
) -> Result<()> {
    if urls.len() > MOST {
        let detail = format!("{} URLs are more than the {MOST} of one request", urls.len());
        return Err(Failure::invalid("too-many-urls", detail));
    }
    let mut bytes_done = 0;
    for source in urls {
        let fetched = source.fetcher.fetch(&source.location).await?;
        let told = Progress {
            phase: "fetching".to_owned(),
            bytes_done,
            bytes_total: fetched.size_bytes.map(|size| bytes_done + size),
            rows_done: 0,
            queued_before: None,
        };
        progress.report(told);
        let (bytes, fault) = watched(fetched);
        let uploaded = state.lake.upload(ctx, bytes).await;
        if let Some(failure) = fault.get() {
            return Err(failure.clone());
        }
        let uploaded = uploaded?;
        bytes_done += uploaded.size_bytes;
        let input = SourceInput::Upload { name: source.name, object: uploaded.object };
        // Places count all sources in order, so those before are there already.
        request.sources.insert(source.place, input);
    }
    Ok(())
}

/// The bytes, and why they broke off: whoever takes them only knows that they did.
fn watched(
    fetched: Fetched,
) -> (BoxStream<'static, Result<bytes::Bytes, BoxError>>, Arc<OnceLock<Failure>>) {
    let fault = Arc::new(OnceLock::new());
    let told = Arc::clone(&fault);
    let bytes = fetched.bytes.map_err(move |error| {
        let text = error.to_string();
        // The stream ends with its first error.
        let _ = told.set(error.into());
        text.into()
    });
    (bytes.boxed(), fault)
}

/// For work whose progress nobody follows.
pub(crate) struct Ignored;

impl ProgressSink for Ignored {
    fn report(&self, _progress: Progress) {}
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Invalid { .. } => StatusCode::BAD_REQUEST,
            Error::NotAllowed => StatusCode::FORBIDDEN,
            Error::Unavailable { .. } | Error::TooLarge { .. } | Error::TooSlow => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        let hint = match &error {
            Error::Invalid { .. } => "as in `https://data.example.org/orders.csv`",
            Error::NotAllowed => "whoever runs the server lists hosts to fetch from",
            Error::Unavailable { .. } | Error::TooLarge { .. } | Error::TooSlow => {
                "download it and send the bytes"
            }
        };
        let failure = Self::new(status, error.code(), error.to_string()).hint(hint);
        match error.cause() {
            Some(cause) => failure.because(cause),
            None => failure,
        }
    }
}
