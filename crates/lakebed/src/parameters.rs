//! `--param`: values for the placeholders of a statement.

use lakebed_api::SqlParameters;
use serde_json::Value;

use crate::problem::{Problem, Result};

/// All by name or all by position.
pub(crate) fn parse(given: &[String]) -> Result<SqlParameters> {
    let named: Vec<(&str, &str)> = given.iter().filter_map(|text| name_and_value(text)).collect();
    if named.is_empty() {
        return Ok(SqlParameters::Positional(given.iter().map(|text| value(text)).collect()));
    }
    if named.len() != given.len() {
        return Err(Problem::usage("parameters are given by name and by position at once").hint(
            "name all of them or none; a text with `=` in it is written `--param '\"a=b\"'`",
        ));
    }
    let mut values = serde_json::Map::new();
    for (name, text) in named {
        if values.insert(name.to_owned(), value(text)).is_some() {
            return Err(Problem::usage(format!("parameter `{name}` is given twice")));
        }
    }
    Ok(SqlParameters::Named(values))
}

fn name_and_value(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name =
        starts_well && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, value))
}

/// JSON's scalars, else text. A number that a JSON reader would round stays text.
fn value(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if number.is_f64() && !text.contains(['.', 'e', 'E']) => {
            Value::String(text.to_owned())
        }
        Ok(scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => scalar,
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Exit;

    fn bound(given: &[&str]) -> Result<SqlParameters> {
        parse(&given.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn parameters_lose_nothing() {
        let positional = bound(&["42", "007", "1.5", "true", "null", "x", "\"42\"", "-3", "[1]"]);
        let expected =
            json!([42, "007", 1.5, true, null, "x", "42", -3, "[1]"]).as_array().cloned();
        assert_eq!(positional, Ok(SqlParameters::Positional(expected.expect("a list"))));
        let long = bound(&["123456789012345678901234567890"]).expect("a value");
        let text = json!(["123456789012345678901234567890"]).as_array().cloned();
        assert_eq!(long, SqlParameters::Positional(text.expect("a list")));
    }

    #[test]
    fn parameters_are_all_named_or_none() {
        let named = bound(&["since=2000", "engine=Turbo=fan"]).expect("named");
        let expected = json!({"since": 2000, "engine": "Turbo=fan"}).as_object().cloned();
        assert_eq!(named, SqlParameters::Named(expected.expect("an object")));
        assert_eq!(bound(&["a=1", "2"]).expect_err("mixed").exit, Exit::Usage);
        assert_eq!(bound(&["a=1", "a=2"]).expect_err("twice").exit, Exit::Usage);
        let text = json!(["a=b"]).as_array().cloned().expect("a list");
        assert_eq!(bound(&["\"a=b\""]), Ok(SqlParameters::Positional(text)));
    }
}
