//! What measuring a rule on a version found.

use serde::{Deserialize, Serialize};

use super::{Severity, Unit, Value};

/// One rule measured on one version: a fact that never changes for the same version, contract and
/// rule engine. No value of the data is in it but what a query was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The rule's id in the contract.
    pub rule: String,
    /// The column it speaks of; none for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// Whether the rows that break it can be named, and so set aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blames_rows: bool,
    /// What was measured: rows that break it, rows in all, seconds, or the answer of a query;
    /// null where nothing could be measured, which never passes.
    pub measured: Value,
    /// What `measured` counts.
    #[serde(default)]
    pub unit: Unit,
    /// What it had to be, for people: `at most 0.1 %`.
    pub threshold: String,
    /// Whether it holds.
    pub passed: bool,
}
