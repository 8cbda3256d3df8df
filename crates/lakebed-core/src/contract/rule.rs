//! Rules: what must hold of each row, and of a version as a whole.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Number, Threshold, Value};
use crate::{DatasetName, ReasonCode};

/// How bad it is when a rule does not hold, and so what happens.
///
/// What each does is told in ARCHITECTURE.md, "Contracts".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is recorded.
    Info,
    /// The row is kept and annotated.
    Warning,
    /// The row is quarantined; a version of which it is true as a whole cannot be promoted.
    Error,
    /// The version is refused.
    Critical,
}

impl Severity {
    /// The word in contracts and quarantines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in the contract: `price.minimum`.
    pub id: String,
    /// The column it speaks of, by the contract's name; none for the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// How bad it is when it does not hold.
    pub severity: Severity,
    /// What must hold.
    pub check: Check,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Rule {
    /// What a quarantined row is told; none of a rule that can blame no row.
    #[must_use]
    pub fn code(&self) -> Option<ReasonCode> {
        Some(match (&self.column, &self.check) {
            // That a part of a key is null is told like a key that comes twice.
            (Some(column), Check::Row { .. })
                if self.id.strip_prefix(column.as_str()) == Some(".primaryKey") =>
            {
                ReasonCode::PrimaryKey
            }
            (_, Check::Row { .. }) => ReasonCode::ConstraintError,
            (_, Check::Duplicates { is_primary_key: true, threshold: None, .. }) => {
                ReasonCode::PrimaryKey
            }
            (_, Check::Duplicates { threshold: None, .. }) => ReasonCode::UniqueError,
            (_, Check::Relationship { .. }) => ReasonCode::ForeignKey,
            _ => return None,
        })
    }
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// Of each row on its own: all of these, for the value of the rule's column.
    Row {
        /// What is asked of the value.
        all: Vec<RowCheck>,
    },
    /// Of the number of rows whose value breaks one of these.
    Metric {
        /// What is asked of the value.
        all: Vec<RowCheck>,
        /// How many may break it.
        threshold: Threshold,
    },
    /// Of rows whose values in these columns came before in the version. Rows with a null among
    /// them are no duplicates.
    Duplicates {
        /// The columns, by the contract's names.
        columns: Vec<String>,
        /// Whether they are the primary key.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_primary_key: bool,
        /// How many there may be; none allows none, and then each but the first is to blame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<Threshold>,
    },
    /// Of the number of rows.
    RowCount {
        /// How many.
        threshold: Threshold,
    },
    /// Of values that stand in another table, too. Rows with a null among them are not asked.
    Relationship {
        /// The columns here, by the contract's names.
        columns: Vec<String>,
        /// Where they must be found.
        to: RelationshipTarget,
    },
    /// Of the one value that a query answers.
    Sql {
        /// The query, as written: `{object}`, `{property}`, `${table}` and `${column}` stand for
        /// the table and the column.
        query: String,
        /// What the value must be.
        threshold: Threshold,
    },
}

impl Check {
    /// Whether single rows can be blamed, and so quarantined.
    #[must_use]
    pub const fn blames_rows(&self) -> bool {
        match self {
            Self::Row { .. } | Self::Duplicates { threshold: None, .. } => true,
            Self::Relationship { .. } => true,
            Self::Metric { .. }
            | Self::Duplicates { .. }
            | Self::RowCount { .. }
            | Self::Sql { .. } => false,
        }
    }
}

/// What is asked of one value. All but [`NotNull`](Self::NotNull) and
/// [`NotMissing`](Self::NotMissing) hold for null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowCheck {
    /// It is there.
    NotNull,
    /// It is there, and none of these.
    NotMissing(Vec<Value>),
    /// At least this.
    AtLeast(Value),
    /// At most this.
    AtMost(Value),
    /// More than this.
    MoreThan(Value),
    /// Less than this.
    LessThan(Value),
    /// A whole multiple of this.
    MultipleOf(Number),
    /// At least so many characters.
    MinLength(u64),
    /// At most so many characters.
    MaxLength(u64),
    /// At least so many items.
    MinItems(u64),
    /// At most so many items.
    MaxItems(u64),
    /// Somewhere in it, this ECMA-262 expression matches.
    Pattern(String),
    /// One of these.
    OneOf(Vec<Value>),
}

/// For messages, and for the `rule` of a quarantined row. No value of the data is in it.
impl fmt::Display for RowCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => f.write_str("required"),
            Self::NotMissing(tokens) => write!(f, "none of {} missing-value tokens", tokens.len()),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::MoreThan(bound) => write!(f, "more than {bound}"),
            Self::LessThan(bound) => write!(f, "less than {bound}"),
            Self::MultipleOf(step) => write!(f, "a multiple of {step}"),
            Self::MinLength(length) => write!(f, "at least {length} characters"),
            Self::MaxLength(length) => write!(f, "at most {length} characters"),
            Self::MinItems(count) => write!(f, "at least {count} items"),
            Self::MaxItems(count) => write!(f, "at most {count} items"),
            Self::Pattern(pattern) => {
                write!(f, "pattern `{}`", crate::name::printable(pattern))
            }
            Self::OneOf(values) => write!(f, "one of {} valid values", values.len()),
        }
    }
}

/// Where the values of a relationship must be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationshipTarget {
    /// The table.
    pub table: RelationshipTable,
    /// Its columns, as many as there are here, in the same order.
    pub columns: Vec<String>,
}

/// A table that a relationship names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelationshipTable {
    /// An object of that name: the dataset of that name in the same namespace.
    Object(String),
    /// A dataset.
    Dataset(DatasetName),
}
