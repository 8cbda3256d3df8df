//! Lineage that pipelines elsewhere tell.

use lakebed_core::{DatasetName, ObjectId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// That an event of lineage is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEventAnswer {
    /// The digest of its bytes: the name under which they are kept.
    #[schema(value_type = String)]
    pub told: ObjectId,
}

/// Events of lineage, newest first: what the asker may know of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEventPage {
    /// The events.
    pub events: Vec<LineageEvent>,
    /// Give this as `before` to read on; none at the end. There may be no events on a page and more
    /// to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// What a pipeline elsewhere told once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEvent {
    /// Its place in the order of all events of the lake.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When it was recorded, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who told it.
    pub actor: String,
    /// What it is about: `run`, `job` or `dataset`.
    pub kind: String,
    /// When that was, as its teller says.
    #[schema(value_type = String, format = DateTime)]
    pub event_at: Timestamp,
    /// The run's state: `START`, `RUNNING`, `COMPLETE`, `ABORT`, `FAIL`, `OTHER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<LineageEventNode>,
    /// What was read.
    pub inputs: Vec<LineageEventNode>,
    /// What was made, or what it is about.
    pub outputs: Vec<LineageEventNode>,
    /// The digest of the event's bytes; for whoever may read the whole lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub told: Option<ObjectId>,
}

/// A job or a dataset, as OpenLineage names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEventNode {
    /// Where it is.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
    /// The datasets of this lake that it is; none of what lies elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub datasets: Vec<DatasetName>,
}
