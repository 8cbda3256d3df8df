//! Whether one demand on values contains another.

use std::{cmp::Ordering, collections::BTreeSet};

use lakebed_core::contract::{Must, Number, RowCheck, Threshold, Value};

use crate::scalar;

/// How a demand changed, seen from the values that keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shift {
    /// The same values keep it.
    Same,
    /// Every value that keeps the new one keeps the old one.
    Tighter,
    /// Every value that keeps the old one keeps the new one.
    Looser,
    /// Neither, or nobody can tell.
    Other,
}

impl Shift {
    /// Both demands at once.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, shift) | (shift, Self::Same) => shift,
            (one, other) if one == other => one,
            _ => Self::Other,
        }
    }

    /// Of something whose growth tightens.
    const fn of_lower(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Less => Self::Looser,
            Ordering::Equal => Self::Same,
            Ordering::Greater => Self::Tighter,
        }
    }

    /// Of something whose growth loosens.
    const fn of_upper(ordering: Ordering) -> Self {
        Self::of_lower(ordering.reverse())
    }
}

/// How the demands of a rule on single values changed: a demand more tightens, one less loosens.
/// A rule asks each kind of thing once.
pub(super) fn of_checks(old: &[RowCheck], new: &[RowCheck]) -> Shift {
    let is_like = |one: &RowCheck, other: &RowCheck| {
        std::mem::discriminant(one) == std::mem::discriminant(other)
    };
    let mut shift = Shift::Same;
    for before in old {
        let now = new.iter().find(|now| is_like(before, now));
        shift = shift.and(now.map_or(Shift::Looser, |now| of_check(before, now)));
    }
    let is_added = |now: &&RowCheck| !old.iter().any(|before| is_like(before, now));
    match new.iter().any(|now| is_added(&now)) {
        true => shift.and(Shift::Tighter),
        false => shift,
    }
}

fn of_check(old: &RowCheck, new: &RowCheck) -> Shift {
    use RowCheck as C;
    match (old, new) {
        (C::AtLeast(old), C::AtLeast(new)) | (C::MoreThan(old), C::MoreThan(new)) => {
            compare(new, old).map_or(Shift::Other, Shift::of_lower)
        }
        (C::AtMost(old), C::AtMost(new)) | (C::LessThan(old), C::LessThan(new)) => {
            compare(new, old).map_or(Shift::Other, Shift::of_upper)
        }
        (C::MinLength(old), C::MinLength(new)) | (C::MinItems(old), C::MinItems(new)) => {
            Shift::of_lower(new.cmp(old))
        }
        (C::MaxLength(old), C::MaxLength(new)) | (C::MaxItems(old), C::MaxItems(new)) => {
            Shift::of_upper(new.cmp(old))
        }
        (C::MultipleOf(old), C::MultipleOf(new)) => of_steps(*old, *new),
        (C::OneOf(old), C::OneOf(new)) => of_sets(old, new),
        (C::NotMissing(old), C::NotMissing(new)) => of_sets(new, old),
        (old, new) if old == new => Shift::Same,
        _ => Shift::Other,
    }
}

fn of_steps(old: Number, new: Number) -> Shift {
    match (new.is_multiple_of(old), old.is_multiple_of(new)) {
        (true, true) => Shift::Same,
        (true, false) => Shift::Tighter,
        (false, true) => Shift::Looser,
        (false, false) => Shift::Other,
    }
}

/// Of lists of values that may be.
fn of_sets(old: &[Value], new: &[Value]) -> Shift {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.iter().collect(), new.iter().collect());
    match (new.is_subset(&old), old.is_subset(&new)) {
        (true, true) => Shift::Same,
        (true, false) => Shift::Tighter,
        (false, true) => Shift::Looser,
        (false, false) => Shift::Other,
    }
}

/// The order of two bounds: of numbers, or of the same kind of date or time.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (one.as_number(), other.as_number()) {
        return Some(one.cmp(&other));
    }
    let (Value::Text(one), Value::Text(other)) = (one, other) else { return None };
    if let (Some(one), Some(other)) = (scalar::time(one), scalar::time(other)) {
        return Some(one.cmp(&other));
    }
    let (one, is_point) = scalar::timestamp(one)?;
    let (other, is_other_point) = scalar::timestamp(other)?;
    (is_point == is_other_point).then(|| one.cmp(&other))
}

/// How a demand on a measured number changed.
pub(super) fn of_thresholds(old: &Threshold, new: &Threshold) -> Shift {
    if old == new {
        return Shift::Same;
    }
    match (old.unit == new.unit, Interval::of(&old.must), Interval::of(&new.must)) {
        (true, Some(old), Some(new)) => old.shift_to(&new),
        _ => Shift::Other,
    }
}

/// From "none may" to "so many may", and back.
pub(super) fn of_optional_thresholds(old: Option<&Threshold>, new: Option<&Threshold>) -> Shift {
    let none = |unit| Threshold { must: Must::Be(Value::from(Number::ZERO)), unit };
    match (old, new) {
        (None, None) => Shift::Same,
        (Some(old), Some(new)) => of_thresholds(old, new),
        (None, Some(new)) => of_thresholds(&none(new.unit), new),
        (Some(old), None) => of_thresholds(old, &none(old.unit)),
    }
}

/// The numbers that an operator allows, where they lie together: its ends, and whether each is in.
struct Interval {
    low: Option<(Number, bool)>,
    high: Option<(Number, bool)>,
}

impl Interval {
    fn of(must: &Must) -> Option<Self> {
        let (low, high) = match must {
            Must::Be(value) => {
                let end = Some((value.as_number()?, true));
                (end, end)
            }
            Must::BeGreaterThan(number) => (Some((*number, false)), None),
            Must::BeGreaterOrEqualTo(number) => (Some((*number, true)), None),
            Must::BeLessThan(number) => (None, Some((*number, false))),
            Must::BeLessOrEqualTo(number) => (None, Some((*number, true))),
            Must::BeBetween(low, high) => (Some((*low, false)), Some((*high, false))),
            Must::NotBe(_) | Must::NotBeBetween(..) => return None,
        };
        Some(Self { low, high })
    }

    fn shift_to(&self, new: &Self) -> Shift {
        // At the same number, the end that leaves it out is the tighter one.
        let low = of_ends(self.low, new.low, |old, new| {
            Shift::of_lower(new.0.cmp(&old.0).then(old.1.cmp(&new.1)))
        });
        let high = of_ends(self.high, new.high, |old, new| {
            Shift::of_upper(new.0.cmp(&old.0).then(new.1.cmp(&old.1)))
        });
        low.and(high)
    }
}

type End = (Number, bool);

fn of_ends(old: Option<End>, new: Option<End>, compare: impl Fn(End, End) -> Shift) -> Shift {
    match (old, new) {
        (None, None) => Shift::Same,
        (None, Some(_)) => Shift::Tighter,
        (Some(_), None) => Shift::Looser,
        (Some(old), Some(new)) => compare(old, new),
    }
}

#[cfg(test)]
mod tests {
    use lakebed_core::contract::Unit;

    use super::*;

    #[test]
    fn thresholds_contain_each_other() {
        let number = |text: &str| text.parse::<Number>().expect("a number");
        let rows = |must| Threshold { must, unit: Unit::Rows };
        let at_most = |text: &str| rows(Must::BeLessOrEqualTo(number(text)));
        let below = |text: &str| rows(Must::BeLessThan(number(text)));
        for (old, new, expected) in [
            (at_most("5"), at_most("4"), Shift::Tighter),
            (at_most("5"), at_most("6"), Shift::Looser),
            (at_most("5"), below("5"), Shift::Tighter),
            (below("5"), at_most("5"), Shift::Looser),
            (at_most("5"), rows(Must::Be(Value::from(number("3")))), Shift::Tighter),
            (at_most("5"), rows(Must::BeGreaterThan(number("3"))), Shift::Other),
            (at_most("5"), rows(Must::NotBe(Value::Null)), Shift::Other),
        ] {
            assert_eq!(of_thresholds(&old, &new), expected, "{old} to {new}");
        }
        let percent = Threshold { must: Must::BeLessThan(number("5")), unit: Unit::Percent };
        assert_eq!(of_thresholds(&below("5"), &percent), Shift::Other);
        assert_eq!(of_optional_thresholds(None, Some(&percent)), Shift::Looser);
        assert_eq!(of_optional_thresholds(Some(&percent), None), Shift::Tighter);
    }

    #[test]
    fn a_demand_more_is_tighter() {
        let list = || RowCheck::OneOf(vec![Value::from("a")]);
        let pattern = || RowCheck::Pattern("a".to_owned());
        assert_eq!(of_checks(&[list()], &[pattern(), list()]), Shift::Tighter);
        assert_eq!(of_checks(&[pattern(), list()], &[list()]), Shift::Looser);
        assert_eq!(of_checks(&[pattern()], &[list()]), Shift::Other);
        assert_eq!(of_checks(&[pattern(), list()], &[list(), pattern()]), Shift::Same);
    }

    #[test]
    fn dates_are_compared_as_dates() {
        let at_least = |text: &str| [RowCheck::AtLeast(Value::from(text))];
        let shift = |old: &str, new: &str| of_checks(&at_least(old), &at_least(new));
        assert_eq!(shift("2024-01-01", "2024-02-01"), Shift::Tighter);
        assert_eq!(shift("2024-01-01 12:00:00+02:00", "2024-01-01T09:00:00Z"), Shift::Looser);
        assert_eq!(shift("2024-01-01", "2024-01-01T09:00:00Z"), Shift::Other);
        assert_eq!(shift("08:00", "08:00:00"), Shift::Same);
    }
}
