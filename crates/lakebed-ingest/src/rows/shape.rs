//! What is wrong with a record that is no row of the right shape, or not UTF-8: all of it.
//!
//! Off the path of good rows, so it may read the record once more.

use lakebed_core::ReasonCode;

use super::{
    ColumnReading, Fault, Reading,
    check::{is_value, keeps_silent, spelling_of},
    walk::is_utf8,
};
use crate::{
    cell::spelling,
    text::{Record, Tokeniser, tokens::fields_of},
};

/// The defects of `record`, at least one. Cells of a record with too many or too few of them stand
/// in no column, and are not looked at.
pub(super) fn faults(text: &[u8], record: &Record, reading: &Reading) -> Vec<Fault> {
    let (fields, width) = (record.fields as usize, reading.columns.len());
    let opened_in = (record.torn && fields < width).then_some(record.fields);
    let of_shape = [
        (record.torn, ReasonCode::UnclosedQuote, opened_in),
        (record.odd, ReasonCode::SourceError, None),
        (!record.torn && fields > width, ReasonCode::ExtraCell, None),
        (!record.torn && fields < width, ReasonCode::MissingCell, None),
    ];
    let mut faults: Vec<Fault> = of_shape
        .into_iter()
        .filter(|(holds, ..)| *holds)
        .map(|(_, code, column)| Fault::new(code, column))
        .collect();
    match (is_utf8(text, record), faults.is_empty()) {
        (true, _) => {}
        (false, false) => faults.push(Fault::new(ReasonCode::EncodingError, None)),
        (false, true) => faults = faults_of_cells(&text[record.range()], reading),
    }
    faults
}

/// Cells that are not UTF-8, then those that are not of their column's type.
fn faults_of_cells(record: &[u8], reading: &Reading) -> Vec<Fault> {
    let mut ends = Vec::new();
    let record_of = Tokeniser::new(record, reading.dialect).next(&mut ends, u32::MAX);
    let Ok(Some(position)) = record_of else {
        return vec![Fault::new(ReasonCode::EncodingError, None)];
    };
    let (mut not_utf8, mut not_of_type) = (Vec::new(), Vec::new());
    let mut cell = Vec::new();
    for (column, field) in fields_of(record, position, &ends).into_iter().enumerate() {
        cell.clear();
        field.unescape_into(reading.dialect.quote, &mut cell);
        let blame = |code| Fault::new(code, Some(column as u32));
        if simdutf8::basic::from_utf8(&cell).is_err() {
            not_utf8.push(blame(ReasonCode::EncodingError));
        } else if !is_of_type(&cell, field.quoted, &reading.columns[column], reading) {
            not_of_type.push(blame(ReasonCode::TypeError));
        }
    }
    not_utf8.append(&mut not_of_type);
    not_utf8
}

fn is_of_type(cell: &[u8], is_quoted: bool, column: &ColumnReading, reading: &Reading) -> bool {
    let ColumnReading::Typed { data_type, declared } = column else { return true };
    let is_nothing = reading.nulls.is_null(cell) && !(is_quoted && keeps_silent(data_type));
    if is_nothing {
        return true;
    }
    match spelling_of(column, reading) {
        None => is_value(cell, data_type, *declared),
        Some(spelling) => {
            let mut plain = Vec::new();
            spelling::plain_into(cell, spelling, &mut plain);
            is_value(&plain, data_type, *declared)
        }
    }
}
