//! Whether a cell is a value of a type, and which.
//!
//! One parser per type and manner, shared by those who build arrays and those who only count.

use lakebed_core::{DataType, Spelling};

use super::{ColumnReading, NullTokens, Reading};
use crate::{
    cell::{self, Verdict, civil, number, spelling},
    text::{RawField, RowBlock},
};

/// The cells of one column of a block.
pub(crate) struct Cells<'c> {
    pub(crate) text: &'c [u8],
    pub(crate) block: &'c RowBlock,
    pub(crate) column: usize,
    pub(crate) nulls: &'c NullTokens,
    pub(crate) quote: u8,
    /// How values of the column are written, where that is not how they are read.
    spelling: Option<Spelling>,
}

/// What one cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell<'c> {
    Null,
    /// Quoted, and empty or a null token: a text in a string column, no value in any other.
    Silent(&'c [u8]),
    Value(&'c [u8]),
}

impl<'c> Cells<'c> {
    pub(crate) fn new(
        text: &'c [u8],
        block: &'c RowBlock,
        column: usize,
        reading: &'c Reading,
    ) -> Self {
        let spelling = spelling_of(&reading.columns[column], reading);
        let (nulls, quote) = (&reading.nulls, reading.dialect.quote);
        Self { text, block, column, nulls, quote, spelling }
    }

    /// The cell in a row; `scratch` takes its text where that has to be unescaped.
    #[inline(always)]
    pub(crate) fn get<'s>(&'s self, row: usize, scratch: &'s mut Vec<u8>) -> Cell<'s> {
        let field: RawField<'_> = self.block.field(self.text, row, self.column);
        if let Some(spelling) = self.spelling {
            return self.get_spelled(field, spelling, scratch);
        }
        let bytes = match field.escaped {
            false => field.bytes,
            true => {
                scratch.clear();
                field.unescape_into(self.quote, scratch);
                scratch
            }
        };
        match (self.nulls.is_null(bytes), field.quoted) {
            (false, _) => Cell::Value(bytes),
            (true, false) => Cell::Null,
            (true, true) => Cell::Silent(bytes),
        }
    }
}

impl Cells<'_> {
    #[cold]
    fn get_spelled<'s>(
        &self,
        field: RawField<'_>,
        spelling: Spelling,
        scratch: &'s mut Vec<u8>,
    ) -> Cell<'s> {
        let mut text = Vec::new();
        field.unescape_into(self.quote, &mut text);
        let is_null = self.nulls.is_null(&text);
        match is_null {
            true => text.clone_into(scratch),
            false => spelling::plain_into(&text, spelling, scratch),
        }
        match (is_null, field.quoted) {
            (false, _) => Cell::Value(scratch),
            (true, false) => Cell::Null,
            (true, true) => Cell::Silent(scratch),
        }
    }
}

/// How the values of a column are written, where that matters.
pub(super) fn spelling_of(column: &ColumnReading, reading: &Reading) -> Option<Spelling> {
    let concerned = !reading.spelling.is_plain()
        && match column {
            ColumnReading::Typed { data_type, .. } => spelling::concerns(data_type),
            ColumnReading::Guessed(verdict) => *verdict != Verdict::Text,
        };
    concerned.then_some(reading.spelling)
}

/// Calls `$then!(parser)` with the parser of a type's values, for every type but strings, bytes
/// and nested ones; those go to `$bytes`.
macro_rules! with_parser {
    ($data_type:expr, $declared:expr, $then:ident, $bytes:expr) => {
        match ($data_type, $declared) {
            (DataType::Boolean, false) => $then!(cell::boolean),
            (DataType::Boolean, true) => $then!(cell::boolean_lenient),
            (DataType::Int, false) => $then!(number::int),
            (DataType::Int, true) => $then!(number::int_lenient),
            (DataType::Long, false) => $then!(number::long),
            (DataType::Long, true) => $then!(number::long_lenient),
            (DataType::Float, false) => $then!(number::float_nearest),
            (DataType::Float, true) => $then!(number::float_lenient),
            (DataType::Double, false) => $then!(number::double_nearest),
            (DataType::Double, true) => $then!(number::double_lenient),
            (DataType::Decimal { precision, scale }, false) => {
                $then!(|text: &[u8]| number::decimal(text, *precision, *scale))
            }
            (DataType::Decimal { precision, scale }, true) => {
                $then!(|text: &[u8]| number::decimal(&number::normalised(text), *precision, *scale))
            }
            (DataType::Date, false) => $then!(civil::date),
            (DataType::Date, true) => $then!(|text: &[u8]| civil::date(cell::trimmed(text))),
            (DataType::Time, false) => $then!(civil::time),
            (DataType::Time, true) => $then!(|text: &[u8]| civil::time(cell::trimmed(text))),
            (DataType::Timestamp, false) => $then!(civil::timestamp),
            (DataType::Timestamp, true) => {
                $then!(|text: &[u8]| civil::timestamp_lenient(cell::trimmed(text)))
            }
            (DataType::Timestamptz, false) => $then!(civil::timestamptz),
            (DataType::Timestamptz, true) => {
                $then!(|text: &[u8]| civil::timestamptz_lenient(cell::trimmed(text)))
            }
            (
                DataType::String
                | DataType::Binary
                | DataType::Fixed(_)
                | DataType::Struct(_)
                | DataType::List(_)
                | DataType::Map(..),
                _,
            ) => $bytes,
        }
    };
}
pub(crate) use with_parser;

/// Whether `text` is a value of that type.
pub(crate) fn is_value(text: &[u8], data_type: &DataType, declared: bool) -> bool {
    macro_rules! parses {
        ($parser:expr) => {
            $parser(text).is_some()
        };
    }
    with_parser!(data_type, declared, parses, {
        match data_type {
            DataType::Fixed(length) => text.len() == *length as usize,
            DataType::Struct(_) | DataType::List(_) | DataType::Map(..) => false,
            _ => true,
        }
    })
}

/// Whether a column of that type keeps quoted nothings as text.
pub(crate) const fn keeps_silent(data_type: &DataType) -> bool {
    matches!(data_type, DataType::String | DataType::Binary)
}
