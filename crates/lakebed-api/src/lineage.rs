//! Where versions come from, who would notice a change, and what needs somebody.

use std::collections::BTreeSet;

use lakebed_core::{
    DatasetName, ObjectId, TablePart, Timestamp,
    lineage::{Direct, Indirect},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{LockedReference, Snapshot, VersionSummary};

/// Versions, and what was computed from what. What you may not know of is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageAnswer {
    /// The snapshot this was read from.
    pub snapshot: Snapshot,
    /// The versions; the first is the one it begins with.
    pub versions: Vec<LineageVersion>,
    /// Which of them were computed from which.
    pub edges: Vec<LineageEdge>,
    /// There is more than is told at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// A version, and the files it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageVersion {
    /// The version.
    #[serde(flatten)]
    pub version: VersionSummary,
    /// Those of its columns that have to do with the one that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// The files that it was read from, where it was not computed: at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub originals: Vec<Original>,
    /// How many they are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub original_count: u64,
    /// What pipelines elsewhere told of its dataset, at most the newest 100 events: with the first of its
    /// versions, where no column was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalNode>,
}

/// What somebody told that a dataset was made of, or was made into, by OpenLineage. A claim: nothing
/// hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExternalNode {
    /// Where it is, as it was told.
    #[schema(example = "postgres://warehouse:5432")]
    pub namespace: String,
    /// What it is called there.
    #[schema(example = "shop.public.orders")]
    pub name: String,
    /// The name of the job that is said to have read or made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Who told it.
    #[schema(example = "airflow")]
    pub told_by: String,
    /// When, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub told_at: Timestamp,
    /// The event's number: `/v1/lineage/events` has it.
    pub event: u64,
}

/// A file that a version was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Original {
    /// The name it came with.
    #[schema(example = "orders.csv")]
    pub name: String,
    /// Its bytes: `/v1/objects/{digest}` has them.
    #[schema(value_type = String)]
    pub object: ObjectId,
    /// Their number.
    pub size_bytes: u64,
    /// Rows that were accepted.
    pub accepted_rows: u64,
    /// Rows that were set aside.
    pub quarantined_rows: u64,
}

/// That a version was computed from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineageEdge {
    /// The place in `versions` of the one that was computed.
    pub computed: usize,
    /// The place in `versions` of the one it was computed from.
    pub source: usize,
    /// Which columns were made of which; told where a column was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnEdge>,
    /// Which columns decided which rows there are, and so about all columns; told where a column was
    /// asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowsEdge>,
}

/// That a column was made of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ColumnEdge {
    /// The column that was computed.
    pub column: String,
    /// The column it was computed from.
    pub source: String,
    /// Whether that is a column of accepted rows or of the quarantine.
    #[schema(value_type = String, example = "rows")]
    pub part: TablePart,
    /// How its values became part of the column's: `identity`, `transformation`, `aggregation`; nothing
    /// where they only decided about them.
    #[schema(value_type = Vec<String>)]
    pub direct: BTreeSet<Direct>,
    /// Whether its values decided which values the column has.
    pub conditional: bool,
}

/// That a column decided which rows there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowsEdge {
    /// The column.
    pub source: String,
    /// Whether that is a column of accepted rows or of the quarantine.
    #[schema(value_type = String, example = "rows")]
    pub part: TablePart,
    /// How: `filter`, `join`, `group_by`, `sort`, `window`.
    #[schema(value_type = Vec<String>)]
    pub kinds: BTreeSet<Indirect>,
}

/// Who would notice a change of a dataset, or of one of its columns. What you may not know of is left
/// out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImpactAnswer {
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// The column, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The products, by name.
    pub products: Vec<ImpactProduct>,
    /// What people registered that they count on.
    pub locks: Vec<ImpactLock>,
    /// Whether those are all: for whoever may `ingest` into the dataset, is its steward, or may `audit`
    /// the lake; else they are your own.
    pub all_locks: bool,
    /// Who read it in the last 90 days, the last one first: for whoever may `audit` the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Vec<ImpactReader>>,
    /// What pipelines elsewhere say they made of the dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<ExternalNode>,
}

/// A product that would be another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImpactProduct {
    /// Its name.
    #[schema(value_type = String, example = "sales.orders_a_day")]
    pub product: DatasetName,
    /// Who answers for it; none where it is not declared, as what a program made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice")]
    pub owner: Option<String>,
    /// How many steps it is away.
    #[schema(minimum = 1)]
    pub steps: usize,
    /// Whether its statement reads it, as it is declared now.
    pub declared: bool,
    /// Its newest version, where that was built from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<u64>,
    /// The columns that would change, where a column was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Whether it would have other rows, where a column was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_rows: bool,
    /// Whether nothing is noted of its columns, where one was asked for: anything in it can change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anything: bool,
    /// Whether its statement cannot be computed any more of what is there now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
}

/// A lock that somebody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImpactLock {
    /// Who.
    pub actor: String,
    /// What they call it.
    pub name: String,
    /// When, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
    /// The versions of the dataset that it names.
    pub versions: Vec<u64>,
}

/// Somebody who read a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImpactReader {
    /// Who.
    pub principal: String,
    /// How often.
    pub reads: u64,
    /// When they did last, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub last_at: Timestamp,
}

/// What needs somebody, among the datasets that you may read or are steward of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LakeReport {
    /// What was found, by dataset.
    pub findings: Vec<LakeFinding>,
    /// How many datasets it is about.
    pub dataset_count: u64,
    /// Whether it says what nobody reads: that takes the right to `audit` the lake.
    pub knows_reads: bool,
}

/// Something about one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LakeFinding {
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// `ownerless`, `undocumented`, `broken`, `stale`, `late` or `unread`.
    #[schema(example = "stale")]
    pub kind: String,
    /// More of it, for people.
    pub detail: String,
}

/// What somebody counts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockRequest {
    /// The versions, 1 to 1000.
    #[schema(min_items = 1, max_items = 1000)]
    pub inputs: Vec<LockedReference>,
}

/// That something was registered, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LockAnswer {
    /// The event; none where nothing changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

// The shape that `skip_serializing_if` asks for.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}
