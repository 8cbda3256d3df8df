//! Rows that came, went and changed, by a key.
//!
//! Keys and cells are equal when they are the same value: nothing equals nothing, and a float that is
//! no number equals itself. A key that stands in several rows says not which of them is which: then
//! equal rows are taken out, and what is left went or came.

use std::cmp::Ordering;

use arrow::{
    array::{DynComparator, RecordBatch, UInt64Array, make_comparator},
    compute::{SortOptions, concat_batches, take_record_batch},
    datatypes::SchemaRef,
};
use lakebed_core::{DataType, DatasetRef, Field, TablePart};

use super::{
    ColumnDiff,
    side::{Side, failed},
};
use crate::{
    Error, Lake, ResolvedVersion, Result,
    engine::{Parameters, QueryJob, QueryLimits, QueryStream},
};

/// What became of the rows.
#[derive(Debug)]
pub struct RowDiff {
    /// The key's columns, by their names now.
    pub key: Vec<String>,
    /// Rows that came.
    pub added: u64,
    /// Rows that went.
    pub removed: u64,
    /// Rows of which at least one cell differs.
    pub changed: u64,
    /// Rows that are the same.
    pub unchanged: u64,
    /// Keys that stand in more than one row of a version.
    pub repeated_keys: u64,
    /// Rows, of both versions, whose key lacks a value.
    pub null_keys: u64,
    /// How many cells of each compared column differ, in the columns' order; those with any.
    pub cells: Vec<CellCount>,
    /// Columns that were compared as text, since neither type holds the other's values.
    pub as_text: Vec<String>,
    /// Columns that were not compared: only one version has them, or they are nested.
    pub not_compared: Vec<String>,
    /// Some of them.
    pub samples: RowSamples,
}

/// Cells of a column that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellCount {
    /// The column, by its name now.
    pub column: String,
    /// How many.
    pub count: u64,
}

/// The first rows of each kind, by key. The key's columns come first.
#[derive(Debug)]
pub struct RowSamples {
    /// Rows that came.
    pub added: RecordBatch,
    /// Rows that went.
    pub removed: RecordBatch,
    /// Rows that changed, as they were and, in the same order, as they are.
    pub changed: (RecordBatch, RecordBatch),
}

/// What to compare.
pub(super) struct Task<'a> {
    pub(super) columns: &'a [ColumnDiff],
    pub(super) key: &'a [String],
    pub(super) show: usize,
    pub(super) limits: QueryLimits,
}

/// A column that both have.
struct Pair<'a> {
    before: &'a Field,
    after: &'a Field,
}

impl Lake {
    pub(super) async fn diff_rows(
        &self,
        from: &ResolvedVersion,
        to: &ResolvedVersion,
        task: Task<'_>,
    ) -> Result<RowDiff> {
        let (pairs, not_compared) = pairs(&task)?;
        let limits = QueryLimits {
            max_rows: None,
            max_bytes: None,
            memory_bytes: task.limits.memory_bytes / 2,
            spill_bytes: task.limits.spill_bytes / 2,
            ..task.limits
        };
        let sorted = |resolved, is_before| {
            let sql = statement(resolved, &pairs, is_before);
            self.sorted(resolved, sql, limits)
        };
        let (before, after) = (sorted(from, true).await?, sorted(to, false).await?);
        let schema = Schemas { before: before.schema.clone(), after: after.schema.clone() };
        let keys = task.key.len();
        let mut merge = Merge {
            before: Side::begin(before, keys).await?,
            after: Side::begin(after, keys).await?,
            comparing: None,
            cells: vec![0; pairs.len()],
            show: task.show,
            tally: Tally::default(),
            samples: Samples::default(),
        };
        merge.run().await?;
        let Merge { tally, cells, samples, .. } = merge;
        let name = |pair: &Pair<'_>| pair.after.name.clone();
        let counted = pairs.iter().zip(&cells).filter(|(_, count)| **count > 0);
        Ok(RowDiff {
            key: task.key.to_vec(),
            added: tally.added,
            removed: tally.removed,
            changed: tally.changed,
            unchanged: tally.unchanged,
            repeated_keys: tally.repeated_keys,
            null_keys: tally.null_keys,
            cells: counted
                .map(|(pair, count)| CellCount { column: name(pair), count: *count })
                .collect(),
            as_text: pairs.iter().filter(|pair| pair.is_text()).map(name).collect(),
            not_compared,
            samples: samples.finish(&schema)?,
        })
    }

    async fn sorted(
        &self,
        resolved: &ResolvedVersion,
        sql: String,
        limits: QueryLimits,
    ) -> Result<QueryStream> {
        let job = QueryJob {
            sql,
            parameters: Parameters::default(),
            tables: vec![self.bind_whole(resolved, TablePart::Rows).await?],
            listing: Vec::new(),
            system: Vec::new(),
            limits,
            now: self.inner.clock.now(),
            fixed: None,
        };
        Ok(self.inner.engine.run(job, &self.inner.store).await?)
    }
}

/// The columns that are compared, the key's first, and the names of the others.
fn pairs<'a>(task: &Task<'a>) -> Result<(Vec<Pair<'a>>, Vec<String>)> {
    let (mut pairs, mut others) = (Vec::new(), Vec::new());
    for column in task.columns {
        match (&column.before, &column.after) {
            (Some((before, _)), Some((after, _)))
                if is_flat(&before.data_type) && is_flat(&after.data_type) =>
            {
                pairs.push(Pair { before, after });
            }
            (_, Some((field, _))) | (Some((field, _)), None) => others.push(field.name.clone()),
            (None, None) => {}
        }
    }
    for (place, name) in task.key.iter().enumerate() {
        let found = pairs.iter().position(|pair| pair.after.name == *name);
        let Some(found) = found else { return Err(no_key(task, name, &pairs)) };
        if found < place {
            return Err(Error::Invalid {
                code: "invalid-key",
                message: format!("the key names `{name}` twice"),
                hint: None,
            });
        }
        pairs[place..=found].rotate_right(1);
    }
    Ok((pairs, others))
}

fn no_key(task: &Task<'_>, name: &str, pairs: &[Pair<'_>]) -> Error {
    let exists = task.columns.iter().any(|column| {
        let sides = [&column.before, &column.after];
        sides.into_iter().flatten().any(|(field, _)| field.name == name)
    });
    let message = match exists {
        true => format!("`{name}` cannot be a key: it is nested, or not in both versions"),
        false => format!("there is no column `{name}` to be a key"),
    };
    let names: Vec<String> = pairs.iter().map(|pair| format!("`{}`", pair.after.name)).collect();
    let hint = match names.is_empty() {
        true => "the two versions have no column in common".to_owned(),
        false => format!("both versions have {}", names.join(", ")),
    };
    Error::Invalid { code: "invalid-key", message, hint: Some(hint) }
}

const fn is_flat(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Struct(_) | DataType::List(_) | DataType::Map(..))
}

impl Pair<'_> {
    fn is_same(&self) -> bool {
        self.before.data_type == self.after.data_type
    }

    fn is_text(&self) -> bool {
        let (before, after) = (&self.before.data_type, &self.after.data_type);
        !self.is_same() && !before.widens_to(after) && !after.widens_to(before)
    }

    /// The type that both are compared as.
    fn common(&self) -> &DataType {
        let (before, after) = (&self.before.data_type, &self.after.data_type);
        match after.widens_to(before) {
            true => before,
            false if before == after || before.widens_to(after) => after,
            false => &DataType::String,
        }
    }

    fn expression(&self, is_before: bool) -> String {
        let field = if is_before { self.before } else { self.after };
        let (name, alias) = (quoted(&field.name), quoted(&self.after.name));
        match field.data_type == *self.common() {
            true => format!("{name} AS {alias}"),
            false => format!("CAST({name} AS {}) AS {alias}", sql_type(self.common())),
        }
    }
}

/// All columns that are compared, sorted by all of them, the key's first.
fn statement(resolved: &ResolvedVersion, pairs: &[Pair<'_>], is_before: bool) -> String {
    let columns: Vec<String> = pairs.iter().map(|pair| pair.expression(is_before)).collect();
    let order: Vec<String> =
        (1..=pairs.len()).map(|place| format!("{place} ASC NULLS FIRST")).collect();
    let DatasetRef { dataset, .. } = &resolved.reference;
    format!(
        "SELECT {} FROM {}.\"{}@v{}\" ORDER BY {}",
        columns.join(", "),
        dataset.namespace(),
        dataset.name(),
        resolved.version.number,
        order.join(", ")
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Types that another widens to, and text.
fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Long => "BIGINT".to_owned(),
        DataType::Double => "DOUBLE".to_owned(),
        DataType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        _ => "VARCHAR".to_owned(),
    }
}

#[derive(Default)]
struct Tally {
    added: u64,
    removed: u64,
    changed: u64,
    unchanged: u64,
    repeated_keys: u64,
    null_keys: u64,
}

struct Merge {
    before: Side,
    after: Side,
    /// Compares columns of the two batches that are current.
    comparing: Option<Comparing>,
    cells: Vec<u64>,
    show: usize,
    tally: Tally,
    samples: Samples,
}

struct Comparing {
    batches: (u64, u64),
    columns: Vec<DynComparator>,
}

impl Merge {
    async fn run(&mut self) -> Result<()> {
        while let Some(order) = self.before.compare(&self.after) {
            match order {
                Ordering::Less => self.gone_key().await?,
                Ordering::Greater => self.new_key().await?,
                Ordering::Equal => self.same_key().await?,
            }
        }
        Ok(())
    }

    async fn gone_key(&mut self) -> Result<()> {
        self.tally.repeated_keys += u64::from(self.before.repeats().await?);
        self.remove_rest().await
    }

    async fn new_key(&mut self) -> Result<()> {
        self.tally.repeated_keys += u64::from(self.after.repeats().await?);
        self.add_rest().await
    }

    async fn same_key(&mut self) -> Result<()> {
        let (mut more_before, mut more_after) =
            (self.before.repeats().await?, self.after.repeats().await?);
        if !more_before && !more_after {
            return self.compare_rows().await;
        }
        self.tally.repeated_keys += 1;
        // Rows of one key are sorted, too: what is equal is taken out on both sides.
        loop {
            let (takes_before, takes_after) = match self.order()? {
                Ordering::Less => (true, false),
                Ordering::Greater => (false, true),
                Ordering::Equal => (true, true),
            };
            let (ends_before, ends_after) =
                (takes_before && !more_before, takes_after && !more_after);
            match (takes_before, takes_after) {
                (true, true) => self.keep().await?,
                (true, false) => self.remove().await?,
                _ => self.add().await?,
            }
            if takes_before && more_before {
                more_before = self.before.repeats().await?;
            }
            if takes_after && more_after {
                more_after = self.after.repeats().await?;
            }
            match (ends_before, ends_after) {
                (false, false) => {}
                (true, false) => return self.add_rest().await,
                (false, true) => return self.remove_rest().await,
                (true, true) => return Ok(()),
            }
        }
    }

    /// All rows of the next key that are left on one side.
    async fn remove_rest(&mut self) -> Result<()> {
        loop {
            let more = self.before.repeats().await?;
            self.remove().await?;
            if !more {
                return Ok(());
            }
        }
    }

    async fn add_rest(&mut self) -> Result<()> {
        loop {
            let more = self.after.repeats().await?;
            self.add().await?;
            if !more {
                return Ok(());
            }
        }
    }

    /// One row on either side.
    async fn compare_rows(&mut self) -> Result<()> {
        let (old, new) = self.places();
        let mut differs = false;
        self.comparators()?;
        let columns = self.comparing.as_ref().map_or(&[][..], |comparing| &comparing.columns);
        for (column, cells) in columns.iter().zip(&mut self.cells) {
            if column(old, new) != Ordering::Equal {
                differs = true;
                *cells += 1;
            }
        }
        if !differs {
            return self.keep().await;
        }
        self.tally.changed += 1;
        if self.samples.changed.0.len() < self.show {
            self.samples.changed.0.extend(copy(self.before.row())?);
            self.samples.changed.1.extend(copy(self.after.row())?);
        }
        self.step(true, true).await
    }

    /// How the next rows compare, cell by cell.
    fn order(&mut self) -> Result<Ordering> {
        let (old, new) = self.places();
        self.comparators()?;
        let columns = self.comparing.as_ref().map_or(&[][..], |comparing| &comparing.columns);
        let orders = columns.iter().map(|column| column(old, new));
        Ok(orders.fold(Ordering::Equal, Ordering::then))
    }

    fn places(&self) -> (usize, usize) {
        let place = |side: &Side| side.row().map_or(0, |(_, row)| row);
        (place(&self.before), place(&self.after))
    }

    fn comparators(&mut self) -> Result<()> {
        let batches = (self.before.batches, self.after.batches);
        if self.comparing.as_ref().is_some_and(|comparing| comparing.batches == batches) {
            return Ok(());
        }
        let (Some((before, _)), Some((after, _))) = (self.before.row(), self.after.row()) else {
            return Ok(());
        };
        let options = SortOptions { descending: false, nulls_first: true };
        let columns = before.columns().iter().zip(after.columns());
        let columns = columns.map(|(before, after)| make_comparator(before, after, options));
        let columns = columns.collect::<std::result::Result<_, _>>().map_err(failed)?;
        self.comparing = Some(Comparing { batches, columns });
        Ok(())
    }

    async fn keep(&mut self) -> Result<()> {
        self.tally.unchanged += 1;
        self.step(true, true).await
    }

    async fn remove(&mut self) -> Result<()> {
        self.tally.removed += 1;
        if self.samples.removed.len() < self.show {
            self.samples.removed.extend(copy(self.before.row())?);
        }
        self.step(true, false).await
    }

    async fn add(&mut self) -> Result<()> {
        self.tally.added += 1;
        if self.samples.added.len() < self.show {
            self.samples.added.extend(copy(self.after.row())?);
        }
        self.step(false, true).await
    }

    async fn step(&mut self, before: bool, after: bool) -> Result<()> {
        if before {
            self.tally.null_keys += u64::from(self.before.has_null_key());
            self.before.advance().await?;
        }
        if after {
            self.tally.null_keys += u64::from(self.after.has_null_key());
            self.after.advance().await?;
        }
        Ok(())
    }
}

/// A row by itself: a slice would hold on to its batch.
fn copy(row: Option<(&RecordBatch, usize)>) -> Result<Option<RecordBatch>> {
    let Some((batch, row)) = row else { return Ok(None) };
    let row = UInt64Array::from(vec![row as u64]);
    take_record_batch(batch, &row).map(Some).map_err(failed)
}

struct Schemas {
    before: SchemaRef,
    after: SchemaRef,
}

#[derive(Default)]
struct Samples {
    added: Vec<RecordBatch>,
    removed: Vec<RecordBatch>,
    changed: (Vec<RecordBatch>, Vec<RecordBatch>),
}

impl Samples {
    fn finish(self, schemas: &Schemas) -> Result<RowSamples> {
        let join = |schema, rows: &[RecordBatch]| concat_batches(schema, rows).map_err(failed);
        Ok(RowSamples {
            added: join(&schemas.after, &self.added)?,
            removed: join(&schemas.before, &self.removed)?,
            changed: (
                join(&schemas.before, &self.changed.0)?,
                join(&schemas.after, &self.changed.1)?,
            ),
        })
    }
}
