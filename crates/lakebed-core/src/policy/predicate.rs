//! A row filter bound to a table and to whoever asks: columns by field id, values of their types.
//!
//! What it means is defined by [`holds`]: the engine's own way of evaluating it has to agree.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::filter::Comparison;

/// A condition on a row, without names and without attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Predicate {
    /// Always, or never.
    Constant(bool),
    /// Unknown where the column is null.
    Compare {
        /// The column.
        field: u32,
        /// How it compares.
        comparison: Comparison,
        /// With what: a value of the column's type.
        value: Scalar,
    },
    /// Whether it is one of these; unknown where the column is null.
    In {
        /// The column.
        field: u32,
        /// Values of its type.
        values: Vec<Scalar>,
    },
    /// Whether the column is null.
    IsNull {
        /// The column.
        field: u32,
    },
    /// Whether a text begins so; unknown where it is null.
    StartsWith {
        /// The column.
        field: u32,
        /// The beginning.
        prefix: String,
    },
    /// The opposite.
    Not(Box<Predicate>),
    /// All of them.
    And(Vec<Predicate>),
    /// One of them.
    Or(Vec<Predicate>),
}

/// A value of a column's type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// Of a boolean.
    Boolean(bool),
    /// Of an int or a long.
    Integer(i64),
    /// Of a float or a double: its bits as a double, since JSON keeps neither all nor each of them.
    Double(u64),
    /// Of a decimal: without its point, at the column's scale.
    Decimal(#[serde(with = "text")] i128),
    /// Of a string.
    Text(String),
    /// Of a date: days since 1970-01-01.
    Date(i32),
    /// Of a timestamp, with or without zone: microseconds since 1970-01-01T00:00.
    Timestamp(i64),
}

/// 128 bits in JSON.
mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(value: &i128, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i128, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Scalar {
    /// The order of two values of one type; none for values of two. Texts are compared by their
    /// bytes; of doubles the two zeros are equal, and NaN is equal to itself and above all others.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        Some(match (self, other) {
            (Self::Boolean(one), Self::Boolean(two)) => one.cmp(two),
            (Self::Integer(one), Self::Integer(two)) => one.cmp(two),
            (Self::Double(one), Self::Double(two)) => {
                // Adding nothing makes 0.0 of -0.0.
                (f64::from_bits(*one) + 0.0).total_cmp(&(f64::from_bits(*two) + 0.0))
            }
            (Self::Decimal(one), Self::Decimal(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Date(one), Self::Date(two)) => one.cmp(two),
            (Self::Timestamp(one), Self::Timestamp(two)) => one.cmp(two),
            _ => return None,
        })
    }
}

/// What `predicate` says of a row whose column with a field id has `value` of it: true, false, or
/// unknown (none), by Kleene's logic. A row is seen if it is true. Never fails, whatever the row
/// holds: values that cannot be compared are unknown.
#[must_use]
pub fn holds(predicate: &Predicate, value: &impl Fn(u32) -> Option<Scalar>) -> Option<bool> {
    match predicate {
        Predicate::Constant(constant) => Some(*constant),
        Predicate::Compare { field, comparison, value: with } => {
            value(*field)?.order(with).map(|order| comparison.holds(order))
        }
        Predicate::In { field, values } => {
            let found = value(*field)?;
            Some(values.iter().any(|one| found.order(one) == Some(Ordering::Equal)))
        }
        Predicate::IsNull { field } => Some(value(*field).is_none()),
        Predicate::StartsWith { field, prefix } => match value(*field)? {
            Scalar::Text(text) => Some(text.starts_with(prefix)),
            _ => None,
        },
        Predicate::Not(inner) => holds(inner, value).map(|held| !held),
        Predicate::And(parts) => all(parts, value, false),
        Predicate::Or(parts) => all(parts, value, true),
    }
}

/// `decides` if one of the parts does, unknown if one of them is, else the other.
fn all(parts: &[Predicate], value: &impl Fn(u32) -> Option<Scalar>, decides: bool) -> Option<bool> {
    let mut result = Some(!decides);
    for part in parts {
        match holds(part, value) {
            Some(held) if held == decides => return Some(decides),
            Some(_) => {}
            None => result = None,
        }
    }
    result
}

impl Predicate {
    /// Both: the conjunction, flat.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(false), _) | (_, Self::Constant(false)) => Self::Constant(false),
            (Self::Constant(true), other) | (other, Self::Constant(true)) => other,
            (one, other) => {
                let flat = |predicate| match predicate {
                    Self::And(parts) => parts,
                    part => vec![part],
                };
                let mut parts = flat(one);
                for part in flat(other) {
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                Self::And(parts)
            }
        }
    }

    /// The same of other columns; none if it looks at one for which `other` has none.
    #[must_use]
    pub fn of_others(&self, other: &impl Fn(u32) -> Option<u32>) -> Option<Self> {
        let all = |parts: &[Self]| {
            parts.iter().map(|part| part.of_others(other)).collect::<Option<Vec<Self>>>()
        };
        Some(match self {
            Self::Constant(constant) => Self::Constant(*constant),
            Self::Compare { field, comparison, value } => Self::Compare {
                field: other(*field)?,
                comparison: *comparison,
                value: value.clone(),
            },
            Self::In { field, values } => {
                Self::In { field: other(*field)?, values: values.clone() }
            }
            Self::IsNull { field } => Self::IsNull { field: other(*field)? },
            Self::StartsWith { field, prefix } => {
                Self::StartsWith { field: other(*field)?, prefix: prefix.clone() }
            }
            Self::Not(inner) => Self::Not(Box::new(inner.of_others(other)?)),
            Self::And(parts) => Self::And(all(parts)?),
            Self::Or(parts) => Self::Or(all(parts)?),
        })
    }

    /// The field ids it looks at, sorted.
    #[must_use]
    pub fn fields(&self) -> std::collections::BTreeSet<u32> {
        match self {
            Self::Constant(_) => std::collections::BTreeSet::new(),
            Self::Compare { field, .. }
            | Self::In { field, .. }
            | Self::IsNull { field }
            | Self::StartsWith { field, .. } => std::iter::once(*field).collect(),
            Self::Not(inner) => inner.fields(),
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::fields).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_neither_true_nor_false() {
        let row = |field| match field {
            1 => Some(Scalar::Integer(5)),
            _ => None,
        };
        let is = |field, number| Predicate::Compare {
            field,
            comparison: Comparison::Equal,
            value: Scalar::Integer(number),
        };
        let not = |predicate| Predicate::Not(Box::new(predicate));
        for (predicate, expected) in [
            (is(1, 5), Some(true)),
            (is(2, 5), None),
            (not(is(2, 5)), None),
            (Predicate::And(vec![is(2, 5), is(1, 4)]), Some(false)),
            (Predicate::And(vec![is(2, 5), is(1, 5)]), None),
            (Predicate::Or(vec![is(2, 5), is(1, 5)]), Some(true)),
            (Predicate::Or(vec![is(2, 5), is(1, 4)]), None),
            (Predicate::IsNull { field: 2 }, Some(true)),
            (not(Predicate::IsNull { field: 1 }), Some(true)),
            (Predicate::In { field: 2, values: vec![Scalar::Integer(5)] }, None),
            (Predicate::In { field: 1, values: vec![Scalar::Text("5".into())] }, Some(false)),
            (Predicate::StartsWith { field: 1, prefix: String::new() }, None),
        ] {
            assert_eq!(holds(&predicate, &row), expected, "{predicate:?}");
        }
    }

    #[test]
    fn a_predicate_crosses_json_unchanged() {
        let scalars = [
            Scalar::Boolean(true),
            Scalar::Integer(i64::MIN),
            Scalar::Double(0.1_f64.to_bits()),
            Scalar::Double(f64::NAN.to_bits()),
            Scalar::Decimal(i128::MAX),
            Scalar::Text("'".into()),
            Scalar::Date(-1),
            Scalar::Timestamp(i64::MAX),
        ];
        let predicate = Predicate::In { field: 7, values: scalars.to_vec() };
        let text = serde_json::to_string(&predicate).expect("a value");
        assert_eq!(serde_json::from_str::<Predicate>(&text).expect("its own text"), predicate);
    }
}
