//! Values for placeholders: `$1` by position, `$name` by name.
//!
//! A value takes its placeholder's place in the parsed tree, as if it had been written there as a
//! literal; so its type follows from where it stands (a text compared with a timestamp is read as
//! one), and no text can become anything but a text.

use std::{
    collections::{BTreeSet, HashMap},
    ops::ControlFlow,
};

use datafusion::sql::sqlparser::ast::{Expr, Query, Value as SqlValue, VisitMut as _, VisitorMut};
use lakebed_service::engine::{EngineError, Parameters};
use serde_json::Value;

use crate::errors::{invalid, shown};

/// Puts `parameters` into `query`. Each placeholder needs a value and each value a placeholder.
pub(crate) fn bind(query: &mut Query, parameters: &Parameters) -> Result<(), EngineError> {
    let mut binding = Binding { values: literals(parameters)?, used: BTreeSet::new() };
    if let ControlFlow::Break(missing) = query.visit(&mut binding) {
        return Err(invalid(
            format!("parameter `{}` has no value", shown(&missing)),
            Some("give as many values as there are placeholders".to_owned()),
        ));
    }
    let mut unused: Vec<_> =
        binding.values.keys().filter(|name| !binding.used.contains(*name)).collect();
    unused.sort();
    match unused.first() {
        None => Ok(()),
        Some(name) => Err(invalid(
            format!("parameter `{}` is given, but the statement does not use it", shown(name)),
            None,
        )),
    }
}

struct Binding {
    values: HashMap<String, SqlValue>,
    used: BTreeSet<String>,
}

impl VisitorMut for Binding {
    /// The placeholder that has no value.
    type Break = String;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let Expr::Value(value) = expr else { return ControlFlow::Continue(()) };
        let SqlValue::Placeholder(name) = &value.value else { return ControlFlow::Continue(()) };
        let Some(literal) = self.values.get(name) else { return ControlFlow::Break(name.clone()) };
        self.used.insert(name.clone());
        let literal = Expr::Value(literal.clone().with_span(value.span));
        // In parentheses, so that `ORDER BY $1` does not become a position.
        *expr = Expr::Nested(Box::new(literal));
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
            Some("give null, true, false, a number or a text".to_owned()),
        )),
    }
}
