//! Values as the API's JSON shows them: decimals, dates and times as texts, bytes in hex.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta};
use serde_json::Value;

use super::Scalar;
use crate::DataType;

impl Scalar {
    /// The value of a column of that type, as an answer to SQL would write it.
    #[must_use]
    pub fn to_json(&self, data_type: &DataType) -> Value {
        match (self, data_type) {
            (Self::Int(value), DataType::Boolean) => Value::Bool(*value != 0),
            (Self::Int(value), DataType::Decimal { scale, .. }) => decimal(*value, *scale).into(),
            (Self::Int(value), DataType::Date) => date(*value).into(),
            (Self::Int(value), DataType::Time) => time(*value).into(),
            (Self::Int(value), DataType::Timestamp) => timestamp(*value).into(),
            (Self::Int(value), DataType::Timestamptz) => format!("{}Z", timestamp(*value)).into(),
            (Self::Int(value), _) => match i64::try_from(*value) {
                Ok(small) => small.into(),
                Err(_) => value.to_string().into(),
            },
            (Self::Float(value), DataType::Float) => {
                // The shortest digits of the column's own width.
                let narrow = format!("{:?}", *value as f32);
                float(narrow.parse().unwrap_or(*value))
            }
            (Self::Float(value), _) => float(*value),
            (Self::Text(text), _) => text.as_str().into(),
            (Self::Bytes(bytes), _) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
            }
        }
    }
}

/// What a number of a digest stands for in a column of that type: a mean or a quantile.
#[must_use]
pub fn number_to_json(number: f64, data_type: &DataType) -> Value {
    match data_type {
        DataType::Date | DataType::Time | DataType::Timestamp | DataType::Timestamptz => {
            Scalar::Int(number.round() as i128).to_json(data_type)
        }
        _ if number == number.trunc() && number.abs() < 9e15 => (number as i64).into(),
        _ => float(number),
    }
}

fn float(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => number.into(),
        None if value.is_nan() => "NaN".into(),
        None if value > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

fn decimal(value: i128, scale: u8) -> String {
    let (sign, digits) = (if value < 0 { "-" } else { "" }, value.unsigned_abs().to_string());
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{rest}")
}

/// Days too far away for a calendar are written as their number.
fn date(days: i128) -> String {
    let epoch = NaiveDate::default();
    let distance = u64::try_from(days.unsigned_abs()).map(Days::new).ok();
    let date = distance.and_then(|distance| match days < 0 {
        true => epoch.checked_sub_days(distance),
        false => epoch.checked_add_days(distance),
    });
    date.map_or_else(|| days.to_string(), |date| date.to_string())
}

fn time(micros: i128) -> String {
    let micros = i64::try_from(micros).unwrap_or_default();
    let (time, _) = NaiveTime::MIN.overflowing_add_signed(TimeDelta::microseconds(micros));
    format!("{time:?}")
}

fn timestamp(micros: i128) -> String {
    let time = i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros);
    time.map_or_else(|| micros.to_string(), |time| format!("{:?}", time.naive_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_their_type() {
        let shown = |value: Scalar, data_type: &str| {
            value.to_json(&data_type.parse().expect("a type")).to_string()
        };
        let int = Scalar::Int;
        let all = [
            shown(int(1), "boolean"),
            shown(int(-7), "long"),
            shown(int(-5), "decimal(9,2)"),
            shown(int(12_345), "decimal(9,2)"),
            shown(int(7), "decimal(9,0)"),
            shown(int(19_723), "date"),
            shown(int(-1), "date"),
            shown(int(i128::MAX), "date"),
            shown(int(3_600_000_001), "time"),
            shown(int(1_700_000_000_000_000), "timestamp"),
            shown(int(1_700_000_000_500_000), "timestamptz"),
            shown(Scalar::Float(f64::from(0.1_f32)), "float"),
            shown(Scalar::Float(0.1), "double"),
            shown(Scalar::Float(f64::NEG_INFINITY), "double"),
            shown(Scalar::of_text("a\"b"), "string"),
            shown(Scalar::of_bytes(&[0, 171]), "binary"),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        true
        -7
        "-0.05"
        "123.45"
        "7"
        "2024-01-01"
        "1969-12-31"
        "170141183460469231731687303715884105727"
        "01:00:00.000001"
        "2023-11-14T22:13:20"
        "2023-11-14T22:13:20.500Z"
        0.1
        0.1
        "-Infinity"
        "a\"b"
        "00ab"
        "#);
    }

    #[test]
    fn means_of_days_are_days() {
        assert_eq!(number_to_json(0.6, &DataType::Date), "1970-01-02");
        assert_eq!(number_to_json(2.0, &DataType::Long), 2);
        assert_eq!(number_to_json(2.5, &DataType::Long), 2.5);
    }
}
