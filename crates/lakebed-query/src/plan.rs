//! From an admitted query to a physical plan. Pure computing: no call to the store.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arrow::datatypes::DataType;
use datafusion::{
    catalog::{TableFunctionArgs, TableProvider},
    common::{
        DFSchema, Result, TableReference, config::ConfigOptions, plan_datafusion_err, plan_err,
    },
    datasource::{MemTable, provider_as_source},
    execution::session_state::SessionState,
    logical_expr::{
        AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF,
        TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner},
        simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::ast::{Query, Statement},
    },
};
use lakebed_service::engine::{
    BoundTable, ComputedTable, EngineError, FixedOrder, QueryJob, SystemRows,
};

use crate::{
    computed::ComputedRows,
    errors::{from_datafusion, internal},
    facts,
    guard::{Named, named_in},
    lineage,
    session::Planner,
    times::{self, TimesOfDay},
    using::{self, MergedKeys},
};

/// What the name of a table, whose rows may be computed, resolves to: [`crate::governed::provider`],
/// always, but where tests show that another one leaks.
pub(crate) type Provider = fn(&BoundTable, Option<ComputedRows>) -> Arc<dyn TableProvider>;

/// A plan, not yet optimised.
pub(crate) struct Logical {
    pub(crate) plan: LogicalPlan,
    /// Whether it has table functions, whose arguments were computed and are no part of it.
    pub(crate) has_table_functions: bool,
    /// Why tables that are computed may have other rows another time; nothing if they may not.
    pub(crate) unstable_below: Vec<String>,
}

/// What a statement may name.
#[derive(Clone, Copy)]
pub(crate) struct Over<'a> {
    tables: &'a [BoundTable],
    system: &'a [SystemRows],
    /// Whether nothing may answer anew each time.
    is_fixed: bool,
}

impl<'a> Over<'a> {
    pub(crate) fn of(job: &'a QueryJob) -> Self {
        Self { tables: &job.tables, system: &job.system, is_fixed: job.fixed.is_some() }
    }
}

/// The logical plan of `query` over what it may name.
pub(crate) fn logical(
    mut query: Box<Query>,
    planner: &Planner<'_>,
    over: Over<'_>,
    provider: Provider,
) -> std::result::Result<Logical, EngineError> {
    using::nest(&mut query)?;
    times::write_micros(&mut query);
    let mut tables: HashMap<Named, Arc<dyn TableSource>> = HashMap::new();
    let mut unstable_below = Vec::new();
    for table in over.tables {
        let rows = match &table.computed {
            None => None,
            Some(computed) => {
                let (rows, is_unstable) = computed_rows(table, computed, planner, provider)?;
                if is_unstable {
                    let name = table.name();
                    unstable_below.push(format!("the rows of `{name}` are computed each time"));
                }
                Some(rows)
            }
        };
        tables.insert(Named::Version(table.name()), provider_as_source(provider(table, rows)));
    }
    for SystemRows { table, rows } in over.system {
        let made = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]);
        let made = Arc::new(made.map_err(from_datafusion)?);
        tables.insert(Named::System(*table), provider_as_source(made));
    }
    let state: &SessionState = planner;
    let has_table_functions = AtomicBool::new(false);
    let relations: [Arc<dyn RelationPlanner>; 1] = [Arc::new(MergedKeys)];
    let is_fixed = over.is_fixed;
    let names = Names { state, tables, relations, is_fixed, has_table_functions };
    let options = ParserOptions::from(&state.config_options().sql_parser);
    let plan = SqlToRel::new_with_options(&names, options)
        .sql_statement_to_plan(Statement::Query(query))
        .map_err(from_datafusion)?;
    let has_table_functions = names.has_table_functions.into_inner();
    Ok(Logical { plan, has_table_functions, unstable_below })
}

/// The rows of a table that another statement computes, and whether they may be others each time.
///
/// The statement could be planned when somebody wrote it down, so that it cannot be now is nobody's
/// fault who reads the table; and what it names is not told to them.
fn computed_rows(
    table: &BoundTable,
    computed: &ComputedTable,
    planner: &Planner<'_>,
    provider: Provider,
) -> std::result::Result<(ComputedRows, bool), EngineError> {
    let rows = || {
        let admitted = planner.statements().admit(&computed.sql)?;
        let Some(query) = &admitted.query else {
            return Err(internal("what computes a table is no query"));
        };
        let over = Over { tables: &computed.tables, system: &[], is_fixed: true };
        let Logical { plan, unstable_below, .. } = logical(query.clone(), planner, over, provider)?;
        let plan = analysed(plan, planner)?;
        let unstable = facts::unstable(&plan).map_err(from_datafusion)?;
        let is_unstable = !unstable.is_empty() || !unstable_below.is_empty();
        let lineage = lineage::of(&plan, &computed.tables)?;
        let shown =
            lineage.outputs().iter().enumerate().filter(|(_, output)| output.shows().is_some());
        let shown = shown.map(|(place, _)| place).collect();
        let rows = ComputedRows::new(table, plan, &shown, is_unstable).map_err(from_datafusion)?;
        Ok((rows, is_unstable))
    };
    rows().map_err(internal)
}

/// `plan` with its types coerced and its functions governed, and nothing of it optimised away.
pub(crate) fn analysed(
    plan: LogicalPlan,
    state: &SessionState,
) -> std::result::Result<LogicalPlan, EngineError> {
    let analyzer = state.analyzer();
    analyzer.execute_and_check(plan, state.config_options(), |_, _| {}).map_err(from_datafusion)
}

/// `plan`, cut off after `rows` rows and one: enough to know that there are more.
pub(crate) fn limited(
    plan: LogicalPlan,
    rows: Option<u64>,
) -> std::result::Result<LogicalPlan, EngineError> {
    let Some(rows) = rows else { return Ok(plan) };
    // The planner counts in signed numbers.
    let fetch = usize::try_from(rows.saturating_add(1).min(i64::MAX as u64)).unwrap_or(usize::MAX);
    LogicalPlanBuilder::from(plan)
        .limit(0, Some(fetch))
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_datafusion)
}

/// The plan with its rows in an order that leaves nothing open. Whatever would answer anew another time
/// is refused.
pub(crate) fn fixed(
    plan: LogicalPlan,
    order: &FixedOrder,
) -> std::result::Result<LogicalPlan, EngineError> {
    let changing = facts::changing(&plan).map_err(from_datafusion)?;
    if let Some(call) = changing.first() {
        return Err(EngineError::NotAllowed {
            message: format!("`{call}` answers anew each time, which no version of a product can"),
            hint: Some("take the value from a column, or name it".to_owned()),
        });
    }
    let columns = plan.schema().columns();
    let mut places: Vec<usize> = Vec::with_capacity(columns.len());
    for name in &order.by {
        let place = columns.iter().position(|column| column.name == *name);
        places.push(place.ok_or_else(|| EngineError::Invalid {
            message: format!("the answer has no column `{name}` to be ordered by"),
            hint: Some("name columns of the answer in `order_by`".to_owned()),
        })?);
    }
    let others = (0..columns.len()).filter(|place| !order.by.contains(&columns[*place].name));
    places.extend(others.collect::<Vec<_>>());
    let sort =
        places.into_iter().map(|place| Expr::Column(columns[place].clone()).sort(true, true));
    LogicalPlanBuilder::from(plan)
        .sort(sort.collect::<Vec<_>>())
        .and_then(LogicalPlanBuilder::build)
        .map_err(from_datafusion)
}

/// What names mean in one statement: the tables of its job, the functions of every session.
struct Names<'a> {
    state: &'a SessionState,
    tables: HashMap<Named, Arc<dyn TableSource>>,
    relations: [Arc<dyn RelationPlanner>; 1],
    /// Whether nothing may answer anew each time.
    is_fixed: bool,
    has_table_functions: AtomicBool,
}

impl ContextProvider for Names<'_> {
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(TimesOfDay))
    }

    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let named = named_in(&name).map_err(|error| plan_datafusion_err!("{error}"))?;
        let found = self.tables.get(&named).cloned();
        found.ok_or_else(|| plan_datafusion_err!("`{name}` was not resolved"))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        let Some(function) = self.state.table_functions().get(name) else {
            return plan_err!("there is no table function `{name}`");
        };
        self.has_table_functions.store(true, Ordering::Relaxed);
        // Arguments are computed while planning, and are no part of the plan.
        if self.is_fixed
            && let Some(call) = facts::changing_in(&args)?.into_iter().next()
        {
            return plan_err!("`{call}` answers anew each time: name the values");
        }
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .with_query_execution_start_time(
                self.state.execution_props().query_execution_start_time,
            )
            .build();
        let simplifier = ExprSimplifier::new(context);
        let simplify = |arg| simplifier.simplify(simplifier.coerce(arg, &DFSchema::empty())?);
        let args = args.into_iter().map(simplify).collect::<Result<Vec<_>>>()?;
        let args = TableFunctionArgs::new(&args, self.state);
        Ok(provider_as_source(function.create_table_provider_with_args(args)?))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
