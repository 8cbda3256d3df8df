//! The records of a chunk into rows: accepted ones as Arrow arrays, the others with their reasons.

use std::borrow::Cow;

use arrow::array::ArrayRef;
use lakebed_core::{JsonForm, ReasonCode, Tally};

use super::{
    JsonColumn, JsonReading,
    build::{Column, Manner, fits, is_null},
    cut::{Cut, Kind, Piece, pieces},
    parse::{Node, Value, parse},
};
use crate::{
    chunks::line_ends,
    rows::{self, BadRow, ChunkRows, ColumnCounts, Counts, Fault, Trouble},
    text::Record,
    unique::Turn,
};

/// The pieces of a chunk, none of which is too long.
pub(super) fn checked_pieces(
    cut: &Cut,
    form: JsonForm,
    longest: usize,
) -> Result<Vec<Piece>, Trouble> {
    let line = |place: usize| line_ends(&cut.text[..place]) as u32;
    let pieces = pieces(cut, form).map_err(|broken| Trouble::Broken { line: line(broken.0) })?;
    match pieces.iter().find(|piece| piece.stop - piece.start > longest) {
        Some(piece) => Err(Trouble::TooLong { line: line(piece.start) }),
        None => Ok(pieces),
    }
}

/// The rows of a chunk, and the bytes of bad ones, one after the other.
pub(crate) fn decode(
    cut: &Cut,
    reading: &JsonReading,
    turn: Option<Turn>,
) -> Result<(ChunkRows, Vec<u8>), Trouble> {
    let mut rows = Rows::new(reading);
    let (mut lines, mut seen) = (0_u32, 0);
    for piece in checked_pieces(cut, reading.form, reading.longest_record)? {
        let text = &cut.text[piece.start..piece.stop];
        lines += line_ends(&cut.text[seen..piece.start]) as u32;
        seen = piece.start;
        let tally = match piece.kind {
            Kind::Blank => &mut rows.counts.blank,
            Kind::Punctuation => &mut rows.counts.punctuation,
            Kind::Record => {
                rows.take(text, record(piece, lines));
                continue;
            }
        };
        *tally = Tally { rows: tally.rows + 1, bytes: tally.bytes + text.len() as u64 };
    }
    rows.counts.lines = u64::from(lines) + line_ends(&cut.text[seen..]);
    let rows = rows.finish(turn)?;
    let mut raw = Vec::new();
    rows.bad.iter().for_each(|bad| raw.extend_from_slice(&cut.text[bad.record.range()]));
    Ok((rows, raw))
}

fn record(piece: Piece, line: u32) -> Record {
    let (start, stop) = (piece.start as u32, piece.stop as u32);
    Record { start, stop, line, fields: 0, odd: false, blank: false, torn: false }
}

struct Rows<'r> {
    reading: &'r JsonReading,
    manners: Vec<Manner>,
    columns: Vec<Column>,
    /// Those in the arrays.
    records: Vec<Record>,
    /// Their places that are bad.
    dropped: Vec<usize>,
    bad: Vec<BadRow>,
    counts: Counts,
}

impl<'r> Rows<'r> {
    fn new(reading: &'r JsonReading) -> Self {
        let manner = |column: &JsonColumn| Manner {
            declared: column.declared,
            nulls: reading.nulls.clone(),
        };
        let column = |column: &JsonColumn| Column::new(&column.data_type, column.declared);
        let columns = vec![ColumnCounts::default(); reading.columns.len()];
        Self {
            reading,
            manners: reading.columns.iter().map(manner).collect(),
            columns: reading.columns.iter().map(column).collect(),
            records: Vec::new(),
            dropped: Vec::new(),
            bad: Vec::new(),
            counts: Counts { columns, ..Counts::default() },
        }
    }

    fn take(&mut self, text: &[u8], record: Record) {
        let faults = match parse(text).map(|node| node.value) {
            Ok(Value::Object(fields)) => {
                let faults = self.faults(&fields);
                // A record whose types alone are wrong is judged by the rules as well.
                if faults.iter().all(|fault| fault.code == ReasonCode::TypeError) {
                    self.build(&fields, record, &faults);
                }
                if faults.is_empty() {
                    self.counts.accepted.rows += 1;
                    self.counts.accepted.bytes += record.range().len() as u64;
                    return;
                }
                faults
            }
            Ok(_) => vec![Fault::new(ReasonCode::SourceError, None)],
            Err(code) => vec![Fault::new(code, None)],
        };
        let Counts { quarantined, reasons, .. } = &mut self.counts;
        quarantined.rows += 1;
        quarantined.bytes += record.range().len() as u64;
        *reasons.entry(faults[0].code).or_default() += 1;
        self.bad.push(BadRow { record, faults });
    }

    fn faults(&mut self, fields: &[(Cow<'_, str>, Node<'_>)]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (key, node) in fields {
            let place = self.reading.columns.iter().position(|column| column.key == *key);
            let Some(place) = place else {
                faults.push(Fault::new(ReasonCode::ExtraCell, None));
                continue;
            };
            let (column, manner) = (&self.reading.columns[place], &self.manners[place]);
            let counts = &mut self.counts.columns[place];
            counts.values += u64::from(!is_null(node, manner));
            if !fits(node, &column.data_type, manner) {
                counts.failed += 1;
                faults.push(Fault::new(ReasonCode::TypeError, Some(place as u32)));
            }
        }
        faults.sort_unstable_by_key(|fault| fault.column);
        faults
    }

    /// Takes in a record of the right shape; cells with a fault have no value.
    fn build(&mut self, fields: &[(Cow<'_, str>, Node<'_>)], record: Record, faults: &[Fault]) {
        let columns = self.reading.columns.iter().zip(&self.manners).zip(&mut self.columns);
        for (place, ((reading, manner), column)) in columns.enumerate() {
            let is_faulty = faults.iter().any(|fault| fault.column == Some(place as u32));
            let node = fields.iter().find(|(key, _)| !is_faulty && *key == reading.key);
            column.push(node.map(|(_, node)| node), manner);
        }
        if !faults.is_empty() {
            self.dropped.push(self.records.len());
        }
        self.records.push(record);
    }

    fn finish(self, turn: Option<Turn>) -> Result<ChunkRows, Trouble> {
        let Self { reading, columns, records, mut dropped, mut bad, mut counts, .. } = self;
        let columns: Vec<ArrayRef> =
            columns.into_iter().map(Column::finish).collect::<Result<_, _>>()?;
        counts.first_bad = bad.first().map(|row| u64::from(row.record.line));
        if let Some(checking) = &reading.checking {
            rows::judge(checking, &columns, &records, &mut dropped, &mut counts, &mut bad, turn)?;
        }
        let columns = rows::without(columns, records.len(), &dropped).map_err(Trouble::Internal)?;
        Ok(ChunkRows { counts, columns, bad })
    }
}
