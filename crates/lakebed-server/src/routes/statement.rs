//! Statements that take long: asked for, waited for, fetched in chunks, ended.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use std::time::Duration;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use lakebed_api::{
    SqlResult, Statement, StatementRequest,
    media::{self, SqlFormat},
};
use lakebed_service::{Ctx, Error, JobState, JobStatus, NewJob, STATEMENT};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    problems::{
        Always, BadBody, BadRequest, Changes, Gone, NotAcceptable, NotFound, RawBytes, TooMany,
    },
    sql::{SqlQuery, Written, coding, int64, query_request, respond_rows},
};
use crate::{
    Access, AppState,
    accept::negotiate,
    context::Context,
    extract::{
        ApiQuery, ChunkPath, IdPath, media_type, parse_json, read_body, text_body, unsupported,
    },
    lines::Reader,
    metrics::StatementTally,
    problem::{Failure, Result},
    statements::{outline, request_text, rows_of, told},
};

/// How long an answer is waited for when nobody says.
const WAIT: Duration = Duration::from_secs(10);
/// How long at most.
const LONGEST_WAIT_MS: u64 = 30_000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// How many milliseconds to wait for the end of the statement; none when unsaid.
    #[param(minimum = 0, maximum = 30_000)]
    wait_ms: Option<u64>,
}

/// Ask a statement whose rows are fetched later
///
/// It goes on by itself, on another server if need be, and its rows wait for an hour after its end.
/// If it ends in `wait_ms` the answer is 200, else 202. The same `idempotency-key` is the same
/// statement, however often it is sent.
#[utoipa::path(post, path = "/v1/statements", tag = "sql",
    params(
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same statement; 1 to 200 characters",
            pattern = "^[ -~]{1,200}$"),
    ),
    request_body(content((StatementRequest = "application/json"), (String = "text/plain"))),
    responses(
        (status = 200, description = "It has ended", body = Statement,
            headers(("location" = String, description = "The statement"))),
        (status = 202, description = "It goes on", body = Statement,
            headers(("location" = String, description = "The statement"))),
        BadBody, NotFound, TooMany, Changes, Gone, Always
    )
)]
pub(crate) async fn create_statement(
    State(state): State<AppState>,
    Context(ctx): Context,
    request: Request,
) -> Result<Response> {
    if state.access == Access::Local {
        return Err(needs_a_server());
    }
    let request = parse_body(request).await?;
    let patience = wait(request.wait_ms)?.unwrap_or(WAIT);
    let text = request_text(&request);
    // What cannot be meant is refused now; everything else comes of the statement.
    let StatementRequest { sql, params, limits, wait_ms: _ } = request;
    query_request(&state, lakebed_api::SqlRequest { sql: sql.clone(), params, limits })?;
    state.lake.check_statement(&ctx, &sql).await?;
    let jobs = state.jobs()?;
    let asked = jobs.submit(&ctx, NewJob { kind: STATEMENT.to_owned(), request: text }).await?;
    let status = jobs.wait(&ctx, &asked.record.id, patience).await?;
    let statement = told(&state, &ctx, status).await?;
    let code = if statement.state.is_final() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/v1/statements/{}", statement.id);
    Ok((code, [(header::LOCATION, location)], Json(statement)).into_response())
}

/// One of your statements
///
/// While it goes on, how far it is; then what it answers, or why it failed. 410 once that is not to be
/// had any more: an hour after its end, or when what you may see has changed since.
#[utoipa::path(get, path = "/v1/statements/{id}", tag = "sql",
    params(("id" = String, Path, description = "The statement"), WaitQuery),
    responses(
        (status = 200, description = "The statement", body = Statement),
        BadRequest, NotFound, Gone, Always
    )
)]
pub(crate) async fn get_statement(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
    ApiQuery(query): ApiQuery<WaitQuery>,
) -> Result<Json<Statement>> {
    let mut status = find(&state, &ctx, &id).await?;
    if let Some(patience) = wait(query.wait_ms)? {
        // An answer that came later than a read may take would be none.
        let patience = patience.min(state.door.read_timeout() / 2);
        status = state.jobs()?.wait(&ctx, &id, patience).await?;
    }
    told(&state, &ctx, status).await.map(Json)
}

/// Some rows of a statement that is done
///
/// As `/v1/sql` answers them: in the format that `accept` prefers. They are handed out to who asked
/// for the statement, as long as nothing has changed that decides what they may see; else 410, and the
/// statement is to be run again.
#[utoipa::path(get, path = "/v1/statements/{id}/chunks/{number}", tag = "sql",
    params(
        ("id" = String, Path, description = "The statement"),
        ("number" = u32, Path, description = "The chunk, counted from 0"),
        SqlQuery,
    ),
    responses(
        (status = 200, description = "The rows",
            content(
                (SqlResult = "application/json"),
                (String = "application/x-ndjson"),
                (String = "text/csv"),
                (RawBytes = "application/vnd.apache.arrow.stream"),
                (RawBytes = "application/vnd.apache.parquet"),
            ),
            headers(
                ("lakebed-statement-id" = String, description = "Names the statement in the logs"),
                ("lakebed-snapshot" = String,
                    description = "What was read: `seq` and RFC 3339 time, a space between"),
                ("lakebed-resolved" = String,
                    description = "The versions that were read: a JSON list, in base64url"),
            )
        ),
        BadRequest, NotFound, NotAcceptable, Changes, Gone, Always
    )
)]
pub(crate) async fn get_chunk(
    State(state): State<AppState>,
    Context(ctx): Context,
    ChunkPath { id, number }: ChunkPath,
    ApiQuery(query): ApiQuery<SqlQuery>,
    request: Request,
) -> Result<Response> {
    let offered = SqlFormat::ALL.map(SqlFormat::media_type);
    let format = SqlFormat::ALL[negotiate(request.headers(), &offered)?];
    let coding = coding(&state, request.headers(), format)?;
    let written = Written { format, coding, int64: int64(query) };
    let status = find(&state, &ctx, &id).await?;
    let (preamble, rows) = rows_of(&state, &ctx, &status, number).await?;
    let reader = Reader { access: state.access, request_id: ctx.request_id };
    // The statement was counted when it was run.
    let tally = StatementTally::begin(None);
    respond_rows(preamble, rows, written, reader, tally).await
}

/// End a statement, or forget what came of it
///
/// The answer is the statement after a few seconds at most; until it is final, `cancel_asked` says that
/// it is to end. The rows of one that is done are forgotten.
#[utoipa::path(delete, path = "/v1/statements/{id}", tag = "sql",
    params(("id" = String, Path, description = "The statement")),
    responses(
        (status = 200, description = "The statement", body = Statement),
        BadRequest, NotFound, Always
    )
)]
pub(crate) async fn delete_statement(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Statement>> {
    find(&state, &ctx, &id).await?;
    let mut status = state.jobs()?.cancel(&ctx, &id).await?;
    if status.record.state == JobState::Done {
        state.lake.forget_result(&ctx, &id).await?;
        status.record.outcome = None;
    }
    Ok(Json(outline(&state, status)))
}

/// JSON, or the bare statement.
async fn parse_body(request: Request) -> Result<StatementRequest> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers).as_deref() {
        Some(media::JSON) => parse_json(&read_body(body).await?),
        Some(media::TEXT) => {
            Ok(StatementRequest { sql: text_body(body).await?, ..StatementRequest::default() })
        }
        _ => Err(unsupported(&format!("{} or {}", media::JSON, media::TEXT))),
    }
}

fn wait(wait_ms: Option<u64>) -> Result<Option<Duration>> {
    match wait_ms {
        Some(wait_ms) if wait_ms > LONGEST_WAIT_MS => {
            let detail = format!("`wait_ms` is at most {LONGEST_WAIT_MS}, not {wait_ms}");
            Err(Failure::invalid("invalid-wait", detail).hint("ask again: the statement goes on"))
        }
        other => Ok(other.map(Duration::from_millis)),
    }
}

/// One of the asker's statements. That of another, a job that is none and one that never was are not
/// told apart.
async fn find(state: &AppState, ctx: &Ctx, id: &str) -> Result<JobStatus> {
    match state.jobs()?.get(ctx, id).await {
        Ok(status) if status.record.kind == STATEMENT => Ok(status),
        Ok(_) | Err(Error::NotFound { .. }) => {
            let detail = "no such statement of yours";
            Err(Failure::new(StatusCode::NOT_FOUND, "not-found", detail)
                .hint("statements are forgotten a week after their end"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing goes on in a lake that nobody serves.
fn needs_a_server() -> Failure {
    let detail = "a statement that goes on by itself needs a server";
    Failure::invalid("needs-a-server", detail).hint("`POST /v1/sql` answers as it reads")
}
