//! Chunks of text into rows: accepted ones as Arrow arrays, the others with their reasons.
//!
//! | file | does |
//! |---|---|
//! | `walk` | goes through a chunk in blocks of rows, sets aside what has not the right shape |
//! | `check` | whether a cell is a value of a type |
//! | `build` | cells of a column into an array |
//! | `shape` | what is wrong with a record that is no row |
//! | `judge` | which rules of the source a row breaks |
//! | `decode` | a chunk into arrays |
//! | `scan` | a chunk into evidence and counts |

mod build;
mod check;
mod decode;
mod judge;
mod scan;
mod shape;
mod walk;

use std::sync::Arc;

use lakebed_core::{Comment, DataType, ReasonCode, Spelling};

pub(crate) use build::Builder;
pub(crate) use check::is_value;
pub(crate) use decode::{ChunkRows, decode, without};
pub(crate) use judge::{RuleCount, judge};
pub(crate) use scan::{ChunkScan, scan};
pub(crate) use walk::{BadRow, Counts, Trouble};

use crate::{
    cell::Verdict,
    checks::Checking,
    text::{Dialect, RowShape},
};

/// How the text of a source is read.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) dialect: Dialect,
    pub(crate) nulls: NullTokens,
    /// In the source's order.
    pub(crate) columns: Vec<ColumnReading>,
    /// The longest record that is taken.
    pub(crate) longest_record: usize,
    /// Lines that are comments, if any are.
    pub(crate) comment: Option<Comment>,
    /// The header, where rows that repeat it are none.
    pub(crate) header: Option<Arc<[u8]>>,
    /// How numbers and dates are written.
    pub(crate) spelling: Spelling,
    /// Whether quotes that hold line ends are judged. Versions of before are counted without.
    pub(crate) judges_quotes: bool,
    /// The rules its rows are judged by, where they are decoded.
    pub(crate) checking: Option<Checking>,
}

impl Reading {
    /// What a row looks like, where quotes are judged by it.
    pub(crate) fn shape(&self) -> Option<RowShape> {
        let width = self.columns.len() as u32;
        self.judges_quotes.then_some(RowShape { width, longest: self.longest_record })
    }
}

/// How the cells of a column are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnReading {
    /// As a type that is known; a cell that does not fit quarantines its row.
    Typed { data_type: DataType, declared: bool },
    /// As what cells seen so far say; a cell that says otherwise contradicts the guess.
    Guessed(Verdict),
}

/// Texts that mean "no value", besides the empty one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NullTokens {
    tokens: Vec<Vec<u8>>,
    /// A bit per length of a token, for a quick no.
    lengths: u64,
}

impl NullTokens {
    pub(crate) fn new(tokens: &[String]) -> Self {
        let tokens: Vec<Vec<u8>> = tokens.iter().map(|token| token.clone().into_bytes()).collect();
        let lengths = tokens.iter().fold(0, |bits, token| bits | Self::bit(token));
        Self { tokens, lengths }
    }

    #[inline(always)]
    fn bit(text: &[u8]) -> u64 {
        1 << text.len().min(63)
    }

    /// Whether a text, quotes aside, is no value.
    #[inline(always)]
    pub(crate) fn is_null(&self, text: &[u8]) -> bool {
        text.is_empty() || (self.lengths & Self::bit(text) != 0 && self.is_token(text))
    }

    #[inline(never)]
    fn is_token(&self, text: &[u8]) -> bool {
        self.tokens.iter().any(|token| token == text)
    }
}

/// A defect of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: ReasonCode,
    /// The column to blame, by its place in the source.
    pub(crate) column: Option<u32>,
    /// The rule that is broken, by its place among the source's.
    pub(crate) rule: Option<u32>,
}

impl Fault {
    pub(crate) const fn new(code: ReasonCode, column: Option<u32>) -> Self {
        Self { code, column, rule: None }
    }
}

/// What the cells of a column came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ColumnCounts {
    /// Cells with a value, in rows of the right shape.
    pub(crate) values: u64,
    /// Those of them that are not of the column's type.
    pub(crate) failed: u64,
}

impl ColumnCounts {
    pub(crate) fn add(&mut self, other: Self) {
        self.values += other.values;
        self.failed += other.failed;
    }
}
