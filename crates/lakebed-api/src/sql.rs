//! Statements and their answers.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use lakebed_core::{DatasetName, DatasetRef, VersionId};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use utoipa::ToSchema;

use crate::Snapshot;

/// One statement.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlRequest {
    /// The statement: `SELECT`, `EXPLAIN SELECT`, `DESCRIBE`, `SHOW COLUMNS FROM`, `SHOW TABLES`.
    #[schema(
        min_length = 1,
        example = "SELECT count(*) FROM sales.\"orders@v12\" WHERE price > $1"
    )]
    pub sql: String,
    /// Values for its placeholders.
    #[serde(default)]
    pub params: SqlParameters,
    /// What it may use.
    #[serde(default)]
    pub limits: SqlLimits,
}

/// Values bound to placeholders: null, booleans, numbers and strings. All of them, each once.
///
/// What JSON readers round is a string: whole numbers beyond 64 bits are refused, and a number with
/// a point or an exponent is a double, so that the digits of a decimal are sent as a string, as
/// answers have them. A string is read as what it is compared with: a date, a time, a decimal.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum SqlParameters {
    /// For `$1`, `$2` …
    #[schema(value_type = Vec<Object>)]
    Positional(Vec<Value>),
    /// For `$name`.
    #[schema(value_type = Object)]
    Named(serde_json::Map<String, Value>),
}

impl Default for SqlParameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

/// What a plain value of JSON would lose in silence is an error here: digits, and all but the last of
/// equal names.
impl<'de> Deserialize<'de> for SqlParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParametersVisitor)
    }
}

struct ParametersVisitor;

impl<'de> Visitor<'de> for ParametersVisitor {
    type Value = SqlParameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values, or an object of named values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<SqlParameters, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = given.next_element::<Box<RawValue>>()? {
            let number = values.len() + 1;
            values.push(exact(&number, &value)?);
        }
        Ok(SqlParameters::Positional(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<SqlParameters, A::Error> {
        let mut values = serde_json::Map::new();
        while let Some((name, value)) = given.next_entry::<String, Box<RawValue>>()? {
            let value = exact(&name, &value)?;
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("parameter `{name}` is given twice")));
            }
            values.insert(name, value);
        }
        Ok(SqlParameters::Named(values))
    }
}

/// The value as it was written.
fn exact<E: Error>(name: &dyn fmt::Display, written: &RawValue) -> Result<Value, E> {
    let text = written.get();
    let value = serde_json::from_str(text)
        .map_err(|error| E::custom(format_args!("parameter `{name}` cannot be read: {error}")))?;
    match &value {
        // A whole number that became a double has more than 64 bits; `-0` is one that fits.
        Value::Number(number)
            if number.is_f64() && !text.contains(['.', 'e', 'E']) && text != "-0" =>
        {
            let what = "has more than 64 bits and would be rounded: give it as a string";
            Err(E::custom(format_args!("parameter `{name}` {what}")))
        }
        _ => Ok(value),
    }
}

/// What a statement may use; unsaid means the server's own limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlLimits {
    /// Rows of the answer; one more breaks the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_rows: Option<u64>,
    /// Bytes of the answer's values, the same in every format: a text or bytes count their length
    /// and 4, a list its items and 4, a boolean 1, everything else its width in Arrow; one more
    /// breaks the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_bytes: Option<u64>,
    /// Milliseconds from start to last row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub timeout_ms: Option<u64>,
    /// Bytes of memory that operators may reserve before they spill; can only lower a server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub memory_bytes: Option<u64>,
    /// Bytes of scratch that operators may spill to; can only lower a server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub spill_bytes: Option<u64>,
}

/// An answer as one JSON document. It is streamed: `row_count` comes last, and its presence proves
/// that the answer is whole.
///
/// Rows are lists in the order of the columns. Decimals are strings with all their digits. 64-bit
/// integers are JSON numbers with all their digits, or strings with `?int64=string`, for readers
/// whose numbers end at 2^53. Floats that JSON has no number for are `"NaN"`, `"Infinity"`,
/// `"-Infinity"`. Dates and times are ISO 8601 strings, points in time end in `Z`; those that no
/// calendar shows are their count of units, as a string. Bytes are lower-case hex. What is nested
/// follows the same rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SqlResult {
    /// Names the statement, as the header `Lakebed-Statement-Id` does.
    pub statement_id: String,
    /// What was read.
    pub snapshot: Snapshot,
    /// The versions that were read, in order of appearance.
    pub resolved: Vec<ResolvedInput>,
    /// The columns, in order.
    pub columns: Vec<SqlColumn>,
    /// The rows, in the statement's order.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    /// How many rows.
    pub row_count: u64,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SqlColumn {
    /// Its name; names may repeat.
    pub name: String,
    /// Its type: `long`, `string`, `decimal(9,2)`, `timestamptz` …; Arrow's name for types that no
    /// table has.
    #[serde(rename = "type")]
    #[schema(example = "long")]
    pub data_type: String,
}

/// A reference of a statement, and the version it resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedInput {
    /// As the statement wrote it.
    #[schema(value_type = String, example = "sales.orders")]
    pub reference: DatasetRef,
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
    /// The dataset's newest version number; larger than `version` when a newer one exists.
    #[schema(minimum = 1)]
    pub newest: u64,
}

/// The value of the header `Lakebed-Resolved`: the list as JSON, in base64url without padding.
///
/// # Panics
/// Never: plain values always serialise.
#[must_use]
pub fn encode_resolved(inputs: &[ResolvedInput]) -> String {
    let json = serde_json::to_vec(inputs).expect("plain values always serialise");
    URL_SAFE_NO_PAD.encode(json)
}

/// Reads the header `Lakebed-Resolved`; none when it is not of this shape.
#[must_use]
pub fn decode_resolved(header: &str) -> Option<Vec<ResolvedInput>> {
    let json = URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The value of the header `Lakebed-Snapshot`: `12 2026-11-01T08:00:00.000000Z`.
#[must_use]
pub fn format_snapshot(snapshot: &Snapshot) -> String {
    format!("{} {}", snapshot.seq, snapshot.at)
}

/// Reads the header `Lakebed-Snapshot`; none when it is not of this shape.
#[must_use]
pub fn parse_snapshot(header: &str) -> Option<Snapshot> {
    let (seq, at) = header.split_once(' ')?;
    Some(Snapshot { seq: seq.parse().ok()?, at: at.parse().ok()? })
}
