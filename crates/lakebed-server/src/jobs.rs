//! What jobs of a server do: ingests, as they were asked for on the wire; statements are in
//! `statements.rs`.

use std::sync::Arc;

use async_trait::async_trait;
use lakebed_api::{IngestRequest, Problem};
use lakebed_service::{
    Ctx, Error, JobOutcome, JobQueue, JobRun, JobRunner, JobRunners, ProgressSink, STATEMENT,
};

use crate::{
    AppState, convert,
    problem::{Failure, Result},
    routes::ingest::parse_request,
    statements::Statements,
    urls::fetch,
};

/// The kind of jobs that are ingests.
pub(crate) const INGEST: &str = "ingest";

/// What jobs do in `state`, by kind.
pub(crate) fn runners(state: &AppState) -> JobRunners {
    let (ingests, statements) = (state.clone(), state.clone());
    JobRunners::from([
        (INGEST, Arc::new(Ingests { state: ingests }) as Arc<dyn JobRunner>),
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
            Err(failure) => return JobOutcome::Failed(self.told(&failure, &ctx)),
        };
        match self.state.lake.ingest_in_turn(&ctx, ticket, request, progress).await {
            Ok(outcome) => {
                let done = convert::ingested(&self.state, outcome);
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
                let told = self.told(&failure, &ctx);
                if is_passing { JobOutcome::Again(told) } else { JobOutcome::Failed(told) }
            }
        }
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

    fn told(&self, failure: &Failure, ctx: &Ctx) -> String {
        problem_text(&failure.problem(self.state.access, &ctx.request_id))
    }
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
