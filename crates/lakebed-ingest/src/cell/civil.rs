//! Dates and times of day as ISO 8601 writes them, in the proleptic Gregorian calendar.

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// `YYYY-MM-DD`, years 0001 to 9999, as days since 1970-01-01.
#[inline]
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let text: &[u8; 10] = text.try_into().ok()?;
    if text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two(text[0], text[1])? * 100 + two(text[2], text[3])?;
    let (month, day) = (two(text[5], text[6])?, two(text[8], text[9])?);
    let valid =
        year >= 1 && (1..=12).contains(&month) && day >= 1 && day <= month_days(year, month);
    valid.then(|| days_from_civil(year, month, day))
}

#[inline(always)]
fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens * 10 + ones))
}

#[inline(always)]
const fn month_days(year: i32, month: i32) -> i32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`, for years above 0.
#[inline(always)]
const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year / 400;
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f…` as microseconds of the day.
pub(crate) fn time(text: &[u8]) -> Option<i64> {
    match time_of_day(text)? {
        (micros, []) => Some(micros),
        _ => None,
    }
}

/// A time of day and what follows it. More than six digits of a second only if they are zeros.
#[inline]
fn time_of_day(text: &[u8]) -> Option<(i64, &[u8])> {
    let (&[h1, h2, b':', m1, m2], rest) = text.split_first_chunk()? else { return None };
    let (hour, minute) = (two(h1, h2)?, two(m1, m2)?);
    let (second, rest) = match rest {
        [b':', s1, s2, rest @ ..] => (two(*s1, *s2)?, rest),
        _ => (0, rest),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = i64::from(hour * 3600 + minute * 60 + second) * SECOND;
    match rest {
        [b'.', rest @ ..] if text.get(5) == Some(&b':') => {
            let (fraction, rest) = fraction(rest)?;
            Some((micros + fraction, rest))
        }
        _ => Some((micros, rest)),
    }
}

fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(length);
    let beyond = digits.get(6..).unwrap_or_default();
    if !(1..=9).contains(&length) || beyond.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let six = (0..6).map(|place| digits.get(place).map_or(0, |digit| i64::from(digit - b'0')));
    Some((six.fold(0, |micros, digit| micros * 10 + digit), rest))
}

/// A date, `T` or a space, a time of day, and perhaps a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Microseconds since 1970-01-01T00:00:00 on the clock that was read.
    pub(crate) local: i64,
    /// How far that clock is ahead of UTC, in microseconds; none without a zone.
    pub(crate) ahead: Option<i64>,
}

/// Reads a [`Stamp`]: `2013-01-01T05:00`, `2013-01-01 05:00:00.25`, `…Z`, `…+02:00`, `…+0200`,
/// `…+02`.
#[inline]
pub(crate) fn stamp(text: &[u8]) -> Option<Stamp> {
    let (day, rest) = text.split_at_checked(10)?;
    let rest = match rest {
        [b'T' | b' ', rest @ ..] => rest,
        _ => return None,
    };
    let day = i64::from(date(day)?) * DAY;
    let (micros, zone) = time_of_day(rest)?;
    Some(Stamp { local: day + micros, ahead: zone_ahead(zone)? })
}

fn zone_ahead(text: &[u8]) -> Option<Option<i64>> {
    let (sign, rest) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match *rest {
        [h1, h2] => (two(h1, h2)?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two(h1, h2)?, two(m1, m2)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59)
        .then(|| Some(sign * i64::from(hours * 3600 + minutes * 60) * SECOND))
}

/// A stamp without a zone, in microseconds.
#[inline]
pub(crate) fn timestamp(text: &[u8]) -> Option<i64> {
    stamp(text).filter(|stamp| stamp.ahead.is_none()).map(|stamp| stamp.local)
}

/// A stamp with a zone, in microseconds of UTC.
#[inline]
pub(crate) fn timestamptz(text: &[u8]) -> Option<i64> {
    let stamp = stamp(text)?;
    Some(stamp.local - stamp.ahead?)
}

/// Also a bare date, which means its first moment.
pub(crate) fn timestamp_lenient(text: &[u8]) -> Option<i64> {
    timestamp(text).or_else(|| date(text).map(|day| i64::from(day) * DAY))
}

/// Also without a zone, which means UTC.
pub(crate) fn timestamptz_lenient(text: &[u8]) -> Option<i64> {
    timestamptz(text).or_else(|| timestamp_lenient(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(date(b"1970-01-01"), Some(0));
        assert_eq!(date(b"1969-12-31"), Some(-1));
        assert_eq!(date(b"2000-02-29"), Some(11_016));
        assert_eq!(date(b"0001-01-01"), Some(-719_162));
        assert_eq!(date(b"9999-12-31"), Some(2_932_896));
    }

    #[test]
    fn days_follow_each_other() {
        let mut expected = -719_162;
        for year in 1..=9999 {
            for month in 1..=12 {
                for day in 1..=month_days(year, month) {
                    assert_eq!(days_from_civil(year, month, day), expected);
                    expected += 1;
                }
            }
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_date() {
        for text in
            ["2023-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-1-01", "1900-02-29"]
        {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn times_of_day_have_at_most_microseconds() {
        assert_eq!(time(b"00:00"), Some(0));
        assert_eq!(time(b"23:59:59.5"), Some(86_399_500_000));
        assert_eq!(time(b"00:00:00.000001000"), Some(1));
        for text in
            ["24:00", "00:60", "00:00:60", "00:00:00.0000001", "00:00.5", "00:00:00.", "0:00"]
        {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn zones_move_to_utc() {
        assert_eq!(timestamptz(b"1970-01-01T02:00:00+02:00"), Some(0));
        assert_eq!(timestamptz(b"1970-01-01 00:00:00Z"), Some(0));
        assert_eq!(timestamptz(b"1969-12-31 19:00:00-0500"), Some(0));
        assert_eq!(timestamptz(b"1970-01-01 00:00:00"), None);
        assert_eq!(timestamp(b"1970-01-01 00:00:00Z"), None);
        assert_eq!(timestamp(b"1970-01-01T00:00:01.000002"), Some(1_000_002));
        assert_eq!(timestamp(b"1970-01-01x00:00:01"), None);
    }
}
