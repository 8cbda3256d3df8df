//! Points in time: UTC, microseconds.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::serde_text::serde_as_text;

/// A point in time, UTC, to the microsecond, in the years 0 to 9999. Written as RFC 3339 with six decimals
/// and `Z`, which has no other years: whatever is one can be written, and read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is no [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// It is not as RFC 3339 writes times.
    #[error(transparent)]
    Syntax(#[from] chrono::ParseError),
    /// Its offset takes it there.
    #[error("it lies outside the years 0000 to 9999, UTC")]
    OutOfRange,
}

impl Timestamp {
    /// 0000-01-01T00:00:00.000000Z
    pub const FIRST: Self = Self(-62_167_219_200_000_000);
    /// 9999-12-31T23:59:59.999999Z
    pub const LAST: Self = Self(253_402_300_799_999_999);

    /// From microseconds since 1970-01-01T00:00:00Z; what lies before [`Timestamp::FIRST`] or after
    /// [`Timestamp::LAST`] is that one.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::FIRST.0 {
            Self::FIRST
        } else if micros > Self::LAST.0 {
            Self::LAST
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The last microsecond of a day, UTC: what a bare date means in a reference.
    #[must_use]
    pub fn end_of_day(date: NaiveDate) -> Self {
        let next = date.succ_opt().unwrap_or(NaiveDate::MAX);
        let next = next.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros();
        Self::from_micros(next - 1)
    }

    /// The same point for chrono.
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A leap second is the first of the next minute here.
        let micros = DateTime::parse_from_rfc3339(text)?.timestamp_micros();
        let time = Self::from_micros(micros);
        if time.0 == micros { Ok(time) } else { Err(TimestampError::OutOfRange) }
    }
}

serde_as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_time_is_written_and_read_again() {
        for micros in
            [i64::MIN, -62_167_219_200_000_001, -1, 0, 1, 253_402_300_800_000_000, i64::MAX]
        {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string().parse(), Ok(time), "{time}");
        }
        assert_eq!(Timestamp::FIRST.to_string(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::LAST.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::end_of_day(NaiveDate::MAX), Timestamp::LAST);
        for (text, written) in [
            ("0000-01-01T14:00:00+14:00", "0000-01-01T00:00:00.000000Z"),
            ("9999-12-31T11:59:59.9999999-12:00", "9999-12-31T23:59:59.999999Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().expect(text).to_string(), written);
        }
    }

    #[test]
    fn what_rfc_3339_cannot_write_in_utc_is_none() {
        for text in
            ["9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z"]
        {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::OutOfRange), "{text}");
        }
        for text in ["+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-01-01"] {
            let error = text.parse::<Timestamp>().expect_err(text);
            assert!(matches!(error, TimestampError::Syntax(_)), "{text}: {error}");
        }
    }
}
