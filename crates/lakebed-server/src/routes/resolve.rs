//! From references to versions, all against one snapshot.

use axum::{Json, extract::State};
use lakebed_api::{ResolveRequest, ResolveResponse};
use lakebed_service::Detail;

use super::problems::{Always, BadBody, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, parse_refs},
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
    let references = parse_refs(&request.refs)?;
    let detail = if request.files { Detail::Full } else { Detail::None };
    let resolution = state.lake.resolve(&ctx, &references, detail).await?;
    let versions = resolution.versions.into_iter();
    Ok(Json(ResolveResponse {
        lake: state.lake.id(),
        snapshot: convert::snapshot(resolution.snapshot),
        versions: versions.map(|version| convert::resolved(&state, version)).collect(),
    }))
}
