//! What measuring a rule on a version found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Severity, Unit, Value};
use crate::{
    ObjectId, Timestamp,
    document::{check_format, json_line},
};

/// Counts up when the same contract measures something else on the same version.
pub const RULE_ENGINE: u32 = 1;

/// The shape of the document that this build writes, and the newest it reads.
const FORMAT: u32 = 1;

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
    /// Why nothing could be measured; no value of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Everything that measuring a contract on a version found: a document of its own, which the event
/// names that says so. Layout: ARCHITECTURE.md, "Findings".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    format: u32,
    /// The contract, by the digest of its canonical text.
    pub contract: ObjectId,
    /// The [`RULE_ENGINE`] that measured.
    pub engine: u32,
    /// Accepted rows.
    pub row_count: u64,
    /// Quarantined rows.
    pub quarantined_count: u64,
    /// One per rule, in the contract's order.
    pub findings: Vec<Finding>,
    /// Of each promise of freshness about a column, by its name, the newest value; absent where there
    /// is none. How old that is depends on when one asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub newest: BTreeMap<String, Timestamp>,
}

impl Findings {
    /// What this build's rule engine found of `contract`.
    #[must_use]
    pub const fn new(contract: ObjectId, row_count: u64, quarantined_count: u64) -> Self {
        Self {
            format: FORMAT,
            contract,
            engine: RULE_ENGINE,
            row_count,
            quarantined_count,
            findings: Vec::new(),
            newest: BTreeMap::new(),
        }
    }

    /// The bytes that are stored: a line of JSON.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of findings, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let findings: Self = serde_json::from_slice(bytes)?;
        check_format("format", findings.format, FORMAT)?;
        Ok(findings)
    }
}
