//! Texts of dates and times in contracts and requests, as the numbers that columns keep.
//!
//! They are ISO 8601 whatever `format` says of the data: `2024-01-31`, `08:30`,
//! `2024-01-31 08:30:00.5`, and with an offset `2024-01-31T08:30:00+02:00`.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};

/// A day as days since 1970-01-01.
#[must_use]
pub fn date(text: &str) -> Option<i32> {
    let is_plain = text.len() == 10 && text.as_bytes().get(4) == Some(&b'-');
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| is_plain)?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// A time of day as microseconds since midnight.
#[must_use]
pub fn time(text: &str) -> Option<i64> {
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    let time = formats.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())?;
    // A leap second is no time that a column can hold.
    let nanos = time.nanosecond();
    let micros = i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(nanos / 1000);
    (nanos < 1_000_000_000 && nanos.is_multiple_of(1000)).then_some(micros)
}

/// A day and a time as microseconds since 1970-01-01 00:00, and whether it has an offset: then it
/// is a point in time, counted in UTC.
#[must_use]
pub fn timestamp(text: &str) -> Option<(i64, bool)> {
    if let Some(day) = date(text) {
        return Some((i64::from(day).checked_mul(86_400_000_000)?, false));
    }
    let text = text.replacen(' ', "T", 1);
    let zoned = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let zulu = text.strip_suffix(['Z', 'z']).map(|text| format!("{text}+00:00"));
    let with_offset = zulu.as_ref().unwrap_or(&text);
    let point = zoned.iter().find_map(|f| DateTime::parse_from_str(with_offset, f).ok());
    if let Some(point) = point {
        return Some((micros(&point.naive_utc())?, true));
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let local = local.iter().find_map(|f| NaiveDateTime::parse_from_str(&text, f).ok())?;
    Some((micros(&local)?, false))
}

fn micros(time: &NaiveDateTime) -> Option<i64> {
    let is_whole = time.nanosecond() < 1_000_000_000 && time.nanosecond().is_multiple_of(1000);
    is_whole.then(|| time.and_utc().timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_iso_8601() {
        assert_eq!(date("1970-01-02"), Some(1));
        assert_eq!(date("1969-12-31"), Some(-1));
        assert_eq!(time("00:00:01.5"), Some(1_500_000));
        assert_eq!(time("08:30"), Some(30_600_000_000));
        assert_eq!(timestamp("1970-01-01"), Some((0, false)));
        assert_eq!(timestamp("1970-01-01 00:00:01"), Some((1_000_000, false)));
        assert_eq!(timestamp("1970-01-01T00:00:01.000001Z"), Some((1_000_001, true)));
        assert_eq!(timestamp("1970-01-01 02:00:00+02:00"), Some((0, true)));
        assert_eq!(timestamp("1970-01-01 02:00+0200"), Some((0, true)));
        for bad in ["", "1970-1-1", "01.02.1970", "1970-02-30", "70-01-01", "19700-1-01"] {
            assert_eq!((date(bad), timestamp(bad)), (None, None), "{bad}");
        }
        for bad in ["24:00:00", "8", "08:30:60", "08:30:00.0000001"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }
}
