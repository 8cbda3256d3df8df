//! Contracts: what was measured on a version, and what that means for it.

use lakebed_core::{DatasetName, ObjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A version to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractCheckRequest {
    /// The reference, `namespace.dataset[@selector]`.
    #[serde(rename = "ref")]
    #[schema(
        example = "sales.orders@v3",
        pattern = "^[a-z][a-z0-9_]{0,62}\\.[a-z][a-z0-9_]{0,62}(@[0-9A-Za-z_:.+-]{1,64})?$"
    )]
    pub reference: String,
}

/// A contract, measured on a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContractReport {
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The contract, by the digest of its canonical text.
    #[schema(value_type = String)]
    pub contract: ObjectId,
    /// Which contract it is, in the producer's words.
    pub id: String,
    /// The contract's version, in the producer's words.
    pub version: String,
    /// Where the contract is in its life: `draft`, `active` …
    pub status: String,
    /// Who answers for the dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// What the dataset is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words that say what kind of data it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Accepted rows.
    pub accepted: u64,
    /// Quarantined rows.
    pub quarantined: u64,
    /// Every rule, in the contract's order, and then every promise of freshness, measured now.
    pub findings: Vec<RuleFinding>,
    /// Why an ingest would be refused; empty where it would not.
    pub refusals: Vec<String>,
    /// Rules that hold the version back from being promoted.
    pub held_back_by: Vec<String>,
}

/// One rule, measured on one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleFinding {
    /// The rule's name in the contract.
    #[schema(example = "price.minimum")]
    pub rule: String,
    /// The column it speaks of, by the contract's name; none for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// `info`, `warning`, `error` or `critical`.
    pub severity: String,
    /// What was measured: rows that break it, rows in all, seconds, or the answer of a query; null
    /// where nothing could be measured.
    #[schema(value_type = Value)]
    pub measured: serde_json::Value,
    /// What it had to be, for people.
    #[schema(example = "at most 0.1 %")]
    pub threshold: String,
    /// Whether it holds.
    pub passed: bool,
    /// What it does where it does not hold: `noted`, `warned`, `quarantined` or `refused`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consequence: Option<String>,
    /// Why nothing could be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The first row that breaks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstBroken>,
}

/// Where a rule was first broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FirstBroken {
    /// The source.
    pub source: String,
    /// The line, from 1; in a binary format the row.
    pub line: u64,
}
