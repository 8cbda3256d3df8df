//! Points in time: UTC, microseconds.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use crate::serde_text::serde_as_text;

/// A point in time, UTC, to the microsecond. Written as RFC 3339 with six decimals and `Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
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
        Self(next.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros() - 1)
    }

    /// The same point for chrono; times outside its range (±262,000 years) are clamped.
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        let outermost =
            if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp_micros(self.0).unwrap_or(outermost)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|time| Self(time.timestamp_micros()))
    }
}

serde_as_text!(Timestamp);
