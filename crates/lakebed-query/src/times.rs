//! Times that a statement writes are microseconds, as those of tables are.
//!
//! DataFusion reads `TIMESTAMP '…'`, and a text beside a column of times, as nanoseconds, and counts the
//! column in them, too: those reach from 1677 to 2262, and tables hold other years. A text with more than
//! six digits behind the point is left to it.

use std::ops::ControlFlow;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        Column, DFSchema, Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{
        Between, BinaryExpr, Expr, LogicalPlan, Operator, expr::InList,
        expr_rewriter::NamePreserver, lit, utils::merge_schema,
    },
    optimizer::AnalyzerRule,
    sql::sqlparser::ast::{
        DataType as SqlType, Expr as SqlExpr, Query, TypedString, Value, VisitMut as _, VisitorMut,
    },
};

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

/// Reads a text beside a column of times as what the column is. Runs before types are coerced.
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
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let read = expr.transform_up(|expr| Ok(read_beside(expr, &schema)))?;
        Ok(match read.transformed {
            true => read.update_data(|expr| name.restore(expr)),
            false => read,
        })
    })
}

fn read_beside(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
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
