//! One check, bound to the type of its column, and what it says of one value.

use lakebed_core::{
    DataType,
    contract::{Number, RowCheck, Value},
};

use crate::{pattern::Pattern, scalar};

/// One value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// `boolean`.
    Boolean(bool),
    /// `int` and `long`.
    Integer(i64),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `decimal(p,s)`: the value times 10^s.
    Decimal(i128, u8),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `time`: microseconds since midnight.
    Time(i64),
    /// `timestamp` and `timestamptz`: microseconds since 1970-01-01 00:00, of the wall or UTC.
    Timestamp(i64),
    /// `string`.
    Text(&'a str),
    /// `binary` and `fixed`.
    Bytes(&'a [u8]),
    /// `list` and `map`: how many entries.
    Items(u64),
    /// `struct`.
    Struct,
}

/// A value of a contract, as the column's type keeps it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `boolean`.
    Boolean(bool),
    /// `int` and `long`; in a `decimal` column of scale s, the value times 10^s.
    Integer(i128),
    /// `float`.
    Float(f32),
    /// `double`.
    Double(f64),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `time`: microseconds since midnight.
    Time(i64),
    /// `timestamp` and `timestamptz`: microseconds since 1970-01-01 00:00, of the wall or UTC.
    Timestamp(i64),
    /// `string`.
    Text(String),
}

/// Which side of a bound a value must be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The bound or more.
    AtLeast,
    /// The bound or less.
    AtMost,
    /// More than the bound.
    MoreThan,
    /// Less than the bound.
    LessThan,
}

/// One thing that is asked of each value of a column. All but [`NotNull`](Self::NotNull) and
/// [`NotMissing`](Self::NotMissing) hold for null.
#[derive(Debug, Clone, PartialEq)]
pub enum BoundCheck {
    /// It is there.
    NotNull,
    /// It is there, and none of these.
    NotMissing(Vec<Scalar>),
    /// It is on this side of a bound. Of whole numbers and decimals bounds are inclusive. What is
    /// not a number (NaN) is on no side of any.
    Compare(Comparison, Scalar),
    /// It is a whole multiple.
    MultipleOf(Number),
    /// It has at least so many characters; of `binary` and `fixed` bytes.
    MinLength(u64),
    /// It has at most so many characters; of `binary` and `fixed` bytes.
    MaxLength(u64),
    /// It has at least so many entries.
    MinItems(u64),
    /// It has at most so many entries.
    MaxItems(u64),
    /// Somewhere in it the expression matches.
    Pattern(Pattern),
    /// It is one of these.
    OneOf(Vec<Scalar>),
}

impl BoundCheck {
    /// Binds a check to a type; none where every value of the type keeps it.
    ///
    /// # Errors
    /// Why it does not fit.
    pub(super) fn new(check: &RowCheck, data_type: &DataType) -> Result<Option<Self>, String> {
        Ok(Some(match check {
            RowCheck::NotNull => Self::NotNull,
            RowCheck::NotMissing(tokens) => {
                // Tokens are of the text that was decoded: those that the type cannot hold have
                // become nulls before.
                let tokens = tokens.iter().filter_map(|token| Scalar::new(token, data_type).ok());
                Self::NotMissing(tokens.collect())
            }
            RowCheck::AtLeast(bound) => return compare(Comparison::AtLeast, bound, data_type),
            RowCheck::AtMost(bound) => return compare(Comparison::AtMost, bound, data_type),
            RowCheck::MoreThan(bound) => return compare(Comparison::MoreThan, bound, data_type),
            RowCheck::LessThan(bound) => return compare(Comparison::LessThan, bound, data_type),
            RowCheck::MultipleOf(step) => {
                is_numeric(data_type).then_some(()).ok_or("it has no multiples")?;
                step.is_step().then_some(()).ok_or("steps have at most 18 digits")?;
                Self::MultipleOf(*step)
            }
            RowCheck::MinLength(length) => {
                has_length(data_type)?;
                Self::MinLength(*length)
            }
            RowCheck::MaxLength(length) => {
                has_length(data_type)?;
                Self::MaxLength(*length)
            }
            RowCheck::MinItems(count) => {
                has_items(data_type)?;
                Self::MinItems(*count)
            }
            RowCheck::MaxItems(count) => {
                has_items(data_type)?;
                Self::MaxItems(*count)
            }
            RowCheck::Pattern(source) => {
                (*data_type == DataType::String).then_some(()).ok_or("it is no text")?;
                Self::Pattern(Pattern::new(source).map_err(|error| error.to_string())?)
            }
            RowCheck::OneOf(values) => {
                let values = values.iter().filter(|value| **value != Value::Null);
                let values: Result<Vec<Scalar>, String> =
                    values.map(|value| Scalar::new(value, data_type)).collect();
                Self::OneOf(values?)
            }
        }))
    }

    /// Whether `cell` is as it must be.
    ///
    /// A cell of another type than the column's is not: it cannot come from the table.
    #[must_use]
    pub fn holds(&self, cell: Cell<'_>) -> bool {
        if cell == Cell::Null {
            return !matches!(self, Self::NotNull | Self::NotMissing(_));
        }
        match self {
            Self::NotNull => true,
            Self::NotMissing(tokens) => !tokens.iter().any(|token| token.equals(cell)),
            Self::Compare(comparison, bound) => compares(*comparison, bound, cell),
            Self::MultipleOf(step) => number(cell).is_some_and(|n| n.is_multiple_of(*step)),
            Self::MinLength(least) => length(cell).is_some_and(|length| length >= *least),
            Self::MaxLength(most) => length(cell).is_some_and(|length| length <= *most),
            Self::MinItems(least) => matches!(cell, Cell::Items(count) if count >= *least),
            Self::MaxItems(most) => matches!(cell, Cell::Items(count) if count <= *most),
            Self::Pattern(pattern) => matches!(cell, Cell::Text(text) if pattern.is_match(text)),
            Self::OneOf(values) => values.iter().any(|value| value.equals(cell)),
        }
    }
}

impl Scalar {
    /// What a value of a contract is in a column of that type.
    fn new(value: &Value, data_type: &DataType) -> Result<Self, String> {
        let whole = |number: &Number, scale| {
            let scaled = number.to_scaled(scale).filter(|n| range(data_type).contains(n));
            scaled.map(Self::Integer).ok_or_else(|| format!("{number} is none of its values"))
        };
        let read = |scalar: Option<Self>, what: &str, text: &String| {
            scalar.ok_or_else(|| format!("{} is no {what}", Value::Text(text.clone())))
        };
        match (data_type, value) {
            (DataType::Boolean, Value::Bool(value)) => Ok(Self::Boolean(*value)),
            (DataType::Int | DataType::Long, Value::Number { number }) => whole(number, 0),
            (DataType::Decimal { scale, .. }, Value::Number { number }) => whole(number, *scale),
            (DataType::Float, Value::Number { number }) => Ok(Self::Float(number.to_f32())),
            (DataType::Double, Value::Number { number }) => Ok(Self::Double(number.to_f64())),
            (DataType::Date, Value::Text(text)) => {
                read(scalar::date(text).map(Self::Date), "date", text)
            }
            (DataType::Time, Value::Text(text)) => {
                read(scalar::time(text).map(Self::Time), "time of day", text)
            }
            (DataType::Timestamp | DataType::Timestamptz, Value::Text(text)) => {
                let read = scalar::timestamp(text);
                match read {
                    Some((_, true)) if *data_type == DataType::Timestamp => {
                        Err("it has an offset, and the column has no time zone".to_owned())
                    }
                    Some((micros, _)) => Ok(Self::Timestamp(micros)),
                    None => Err(format!("{value} is no date and time")),
                }
            }
            (DataType::String, Value::Text(text)) => Ok(Self::Text(text.clone())),
            (DataType::String, Value::Number { .. } | Value::Bool(_)) => {
                Err(format!("{value} is {}; in quotes it would be text", value.kind()))
            }
            _ => Err(format!("it is {}", value.kind())),
        }
    }

    fn equals(&self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Boolean(ours), Cell::Boolean(theirs)) => *ours == theirs,
            (Self::Integer(ours), Cell::Integer(theirs)) => *ours == i128::from(theirs),
            (Self::Integer(ours), Cell::Decimal(theirs, _)) => *ours == theirs,
            (Self::Float(ours), Cell::Float(theirs)) => *ours == theirs,
            (Self::Double(ours), Cell::Double(theirs)) => *ours == theirs,
            (Self::Date(ours), Cell::Date(theirs)) => *ours == theirs,
            (Self::Time(ours), Cell::Time(theirs))
            | (Self::Timestamp(ours), Cell::Timestamp(theirs)) => *ours == theirs,
            (Self::Text(ours), Cell::Text(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

/// A bound of whole numbers becomes inclusive, and asks nothing where the type asks it already.
fn compare(
    comparison: Comparison,
    bound: &Value,
    data_type: &DataType,
) -> Result<Option<BoundCheck>, String> {
    let scale = match data_type {
        DataType::Int | DataType::Long => 0,
        DataType::Decimal { scale, .. } => *scale,
        _ => return compare_others(comparison, bound, data_type).map(Some),
    };
    let number = bound.as_number().ok_or_else(|| format!("it is {}", bound.kind()))?;
    let (comparison, whole) = match comparison {
        Comparison::AtLeast => (Comparison::AtLeast, number.ceil_scaled(scale)),
        Comparison::MoreThan => (Comparison::AtLeast, number.floor_scaled(scale).saturating_add(1)),
        Comparison::AtMost => (Comparison::AtMost, number.floor_scaled(scale)),
        Comparison::LessThan => (Comparison::AtMost, number.ceil_scaled(scale).saturating_sub(1)),
    };
    let range = range(data_type);
    let (asks_nothing, is_impossible) = match comparison {
        Comparison::AtLeast => (whole <= *range.start(), whole > *range.end()),
        _ => (whole >= *range.end(), whole < *range.start()),
    };
    if is_impossible {
        return Err("none of its values could keep it".to_owned());
    }
    Ok((!asks_nothing).then_some(BoundCheck::Compare(comparison, Scalar::Integer(whole))))
}

fn compare_others(
    comparison: Comparison,
    bound: &Value,
    data_type: &DataType,
) -> Result<BoundCheck, String> {
    match data_type {
        DataType::Boolean | DataType::String => Err("its values have no bounds".to_owned()),
        _ => Ok(BoundCheck::Compare(comparison, Scalar::new(bound, data_type)?)),
    }
}

fn compares(comparison: Comparison, bound: &Scalar, cell: Cell<'_>) -> bool {
    let ordering = match (bound, cell) {
        (Scalar::Integer(bound), Cell::Integer(value)) => Some(i128::from(value).cmp(bound)),
        (Scalar::Integer(bound), Cell::Decimal(value, _)) => Some(value.cmp(bound)),
        (Scalar::Float(bound), Cell::Float(value)) => value.partial_cmp(bound),
        (Scalar::Double(bound), Cell::Double(value)) => value.partial_cmp(bound),
        (Scalar::Date(bound), Cell::Date(value)) => Some(value.cmp(bound)),
        (Scalar::Time(bound), Cell::Time(value))
        | (Scalar::Timestamp(bound), Cell::Timestamp(value)) => Some(value.cmp(bound)),
        _ => None,
    };
    ordering.is_some_and(|ordering| match comparison {
        Comparison::AtLeast => ordering.is_ge(),
        Comparison::AtMost => ordering.is_le(),
        Comparison::MoreThan => ordering.is_gt(),
        Comparison::LessThan => ordering.is_lt(),
    })
}

/// The values of a type, as whole numbers: of a decimal, times 10^scale.
fn range(data_type: &DataType) -> std::ops::RangeInclusive<i128> {
    match data_type {
        DataType::Int => i128::from(i32::MIN)..=i128::from(i32::MAX),
        DataType::Decimal { precision, .. } => {
            let most = 10_i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX) - 1;
            -most..=most
        }
        _ => i128::from(i64::MIN)..=i128::from(i64::MAX),
    }
}

const fn is_numeric(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int
            | DataType::Long
            | DataType::Float
            | DataType::Double
            | DataType::Decimal { .. }
    )
}

fn has_length(data_type: &DataType) -> Result<(), String> {
    match data_type {
        DataType::String | DataType::Binary | DataType::Fixed(_) => Ok(()),
        _ => Err("it has no length".to_owned()),
    }
}

fn has_items(data_type: &DataType) -> Result<(), String> {
    match data_type {
        DataType::List(_) | DataType::Map(..) => Ok(()),
        _ => Err("it has no items".to_owned()),
    }
}

/// The number as people write it: of a double the shortest decimal that reads back as it.
fn number(cell: Cell<'_>) -> Option<Number> {
    match cell {
        Cell::Integer(value) => Some(Number::from(value)),
        Cell::Decimal(unscaled, scale) => Some(Number::from_scaled(unscaled, scale)),
        Cell::Float(value) => format!("{value:e}").parse().ok(),
        Cell::Double(value) => Number::from_f64(value),
        _ => None,
    }
}

fn length(cell: Cell<'_>) -> Option<u64> {
    match cell {
        Cell::Text(text) => Some(text.chars().count() as u64),
        Cell::Bytes(bytes) => Some(bytes.len() as u64),
        _ => None,
    }
}
