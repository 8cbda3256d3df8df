//! From references to versions, all against one snapshot.

use std::time::Duration;

use axum::{Json, extract::State};
use lakebed_api::{ResolveRequest, ResolveResponse};
use lakebed_service::Detail;

use super::problems::{Always, BadBody, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, parse_refs},
    links,
    problem::{Failure, Result},
};

/// What references resolve to: all of them, or the first that does not is named
#[utoipa::path(post, path = "/v1/resolve", tag = "version", request_body = ResolveRequest, responses(
    (status = 200, description = "What they resolve to", body = ResolveResponse),
    BadBody, NotFound, Always
))]
pub(crate) async fn resolve(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<ResolveRequest>,
) -> Result<Json<ResolveResponse>> {
    if request.refs.is_empty() {
        return Err(Failure::invalid("no-refs", "`refs` is empty: there is nothing to resolve"));
    }
    let lifetime = lifetime(request.url_seconds)?;
    let references = parse_refs(&request.refs)?;
    let detail = if request.files { Detail::Files } else { Detail::None };
    let resolution = state.lake.resolve(&ctx, &references, detail).await?;
    let versions = resolution.versions.into_iter();
    let mut versions: Vec<_> = versions.map(|version| convert::resolved(&state, version)).collect();
    if let Some(lifetime) = lifetime {
        for version in &mut versions {
            links::sign(&state, version, lifetime).await?;
        }
    }
    Ok(Json(ResolveResponse {
        lake: state.lake.id(),
        snapshot: convert::snapshot(resolution.snapshot),
        versions,
    }))
}

/// How long a signed URL is good for when nothing is said: a quarter of an hour.
const URL_SECONDS: u32 = 900;

/// A week: object stores accept no more.
const MOST_URL_SECONDS: u32 = 7 * 24 * 60 * 60;

/// How long URLs are to be good for; nothing if none are wanted.
fn lifetime(url_seconds: Option<u32>) -> Result<Option<Duration>> {
    match url_seconds.unwrap_or(URL_SECONDS) {
        0 => Ok(None),
        seconds if seconds <= MOST_URL_SECONDS => Ok(Some(Duration::from_secs(seconds.into()))),
        seconds => {
            let detail = format!("`url_seconds` is {seconds}: expected 0 to {MOST_URL_SECONDS}");
            Err(Failure::invalid("invalid-url-seconds", detail))
        }
    }
}
