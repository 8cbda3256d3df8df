//! Values for placeholders: `$1` by position, `$name` by name.
//!
//! A value takes its placeholder's place in the parsed tree, as if it had been written there as a
//! literal; so its type follows from where it stands (a text compared with a timestamp is read as
//! one), and no text can become anything but a text.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
};

use datafusion::sql::sqlparser::{
    ast::{
        Expr, Interval, Query, Value as SqlValue, ValueWithSpan, Visit as _, VisitMut as _,
        Visitor, VisitorMut,
    },
    tokenizer::Location,
};
use lakebed_service::engine::{EngineError, Parameters, Placeholder};
use serde_json::Value;

use crate::errors::{invalid, shown};

/// Puts `parameters` into `query`. Each placeholder needs a value and each value a placeholder.
pub(crate) fn bind(query: &mut Query, parameters: &Parameters) -> Result<(), EngineError> {
    let mut binding = Binding { values: literals(parameters)?, used: BTreeSet::new() };
    if let ControlFlow::Break(missing) = query.visit(&mut binding) {
        return Err(missing_value(&missing, parameters));
    }
    let mut unused: Vec<_> =
        binding.values.keys().filter(|name| !binding.used.contains(*name)).collect();
    unused.sort();
    match unused.first() {
        None => Ok(()),
        Some(name) => Err(unused_value(name)),
    }
}

/// The placeholders of `query`, which is the tree of `sql`, by name.
pub(crate) fn placeholders(sql: &str, query: &Query) -> Vec<Placeholder> {
    let mut found = Found { sql, places: BTreeMap::new(), bare: BTreeSet::new() };
    let ControlFlow::Continue(()) = query.visit(&mut found);
    let placeholder = |(name, places): (String, BTreeSet<usize>)| {
        let length = name.len() + 1;
        let places = places.into_iter().map(|start| start..start + length).collect();
        Placeholder { name, places }
    };
    found.places.into_iter().map(placeholder).collect()
}

struct Found<'a> {
    sql: &'a str,
    /// Where each begins, as far as it is a value of its own.
    places: BTreeMap<String, BTreeSet<usize>>,
    /// Where the planner takes a bare literal, and nothing else.
    bare: BTreeSet<Location>,
}

impl Visitor for Found<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Interval(Interval { value: inner, .. })
            | Expr::AtTimeZone { time_zone: inner, .. } => {
                if let Expr::Value(value) = inner.as_ref() {
                    self.bare.insert(value.span.start);
                }
            }
            Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), span })
                if !self.bare.contains(&span.start) =>
            {
                let place = place(self.sql, span.start);
                if let Some(place) = place.filter(|at| self.sql[*at..].starts_with(name.as_str())) {
                    self.places.entry(word(name)).or_default().insert(place);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let SqlValue::Placeholder(name) = &value.value {
            self.places.entry(word(name)).or_default();
        }
        ControlFlow::Continue(())
    }
}

fn word(placeholder: &str) -> String {
    placeholder.strip_prefix('$').unwrap_or(placeholder).to_owned()
}

/// The byte of `sql` at a line and a column: both count from 1, and columns are characters.
fn place(sql: &str, Location { line, column }: Location) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let before: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let (place, _) = sql[before..].char_indices().nth(column)?;
    Some(before + place)
}

/// For a statement that has no place for any: `DESCRIBE`, `SHOW TABLES`.
pub(crate) fn none(parameters: &Parameters) -> Result<(), EngineError> {
    match literals(parameters)?.into_keys().min() {
        None => Ok(()),
        Some(name) => Err(unused_value(&name)),
    }
}

fn missing_value(name: &str, parameters: &Parameters) -> EngineError {
    let word = name.trim_start_matches('$');
    let is_numbered = word.bytes().all(|byte| byte.is_ascii_digit());
    let hint = match (parameters, is_numbered) {
        (Parameters::Positional(_), true) => {
            "give as many values as there are placeholders".to_owned()
        }
        (Parameters::Positional(values), false) if !values.is_empty() => {
            "the values are given by position: give them by name, or write `$1`, `$2` …".to_owned()
        }
        (Parameters::Named(values), true) if !values.is_empty() => {
            "the values are given by name: give them by position, or write `$name`".to_owned()
        }
        _ => format!("give a value by the name `{}`", shown(word)),
    };
    invalid(format!("parameter `{}` has no value", shown(name)), Some(hint))
}

fn unused_value(name: &str) -> EngineError {
    invalid(
        format!("parameter `{}` is given, but the statement does not use it", shown(name)),
        None,
    )
}

struct Binding {
    values: HashMap<String, SqlValue>,
    used: BTreeSet<String>,
}

impl Binding {
    /// Puts its value in the place of a placeholder; whether it was one.
    fn fill(&mut self, value: &mut ValueWithSpan) -> ControlFlow<String, bool> {
        let SqlValue::Placeholder(name) = &value.value else { return ControlFlow::Continue(false) };
        let Some(literal) = self.values.get(name) else { return ControlFlow::Break(name.clone()) };
        self.used.insert(name.clone());
        value.value = literal.clone();
        ControlFlow::Continue(true)
    }
}

impl VisitorMut for Binding {
    /// The placeholder that has no value.
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        match expr {
            Expr::Value(value) => {
                let is_filled = self.fill(value)?;
                if is_filled {
                    // In parentheses, so that `ORDER BY $1` does not become a position.
                    let literal = Expr::Value(value.clone());
                    *expr = Expr::Nested(Box::new(literal));
                }
            }
            // The planner takes a bare literal here, and nothing else.
            Expr::Interval(Interval { value: inner, .. })
            | Expr::AtTimeZone { time_zone: inner, .. } => {
                if let Expr::Value(value) = inner.as_mut() {
                    self.fill(value)?;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The few that are no expressions: `DATE $1`.
    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<String> {
        self.fill(value)?;
        ControlFlow::Continue(())
    }
}

fn literals(parameters: &Parameters) -> Result<HashMap<String, SqlValue>, EngineError> {
    let named: Vec<(String, &Value)> = match parameters {
        Parameters::Positional(values) => (1..).map(|n| format!("${n}")).zip(values).collect(),
        Parameters::Named(values) => {
            values.iter().map(|(name, value)| (format!("${name}"), value)).collect()
        }
    };
    let literal = |(name, value)| Ok((String::clone(&name), literal(&name, value)?));
    named.into_iter().map(literal).collect()
}

fn literal(name: &str, value: &Value) -> Result<SqlValue, EngineError> {
    match value {
        Value::Null => Ok(SqlValue::Null),
        Value::Bool(value) => Ok(SqlValue::Boolean(*value)),
        Value::Number(value) => Ok(SqlValue::Number(value.to_string(), false)),
        Value::String(value) => Ok(SqlValue::SingleQuotedString(value.clone())),
        Value::Array(_) | Value::Object(_) => Err(invalid(
            format!("parameter `{}` is a list or an object", shown(name)),
            Some(
                "give null, true, false, a number or a text; one for each place: `IN ($1, $2)`"
                    .to_owned(),
            ),
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use crate::{
        functions::{FunctionNames, Functions},
        statements::Statements,
    };

    /// Every value of its own is told, in bytes; literals of the grammar, comments and texts are none.
    #[test]
    fn placeholders_are_where_they_stand() {
        let statements = Statements::new(FunctionNames::of(&Functions::load()));
        let places = |sql: &str| -> Vec<(String, Vec<usize>)> {
            let admitted = statements.admit(sql).unwrap();
            let placeholders = admitted.prepared.placeholders.iter();
            let told = |placeholder: &lakebed_service::engine::Placeholder| {
                let name = placeholder.name.clone();
                for place in &placeholder.places {
                    assert_eq!(sql[place.clone()], format!("${name}"), "{sql}");
                }
                (name, placeholder.places.iter().map(|place| place.start).collect())
            };
            placeholders.map(told).collect()
        };
        let of = |name: &str, places: &[usize]| (name.to_owned(), places.to_vec());
        assert_eq!(places("SELECT $1, $2, $1"), [of("1", &[7, 15]), of("2", &[11])]);
        assert_eq!(places("SELECT 'ü $a', /* $a\r\n */\n\t$a -- $a"), [of("a", &[28])]);
        assert_eq!(places("SELECT 1 WHERE 1 IN ($a, 2) LIMIT $a"), [of("a", &[21, 34])]);
        assert_eq!(
            places("SELECT INTERVAL $a, DATE $b, now() AT TIME ZONE $c"),
            [of("a", &[]), of("b", &[]), of("c", &[])]
        );
        assert_eq!(places("EXPLAIN SELECT $a, INTERVAL $a"), [of("a", &[15])]);
    }
}
