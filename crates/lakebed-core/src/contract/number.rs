//! Exact decimal numbers, as people write them in contracts.
//!
//! A bound of `0.1` means a tenth, not the nearest binary fraction: it is compared exactly with
//! integers and decimals, and rounded to the column's own type where that is binary.

use std::{cmp::Ordering, fmt, str::FromStr};

use crate::serde_text::serde_as_text;

/// The most significant digits: those of the widest decimal column.
const MAX_DIGITS: u32 = 38;
/// The largest power of ten on either side; beyond what a double can hold.
const MAX_EXPONENT: i32 = 400;

/// `coefficient × 10^exponent`, in one form only: the coefficient has no trailing zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    coefficient: i128,
    exponent: i32,
}

/// A text that is no number, or one that is too long to be exact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a number of at most 38 digits")]
pub struct NumberError {
    given: String,
}

impl Number {
    /// Nothing.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// `unscaled × 10^-scale`, as decimal columns keep their values.
    #[must_use]
    pub const fn from_scaled(unscaled: i128, scale: u8) -> Self {
        let (mut coefficient, mut exponent) = (unscaled, -(scale as i32));
        if coefficient == 0 {
            return Self::ZERO;
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        Self { coefficient, exponent }
    }

    /// The shortest decimal that reads back as `value`; none for what is not finite.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        format!("{value:e}").parse().ok()
    }

    /// The double nearest to it.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// The float nearest to it.
    #[must_use]
    pub fn to_f32(self) -> f32 {
        format!("{}e{}", self.coefficient, self.exponent).parse().unwrap_or(f32::NAN)
    }

    /// Whether nothing stands behind the point.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        self.exponent >= 0
    }

    /// The number times 10^`scale`, where that is whole and fits.
    #[must_use]
    pub fn to_scaled(self, scale: u8) -> Option<i128> {
        let power = u32::try_from(self.exponent.checked_add(i32::from(scale))?).ok()?;
        self.coefficient.checked_mul(10_i128.checked_pow(power)?)
    }

    /// The number times 10^`scale`, without what is behind the point then: the next whole number
    /// below. What does not fit into 128 bits is the least or the greatest that does.
    #[must_use]
    pub fn floor_scaled(self, scale: u8) -> i128 {
        let power = self.exponent + i32::from(scale);
        if power >= 0 {
            let factor = 10_i128.checked_pow(power.unsigned_abs());
            let scaled = factor.and_then(|factor| self.coefficient.checked_mul(factor));
            let outermost = if self.coefficient < 0 { i128::MIN } else { i128::MAX };
            return scaled.unwrap_or(if self.coefficient == 0 { 0 } else { outermost });
        }
        match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => self.coefficient.div_euclid(divisor),
            None => self.coefficient.signum().min(0),
        }
    }

    /// The number with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { coefficient: -self.coefficient, exponent: self.exponent }
    }

    /// Like [`floor_scaled`](Self::floor_scaled), the next whole number above.
    #[must_use]
    pub fn ceil_scaled(self, scale: u8) -> i128 {
        self.negated().floor_scaled(scale).saturating_neg()
    }

    /// Whether this is `step` taken a whole number of times. Exact for steps of up to 18 digits,
    /// which [`is_step`](Self::is_step) asks for.
    #[must_use]
    pub fn is_multiple_of(self, step: Self) -> bool {
        let modulus = step.coefficient;
        if modulus == 0 {
            return self.coefficient == 0;
        }
        let power = self.exponent - step.exponent;
        if power < 0 {
            // The divisor has more digits than the number: only nothing is a multiple.
            let factor = 10_i128.checked_pow(power.unsigned_abs());
            let divisor = factor.and_then(|factor| modulus.checked_mul(factor));
            return divisor
                .map_or(self.coefficient == 0, |divisor| self.coefficient % divisor == 0);
        }
        let times = |one: i128, other: i128| one.saturating_mul(other) % modulus;
        let (mut rest, mut base) = (self.coefficient % modulus, 10 % modulus);
        let mut power = power;
        while power > 0 {
            if power % 2 == 1 {
                rest = times(rest, base);
            }
            base = times(base, base);
            power /= 2;
        }
        rest == 0
    }

    /// Whether it can be asked of numbers to be a multiple of it.
    #[must_use]
    pub const fn is_step(self) -> bool {
        self.coefficient > 0 && self.coefficient < 1_000_000_000_000_000_000
    }

    /// As a whole number that is not negative.
    #[must_use]
    pub fn to_u64(self) -> Option<u64> {
        self.to_scaled(0).and_then(|whole| u64::try_from(whole).ok())
    }

    /// How `part` of `whole`, in percent, compares with this number: exact, where 128 bits allow.
    #[must_use]
    pub fn cmp_percent(self, part: u64, whole: u64) -> Ordering {
        let (part, whole) = (i128::from(part), i128::from(whole.max(1)));
        match self.coefficient.checked_mul(whole) {
            Some(scaled) => {
                let ours = Self::from_scaled(scaled, 0);
                let ours = Self { exponent: ours.exponent + self.exponent, ..ours };
                Self::from_scaled(part * 100, 0).cmp(&ours)
            }
            None => (part as f64 * 100.0 / whole as f64).total_cmp(&self.to_f64()),
        }
    }

    /// Decimal digits of the coefficient, without its sign.
    const fn digits(self) -> u32 {
        match self.coefficient.unsigned_abs().checked_ilog10() {
            Some(below) => below + 1,
            None => 1,
        }
    }
}

impl From<i64> for Number {
    fn from(whole: i64) -> Self {
        Self::from_scaled(i128::from(whole), 0)
    }
}

impl From<u64> for Number {
    fn from(whole: u64) -> Self {
        Self::from_scaled(i128::from(whole), 0)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_sign = self.coefficient.signum().cmp(&other.coefficient.signum());
        if by_sign.is_ne() || self.coefficient == 0 {
            return by_sign;
        }
        let (ours, theirs) = (self.coefficient.unsigned_abs(), other.coefficient.unsigned_abs());
        let magnitude = |number: &Self| i64::from(number.digits()) + i64::from(number.exponent);
        let by_magnitude = magnitude(self).cmp(&magnitude(other)).then_with(|| {
            // Equally many digits before the point: brought to the same exponent, both have at
            // most as many digits as the longer one.
            let padded = |coefficient: u128, by: i32| {
                coefficient.saturating_mul(10_u128.saturating_pow(by.max(0).unsigned_abs()))
            };
            padded(ours, self.exponent - other.exponent)
                .cmp(&padded(theirs, other.exponent - self.exponent))
        });
        if self.coefficient < 0 { by_magnitude.reverse() } else { by_magnitude }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without exponent where that is readable: `1000000`, `-0.05`, `1e300`.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let point = i64::from(self.digits()) + i64::from(self.exponent);
        match self.exponent {
            0.. if point <= i64::from(MAX_DIGITS) => {
                write!(f, "{sign}{digits}{}", "0".repeat(self.exponent.unsigned_abs() as usize))
            }
            -38..0 if point > 0 => {
                let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or(0));
                write!(f, "{sign}{whole}.{part}")
            }
            -38..0 => {
                let zeros = "0".repeat(point.unsigned_abs() as usize);
                write!(f, "{sign}0.{zeros}{digits}")
            }
            exponent => write!(f, "{sign}{digits}e{exponent}"),
        }
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// An optional sign, digits with at most one point among them, an optional exponent.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let error = || NumberError { given: crate::name::printable(text) };
        parse(text).ok_or_else(error)
    }
}

fn parse(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let part = part.trim_end_matches('0');
    let digits = format!("{whole}{part}");
    if whole.len() + part.len() == 0 && !unsigned.contains('0') {
        return None;
    }
    if digits.bytes().any(|byte| !byte.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return Some(Number::ZERO);
    }
    if trimmed.len() > MAX_DIGITS as usize {
        return None;
    }
    let dropped = i32::try_from(significant.len() - trimmed.len()).ok()?;
    let exponent = exponent.checked_sub(i32::try_from(part.len()).ok()?)?.checked_add(dropped)?;
    let coefficient = trimmed.parse::<i128>().ok()?;
    let coefficient = if mantissa.starts_with('-') { -coefficient } else { coefficient };
    (exponent.abs() <= MAX_EXPONENT).then_some(Number { coefficient, exponent })
}

serde_as_text!(Number);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn one_number_has_one_form() {
        for (text, shown) in [
            ("1", "1"),
            ("+1.00", "1"),
            ("100e-2", "1"),
            ("-0.0", "0"),
            ("0", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e6", "1000000"),
            ("-0.050", "-0.05"),
            ("123.456", "123.456"),
            ("1e300", "1e300"),
            ("1e-300", "1e-300"),
            ("0.00000000000000000001", "0.00000000000000000001"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(number(text).to_string(), shown, "{text}");
            assert_eq!(number(&number(text).to_string()), number(text), "{text}");
        }
        let long = "1".repeat(39);
        for bad in ["", ".", "+", "e5", "1e", "1.2.3", "0x1f", "nan", "1_000", "1e999", &long] {
            assert!(bad.parse::<Number>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn percents_are_compared_exactly() {
        let third = number("33.3333333333");
        assert_eq!(third.cmp_percent(1, 3), Ordering::Greater);
        assert_eq!(number("1").cmp_percent(3, 300), Ordering::Equal);
        assert_eq!(number("0.1").cmp_percent(1, 1000), Ordering::Equal);
        assert_eq!(number("5").cmp_percent(0, 0), Ordering::Less);
    }

    #[test]
    fn multiples_are_exact() {
        for (text, step, expected) in [
            ("0.3", "0.1", true),
            ("0.35", "0.1", false),
            ("10", "5", true),
            ("-10", "5", true),
            ("1e30", "7", false),
            ("7e30", "7", true),
            ("1e-300", "1", false),
            ("0", "0.001", true),
            ("1e300", "1e-18", true),
        ] {
            assert_eq!(number(text).is_multiple_of(number(step)), expected, "{text} of {step}");
        }
    }

    #[test]
    fn bounds_round_to_the_side_that_keeps_their_meaning() {
        let both =
            |text: &str, scale| (number(text).floor_scaled(scale), number(text).ceil_scaled(scale));
        assert_eq!(both("1.5", 0), (1, 2));
        assert_eq!(both("-1.5", 0), (-2, -1));
        assert_eq!(both("1.25", 2), (125, 125));
        assert_eq!(both("1.255", 2), (125, 126));
        assert_eq!(both("1e-300", 2), (0, 1));
        assert_eq!(both("-1e-300", 2), (-1, 0));
        assert_eq!(both("1e300", 0), (i128::MAX, i128::MAX));
        assert_eq!(both("-1e300", 0), (i128::MIN, -i128::MAX));
        assert_eq!(both("0", 38), (0, 0));
    }

    proptest! {
        /// The order is that of the numbers, whatever their exponents.
        #[test]
        fn the_order_is_numeric(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000,
                                x in 0_u8..12, y in 0_u8..12) {
            let (one, other) = (
                Number::from_scaled(i128::from(a), x), Number::from_scaled(i128::from(b), y));
            let left = i128::from(a) * 10_i128.pow(u32::from(y));
            let right = i128::from(b) * 10_i128.pow(u32::from(x));
            prop_assert_eq!(one.cmp(&other), left.cmp(&right));
            prop_assert_eq!(number(&one.to_string()), one);
        }

        #[test]
        fn doubles_come_back(value in proptest::num::f64::NORMAL) {
            let there = Number::from_f64(value).expect("finite");
            prop_assert_eq!(there.to_f64(), value);
        }

        /// Any text is a number that reads back, or none.
        #[test]
        fn any_text_ends(text in "[-+.eE0-9]{0,60}") {
            if let Ok(read) = text.parse::<Number>() {
                prop_assert_eq!(number(&read.to_string()), read);
            }
        }
    }
}
