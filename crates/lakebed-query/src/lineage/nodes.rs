//! What each node of a plan makes of the columns below it.

use std::collections::BTreeSet;

use datafusion::{
    catalog::cte_worktable::CteWorkTable,
    common::JoinType,
    datasource::source_as_provider,
    functions_table::generate_series::GenerateSeriesTable,
    logical_expr::{
        Aggregate, Distinct, DistinctOn, Expr, Join, LogicalPlan, RecursiveQuery, TableScan, Union,
        Unnest, Values, Window,
        utils::{grouping_set_to_exprlist, split_conjunction},
    },
};
use lakebed_core::lineage::{Direct, Indirect};
use lakebed_service::engine::{BoundTable, EngineError};

use super::{
    Walker,
    links::{Across, Asks, link},
    parts::{List, Names, Origin, Outer, Scope, Source, Traced, check_size},
    unknown,
};
use crate::{
    errors::{from_datafusion, internal, not_allowed},
    guard::{Named, named_in},
};

type Columns = Result<Vec<Traced>, EngineError>;

impl Walker<'_> {
    /// What the columns of `plan` are made of, in order.
    pub(super) fn columns(&mut self, plan: &LogicalPlan, outer: &Outer<'_>) -> Columns {
        let columns = self.node(plan, outer)?;
        if columns.len() != plan.schema().fields().len() {
            return Err(internal(format!("not all columns were traced: {}", plan.display())));
        }
        check_size(self.indirect.len() + columns.iter().map(Traced::edges).sum::<usize>())?;
        Ok(columns)
    }

    fn node(&mut self, plan: &LogicalPlan, outer: &Outer<'_>) -> Columns {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(node) => {
                let input = self.columns(&node.input, outer)?;
                let here = [Scope::new(node.input.schema(), &input)];
                self.each(&node.expr, Names::new(&here, outer))
            }
            LogicalPlan::Filter(node) => {
                let mut columns = self.columns(&node.input, outer)?;
                let here = [Scope::new(node.input.schema(), &columns)];
                let parts = split_conjunction(&node.predicate);
                let links = self.conditions(parts, Indirect::Filter, Names::new(&here, outer))?;
                link(&mut columns, &links);
                Ok(columns)
            }
            LogicalPlan::Window(node) => self.windows(node, outer),
            LogicalPlan::Aggregate(node) => self.aggregate(node, outer),
            LogicalPlan::Sort(node) => {
                let mark = self.common.mark();
                let mut columns = self.columns(&node.input, outer)?;
                if node.fetch.is_some() {
                    self.common.mix(mark);
                }
                // Which rows are first is asked by a limit, here or above.
                let here = [Scope::new(node.input.schema(), &columns)];
                let keys = node.expr.iter().map(|key| &key.expr);
                let links = self.conditions(keys, Indirect::Sort, Names::new(&here, outer))?;
                link(&mut columns, &links);
                Ok(columns)
            }
            LogicalPlan::Limit(node) => {
                let mark = self.common.mark();
                let input = self.columns(&node.input, outer)?;
                self.common.mix(mark);
                let here = [Scope::new(node.input.schema(), &input)];
                for rows in node.skip.iter().chain(&node.fetch) {
                    self.depends_on(rows, Indirect::Filter, Names::new(&here, outer))?;
                }
                Ok(input)
            }
            LogicalPlan::Join(node) => self.join(node, outer),
            LogicalPlan::Union(node) => self.union(node, outer),
            LogicalPlan::Distinct(Distinct::All(input)) => {
                let mark = self.common.mark();
                let columns = self.columns(input, outer)?;
                self.common.keep(mark, &columns);
                self.depends_on_all(&columns, Indirect::GroupBy);
                Ok(columns)
            }
            LogicalPlan::Distinct(Distinct::On(node)) => self.distinct_on(node, outer),
            LogicalPlan::SubqueryAlias(node) => self.columns(&node.input, outer),
            // Where a table stands, only LATERAL is a subquery of its own.
            LogicalPlan::Subquery(node) => self.columns(&node.subquery, &outer.lateral()),
            LogicalPlan::RecursiveQuery(node) => self.recursive(node, outer),
            LogicalPlan::Unnest(node) => self.unnest(node, outer),
            LogicalPlan::Values(node) => self.values(node, outer),
            LogicalPlan::EmptyRelation(node) => {
                Ok(vec![Traced::of(Source::of(node)); node.schema.fields().len()])
            }
            // Rows stay what they are, wherever they are worked on.
            LogicalPlan::Repartition(node) => self.columns(&node.input, outer),
            LogicalPlan::Extension(node) => Err(unknown(node.node.name())),
            LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Err(unknown("EXPLAIN")),
            LogicalPlan::DescribeTable(_) => Err(unknown("DESCRIBE")),
            LogicalPlan::Statement(_) => Err(unknown("a statement that is no query")),
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_) => {
                Err(unknown("a statement that writes"))
            }
        }
    }

    fn each<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, names: Names<'_>) -> Columns {
        let mut list = List::default();
        for expr in exprs {
            list.push(self.expression(expr, names)?)?;
        }
        Ok(list.into_columns())
    }

    fn depends_on(
        &mut self,
        expr: &Expr,
        how: Indirect,
        names: Names<'_>,
    ) -> Result<(), EngineError> {
        let traced = self.expression(expr, names)?;
        self.depends(&traced, how);
        Ok(())
    }

    fn depends_on_all(&mut self, columns: &[Traced], how: Indirect) {
        for column in columns {
            self.depends(column, how);
        }
    }

    /// A version's rows, what a table function computes of literals, or what a query that reads itself
    /// has found so far.
    fn scan(&mut self, scan: &TableScan) -> Columns {
        if !scan.filters.is_empty() {
            return Err(unknown("a table that filters its own rows"));
        }
        let provider = source_as_provider(&scan.source).map_err(from_datafusion)?;
        if provider.downcast_ref::<GenerateSeriesTable>().is_some() {
            let series = Traced::of(Source::of(scan));
            return Ok(vec![series; scan.projected_schema.fields().len()]);
        }
        if let Some(work) = provider.downcast_ref::<CteWorkTable>() {
            let found = self.working.iter().rev().find(|(name, _)| name == work.name());
            let mut columns = found
                .map(|(_, columns)| columns.clone())
                .ok_or_else(|| internal("a query reads itself outside of itself"))?;
            // Rows that were found are one source, wherever they came from.
            for column in &mut columns {
                column.sources = BTreeSet::from([Source::of(scan)]);
            }
            return Ok(columns);
        }
        match named_in(&scan.table_name)? {
            Named::System(table) => {
                let message = format!("`{}` has no versions, so it has no lineage", table.name());
                Err(not_allowed(message, None))
            }
            Named::Version(name) => {
                let place = self.tables.iter().position(|table| table.name() == name);
                let place = place.ok_or_else(|| internal(format!("`{name}` was not resolved")))?;
                self.table(place, scan)
            }
        }
    }

    fn table(&mut self, place: usize, scan: &TableScan) -> Columns {
        let BoundTable { schema, .. } = &self.tables[place];
        self.read.insert(place);
        self.common.meet(place, schema.fields.len());
        let traced = |name: &String| {
            let column = schema.fields.iter().position(|field| field.name == *name);
            let column = column.ok_or_else(|| internal(format!("`{name}` is no column")))?;
            Ok(Traced::column(Origin { table: place, column }, Source::of(scan)))
        };
        scan.projected_schema.fields().iter().map(|field| traced(field.name())).collect()
    }

    /// The columns below, and the windows' behind them.
    fn windows(&mut self, node: &Window, outer: &Outer<'_>) -> Columns {
        let mark = self.common.mark();
        let mut columns = self.columns(&node.input, outer)?;
        let here = [Scope::new(node.input.schema(), &columns)];
        let names = Names::new(&here, outer);
        for window in &node.window_expr {
            let partition = self.each(partition_of(window), names)?;
            self.common.keep(mark, &partition);
        }
        let windows = self.each(&node.window_expr, names)?;
        let windows = over_rows(windows, &columns, Source::of(node));
        columns.extend(windows);
        Ok(columns)
    }

    /// The keys, with grouping sets which of them are left out, and the aggregates.
    fn aggregate(&mut self, node: &Aggregate, outer: &Outer<'_>) -> Columns {
        let mark = self.common.mark();
        let input = self.columns(&node.input, outer)?;
        let here = [Scope::new(node.input.schema(), &input)];
        let names = Names::new(&here, outer);
        let keys = grouping_set_to_exprlist(&node.group_expr).map_err(from_datafusion)?;
        let mut columns = self.each(keys, names)?;
        self.depends_on_all(&columns, Indirect::GroupBy);
        match node.group_expr.as_slice() {
            [Expr::GroupingSet(_)] => {
                // In some rows, all have been put together; which keys are null says of which set a row is.
                self.common.mix(mark);
                let set = Source::of(&node.group_expr);
                columns.iter_mut().for_each(|key| key.sources.extend([set]));
                columns.push(Traced::of(set));
            }
            _ => self.common.keep(mark, &columns),
        }
        let aggregates = self.each(&node.aggr_expr, names)?;
        columns.extend(over_rows(aggregates, &input, Source::of(node)));
        Ok(columns)
    }

    /// A constant that not all parts have says from which of them a row is, and so what decides there.
    fn union(&mut self, node: &Union, outer: &Outer<'_>) -> Columns {
        let look = |walker: &mut Self| {
            node.inputs
                .iter()
                .map(|input| walker.columns(input, outer))
                .collect::<Result<Vec<_>, _>>()
        };
        let (parts, deciding) = self.with_deciding(look)?;
        let mut columns = vec![Traced::default(); node.schema.fields().len()];
        for part in &parts {
            add_by_position(&mut columns, part);
        }
        for (place, column) in columns.iter_mut().enumerate() {
            let mut values = parts.iter().filter_map(|part| part.get(place));
            if values.any(|value| value.sources.is_empty()) {
                column.tells_of.extend(&deciding);
                column.sources.insert(Source::of(node));
            }
        }
        Ok(columns)
    }

    /// Whatever the kind of join, which rows there are depends on its keys. Where the columns of a side
    /// are null, nothing there was found, and so they tell of what decides there.
    fn join(&mut self, node: &Join, outer: &Outer<'_>) -> Columns {
        let before_left = self.common.mark();
        let (mut left, decides_left) =
            self.with_deciding(|walker| walker.columns(&node.left, outer))?;
        left.iter_mut().for_each(|column| column.move_into(Source::of(&node.left)));
        let before_right = self.common.mark();
        let left_scope = Scope::new(node.left.schema(), &left);
        let beside = outer.beside(left_scope);
        let (mut right, decides_right) =
            self.with_deciding(|walker| walker.columns(&node.right, &beside))?;
        right.iter_mut().for_each(|column| column.move_into(Source::of(&node.right)));
        match node.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                self.common.mix(before_right);
            }
            // What is below the right side is there too, and has nothing in common then.
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
                self.common.mix(before_left);
            }
        }
        let here = [left_scope, Scope::new(node.right.schema(), &right)];
        let Across { told: [told_left, told_right], asks: [asks_left, asks_right] } =
            self.across(node, &here, outer)?;
        let mark = || {
            let mut mark = Traced::of(Source::of(node));
            mark.tell_of(&told_left);
            mark.tell_of(&told_right);
            mark
        };
        if matches!(node.join_type, JoinType::Right | JoinType::Full) {
            left.iter_mut().for_each(|column| column.tells_of.extend(&decides_left));
        }
        if matches!(node.join_type, JoinType::Left | JoinType::Full) {
            right.iter_mut().for_each(|column| column.tells_of.extend(&decides_right));
        }
        Ok(match node.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                left.iter_mut().for_each(|column| column.tell_of(&told_left));
                right.iter_mut().for_each(|column| column.tell_of(&told_right));
                left.extend(right);
                left
            }
            JoinType::LeftSemi | JoinType::LeftAnti => {
                found_by(left, asks_left, &told_left, &decides_right)
            }
            JoinType::RightSemi | JoinType::RightAnti => {
                found_by(right, asks_right, &told_right, &decides_left)
            }
            // Whether the other side has a row.
            JoinType::LeftMark => with(left, mark()),
            JoinType::RightMark => with(right, mark()),
        })
    }

    fn distinct_on(&mut self, node: &DistinctOn, outer: &Outer<'_>) -> Columns {
        let mark = self.common.mark();
        let input = self.columns(&node.input, outer)?;
        let here = [Scope::new(node.input.schema(), &input)];
        let names = Names::new(&here, outer);
        let keys = self.each(&node.on_expr, names)?;
        self.common.keep(mark, &keys);
        for key in &node.on_expr {
            self.depends_on(key, Indirect::GroupBy, names)?;
        }
        // Which row of a group is there is what the others of its columns tell, as of `first_value`.
        let mut first = Traced::default();
        let orders = node.sort_expr.iter().flatten().map(|key| &key.expr);
        let (shared, chosen_by): (Vec<_>, Vec<_>) =
            orders.partition(|key| node.on_expr.contains(key));
        for key in shared {
            self.depends_on(key, Indirect::Sort, names)?;
        }
        self.add_keys(chosen_by, Indirect::Sort, names, &mut first)?;
        let mut columns = self.each(&node.select_expr, names)?;
        let chosen = columns.iter_mut().zip(&node.select_expr);
        for (column, _) in chosen.filter(|(_, expr)| !node.on_expr.contains(expr)) {
            column.add(&first, Direct::Identity);
        }
        Ok(columns)
    }

    /// What is found once more may be made of what was found before: until nothing is added.
    fn recursive(&mut self, node: &RecursiveQuery, outer: &Outer<'_>) -> Columns {
        let mark = self.common.mark();
        let mut columns = self.columns(&node.static_term, outer)?;
        loop {
            self.working.push((node.name.clone(), columns.clone()));
            let found = self.columns(&node.recursive_term, outer);
            self.working.pop();
            let before = columns.clone();
            add_by_position(&mut columns, &found?);
            if columns == before {
                break;
            }
        }
        self.common.mix(mark);
        if node.is_distinct {
            self.depends_on_all(&columns, Indirect::GroupBy);
        }
        Ok(columns)
    }

    /// A list is joined with the row it stands in: how long it is decides how often the row is there.
    fn unnest(&mut self, node: &Unnest, outer: &Outer<'_>) -> Columns {
        let input = self.columns(&node.input, outer)?;
        for (list, _) in &node.list_type_columns {
            self.depends(&input[*list], Indirect::Join);
        }
        let lists: Vec<&usize> = node.list_type_columns.iter().map(|(place, _)| place).collect();
        let mut columns = List::default();
        for place in &node.dependency_indices {
            let kind = match lists.contains(&place) || node.struct_type_columns.contains(place) {
                true => Direct::Transformation,
                false => Direct::Identity,
            };
            let mut column = Traced::default();
            column.add(&input[*place], kind);
            // Which element it is hangs on more than the row that has the list.
            if lists.contains(&place) {
                if column.sources.len() < 2 {
                    column.sources.clear();
                }
                column.sources.insert(Source::of(node));
            }
            columns.push(column)?;
        }
        Ok(columns.into_columns())
    }

    fn values(&mut self, node: &Values, outer: &Outer<'_>) -> Columns {
        let mut columns = vec![Traced::default(); node.schema.fields().len()];
        for row in &node.values {
            let row = self.each(row, Names::new(&[], outer))?;
            add_by_position(&mut columns, &row);
        }
        for column in &mut columns {
            column.sources.insert(Source::of(node));
        }
        Ok(columns)
    }
}

/// What only asks whether there is another row is about which rows there are, unless what it `asks` with
/// is of several sources, or of none: then it finds a value.
fn found_by(
    mut columns: Vec<Traced>,
    asks: Asks,
    told: &Traced,
    deciding: &BTreeSet<Origin>,
) -> Vec<Traced> {
    if asks.finds_values() {
        for column in &mut columns {
            column.tell_of(told);
            column.tells_of.extend(deciding);
        }
    }
    columns
}

/// Values that were computed over `rows`: how many of them there are is in each, and tells of what they
/// were put together by.
fn over_rows(values: Vec<Traced>, rows: &[Traced], place: Source) -> Vec<Traced> {
    let beside: BTreeSet<Origin> = rows.iter().flat_map(|row| &row.tells_of).copied().collect();
    let over = |value: Traced| {
        let mut value = value.or_of(place);
        value.tells_of.extend(&beside);
        value
    };
    values.into_iter().map(over).collect()
}

/// What a window's rows have in common.
fn partition_of(window: &Expr) -> &[Expr] {
    match window {
        Expr::Alias(alias) => partition_of(&alias.expr),
        Expr::WindowFunction(call) => &call.params.partition_by,
        _ => &[],
    }
}

fn add_by_position(columns: &mut [Traced], more: &[Traced]) {
    for (column, more) in columns.iter_mut().zip(more) {
        column.add(more, Direct::Identity);
    }
}

fn with(mut columns: Vec<Traced>, last: Traced) -> Vec<Traced> {
    columns.push(last);
    columns
}
