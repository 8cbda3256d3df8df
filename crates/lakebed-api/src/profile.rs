//! What the rows of a version look like.

use lakebed_core::DataType;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{Links, ResolvedInput, Snapshot, schemas::DataTypeSchema};

/// A version's profile: figures about its accepted rows, column by column.
///
/// Values are written as in an answer to SQL; texts and bytes are cut at 256 bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileAnswer {
    /// What was read.
    pub snapshot: Snapshot,
    /// The reference and the version it resolved to.
    pub resolved: ResolvedInput,
    /// Its rows.
    pub row_count: u64,
    /// Whether the profile was made with the version; else its files were read just now.
    pub is_stored: bool,
    /// Its columns, in order.
    pub columns: Vec<ColumnProfile>,
    /// What belongs to it: `self`, and `version`, all about the version.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// What a column looks like. What its type has no such figure of is left out, and so is all but
/// `null_count` where no row has a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ColumnProfile {
    /// The column.
    pub name: String,
    /// Its field id.
    pub id: u32,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(value_type = DataTypeSchema)]
    pub data_type: DataType,
    /// Rows without a value.
    pub null_count: u64,
    /// Floats that are no number; they are in no other figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nan_count: Option<u64>,
    /// Different values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<DistinctCount>,
    /// The least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub min: Option<Value>,
    /// The greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub max: Option<Value>,
    /// Of numbers, dates and times: how they are distributed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Of texts (in characters), bytes, lists and maps: how long they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lengths: Option<Distribution>,
    /// The values that come most often, most frequent first; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frequent: Vec<FrequentValue>,
    /// A value that `frequent` does not list comes at most so often; 0: it lists all.
    pub unlisted_at_most: u64,
}

/// How many different values there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DistinctCount {
    /// So many: exactly up to 256, then by HyperLogLog with a standard error of 1.6 %.
    pub count: u64,
    /// Whether it is exact.
    pub is_exact: bool,
}

/// How numbers are distributed, by a t-digest; infinite ones are left out. Exact while there are
/// few different ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Distribution {
    /// The least.
    #[schema(value_type = Value)]
    pub min: Value,
    /// The greatest.
    #[schema(value_type = Value)]
    pub max: Value,
    /// The mean.
    #[schema(value_type = Value)]
    pub mean: Value,
    /// Quantiles, ascending.
    pub quantiles: Vec<Quantile>,
    /// How many lie in each part of the range from `min` to `max`; the parts are equally wide.
    pub histogram: Vec<u64>,
}

/// The value below which a part of all values lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Quantile {
    /// The part, 0.0 to 1.0.
    pub q: f64,
    /// The value.
    #[schema(value_type = Value)]
    pub value: Value,
}

/// A value and how often it comes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrequentValue {
    /// The value.
    #[schema(value_type = Value)]
    pub value: Value,
    /// It comes so often.
    pub count: u64,
    /// And at most so many times more; absent means the count is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed_at_most: Option<u64>,
}
