//! Values for placeholders: `$1` by position, `$name` by name.
//!
//! Their types follow from where they stand: a text where a timestamp is compared is read as one.

use std::collections::{BTreeSet, HashMap};

use datafusion::{
    common::{ParamValues, ScalarValue, metadata::ScalarAndMetadata},
    logical_expr::LogicalPlan,
};
use lakebed_service::engine::{EngineError, Parameters};
use serde_json::{Number, Value};

use crate::errors::{from_datafusion, invalid, shown};

/// Puts `parameters` into `plan`. Each placeholder needs a value and each value a placeholder.
pub(crate) fn bind(plan: LogicalPlan, parameters: &Parameters) -> Result<LogicalPlan, EngineError> {
    let wanted: BTreeSet<String> =
        plan.get_parameter_names().map_err(from_datafusion)?.into_iter().collect();
    let given = match parameters {
        Parameters::Positional(values) => positional(values)?,
        Parameters::Named(values) => named(values)?,
    };
    check(&wanted, &given)?;
    if given.is_empty() {
        return Ok(plan);
    }
    let values = given.into_iter().map(|(name, value)| (bare(&name), value)).collect();
    plan.with_param_values(ParamValues::Map(values)).map_err(from_datafusion)
}

fn bare(name: &str) -> String {
    name.trim_start_matches('$').to_owned()
}

type Given = HashMap<String, ScalarAndMetadata>;

fn positional(values: &[Value]) -> Result<Given, EngineError> {
    let named = values.iter().enumerate().map(|(index, value)| (format!("${}", index + 1), value));
    named.map(|(name, value)| Ok((name.clone(), scalar(&name, value)?))).collect()
}

fn named(values: &serde_json::Map<String, Value>) -> Result<Given, EngineError> {
    let named = values.iter().map(|(name, value)| (format!("${name}"), value));
    named.map(|(name, value)| Ok((name.clone(), scalar(&name, value)?))).collect()
}

fn scalar(name: &str, value: &Value) -> Result<ScalarAndMetadata, EngineError> {
    let scalar = match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Number(value) => number(value),
        Value::String(value) => ScalarValue::Utf8(Some(value.clone())),
        Value::Array(_) | Value::Object(_) => {
            return Err(invalid(
                format!("parameter `{}` is a list or an object", shown(name)),
                Some("give null, true, false, a number or a text".to_owned()),
            ));
        }
    };
    Ok(ScalarAndMetadata::from(scalar))
}

fn number(value: &Number) -> ScalarValue {
    match (value.as_i64(), value.as_u64()) {
        (Some(number), _) => ScalarValue::Int64(Some(number)),
        (None, Some(number)) => ScalarValue::Decimal128(Some(i128::from(number)), 20, 0),
        (None, None) => ScalarValue::Float64(value.as_f64()),
    }
}

fn check(wanted: &BTreeSet<String>, given: &Given) -> Result<(), EngineError> {
    let given: BTreeSet<String> = given.keys().cloned().collect();
    if let Some(missing) = wanted.difference(&given).next() {
        return Err(invalid(
            format!("parameter `{}` has no value", shown(missing)),
            Some("give as many values as there are placeholders".to_owned()),
        ));
    }
    match given.difference(wanted).next() {
        Some(unused) => Err(invalid(
            format!("parameter `{}` is given, but the statement does not use it", shown(unused)),
            None,
        )),
        None => Ok(()),
    }
}
