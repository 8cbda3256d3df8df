//! Values as they stand in a contract: bounds, tokens, lists of valid values, and what is kept.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Number;

/// A value without type: what it means for a column is decided when a contract is bound to a table.
///
/// As JSON a number is `{"number":"0.1"}` and a mapping `{"map":{…}}`: exact, and never mistaken
/// for a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Text; dates and times, too.
    Text(String),
    /// A sequence.
    List(Vec<Value>),
    /// A number.
    Number {
        /// The number.
        number: Number,
    },
    /// Names and values.
    Map {
        /// Sorted by name.
        map: BTreeMap<String, Value>,
    },
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub const fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number { number } => Some(*number),
            _ => None,
        }
    }

    /// What it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Number { .. } => "a number",
            Self::Map { .. } => "a mapping",
        }
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number { number }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// For messages: text in double quotes, shortened and escaped.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "\"{}\"", crate::name::printable(text)),
            Self::Number { number } => write!(f, "{number}"),
            Self::List(values) => write!(f, "a list of {}", values.len()),
            Self::Map { map } => write!(f, "a mapping of {}", map.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_a_text() {
        let values = vec![
            Value::Null,
            Value::Bool(true),
            Value::from("0.1"),
            Value::from(Number::from_scaled(1, 1)),
            Value::List(vec![Value::Null]),
            Value::Map { map: BTreeMap::from([("number".to_owned(), Value::from("1"))]) },
        ];
        let json = serde_json::to_string(&values).expect("json");
        insta::assert_snapshot!(json, @r#"[null,true,"0.1",{"number":"0.1"},[null],{"map":{"number":"1"}}]"#);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&json).expect("back"), values);
    }
}
