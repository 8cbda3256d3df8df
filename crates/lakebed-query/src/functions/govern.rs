//! The last look at a plan's functions, whatever wrote them into it.
//!
//! Parts of the planner name functions without asking the registry (`a || b` of lists, `[a, b]`).
//! Here every call in the plan is one of the registry, and every one that grows is bounded.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    common::{
        DFSchema, DataFusionError, Result,
        config::ConfigOptions,
        not_impl_err,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{
        Expr, ExprSchemable as _, LogicalPlan, Operator, ScalarUDF, WindowFunctionDefinition,
        expr::ScalarFunction, expr_rewriter::NamePreserver,
    },
    optimizer::AnalyzerRule,
};

use super::{Functions, allow, bounded, exact};

/// The third argument of `approx_percentile_cont` is how much memory it takes at once.
const PERCENTILE_ARGUMENTS: usize = 2;

/// See the module. Runs after types are coerced and before anything is computed.
#[derive(Debug)]
pub(crate) struct GovernFunctions {
    scalar: HashMap<String, Arc<ScalarUDF>>,
    concatenation: Arc<ScalarUDF>,
}

impl GovernFunctions {
    pub(crate) fn new(functions: &Functions) -> Self {
        let named = |udf: &Arc<ScalarUDF>| (udf.name().to_owned(), Arc::clone(udf));
        let scalar = functions.scalar.iter().map(named).collect();
        Self { scalar, concatenation: bounded::concatenation() }
    }

    fn govern_plan(&self, plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let names = NamePreserver::new(&plan);
        let schema = datafusion::logical_expr::utils::merge_schema(&plan.inputs());
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let governed = expr.transform_up(|expr| self.govern(expr, &schema))?;
            Ok(governed.update_data(|expr| name.restore(expr)))
        })
    }

    fn govern(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(call) => self.govern_scalar(call),
            Expr::BinaryExpr(binary) if binary.op == Operator::StringConcat => {
                self.govern_concatenation(*binary.left, *binary.right, schema)
            }
            Expr::AggregateFunction(call) => {
                check(&allow::AGGREGATE, call.func.name())?;
                check_percentile(call.func.name(), call.params.args.len())?;
                Ok(Transformed::no(Expr::AggregateFunction(call)))
            }
            Expr::WindowFunction(call) => {
                match &call.fun {
                    WindowFunctionDefinition::AggregateUDF(udf) => {
                        check(&allow::AGGREGATE, udf.name())?;
                        check_percentile(udf.name(), call.params.args.len())?;
                    }
                    WindowFunctionDefinition::WindowUDF(udf) => check(&allow::WINDOW, udf.name())?,
                }
                Ok(Transformed::no(Expr::WindowFunction(call)))
            }
            Expr::HigherOrderFunction(call) => Err(refused(call.func.name())),
            other => Ok(Transformed::no(other)),
        }
    }

    /// `a || b || c` becomes one call, as deep as `a || b`. Types are coerced, so both sides have
    /// one; the right side's is the cheaper to ask for, as chains are deep on the left.
    fn govern_concatenation(
        &self,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        let data_type = right.get_type(schema)?;
        if !(data_type.is_string() || data_type.is_binary()) {
            return not_impl_err!("`||` between values of type {data_type}");
        }
        let mut parts = match left {
            Expr::ScalarFunction(call) if call.func == self.concatenation => call.args,
            other => vec![other],
        };
        parts.push(right);
        let call = ScalarFunction::new_udf(Arc::clone(&self.concatenation), parts);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }

    fn govern_scalar(&self, call: ScalarFunction) -> Result<Transformed<Expr>> {
        if bounded::is_bounded(&call.func) || exact::is_exact(&call.func) {
            return Ok(Transformed::no(Expr::ScalarFunction(call)));
        }
        let Some(ours) = self.scalar.get(call.func.name()) else {
            return Err(refused(call.func.name()));
        };
        match bounded::is_bounded(ours) {
            true => {
                let call = ScalarFunction::new_udf(Arc::clone(ours), call.args);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            false => Ok(Transformed::no(Expr::ScalarFunction(call))),
        }
    }
}

fn check(allowed: &[&str], name: &str) -> Result<()> {
    if allowed.contains(&name) { Ok(()) } else { Err(refused(name)) }
}

fn check_percentile(name: &str, arguments: usize) -> Result<()> {
    match name == "approx_percentile_cont" && arguments > PERCENTILE_ARGUMENTS {
        true => not_impl_err!("the number of centroids of approx_percentile_cont"),
        false => Ok(()),
    }
}

fn refused(name: &str) -> DataFusionError {
    DataFusionError::NotImplemented(format!("function `{name}`"))
}

impl AnalyzerRule for GovernFunctions {
    fn name(&self) -> &str {
        "govern_functions"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let governed = plan.transform_up_with_subqueries(|plan| self.govern_plan(plan))?;
        Ok(governed.data)
    }
}
