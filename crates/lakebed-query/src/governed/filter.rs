//! Conditions below the barrier: the reader's row filter as the engine's expression, and which of a
//! statement's own conditions may join it there.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::{
    common::{Column, Result, ScalarValue, internal_err},
    logical_expr::{BinaryExpr, Expr, Like, Operator, expr::InList, lit},
};
use lakebed_core::{
    TableSchema,
    policy::{Comparison, Predicate, Scalar},
};

/// `predicate` over the columns of a table as they are read. Every comparison is between a column
/// and a literal of its very type, so nothing in it can fail on any row; what it says is what
/// [`lakebed_core::policy::holds`] says.
pub(super) fn expression(
    predicate: &Predicate,
    table: &TableSchema,
    read: &Schema,
) -> Result<Expr> {
    let all = |parts: &[Predicate], operator, none: bool| {
        let mut all = parts.iter().map(|part| expression(part, table, read));
        let Some(first) = all.next() else { return Ok(lit(none)) };
        all.try_fold(first?, |left, right| Ok(binary(left, operator, right?)))
    };
    let column = |id: u32| {
        let place = table.fields.iter().position(|field| field.id == id);
        match place {
            Some(place) => Ok(read.field(place)),
            None => internal_err!("a row filter names field {id}, which the table does not have"),
        }
    };
    match predicate {
        Predicate::Constant(constant) => Ok(lit(*constant)),
        Predicate::Compare { field, comparison, value } => {
            let field = column(*field)?;
            Ok(binary(named(field), operator(*comparison), literal(value, field)?))
        }
        Predicate::In { field, values } => {
            let field = column(*field)?;
            let list = values.iter().map(|value| literal(value, field));
            if field.data_type().is_floating() {
                // Lists look for the same bits: to them the two zeros are two.
                return list.into_iter().try_fold(lit(false), |any, value| {
                    let is_this = binary(named(field), Operator::Eq, value?);
                    Ok(binary(any, Operator::Or, is_this))
                });
            }
            let list = list.collect::<Result<_>>()?;
            Ok(Expr::InList(InList::new(Box::new(named(field)), list, false)))
        }
        Predicate::IsNull { field } => Ok(Expr::IsNull(Box::new(named(column(*field)?)))),
        Predicate::StartsWith { field, prefix } => {
            let field = column(*field)?;
            // No wildcard is in it: the text of a row filter has none but the one at its end.
            let pattern = literal(&Scalar::Text(format!("{prefix}%")), field)?;
            Ok(Expr::Like(Like::new(false, Box::new(named(field)), Box::new(pattern), None, false)))
        }
        Predicate::Not(inner) => Ok(Expr::Not(Box::new(expression(inner, table, read)?))),
        Predicate::And(parts) => all(parts, Operator::And, true),
        Predicate::Or(parts) => all(parts, Operator::Or, false),
    }
}

fn named(field: &Field) -> Expr {
    Expr::Column(Column::from_name(field.name()))
}

fn binary(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

const fn operator(comparison: Comparison) -> Operator {
    match comparison {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
    }
}

/// A literal of the column's very type.
fn literal(value: &Scalar, field: &Field) -> Result<Expr> {
    let value = match (value, field.data_type()) {
        (Scalar::Boolean(value), DataType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (Scalar::Integer(value), DataType::Int64) => ScalarValue::Int64(Some(*value)),
        (Scalar::Integer(value), DataType::Int32) if i32::try_from(*value).is_ok() => {
            ScalarValue::Int32(i32::try_from(*value).ok())
        }
        (Scalar::Double(bits), DataType::Float64) => {
            ScalarValue::Float64(Some(f64::from_bits(*bits)))
        }
        (Scalar::Double(bits), DataType::Float32) => {
            ScalarValue::Float32(Some(f64::from_bits(*bits) as f32))
        }
        (Scalar::Decimal(value), DataType::Decimal128(precision, scale)) => {
            ScalarValue::Decimal128(Some(*value), *precision, *scale)
        }
        (Scalar::Text(text), DataType::Utf8View) => ScalarValue::Utf8View(Some(text.clone())),
        (Scalar::Date(days), DataType::Date32) => ScalarValue::Date32(Some(*days)),
        (Scalar::Timestamp(micros), DataType::Timestamp(_, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*micros), zone.clone())
        }
        (_, data_type) => {
            return internal_err!(
                "a row filter compares a column of type {data_type} with another"
            );
        }
    };
    Ok(lit(value))
}

/// Whether a condition of a statement may be evaluated on rows that its reader does not see:
/// comparisons of a column that is seen as it is with literals of its very type, and what a planner
/// makes of them (`flag` of `flag = true`, a constant of `x BETWEEN 2 AND 1`). They can neither fail nor
/// be observed.
pub(super) fn is_leakproof(condition: &Expr, raw: &HashSet<&str>, schema: &Schema) -> bool {
    let column = |expr: &Expr| match expr {
        Expr::Column(column) if raw.contains(column.name.as_str()) => {
            schema.field_with_name(&column.name).ok()
        }
        _ => None,
    };
    let is_same = |one: &Expr, other: &Expr| match (column(one), other) {
        (Some(field), Expr::Literal(value, _)) => {
            *field.data_type() == value.data_type() && is_plain(field.data_type())
        }
        _ => false,
    };
    match condition {
        Expr::Column(_) => {
            column(condition).is_some_and(|field| *field.data_type() == DataType::Boolean)
        }
        Expr::Literal(ScalarValue::Boolean(_), _) => true,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And | Operator::Or => {
                is_leakproof(left, raw, schema) && is_leakproof(right, raw, schema)
            }
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq => is_same(left, right) || is_same(right, left),
            _ => false,
        },
        Expr::Not(inner) => is_leakproof(inner, raw, schema),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => column(inner).is_some(),
        Expr::Between(between) => {
            is_same(&between.expr, &between.low) && is_same(&between.expr, &between.high)
        }
        Expr::InList(list) => {
            column(&list.expr).is_some() && list.list.iter().all(|value| is_same(&list.expr, value))
        }
        _ => false,
    }
}

/// Types whose values compare without any conversion.
const fn is_plain(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Boolean
            | DataType::Int32
            | DataType::Int64
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal128(..)
            | DataType::Utf8View
            | DataType::Date32
            | DataType::Timestamp(..)
    )
}
