//! Two versions, side by side.

use arrow::record_batch::RecordBatch;
use axum::{Json, extract::State};
use lakebed_api::{
    CellChange, CellCount, ChangedRow, ColumnChange, ColumnDiff, DiffAnswer, DiffRequest, RowDiff,
};
use lakebed_service as service;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    problems::{Always, BadBody, Changes, NotFound, TooMany},
    profile,
};
use crate::{
    AppState,
    context::Context,
    convert,
    encode::json_rows,
    extract::{ApiJson, parse_ref},
    problem::{Failure, Result},
};

/// Rows of each kind that are told when the client says nothing, and at most.
const SHOWN: (u32, u32) = (20, 1000);

/// What differs between two versions: columns, distributions and, by a key, rows and cells
///
/// Going away cancels it.
#[utoipa::path(post, path = "/v1/diffs", tag = "version", request_body = DiffRequest, responses(
    (status = 200, description = "What differs", body = DiffAnswer),
    BadBody, NotFound, TooMany, Changes, Always
))]
pub(crate) async fn diff(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<DiffRequest>,
) -> Result<Json<DiffAnswer>> {
    let (usual, most) = SHOWN;
    let show = request.show.unwrap_or(usual);
    if show > most {
        let detail = format!("`show` is {show}: expected 0 to {most}");
        return Err(Failure::invalid("invalid-show", detail));
    }
    let request = service::DiffRequest {
        from: parse_ref(&request.from)?,
        to: parse_ref(&request.to)?,
        key: request.key,
        show: show as usize,
        limits: state.limits,
    };
    let found = state.lake.diff(&ctx, request).await?;
    let (from, to) = (&found.from.version, &found.to.version);
    Ok(Json(DiffAnswer {
        snapshot: convert::snapshot(found.snapshot),
        is_same: from.content_id == to.content_id,
        row_counts: [from.row_count, to.row_count],
        quarantined_counts: [from.quarantined_count, to.quarantined_count],
        columns: found.columns.iter().map(|diff| column(diff, from, to)).collect(),
        rows: found.rows.map(rows).transpose()?,
        from: convert::input(&found.from),
        to: convert::input(&found.to),
    }))
}

fn column(
    diff: &service::ColumnDiff,
    from: &service::VersionRecord,
    to: &service::VersionRecord,
) -> ColumnDiff {
    let change = |change: &service::ColumnChange| match change {
        service::ColumnChange::Added => ColumnChange::Added,
        service::ColumnChange::Removed => ColumnChange::Removed,
        service::ColumnChange::Renamed => ColumnChange::Renamed,
        service::ColumnChange::Retyped => ColumnChange::Retyped,
    };
    let described = |side: &Option<_>, rows| {
        side.as_ref().map(|(field, found)| profile::column(field, Some(found), rows))
    };
    ColumnDiff {
        before: described(&diff.before, from.row_count),
        after: described(&diff.after, to.row_count),
        changes: diff.changes.iter().map(change).collect(),
        distance: diff.distance,
    }
}

fn rows(found: service::RowDiff) -> Result<RowDiff> {
    let service::RowSamples { added, removed, changed } = &found.samples;
    let columns: Vec<String> =
        added.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    let cells = found
        .cells
        .into_iter()
        .map(|service::CellCount { column, count }| CellCount { column, count });
    Ok(RowDiff {
        added: found.added,
        removed: found.removed,
        changed: found.changed,
        unchanged: found.unchanged,
        repeated_keys: found.repeated_keys,
        null_keys: found.null_keys,
        cells: cells.collect(),
        as_text: found.as_text,
        not_compared: found.not_compared,
        added_rows: values(added)?,
        removed_rows: values(removed)?,
        changed_rows: changed_rows(&columns, found.key.len(), &changed.0, &changed.1)?,
        key: found.key,
        columns,
    })
}

fn changed_rows(
    columns: &[String],
    keys: usize,
    before: &RecordBatch,
    after: &RecordBatch,
) -> Result<Vec<ChangedRow>> {
    // Compared as they are written: what reads numbers rounds.
    let texts = |rows| values::<Vec<Vec<Box<RawValue>>>>(rows);
    let (before, after) = (texts(before)?, texts(after)?);
    let value = |text: &RawValue| {
        serde_json::from_str(text.get()).map_err(|error| Failure::internal(error.to_string()))
    };
    let mut changed = Vec::with_capacity(after.len());
    for (before, after) in before.iter().zip(&after) {
        let mut cells = Vec::new();
        for (column, (before, after)) in columns.iter().zip(before.iter().zip(after)) {
            if before.get() != after.get() {
                let (before, after) = (value(before)?, value(after)?);
                cells.push(CellChange { column: column.clone(), before, after });
            }
        }
        let key = after.iter().take(keys).map(|text| value(text)).collect::<Result<_>>()?;
        changed.push(ChangedRow { key, cells });
    }
    Ok(changed)
}

fn values<T: DeserializeOwned>(rows: &RecordBatch) -> Result<T> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(error.to_string());
    let text = json_rows(rows).map_err(|error| failed(&error))?;
    serde_json::from_slice(&text).map_err(|error| failed(&error))
}
