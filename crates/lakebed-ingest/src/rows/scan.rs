//! A chunk of text into counts and evidence, without building anything.

use super::{
    ColumnReading, Reading,
    check::{Cell, Cells, is_value, keeps_silent},
    walk::{Counts, Trouble, Visit, Visitor, Walked, walk},
};
use crate::{cell::Evidence, encoding::Passage};

/// What a chunk says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkScan {
    pub(crate) counts: Counts,
    /// Per column; that of typed columns is empty.
    pub(crate) evidence: Vec<Evidence>,
}

/// Goes through the records of a passage. Guesses are not believed but collected: evidence is of
/// the cells of accepted rows.
pub(crate) fn scan(passage: &Passage, reading: &Reading) -> Result<ChunkScan, Trouble> {
    let evidence = vec![Evidence::default(); reading.columns.len()];
    let mut scanner = Scanner { reading, evidence, scratch: Vec::new() };
    let walked = walk(&passage.text, reading, &mut scanner)?;
    let Walked { mut counts, mut bad, skipped } = walked;
    passage.settle(&mut counts, &mut bad, &skipped)?;
    Ok(ChunkScan { counts, evidence: scanner.evidence })
}

struct Scanner<'r> {
    reading: &'r Reading,
    evidence: Vec<Evidence>,
    scratch: Vec<u8>,
}

impl Visitor for Scanner<'_> {
    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), Trouble> {
        let columns = self.reading.columns.iter().enumerate();
        for (column, reading) in columns.clone() {
            if let ColumnReading::Typed { data_type, declared } = reading {
                let cells = Cells::new(visit.text, visit.block, column, self.reading);
                for row in 0..cells.block.rows.len() {
                    let text = match cells.get(row, &mut self.scratch) {
                        Cell::Value(text) => text,
                        Cell::Silent(text) if keeps_silent(data_type) => text,
                        Cell::Silent(_) | Cell::Null => continue,
                    };
                    visit.counts[column].values += 1;
                    if !is_value(text, data_type, *declared) {
                        visit.fail(row, column);
                    }
                }
            }
        }
        for (column, reading) in columns {
            if matches!(reading, ColumnReading::Guessed(_)) {
                self.collect(column, visit);
            }
        }
        Ok(())
    }
}

impl Scanner<'_> {
    fn collect(&mut self, column: usize, visit: &Visit<'_>) {
        let evidence = &mut self.evidence[column];
        if evidence.is_settled() {
            return;
        }
        let cells = Cells::new(visit.text, visit.block, column, self.reading);
        for row in 0..cells.block.rows.len() {
            match cells.get(row, &mut self.scratch) {
                _ if visit.is_bad(row) => {}
                Cell::Value(text) => evidence.add(text),
                Cell::Silent(_) => evidence.add_silent(),
                Cell::Null => {}
            }
        }
    }
}
