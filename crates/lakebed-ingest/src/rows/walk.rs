//! Going through a chunk: blocks of rows of the right shape to a visitor, the rest set aside.
//!
//! P6 is kept here: every record of the chunk is counted once, with all its bytes, as accepted, bad
//! or blank.

use std::collections::BTreeMap;

use lakebed_core::{Comment, ReasonCode, SkipKind, Tally};

use super::{ColumnCounts, Fault, Reading, judge::RuleCount, shape};
use crate::{
    sniff::without_line_end,
    text::{Record, RowBlock, Tokeniser, tokens::Doubts},
};

/// Rows of a block: few enough for a core's cache.
pub(crate) const BLOCK_ROWS: usize = 1024;

/// What became of the records of a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) accepted: Tally,
    pub(crate) quarantined: Tally,
    /// Blank lines: `rows` counts lines.
    pub(crate) blank: Tally,
    /// Lines of comment.
    pub(crate) comment: Tally,
    /// Rows that repeat the header.
    pub(crate) repeated: Tally,
    /// What stands between records: `rows` counts ranges.
    pub(crate) punctuation: Tally,
    /// Line ends in the chunk.
    pub(crate) lines: u64,
    /// How many bad rows have which fault first.
    pub(crate) reasons: BTreeMap<ReasonCode, u64>,
    /// Line ends before the first bad row.
    pub(crate) first_bad: Option<u64>,
    /// Per column of the source.
    pub(crate) columns: Vec<ColumnCounts>,
    /// Per rule of the source; empty where nothing was judged.
    pub(crate) rules: Vec<RuleCount>,
    /// Rows of several lines whose lines could be rows.
    pub(crate) doubts: Doubts,
}

impl Counts {
    /// Counts a row as quarantined that was counted as accepted.
    pub(super) fn condemn(&mut self, row: &BadRow) {
        self.accepted.rows -= 1;
        self.accepted.bytes -= length(&row.record);
        self.quarantine(row);
    }

    fn quarantine(&mut self, row: &BadRow) {
        add(&mut self.quarantined, &row.record);
        *self.reasons.entry(row.faults[0].code).or_default() += 1;
    }
}

/// A row that is not accepted, and why: at least one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRow {
    /// Positions and lines count from the chunk's start.
    pub(crate) record: Record,
    pub(crate) faults: Vec<Fault>,
}

/// Why a chunk cannot be decoded as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A cell contradicts the guessed type of its column.
    Contradicted,
    /// A record is too long; line ends before it in the chunk.
    TooLong { line: u32 },
    /// What should be JSON is not; line ends before that place.
    Broken { line: u32 },
    /// Quotes are open at the end; line ends before them.
    Unclosed { line: u32 },
    /// A fault of this program.
    Internal(String),
}

/// Rows of one block, as a visitor sees and judges them.
pub(crate) struct Visit<'v> {
    pub(crate) text: &'v [u8],
    pub(crate) block: &'v RowBlock,
    pub(crate) counts: &'v mut [ColumnCounts],
    /// Cells that are not of their column's type: row of the block, column.
    failed: Vec<(u32, u32)>,
    /// Whether a row of the block has such a cell.
    bad: Vec<bool>,
}

impl Visit<'_> {
    pub(crate) fn fail(&mut self, row: usize, column: usize) {
        self.failed.push((row as u32, column as u32));
        self.bad[row] = true;
        self.counts[column].failed += 1;
    }

    #[inline(always)]
    pub(crate) fn is_bad(&self, row: usize) -> bool {
        self.bad[row]
    }

    /// A cell that is not of its column's type, in a row that is bad already; not counted.
    pub(crate) fn fail_too(&mut self, row: usize, column: usize) {
        self.failed.push((row as u32, column as u32));
    }

    pub(crate) fn any_bad(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Rows of the block that have a failed cell, ascending, with their columns, ascending.
    fn into_failed(mut self) -> Vec<(usize, Vec<Fault>)> {
        self.failed.sort_unstable();
        let mut rows: Vec<(usize, Vec<Fault>)> = Vec::new();
        for (row, column) in self.failed {
            let fault = Fault::new(ReasonCode::TypeError, Some(column));
            match rows.last_mut() {
                Some((last, faults)) if *last == row as usize => faults.push(fault),
                _ => rows.push((row as usize, vec![fault])),
            }
        }
        rows
    }
}

/// Reads the cells of a block. Typed columns are read first, so that guesses see accepted rows only.
pub(crate) trait Visitor {
    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), Trouble>;
}

/// What became of a chunk.
pub(crate) struct Walked {
    pub(crate) counts: Counts,
    /// In the order of the text.
    pub(crate) bad: Vec<BadRow>,
    /// Comments and repeated headers.
    pub(crate) skipped: Vec<(SkipKind, Record)>,
}

/// Goes through `text`, which begins and ends at borders of records.
pub(crate) fn walk(
    text: &[u8],
    reading: &Reading,
    visitor: &mut impl Visitor,
) -> Result<Walked, Trouble> {
    let width = reading.columns.len();
    let mut counts = Counts { columns: vec![ColumnCounts::default(); width], ..Counts::default() };
    let (mut bad_rows, mut skipped) = (Vec::new(), Vec::new());
    let skips = Skips { text, reading };
    let mut tokens = Tokeniser::new(text, reading.dialect);
    tokens.judge_by(reading.shape());
    let mut block = RowBlock::new(width);
    let checks_utf8 = simdutf8::basic::from_utf8(text).is_err();
    let mut more = true;
    while more {
        let is_sound = |record: &Record| {
            (!checks_utf8 || is_utf8(text, record))
                && !skips.comment(record)
                && !skips.header(record)
        };
        let mut misfits = Vec::new();
        more = block
            .fill(&mut tokens, BLOCK_ROWS, is_sound, |record| misfits.push(record))
            .map_err(|unclosed| Trouble::Unclosed { line: unclosed.line })?;
        check_lengths(block.rows.iter().chain(&misfits), reading.longest_record)?;
        for record in misfits {
            if record.blank {
                add(&mut counts.blank, &record);
            } else if skips.comment(&record) {
                add(&mut counts.comment, &record);
                skipped.push((SkipKind::Comment, record));
            } else if skips.header(&record) {
                add(&mut counts.repeated, &record);
                skipped.push((SkipKind::Repeated, record));
            } else {
                let faults = shape::faults(text, &record, reading);
                bad_rows.push(BadRow { record, faults });
            }
        }
        let failed = vec![false; block.rows.len()];
        let mut visit = Visit {
            text,
            block: &block,
            counts: &mut counts.columns,
            failed: Vec::new(),
            bad: failed,
        };
        visitor.visit(&mut visit)?;
        let failed = visit.into_failed();
        block.rows.iter().for_each(|record| add(&mut counts.accepted, record));
        for (row, faults) in failed {
            let record = block.rows[row];
            counts.accepted.rows -= 1;
            counts.accepted.bytes -= length(&record);
            bad_rows.push(BadRow { record, faults });
        }
    }
    counts.lines = u64::from(tokens.line());
    counts.doubts = tokens.doubts();
    bad_rows.sort_unstable_by_key(|bad| bad.record.start);
    bad_rows.iter().for_each(|bad| counts.quarantine(bad));
    counts.first_bad = bad_rows.first().map(|bad| u64::from(bad.record.line));
    Ok(Walked { counts, bad: bad_rows, skipped })
}

/// Tells records that are no rows, though they are there.
struct Skips<'s> {
    text: &'s [u8],
    reading: &'s Reading,
}

impl Skips<'_> {
    /// Whether a record is a line of comment.
    #[inline(always)]
    fn comment(&self, record: &Record) -> bool {
        self.reading.comment.is_some_and(|comment| {
            self.text.get(record.start as usize) == Some(&(comment.begin as u8))
                && self.is_comment(comment, record)
        })
    }

    #[cold]
    fn is_comment(&self, comment: Comment, record: &Record) -> bool {
        let is_row =
            record.fields as usize == self.reading.columns.len() && !record.odd && !record.torn;
        // What a quote in a comment draws in from lines below is not for a comment to hide.
        let is_line = memchr::memchr2(b'\n', b'\r', without_line_end(&self.text[record.range()]));
        !(comment.except_rows && is_row) && is_line.is_none()
    }

    /// Whether a record is the header once more, as in files that were joined.
    #[inline(always)]
    fn header(&self, record: &Record) -> bool {
        let Some(header) = &self.reading.header else { return false };
        let length = record.range().len();
        // A byte order mark may stand before it, a line end of two bytes behind.
        (header.len()..=header.len() + 5).contains(&length) && self.is_header(header, record)
    }

    #[inline(never)]
    fn is_header(&self, header: &[u8], record: &Record) -> bool {
        let text = without_line_end(&self.text[record.range()]);
        text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) == header
    }
}

fn add(tally: &mut Tally, record: &Record) {
    tally.rows += 1;
    tally.bytes += length(record);
}

fn length(record: &Record) -> u64 {
    u64::from(record.stop - record.start)
}

pub(super) fn is_utf8(text: &[u8], record: &Record) -> bool {
    simdutf8::basic::from_utf8(&text[record.range()]).is_ok()
}

fn check_lengths<'r>(
    records: impl Iterator<Item = &'r Record>,
    longest: usize,
) -> Result<(), Trouble> {
    let is_long = |record: &&Record| record.range().len() > longest;
    match records.filter(is_long).min_by_key(|record| record.start) {
        Some(record) => Err(Trouble::TooLong { line: record.line }),
        None => Ok(()),
    }
}
