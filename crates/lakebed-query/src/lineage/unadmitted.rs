//! Plans that no admitted statement has: walked all the same, or refused by name.

#![allow(clippy::unwrap_used, reason = "tests may")]

use std::sync::Arc;

use datafusion::{
    catalog::cte_worktable::CteWorkTable,
    common::{Column, JoinType, TableReference},
    datasource::provider_as_source,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Partitioning, lit},
    prelude::{col, placeholder},
};
use lakebed_core::{
    DataType,
    lineage::{Indirect, Lineage, OutputColumn},
};
use lakebed_service::engine::BoundTable;

use crate::governed::{
    self,
    interference::world::{Asked, World, schema, show_error},
};

/// `a.b` with the columns `x`, `y` and `z`.
fn table() -> BoundTable {
    let mut world = World::new();
    let columns = ["x", "y", "z"].map(|name| (name, DataType::Long));
    world.bind("a.b", &schema(&columns), Vec::new());
    world.job("SELECT * FROM a.b", Asked::default()).unwrap().tables.remove(0)
}

fn scan(table: &BoundTable) -> LogicalPlanBuilder {
    let source = provider_as_source(governed::provider(table, None));
    LogicalPlanBuilder::scan(TableReference::partial("a", "b"), source, None).unwrap()
}

/// `SELECT x, y, z FROM a.b UNION ALL SELECT y, z, z FROM t WHERE x > 3`, where `t` is itself.
fn recursive(table: &BoundTable, is_distinct: bool) -> LogicalPlan {
    let first = scan(table).project(["x", "y", "z"].map(col)).unwrap().build().unwrap();
    let work = CteWorkTable::new("t", Arc::clone(first.schema().inner()));
    let work = LogicalPlanBuilder::scan("t", provider_as_source(Arc::new(work)), None).unwrap();
    let work = work.filter(col("x").gt(lit(3_i64))).unwrap();
    let again = work.project([col("y"), col("z"), col("z").alias("again")]).unwrap();
    LogicalPlanBuilder::from(first)
        .to_recursive_query("t".to_owned(), again.build().unwrap(), is_distinct)
        .unwrap()
        .build()
        .unwrap()
}

/// Of each output column, the columns it is made of.
fn made_of(lineage: &Lineage) -> Vec<Vec<&str>> {
    fn columns(output: &OutputColumn) -> Vec<&str> {
        output.direct.keys().map(|origin| origin.column.as_str()).collect()
    }
    lineage.outputs().iter().map(columns).collect()
}

fn decided_by(lineage: &Lineage) -> Vec<(&str, Vec<Indirect>)> {
    let told = lineage.indirect().iter();
    told.map(|(origin, kinds)| (origin.column.as_str(), kinds.iter().copied().collect())).collect()
}

/// What a step hands on, the next one may hand on.
#[test]
fn a_query_that_reads_itself_is_walked_until_nothing_is_added() {
    let table = table();
    let tables = std::slice::from_ref(&table);
    let lineage = super::of(&recursive(&table, false), tables).unwrap();
    assert_eq!(made_of(&lineage), [vec!["x", "y", "z"], vec!["y", "z"], vec!["z"]]);
    let filter = vec![Indirect::Filter];
    let all = [("x", filter.clone()), ("y", filter.clone()), ("z", filter)];
    assert_eq!(decided_by(&lineage), all);

    let distinct = super::of(&recursive(&table, true), tables).unwrap();
    assert_eq!(made_of(&distinct), made_of(&lineage));
    let both = vec![Indirect::Filter, Indirect::GroupBy];
    assert_eq!(decided_by(&distinct), ["x", "y", "z"].map(|name| (name, both.clone())));
}

/// Whether there is a row on the other side is made of no column of it.
#[test]
fn marks_are_made_of_nothing() {
    let table = table();
    for kind in [JoinType::LeftMark, JoinType::RightMark] {
        let side = |name| scan(&table).alias(name).unwrap();
        let on = (vec![Column::new(Some("l"), "x")], vec![Column::new(Some("r"), "y")]);
        let right = side("r").build().unwrap();
        let plan = side("l").join(right, kind, on, None).unwrap().build().unwrap();
        let lineage = super::of(&plan, std::slice::from_ref(&table)).unwrap();
        assert_eq!(made_of(&lineage), [vec!["x"], vec!["y"], vec!["z"], vec![]]);
        let join = vec![Indirect::Join];
        assert_eq!(decided_by(&lineage), [("x", join.clone()), ("y", join)]);
    }
}

#[test]
fn where_rows_are_worked_on_changes_nothing() {
    let table = table();
    let plan = scan(&table).repartition(Partitioning::RoundRobinBatch(3)).unwrap().build().unwrap();
    let lineage = super::of(&plan, std::slice::from_ref(&table)).unwrap();
    assert_eq!(made_of(&lineage), [["x"], ["y"], ["z"]]);
    assert!(lineage.indirect().is_empty());
}

#[test]
fn what_is_not_known_is_named() {
    let table = table();
    let project = |expr: Expr| scan(&table).project([expr]).unwrap().build().unwrap();
    for (plan, name) in [
        (scan(&table).explain(false, false).unwrap().build().unwrap(), "EXPLAIN"),
        (scan(&table).explain(false, true).unwrap().build().unwrap(), "EXPLAIN"),
        (project(placeholder("$1").alias("p")), "a parameter without a value"),
    ] {
        let error = super::of(&plan, std::slice::from_ref(&table)).unwrap_err();
        assert_eq!(show_error(&error), format!("not allowed: no lineage is known of {name}"));
    }
}
