//! Numbers and dates as people write them elsewhere, into the way they are read here.
//!
//! Only what was declared is read; what is written otherwise stays a text, or is not of its type.

use lakebed_core::{DataType, DateOrder, Spelling};

use crate::Refusal;

/// Refuses what cannot be told apart.
pub(crate) fn check(spelling: Spelling) -> Result<(), Refusal> {
    let bad = |message: &str, hint: &str| {
        Err(Refusal::new(Refusal::BAD_OPTION, message.to_owned()).hint(hint))
    };
    let decimal = spelling.decimal.unwrap_or('.');
    if !matches!(decimal, '.' | ',') {
        return bad("a fraction begins with a point or a comma", "as in `--decimal ,`");
    }
    match spelling.thousands {
        Some(thousands) if thousands == decimal => bad(
            "decimal and thousands separator are the same character",
            "as in `--decimal , --thousands .`",
        ),
        Some(other) if other.is_alphanumeric() || matches!(other, '-' | '+') => bad(
            "a thousands separator is no letter, digit or sign",
            "as in `--thousands ,` or `--thousands ' '`",
        ),
        _ => Ok(()),
    }
}

/// Whether values of the type can be spelled in several ways.
pub(crate) const fn concerns(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int
            | DataType::Long
            | DataType::Float
            | DataType::Double
            | DataType::Decimal { .. }
            | DataType::Date
            | DataType::Timestamp
            | DataType::Timestamptz
    )
}

/// Puts `text` into `out` as it is read here. What would be a number by the usual spelling and is none
/// by this one gets an apostrophe in front, so that nobody takes it for one.
pub(crate) fn plain_into(text: &[u8], spelling: Spelling, out: &mut Vec<u8>) {
    out.clear();
    if let Some(order) = spelling.dates
        && date(text, order, out)
    {
        return;
    }
    out.clear();
    if spelling.decimal.is_some() || spelling.thousands.is_some() {
        if number(text, spelling, out) {
            return;
        }
        out.clear();
        if spelling.decimal == Some(',')
            && text.contains(&b'.')
            && super::number::form(text).is_some()
        {
            out.push(b'\'');
        }
    }
    out.extend_from_slice(text);
}

/// `-1.234,5e3`: groups of three behind a first of one to three, or no groups.
fn number(text: &[u8], spelling: Spelling, out: &mut Vec<u8>) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (sign, rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => text.split_at(text.len() - rest.len()),
        None => ("", text),
    };
    let (rest, exponent) = rest.split_at(rest.find(['e', 'E']).unwrap_or(rest.len()));
    let (whole, fraction) = match rest.split_once(spelling.decimal.unwrap_or('.')) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !fraction.is_none_or(|fraction| !fraction.is_empty() && are_digits(fraction)) {
        return false;
    }
    out.extend_from_slice(sign.as_bytes());
    match spelling.thousands {
        Some(thousands) if whole.contains(thousands) => {
            for (index, group) in whole.split(thousands).enumerate() {
                let fits =
                    if index == 0 { (1..=3).contains(&group.len()) } else { group.len() == 3 };
                if !fits || !are_digits(group) {
                    return false;
                }
                out.extend_from_slice(group.as_bytes());
            }
        }
        _ if are_digits(whole) && !(whole.is_empty() && fraction.is_none()) => {
            out.extend_from_slice(whole.as_bytes());
        }
        _ => return false,
    }
    if let Some(fraction) = fraction {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
    out.extend_from_slice(exponent.as_bytes());
    true
}

/// `31/12/2024`, `31.12.2024 9:05`: years have four digits, one separator stands between.
fn date(text: &[u8], order: DateOrder, out: &mut Vec<u8>) -> bool {
    let (day, time) = text.split_at(text.iter().position(|b| *b == b' ').unwrap_or(text.len()));
    let Some(separator) = day.iter().find(|byte| !byte.is_ascii_digit()) else { return false };
    let parts: Vec<&[u8]> = day.split(|byte| byte == separator).collect();
    let [first, second, third] = parts[..] else { return false };
    let (year, month, day) = match order {
        DateOrder::Dmy => (third, second, first),
        DateOrder::Mdy => (third, first, second),
        DateOrder::Ymd => (first, second, third),
    };
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    let short = |part: &[u8]| (1..=2).contains(&part.len()) && digits(part);
    if !b"/.-".contains(separator)
        || year.len() != 4
        || !digits(year)
        || !short(month)
        || !short(day)
    {
        return false;
    }
    out.extend_from_slice(year);
    for part in [month, day] {
        out.extend_from_slice(if part.len() == 1 { b"-0" } else { b"-" });
        out.extend_from_slice(part);
    }
    if let Some((space, rest)) = time.split_first() {
        out.push(*space);
        let is_short = rest.get(1) == Some(&b':');
        out.extend_from_slice(if is_short { b"0" } else { b"" });
        out.extend_from_slice(rest);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str, spelling: Spelling) -> String {
        let mut out = Vec::new();
        plain_into(text.as_bytes(), spelling, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn numbers_of_elsewhere_are_read() {
        let german = Spelling { decimal: Some(','), thousands: Some('.'), ..Spelling::default() };
        for (given, expected) in [
            ("1,5", "1.5"),
            ("-1.234,5", "-1234.5"),
            ("1.234", "1234"),
            ("1234", "1234"),
            ("1,5E3", "1.5E3"),
            (",5", ".5"),
            ("1.23", "'1.23"),
            ("1.2345", "'1.2345"),
            ("1.5e3", "'1.5e3"),
            ("12.34,5", "12.34,5"),
            ("1,", "1,"),
            ("x", "x"),
            ("", ""),
        ] {
            assert_eq!(plain(given, german), expected, "{given}");
        }
        let spaced = Spelling { thousands: Some('\u{a0}'), ..Spelling::default() };
        assert_eq!(plain("1\u{a0}234.5", spaced), "1234.5");
        assert_eq!(plain("1\u{a0}23", spaced), "1\u{a0}23");
        let comma = Spelling { thousands: Some(','), ..Spelling::default() };
        assert_eq!(plain("12,345,678.90", comma), "12345678.90");
        assert_eq!(plain("12,34", comma), "12,34");
        assert!(check(Spelling { decimal: Some(','), thousands: Some(','), dates: None }).is_err());
        assert!(check(german).is_ok());
    }

    #[test]
    fn dates_of_elsewhere_are_read() {
        let of = |dates| Spelling { dates: Some(dates), ..Spelling::default() };
        assert_eq!(plain("1/2/2024", of(DateOrder::Dmy)), "2024-02-01");
        assert_eq!(plain("1/2/2024", of(DateOrder::Mdy)), "2024-01-02");
        assert_eq!(plain("2024/1/2", of(DateOrder::Ymd)), "2024-01-02");
        assert_eq!(plain("31.12.2024 9:05", of(DateOrder::Dmy)), "2024-12-31 09:05");
        assert_eq!(plain("1/2/24", of(DateOrder::Dmy)), "1/2/24");
        assert_eq!(plain("2024-01-02", of(DateOrder::Dmy)), "2024-01-02");
        assert_eq!(plain("1/2.2024", of(DateOrder::Dmy)), "1/2.2024");
    }
}
