//! Rows that were not accepted, as a table: where they were, their bytes, and why.
//!
//! | column | type | |
//! |---|---|---|
//! | `source` | string | the source's name |
//! | `line` | long | the line the row begins on, counted from 1; line ends within quotes count |
//! | `byte_offset` | long | where the row begins in the decompressed source |
//! | `byte_length` | long | its bytes, with its line end |
//! | `raw` | binary | those bytes |
//! | `reasons` | list of struct | `code`, `column` (null where none is to blame), `rule`, `severity` |
//!
//! Of a binary format `line` is the row's number, counted from 1, offset and length are 0, and `raw` is
//! the row as a line of JSON. The footer says which version of this format it is. Every row is kept; there is no limit. Rules
//! never hold a value of the data.

mod read;

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryArray, Int64Array, ListArray, StringArray, StringBuilder, StructArray,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType as ArrowType, Schema},
};
use lakebed_core::{DataType, Field, Reason, ReasonCode, Severity, TableSchema};

use crate::{Refusal, RowRule, arrow_schema, rows::Fault};

pub use read::{QuarantineError, QuarantineReader, QuarantinedRow};

/// The footer's key for the version of the format.
const FORMAT_KEY: &str = "lakebed.quarantine";
/// The version this build writes. Files of version 1 have no such key.
const FORMAT: u32 = 2;

/// The columns of a quarantine as a table that is read: files of older formats lack some.
#[must_use]
pub fn quarantine_schema() -> TableSchema {
    columns(false)
}

/// The schema of every quarantine file.
pub(crate) fn schema() -> Schema {
    let metadata = HashMap::from([(FORMAT_KEY.to_owned(), FORMAT.to_string())]);
    arrow_schema(&columns(true)).with_metadata(metadata)
}

fn columns(required: bool) -> TableSchema {
    let required = |name: &str, data_type| Field { required, ..Field::optional(name, data_type) };
    let reason = DataType::Struct(vec![
        required("code", DataType::String),
        Field::optional("column", DataType::String),
        required("rule", DataType::String),
        required("severity", DataType::String),
    ]);
    let fields = vec![
        required("source", DataType::String),
        required("line", DataType::Long),
        required("byte_offset", DataType::Long),
        required("byte_length", DataType::Long),
        required("raw", DataType::Binary),
        required("reasons", DataType::List(Box::new(required("element", reason)))),
    ];
    TableSchema::first(fields).expect("the names are good and differ")
}

/// What the bad rows of a source have in common.
pub(crate) struct Origin<'o> {
    pub(crate) source: &'o str,
    /// The source's columns: name and type, for reasons.
    pub(crate) columns: &'o [(String, DataType)],
    /// The rules its rows were judged by.
    pub(crate) rules: &'o [RowRule],
    /// What a record must be so that it can be told apart from others.
    pub(crate) sound: &'static str,
    /// The source's encoding.
    pub(crate) encoding: String,
}

/// A bad row.
pub(crate) struct Entry<'e> {
    /// Its line, counted from 1; in a binary format its number among the rows.
    pub(crate) line: u64,
    /// Where it begins in the source; 0 in a binary format.
    pub(crate) byte_offset: u64,
    /// Its length there; 0 in a binary format.
    pub(crate) byte_length: u64,
    pub(crate) raw: &'e [u8],
    pub(crate) faults: &'e [Fault],
}

/// Bad rows as arrays of [`schema`].
pub(crate) fn arrays(origin: &Origin<'_>, bad: &[Entry<'_>]) -> Result<Vec<ArrayRef>, Refusal> {
    let long = |of: &dyn Fn(&Entry<'_>) -> u64| -> ArrayRef {
        Arc::new(bad.iter().map(|entry| i64::try_from(of(entry)).ok()).collect::<Int64Array>())
    };
    Ok(vec![
        Arc::new(StringArray::from_iter_values(bad.iter().map(|_| origin.source))),
        long(&|entry| entry.line),
        long(&|entry| entry.byte_offset),
        long(&|entry| entry.byte_length),
        Arc::new(BinaryArray::from_iter_values(bad.iter().map(|entry| entry.raw))),
        reasons(origin, bad)?,
    ])
}

fn reasons(origin: &Origin<'_>, bad: &[Entry<'_>]) -> Result<ArrayRef, Refusal> {
    let mut parts = [(); 4].map(|()| StringBuilder::new());
    for fault in bad.iter().flat_map(|entry| entry.faults) {
        let reason = reason(origin, *fault);
        parts[0].append_value(reason.code.as_str());
        parts[1].append_option(reason.column);
        parts[2].append_value(reason.rule);
        parts[3].append_value(reason.severity.as_str());
    }
    let schema = schema();
    let ArrowType::List(element) = schema.field(5).data_type() else {
        return Err(Refusal::internal("reasons are a list"));
    };
    let ArrowType::Struct(fields) = element.data_type() else {
        return Err(Refusal::internal("a reason is a struct"));
    };
    let parts: Vec<ArrayRef> =
        parts.into_iter().map(|mut part| Arc::new(part.finish()) as ArrayRef).collect();
    let structs = StructArray::try_new(fields.clone(), parts, None).map_err(Refusal::internal)?;
    let lengths = OffsetBuffer::from_lengths(bad.iter().map(|entry| entry.faults.len()));
    let list = ListArray::try_new(Arc::clone(element), lengths, Arc::new(structs), None);
    Ok(Arc::new(list.map_err(Refusal::internal)?))
}

/// What a fault is called.
fn reason(origin: &Origin<'_>, fault: Fault) -> Reason {
    let column = fault.column.and_then(|column| origin.columns.get(column as usize));
    let name = column.map(|(name, _)| name.clone());
    if let Some(rule) = fault.rule.and_then(|rule| origin.rules.get(rule as usize)) {
        let (rule, severity) = (rule.rule.clone(), rule.severity);
        return Reason { code: fault.code, column: name, rule, severity };
    }
    let width = origin.columns.len();
    let fields = if width == 1 { "1 field".to_owned() } else { format!("{width} fields") };
    let rule = match (fault.code, column) {
        (ReasonCode::TypeError, Some((_, data_type))) => format!("type {data_type}"),
        (ReasonCode::ExtraCell | ReasonCode::MissingCell, _) => fields,
        (ReasonCode::EncodingError, _) => origin.encoding.clone(),
        (ReasonCode::SourceError, _) => origin.sound.to_owned(),
        (ReasonCode::UnclosedQuote, _) => {
            format!("quotes that open here close within a row of {fields}")
        }
        (code, _) => code.as_str().to_owned(),
    };
    Reason { code: fault.code, column: name, rule, severity: Severity::Error }
}
