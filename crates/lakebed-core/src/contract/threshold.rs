//! What a measured value must be: ODCS' operators and units.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Number, Value};

/// An operator and what it counts in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The comparison.
    pub must: Must,
    /// What is counted.
    #[serde(default, skip_serializing_if = "Unit::is_rows")]
    pub unit: Unit,
}

/// The comparison that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// Equal to it (`mustBe`).
    Be(Value),
    /// Anything else (`mustNotBe`).
    NotBe(Value),
    /// `mustBeGreaterThan`.
    BeGreaterThan(Number),
    /// `mustBeGreaterOrEqualTo`.
    BeGreaterOrEqualTo(Number),
    /// `mustBeLessThan`.
    BeLessThan(Number),
    /// `mustBeLessOrEqualTo`.
    BeLessOrEqualTo(Number),
    /// Between, and neither of them (`mustBeBetween`; D-73).
    BeBetween(Number, Number),
    /// Not between: one of them, or outside (`mustNotBeBetween`).
    NotBeBetween(Number, Number),
}

/// What a threshold counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Rows, or whatever a query answers.
    #[default]
    Rows,
    /// Hundredths of the rows.
    Percent,
}

impl Unit {
    const fn is_rows(&self) -> bool {
        matches!(self, Self::Rows)
    }
}

impl Threshold {
    /// Whether `count` of `total` rows is as it must be.
    #[must_use]
    pub fn holds_for_count(&self, count: u64, total: u64) -> bool {
        let compare = |number: &Number| match self.unit {
            Unit::Rows => Number::from(count).cmp(number),
            Unit::Percent => number.cmp_percent(count, total),
        };
        self.must.holds(compare, |value| value.as_number().is_some_and(|n| compare(&n).is_eq()))
    }

    /// Whether the answer of a query is as it must be. What is no number is never less or more.
    #[must_use]
    pub fn holds_for_value(&self, measured: &Value) -> bool {
        match measured.as_number() {
            Some(found) => self.must.holds(|number| found.cmp(number), |value| measured == value),
            None => match &self.must {
                Must::Be(value) => measured == value,
                Must::NotBe(value) => measured != value,
                _ => false,
            },
        }
    }

    /// Whether only a count of none holds: then each row that counts is to blame.
    #[must_use]
    pub fn allows_none(&self) -> bool {
        let is = |number: &Number, what: i64| *number == Number::from(what);
        match &self.must {
            Must::Be(value) => value.as_number() == Some(Number::ZERO),
            Must::BeLessOrEqualTo(number) => is(number, 0),
            Must::BeLessThan(number) => is(number, 1) && self.unit == Unit::Rows,
            _ => false,
        }
    }
}

impl Must {
    /// Whether fewer are never worse: what keeps it keeps it with a smaller number, too. (Counts
    /// are not below zero.)
    #[must_use]
    pub fn is_upper_limit(&self) -> bool {
        match self {
            Self::BeLessThan(_) | Self::BeLessOrEqualTo(_) => true,
            Self::Be(value) => value.as_number() == Some(Number::ZERO),
            _ => false,
        }
    }

    fn holds(
        &self,
        compare: impl Fn(&Number) -> std::cmp::Ordering,
        equals: impl Fn(&Value) -> bool,
    ) -> bool {
        match self {
            Self::Be(value) => equals(value),
            Self::NotBe(value) => !equals(value),
            Self::BeGreaterThan(number) => compare(number).is_gt(),
            Self::BeGreaterOrEqualTo(number) => compare(number).is_ge(),
            Self::BeLessThan(number) => compare(number).is_lt(),
            Self::BeLessOrEqualTo(number) => compare(number).is_le(),
            Self::BeBetween(low, high) => compare(low).is_gt() && compare(high).is_lt(),
            Self::NotBeBetween(low, high) => compare(low).is_le() || compare(high).is_ge(),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.must {
            Must::Be(value) => write!(f, "{value}"),
            Must::NotBe(value) => write!(f, "not {value}"),
            Must::BeGreaterThan(number) => write!(f, "more than {number}"),
            Must::BeGreaterOrEqualTo(number) => write!(f, "at least {number}"),
            Must::BeLessThan(number) => write!(f, "less than {number}"),
            Must::BeLessOrEqualTo(number) => write!(f, "at most {number}"),
            Must::BeBetween(low, high) => write!(f, "more than {low} and less than {high}"),
            Must::NotBeBetween(low, high) => write!(f, "at most {low} or at least {high}"),
        }?;
        f.write_str(if self.unit == Unit::Percent { " %" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().expect("a number")
    }

    #[test]
    fn between_means_neither_of_them() {
        let must = Must::BeBetween(number("1"), number("3"));
        let between = Threshold { must, unit: Unit::Rows };
        let held: Vec<u64> = (0..5).filter(|count| between.holds_for_count(*count, 9)).collect();
        assert_eq!(held, [2]);
        let must = Must::NotBeBetween(number("1"), number("3"));
        let outside = Threshold { must, unit: Unit::Rows };
        let held: Vec<u64> = (0..5).filter(|count| outside.holds_for_count(*count, 9)).collect();
        assert_eq!(held, [0, 1, 3, 4]);
    }

    #[test]
    fn percents_are_of_all_rows() {
        let must = Must::BeLessOrEqualTo(number("0.1"));
        let threshold = Threshold { must, unit: Unit::Percent };
        assert!(threshold.holds_for_count(1, 1000));
        assert!(!threshold.holds_for_count(2, 1000));
        assert!(threshold.holds_for_count(0, 0));
        assert_eq!(threshold.to_string(), "at most 0.1 %");
    }

    #[test]
    fn what_allows_none_blames_each_row() {
        let none = |must, unit| Threshold { must, unit }.allows_none();
        assert!(none(Must::Be(Value::from(Number::ZERO)), Unit::Percent));
        assert!(none(Must::BeLessThan(number("1")), Unit::Rows));
        assert!(!none(Must::BeLessThan(number("1")), Unit::Percent));
        assert!(!none(Must::BeLessOrEqualTo(number("5")), Unit::Rows));
    }

    #[test]
    fn a_text_is_never_more_or_less() {
        let be = Threshold { must: Must::Be(Value::from("ok")), unit: Unit::Rows };
        assert!(be.holds_for_value(&Value::from("ok")));
        assert!(!be.holds_for_value(&Value::Null));
        let more = Threshold { must: Must::BeGreaterThan(Number::ZERO), unit: Unit::Rows };
        assert!(!more.holds_for_value(&Value::from("9")));
        assert!(more.holds_for_value(&Value::from(number("9"))));
    }
}
