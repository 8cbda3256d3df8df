//! Where versions come from, who would notice a change, and what needs somebody.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use lakebed_api::{ImpactAnswer, LakeReport, LineageAnswer, LockAnswer, LockRequest};
use lakebed_core::{DatasetName, DatasetRef, LockedInput};
use lakebed_service as service;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problems::{Always, BadBody, BadRequest, Changes, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, ApiQuery, DatasetPath, LockPath, parse_ref},
    problem::Result,
};

/// Which way to walk.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    #[default]
    Up,
    Down,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LineageQuery {
    /// Which version, as behind the `@` of a reference; what the bare name means when unsaid.
    #[param(example = "v3", pattern = "^[0-9A-Za-z_:.+-]{1,64}$")]
    version: Option<String>,
    /// Only what has to do with this column.
    #[param(min_length = 1)]
    column: Option<String>,
    /// `up`, to what it was computed from, or `down`, to what was computed from it; `up` when unsaid.
    #[param(inline)]
    direction: Option<Direction>,
}

/// What a version was computed from, down to its originals, or what was computed from it
///
/// What you may not know of is left out, and so is what lies behind it. Digests, counts and originals
/// are for whoever may read all of a dataset; of others you are told names, numbers and times. With
/// `column`, only along what has to do with that column: what it is made of, what decides about its rows,
/// and all that it decides about.
#[utoipa::path(get, path = "/v1/datasets/{namespace}/{name}/lineage", tag = "version", params(
    ("namespace" = String, Path, description = "The part before the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ("name" = String, Path, description = "The part after the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    LineageQuery,
), responses(
    (status = 200, description = "The versions", body = LineageAnswer), BadRequest, NotFound, Always
))]
pub(crate) async fn get_lineage(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
    ApiQuery(query): ApiQuery<LineageQuery>,
) -> Result<Json<LineageAnswer>> {
    let request = service::LineageRequest {
        reference: reference(&name, query.version.as_deref())?,
        column: query.column,
        direction: match query.direction.unwrap_or_default() {
            Direction::Up => service::Direction::Up,
            Direction::Down => service::Direction::Down,
        },
    };
    Ok(Json(convert::lineage(state.lake.lineage(&ctx, &request).await?)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Which version, as behind the `@` of a reference; what the bare name means when unsaid.
    #[param(example = "v3", pattern = "^[0-9A-Za-z_:.+-]{1,64}$")]
    version: Option<String>,
}

/// How a version came to be, as a `RunEvent` of OpenLineage
///
/// The one that is told to others: complete, with its inputs, and itself as the output, or all that the
/// program made: schema, version and columns. What you may not know of is left out.
#[utoipa::path(get, path = "/v1/datasets/{namespace}/{name}/openlineage", tag = "version", params(
    ("namespace" = String, Path, description = "The part before the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ("name" = String, Path, description = "The part after the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    EventQuery,
), responses(
    (status = 200, description = "The event, OpenLineage 2-0-2", body = Object),
    BadRequest, NotFound, Always
))]
pub(crate) async fn get_openlineage(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
    ApiQuery(query): ApiQuery<EventQuery>,
) -> Result<Json<serde_json::Value>> {
    let reference = reference(&name, query.version.as_deref())?;
    Ok(Json(state.lake.openlineage(&ctx, &reference).await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImpactQuery {
    /// Only who uses this column.
    #[param(min_length = 1)]
    column: Option<String>,
}

/// Who would notice a change: products, locks that were registered, readers of the last 90 days
///
/// Readers are for whoever may `audit` the lake. What you may not know of is left out.
#[utoipa::path(get, path = "/v1/datasets/{namespace}/{name}/impact", tag = "dataset", params(
    ("namespace" = String, Path, description = "The part before the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ("name" = String, Path, description = "The part after the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ImpactQuery,
), responses(
    (status = 200, description = "Who would", body = ImpactAnswer), BadRequest, NotFound, Always
))]
pub(crate) async fn get_impact(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
    ApiQuery(query): ApiQuery<ImpactQuery>,
) -> Result<Json<ImpactAnswer>> {
    let answer = state.lake.impact(&ctx, &name, query.column.as_deref()).await?;
    Ok(Json(convert::impact(name, query.column, answer)))
}

/// What needs somebody: ownerless, undocumented, broken, stale, late, unread
///
/// About the datasets that you may read or are steward of. What nobody reads is for whoever may `audit`
/// the lake.
#[utoipa::path(get, path = "/v1/report", tag = "dataset", responses(
    (status = 200, description = "What was found", body = LakeReport), Always
))]
pub(crate) async fn get_report(
    State(state): State<AppState>,
    Context(ctx): Context,
) -> Result<Json<LakeReport>> {
    Ok(Json(convert::lake_report(state.lake.report(&ctx).await?)))
}

/// Register that you count on versions, in place of what you registered under this name before
///
/// Whoever may ingest into these datasets, is their steward or may audit the lake is told of it.
#[utoipa::path(put, path = "/v1/locks/{name}", tag = "dataset",
    params(
        ("name" = String, Path, description = "What you call it", pattern = "^[0-9A-Za-z._-]{1,63}$"),
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same change; 1 to 200 characters"),
    ),
    request_body = LockRequest,
    responses(
        (status = 200, description = "That it is registered", body = LockAnswer),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn register_lock(
    State(state): State<AppState>,
    Context(ctx): Context,
    LockPath(name): LockPath,
    ApiJson(request): ApiJson<LockRequest>,
) -> Result<Json<LockAnswer>> {
    let input = |locked: lakebed_api::LockedReference| LockedInput {
        reference: locked.reference,
        // What pins is the id.
        version: 0,
        version_id: locked.version_id,
    };
    let inputs: Vec<LockedInput> = request.inputs.into_iter().map(input).collect();
    Ok(Json(LockAnswer { event: state.lake.register_lock(&ctx, &name, &inputs).await? }))
}

/// Take back what you registered under a name
#[utoipa::path(delete, path = "/v1/locks/{name}", tag = "dataset",
    params(
        ("name" = String, Path, description = "What you call it", pattern = "^[0-9A-Za-z._-]{1,63}$"),
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same change; 1 to 200 characters"),
    ),
    responses(
        (status = 200, description = "That it is gone", body = LockAnswer),
        BadRequest, Changes, Always
    )
)]
pub(crate) async fn remove_lock(
    State(state): State<AppState>,
    Context(ctx): Context,
    LockPath(name): LockPath,
) -> Result<Json<LockAnswer>> {
    Ok(Json(LockAnswer { event: state.lake.remove_lock(&ctx, &name).await? }))
}

fn reference(name: &DatasetName, version: Option<&str>) -> Result<DatasetRef> {
    match version {
        None => parse_ref(&name.to_string()),
        Some(version) => parse_ref(&format!("{name}@{version}")),
    }
}
