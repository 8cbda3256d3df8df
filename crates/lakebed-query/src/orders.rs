//! What an aggregate is ordered by is named once.
//!
//! DataFusion 55.2 counts `ORDER BY x, x` of an aggregate as one key and hands on two: `first_value` panics,
//! others fail. A key decides nothing where the same one came before it.

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{Expr, LogicalPlan, expr_rewriter::NamePreserver},
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

/// Leaves out keys that were there before. Runs last: other rules make keys equal.
#[derive(Debug)]
pub(crate) struct KeysOnce;

impl OptimizerRule for KeysOnce {
    fn name(&self) -> &str {
        "keys_once"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        if !matches!(plan, LogicalPlan::Aggregate(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let once = expr.transform_up(|expr| Ok(once(expr)))?;
            Ok(match once.transformed {
                true => once.update_data(|expr| name.restore(expr)),
                false => once,
            })
        })
    }
}

fn once(expr: Expr) -> Transformed<Expr> {
    let Expr::AggregateFunction(mut call) = expr else { return Transformed::no(expr) };
    let keys = &mut call.params.order_by;
    let all = keys.len();
    for place in (1..all).rev() {
        if keys[..place].iter().any(|before| before.expr == keys[place].expr) {
            keys.remove(place);
        }
    }
    let is_fewer = keys.len() < all;
    Transformed::new_transformed(Expr::AggregateFunction(call), is_fewer)
}
