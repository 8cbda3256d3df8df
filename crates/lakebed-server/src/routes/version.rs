//! Versions: the history of a dataset, and everything about one of them.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use http::HeaderMap;
use lakebed_api::{VersionAnswer, VersionPage};
use lakebed_service::{Detail, Seen};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadRequest, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiQuery, DatasetPath, parse_ref},
    problem::{Failure, Result},
};

/// Entries of a page when the client says nothing, and at most.
pub(crate) const PAGE: (u32, u32) = (100, 1000);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Only versions with smaller numbers.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// At most so many, 1 to 1000; 100 when unsaid.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// The versions of a dataset, newest first
#[utoipa::path(get, path = "/v1/datasets/{namespace}/{name}/versions", tag = "version", params(
    ("namespace" = String, Path, description = "The part before the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ("name" = String, Path, description = "The part after the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    HistoryQuery,
), responses(
    (status = 200, description = "The versions", body = VersionPage), BadRequest, NotFound, Always
))]
pub(crate) async fn list_versions(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<Json<VersionPage>> {
    let limit = page_limit(query.limit)?;
    check_number("before", query.before)?;
    let found = state.lake.history(&ctx, &name, query.before, limit).await?;
    let Seen { record: (found, heads), is_readable } = found;
    let is_full = found.len() >= limit as usize;
    let oldest = found.last().map(|version| version.number);
    let next_before = oldest.filter(|number| is_full && *number > 1);
    Ok(Json(VersionPage {
        versions: found.into_iter().map(|found| convert::version(found, is_readable)).collect(),
        next_before,
        heads: convert::heads(heads),
    }))
}

/// How many entries a page has.
pub(crate) fn page_limit(limit: Option<u32>) -> Result<u32> {
    let (default, most) = PAGE;
    match limit.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        limit => {
            let detail = format!("`limit` is {limit}: expected 1 to {most}");
            Err(Failure::invalid("invalid-query", detail))
        }
    }
}

/// Numbers of versions and events are 64 bits with a sign wherever they are kept.
pub(crate) fn check_number(name: &str, number: Option<u64>) -> Result<()> {
    match number {
        Some(number) if i64::try_from(number).is_err() => {
            let detail = format!("`{name}` is {number}: expected at most {}", i64::MAX);
            Err(Failure::invalid("invalid-query", detail))
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionQuery {
    /// The reference, `namespace.dataset[@selector]`.
    #[serde(rename = "ref")]
    #[param(
        rename = "ref",
        example = "sales.orders@v3",
        pattern = "^[a-z][a-z0-9_]{0,62}\\.[a-z][a-z0-9_]{0,62}(@[0-9A-Za-z_:.+-]{1,64})?$"
    )]
    reference: String,
}

/// Everything about the version a reference resolves to: schema, files, sources, quarantine
///
/// Of a dataset that ends, or has ended, the answer carries `deprecation` and `sunset`.
#[utoipa::path(get, path = "/v1/versions", tag = "version", params(VersionQuery), responses(
    (status = 200, description = "The version", body = VersionAnswer), BadRequest, NotFound, Always
))]
pub(crate) async fn get_version(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<VersionQuery>,
) -> Result<(HeaderMap, Json<VersionAnswer>)> {
    let reference = parse_ref(&query.reference)?;
    let resolution = state.lake.resolve(&ctx, &[reference], Detail::Full).await?;
    let seen = convert::snapshot(resolution.snapshot);
    let found = resolution.versions.into_iter().next();
    let found = found.ok_or_else(|| Failure::internal("a reference resolved to nothing"))?;
    let report = match &found.detail {
        Some(detail) => state.lake.report_of(&found.version, &detail.manifest).await?,
        None => None,
    };
    let dataset = state.lake.dataset(&ctx, &found.version.dataset).await?.record;
    let answer = convert::version_answer(&state, seen, found, report, dataset);
    Ok((convert::notice_headers(answer.notice.as_ref()), Json(answer)))
}
