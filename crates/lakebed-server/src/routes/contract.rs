//! Contracts, measured on versions.

use axum::{Json, extract::State};
use lakebed_api::{ContractCheckRequest, ContractReport};

use super::problems::{Always, BadBody, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, parse_ref},
    problem::Result,
};

/// Measure the declared contract on a version, old or new
///
/// Needs `read`. What is measured once is a fact, and is not measured again; where the asker may
/// `ingest` or is a `steward`, it is put on record.
#[utoipa::path(post, path = "/v1/contract-checks", tag = "contract",
    request_body = ContractCheckRequest,
    responses(
        (status = 200, description = "What was measured", body = ContractReport),
        BadBody, NotFound, Always
    )
)]
pub(crate) async fn check_contract(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<ContractCheckRequest>,
) -> Result<Json<ContractReport>> {
    let reference = parse_ref(&request.reference)?;
    Ok(Json(convert::contract_report(state.lake.check_version(&ctx, &reference).await?)))
}
