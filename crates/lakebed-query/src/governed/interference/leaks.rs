//! Ways of building a governed table that leak. Kept so that the harness is known to find them.

use std::{fmt, sync::Arc};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider, view::ViewTable},
    common::{
        Column, DFSchema, Result, ScalarValue, Statistics, stats::Precision,
        tree_node::TreeNodeRecursion,
    },
    config::ConfigOptions,
    datasource::provider_as_source,
    execution::{SendableRecordBatchStream, TaskContext},
    logical_expr::{
        ColumnarValue, Expr, LogicalPlanBuilder, TableProviderFilterPushDown, TableType,
        Volatility, cast, create_udf, lit, utils::conjunction,
    },
    physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr},
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
        ReplaceChildrenOptions,
        filter::FilterExec,
        filter_pushdown::{
            ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase,
            FilterPushdownPropagation,
        },
        projection::ProjectionExec,
        statistics::StatisticsArgs,
    },
};
use lakebed_core::policy::{ColumnSight, Mask, MaskKey, Restriction, Sight};
use lakebed_service::engine::BoundTable;

use crate::{
    computed::ComputedRows,
    governed::{GovernedTable, filter, mask::masked, unqualified},
    plan::Provider,
    table::PlainTable,
};

/// What is wrong with a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// The row filter is one more operator of the plan.
    NoBarrier,
    /// Conditions of the statement pass the barrier.
    PassesConditions,
    /// Filters that joins and limits make while they run pass it.
    PassesDynamicFilters,
    /// It tells how many rows there are below.
    Statistics,
    /// A condition on what is seen masked is evaluated on what is not.
    RawConditions,
    /// A condition that may fail comes down.
    FallibleConditions,
    /// The row filter may fail.
    FallibleFilter,
    /// A limit is applied before the row filter.
    LimitBelow,
    /// What is hidden is a column like others.
    HiddenColumns,
    /// A plan's text says what is below.
    TellsBelow,
    /// It promises an order that rows below decide.
    Orders,
    /// It has as many parts as the files below.
    Parts,
    /// Masks come after the statement's own conditions.
    LateMasks,
    /// What a mask covers is told to be null or not as it is.
    NullsShow,
}

macro_rules! planted {
    ($($name:ident: $flaw:ident),+ $(,)?) => {
        pub(super) const ALL: &[(&str, Provider)] = &[$((stringify!($flaw), $name)),+];

        $(fn $name(table: &BoundTable, _: Option<ComputedRows>) -> Arc<dyn TableProvider> {
            Arc::new(Leaky::new(table, Flaw::$flaw))
        })+
    };
}

planted! {
    no_barrier: NoBarrier,
    passes_conditions: PassesConditions,
    passes_dynamic_filters: PassesDynamicFilters,
    statistics: Statistics,
    raw_conditions: RawConditions,
    fallible_conditions: FallibleConditions,
    fallible_filter: FallibleFilter,
    limit_below: LimitBelow,
    hidden_columns: HiddenColumns,
    tells_below: TellsBelow,
    orders: Orders,
    parts: Parts,
    late_masks: LateMasks,
    nulls_show: NullsShow,
}

fn sight(table: &BoundTable) -> &Sight {
    match &table.restriction {
        Restriction::Restricted(sight) => sight,
        Restriction::Unrestricted => panic!("the twins are restricted"),
    }
}

/// What everybody builds first: a view.
pub(super) fn view(table: &BoundTable, _: Option<ComputedRows>) -> Arc<dyn TableProvider> {
    let plain = Arc::new(PlainTable::new(table));
    let sight = sight(table);
    let rows = filter::expression(&sight.rows, &table.schema, &plain.schema()).unwrap();
    let columns = seen_columns(table, &plain.schema());
    let plan = LogicalPlanBuilder::scan("below", provider_as_source(plain), None)
        .and_then(|scan| scan.filter(rows))
        .and_then(|filtered| filtered.project(columns))
        .and_then(LogicalPlanBuilder::build)
        .unwrap();
    Arc::new(ViewTable::new(plan, None))
}

/// The columns that are there, masks as functions.
fn seen_columns(table: &BoundTable, raw: &Schema) -> Vec<Expr> {
    let sight = sight(table);
    let fields = table.schema.fields.iter().zip(raw.fields());
    let seen = fields.filter_map(|(field, read)| {
        let column = Expr::Column(Column::from_name(read.name()));
        match sight.columns.get(&field.id)? {
            ColumnSight::Raw => Some(column),
            ColumnSight::Masked(mask) => {
                let masked = function(mask, sight.mask_key, read.data_type()).call(vec![column]);
                Some(masked.alias(read.name()))
            }
        }
    });
    seen.collect()
}

fn function(
    mask: &Mask,
    key: Option<MaskKey>,
    data_type: &DataType,
) -> datafusion::logical_expr::ScalarUDF {
    let mask = mask.clone();
    let implementation = move |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        Ok(ColumnarValue::Array(masked(&mask, key.as_ref(), &arrays[0])))
    };
    // No other function than those of the list is let into a plan.
    create_udf(
        "reverse",
        vec![data_type.clone()],
        data_type.clone(),
        Volatility::Immutable,
        Arc::new(implementation),
    )
}

/// A governed table with one flaw.
struct Leaky {
    table: BoundTable,
    flaw: Flaw,
    plain: PlainTable,
    schema: SchemaRef,
}

impl Leaky {
    fn new(table: &BoundTable, flaw: Flaw) -> Self {
        let plain = PlainTable::new(table);
        let visible = match flaw {
            Flaw::HiddenColumns => table.schema.clone(),
            _ => table.restriction.visible(&table.schema),
        };
        let fields: Vec<_> = visible
            .fields
            .iter()
            .map(|field| plain.schema().field_with_name(&field.name).unwrap().clone())
            .collect();
        Self { table: table.clone(), flaw, plain, schema: Arc::new(Schema::new(fields)) }
    }

    fn right(&self) -> GovernedTable {
        GovernedTable::new(&self.table, PlainTable::new(&self.table).into(), sight(&self.table))
    }

    fn row_count(&self) -> usize {
        self.table.files.iter().map(|file| usize::try_from(file.row_count).unwrap()).sum()
    }

    fn takes(&self, condition: &Expr) -> bool {
        let right = self.right();
        let all = || self.schema.fields().iter().map(|field| field.name().as_str()).collect();
        match self.flaw {
            Flaw::FallibleConditions => true,
            Flaw::RawConditions | Flaw::LateMasks => {
                filter::is_leakproof(condition, &all(), &self.schema)
            }
            _ => right.is_leakproof(condition),
        }
    }
}

impl fmt::Debug for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.flaw)
    }
}

#[async_trait]
impl TableProvider for Leaky {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let judge = |filter: &&Expr| match (self.takes(filter), self.flaw) {
            (true, Flaw::LateMasks) => TableProviderFilterPushDown::Exact,
            (true, _) => TableProviderFilterPushDown::Inexact,
            (false, _) => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(judge).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let raw = self.plain.schema();
        let limit = limit.filter(|_| self.flaw == Flaw::LimitBelow);
        let mut plan = self.plain.scan_where(session, None, None, limit)?;
        let schema = DFSchema::try_from(raw.as_ref().clone())?;
        let rows = match self.flaw {
            Flaw::FallibleFilter => {
                let note = cast(Expr::Column(Column::from_name("note")), DataType::Int64);
                let region = Expr::Column(Column::from_name("region"));
                note.gt_eq(lit(0_i64)).and(region.eq(lit(ScalarValue::Utf8View(Some("EU".into())))))
            }
            _ => filter::expression(&sight(&self.table).rows, &self.table.schema, &raw)?,
        };
        let own = filters.iter().cloned().map(unqualified).collect::<Result<Vec<_>>>()?;
        let condition = conjunction(std::iter::once(rows).chain(own)).unwrap();
        let condition = session.create_physical_expr(condition, &schema)?;
        plan = Arc::new(FilterExec::try_new(condition, plan)?);
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all).iter().map(|place| {
            let name = self.schema.field(*place).name();
            let column = Expr::Column(Column::from_name(name));
            let field = self.table.schema.field(name).unwrap();
            let expression = match sight(&self.table).columns.get(&field.id) {
                Some(ColumnSight::Masked(mask)) => {
                    let data_type = raw.field_with_name(name)?.data_type();
                    let key = sight(&self.table).mask_key;
                    let mask = match (self.flaw, mask) {
                        (Flaw::NullsShow, Mask::Null) => &Mask::Redact,
                        (_, mask) => mask,
                    };
                    function(mask, key, data_type).call(vec![column])
                }
                _ => column,
            };
            Ok((session.create_physical_expr(expression, &schema)?, name.clone()))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        plan = Arc::new(ProjectionExec::try_new(columns, plan)?);
        match self.flaw {
            Flaw::NoBarrier => Ok(plan),
            flaw => Ok(Arc::new(Barrier::new(plan, flaw, self.row_count())?)),
        }
    }
}

/// A barrier with one flaw.
#[derive(Debug)]
struct Barrier {
    below: Arc<dyn ExecutionPlan>,
    flaw: Flaw,
    rows_below: usize,
    properties: Arc<PlanProperties>,
}

impl Barrier {
    fn new(below: Arc<dyn ExecutionPlan>, flaw: Flaw, rows_below: usize) -> Result<Self> {
        let schema = below.schema();
        let mut order = EquivalenceProperties::new(Arc::clone(&schema));
        if flaw == Flaw::Orders && rows_below > 60 && !schema.fields().is_empty() {
            let first =
                datafusion::physical_expr::expressions::col(schema.field(0).name(), &schema)?;
            order.add_ordering(LexOrdering::from([PhysicalSortExpr::new_default(first)]));
        }
        let parts = match flaw {
            Flaw::Parts => 1 + usize::from(rows_below > 60),
            _ => below.properties().output_partitioning().partition_count(),
        };
        let properties = PlanProperties::new(
            order,
            datafusion::physical_plan::Partitioning::UnknownPartitioning(parts),
            datafusion::physical_plan::execution_plan::EmissionType::Incremental,
            datafusion::physical_plan::execution_plan::Boundedness::Bounded,
        );
        Ok(Self { below, flaw, rows_below, properties: Arc::new(properties) })
    }
}

impl DisplayAs for Barrier {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            Flaw::TellsBelow => write!(f, "Barrier over {} rows", self.rows_below),
            _ => f.write_str("Barrier"),
        }
    }
}

impl ExecutionPlan for Barrier {
    fn name(&self) -> &str {
        "Barrier"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        match self.flaw {
            Flaw::PassesConditions | Flaw::PassesDynamicFilters => vec![&self.below],
            _ => Vec::new(),
        }
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            None => Ok(self),
            Some(below) => Ok(Arc::new(Self::new(below, self.flaw, self.rows_below)?)),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if self.flaw == Flaw::Statistics {
            statistics.num_rows = Precision::Exact(self.rows_below);
        }
        Ok(Arc::new(statistics))
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let passes = match self.flaw {
            Flaw::PassesConditions => true,
            Flaw::PassesDynamicFilters => matches!(phase, FilterPushdownPhase::Post),
            _ => false,
        };
        match passes {
            true => {
                let child = ChildFilterDescription::from_child(&filters, &self.below)?;
                Ok(FilterDescription::new().with_child(child))
            }
            false => Ok(FilterDescription::all_unsupported(&filters, &self.children())),
        }
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        Ok(FilterPushdownPropagation::if_all(result))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let schema = self.schema();
        if partition >= self.below.properties().output_partitioning().partition_count() {
            return Ok(Box::pin(datafusion::physical_plan::EmptyRecordBatchStream::new(schema)));
        }
        self.below.execute(partition, context)
    }
}
