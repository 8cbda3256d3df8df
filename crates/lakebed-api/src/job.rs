//! Long work that nobody has to wait for.

use lakebed_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{IngestResponse, Links, Problem, Progress};

/// A job, as it is now. Every event of `/v1/jobs/{id}/events` is one, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its name: `/v1/jobs/{id}`.
    pub id: String,
    /// What kind of work: `ingest`, `build`, `statement`.
    #[schema(example = "ingest")]
    pub kind: String,
    /// How far it is.
    pub state: JobState,
    /// The key it was asked for with: the same key is the same job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How far it is, more precisely, until it is final.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Whether its owner wants it to end.
    pub cancel_asked: bool,
    /// What it did, once it is done; of a statement, `/v1/statements/{id}` tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<IngestResponse>,
    /// Why it could not be done, once it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// How often a server began it: more than once when one died.
    pub attempt: u64,
    /// Counts its changes; the `id` of its events.
    pub revision: u64,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// What belongs to it: `self`, which `DELETE` ends, and `events`, as it goes on.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// How far a job is. The last three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is worked on.
    Running,
    /// It is done.
    Done,
    /// It could not be done.
    Failed,
    /// Its owner did not want it any more; it left nothing.
    Cancelled,
}

impl JobState {
    /// Whether it changes no more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// The caller's own jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The newest first.
    pub jobs: Vec<Job>,
}
