//! What happened, in order.

use lakebed_core::{DatasetName, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A part of the lake's history, oldest first: what the asker may know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// Events by rising `seq`.
    pub events: Vec<EventEntry>,
    /// Give this as `after` to read on; none when there was nothing more yet. There may be no
    /// events on a page and more to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u64>,
}

/// One change of the lake. `type` says what changed, and which further fields there are
/// (ARCHITECTURE.md, "Events"); digests and counts are there for readers of its dataset alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub struct EventEntry {
    /// Its place in the order of all events of the lake, from 1.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When it was committed, RFC 3339, UTC; never decreases with `seq`.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What changed: `dataset_created`, `version_committed`, `version_materialised`, `head_moved`, `ingest_refused`,
    /// `catalog_applied`, `token_created`, `token_revoked` …
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    pub kind: String,
    /// The dataset it concerns; none where it concerns the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub dataset: Option<DatasetName>,
    /// The rest.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

impl EventEntry {
    /// A detail that is a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.details.get(name)?.as_u64()
    }

    /// Whether a detail is there and true.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.details.get(name) == Some(&Value::Bool(true))
    }

    /// A detail that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.details.get(name)?.as_str()
    }
}
