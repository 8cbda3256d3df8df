//! `USING` and `NATURAL`: a key that both sides of a join have is one column.
//!
//! DataFusion keeps both, takes one of them for a bare name and leaves one out of `*`, whatever kind of
//! join it is: behind a `RIGHT JOIN` the key of an unmatched row would be null. So each such join becomes
//! a relation of its own ([`nest`]), which [`MergedKeys`] plans as the SQL standard has it (ISO 9075-2,
//! 7.10): both sides joined `ON` equal keys; then the keys, each once, the other columns of the left
//! side, and those of the right.
//!
//! The key is the left side's where every row has that (`JOIN`, `LEFT JOIN`), the right side's behind a
//! `RIGHT JOIN`, and what either has behind a `FULL JOIN`. The one that it is not can be named with its
//! table (`b.k IS NULL`): [`own`] finds who does.

mod own;

use std::{ops::ControlFlow, sync::Arc};

use datafusion::{
    common::{Column, JoinType, Result, TableReference, plan_err},
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, lit,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    sql::sqlparser::ast::{
        Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, TableFactor, TableWithJoins,
        VisitMut as _, VisitorMut,
    },
};
use lakebed_service::engine::EngineError;

use crate::errors::{invalid, shown};

/// Makes each join by `USING` or `NATURAL` a relation of its own: `a JOIN b USING (k) JOIN c ON …` is
/// `(a JOIN b USING (k)) JOIN c ON …`.
///
/// # Errors
/// If a key is not the name of a column alone.
pub(crate) fn nest(query: &mut Query) -> std::result::Result<(), EngineError> {
    match query.visit(&mut Nest) {
        ControlFlow::Continue(()) => {
            own::keep_own(query);
            Ok(())
        }
        ControlFlow::Break(refused) => Err(refused),
    }
}

struct Nest;

impl VisitorMut for Nest {
    type Break = EngineError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<EngineError> {
        select.from.iter().try_for_each(check)?;
        let tables = std::mem::take(&mut select.from).into_iter();
        select.from = tables.map(|table| nested(table, false)).collect();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<EngineError> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            check(table_with_joins)?;
            let merging = table_with_joins.joins.iter().filter(|join| merged_by(join).is_some());
            // Those of one join were made here, most of them.
            if table_with_joins.joins.len() > 1 && merging.count() > 0 {
                **table_with_joins = nested((**table_with_joins).clone(), true);
            }
        }
        ControlFlow::Continue(())
    }
}

fn check(table: &TableWithJoins) -> ControlFlow<EngineError> {
    for join in &table.joins {
        if let Some((_, JoinConstraint::Using(names))) = merged_by(join)
            && let Some(name) = names.iter().find(|name| name.0.len() != 1)
        {
            let hint = "name the column alone: both sides have it".to_owned();
            let message = format!("`{}` is no key of USING", shown(&name.to_string()));
            return ControlFlow::Break(invalid(message, Some(hint)));
        }
    }
    ControlFlow::Continue(())
}

/// `is_own`: the whole is a relation of its own already.
fn nested(TableWithJoins { relation, joins }: TableWithJoins, is_own: bool) -> TableWithJoins {
    let relation_of = |table: TableWithJoins| TableWithJoins {
        relation: TableFactor::NestedJoin { table_with_joins: Box::new(table), alias: None },
        joins: Vec::new(),
    };
    let mut table = TableWithJoins { relation, joins: Vec::new() };
    let count = joins.len();
    for (place, join) in joins.into_iter().enumerate() {
        let is_merged = merged_by(&join).is_some();
        if is_merged && !table.joins.is_empty() {
            table = relation_of(table);
        }
        table.joins.push(join);
        if is_merged && !(is_own && place + 1 == count) {
            table = relation_of(table);
        }
    }
    table
}

/// The kind of a join that merges keys, and which.
fn merged_by(join: &Join) -> Option<(JoinType, &JoinConstraint)> {
    let (kind, constraint) = match &join.join_operator {
        JoinOperator::Join(keys) | JoinOperator::Inner(keys) => (JoinType::Inner, keys),
        JoinOperator::Left(keys) | JoinOperator::LeftOuter(keys) => (JoinType::Left, keys),
        JoinOperator::Right(keys) | JoinOperator::RightOuter(keys) => (JoinType::Right, keys),
        JoinOperator::FullOuter(keys) => (JoinType::Full, keys),
        JoinOperator::LeftSemi(keys) => (JoinType::LeftSemi, keys),
        JoinOperator::RightSemi(keys) => (JoinType::RightSemi, keys),
        JoinOperator::LeftAnti(keys) => (JoinType::LeftAnti, keys),
        JoinOperator::RightAnti(keys) => (JoinType::RightAnti, keys),
        _ => return None,
    };
    let is_merging = matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural);
    is_merging.then_some((kind, constraint))
}

/// The names that a join merges keys by, if it was told.
fn used_by(join: &mut Join) -> Option<&mut Vec<ObjectName>> {
    match &mut join.join_operator {
        JoinOperator::Join(JoinConstraint::Using(names))
        | JoinOperator::Inner(JoinConstraint::Using(names))
        | JoinOperator::Left(JoinConstraint::Using(names))
        | JoinOperator::LeftOuter(JoinConstraint::Using(names))
        | JoinOperator::Right(JoinConstraint::Using(names))
        | JoinOperator::RightOuter(JoinConstraint::Using(names))
        | JoinOperator::FullOuter(JoinConstraint::Using(names)) => Some(names),
        _ => None,
    }
}

/// Plans the relations that [`nest`] makes.
#[derive(Debug)]
pub(crate) struct MergedKeys;

impl RelationPlanner for MergedKeys {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::NestedJoin { table_with_joins, alias } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let ([join], Some((kind, constraint))) =
            (&*table_with_joins.joins, table_with_joins.joins.first().and_then(merged_by))
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if is_lateral(&join.relation) {
            return plan_err!("USING and NATURAL cannot join with LATERAL: write ON");
        }
        let left = context.plan(table_with_joins.relation.clone())?;
        let right = context.plan(join.relation.clone())?;
        let keys = match constraint {
            JoinConstraint::Using(names) => Keys::used(names, context)?,
            _ => Keys { merged: common(&left, &right), own: Vec::new() },
        };
        let coalesce = context.context_provider().get_function_meta("coalesce");
        let plan = merged(left, right, kind, &keys, coalesce)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
    }
}

fn is_lateral(factor: &TableFactor) -> bool {
    match factor {
        TableFactor::Derived { lateral, .. } | TableFactor::Function { lateral, .. } => *lateral,
        _ => false,
    }
}

/// What a join makes of keys.
struct Keys {
    merged: Vec<String>,
    /// Those that a table has of its own and that somebody names: the words of the table, and the key.
    own: Vec<(Vec<String>, String)>,
}

impl Keys {
    /// The keys that `USING` names, and those that [`own`] wrote there.
    fn used(names: &[ObjectName], context: &dyn RelationPlannerContext) -> Result<Self> {
        let mut keys = Self { merged: Vec::new(), own: Vec::new() };
        for name in names {
            let words = name.0.iter().filter_map(|part| part.as_ident().cloned());
            let mut words: Vec<String> = words.map(|word| context.normalize_ident(word)).collect();
            match words.pop() {
                None => return plan_err!("USING takes names of columns"),
                Some(key) if !words.is_empty() => keys.own.push((words, key)),
                Some(key) if keys.merged.contains(&key) => {
                    return plan_err!("USING names column `{key}` twice");
                }
                Some(key) => keys.merged.push(key),
            }
        }
        Ok(keys)
    }
}

/// The names that both sides have, in the order of the left.
fn common(left: &LogicalPlan, right: &LogicalPlan) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for field in left.schema().fields() {
        let name = field.name();
        let is_common = right.schema().fields().iter().any(|other| other.name() == name);
        if is_common && !keys.contains(name) {
            keys.push(name.clone());
        }
    }
    keys
}

fn merged(
    left: LogicalPlan,
    right: LogicalPlan,
    kind: JoinType,
    keys: &Keys,
    coalesce: Option<Arc<ScalarUDF>>,
) -> Result<LogicalPlan> {
    let find = |plan: &LogicalPlan| -> Result<Vec<Column>> {
        let find = |key: &String| plan.schema().qualified_field_with_unqualified_name(key);
        keys.merged.iter().map(|key| find(key).map(Column::from)).collect()
    };
    let (ours, theirs) = (find(&left)?, find(&right)?);
    let others = |plan: &LogicalPlan, keys: &[Column]| -> Vec<Expr> {
        let columns = plan.schema().columns().into_iter();
        columns.filter(|column| !keys.contains(column)).map(Expr::Column).collect()
    };
    let (left_others, right_others) = (others(&left, &ours), others(&right, &theirs));
    let pairs = || ours.iter().cloned().zip(theirs.iter().cloned());
    let on = pairs().map(|(ours, theirs)| Expr::Column(ours).eq(Expr::Column(theirs)));
    let on = match (ours.is_empty(), kind) {
        (true, JoinType::Inner) => {
            return LogicalPlanBuilder::from(left).cross_join(right)?.build();
        }
        (true, _) => vec![lit(true)],
        (false, _) => on.collect(),
    };
    let joined = LogicalPlanBuilder::from(left).join_on(right, kind, on)?;
    let merge = |(ours, theirs): (Column, Column)| match (kind, &coalesce) {
        (JoinType::Right, _) => Ok(Expr::Column(theirs)),
        (JoinType::Full, Some(coalesce)) => {
            let (name, table) = (ours.name.clone(), either(&ours, &theirs));
            let first = coalesce.call(vec![Expr::Column(ours), Expr::Column(theirs)]);
            Ok(first.alias_qualified(table, name))
        }
        (JoinType::Full, None) => plan_err!("there is no function `coalesce`"),
        _ => Ok(Expr::Column(ours)),
    };
    match kind {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            let mut columns = pairs().map(merge).collect::<Result<Vec<_>>>()?;
            columns.extend(left_others.into_iter().chain(right_others));
            for (table, key) in &keys.own {
                columns.push(own_key(table, key, &ours, &theirs)?);
            }
            joined.project(columns)?.build()
        }
        // Only one side is left of these.
        _ => joined.build(),
    }
}

/// The key that a table has of its own, under the name by which it is asked for.
fn own_key(table: &[String], key: &str, ours: &[Column], theirs: &[Column]) -> Result<Expr> {
    let is_it = |column: &&Column| {
        let by = column.relation.as_ref().map(TableReference::to_vec);
        column.name == key && by.is_some_and(|by| by == table)
    };
    match ours.iter().chain(theirs).find(is_it) {
        Some(column) => {
            let name = own::own_name(table, key);
            Ok(Expr::Column(column.clone()).alias_qualified(column.relation.clone(), name))
        }
        None => plan_err!("`{key}` of `{}` is no key of this USING", table.join(".")),
    }
}

/// Whose column a key is that either side may have given. No table has that name.
fn either(ours: &Column, theirs: &Column) -> Option<TableReference> {
    let tables = [ours, theirs].into_iter().filter_map(|column| column.relation.as_ref());
    let names: Vec<String> = tables.map(ToString::to_string).collect();
    (!names.is_empty()).then(|| TableReference::bare(names.join(" or ")))
}
