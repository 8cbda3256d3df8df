//! Runs: programs that are somewhere else, and whose outputs become versions together.

use bytes::Bytes;
use lakebed_api::{
    Progress, Run, RunAbortRequest, RunCommitAnswer, RunCommitRequest, RunList, RunRequest, media,
};

use crate::{Client, ClientError, work::follow};

/// The longest log that is read: logs are bounded where they are kept.
const MOST_LOG: usize = 32 << 20;

impl Client {
    /// Begins a run. The same `key` is the same run, however often it is asked for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn begin_run(&self, request: &RunRequest, key: &str) -> Result<Run, ClientError> {
        self.post(&["v1", "runs"])
            .json(request)
            .header(media::IDEMPOTENCY_KEY, key)?
            .repeatable()
            .fetch()
            .await
    }

    /// Runs that may be seen, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn runs(&self, limit: Option<u32>) -> Result<RunList, ClientError> {
        self.get(&["v1", "runs"]).query("limit", limit).fetch().await
    }

    /// One run.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn run(&self, id: &str) -> Result<Run, ClientError> {
        self.get(&["v1", "runs", id]).fetch().await
    }

    /// What a run printed.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn run_log(&self, id: &str) -> Result<Bytes, ClientError> {
        self.get(&["v1", "runs", id, "log"]).fetch_bytes(MOST_LOG).await
    }

    /// Says that a run is alive.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn hear_of_run(&self, id: &str) -> Result<Run, ClientError> {
        self.post(&["v1", "runs", id, "heartbeat"]).repeatable().fetch().await
    }

    /// Makes versions of all outputs of a run, or of none. Tells `on_progress` how far it is.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Broken`] they may be there or not, and sending the same
    /// request again finds out.
    pub async fn commit_run(
        &self,
        id: &str,
        request: &RunCommitRequest,
        on_progress: impl FnMut(Progress),
    ) -> Result<RunCommitAnswer, ClientError> {
        let draft = self.post(&["v1", "runs", id, "commit"]).json(request).repeatable();
        follow(draft, on_progress).await
    }

    /// Gives a run up.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn abort_run(&self, id: &str, why: &RunAbortRequest) -> Result<Run, ClientError> {
        self.post(&["v1", "runs", id, "abort"]).json(why).repeatable().fetch().await
    }
}
