//! Numbers as text: what form they have, and their value.

mod float;

pub(crate) use float::{
    double, double_lenient, double_nearest, double_of_form, float_lenient, float_nearest,
    non_finite,
};

use super::trimmed;

/// How a number is written: `-?digits[.digits][e±digits]`, no leading zeros, a digit somewhere
/// before the exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) negative: bool,
    /// Whether every digit is zero.
    pub(crate) zero: bool,
    /// Digits before the point; a lone zero counts none.
    pub(crate) whole: u32,
    /// Digits after the point; none without a point.
    pub(crate) fraction: Option<u32>,
    pub(crate) exponent: bool,
    /// Digits from the first to the last that is not zero.
    pub(crate) significant: u32,
}

/// The form of a number, if the text is one.
#[inline]
pub(crate) fn form(text: &[u8]) -> Option<Form> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mut digits, mut first, mut last, mut point, mut end) = (0_u32, 0, 0, None, rest.len());
    for (place, &byte) in rest.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                if byte != b'0' {
                    last = digits;
                    first = if first == 0 { digits } else { first };
                }
            }
            b'.' if point.is_none() => point = Some(digits),
            b'e' | b'E' => {
                end = place;
                break;
            }
            _ => return None,
        }
    }
    let whole = point.unwrap_or(digits);
    let leading_zero = whole > 1 && rest[0] == b'0';
    if digits == 0 || leading_zero || !is_exponent(&rest[end..]) {
        return None;
    }
    Some(Form {
        negative,
        zero: first == 0,
        whole: if whole == 1 && rest[0] == b'0' { 0 } else { whole },
        fraction: point.map(|whole| digits - whole),
        exponent: end < rest.len(),
        significant: if first == 0 { 0 } else { last - first + 1 },
    })
}

/// Nothing, or `e`, a sign or none, one to five digits.
fn is_exponent(text: &[u8]) -> bool {
    let digits = match text {
        [] => return true,
        [_, b'+' | b'-', digits @ ..] | [_, digits @ ..] => digits,
    };
    (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// A whole number of 64 bits, exactly as a computer would write it.
#[inline]
pub(crate) fn long(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    if digits.len() > 18 {
        return long_of_many_digits(negative, digits);
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// The same with 32 bits.
pub(crate) fn int(text: &[u8]) -> Option<i32> {
    i32::try_from(long(text)?).ok()
}

#[cold]
fn long_of_many_digits(negative: bool, digits: &[u8]) -> Option<i64> {
    let value = mantissa(digits).filter(|_| digits.len() == 19)?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// The value of at most 38 digits.
fn mantissa(digits: &[u8]) -> Option<i128> {
    if digits.len() > 38 {
        return None;
    }
    let mut value = 0_i128;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i128::from(digit);
    }
    Some(value)
}

/// A number with exactly `scale` digits after its point, `scale` above 0, as a count of its last
/// place. At most 18 digits; no exponent, no leading zeros, no negative zero.
#[inline]
pub(crate) fn fixed(text: &[u8], scale: usize) -> Option<i64> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let point = rest.len().checked_sub(scale + 1)?;
    let (whole, fraction) = rest.split_at(point);
    let whole = match whole {
        [b'0'] => &[],
        [b'0', ..] => return None,
        _ => whole,
    };
    if fraction[0] != b'.' || whole.len() + scale > 18 {
        return None;
    }
    let mut value = 0_i64;
    for &byte in whole.iter().chain(&fraction[1..]) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    match (negative, value) {
        (true, 0) => None,
        (true, _) => Some(-value),
        (false, _) => Some(value),
    }
}

/// A number of a decimal type, as a count of its last place: digits beyond the scale only if they
/// are zeros.
#[inline]
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    if scale > 0
        && precision >= 18
        && let Some(value) = fixed(text, usize::from(scale))
    {
        return Some(value.into());
    }
    decimal_of_any_form(text, precision, scale)
}

fn decimal_of_any_form(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let form = form(text).filter(|form| !form.exponent)?;
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let (have, want) = (form.fraction.unwrap_or(0) as usize, usize::from(scale));
    let excess = have.saturating_sub(want);
    let (digits, cut) = digits.split_at(digits.len() - excess);
    if cut.iter().any(|digit| *digit != b'0') || digits.len() + want - have.min(want) > 39 {
        return None;
    }
    let digits = digits.strip_prefix(b"0").unwrap_or(digits);
    let missing = u32::try_from(want.saturating_sub(have)).ok()?;
    let value = mantissa(digits)?.checked_mul(10_i128.checked_pow(missing)?)?;
    let fits = value < 10_i128.pow(u32::from(precision));
    fits.then_some(if form.negative { -value } else { value })
}

/// `text` as the exact parsers want it: no spaces around it, no plus sign, no leading zeros.
pub(crate) fn normalised(text: &[u8]) -> Vec<u8> {
    let text = trimmed(text);
    let (sign, digits): (&[u8], _) = match text {
        [b'-', rest @ ..] => (b"-", rest),
        [b'+', rest @ ..] if !rest.starts_with(b"-") => (b"", rest),
        _ => (b"", text),
    };
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    let keeps_one = !digits.get(zeros).is_some_and(u8::is_ascii_digit);
    let digits = &digits[zeros - usize::from(keeps_one && zeros > 0)..];
    [sign, digits].concat()
}

/// A whole number, written any way.
pub(crate) fn long_lenient(text: &[u8]) -> Option<i64> {
    let text = normalised(text);
    if text == b"-0" { Some(0) } else { long(&text) }
}

/// The same with 32 bits.
pub(crate) fn int_lenient(text: &[u8]) -> Option<i32> {
    i32::try_from(long_lenient(text)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{float::parts, *};

    #[test]
    fn longs_are_taken_only_as_computers_write_them() {
        for text in ["0", "7", "-12", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(long(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in
            ["", "-", "00", "-0", "+4", "007", " 1", "1 ", "1_0", "9223372036854775808", "1.0", "٣"]
        {
            assert_eq!(long(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn fixed_wants_the_scale_exactly() {
        assert_eq!(fixed(b"21168.23", 2), Some(2_116_823));
        assert_eq!(fixed(b"-0.04", 2), Some(-4));
        assert_eq!(fixed(b".04", 2), Some(4));
        assert_eq!(fixed(b"9999999999999999.99", 2), Some(999_999_999_999_999_999));
        for text in [
            "1.2",
            "1.234",
            "1",
            "01.23",
            "-0.00",
            "1.2e",
            "+1.23",
            "99999999999999999.99",
            "1.-2",
            "",
        ] {
            assert_eq!(fixed(text.as_bytes(), 2), None, "{text}");
        }
    }

    #[test]
    fn decimals_take_fewer_digits_and_zeros_beyond_the_scale() {
        assert_eq!(decimal(b"1.5", 9, 2), Some(150));
        assert_eq!(decimal(b"-1", 9, 2), Some(-100));
        assert_eq!(decimal(b"1.500", 9, 2), Some(150));
        assert_eq!(decimal(b"1.505", 9, 2), None);
        assert_eq!(decimal(b"9999999.99", 9, 2), Some(999_999_999));
        assert_eq!(decimal(b"10000000.00", 9, 2), None);
        let most = "9".repeat(38);
        assert_eq!(decimal(most.as_bytes(), 38, 0), most.parse().ok());
        assert_eq!(decimal(format!("{most}9").as_bytes(), 38, 0), None);
        assert_eq!(decimal(format!("0.{most}").as_bytes(), 38, 38), most.parse().ok());
    }

    #[test]
    fn doubles_are_taken_when_the_text_can_be_told_from_them() {
        for text in [
            "0.1",
            "-0.0",
            "1e5",
            "0.30000000000000004",
            "48.053808600000004",
            "5.",
            ".5",
            "123456789012345",
            "5e-324",
            "-2056437776939338.3",
        ] {
            assert!(double(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "0.1234567890123456789",
            "9007199254740993",
            "1e400",
            "1e-400",
            "4e-324",
            "nan",
            "00.1",
            "e5",
            ".",
        ] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn declared_numbers_may_be_written_any_way() {
        assert_eq!(long_lenient(b" +007 "), Some(7));
        assert_eq!(long_lenient(b"-0"), Some(0));
        assert_eq!(long_lenient(b"000"), Some(0));
        assert_eq!(long_lenient(b"+-7"), None);
        assert_eq!(double_lenient(b"-INF"), Some(f64::NEG_INFINITY));
        assert_eq!(double_lenient(b"+00.50"), Some(0.5));
        assert!(double_lenient(b"NaN").is_some_and(f64::is_nan));
    }

    proptest! {
        #[test]
        fn every_double_survives_its_shortest_text(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            for text in [format!("{value:e}"), format!("{value:?}")] {
                prop_assert_eq!(double(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()));
            }
        }

        #[test]
        fn every_long_survives(value in any::<i64>()) {
            prop_assert_eq!(long(value.to_string().as_bytes()), Some(value));
        }

        /// What is taken as a double with no more than a double's digits is the text's number.
        #[test]
        fn taken_doubles_lose_nothing(text in "-?[0-9]{1,18}(\\.[0-9]{0,10})?(e-?[0-9]{1,3})?") {
            if let Some(value) = double(text.as_bytes()).filter(|value| *value != 0.0) {
                let digits = form(text.as_bytes()).expect("a number").significant as usize;
                let back = [format!("{value:.*e}", digits - 1), format!("{value:e}")];
                let back = back.map(|back| parts(back.as_bytes()));
                prop_assert!(back.contains(&parts(text.as_bytes())), "{text}: {back:?}");
            }
        }

        #[test]
        fn no_text_panics(text in prop::collection::vec(prop::sample::select(b"0019.eE+-x ".to_vec()), 0..45), scale in 0_u8..38) {
            let _ = (form(&text), long(&text), decimal(&text, 38, scale), double(&text), fixed(&text, scale.into()));
            let _ = (long_lenient(&text), double_lenient(&text), float_nearest(&text), double_nearest(&text));
        }
    }
}
