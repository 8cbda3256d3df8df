//! An upper bound on what a call may return, from its arguments alone.
//!
//! A bound may be generous, it may never be too small: [`super::bounded`] refuses by it.

use arrow::{
    array::{Array as _, AsArray as _},
    compute,
    datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit},
};

use super::measure::Arguments;

/// How the result of a function grows with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// All arguments together, so many times.
    Sum(u32),
    /// All but the first, the first between them.
    Joined,
    /// The first, as often as the second says.
    Repeated,
    /// As many characters as the second says.
    Padded,
    /// The third for every part of the first.
    Replaced,
    /// The third for every part of the first, with parts of the first inside.
    RegexReplaced,
    /// Every group of the second holds the first.
    RegexMatched,
    /// A character for a character.
    Translated,
    /// The first twice and the second.
    Overlaid,
    /// A list of so many of the first.
    ListRepeated,
    /// The first, filled up with the third to the length that the second says.
    ListResized,
    /// The third for every element of the first.
    ListReplaced,
    /// Every element of the first as text, the second between them, the third for nulls.
    ListJoined,
    /// A list with an element for every byte of the first.
    Split,
    /// The second as a format.
    Formatted,
    /// A list of numbers or times from the first to the second in steps of the third.
    Series,
}

/// The growth of each function that can return more than it was given.
pub(super) const GROWING: [(&str, Growth); 28] = [
    ("array_append", Growth::Sum(2)),
    ("array_concat", Growth::Sum(2)),
    ("array_prepend", Growth::Sum(2)),
    ("array_repeat", Growth::ListRepeated),
    ("array_replace", Growth::ListReplaced),
    ("array_replace_all", Growth::ListReplaced),
    ("array_replace_n", Growth::ListReplaced),
    ("array_resize", Growth::ListResized),
    ("array_to_string", Growth::ListJoined),
    ("array_union", Growth::Sum(2)),
    ("arrays_zip", Growth::Sum(4)),
    ("concat", Growth::Sum(1)),
    ("concat_ws", Growth::Joined),
    ("encode", Growth::Sum(2)),
    ("generate_series", Growth::Series),
    ("lpad", Growth::Padded),
    ("make_array", Growth::Sum(2)),
    ("overlay", Growth::Overlaid),
    ("range", Growth::Series),
    ("regexp_match", Growth::RegexMatched),
    ("regexp_replace", Growth::RegexReplaced),
    ("repeat", Growth::Repeated),
    ("replace", Growth::Replaced),
    ("rpad", Growth::Padded),
    ("string_to_array", Growth::Split),
    ("to_char", Growth::Formatted),
    ("translate", Growth::Translated),
    ("upper", Growth::Sum(3)),
];

/// The most bytes that a function of such a growth can return for `arguments`.
pub(super) fn most_bytes(growth: Growth, arguments: &Arguments<'_>) -> u128 {
    let rows = arguments.rows as u128;
    let bytes = |index| arguments.bytes(index);
    match growth {
        Growth::Sum(times) => arguments.all_bytes() * u128::from(times),
        Growth::Joined => arguments.all_bytes() + bytes(0) * arguments.values.len() as u128,
        Growth::Repeated => bytes(0) * arguments.most(1),
        Growth::Padded => bytes(0) + 4 * arguments.most(1) * rows,
        Growth::Replaced => bytes(0) + (bytes(0) + rows) * arguments.most_bytes(2),
        Growth::RegexReplaced => (bytes(0) + rows) * 2 * (arguments.most_bytes(2) + 1),
        Growth::RegexMatched => bytes(0) * (arguments.most_bytes(1) / 2 + 2),
        Growth::Translated => 4 * bytes(0),
        Growth::Overlaid => 2 * bytes(0) + bytes(1),
        Growth::ListRepeated => (bytes(0) + 8 * rows) * arguments.most(1),
        Growth::ListResized => bytes(0) + rows * arguments.most(1) * (16 + arguments.most_bytes(2)),
        Growth::ListReplaced => bytes(0) + arguments.elements(0) * arguments.most_bytes(2),
        Growth::ListJoined => {
            let around = arguments.most_bytes(1) + arguments.most_bytes(2) + 32;
            bytes(0) + arguments.elements(0) * around
        }
        Growth::Split => 16 * bytes(0) + bytes(1) + bytes(2),
        Growth::Formatted => bytes(0) + rows * 16 * arguments.most_bytes(1),
        Growth::Series => series(arguments),
    }
}

/// Eight bytes an element; the elements of every row are counted.
fn series(arguments: &Arguments<'_>) -> u128 {
    let points: Option<Vec<_>> = arguments
        .values
        .iter()
        .map(|value| value.to_array(arguments.rows).ok().and_then(|array| points(&array)))
        .collect();
    // Types we do not know are the function's to refuse.
    let Some(points) = points else { return 0 };
    let at = |index: usize, row: usize| points.get(index).map_or(Some(1), |column| column[row]);
    let elements = |row: usize| {
        let (start, stop, step) = match points.len() {
            1 => (0, at(0, row)?, 1),
            _ => (at(0, row)?, at(1, row)?, at(2, row)?),
        };
        (step != 0).then(|| (stop - start).unsigned_abs() / step.unsigned_abs() + 1)
    };
    (0..arguments.rows).filter_map(elements).map(|count| count * 8).sum()
}

/// Numbers as they are, times and intervals in nanoseconds (a month has at least 28 days).
fn points(array: &arrow::array::ArrayRef) -> Option<Vec<Option<i128>>> {
    const SECOND: i128 = 1_000_000_000;
    const DAY: i128 = 86_400 * SECOND;
    let scale = match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let steps = array.as_primitive::<IntervalMonthDayNanoType>().iter();
            return Some(
                steps
                    .map(|step| {
                        step.map(|step| {
                            let days = i128::from(step.months) * 28 + i128::from(step.days);
                            days * DAY + i128::from(step.nanoseconds)
                        })
                    })
                    .collect(),
            );
        }
        DataType::Date32 => DAY,
        DataType::Timestamp(TimeUnit::Second, _) => SECOND,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        DataType::Null => return Some(vec![None; array.len()]),
        _ => 1,
    };
    let numbers = match array.data_type() {
        DataType::Date32 => compute::cast(array, &DataType::Int32).ok()?,
        _ => std::sync::Arc::clone(array),
    };
    let numbers = compute::cast(&numbers, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive::<Int64Type>().iter();
    Some(numbers.map(|number| number.map(|number| i128::from(number) * scale)).collect())
}
