//! Datasets: the list of them, one of them, its versions.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use http::HeaderMap;
use lakebed_api::{DatasetAnswer, DatasetList};
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadRequest, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiQuery, DatasetPath},
    problem::Result,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only the datasets of this namespace.
    namespace: Option<String>,
}

/// All datasets, or those of a namespace, by name
#[utoipa::path(get, path = "/v1/datasets", tag = "dataset", params(ListQuery), responses(
    (status = 200, description = "The datasets", body = DatasetList), BadRequest, Always
))]
pub(crate) async fn list_datasets(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<DatasetList>> {
    let (seen, found) = state.lake.datasets(&ctx, query.namespace.as_deref()).await?;
    let datasets = found.into_iter().map(convert::dataset).collect();
    Ok(Json(DatasetList { snapshot: convert::snapshot(seen), datasets }))
}

/// One dataset
///
/// Of one that ends, or has ended, the answer carries `deprecation` and `sunset`.
#[utoipa::path(get, path = "/v1/datasets/{namespace}/{name}", tag = "dataset", params(
    ("namespace" = String, Path, description = "The part before the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
    ("name" = String, Path, description = "The part after the dot",
        pattern = "^[a-z][a-z0-9_]{0,62}$"),
), responses(
    (status = 200, description = "The dataset", body = DatasetAnswer), BadRequest, NotFound, Always
))]
pub(crate) async fn get_dataset(
    State(state): State<AppState>,
    Context(ctx): Context,
    DatasetPath(name): DatasetPath,
) -> Result<(HeaderMap, Json<DatasetAnswer>)> {
    let dataset = convert::dataset(state.lake.dataset(&ctx, &name).await?);
    let headers = convert::notice_headers(dataset.notice.as_ref());
    Ok((headers, Json(convert::dataset_answer(dataset))))
}
