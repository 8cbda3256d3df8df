//! A chunk of text into arrays, one per column of the source.

use arrow::{
    array::{ArrayRef, BooleanArray},
    buffer::BooleanBuffer,
    compute,
};

use super::{
    ColumnReading, Reading,
    build::Builder,
    check::{Cell, Cells, is_value},
    judge::judge,
    walk::{BadRow, Counts, Trouble, Visit, Visitor, Walked, walk},
};
use crate::{cell::Verdict, encoding::Passage, text::Record, unique::Turn};

/// The rows of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkRows {
    pub(crate) counts: Counts,
    /// Accepted rows, one array per column of the source.
    pub(crate) columns: Vec<ArrayRef>,
    /// The others, in the order of the text.
    pub(crate) bad: Vec<BadRow>,
}

/// Decodes the records of a passage; `turn` is its own, where something is asked of the order.
pub(crate) fn decode(
    passage: &Passage,
    reading: &Reading,
    turn: Option<Turn>,
) -> Result<ChunkRows, Trouble> {
    let builders = reading.columns.iter().map(Builder::new).collect();
    let (dropped, records) = (Vec::new(), Vec::new());
    let mut decoder = Decoder { reading, builders, rows: 0, dropped, records };
    let walked = walk(&passage.text, reading, &mut decoder)?;
    let Walked { mut counts, mut bad, skipped } = walked;
    let Decoder { builders, rows, mut dropped, records, .. } = decoder;
    let columns: Vec<ArrayRef> =
        builders.into_iter().map(Builder::finish).collect::<Result<_, _>>()?;
    if let Some(checking) = &reading.checking {
        judge(checking, &columns, &records, &mut dropped, &mut counts, &mut bad, turn)?;
    }
    let columns = without(columns, rows, &dropped).map_err(Trouble::Internal)?;
    passage.settle(&mut counts, &mut bad, &skipped)?;
    Ok(ChunkRows { counts, columns, bad })
}

struct Decoder<'r> {
    reading: &'r Reading,
    builders: Vec<Builder>,
    /// Rows in the builders.
    rows: usize,
    /// Those that are bad, ascending.
    dropped: Vec<usize>,
    /// Where the rows stand, if they are to be judged.
    records: Vec<Record>,
}

impl Visitor for Decoder<'_> {
    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        for guesses in [false, true] {
            for (column, builder) in self.builders.iter_mut().enumerate() {
                if builder.is_guess() == guesses {
                    let cells = Cells::new(visit.text, visit.block, column, self.reading);
                    builder.fill(&cells, visit)?;
                }
            }
        }
        let rows = visit.block.rows.len();
        if self.reading.checking.is_some() {
            self.records.extend_from_slice(&visit.block.rows);
        }
        if visit.any_bad() {
            self.blame_guessed(visit);
            let bad = (0..rows).filter(|row| visit.is_bad(*row)).map(|row| self.rows + row);
            self.dropped.extend(bad);
        }
        self.rows += rows;
        Ok(())
    }
}

impl Decoder<'_> {
    /// Bad rows have all their defects told: cells that are not of an inferred type, too.
    fn blame_guessed(&self, visit: &mut Visit<'_>) {
        let mut scratch = Vec::new();
        for (column, reading) in self.reading.columns.iter().enumerate() {
            let ColumnReading::Guessed(Verdict::Typed(data_type)) = reading else { continue };
            let cells = Cells::new(visit.text, visit.block, column, self.reading);
            let is_wrong = |row: &usize| match cells.get(*row, &mut scratch) {
                Cell::Value(text) => !is_value(text, data_type, false),
                Cell::Silent(_) | Cell::Null => false,
            };
            let bad = (0..visit.block.rows.len()).filter(|row| visit.is_bad(*row));
            let wrong: Vec<usize> = bad.filter(is_wrong).collect();
            wrong.into_iter().for_each(|row| visit.fail_too(row, column));
        }
    }
}

/// The arrays without the rows that were dropped.
pub(crate) fn without(
    columns: Vec<ArrayRef>,
    rows: usize,
    dropped: &[usize],
) -> Result<Vec<ArrayRef>, String> {
    if dropped.is_empty() {
        return Ok(columns);
    }
    let mut kept = vec![true; rows];
    dropped.iter().for_each(|row| kept[*row] = false);
    let kept = BooleanArray::new(BooleanBuffer::from(kept), None);
    let filter = |array: &ArrayRef| compute::filter(array, &kept);
    let filtered: Result<Vec<ArrayRef>, _> = columns.iter().map(filter).collect();
    filtered.map_err(|error| error.to_string())
}
