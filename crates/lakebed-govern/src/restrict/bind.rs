//! A row filter, bound to the columns of a table and the attributes of a reader: names become
//! field ids, literals become values of the columns' types.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use lakebed_core::{
    AttributeName, AttributeValue, DataType, Field,
    contract::Number,
    policy::{Comparison, Expression, Literal, Operand, Predicate, RowFilter, Scalar, Value},
};

/// Why a row filter means nothing for a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterFlaw {
    /// A column that is not there.
    #[error("there is no column `{0}`")]
    NoColumn(String),
    /// A value that no value of the column could be.
    #[error("`{column}` is {data_type}, and {literal} is no {data_type}")]
    Literal {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// What stands there.
        literal: String,
    },
    /// A type that can only be asked for null.
    #[error("`{column}` is {data_type}: of such a column a row filter can only ask `is null`")]
    NoValues {
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// `<` on what has no order, `like` on what is no text.
    #[error("`{operand}` is {what}: `{test}` does not apply")]
    Test {
        /// The column or attribute.
        operand: String,
        /// What it is.
        what: String,
        /// What was asked.
        test: String,
    },
}

/// The attributes of a reader; none when only the types are to be checked.
type Attributes<'a> = Option<&'a BTreeMap<AttributeName, AttributeValue>>;

/// Binds `filter`. None where an attribute is missing, or of a type that the column does not have:
/// then nothing of it may be true, not even under a `not`.
pub(crate) fn bind<'a>(
    filter: &RowFilter,
    find: &impl Fn(&str) -> Option<&'a Field>,
    attributes: Attributes<'_>,
) -> Result<Option<Predicate>, FilterFlaw> {
    let mut binder = Binder { find, attributes, is_denied: false };
    let predicate = binder.expression(&filter.0)?;
    Ok((!binder.is_denied).then_some(predicate))
}

struct Binder<'b, F> {
    find: &'b F,
    attributes: Attributes<'b>,
    /// Whether something the reader lacks was asked for.
    is_denied: bool,
}

/// What a predicate is where it does not matter any more.
const MOOT: Predicate = Predicate::Constant(false);

impl<'a, F: Fn(&str) -> Option<&'a Field>> Binder<'_, F> {
    fn expression(&mut self, expression: &Expression) -> Result<Predicate, FilterFlaw> {
        match expression {
            Expression::Constant(constant) => Ok(Predicate::Constant(*constant)),
            Expression::Compare { operand: Operand::Column(column), comparison, value } => {
                self.compare(column, *comparison, value)
            }
            Expression::Compare { operand: Operand::Attribute(name), comparison, value } => {
                let order = self.attribute_order(name, value, Some(*comparison))?;
                Ok(order.map_or(MOOT, |order| Predicate::Constant(comparison.holds(order))))
            }
            Expression::In { operand: Operand::Column(column), values } => {
                let field = self.column(column)?;
                let mut bound = Vec::with_capacity(values.len());
                for value in values {
                    bound.extend(self.scalar(field, value)?);
                }
                Ok(Predicate::In { field: field.id, values: bound })
            }
            Expression::In { operand: Operand::Attribute(name), values } => {
                let mut is_in = false;
                for value in values {
                    let order = self.attribute_order(name, value, None)?;
                    is_in |= order.is_some_and(std::cmp::Ordering::is_eq);
                }
                Ok(Predicate::Constant(is_in))
            }
            Expression::IsNull { column } => {
                Ok(Predicate::IsNull { field: self.column(column)?.id })
            }
            Expression::StartsWith { operand, prefix } => self.starts_with(operand, prefix),
            Expression::Not(inner) => Ok(Predicate::Not(Box::new(self.expression(inner)?))),
            Expression::And(parts) => self.all(parts).map(Predicate::And),
            Expression::Or(parts) => self.all(parts).map(Predicate::Or),
        }
    }

    fn all(&mut self, parts: &[Expression]) -> Result<Vec<Predicate>, FilterFlaw> {
        parts.iter().map(|part| self.expression(part)).collect()
    }

    fn compare(
        &mut self,
        column: &str,
        comparison: Comparison,
        value: &Value,
    ) -> Result<Predicate, FilterFlaw> {
        let field = self.column(column)?;
        if comparison.is_order() && field.data_type == DataType::Boolean {
            return Err(no_test(column, "boolean", comparison.as_str()));
        }
        let value = self.scalar(field, value)?;
        let compare = |value| Predicate::Compare { field: field.id, comparison, value };
        Ok(value.map_or(MOOT, compare))
    }

    fn starts_with(&mut self, operand: &Operand, prefix: &str) -> Result<Predicate, FilterFlaw> {
        match operand {
            Operand::Column(column) => {
                let field = self.column(column)?;
                match field.data_type {
                    DataType::String => {
                        let prefix = prefix.to_owned();
                        Ok(Predicate::StartsWith { field: field.id, prefix })
                    }
                    _ => Err(no_test(column, &field.data_type.to_string(), "like")),
                }
            }
            Operand::Attribute(name) => match self.attribute(name) {
                Some(AttributeValue::Text(text)) => {
                    Ok(Predicate::Constant(text.starts_with(prefix)))
                }
                _ => {
                    self.is_denied |= self.attributes.is_some();
                    Ok(MOOT)
                }
            },
        }
    }

    fn column(&self, name: &str) -> Result<&'a Field, FilterFlaw> {
        (self.find)(name).ok_or_else(|| FilterFlaw::NoColumn(name.to_owned()))
    }

    /// The attribute; notes that it is missing if it is.
    fn attribute(&mut self, name: &AttributeName) -> Option<AttributeValue> {
        let attributes = self.attributes?;
        let found = attributes.get(name).cloned();
        self.is_denied |= found.is_none();
        found
    }

    /// A value of the column's type; none for an attribute that is not known or gives none.
    fn scalar(&mut self, field: &Field, value: &Value) -> Result<Option<Scalar>, FilterFlaw> {
        match value {
            Value::Literal(literal) => scalar(field, literal).map(Some),
            Value::Attribute(name) => {
                if let Err(flaw @ FilterFlaw::NoValues { .. }) =
                    scalar(field, &Literal::Boolean(true))
                {
                    return Err(flaw);
                }
                let Some(attribute) = self.attribute(name) else { return Ok(None) };
                let found = scalar(field, &literal_of(attribute)).ok();
                self.is_denied |= found.is_none();
                Ok(found)
            }
        }
    }

    /// How an attribute compares with a value; none if it cannot be told.
    fn attribute_order(
        &mut self,
        name: &AttributeName,
        value: &Value,
        comparison: Option<Comparison>,
    ) -> Result<Option<std::cmp::Ordering>, FilterFlaw> {
        let is_order = comparison.is_some_and(Comparison::is_order);
        if let (Value::Literal(Literal::Boolean(_)), true) = (value, is_order) {
            let test = comparison.map_or("", Comparison::as_str);
            return Err(no_test(&format!("principal.{name}"), "compared with a boolean", test));
        }
        let with = match value {
            Value::Literal(literal) => Some(literal.clone()),
            Value::Attribute(other) => self.attribute(other).map(literal_of),
        };
        let found = self.attribute(name).map(literal_of);
        let order = match (found, with) {
            (Some(Literal::Boolean(one)), Some(Literal::Boolean(two))) if !is_order => {
                Some(one.cmp(&two))
            }
            (Some(Literal::Number(one)), Some(Literal::Number(two))) => Some(one.cmp(&two)),
            (Some(Literal::Text(one)), Some(Literal::Text(two))) => Some(one.cmp(&two)),
            _ => None,
        };
        self.is_denied |= self.attributes.is_some() && order.is_none();
        Ok(order)
    }
}

fn no_test(operand: &str, what: &str, test: &str) -> FilterFlaw {
    FilterFlaw::Test { operand: operand.to_owned(), what: what.to_owned(), test: test.to_owned() }
}

fn literal_of(attribute: AttributeValue) -> Literal {
    match attribute {
        AttributeValue::Boolean(value) => Literal::Boolean(value),
        AttributeValue::Integer(value) => Literal::Number(Number::from(value)),
        AttributeValue::Text(text) => Literal::Text(text),
    }
}

/// The literal as a value of the column's type, exactly; floats alone are rounded.
fn scalar(field: &Field, literal: &Literal) -> Result<Scalar, FilterFlaw> {
    let data_type = &field.data_type;
    let found = match (data_type, literal) {
        (DataType::Boolean, Literal::Boolean(value)) => Some(Scalar::Boolean(*value)),
        (DataType::Int, Literal::Number(number)) => {
            let whole = number.to_scaled(0).and_then(|whole| i32::try_from(whole).ok());
            whole.map(|whole| Scalar::Integer(i64::from(whole)))
        }
        (DataType::Long, Literal::Number(number)) => {
            let whole = number.to_scaled(0).and_then(|whole| i64::try_from(whole).ok());
            whole.map(Scalar::Integer)
        }
        (DataType::Decimal { precision, scale }, Literal::Number(number)) => {
            let fits = |unscaled: &i128| unscaled.unsigned_abs() < 10_u128.pow((*precision).into());
            number.to_scaled(*scale).filter(fits).map(Scalar::Decimal)
        }
        (DataType::Float, Literal::Number(number)) => {
            let rounded = f64::from(number.to_f32());
            rounded.is_finite().then_some(Scalar::Double(rounded.to_bits()))
        }
        (DataType::Double, Literal::Number(number)) => {
            let rounded = number.to_f64();
            rounded.is_finite().then_some(Scalar::Double(rounded.to_bits()))
        }
        (DataType::String, Literal::Text(text)) => Some(Scalar::Text(text.clone())),
        (DataType::Date, Literal::Text(text)) => date(text).map(|date| Scalar::Date(days(date))),
        (DataType::Timestamp, Literal::Text(text)) => local_time(text).map(Scalar::Timestamp),
        (DataType::Timestamptz, Literal::Text(text)) => {
            let time = DateTime::parse_from_rfc3339(text).ok();
            time.map(|time| Scalar::Timestamp(time.timestamp_micros()))
        }
        (
            DataType::Time
            | DataType::Fixed(_)
            | DataType::Binary
            | DataType::Struct(_)
            | DataType::List(_)
            | DataType::Map(..),
            _,
        ) => {
            return Err(FilterFlaw::NoValues {
                column: field.name.clone(),
                data_type: data_type.to_string(),
            });
        }
        _ => None,
    };
    found.ok_or_else(|| FilterFlaw::Literal {
        column: field.name.clone(),
        data_type: data_type.to_string(),
        literal: literal.to_string(),
    })
}

fn date(text: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    date.filter(|_| text.len() == 10)
}

fn days(date: NaiveDate) -> i32 {
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap_or_default();
    // Four digits of a year are a few million days at most.
    i32::try_from(date.signed_duration_since(epoch).num_days()).unwrap_or(i32::MAX)
}

/// `2026-11-01`, its first moment, or `2026-11-01T12:00:00`, without a zone.
fn local_time(text: &str) -> Option<i64> {
    let day = date(text).map(|date| date.and_time(NaiveTime::MIN));
    let time = day.or_else(|| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok());
    time.map(|time| time.and_utc().timestamp_micros())
}
