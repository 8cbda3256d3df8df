//! A contract: what the producer promises of a dataset, as one canonical value.
//!
//! The words are those of the Open Data Contract Standard 3.1. Reading its YAML, binding a contract
//! to a table, comparing two and judging findings is `lakebed-contract`'s business. Here is the form
//! that is stored, compared and named by a digest; comments and the order of keys are not in it.

mod column;
mod finding;
mod implied;
mod number;
mod rule;
mod threshold;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

pub use column::{ContractColumn, LogicalType, LogicalTypeError, TypeOptions};
pub use finding::{Finding, Findings, RULE_ENGINE};
pub use number::{Number, NumberError};
pub use rule::{Check, RelationshipTable, RelationshipTarget, RowCheck, Rule, Severity};
pub use threshold::{Must, Threshold, Unit};
pub use value::Value;

use crate::{ObjectId, document::check_format};

/// The shape of the value that this build writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What a producer promises of one dataset.
///
/// Layout: ARCHITECTURE.md, "Contracts".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// Which contract this is, for ever.
    pub id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version, in the producer's words; semantic versioning is expected.
    pub version: String,
    /// Where it is in its life.
    pub status: Status,
    /// What the contract calls the table.
    pub object: String,
    /// What the table is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Words that policies bind to: those of the contract and those of the table.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Members of the team in the role `owner`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub owners: BTreeSet<String>,
    /// The columns, in the contract's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ContractColumn>,
    /// The rules that stand on their own, in the contract's order: `quality` and `relationships`.
    /// Those that columns imply are added by [`Contract::all_rules`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// How old the data may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freshness: Vec<Freshness>,
    /// How many rows may be quarantined; more refuse the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_quarantined: Option<QuarantineLimit>,
    /// What else was written, by its path: kept, and not enforced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, Value>,
}

/// Where a contract is in its life; the standard's words, or the producer's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// Asked for.
    Proposed,
    /// Being written.
    #[default]
    Draft,
    /// In force.
    Active,
    /// In force, and will end.
    Deprecated,
    /// Ended.
    Retired,
    /// Another word.
    Other(String),
}

impl Status {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Proposed => "proposed",
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Retired => "retired",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        match word.as_str() {
            "proposed" => Self::Proposed,
            "draft" => Self::Draft,
            "active" => Self::Active,
            "deprecated" => Self::Deprecated,
            "retired" => Self::Retired,
            _ => Self::Other(word),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.as_str().to_owned()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How old the data may be: ODCS' service levels `latency` and `freshness`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// Its name among the rules: `freshness`, `updated_at.latency`.
    pub id: String,
    /// The column whose newest value is the data's age; none for the version's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The greatest age, in seconds.
    pub max_age_seconds: u64,
}

/// How many rows may be quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuarantineLimit {
    /// So many rows.
    Rows(u64),
    /// So many hundredths of all rows.
    Percent(Number),
}

impl QuarantineLimit {
    /// Whether `quarantined` of `total` rows (accepted and quarantined) are few enough.
    #[must_use]
    pub fn allows(&self, quarantined: u64, total: u64) -> bool {
        match self {
            Self::Rows(most) => quarantined <= *most,
            Self::Percent(most) => most.cmp_percent(quarantined, total).is_le(),
        }
    }
}

impl fmt::Display for QuarantineLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(most) => write!(f, "{most} rows"),
            Self::Percent(most) => write!(f, "{most} %"),
        }
    }
}

/// The value as it is stored.
#[derive(Serialize)]
struct Stored<'a> {
    format: u32,
    contract: &'a Contract,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    format: u32,
    contract: Contract,
}

impl Contract {
    /// The canonical text: JSON without spaces, what is empty is absent. Columns and rules keep
    /// their order, all else is sorted.
    #[must_use]
    pub fn to_json(&self) -> String {
        let stored = Stored { format: FORMAT, contract: self };
        serde_json::to_string(&stored).expect("plain values always serialise")
    }

    /// Reads a canonical text.
    ///
    /// # Errors
    /// When it is not JSON of a contract, or of a format newer than this build.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let read: Read = serde_json::from_str(text)?;
        check_format("contract format", read.format, FORMAT)?;
        Ok(read.contract)
    }

    /// The name of this value: the digest of its canonical text.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        ObjectId::of(self.to_json().as_bytes())
    }

    /// The column that the contract calls `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of the primary key, in its order; empty where there is none.
    #[must_use]
    pub fn primary_key(&self) -> Vec<&ContractColumn> {
        let mut key: Vec<&ContractColumn> =
            self.columns.iter().filter(|column| column.primary_key.is_some()).collect();
        key.sort_by_key(|column| column.primary_key);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReasonCode;

    fn contract() -> Contract {
        let number = |text: &str| Value::from(text.parse::<Number>().expect("a number"));
        let price = ContractColumn {
            name: "price".into(),
            physical_name: Some("PRICE".into()),
            logical_type: Some(LogicalType::Number),
            required: true,
            options: TypeOptions { minimum: Some(number("0.50")), ..TypeOptions::default() },
            ..ContractColumn::default()
        };
        let id =
            ContractColumn { name: "id".into(), primary_key: Some(1), ..ContractColumn::default() };
        let threshold =
            Threshold { must: Must::BeGreaterThan(Number::from(10_u64)), unit: Unit::Rows };
        Contract {
            id: "c-1".into(),
            version: "1.0.0".into(),
            status: Status::Active,
            object: "orders".into(),
            columns: vec![price, id],
            rules: vec![Rule {
                id: "rowCount".into(),
                column: None,
                severity: Severity::Critical,
                check: Check::RowCount { threshold },
                description: None,
            }],
            freshness: vec![Freshness {
                id: "freshness".into(),
                column: None,
                max_age_seconds: 86_400,
            }],
            max_quarantined: Some(QuarantineLimit::Percent(Number::from(1_u64))),
            kept: BTreeMap::from([("price.priceAmount".into(), number("9.95"))]),
            ..Contract::default()
        }
    }

    #[test]
    fn equal_contracts_are_equal_bytes() {
        let text = contract().to_json();
        insta::assert_snapshot!(text.replace("},", "},\n"), @r#"
        {"format":1,"contract":{"id":"c-1","version":"1.0.0","status":"active","object":"orders","columns":[{"name":"price","physical_name":"PRICE","logical_type":"number","required":true,"options":{"minimum":{"number":"0.5"}}},
        {"name":"id","primary_key":1}],"rules":[{"id":"rowCount","severity":"critical","check":{"kind":"row_count","threshold":{"must":{"be_greater_than":"10"}}}}],"freshness":[{"id":"freshness","max_age_seconds":86400}],"max_quarantined":{"percent":"1"},
        "kept":{"price.priceAmount":{"number":"9.95"}}}}
        "#);
        insta::assert_snapshot!(contract().digest(), @"312ecaee5a709392d0e61d8a98bd943974e82250c56141315e35cc7c06f1c37c");
        assert_eq!(Contract::from_json(&text).expect("its own text"), contract());
    }

    #[test]
    fn what_this_build_does_not_know_is_refused() {
        let text = contract().to_json();
        for bad in [
            text.replace("\"format\":1", "\"format\":2"),
            text.replace("\"object\"", "\"objekt\""),
            text.replace("\"row_count\"", "\"row_sum\""),
            text.replace("\"critical\"", "\"fatal\""),
            "{}".to_owned(),
        ] {
            assert!(Contract::from_json(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_of_all_rows() {
        let percent = QuarantineLimit::Percent(Number::from(1_u64));
        assert!(percent.allows(10, 1000));
        assert!(!percent.allows(11, 1000));
        assert!(QuarantineLimit::Rows(0).allows(0, 0));
        assert!(!QuarantineLimit::Rows(2).allows(3, 1_000_000));
    }

    #[test]
    fn columns_imply_rules() {
        let said: Vec<String> = contract()
            .all_rules()
            .into_iter()
            .map(|rule| {
                let code = rule.code().map_or("blames no row", ReasonCode::as_str);
                format!("{} {} {code}", rule.id, rule.severity)
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"), @"
        price.required error constraint-error
        price.minimum error constraint-error
        id.primaryKey error primary-key
        primaryKey error primary-key
        rowCount critical blames no row
        ");
    }
}
