//! Statements as jobs: run into chunks that wait, and told to who asked for as long as they may see
//! what came of it.
//!
//! Invariant: of a statement that has ended nothing but that it has ended leaves [`told`] or
//! [`rows_of`] before the service has said that it may.

use async_trait::async_trait;
use lakebed_api::{
    Problem, SqlRequest, Statement, StatementChunk, StatementRequest, StatementResult,
};
use lakebed_service::{
    Basis, Ctx, Error, JobOutcome, JobQueue, JobRun, JobRunner, JobState, JobStatus, KeptAnswer,
    KeptResult, StatementRun, engine::QueryStream,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    AppState, convert,
    encode::{Preamble, columns},
    jobs::{is_passing, lost},
    metrics::StatementTally,
    problem::{Failure, Result},
    routes::sql::query_request,
};

/// Runs statements.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) state: AppState,
}

/// What a statement leaves when it is done.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    basis: Basis,
    /// All but its chunks.
    result: StatementResult,
    kept: KeptResult,
}

/// What it leaves when it failed.
#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    /// None when it never began.
    basis: Option<Basis>,
    problem: Problem,
}

/// What came of a statement, and on what it was computed.
trait Outcome: DeserializeOwned {
    fn basis(&self) -> Option<&Basis>;
}

impl Outcome for Done {
    fn basis(&self) -> Option<&Basis> {
        Some(&self.basis)
    }
}

impl Outcome for Failed {
    fn basis(&self) -> Option<&Basis> {
        self.basis.as_ref()
    }
}

#[async_trait]
impl JobRunner for Statements {
    fn queue(&self) -> JobQueue {
        JobQueue::Statements
    }

    async fn run(&self, job: JobRun) -> JobOutcome {
        let ctx = job.ctx.clone();
        let mut tally = StatementTally::begin(self.state.metrics.clone());
        let mut basis = None;
        match self.answer(job, &mut basis).await {
            Ok(done) => {
                tally.add_rows(usize::try_from(done.result.row_count).unwrap_or(usize::MAX));
                tally.answered();
                JobOutcome::Done(text(&done))
            }
            Err(Error::Cancelled) => JobOutcome::Cancelled,
            Err(error) => {
                let is_passing = is_passing(&error);
                let failure = Failure::from(error);
                tally.failed(failure.status());
                tracing::warn!(
                    job = ctx.request_id,
                    code = failure.code(),
                    cause = failure.cause(),
                    is_passing,
                    "a statement failed"
                );
                let problem = failure.problem(self.state.access, &ctx.request_id);
                let failed = text(&Failed { basis, problem });
                if is_passing { JobOutcome::Again(failed) } else { JobOutcome::Failed(failed) }
            }
        }
    }

    fn lost(&self, why: &str) -> String {
        let problem = lost(&self.state, why);
        text(&Failed { basis: None, problem })
    }
}

impl Statements {
    /// The answer, its rows being kept; `basis` is what it was computed on, as soon as that is known.
    async fn answer(&self, job: JobRun, basis: &mut Option<Basis>) -> Result<Done, Error> {
        let JobRun { id, run, ctx, ticket, request, progress } = job;
        let unreadable = |why: String| Error::Internal { source: why.into() };
        let request: SqlRequest = serde_json::from_str(&request)
            .map_err(|error| unreadable(format!("a statement's request: {error}")))?;
        let noted = basis.insert(self.state.lake.basis(&ctx, &request.sql).await?);
        // Its limits were checked when it was accepted.
        let request = query_request(&self.state, request)
            .map_err(|failure| unreadable(failure.code().to_owned()))?;
        let run = StatementRun { id, run, ticket, progress };
        let answer = self.state.lake.run_statement(&ctx, request, run, noted).await?;
        let KeptAnswer { statement_id, snapshot, resolved, schema, kept } = answer;
        let result = StatementResult {
            statement_id,
            snapshot: convert::snapshot(snapshot),
            resolved: resolved.iter().map(convert::input).collect(),
            columns: columns(&schema),
            row_count: kept.row_count(),
            chunks: Vec::new(),
        };
        Ok(Done { basis: noted.clone(), result, kept })
    }
}

/// The statement without its limits in time: what makes two requests the same.
pub(crate) fn request_text(request: &StatementRequest) -> String {
    let StatementRequest { sql, params, limits, wait_ms: _ } = request.clone();
    text(&SqlRequest { sql, params, limits })
}

/// A statement as the asker may know it now.
///
/// # Errors
/// 410 when what came of it is gone, or not to be told any more.
pub(crate) async fn told(state: &AppState, ctx: &Ctx, status: JobStatus) -> Result<Statement> {
    let (result, problem) = match status.record.state {
        JobState::Done => {
            let Done { result, kept, .. } = outcome(state, ctx, &status).await?;
            (Some(StatementResult { chunks: chunks(&status.record.id, &kept), ..result }), None)
        }
        JobState::Failed => {
            let Failed { problem, .. } = outcome(state, ctx, &status).await?;
            (None, Some(problem))
        }
        JobState::Queued | JobState::Running | JobState::Cancelled => (None, None),
    };
    Ok(Statement { result, problem, ..outline(state, status) })
}

/// The rows of one chunk, and what the answer says of itself.
///
/// # Errors
/// 404 when there is no such chunk, 409 when the statement is not done, and as [`told`].
pub(crate) async fn rows_of(
    state: &AppState,
    ctx: &Ctx,
    status: &JobStatus,
    number: usize,
) -> Result<(Preamble, QueryStream)> {
    let record = &status.record;
    if record.state != JobState::Done {
        let detail = format!("the statement is {}: it has no rows", record.state);
        return Err(Failure::new(http::StatusCode::CONFLICT, "statement-not-done", detail)
            .hint("`GET /v1/statements/{id}?wait_ms=10000` waits for its end"));
    }
    let done: Done = outcome(state, ctx, status).await?;
    let Some(rows) = state.lake.read_chunk(&record.id, &done.kept, number).await? else {
        let last = done.kept.chunks.len() - 1;
        let detail = format!("the statement has no chunk {number}: its last one is {last}");
        return Err(Failure::new(http::StatusCode::NOT_FOUND, "not-found", detail));
    };
    let StatementResult { statement_id, snapshot, resolved, .. } = done.result;
    Ok((Preamble { statement_id, snapshot, resolved, page: None }, rows))
}

/// What is told of a statement whoever asks, as long as it is theirs: not what came of it.
pub(crate) fn outline(state: &AppState, status: JobStatus) -> Statement {
    let JobStatus { record, progress } = status;
    let job_state = convert::job_state(record.state);
    let is_known = record.state != JobState::Done || record.outcome.is_some();
    let ends =
        (job_state.is_final() && is_known).then(|| state.lake.result_goes_at(record.updated_at));
    Statement {
        id: record.id,
        state: job_state,
        idempotency_key: record.idempotency_key,
        progress: progress.map(convert::progress),
        cancel_asked: record.cancel_asked,
        result: None,
        problem: None,
        created_at: record.created_at,
        updated_at: record.updated_at,
        expires_at: ends,
    }
}

/// What came of a statement, if the asker may still know.
async fn outcome<T: Outcome>(state: &AppState, ctx: &Ctx, status: &JobStatus) -> Result<T> {
    let record = &status.record;
    let is_over = state.lake.result_goes_at(record.updated_at) <= state.lake.now();
    let Some(outcome) = record.outcome.as_deref().filter(|_| !is_over) else {
        return Err(gone().into());
    };
    let outcome: T = serde_json::from_str(outcome)
        .map_err(|error| Failure::internal(format!("the outcome of a statement: {error}")))?;
    if let Some(basis) = outcome.basis() {
        state.lake.check_told(ctx, &record.identity, basis).await?;
    }
    Ok(outcome)
}

fn gone() -> Error {
    Error::Gone {
        code: "statement-expired",
        message: "what came of this statement is forgotten: its time is over, or it was deleted"
            .to_owned(),
        hint: "run it again, under another `idempotency-key`".to_owned(),
    }
}

fn chunks(id: &str, kept: &KeptResult) -> Vec<StatementChunk> {
    let chunks = kept.chunks.iter().enumerate();
    chunks
        .map(|(number, chunk)| StatementChunk {
            url: format!("/v1/statements/{id}/chunks/{number}"),
            row_count: chunk.row_count,
            size_bytes: chunk.size_bytes,
        })
        .collect()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain values always serialise")
}
