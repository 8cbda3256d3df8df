//! What a plan tells of the statement: which columns it reads, and whether it has but one answer.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Result,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{Distinct, Expr, LogicalPlan, Volatility, WindowFunctionDefinition},
};
use lakebed_service::ReadColumns;

/// What there is to say of a plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The columns that are read of each table.
    pub(crate) columns: Vec<ReadColumns>,
    /// Why it may have another answer; nothing if it may not.
    pub(crate) unstable: Vec<String>,
}

/// The columns that `optimised` reads, by table: those that are left once nothing unused is.
pub(crate) fn columns(optimised: &LogicalPlan) -> Result<Vec<ReadColumns>> {
    let mut read: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    optimised.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let columns = read.entry(name_of(&scan.table_name)).or_default();
            let fields = scan.projected_schema.fields();
            columns.extend(fields.iter().map(|field| field.name().clone()));
            for filter in &scan.filters {
                columns.extend(filter.column_refs().into_iter().map(|column| column.name.clone()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let columns = |(reference, columns): (String, BTreeSet<String>)| ReadColumns {
        reference,
        columns: columns.into_iter().collect(),
    };
    Ok(read.into_iter().map(columns).collect())
}

/// `sales.orders@v12`, without the quotes that SQL needs.
fn name_of(table: &datafusion::common::TableReference) -> String {
    match table.schema() {
        Some(schema) => format!("{schema}.{}", table.table()),
        None => table.table().to_owned(),
    }
}

/// The functions that answer otherwise another time: by chance, or by the clock.
pub(crate) fn changing(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut calls = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            calls.extend(changing_in([expr])?);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(calls.into_iter().collect())
}

/// The same, of expressions.
pub(crate) fn changing_in<'a>(
    expressions: impl IntoIterator<Item = &'a Expr>,
) -> Result<BTreeSet<String>> {
    let mut calls = BTreeSet::new();
    for expression in expressions {
        expression.apply(|expr| {
            if let Expr::ScalarFunction(call) = expr
                && call.func.signature().volatility != Volatility::Immutable
            {
                calls.insert(call.func.name().to_owned());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(calls)
}

/// Why the same rows below may give other rows above: an order that nothing fixes, functions that
/// answer anew each time, sums whose last digits depend on the order of their parts.
pub(crate) fn unstable(plan: &LogicalPlan) -> Result<Vec<String>> {
    let mut why = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Limit(_) => {
                why.insert("LIMIT or OFFSET takes rows whose order may not be fixed".to_owned());
            }
            LogicalPlan::Sort(sort) if sort.fetch.is_some() => {
                why.insert("LIMIT or OFFSET takes rows whose order may not be fixed".to_owned());
            }
            LogicalPlan::Distinct(Distinct::On(_)) => {
                why.insert("DISTINCT ON takes any of several rows".to_owned());
            }
            _ => {}
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                why.extend(unstable_call(expr, node)?);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(why.into_iter().collect())
}

/// Aggregates that depend on the order in which rows come.
const ORDERED: [&str; 6] =
    ["any_value", "array_agg", "first_value", "last_value", "nth_value", "string_agg"];
/// Aggregates that answer about, with a sketch of what came in which order.
const SKETCHED: [&str; 2] = ["approx_median", "approx_percentile_cont"];

fn unstable_call(expr: &Expr, node: &LogicalPlan) -> Result<Option<String>> {
    Ok(match expr {
        Expr::ScalarFunction(call) if call.func.signature().volatility == Volatility::Volatile => {
            Some(format!("`{}` answers anew each time", call.func.name()))
        }
        Expr::AggregateFunction(call) => {
            let name = call.func.name();
            let is_ordered = ORDERED.contains(&name) || SKETCHED.contains(&name);
            match is_ordered || sums_floats(expr, node)? {
                true => Some(format!("`{name}` depends on the order of rows")),
                false => None,
            }
        }
        Expr::WindowFunction(call) => {
            let name = match &call.fun {
                WindowFunctionDefinition::AggregateUDF(function) => function.name().to_owned(),
                WindowFunctionDefinition::WindowUDF(function) => function.name().to_owned(),
            };
            Some(format!("`{name}` OVER depends on the order of rows"))
        }
        _ => None,
    })
}

/// Whether the call gives a float: sums, means and the like add their parts as they come. The greatest
/// and the least do not.
fn sums_floats(expr: &Expr, node: &LogicalPlan) -> Result<bool> {
    use datafusion::logical_expr::ExprSchemable as _;
    let Expr::AggregateFunction(call) = expr else { return Ok(false) };
    if ["min", "max", "median", "percentile_cont"].contains(&call.func.name()) {
        return Ok(false);
    }
    for input in node.inputs() {
        if let Ok(data_type) = expr.get_type(input.schema()) {
            return Ok(matches!(data_type, DataType::Float32 | DataType::Float64));
        }
    }
    Ok(false)
}
