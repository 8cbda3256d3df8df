//! Texts of a request as values of a column's type.

use lakebed_contract::scalar;
use lakebed_core::{DataType, Timestamp, contract::Number};
use serde_json::Value;

/// Floats that are no numbers of JSON.
const BEYOND_JSON: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The value that `text` is in a column of this type; nothing where it is none.
///
/// Dates and times are ISO 8601. A point in time without an offset is in UTC. What a float can be that
/// JSON has no number for is written as answers write it: `NaN`, `Infinity`, `-Infinity`.
pub(crate) fn value_of(data_type: &DataType, text: &str) -> Option<Value> {
    match data_type {
        DataType::Boolean => text.parse().ok().map(Value::Bool),
        DataType::Int => text.parse::<i32>().ok().map(Value::from),
        DataType::Long => text.parse::<i64>().ok().map(Value::from),
        DataType::Float | DataType::Double if BEYOND_JSON.contains(&text) => Some(text.into()),
        DataType::Float => finite(f64::from(text.parse::<f32>().ok()?)),
        DataType::Double => finite(text.parse().ok()?),
        DataType::Decimal { precision, scale } => decimal(text, *precision, *scale),
        DataType::Date => scalar::date(text).map(|_| text.into()),
        DataType::Time => scalar::time(text).map(|micros| time_of_day(micros).into()),
        DataType::Timestamp => {
            let (micros, is_point) = scalar::timestamp(text)?;
            let point = time_at(micros)?;
            (!is_point).then(|| point.trim_end_matches('Z').into())
        }
        DataType::Timestamptz => Some(time_at(scalar::timestamp(text)?.0)?.into()),
        DataType::String => Some(text.into()),
        DataType::Fixed(_)
        | DataType::Binary
        | DataType::Struct(_)
        | DataType::List(_)
        | DataType::Map(..) => None,
    }
}

/// Whether a text can be a value of this type, so that a request can be about one.
#[must_use]
pub const fn has_values(data_type: &DataType) -> bool {
    !matches!(
        data_type,
        DataType::Fixed(_)
            | DataType::Binary
            | DataType::Struct(_)
            | DataType::List(_)
            | DataType::Map(..)
    )
}

/// What the placeholder is written as, so that `value` has exactly the type, wherever it stands. A text
/// is one already, and stays a literal for functions that take nothing else.
///
/// Times are of microseconds, as columns are: in nanoseconds a year may be 1677 to 2262 alone.
pub(crate) fn typed(data_type: &DataType, value: &Value, placeholder: &str) -> String {
    let name = match data_type {
        DataType::Boolean | DataType::String if !value.is_null() => return placeholder.to_owned(),
        DataType::Boolean => "BOOLEAN",
        DataType::Int => "INT",
        DataType::Long => "BIGINT",
        DataType::Float => "REAL",
        DataType::Double => "DOUBLE",
        DataType::Date => "DATE",
        DataType::Time => "TIME",
        DataType::Timestamp => "TIMESTAMP(6)",
        DataType::Timestamptz => "TIMESTAMP(6) WITH TIME ZONE",
        DataType::String => "VARCHAR",
        DataType::Decimal { precision, scale } => {
            return format!("CAST({placeholder} AS DECIMAL({precision}, {scale}))");
        }
        // None has a value: see `has_values`.
        DataType::Fixed(_)
        | DataType::Binary
        | DataType::Struct(_)
        | DataType::List(_)
        | DataType::Map(..) => return placeholder.to_owned(),
    };
    format!("CAST({placeholder} AS {name})")
}

fn finite(value: f64) -> Option<Value> {
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// All digits, as many behind the point as the column has.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<Value> {
    let unscaled = text.parse::<Number>().ok()?.to_scaled(scale)?;
    let most = 10_u128.checked_pow(u32::from(precision))?;
    let digits = unscaled.unsigned_abs();
    if digits >= most {
        return None;
    }
    let sign = if unscaled < 0 { "-" } else { "" };
    let (width, scale) = (usize::from(scale) + 1, usize::from(scale));
    let digits = format!("{digits:0>width$}");
    let (whole, behind) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Some(format!("{sign}{whole}{point}{behind}").into())
}

/// The point in time, if RFC 3339 can write it.
fn time_at(micros: i64) -> Option<String> {
    let time = Timestamp::from_micros(micros);
    (time.as_micros() == micros).then(|| time.to_string())
}

fn time_of_day(micros: i64) -> String {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{micros:06}", seconds % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(data_type: &str, text: &str) -> Option<Value> {
        value_of(&data_type.parse().expect("a type"), text)
    }

    #[test]
    fn texts_are_values_of_the_columns_type() {
        let cases = [
            ("boolean", "true", json!(true)),
            ("int", "-5", json!(-5)),
            ("long", "9223372036854775807", json!(i64::MAX)),
            ("double", "1e300", json!(1e300)),
            ("double", "NaN", json!("NaN")),
            ("float", "-Infinity", json!("-Infinity")),
            ("decimal(5,2)", "1.5", json!("1.50")),
            ("decimal(5,2)", "-0.05", json!("-0.05")),
            ("decimal(5,2)", "999.99", json!("999.99")),
            ("decimal(3,0)", "12", json!("12")),
            ("date", "2024-02-29", json!("2024-02-29")),
            ("time", "08:30", json!("08:30:00.000000")),
            ("timestamp", "2024-01-31 08:30:00.5", json!("2024-01-31T08:30:00.500000")),
            ("timestamptz", "2024-01-31T08:30:00+02:00", json!("2024-01-31T06:30:00.000000Z")),
            ("timestamptz", "2024-01-31T08:30:00", json!("2024-01-31T08:30:00.000000Z")),
            ("string", "", json!("")),
            ("string", "'; DROP", json!("'; DROP")),
        ];
        for (data_type, text, value) in cases {
            assert_eq!(read(data_type, text), Some(value), "{data_type} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_value() {
        let cases = [
            ("boolean", "TRUE"),
            ("boolean", "1"),
            ("int", "2147483648"),
            ("int", "1.0"),
            ("int", " 1"),
            ("long", ""),
            ("double", "nan"),
            ("double", "inf"),
            ("double", "+Infinity"),
            ("decimal(5,2)", "NaN"),
            ("float", "1e39"),
            ("decimal(5,2)", "1.505"),
            ("decimal(5,2)", "1000"),
            ("decimal(38,38)", "1"),
            ("date", "2023-02-29"),
            ("timestamptz", "9999-12-31T23:59:59-12:00"),
            ("timestamptz", "0000-01-01T00:00:00+14:00"),
            ("date", "2024-01-01T00:00:00"),
            ("time", "24:00"),
            ("timestamp", "2024-01-31T08:30:00Z"),
            ("timestamptz", "yesterday"),
            ("binary", "00"),
        ];
        for (data_type, text) in cases {
            assert_eq!(read(data_type, text), None, "{data_type} {text}");
        }
    }
}
