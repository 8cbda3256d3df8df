//! A column as a contract promises it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Number, Value};

/// A column, a field of one, or the items of a list.
///
/// Names and meanings are those of ODCS 3.1, `SchemaProperty`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContractColumn {
    /// What the contract calls it; empty for the items of a list.
    pub name: String,
    /// What the data calls it, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_name: Option<String>,
    /// What its values are to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logical_type: Option<LogicalType>,
    /// What its values are in the producer's store: `varchar(18)`, `decimal(9,2)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_type: Option<String>,
    /// Whether nothing is no value. (The standard's own sentence says the opposite by mistake.)
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Whether no value comes twice; nothing is no value, and may come often.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Its place in the primary key, from 1; none where it is no part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<u32>,
    /// What is asked of each value.
    #[serde(skip_serializing_if = "TypeOptions::is_empty")]
    pub options: TypeOptions,
    /// Words that policies bind to.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// How sensitive it is, in the producer's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fields of an object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<ContractColumn>,
    /// The items of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<ContractColumn>>,
}

impl ContractColumn {
    /// The column's name in the data.
    #[must_use]
    pub fn column(&self) -> &str {
        self.physical_name.as_deref().unwrap_or(&self.name)
    }
}

/// What values are to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogicalType {
    /// Text.
    String,
    /// A day.
    Date,
    /// A day and a time.
    Timestamp,
    /// A time of day.
    Time,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// Named fields.
    Object,
    /// A sequence.
    Array,
    /// `true` or `false`.
    Boolean,
}

impl LogicalType {
    /// All of them, in the standard's order.
    pub const ALL: [Self; 9] = [
        Self::String,
        Self::Date,
        Self::Timestamp,
        Self::Time,
        Self::Number,
        Self::Integer,
        Self::Object,
        Self::Array,
        Self::Boolean,
    ];

    /// The standard's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Time => "time",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Object => "object",
            Self::Array => "array",
            Self::Boolean => "boolean",
        }
    }
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no logical type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a logical type")]
pub struct LogicalTypeError {
    given: String,
}

impl FromStr for LogicalType {
    type Err = LogicalTypeError;

    fn from_str(text: &str) -> Result<Self, LogicalTypeError> {
        let error = || LogicalTypeError { given: crate::name::printable(text) };
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(error)
    }
}

/// ODCS' `logicalTypeOptions`, those that are enforced. Each asks something of every value that is
/// there; nothing is asked of null.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypeOptions {
    /// The smallest value: a number, or the text of a date or time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Value>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Value>,
    /// Every value is larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclusive_minimum: Option<Value>,
    /// Every value is smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclusive_maximum: Option<Value>,
    /// Every value is a whole multiple.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<Number>,
    /// The fewest characters (Unicode code points) of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// The most characters of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// An ECMA-262 expression that is found in every text, anywhere unless it is anchored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The range of an integer in Rust's words: `i8` … `u128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integer: Option<String>,
    /// Whether a timestamp is a point in time (`true`) or what a clock on a wall shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<bool>,
    /// The fewest items of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_items: Option<u64>,
    /// The most items of an array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u64>,
}

impl TypeOptions {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
