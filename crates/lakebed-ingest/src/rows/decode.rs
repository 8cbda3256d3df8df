//! A chunk of text into arrays, one per column of the source.

use arrow::{
    array::{ArrayRef, BooleanArray},
    buffer::BooleanBuffer,
    compute,
};

use super::{
    Reading,
    build::Builder,
    check::Cells,
    walk::{BadRow, Counts, Trouble, Visit, Visitor, walk},
};

/// The rows of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkRows {
    pub(crate) counts: Counts,
    /// Accepted rows, one array per column of the source.
    pub(crate) columns: Vec<ArrayRef>,
    /// The others, in the order of the text.
    pub(crate) bad: Vec<BadRow>,
}

/// Decodes the whole records in `text`.
pub(crate) fn decode(text: &[u8], reading: &Reading) -> Result<ChunkRows, Trouble> {
    let builders = reading.columns.iter().map(Builder::new).collect();
    let mut decoder = Decoder { reading, builders, rows: 0, dropped: Vec::new() };
    let (counts, bad) = walk(text, reading, &mut decoder)?;
    let columns = decoder.finish()?;
    Ok(ChunkRows { counts, columns, bad })
}

struct Decoder<'r> {
    reading: &'r Reading,
    builders: Vec<Builder>,
    /// Rows in the builders.
    rows: usize,
    /// Those that are bad, ascending.
    dropped: Vec<usize>,
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
        if visit.any_bad() {
            let bad = (0..rows).filter(|row| visit.is_bad(*row)).map(|row| self.rows + row);
            self.dropped.extend(bad);
        }
        self.rows += rows;
        Ok(())
    }
}

impl Decoder<'_> {
    fn finish(self) -> Result<Vec<ArrayRef>, Trouble> {
        let arrays: Vec<ArrayRef> =
            self.builders.into_iter().map(Builder::finish).collect::<Result<_, _>>()?;
        if self.dropped.is_empty() {
            return Ok(arrays);
        }
        let mut kept = vec![true; self.rows];
        self.dropped.iter().for_each(|row| kept[*row] = false);
        let kept = BooleanArray::new(BooleanBuffer::from(kept), None);
        let filter = |array: &ArrayRef| compute::filter(array, &kept);
        let filtered: Result<Vec<ArrayRef>, _> = arrays.iter().map(filter).collect();
        filtered.map_err(|error| Trouble::Internal(error.to_string()))
    }
}
