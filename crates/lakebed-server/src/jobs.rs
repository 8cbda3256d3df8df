//! What a job of this server does: an ingest, as it was asked for on the wire.

use std::sync::Arc;

use async_trait::async_trait;
use lakebed_api::IngestRequest;
use lakebed_service::{Ctx, Error, JobOutcome, JobRunner, ProgressSink, Ticket};

use crate::{
    AppState, convert,
    problem::{Failure, Result},
    routes::ingest::parse_request,
    urls::fetch,
};

/// The kind of these jobs.
pub(crate) const INGEST: &str = "ingest";

/// Runs ingests.
#[derive(Debug)]
pub(crate) struct Ingests {
    pub(crate) state: AppState,
}

#[async_trait]
impl JobRunner for Ingests {
    async fn run(
        &self,
        ctx: Ctx,
        ticket: Ticket,
        request: &str,
        progress: Arc<dyn ProgressSink>,
    ) -> JobOutcome {
        let request = match self.prepare(&ctx, request, progress.as_ref()).await {
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
                let is_passing = matches!(
                    error,
                    Error::Unavailable { .. } | Error::Locked { .. } | Error::Conflict { .. }
                );
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
        let failure = Failure::internal(format!("the job was lost: {why}"));
        tracing::error!(why, "a job was lost");
        self.text(&failure, "")
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
        self.text(failure, &ctx.request_id)
    }

    fn text(&self, failure: &Failure, request_id: &str) -> String {
        let problem = failure.problem(self.state.access, request_id);
        serde_json::to_string(&problem).expect("wire types always serialise")
    }
}
