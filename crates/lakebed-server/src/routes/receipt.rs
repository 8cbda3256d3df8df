//! Receipts of answers, and replays.

use axum::{Json, extract::State};
use lakebed_api::{Receipt, ReceiptColumns, ReceiptOutcome, ReceiptVersion, Replay, SqlParameters};
use lakebed_service::{self as service, engine::Parameters};

use super::problems::{Always, BadRequest, NotFound, TooMany};
use crate::{
    AppState,
    context::Context,
    extract::IdPath,
    problem::{Failure, Result},
};

/// The receipt of an answer: for whoever asked, and whoever may audit the lake
///
/// It is there from before the first row on; what came of the statement follows when it ends, on
/// other servers of the lake within seconds.
#[utoipa::path(get, path = "/v1/receipts/{id}", tag = "receipt", params(
    ("id" = String, Path, description = "The statement's id"),
), responses(
    (status = 200, description = "The receipt", body = Receipt), BadRequest, NotFound, Always
))]
pub(crate) async fn get_receipt(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Receipt>> {
    let service::Receipt {
        statement_id,
        at,
        asker,
        sql,
        parameters,
        snapshot_seq,
        versions,
        policy,
        engine,
        outcome,
    } = state.lake.receipt(&ctx, &id).await?;
    let attributes = asker.attributes.into_iter().map(|(name, value)| {
        let name = name.parse().map_err(|_| Failure::internal("a record names no attribute"))?;
        Ok((name, value))
    });
    Ok(Json(Receipt {
        statement_id,
        at,
        principal: asker.principal,
        groups: asker.groups,
        attributes: attributes.collect::<Result<_>>()?,
        request_id: asker.request_id,
        door: asker.door.as_str().to_owned(),
        sql,
        params: match parameters {
            Parameters::Positional(values) => SqlParameters::Positional(values),
            Parameters::Named(values) => SqlParameters::Named(values),
        },
        snapshot_seq,
        versions: versions.into_iter().map(version).collect(),
        policy,
        engine,
        outcome: outcome.map(ended),
    }))
}

fn version(version: service::ReceiptVersion) -> ReceiptVersion {
    let service::ReceiptVersion { reference, dataset, version, version_id } = version;
    ReceiptVersion { reference, dataset, version, version_id }
}

fn ended(outcome: service::ReceiptOutcome) -> ReceiptOutcome {
    let service::ReceiptOutcome { ending, code, columns, rows, bytes, duration_us, result } =
        outcome;
    let columns = columns.into_iter().map(|table| {
        let service::ReadColumns { reference, columns } = table;
        ReceiptColumns { reference, columns }
    });
    ReceiptOutcome {
        ending: ending.as_str().to_owned(),
        code,
        columns: columns.collect(),
        row_count: rows,
        size_bytes: bytes,
        duration_us,
        result,
    }
}

/// Answer a statement again, as it was asked then, and compare: for whoever may audit the lake
///
/// The same asker, versions and restrictions as then. Whoever replays sees no row.
#[utoipa::path(post, path = "/v1/receipts/{id}/replay", tag = "receipt", params(
    ("id" = String, Path, description = "The statement's id"),
), responses(
    (status = 200, description = "Whether the answer is the same", body = Replay),
    BadRequest, NotFound, TooMany, Always
))]
pub(crate) async fn replay(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Replay>> {
    let service::Replay { verdict, reasons, rows_then, rows_now } =
        state.lake.replay(&ctx, &id, state.limits).await?;
    let verdict = verdict.as_str().to_owned();
    Ok(Json(Replay { statement_id: id, verdict, reasons, rows_then, rows_now }))
}
