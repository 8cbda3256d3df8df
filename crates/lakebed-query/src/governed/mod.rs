//! A table as one reader may see it: the only thing a name resolves to.
//!
//! For whoever is not restricted that is the table itself, at full speed. For everybody else it is
//! a [`GovernedTable`]: columns that are hidden are not in its schema, and its scan is a leaf of the
//! plan ([`barrier::GovernedScan`]), below which the row filter sees raw values and masks are
//! applied. Nothing of a statement gets below but which columns it needs, and conditions that can
//! neither fail nor be observed ([`filter::is_leakproof`]), which are evaluated again above.
//!
//! The proof is not here but in `interference`: two lakes that look the same to a reader give the
//! same answers, and every way of building this that we know to leak is found out.

mod barrier;
mod filter;
#[cfg(test)]
pub(crate) mod interference;
mod mask;

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::Arc,
};

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, DFSchema, Result, internal_err},
    logical_expr::{
        Expr, TableProviderFilterPushDown, TableType,
        utils::{conjunction, split_conjunction},
    },
    physical_expr::PhysicalExpr,
    physical_plan::{
        ExecutionPlan, ExecutionPlanProperties as _, coalesce_partitions::CoalescePartitionsExec,
        empty::EmptyExec, filter::FilterExec,
    },
};
use lakebed_core::{
    TableSchema,
    policy::{ColumnSight, Mask, Predicate, Restriction, Sight},
};
use lakebed_service::engine::BoundTable;

use crate::{computed::ComputedRows, session::Readers, table::PlainTable};

/// What `table`'s reader may see of it. Its rows are in its files, or `computed`.
pub(crate) fn provider(
    table: &BoundTable,
    computed: Option<ComputedRows>,
) -> Arc<dyn TableProvider> {
    match (&table.restriction, computed) {
        (Restriction::Unrestricted, None) => Arc::new(PlainTable::new(table)),
        (Restriction::Unrestricted, Some(computed)) => {
            let all = Sight::of_all(&table.schema);
            let governed = GovernedTable::new(table, computed.into(), &all);
            Arc::new(GovernedTable { is_open: true, ..governed })
        }
        (Restriction::Restricted(sight), computed) => {
            let rows = computed.map_or_else(|| PlainTable::new(table).into(), Rows::from);
            Arc::new(GovernedTable::new(table, rows, sight))
        }
    }
}

/// All of a table.
enum Rows {
    Files(PlainTable),
    Computed(Box<ComputedRows>),
}

impl From<PlainTable> for Rows {
    fn from(table: PlainTable) -> Self {
        Self::Files(table)
    }
}

impl From<ComputedRows> for Rows {
    fn from(rows: ComputedRows) -> Self {
        Self::Computed(Box::new(rows))
    }
}

impl Rows {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::Files(table) => table.schema(),
            Self::Computed(rows) => rows.schema(),
        }
    }
}

/// A column that is there.
#[derive(Debug, Clone)]
struct Seen {
    /// Its place in the table.
    place: usize,
    /// What is seen in place of its values.
    mask: Option<Mask>,
}

/// A table of which its reader sees a part.
pub(crate) struct GovernedTable {
    rows: Rows,
    table: TableSchema,
    sight: Sight,
    seen: Vec<Seen>,
    schema: SchemaRef,
    /// Whether all that its rows are computed from is for its reader, too.
    is_open: bool,
}

impl GovernedTable {
    fn new(table: &BoundTable, rows: Rows, sight: &Sight) -> Self {
        let raw = rows.schema();
        let mut seen = Vec::new();
        let mut fields = Vec::new();
        for (place, field) in table.schema.fields.iter().enumerate() {
            let Some(found) = sight.columns.get(&field.id) else { continue };
            let (mask, read) = (mask_of(found), raw.field(place));
            // What a mask makes of a value may be nothing.
            let is_nullable = read.is_nullable() || mask.is_some();
            fields.push(Field::new(read.name(), read.data_type().clone(), is_nullable));
            seen.push(Seen { place, mask });
        }
        Self {
            rows,
            table: table.schema.clone(),
            sight: sight.clone(),
            seen,
            schema: Arc::new(Schema::new(fields)),
            is_open: false,
        }
    }

    /// The names of the columns that are seen as they are.
    fn raw_names(&self) -> HashSet<&str> {
        let seen = self.seen.iter().zip(self.schema.fields());
        seen.filter(|(seen, _)| seen.mask.is_none())
            .map(|(_, field)| field.name().as_str())
            .collect()
    }

    fn is_leakproof(&self, condition: &Expr) -> bool {
        filter::is_leakproof(condition, &self.raw_names(), &self.schema)
    }

    /// The row filter and the conditions that may join it; none where all rows are wanted.
    fn condition(&self, conditions: &[Expr]) -> Result<Option<Expr>> {
        let rows = match &self.sight.rows {
            Predicate::Constant(true) => None,
            rows => Some(filter::expression(rows, &self.table, &self.rows.schema())?),
        };
        // The table has columns that the statement's qualifiers do not name.
        let own = conditions.iter().map(|condition| unqualified(condition.clone()));
        let own = own.collect::<Result<Vec<_>>>()?;
        Ok(conjunction(rows.into_iter().chain(own)))
    }
}

fn mask_of(sight: &ColumnSight) -> Option<Mask> {
    match sight {
        ColumnSight::Raw => None,
        ColumnSight::Masked(mask) => Some(mask.clone()),
    }
}

pub(crate) fn unqualified(condition: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode as _};
    let transformed = condition.transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::from_name(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(transformed.data)
}

impl fmt::Debug for GovernedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GovernedTable")
    }
}

#[async_trait]
impl TableProvider for GovernedTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// What may come down is evaluated again above: `Inexact`.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let judge = |filter: &&Expr| match self.is_leakproof(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(judge).collect())
    }

    /// `limit` is about rows above, and is left there.
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // What was admitted may have been made simpler since. All of it is evaluated again above.
        let admitted = filters.iter().filter(|filter| self.is_leakproof(filter)).cloned();
        let all: Vec<usize> = (0..self.seen.len()).collect();
        let wanted: Vec<&Seen> =
            projection.unwrap_or(&all).iter().map(|place| &self.seen[*place]).collect();
        let schema = Arc::new(self.schema.project(projection.unwrap_or(&all))?);
        let (inside, beside): (Vec<_>, Vec<_>) = admitted.partition(|filter| {
            matches!(&self.rows, Rows::Computed(rows) if self.is_open && rows.takes(filter))
        });
        let condition = self.condition(&beside)?;
        let raw = self.rows.schema();

        let mut needed: BTreeSet<usize> = wanted.iter().map(|seen| seen.place).collect();
        for column in condition.iter().flat_map(Expr::column_refs) {
            needed.insert(raw.index_of(&column.name)?);
        }
        let needed: Vec<usize> = needed.into_iter().collect();
        let partitions = session.config().target_partitions();
        let is_empty = self.sight.rows == Predicate::Constant(false);
        let below = match is_empty {
            true => Arc::new(EmptyExec::new(Arc::new(raw.project(&needed)?))),
            false => self.below(session, &needed, condition.as_ref(), &inside, partitions).await?,
        };
        let columns = wanted.iter().map(|seen| {
            let place = needed.binary_search(&seen.place).unwrap_or_default();
            (place, seen.mask.clone())
        });
        let own = match &self.rows {
            Rows::Files(_) => None,
            Rows::Computed(_) if self.is_open => None,
            Rows::Computed(_) => match session.config().get_extension::<Readers>() {
                Some(readers) => readers.below.clone(),
                None => return internal_err!("a scan is planned without objects"),
            },
        };
        let drops_rows = condition.is_some() || own.is_some();
        let (columns, key) = (columns.collect(), self.sight.mask_key);
        let scan = barrier::GovernedScan::new(below, columns, key, schema, drops_rows, partitions);
        Ok(Arc::new(scan.run_by(own)))
    }
}

impl GovernedTable {
    /// All rows, in at most `partitions` parts, and of them those that meet the condition; and, of what
    /// is computed, those that meet what is put to the rows below.
    async fn below(
        &self,
        session: &dyn Session,
        needed: &Vec<usize>,
        condition: Option<&Expr>,
        inside: &[Expr],
        partitions: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let physical = |condition: Option<Expr>, schema: &Schema| {
            let schema = DFSchema::try_from(schema.clone())?;
            condition.map(|condition| session.create_physical_expr(condition, &schema)).transpose()
        };
        let scan = match &self.rows {
            Rows::Files(table) => {
                let pruning = condition.and_then(|condition| self.without_floats(condition));
                let pruning: Option<Arc<dyn PhysicalExpr>> = physical(pruning, &table.schema())?;
                let scan = table.scan_where(session, Some(needed), pruning, None)?;
                scan.repartitioned(partitions, session.config_options())?.unwrap_or(scan)
            }
            Rows::Computed(rows) => {
                let planned = rows.plan(session, needed, inside).await;
                let rows = match self.is_open {
                    true => planned?,
                    false => planned.map_err(|error| barrier::untold(&error))?,
                };
                match rows.output_partitioning().partition_count() > partitions {
                    true => Arc::new(CoalescePartitionsExec::new(rows)),
                    false => rows,
                }
            }
        };
        match physical(condition.cloned(), &scan.schema())? {
            None => Ok(scan),
            Some(condition) => Ok(Arc::new(FilterExec::try_new(condition, scan)?)),
        }
    }

    /// The parts of `condition` that ask for no float: statistics of floats leave NaN out, so a row with
    /// one would be there or not by what the rows beside it hold.
    fn without_floats(&self, condition: &Expr) -> Option<Expr> {
        let raw = self.rows.schema();
        let is_float = |column: &Column| {
            let field = raw.field_with_name(&column.name);
            field.is_ok_and(|field| field.data_type().is_floating())
        };
        let parts = split_conjunction(condition).into_iter();
        conjunction(parts.filter(|part| !part.column_refs().into_iter().any(is_float)).cloned())
    }
}
