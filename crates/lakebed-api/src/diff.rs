//! Two versions, side by side.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{ColumnProfile, ResolvedInput, Snapshot, schemas::ReferenceSchema};

/// Which versions to compare.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffRequest {
    /// What was, `namespace.dataset[@selector]`.
    #[schema(value_type = ReferenceSchema)]
    pub from: String,
    /// What is.
    #[schema(value_type = ReferenceSchema)]
    pub to: String,
    /// The columns that say which rows are the same, by their names in `to`. When unsaid, the primary
    /// key of its contract, or else rows are not compared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub key: Vec<String>,
    /// At most so many rows of each kind are told, up to 1000; 20 when unsaid. All are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1000)]
    pub show: Option<u32>,
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffAnswer {
    /// What was read.
    pub snapshot: Snapshot,
    /// What was.
    pub from: ResolvedInput,
    /// What is.
    pub to: ResolvedInput,
    /// Whether both hold the same data, to the byte.
    pub is_same: bool,
    /// How many rows there were, and are.
    pub row_counts: [u64; 2],
    /// How many rows were quarantined, then and now.
    pub quarantined_counts: [u64; 2],
    /// Every column of both: in the order of `to`, those that went last. Columns of one dataset are
    /// known by their field ids, those of two by their names.
    pub columns: Vec<ColumnDiff>,
    /// What became of the rows; none without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowDiff>,
}

/// A column, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnDiff {
    /// What it looked like; none for a column that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ColumnProfile>,
    /// What it looks like; none for a column that went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ColumnProfile>,
    /// How the column itself changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ColumnChange>,
    /// How far the distributions (of numbers, dates and times, or of lengths) are apart, 0 to 1: the
    /// greatest difference between the parts of both below any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1)]
    pub distance: Option<f64>,
}

/// How a column changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnChange {
    /// It came.
    Added,
    /// It went.
    Removed,
    /// It has another name.
    Renamed,
    /// It has another type.
    Retyped,
}

/// What became of the rows. Counts are exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowDiff {
    /// The columns that say which rows are the same.
    pub key: Vec<String>,
    /// Rows that came.
    pub added: u64,
    /// Rows that went.
    pub removed: u64,
    /// Rows of which a cell differs.
    pub changed: u64,
    /// Rows that are the same.
    pub unchanged: u64,
    /// Keys that stand in several rows of a version. Which of those rows are the same nobody knows:
    /// equal ones are unchanged, the others came or went.
    pub repeated_keys: u64,
    /// Rows, of both versions, whose key lacks a value. No value equals no value.
    pub null_keys: u64,
    /// How many cells of a column differ; columns with none are left out.
    pub cells: Vec<CellCount>,
    /// Columns that were compared as text: neither of their types holds the other's values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub as_text: Vec<String>,
    /// Columns that were not compared: only one version has them, or they are nested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_compared: Vec<String>,
    /// The columns of the rows below: the key's first.
    pub columns: Vec<String>,
    /// The first rows that came, by key.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub added_rows: Vec<Vec<Value>>,
    /// The first rows that went.
    #[schema(value_type = Vec<Vec<Value>>)]
    pub removed_rows: Vec<Vec<Value>>,
    /// The first rows that changed.
    pub changed_rows: Vec<ChangedRow>,
}

/// Cells of a column that differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellCount {
    /// The column.
    pub column: String,
    /// How many.
    pub count: u64,
}

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedRow {
    /// Its key.
    #[schema(value_type = Vec<Value>)]
    pub key: Vec<Value>,
    /// The cells that differ.
    pub cells: Vec<CellChange>,
}

/// A cell that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CellChange {
    /// The column.
    pub column: String,
    /// What it was.
    #[schema(value_type = Value)]
    pub before: Value,
    /// What it is.
    #[schema(value_type = Value)]
    pub after: Value,
}
