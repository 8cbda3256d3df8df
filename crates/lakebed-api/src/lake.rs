//! The lake as a whole, and whether it answers.

use lakebed_core::{LakeId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A point in the history of the whole lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The place of the last event it contains; 0 before the first.
    pub seq: u64,
    /// When that event was committed, RFC 3339, UTC; 1970-01-01 before the first. A reference with
    /// this time resolves to this snapshot for ever.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// Which lake this is and how far its history goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LakeInfo {
    /// The id of the lake: 32 lower-case hex digits, drawn when it was created.
    #[schema(value_type = String, example = "07070707070707070707070707070707")]
    pub lake: LakeId,
    /// Where its bytes are; told in process only, a server keeps it to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The place of the newest event that readers see; 0 before the first.
    pub seq: u64,
    /// When the lake was created, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// How many datasets there are for the asker.
    pub dataset_count: u64,
    /// The version of the program that answers.
    #[schema(example = "0.1.0")]
    pub server_version: String,
}

/// Whether the process lives, or is ready to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `live` or `ready`.
    #[schema(example = "ready")]
    pub status: String,
}
