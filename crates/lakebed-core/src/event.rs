//! One append-only change of the catalog.
//!
//! The catalog's state is a function of its events and nothing else: that is why it can be rebuilt
//! from the journal.

use serde::{Deserialize, Serialize};

use crate::{
    DatasetKind, DatasetName, IngestKey, ObjectId, StageName, StoredObject, Timestamp, VersionId,
};

/// A change, in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the order; counts from 1 without gaps.
    pub seq: u64,
    /// When it was committed; never decreases with `seq`.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The caller's key: the same key from the same actor is the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What changed.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A dataset exists from now on.
    DatasetCreated {
        /// Its name.
        dataset: DatasetName,
        /// What its versions are made of.
        kind: DatasetKind,
    },
    /// A version exists from now on, and is the head of stage `raw`.
    VersionCommitted(VersionCommitted),
    /// A stage has another version.
    HeadMoved(HeadMoved),
    /// Sources were kept, but made no version.
    IngestRefused(IngestRefused),
}

impl EventBody {
    /// The dataset it concerns.
    #[must_use]
    pub const fn dataset(&self) -> &DatasetName {
        match self {
            Self::DatasetCreated { dataset, .. } => dataset,
            Self::VersionCommitted(version) => &version.dataset,
            Self::HeadMoved(moved) => &moved.dataset,
            Self::IngestRefused(refused) => &refused.dataset,
        }
    }
}

/// See [`EventBody::VersionCommitted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCommitted {
    /// The dataset.
    pub dataset: DatasetName,
    /// Counts from 1 within the dataset, without gaps.
    pub number: u64,
    /// The manifest.
    pub version_id: VersionId,
    /// The version before.
    pub parent: Option<VersionId>,
    /// Equal ids mean equal data.
    pub content_id: ObjectId,
    /// What would make the same version again.
    pub ingest_key: IngestKey,
    /// Accepted rows; files for kind `files`.
    pub row_count: u64,
    /// Quarantined rows.
    pub quarantined_count: u64,
    /// Bytes of its table files, or of its files.
    pub size_bytes: u64,
    /// Every object that this version names and no earlier event named: originals, table files,
    /// quarantine, lists and the manifest itself; hash trees are named by their objects. Sorted.
    pub objects: Vec<StoredObject>,
}

/// See [`EventBody::HeadMoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadMoved {
    /// The dataset.
    pub dataset: DatasetName,
    /// The stage; never `raw`, whose head follows the versions.
    pub stage: StageName,
    /// The version number it had.
    pub from: Option<u64>,
    /// The version number it has now.
    pub to: u64,
}

/// See [`EventBody::IngestRefused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestRefused {
    /// The dataset they were meant for; it may not exist.
    pub dataset: DatasetName,
    /// The originals, kept.
    pub sources: Vec<KeptSource>,
    /// A stable word for the reason.
    pub code: String,
    /// The reason, for people; no values of the data.
    pub message: String,
    /// Every object that this event names and no earlier event named. Sorted.
    pub objects: Vec<StoredObject>,
}

/// An original that made no version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSource {
    /// The name it came with.
    pub name: String,
    /// Its bytes.
    #[serde(flatten)]
    pub object: StoredObject,
}
