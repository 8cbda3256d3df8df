//! Texts that are almost a value: what stopped them, so that a hint can name the option.

use super::{boolean_lenient, civil, number, trimmed};

/// Texts that many tools write for "no value". Never taken so unless declared; only hinted at.
pub(crate) const NULL_LIKE: [&str; 16] = [
    "NA", "N/A", "n/a", "na", "NULL", "null", "Null", "None", "none", "NaN", "nan", "-", "--", "?",
    "#N/A", "\\N",
];

/// Why a text is not of the type it reminds of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// One of [`NULL_LIKE`], by index.
    NullLike(u8),
    LeadingZeros,
    PlusSign,
    TooManyDigits,
    Thousands,
    Spaces,
    DecimalComma,
    OtherDate,
    /// `31/12/2024`.
    DayFirst,
    /// `12/31/2024`.
    MonthFirst,
    /// `1/2/2024`, the first of February or the second of January.
    DayOrMonthFirst,
    NonFinite,
    ShortBoolean,
}

impl Oddity {
    /// A bit of its own in a set of 32.
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Self::NullLike(index) => 1 << index,
            Self::LeadingZeros => 1 << 16,
            Self::PlusSign => 1 << 17,
            Self::TooManyDigits => 1 << 18,
            Self::Thousands => 1 << 19,
            Self::Spaces => 1 << 20,
            Self::OtherDate => 1 << 21,
            Self::NonFinite => 1 << 22,
            Self::ShortBoolean => 1 << 23,
            Self::DecimalComma => 1 << 24,
            Self::DayFirst => 1 << 25,
            Self::MonthFirst => 1 << 26,
            Self::DayOrMonthFirst => 1 << 27,
        }
    }
}

/// The kinds that speak of how a value is written, and the words for them.
pub(crate) const SPELLINGS: [(Oddity, &str); 12] = [
    (Oddity::LeadingZeros, "leading zeros"),
    (Oddity::PlusSign, "plus signs"),
    (Oddity::TooManyDigits, "more digits than a number type holds"),
    (Oddity::Thousands, "thousands separators"),
    (Oddity::DecimalComma, "decimal commas"),
    (Oddity::Spaces, "spaces around values"),
    (Oddity::OtherDate, "dates that are not written YYYY-MM-DD"),
    (Oddity::DayFirst, "dates with the day first"),
    (Oddity::MonthFirst, "dates with the month first"),
    (Oddity::DayOrMonthFirst, "dates that do not tell day from month"),
    (Oddity::NonFinite, "NaN or infinity"),
    (Oddity::ShortBoolean, "short words for true and false"),
];

/// What is odd about a text that no type was found for; none for plain text.
pub(crate) fn oddity(text: &[u8]) -> Option<Oddity> {
    if text.len() > 64 {
        return None;
    }
    if let Some(index) = NULL_LIKE.iter().position(|token| token.as_bytes() == text) {
        return u8::try_from(index).ok().map(Oddity::NullLike);
    }
    let inner = trimmed(text);
    if inner.len() < text.len() {
        let typed =
            number::form(inner).is_some() || civil::date(inner).is_some() || inner.is_empty();
        return typed.then_some(Oddity::Spaces);
    }
    if number::non_finite(text).is_some() {
        return Some(Oddity::NonFinite);
    }
    if number::form(text).is_some() {
        return Some(Oddity::TooManyDigits);
    }
    if number::form(&number::normalised(text)).is_some() {
        let plus = text.starts_with(b"+");
        return Some(if plus { Oddity::PlusSign } else { Oddity::LeadingZeros });
    }
    if has_thousands(text) {
        return Some(Oddity::Thousands);
    }
    if has_decimal_comma(text) {
        return Some(Oddity::DecimalComma);
    }
    if let Some(date) = other_date(text) {
        return Some(date);
    }
    boolean_lenient(text).map(|_| Oddity::ShortBoolean)
}

/// `1,234.50`: groups of three behind a first of one to three.
fn has_thousands(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let mut groups = whole.split(|byte| *byte == b',');
    let first = groups.next().unwrap_or_default();
    let digits = |group: &[u8]| group.iter().all(u8::is_ascii_digit);
    let mut rest = groups.peekable();
    (1..=3).contains(&first.len())
        && digits(first)
        && rest.peek().is_some()
        && rest.all(|group| group.len() == 3 && digits(group))
}

/// `1,5` and `1.234,56`, which no thousands separator explains.
fn has_decimal_comma(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let Some(comma) = text.iter().position(|byte| *byte == b',') else { return false };
    let (whole, fraction) = (&text[..comma], &text[comma + 1..]);
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let mut groups = whole.split(|byte| *byte == b'.');
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    let is_grouped = rest.peek().is_none() || first.len() <= 3;
    digits(first)
        && is_grouped
        && rest.all(|group| group.len() == 3 && digits(group))
        && digits(fraction)
}

/// `31/12/2024`, `1.2.24`, `2024/12/31`, perhaps with a time behind it.
fn other_date(text: &[u8]) -> Option<Oddity> {
    let day = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    let separator = *day.iter().find(|byte| !byte.is_ascii_digit())?;
    let parts: Vec<&[u8]> = day.split(|byte| *byte == separator).collect();
    let sized = |part: &&[u8]| (1..=4).contains(&part.len());
    let is_date = b"/.-".contains(&separator)
        && parts.len() == 3
        && parts.iter().all(|part| sized(part) && part.iter().all(u8::is_ascii_digit));
    let number =
        |part: &[u8]| part.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let part = |index: usize| (number(parts[index]), parts[index].len());
    match is_date.then(|| (part(0), part(1)))? {
        ((_, 3..), _) | (_, (_, 3..)) => Some(Oddity::OtherDate),
        ((first @ 1..=12, _), (second @ 1..=12, _)) if first != second => {
            Some(Oddity::DayOrMonthFirst)
        }
        ((13..=31, _), (1..=12, _)) => Some(Oddity::DayFirst),
        ((1..=12, _), (13..=31, _)) => Some(Oddity::MonthFirst),
        _ => Some(Oddity::OtherDate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_named() {
        let cases: [(&str, Option<Oddity>); 20] = [
            ("NA", Some(Oddity::NullLike(0))),
            ("00501", Some(Oddity::LeadingZeros)),
            ("+44", Some(Oddity::PlusSign)),
            ("9223372036854775808", Some(Oddity::TooManyDigits)),
            ("1,234.50", Some(Oddity::Thousands)),
            ("12,34", Some(Oddity::DecimalComma)),
            ("-1.234,5", Some(Oddity::DecimalComma)),
            ("1,234", Some(Oddity::Thousands)),
            ("1234.567,8", None),
            ("1,2,3", None),
            (" 12", Some(Oddity::Spaces)),
            (" a", None),
            ("31/12/2024", Some(Oddity::DayFirst)),
            ("12-31-24", Some(Oddity::MonthFirst)),
            ("1.2.2024", Some(Oddity::DayOrMonthFirst)),
            ("2.2.2024 10:00", Some(Oddity::OtherDate)),
            ("2024-1-1", Some(Oddity::OtherDate)),
            ("inf", Some(Oddity::NonFinite)),
            ("yes", Some(Oddity::ShortBoolean)),
            ("plain", None),
        ];
        for (text, expected) in cases {
            assert_eq!(oddity(text.as_bytes()), expected, "{text}");
        }
    }
}
