//! Rows into Parquet files whose bytes depend on the rows alone.
//!
//! | cut | where |
//! |---|---|
//! | slice | 16,384 rows, counted from the row group's start: what an encoder gets at once |
//! | row group | 131,072 rows, counted from the file's start |
//! | file | by [`rows_in_file_at`], counted from the table's start |
//!
//! However rows arrive, they are cut there and nowhere else, so that the same rows give the same
//! bytes. Columns of a row group are encoded apart from each other, by the engine's workers; a row
//! group is written when all its columns and all row groups before it are.

mod choice;
mod encode;
mod file;
mod properties;

use std::{collections::VecDeque, path::Path, sync::Arc};

use arrow::{
    array::ArrayRef,
    datatypes::{FieldRef, Schema, SchemaRef},
};
use lakebed_core::{
    profile::{ColumnProfile, Profile, TableProfile},
    rows_in_file_at,
};
use parquet::arrow::arrow_writer::ArrowColumnChunk;

use crate::{Refusal, WrittenFile, engine::Engine, profile::ColumnProfiler};
pub(crate) use encode::{Encoded, join};
use file::{Encoders, Finished, OpenFile, Plan};

/// Rows of a row group.
pub(crate) const GROUP_ROWS: usize = 131_072;
/// Rows an encoder gets at once; divides [`GROUP_ROWS`].
pub(crate) const SLICE_ROWS: usize = 16_384;

/// What bounds memory; never the bytes written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WriterLimits {
    /// Row groups under way.
    pub(crate) groups: usize,
    /// When so many bytes wait for a row group to be full, they are encoded before it is.
    pub(crate) patience: usize,
}

/// Rows of a slice: of each column the arrays that make it up.
type Slice = Vec<ArrayRef>;

/// Writes a table, file after file.
pub(crate) struct TableWriter {
    /// Tells this writer's columns from another's.
    id: usize,
    plan: Plan,
    schema: SchemaRef,
    /// What makes encoders, per column.
    encoders: Vec<Encoders>,
    /// The slice that is being collected: per column.
    slice: Vec<Slice>,
    slice_rows: usize,
    /// Row groups that are not written yet, in order; the last may be short of rows.
    groups: VecDeque<Group>,
    /// The number of the first of them.
    first_group: u64,
    waiting_bytes: usize,
    /// Where the next file starts.
    next_row: u64,
    file: Option<OpenFile>,
    finished: Vec<Finished>,
    /// What was written so far looks like; none where nobody asked.
    profile: Option<Profiling>,
    limits: WriterLimits,
}

/// Profiles of the rows that were written, in order.
struct Profiling {
    whole: TableProfile,
    /// Of the rows of full files.
    full: TableProfile,
}

#[derive(Default)]
struct Group {
    rows: usize,
    /// Whether no more rows follow.
    full: bool,
    columns: Vec<Column>,
}

/// A column of a row group.
#[derive(Default)]
struct Column {
    /// Where its encoders are, unless a worker has them.
    writers: Option<encode::Writers>,
    /// What they have not had yet.
    slices: Vec<Slice>,
    /// Who sees them, unless a worker has it.
    profiler: Option<ColumnProfiler>,
    done: Option<(Vec<ArrowColumnChunk>, Option<Box<ColumnProfile>>)>,
}

impl TableWriter {
    /// A writer of a table's rows from row `start_row` on, into files in the folder `out`.
    pub(crate) fn new(
        id: usize,
        schema: Schema,
        out: &Path,
        start_row: u64,
        limits: WriterLimits,
    ) -> Result<Self, Refusal> {
        let schema = Arc::new(schema);
        let plan = Plan::new(&schema, out)?;
        let encoders = schema.fields().iter().map(Encoders::of).collect::<Result<_, _>>()?;
        let slice = vec![Vec::new(); schema.fields().len()];
        Ok(Self {
            id,
            plan,
            schema,
            encoders,
            slice,
            slice_rows: 0,
            groups: VecDeque::new(),
            first_group: 0,
            waiting_bytes: 0,
            next_row: start_row,
            file: None,
            finished: Vec::new(),
            profile: None,
            limits,
        })
    }

    /// Makes a profile on the way that goes on from `before`: the rows before the first.
    pub(crate) fn profiled(self, before: TableProfile) -> Self {
        let (whole, full) = (before.clone(), before);
        Self { profile: Some(Profiling { whole, full }), ..self }
    }

    /// Takes in `rows` rows: one array per column, of the schema's types. Waits where too much is
    /// on its way already.
    pub(crate) fn push<'e, T: Send + 'e>(
        &mut self,
        engine: &mut Engine<'e, T>,
        columns: &[ArrayRef],
        rows: usize,
    ) -> Result<(), Refusal> {
        let bytes: usize = columns.iter().map(|column| column.get_array_memory_size()).sum();
        self.waiting_bytes += bytes;
        let mut taken = 0;
        while taken < rows {
            let count = (rows - taken).min(SLICE_ROWS - self.slice_rows);
            for (slice, column) in self.slice.iter_mut().zip(columns) {
                slice.push(column.slice(taken, count));
            }
            self.slice_rows += count;
            taken += count;
            if self.slice_rows == SLICE_ROWS {
                self.seal_slice(engine)?;
            }
        }
        if self.waiting_bytes >= self.limits.patience {
            self.encode_early(engine)?;
        }
        while self.groups.len() > self.limits.groups {
            self.wait(engine)?;
        }
        self.absorb(engine).map(drop)
    }

    /// Writes what is left and returns the files, in order, and the profile that was asked for.
    pub(crate) fn finish<'e, T: Send + 'e>(
        mut self,
        engine: &mut Engine<'e, T>,
    ) -> Result<(Vec<WrittenFile>, Option<Profile>), Refusal> {
        if self.slice_rows > 0 {
            self.seal_slice(engine)?;
        }
        if self.groups.back().is_some_and(|group| !group.full) {
            self.fill_group(engine)?;
        }
        while !self.groups.is_empty() {
            self.wait(engine)?;
        }
        if let Some(file) = self.file.take() {
            self.finished.push(file.finish()?);
        }
        let profile = self.profile.map(|profile| Profile::new(profile.whole, profile.full));
        // Only now, when nothing can go wrong any more, do the files outlive this writer.
        let files = self.finished.into_iter().map(Finished::keep).collect::<Result<_, _>>()?;
        Ok((files, profile))
    }

    fn seal_slice<'e, T: Send + 'e>(&mut self, engine: &mut Engine<'e, T>) -> Result<(), Refusal> {
        if self.groups.back().is_none_or(|group| group.full) {
            self.groups.push_back(self.new_group());
        }
        let group = self.groups.back_mut().expect("there is one now");
        for (column, slice) in group.columns.iter_mut().zip(&mut self.slice) {
            column.slices.push(std::mem::take(slice));
        }
        group.rows += std::mem::take(&mut self.slice_rows);
        if group.rows == GROUP_ROWS { self.fill_group(engine) } else { Ok(()) }
    }

    fn new_group(&self) -> Group {
        let is_profiled = self.profile.is_some();
        let column = |(encoders, field): (&Encoders, &FieldRef)| {
            let writers = Some(encode::Writers::Open(encoders.clone()));
            let profiler = is_profiled.then(|| ColumnProfiler::new(field));
            Column { writers, profiler, ..Column::default() }
        };
        let columns = self.encoders.iter().zip(self.schema.fields()).map(column).collect();
        Group { columns, ..Group::default() }
    }

    fn last_group(&self) -> u64 {
        self.first_group + self.groups.len() as u64 - 1
    }

    fn fill_group<'e, T: Send + 'e>(&mut self, engine: &mut Engine<'e, T>) -> Result<(), Refusal> {
        self.groups.back_mut().expect("a group is open").full = true;
        self.waiting_bytes = 0;
        self.dispatch(engine, self.last_group())
    }

    /// Encodes what there is of an open row group, so that wide rows do not fill memory.
    fn encode_early<'e, T: Send + 'e>(
        &mut self,
        engine: &mut Engine<'e, T>,
    ) -> Result<(), Refusal> {
        self.waiting_bytes = 0;
        if self.groups.back().is_none_or(|group| group.full) {
            return Ok(());
        }
        let number = self.last_group();
        self.dispatch(engine, number)?;
        let is_busy = |group: &Group| group.columns.iter().any(|column| column.writers.is_none());
        while self.groups.back().is_some_and(is_busy) {
            self.wait(engine)?;
        }
        Ok(())
    }

    /// Gives workers what can be encoded of a row group.
    fn dispatch<'e, T: Send + 'e>(
        &mut self,
        engine: &mut Engine<'e, T>,
        number: u64,
    ) -> Result<(), Refusal> {
        for column in 0..self.schema.fields().len() {
            self.dispatch_column(engine, number, column)?;
        }
        Ok(())
    }

    fn dispatch_column<'e, T: Send + 'e>(
        &mut self,
        engine: &mut Engine<'e, T>,
        number: u64,
        column: usize,
    ) -> Result<(), Refusal> {
        let index = usize::try_from(number - self.first_group).map_err(Refusal::internal)?;
        let group = &mut self.groups[index];
        let state = &mut group.columns[column];
        if state.slices.is_empty() && !group.full {
            return Ok(());
        }
        let Some(writers) = state.writers.take() else { return Ok(()) };
        let job = encode::Job {
            writer: self.id,
            group: number,
            column,
            field: self.schema.fields()[column].clone(),
            writers,
            slices: std::mem::take(&mut state.slices),
            profiler: state.profiler.take(),
            last: group.full,
        };
        engine.encode(move || job.run())
    }

    /// Goes on when something was encoded. It may have come while the driver waited for rows: then
    /// perhaps nothing else will.
    fn wait<'e, T: Send + 'e>(&mut self, engine: &mut Engine<'e, T>) -> Result<(), Refusal> {
        if self.absorb(engine)? {
            return Ok(());
        }
        engine.pump()?;
        self.absorb(engine).map(drop)
    }

    /// Takes back what workers encoded, and writes the row groups that are complete; says whether
    /// there was anything.
    fn absorb<'e, T: Send + 'e>(&mut self, engine: &mut Engine<'e, T>) -> Result<bool, Refusal> {
        let encoded = engine.take_encoded(|encoded| encoded.writer == self.id);
        let is_any = !encoded.is_empty();
        for Encoded { group, column, outcome, .. } in encoded {
            let index = usize::try_from(group - self.first_group).map_err(Refusal::internal)?;
            let state = &mut self.groups[index].columns[column];
            match outcome.map_err(Refusal::internal)? {
                encode::Outcome::More(writers, profiler) => {
                    state.writers = Some(writers);
                    state.profiler = profiler;
                    self.dispatch_column(engine, group, column)?;
                }
                encode::Outcome::Done(chunks, profile) => state.done = Some((chunks, profile)),
            }
        }
        self.write_complete()?;
        Ok(is_any)
    }

    fn write_complete(&mut self) -> Result<(), Refusal> {
        let is_done = |group: &Group| group.columns.iter().all(|column| column.done.is_some());
        while self.groups.front().is_some_and(is_done) {
            let group = self.groups.pop_front().expect("there is a first");
            self.first_group += 1;
            self.write(group)?;
        }
        Ok(())
    }

    fn write(&mut self, group: Group) -> Result<(), Refusal> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.plan.open(rows_in_file_at(self.next_row))?,
        };
        let rows = group.rows as u64;
        let (chunks, profiles): (Vec<_>, Vec<_>) =
            group.columns.into_iter().filter_map(|column| column.done).unzip();
        file.append(chunks.into_iter().flatten(), rows)?;
        self.next_row += rows;
        if let Some(profile) = &mut self.profile {
            let mut columns: Vec<ColumnProfile> =
                profiles.into_iter().flatten().map(|profile| *profile).collect();
            columns.sort_by_key(|column| column.id);
            profile.whole.append(&TableProfile { rows, columns });
            if file.is_full() {
                profile.full = profile.whole.clone();
            }
        }
        match file.is_full() {
            true => self.finished.push(file.finish()?),
            false => self.file = Some(file),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use arrow::{
        array::Int64Array,
        datatypes::{DataType as ArrowType, Field},
    };

    use super::*;
    use crate::{
        Phase, Progress,
        engine::{Feeder, run},
    };

    /// Ends what hangs.
    struct Patient(Instant);

    impl Progress for Patient {
        fn phase(&self, _phase: Phase) {}
        fn bytes(&self, _count: u64) {}
        fn rows(&self, _count: u64) {}
        fn cancelled(&self) -> bool {
            self.0.elapsed() > Duration::from_secs(20)
        }
    }

    /// What was encoded while the driver waited for rows is there, and nothing else will come.
    #[test]
    fn what_was_encoded_early_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let schema = Schema::new(vec![Field::new("n", ArrowType::Int64, true)]);
        let limits = WriterLimits { groups: 1, patience: usize::MAX };
        let progress = Patient(Instant::now());
        let (done, is_done) = crossbeam_channel::bounded::<()>(0);
        let feed = move |feeder: &mut Feeder<'_, usize>| {
            feeder.send(GROUP_ROWS)?;
            // The driver waits for the next rows, and hears of the encoded row group meanwhile.
            std::thread::sleep(Duration::from_secs(2));
            feeder.send(SLICE_ROWS)?;
            // Nothing more happens until the driver goes on.
            let _ = is_done.recv();
            Ok(())
        };
        let files = run(2, &progress, feed, move |engine| {
            let mut writer = TableWriter::new(0, schema, folder.path(), 0, limits)?;
            for _ in 0..2 {
                let rows = engine.next()?.expect("two parts come");
                let column: ArrayRef = Arc::new(Int64Array::from(vec![1; rows]));
                writer.push(engine, &[column], rows)?;
            }
            drop(done);
            let (files, _) = writer.finish(engine)?;
            Ok(files.iter().map(|file| file.row_count).collect::<Vec<_>>())
        });
        assert_eq!(files.expect("they are written"), [(GROUP_ROWS + SLICE_ROWS) as u64]);
    }
}
