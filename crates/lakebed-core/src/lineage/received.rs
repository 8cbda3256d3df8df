//! What somebody else's pipeline told: an OpenLineage event, as far as the record needs to know it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{DatasetName, StoredObject, Timestamp};

/// See [`EventBody::LineageReceived`](crate::EventBody::LineageReceived).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageReceived {
    /// What it is about.
    pub kind: LineageKind,
    /// When that was, as its teller says.
    pub event_at: Timestamp,
    /// The run's state now: `START`, `RUNNING`, `COMPLETE`, `ABORT`, `FAIL` or `OTHER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The run, a UUID in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<LineageName>,
    /// What was read, in the order told; each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<LineageNode>,
    /// What was made, or, of an event about a dataset, what it is about; in the order told, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<LineageNode>,
    /// Every dataset of this lake that is named anywhere in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub datasets: BTreeSet<DatasetName>,
    /// The event, byte for byte.
    pub told: StoredObject,
}

/// What an OpenLineage event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineageKind {
    /// A run of a job.
    Run,
    /// A job that need not run.
    Job,
    /// A dataset.
    Dataset,
}

impl LineageKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Job => "job",
            Self::Dataset => "dataset",
        }
    }
}

/// A job or a dataset, as OpenLineage names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineageName {
    /// Where it is.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
}

/// A dataset at the end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageNode {
    /// As it was told.
    #[serde(flatten)]
    pub name: LineageName,
    /// The datasets of this lake that it is: by its name, or by other names that were told with it.
    /// None of what lies elsewhere.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub datasets: BTreeSet<DatasetName>,
}
