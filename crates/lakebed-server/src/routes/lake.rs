//! The lake as a whole, and whether it answers.

use axum::{Json, extract::State};
use lakebed_api::{Health, LakeInfo};

use super::problems::{Always, AlwaysOpen};
use crate::{Access, AppState, context::Context, problem::Result};

/// Which lake this is
#[utoipa::path(get, path = "/v1/lake", tag = "lake", responses(
    (status = 200, description = "The lake", body = LakeInfo), Always
))]
pub(crate) async fn get_lake(
    State(state): State<AppState>,
    Context(ctx): Context,
) -> Result<Json<LakeInfo>> {
    let info = state.lake.info(&ctx).await?;
    Ok(Json(LakeInfo {
        lake: info.lake,
        root: (state.access == Access::Local).then_some(info.root),
        seq: info.seq,
        created_at: info.created_at,
        dataset_count: info.datasets,
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
    }))
}

/// Whether the process lives
#[utoipa::path(get, path = "/health/live", tag = "health", security(()), responses(
    (status = 200, description = "It does", body = Health), AlwaysOpen
))]
pub(crate) async fn live() -> Json<Health> {
    Json(Health { status: "live".to_owned() })
}

/// Whether the lake can be asked: its database and its object store answer
///
/// Asked at most once a second, however often it is probed. 503 says which of them is missing, or
/// that the server is stopping.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()), responses(
    (status = 200, description = "It can", body = Health), AlwaysOpen
))]
pub(crate) async fn ready(State(state): State<AppState>) -> Result<Json<Health>> {
    state.readiness.check(&state.lake).await?;
    Ok(Json(Health { status: "ready".to_owned() }))
}
