//! Times that a statement writes are microseconds, as those of tables are.
//!
//! DataFusion reads `TIMESTAMP '…'`, and a text beside a column of times, as nanoseconds, and counts the
//! column in them, too: those reach from 1677 to 2262, and tables hold other years. A text with more than
//! six digits behind the point is left to it. Times of day are nanoseconds there, or seconds, and it
//! compares those with no others: here all are microseconds.

use std::{ops::ControlFlow, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::{
    common::{
        Column, DFSchema, Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{
        Between, BinaryExpr, Cast, Expr, LogicalPlan, Operator, TryCast, Union, Values,
        expr::InList, expr_rewriter::NamePreserver, lit, planner::TypePlanner, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    sql::sqlparser::ast::{
        DataType as SqlType, Expr as SqlExpr, Query, TimezoneInfo, TypedString, Value,
        VisitMut as _, VisitorMut,
    },
};

/// The type of times of day.
const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);

/// Functions that make times of day of another type.
const MAKERS: [&str; 3] = ["current_time", "make_time", "to_time"];

/// Digits behind the point of a second.
const DIGITS: usize = 6;

/// Makes literals of times microseconds.
pub(crate) fn write_micros(query: &mut Query) {
    let ControlFlow::Continue(()) = query.visit(&mut Literals);
}

struct Literals;

impl VisitorMut for Literals {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut SqlExpr) -> ControlFlow<Self::Break> {
        if let SqlExpr::TypedString(TypedString { data_type, value, .. }) = expr
            && let SqlType::Timestamp(precision @ None, _) = data_type
            && let Value::SingleQuotedString(text) = &value.value
            && is_micros(text)
        {
            *precision = Some(DIGITS as u64);
        }
        ControlFlow::Continue(())
    }
}

fn is_micros(text: &str) -> bool {
    let behind = text.rsplit_once('.').map_or("", |(_, behind)| behind);
    behind.bytes().take_while(u8::is_ascii_digit).count() <= DIGITS
}

/// `TIME` is microseconds while it is planned, too: what is selected has its type by then.
#[derive(Debug)]
pub(crate) struct TimesOfDay;

impl TypePlanner for TimesOfDay {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let is_time = matches!(
            sql_type,
            SqlType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone)
        );
        Ok(is_time.then(|| Arc::new(Field::new("", TIME, true))))
    }
}

/// Reads a text beside a column of times as what the column is, and makes times of day microseconds. Runs
/// before types are coerced, which reads the types of most plans off their expressions once more.
#[derive(Debug)]
pub(crate) struct TextsBesideTimes;

impl AnalyzerRule for TextsBesideTimes {
    fn name(&self) -> &str {
        "texts_beside_times"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(read_texts)?.data)
    }
}

fn read_texts(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let schema = merge_schema(&plan.inputs());
    let read = plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let read = expr.transform_up(|expr| Ok(read_beside(expr, &schema)))?;
        Ok(match read.transformed {
            true => read.update_data(|expr| name.restore(expr)),
            false => read,
        })
    })?;
    read.transform_data(keep_micros)
}

/// Two plans keep the types that they were made with.
fn keep_micros(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    Ok(match plan {
        LogicalPlan::Values(Values { schema, values }) => match schema_in_micros(&schema)? {
            Some(schema) => {
                let schema = Arc::new(schema);
                Transformed::yes(LogicalPlan::Values(Values { schema, values }))
            }
            None => Transformed::no(LogicalPlan::Values(Values { schema, values })),
        },
        LogicalPlan::Union(Union { inputs, schema }) => match schema_in_micros(&schema)? {
            Some(schema) => {
                let schema = Arc::new(schema);
                Transformed::yes(LogicalPlan::Union(Union { inputs, schema }))
            }
            None => Transformed::no(LogicalPlan::Union(Union { inputs, schema })),
        },
        other => Transformed::no(other),
    })
}

/// `schema` with its times of day in microseconds; nothing if they are, or it has none.
fn schema_in_micros(schema: &DFSchema) -> Result<Option<DFSchema>> {
    if schema.fields().iter().all(|field| in_micros(field).is_none()) {
        return Ok(None);
    }
    let fields = schema.iter().map(|(table, field)| {
        (table.cloned(), in_micros(field).unwrap_or_else(|| Arc::clone(field)))
    });
    DFSchema::new_with_metadata(fields.collect(), schema.metadata().clone()).map(Some)
}

/// `field` with its times of day in microseconds; nothing if they are, or it has none.
fn in_micros(field: &Field) -> Option<FieldRef> {
    let data_type = match field.data_type() {
        DataType::Time32(_) | DataType::Time64(TimeUnit::Nanosecond) => TIME,
        DataType::List(inner) => DataType::List(in_micros(inner)?),
        DataType::Struct(fields) if fields.iter().any(|field| in_micros(field).is_some()) => {
            let inner = |field: &FieldRef| in_micros(field).unwrap_or_else(|| Arc::clone(field));
            DataType::Struct(fields.iter().map(inner).collect())
        }
        _ => return None,
    };
    Some(Arc::new(field.clone().with_data_type(data_type)))
}

fn read_beside(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::Cast(Cast { expr, field }) => match in_micros(&field) {
            Some(field) => Transformed::yes(Expr::Cast(Cast::new_from_field(expr, field))),
            None => Transformed::no(Expr::Cast(Cast { expr, field })),
        },
        Expr::TryCast(TryCast { expr, field }) => match in_micros(&field) {
            Some(field) => Transformed::yes(Expr::TryCast(TryCast::new_from_field(expr, field))),
            None => Transformed::no(Expr::TryCast(TryCast { expr, field })),
        },
        Expr::OuterReferenceColumn(field, column) => match in_micros(&field) {
            Some(field) => Transformed::yes(Expr::OuterReferenceColumn(field, column)),
            None => Transformed::no(Expr::OuterReferenceColumn(field, column)),
        },
        Expr::ScalarFunction(call) if MAKERS.contains(&call.func.name()) => {
            let call = Box::new(Expr::ScalarFunction(call));
            Transformed::yes(Expr::Cast(Cast::new(call, TIME)))
        }
        // Nulls of VALUES are typed already.
        Expr::Literal(
            value @ (ScalarValue::Time64Nanosecond(_) | ScalarValue::Time32Second(_)),
            metadata,
        ) => match value.cast_to(&TIME) {
            Ok(micros) => Transformed::yes(Expr::Literal(micros, metadata)),
            Err(_) => Transformed::no(Expr::Literal(value, metadata)),
        },
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            let left_read = micros(&right, schema).and_then(|kind| read(&left, &kind));
            let right_read = micros(&left, schema).and_then(|kind| read(&right, &kind));
            let is_read = left_read.is_some() || right_read.is_some();
            let left = left_read.map_or(left, Box::new);
            let right = right_read.map_or(right, Box::new);
            let binary = Expr::BinaryExpr(BinaryExpr { left, op, right });
            Transformed::new_transformed(binary, is_read)
        }
        Expr::Between(Between { expr, negated, low, high }) => {
            let both = micros(&expr, schema).and_then(|kind| {
                Some((Box::new(read(&low, &kind)?), Box::new(read(&high, &kind)?)))
            });
            let is_read = both.is_some();
            let (low, high) = both.unwrap_or((low, high));
            let between = Expr::Between(Between { expr, negated, low, high });
            Transformed::new_transformed(between, is_read)
        }
        Expr::InList(InList { expr, list, negated }) => {
            let all = micros(&expr, schema).and_then(|kind| {
                list.iter().map(|value| read(value, &kind)).collect::<Option<Vec<Expr>>>()
            });
            let is_read = all.is_some();
            let list = all.unwrap_or(list);
            Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), is_read)
        }
        other => Transformed::no(other),
    }
}

const fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// The type of a column of times that are microseconds.
fn micros(expr: &Expr, schema: &DFSchema) -> Option<DataType> {
    let Expr::Column(Column { relation: Some(relation), name, .. }) = expr else { return None };
    let field = schema.field_with_qualified_name(relation, name).ok()?;
    match field.data_type() {
        kind @ DataType::Timestamp(TimeUnit::Microsecond, _) => Some(kind.clone()),
        _ => None,
    }
}

/// What a text says, if it is one.
fn read(expr: &Expr, kind: &DataType) -> Option<Expr> {
    let Expr::Literal(
        value @ (ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))),
        _,
    ) = expr
    else {
        return None;
    };
    // What cannot be read is told by whoever would have read it.
    is_micros(text).then(|| value.cast_to(kind).ok()).flatten().map(lit)
}
