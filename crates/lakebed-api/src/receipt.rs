//! Receipts of answers, and replays.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, DatasetName, GroupName, ObjectId, PrincipalName, Timestamp,
    VersionId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::SqlParameters;

/// What one answer was made of: enough to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The statement's id, as its answer named it.
    pub statement_id: String,
    /// When it was put on record, before its first row.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who asked.
    #[schema(value_type = String)]
    pub principal: PrincipalName,
    /// The groups that the identity provider named.
    #[schema(value_type = Vec<String>)]
    pub groups: BTreeSet<GroupName>,
    /// The attributes that the identity provider stated.
    #[schema(value_type = Object)]
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
    /// The request's id.
    pub request_id: String,
    /// By which door it came: `local` or `http`.
    pub door: String,
    /// The statement.
    pub sql: String,
    /// Values for its placeholders.
    pub params: SqlParameters,
    /// The snapshot that its references were resolved against; absent where none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_seq: Option<u64>,
    /// The versions that were read, in order of appearance.
    pub versions: Vec<ReceiptVersion>,
    /// The digest of the catalog that was declared then; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub policy: Option<ObjectId>,
    /// The build that answered.
    #[schema(example = "lakebed 0.1.0")]
    pub engine: String,
    /// What came of it; absent while it is under way, or if the server died over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<ReceiptOutcome>,
}

/// A version that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptVersion {
    /// As the statement named it.
    #[schema(example = "sales.orders@v12")]
    pub reference: String,
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// The version number.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The version id; absent for those who may not see all of the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version_id: Option<VersionId>,
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptOutcome {
    /// `allowed`, `denied`, `failed` or `cancelled`.
    #[schema(example = "allowed")]
    pub ending: String,
    /// The code of the problem that was in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The columns that were read.
    pub columns: Vec<ReceiptColumns>,
    /// Rows that were handed out.
    pub row_count: u64,
    /// Their bytes, as the digest counts them.
    pub size_bytes: u64,
    /// Microseconds from the request to the end.
    pub duration_us: u64,
    /// The digest of the rows, in whatever order they came; for whoever got them, or may read all of
    /// what they came from, and only if the answer is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub result: Option<ObjectId>,
}

/// Columns of one table that a statement read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptColumns {
    /// As the statement named the table.
    pub reference: String,
    /// Their names.
    pub columns: Vec<String>,
}

/// Whether an answer can be had again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replay {
    /// The statement's id.
    pub statement_id: String,
    /// `equal`: the same rows. `different`: other rows. `cannot_tell`: the statement may have several
    /// answers, or none is on record.
    #[schema(example = "equal")]
    pub verdict: String,
    /// Why it cannot be told, or what is different.
    pub reasons: Vec<String>,
    /// Rows of the answer then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_then: Option<u64>,
    /// Rows of the answer now; absent if it was not computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_now: Option<u64>,
}
