//! The job that this command has asked a server for: whoever stops the command stops the job.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lakebed_api::JobState;
use lakebed_client::Client;

/// How long a server is waited for that is to end a job.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The job under way, if there is one.
#[derive(Debug, Default)]
pub(crate) struct RunningJob(Mutex<Option<(Client, String)>>);

impl RunningJob {
    /// From now on the job that was asked for with `key` is under way.
    pub(crate) fn begin(&self, client: &Client, key: &str) {
        *self.lock() = Some((client.clone(), key.to_owned()));
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    /// Asks the server to end it, and says whether that left nothing. The key finds it even if the answer
    /// that names it never came.
    pub(crate) async fn cancel(&self) -> bool {
        let Some((client, key)) = self.lock().take() else { return true };
        let client = client.with_patience(PATIENCE);
        let cancel = async {
            let jobs = client.jobs(Some(1000)).await?.jobs;
            match jobs.into_iter().find(|job| job.idempotency_key.as_ref() == Some(&key)) {
                Some(job) => client.cancel_job(&job.id).await.map(|job| job.state),
                None => Ok(JobState::Cancelled),
            }
        };
        match tokio::time::timeout(PATIENCE, cancel).await {
            Ok(Ok(state)) => return state == JobState::Cancelled,
            Ok(Err(error)) => tracing::warn!(%error, "could not end the job on the server"),
            Err(_elapsed) => tracing::warn!("the server did not end the job in time"),
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Client, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
