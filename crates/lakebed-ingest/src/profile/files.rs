//! A profile of table files that have none, made of the files themselves: the same bytes as if it
//! had been made when they were written.

use std::path::Path;

use arrow::{array::ArrayRef, datatypes::Schema};
use lakebed_core::{
    TableSchema,
    profile::{Profile, TableProfile},
    rows_in_file_at,
};
use rayon::prelude::*;

use super::ColumnProfiler;
use crate::{
    Refusal, arrow_schema,
    engine::Gone,
    parquet_in,
    writer::{GROUP_ROWS, SLICE_ROWS, join},
};

/// Takes table files in order.
#[derive(Debug)]
pub struct TableProfiler {
    schema: Schema,
    whole: TableProfile,
    full: TableProfile,
    all_full: bool,
}

impl TableProfiler {
    /// For files of a version with that schema.
    #[must_use]
    pub fn new(schema: &TableSchema) -> Self {
        let (whole, full) = Default::default();
        Self { schema: arrow_schema(schema), whole, full, all_full: true }
    }

    /// Adds the next file; asks `go_on` now and then.
    ///
    /// # Errors
    /// [`Refusal`] when it cannot be read, or is not to be.
    pub fn add(&mut self, file: &Path, go_on: &dyn Fn() -> bool) -> Result<(), Refusal> {
        let start = self.whole.rows;
        let mut group = Group::new(&self.schema);
        let mut outcome = Ok(());
        let Self { schema, whole, .. } = self;
        parquet_in::read_tail(file, schema, &mut |columns, rows| {
            let mut taken = 0;
            while taken < rows {
                let count = (rows - taken).min(SLICE_ROWS - group.pending_rows);
                outcome = group.take(&columns, taken, count);
                outcome.as_ref().map_err(|_| Gone)?;
                taken += count;
                if group.rows == GROUP_ROWS {
                    whole.append(&std::mem::replace(&mut group, Group::new(schema)).finish());
                }
            }
            if !go_on() {
                outcome = Err(Refusal::cancelled());
            }
            outcome.as_ref().map(drop).map_err(|_| Gone)
        })?;
        outcome?;
        group.seal()?;
        if group.rows > 0 {
            whole.append(&group.finish());
        }
        self.all_full &= self.whole.rows - start == rows_in_file_at(start);
        if self.all_full {
            self.full = self.whole.clone();
        }
        Ok(())
    }

    /// The profile of all files.
    #[must_use]
    pub fn finish(self) -> Profile {
        Profile::new(self.whole, self.full)
    }
}

/// A row group that is being collected.
struct Group {
    columns: Vec<(ColumnProfiler, Vec<ArrayRef>)>,
    rows: usize,
    pending_rows: usize,
}

impl Group {
    fn new(schema: &Schema) -> Self {
        let column = |field: &arrow::datatypes::FieldRef| (ColumnProfiler::new(field), Vec::new());
        Self { columns: schema.fields().iter().map(column).collect(), rows: 0, pending_rows: 0 }
    }

    fn take(&mut self, columns: &[ArrayRef], start: usize, count: usize) -> Result<(), Refusal> {
        for ((_, pending), column) in self.columns.iter_mut().zip(columns) {
            pending.push(column.slice(start, count));
        }
        self.pending_rows += count;
        if self.pending_rows == SLICE_ROWS { self.seal() } else { Ok(()) }
    }

    fn seal(&mut self) -> Result<(), Refusal> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        self.rows += std::mem::take(&mut self.pending_rows);
        let seal = |(profiler, pending): &mut (ColumnProfiler, Vec<ArrayRef>)| {
            profiler.add(&join(&std::mem::take(pending)).map_err(Refusal::internal)?);
            Ok(())
        };
        self.columns.par_iter_mut().try_for_each(seal)
    }

    fn finish(self) -> TableProfile {
        let columns = self.columns.into_iter().map(|(profiler, _)| *profiler.finish());
        let mut columns: Vec<_> = columns.collect();
        columns.sort_by_key(|column| column.id);
        TableProfile { rows: self.rows as u64, columns }
    }
}
