//! Reading everything again, to see whether it is still what it was.

use lakebed_core::{DatasetName, ObjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas::ReferenceSchema;

/// What to verify.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyRequest {
    /// References, `namespace.dataset[@selector]`; none means everything, the journal too.
    #[serde(default)]
    #[schema(max_items = 1000, value_type = Vec<ReferenceSchema>)]
    pub refs: Vec<String>,
}

/// What was verified, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyReport {
    /// Versions that were checked.
    pub version_count: u64,
    /// Objects that were read and hashed.
    pub object_count: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Journal segments that were checked.
    pub segment_count: u64,
    /// What is wrong; empty means that all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The dataset it touches; none for the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub dataset: Option<DatasetName>,
    /// The numbers of the versions it touches, rising.
    pub versions: Vec<u64>,
    /// The object, where one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub object: Option<ObjectId>,
    /// What it is to the version: `manifest`, `table file`, `source` …
    pub what: String,
    /// What is wrong with it, one line.
    pub problem: String,
}
