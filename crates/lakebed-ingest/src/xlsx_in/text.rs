//! A sheet as delimited text: a line for each row of its range, in which texts are quoted.
//!
//! Everything that reads delimited text reads sheets by this. Rows without cells are blank lines. A
//! cell of several lines makes several lines of one row, so the numbers of rows are kept.

use std::{
    borrow::Cow,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Fault,
    cells::{Cell, Kind, Row, Rows},
    range::Range,
    serial::{Shows, moment},
    strings::Strings,
};
use crate::{
    cell::{number, trimmed},
    chunks::line_ends,
};

/// Blank lines that are made at once.
const GAP: u32 = 64 << 10;

/// Which row of the sheet stands on which line of the text.
#[derive(Debug, Default)]
pub(crate) struct RowNumbers {
    first: u32,
    /// From that line on, so many lines continue a row above. Lines count from 0.
    extra: Mutex<Vec<(u64, u64)>>,
}

impl RowNumbers {
    pub(super) fn new(first: u32) -> Self {
        Self { first, extra: Mutex::default() }
    }

    /// The number of the row that begins on `line` of the text; both count from 1.
    pub(crate) fn row_of(&self, line: u64) -> u64 {
        let line = line.saturating_sub(1);
        let extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        let count = extra.partition_point(|(from, _)| *from <= line);
        let extra = count.checked_sub(1).map_or(0, |last| extra[last].1);
        u64::from(self.first) + line - extra
    }

    /// Every reader of the sheet says the same, so what is known already is not said again.
    fn note(&self, line: u64, sum: u64) {
        let mut extra = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        if extra.last().is_none_or(|(last, _)| *last < line) {
            extra.push((line, sum));
        }
    }
}

/// Reads a sheet as text.
pub(super) struct SheetText<'p> {
    pub(super) rows: Rows<'p>,
    pub(super) writer: Writer,
    pub(super) range: Range,
    pub(super) numbers: Arc<RowNumbers>,
    /// The row that the next line is.
    pub(super) next: u32,
    pub(super) state: State,
}

/// How far the text is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Blank lines to be told first.
    gap: u32,
    /// Then the line of a row.
    line: Vec<u8>,
    out: Vec<u8>,
    told: usize,
    lines: u64,
    extra: u64,
    ended: bool,
}

impl SheetText<'_> {
    fn advance(&mut self) -> Result<(), Fault> {
        let Self { rows, writer, range, numbers, next, state } = self;
        let Some(row) = rows.next()? else {
            state.ended = true;
            return Ok(());
        };
        if !(range.rows.0..=range.rows.1).contains(&row.number) {
            return Ok(());
        }
        state.gap = row.number - *next;
        *next = row.number + 1;
        state.line.clear();
        writer.row(row, *range, &mut state.line)?;
        let lines = line_ends(&state.line);
        state.lines += u64::from(state.gap) + lines;
        if lines > 1 {
            state.extra += lines - 1;
            numbers.note(state.lines, state.extra);
        }
        Ok(())
    }
}

impl Read for SheetText<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let State { gap, line, out, told, ended, .. } = &mut self.state;
            if *told < out.len() {
                let count = buffer.len().min(out.len() - *told);
                buffer[..count].copy_from_slice(&out[*told..*told + count]);
                *told += count;
                return Ok(count);
            }
            (*told, *gap) = match *gap {
                0 => {
                    out.clear();
                    std::mem::swap(out, line);
                    (0, 0)
                }
                gap => {
                    out.clear();
                    out.resize(gap.min(GAP) as usize, b'\n');
                    (0, gap - gap.min(GAP))
                }
            };
            if out.is_empty() {
                if *ended {
                    return Ok(0);
                }
                self.advance()?;
            }
        }
    }
}

/// Writes rows.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) strings: Strings,
    pub(super) formats: Vec<Shows>,
    pub(super) since_1904: bool,
}

impl Writer {
    /// A line; blank if the row holds nothing.
    fn row(&self, row: &Row, range: Range, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (mut at, start, mut holds) = (range.columns.0, out.len(), false);
        let inside = |cell: &&Cell| range.holds(row.number, cell.column);
        for cell in row.cells.iter().filter(inside) {
            out.resize(out.len() + (cell.column - at) as usize, b',');
            at = cell.column;
            let before = out.len();
            self.cell(row, cell, out)?;
            holds |= out.len() > before;
        }
        match holds {
            true => out.resize(out.len() + (range.columns.1 - at) as usize, b','),
            false => out.truncate(start),
        }
        out.push(b'\n');
        Ok(())
    }

    fn cell(&self, row: &Row, cell: &Cell, out: &mut Vec<u8>) -> Result<(), Fault> {
        let text = row.text(cell);
        match cell.kind {
            Kind::Number => self.number(trimmed(text), cell.format, out),
            Kind::Shared => {
                let index = std::str::from_utf8(trimmed(text)).ok().and_then(|t| t.parse().ok());
                let is_nothing = trimmed(text).is_empty();
                let shared = index.and_then(|index| self.strings.get(index));
                match shared.or(is_nothing.then_some(b"")) {
                    Some(shared) => quoted(shared, out),
                    None => {
                        let what = format!("a text in row {} is not there", row.number);
                        return Err(Fault::damaged(what));
                    }
                }
            }
            Kind::Boolean => match trimmed(text) {
                b"1" => out.extend_from_slice(b"true"),
                b"0" => out.extend_from_slice(b"false"),
                other => quoted(other, out),
            },
            Kind::Text | Kind::Error | Kind::Date => quoted(text, out),
        }
        Ok(())
    }

    fn number(&self, text: &[u8], format: usize, out: &mut Vec<u8>) {
        let shows = self.formats.get(format).copied().unwrap_or_default();
        let moment = shows
            .is_moment()
            .then(|| number::double_nearest(text))
            .flatten()
            .and_then(|serial| moment(serial, shows, self.since_1904));
        match moment {
            Some(moment) => out.extend_from_slice(moment.as_bytes()),
            None => match number::form(text) {
                Some(form) => out.extend_from_slice(&shortest(text, form)),
                None => quoted(text, out),
            },
        }
    }
}

/// A number as briefly as its double can be told: Excel writes 1.1 as 1.1000000000000001. Whole
/// numbers keep their digits.
fn shortest(text: &[u8], form: number::Form) -> Cow<'_, [u8]> {
    let is_whole = form.fraction.is_none() && !form.exponent;
    if is_whole || form.significant < 16 {
        return Cow::Borrowed(text);
    }
    match number::double_nearest(text) {
        Some(value) if value == 0.0 || (1e-5..1e21).contains(&value.abs()) => {
            Cow::Owned(value.to_string().into_bytes())
        }
        Some(value) => Cow::Owned(format!("{value:e}").into_bytes()),
        None => Cow::Borrowed(text),
    }
}

/// A text between quotes; nothing for no text.
fn quoted(text: &[u8], out: &mut Vec<u8>) {
    if text.is_empty() {
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
