//! What an expression makes of the columns it names.

use datafusion::{
    common::{
        DataFusionError,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{
        Case, Expr, Subquery, WindowFunctionDefinition,
        expr::{
            AggregateFunction, Exists, InSubquery, ScalarFunction, SetComparison, WindowFunction,
        },
    },
};
use lakebed_core::lineage::{Direct, Indirect};
use lakebed_service::engine::EngineError;

use super::{
    Walker,
    parts::{Names, Source, Traced},
    unknown,
};

impl Walker<'_> {
    /// What the value of `expr` is made of. What its subqueries depend on, rows depend on, and the value
    /// tells of it.
    pub(super) fn expression(
        &mut self,
        expr: &Expr,
        names: Names<'_>,
    ) -> Result<Traced, EngineError> {
        let mut traced = Traced::default();
        self.add(expr, Direct::Identity, names, &mut traced)?;
        Ok(traced)
    }

    /// Takes `expr` into `into`, of which it is a part that is no more than `kind`.
    #[expect(deprecated, reason = "a match without a wildcard names what nobody uses, too")]
    fn add(
        &mut self,
        expr: &Expr,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        match expr {
            Expr::Literal(..) => Ok(()),
            Expr::Column(column) => {
                into.add(names.column(column)?, kind);
                Ok(())
            }
            Expr::OuterReferenceColumn(_, column) => {
                into.add(names.outer_column(column)?, kind);
                Ok(())
            }
            Expr::Alias(alias) => self.add(&alias.expr, kind, names, into),
            Expr::BinaryExpr(_)
            | Expr::Like(_)
            | Expr::SimilarTo(_)
            | Expr::Not(_)
            | Expr::IsNotNull(_)
            | Expr::IsNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Negative(_)
            | Expr::Between(_)
            | Expr::InList(_)
            | Expr::Cast(_)
            | Expr::TryCast(_) => self.add_operands(expr, kind, names, into),
            Expr::Case(case) => self.add_case(case, kind, names, into),
            Expr::ScalarFunction(call) => self.add_call(call, kind, names, into),
            Expr::AggregateFunction(call) => self.add_aggregate(call, names, into),
            Expr::WindowFunction(call) => self.add_window(call, kind, names, into),
            Expr::ScalarSubquery(subquery) => self.add_subquery(subquery, kind, names, into),
            Expr::InSubquery(InSubquery { expr, subquery, negated: _ })
            | Expr::SetComparison(SetComparison { expr, subquery, op: _, quantifier: _ }) => {
                let kind = kind.max(Direct::Transformation);
                self.add(expr, kind, names, into)?;
                self.add_subquery(subquery, kind, names, into)
            }
            // Whether there is a row is what its rows depend on, and none of its columns.
            Expr::Exists(Exists { subquery, negated: _ }) => {
                let mark = self.common.mark();
                let look = |walker: &mut Self| walker.columns(&subquery.subquery, &names.within());
                let (_, deciding) = self.with_deciding(look)?;
                self.common.mix(mark);
                into.tells_of.extend(deciding);
                into.sources.insert(Source::of(subquery));
                Ok(())
            }
            Expr::GroupingSet(_) => Err(unknown("grouping sets outside of GROUP BY")),
            Expr::Unnest(_) => Err(unknown("unnest outside of a list of columns")),
            Expr::Wildcard { .. } => Err(unknown("a star that was not expanded")),
            Expr::Placeholder(_) => Err(unknown("a parameter without a value")),
            Expr::ScalarVariable(..) => Err(unknown("a variable")),
            Expr::HigherOrderFunction(_) | Expr::Lambda(_) | Expr::LambdaVariable(_) => {
                Err(unknown("a function of functions"))
            }
        }
    }

    /// All operands of `expr`, alike.
    fn add_operands(
        &mut self,
        expr: &Expr,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let kind = kind.max(Direct::Transformation);
        let mut operands = Vec::new();
        expr.apply_children(|operand| {
            operands.push(operand);
            Ok::<_, DataFusionError>(TreeNodeRecursion::Continue)
        })
        .map_err(crate::errors::from_datafusion)?;
        operands.into_iter().try_for_each(|operand| self.add(operand, kind, names, into))
    }

    fn add_condition(
        &mut self,
        condition: &Expr,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let condition = self.expression(condition, names)?;
        into.add_condition(&condition);
        Ok(())
    }

    fn add_case(
        &mut self,
        Case { expr, when_then_expr, else_expr }: &Case,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let kind = kind.max(Direct::Transformation);
        let whens = when_then_expr.iter().map(|(when, _)| when);
        for condition in expr.iter().chain(whens) {
            self.add_condition(condition, names, into)?;
        }
        let thens = when_then_expr.iter().map(|(_, then)| then);
        for value in thens.chain(else_expr) {
            self.add(value, kind, names, into)?;
        }
        Ok(())
    }

    /// All arguments are part of the value, but for functions that are CASE by another name.
    fn add_call(
        &mut self,
        call: &ScalarFunction,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let arguments = call.args.as_slice();
        let (conditions, values) = match (call.func.name(), arguments) {
            ("coalesce" | "nvl", [but_last @ .., _]) => (but_last, arguments),
            ("nullif", [value, _]) => (arguments, std::slice::from_ref(value)),
            ("nvl2", [condition, values @ ..]) => (std::slice::from_ref(condition), values),
            _ => (&[][..], arguments),
        };
        let kind = kind.max(Direct::Transformation);
        conditions.iter().try_for_each(|condition| self.add_condition(condition, names, into))?;
        values.iter().try_for_each(|value| self.add(value, kind, names, into))
    }

    /// FILTER in an aggregate decides about that column alone, as CASE would.
    fn add_aggregate(
        &mut self,
        call: &AggregateFunction,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let params = &call.params;
        for argument in &params.args {
            self.add(argument, Direct::Aggregation, names, into)?;
        }
        if let Some(filter) = &params.filter {
            self.add_condition(filter, names, into)?;
        }
        self.add_keys(params.order_by.iter().map(|key| &key.expr), Indirect::Sort, names, into)
    }

    /// Keys decide about rows, and which of them come first is what the value tells.
    pub(super) fn add_keys<'e>(
        &mut self,
        keys: impl IntoIterator<Item = &'e Expr>,
        how: Indirect,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        for key in keys {
            let key = self.expression(key, names)?;
            self.depends(&key, how);
            into.tell_of(&key);
            into.sources.extend(key.sources);
        }
        Ok(())
    }

    fn add_window(
        &mut self,
        call: &WindowFunction,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let (params, kind) = match &call.fun {
            WindowFunctionDefinition::AggregateUDF(_) => (&call.params, Direct::Aggregation),
            WindowFunctionDefinition::WindowUDF(_) => {
                (&call.params, kind.max(Direct::Transformation))
            }
        };
        for argument in &params.args {
            self.add(argument, kind, names, into)?;
        }
        if let Some(filter) = &params.filter {
            self.add_condition(filter, names, into)?;
        }
        let order = params.order_by.iter().map(|key| &key.expr);
        self.add_keys(params.partition_by.iter().chain(order), Indirect::Window, names, into)
    }

    /// The columns of a query within an expression: one, unless it asks whether there is a row.
    fn add_subquery(
        &mut self,
        subquery: &Subquery,
        kind: Direct,
        names: Names<'_>,
        into: &mut Traced,
    ) -> Result<(), EngineError> {
        let mark = self.common.mark();
        let look = |walker: &mut Self| walker.columns(&subquery.subquery, &names.within());
        let (columns, deciding) = self.with_deciding(look)?;
        let place = Source::of(subquery);
        for mut column in columns {
            column.move_into(place);
            into.add(&column, kind);
        }
        self.common.mix(mark);
        into.tells_of.extend(deciding);
        into.sources.insert(place);
        Ok(())
    }
}
