//! What jobs of a server do: ingests and builds, as they were asked for on the wire; statements are in
//! `statements.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use lakebed_api::{IngestRequest, IngestResponse, Problem};
use lakebed_service::{
    BUILD, Ctx, Error, JobOutcome, JobQueue, JobRun, JobRunner, JobRunners, ProgressSink, STATEMENT,
};

use crate::{
    AppState, convert,
    problem::{Failure, Result},
    routes::{ingest::parse_request, product::Build},
    statements::Statements,
    urls::fetch,
};

/// The kind of jobs that are ingests.
pub(crate) const INGEST: &str = "ingest";

/// What jobs do in `state`, by kind.
pub(crate) fn runners(state: &AppState) -> JobRunners {
    let (ingests, builds, statements) = (state.clone(), state.clone(), state.clone());
    JobRunners::from([
        (BUILD, Arc::new(Builds { state: builds }) as Arc<dyn JobRunner>),
        (INGEST, Arc::new(Ingests { state: ingests })),
        (STATEMENT, Arc::new(Statements { state: statements })),
    ])
}

/// Runs ingests.
#[derive(Debug)]
struct Ingests {
    state: AppState,
}

#[async_trait]
impl JobRunner for Ingests {
    fn queue(&self) -> JobQueue {
        JobQueue::Ingests
    }

    async fn run(&self, job: JobRun) -> JobOutcome {
        let JobRun { ctx, ticket, request, progress, .. } = job;
        let request = match self.prepare(&ctx, &request, progress.as_ref()).await {
            Ok(request) => request,
            Err(failure) => return JobOutcome::Failed(told(&self.state, &failure, &ctx)),
        };
        let made = self.state.lake.ingest_in_turn(&ctx, ticket, request, progress).await;
        ended(&self.state, &ctx, made.map(|outcome| convert::ingested(&self.state, outcome)))
    }

    fn lost(&self, why: &str) -> String {
        problem_text(&lost(&self.state, why))
    }
}

impl Ingests {
    /// The request, with what it names by URL fetched; nothing is fetched for those who may not
    /// ingest what comes of it, which may have changed since they asked.
    async fn prepare(
        &self,
        ctx: &Ctx,
        request: &str,
        progress: &dyn ProgressSink,
    ) -> Result<lakebed_service::IngestRequest> {
        let request: IngestRequest = serde_json::from_str(request)
            .map_err(|error| Failure::internal(format!("a job's request: {error}")))?;
        let (mut request, urls) = parse_request(request, &self.state)?;
        self.state.lake.check_ingest(ctx, &request.dataset).await?;
        fetch(&self.state, ctx, &mut request, urls, progress).await?;
        Ok(request)
    }
}

/// Builds products.
#[derive(Debug)]
struct Builds {
    state: AppState,
}

#[async_trait]
impl JobRunner for Builds {
    fn queue(&self) -> JobQueue {
        JobQueue::Statements
    }

    async fn run(&self, job: JobRun) -> JobOutcome {
        let JobRun { ctx, ticket, request, progress, .. } = job;
        let request = serde_json::from_str::<Build>(&request)
            .map_err(|error| Failure::internal(format!("a job's request: {error}")));
        let request = match request {
            Ok(request) => request.into_request(),
            Err(failure) => return JobOutcome::Failed(told(&self.state, &failure, &ctx)),
        };
        let made = self.state.lake.build_in_turn(&ctx, ticket, request, progress).await;
        ended(&self.state, &ctx, made.map(|outcome| convert::built(&self.state, outcome)))
    }

    fn lost(&self, why: &str) -> String {
        problem_text(&lost(&self.state, why))
    }
}

/// What came of work that makes a version.
fn ended(state: &AppState, ctx: &Ctx, made: Result<IngestResponse, Error>) -> JobOutcome {
    match made {
        Ok(done) => {
            JobOutcome::Done(serde_json::to_string(&done).expect("wire types always serialise"))
        }
        Err(Error::Cancelled) => JobOutcome::Cancelled,
        Err(error) => {
            let is_passing = is_passing(&error);
            let failure = Failure::from(error);
            tracing::warn!(
                job = ctx.request_id,
                code = failure.code(),
                cause = failure.cause(),
                is_passing,
                "a job failed"
            );
            let told = told(state, &failure, ctx);
            if is_passing { JobOutcome::Again(told) } else { JobOutcome::Failed(told) }
        }
    }
}

fn told(state: &AppState, failure: &Failure, ctx: &Ctx) -> String {
    problem_text(&failure.problem(state.access, &ctx.request_id))
}

/// Whether trying again may help.
pub(crate) const fn is_passing(error: &Error) -> bool {
    matches!(error, Error::Unavailable { .. } | Error::Locked { .. } | Error::Conflict { .. })
}

/// The problem of a job that no server survived, or that panicked.
pub(crate) fn lost(state: &AppState, why: &str) -> Problem {
    tracing::error!(why, "a job was lost");
    Failure::internal(format!("the job was lost: {why}")).problem(state.access, "")
}

fn problem_text(problem: &Problem) -> String {
    serde_json::to_string(problem).expect("wire types always serialise")
}
