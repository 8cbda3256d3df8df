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
//! The footer says which version of this format it is. Every row is kept; there is no limit. Rules
//! never hold a value of the data.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BinaryBuilder, Int64Array, ListArray, StringArray, StringBuilder, StructArray,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType as ArrowType, Schema},
};
use lakebed_core::{DataType, Field, Reason, ReasonCode, Severity, TableSchema};

use crate::{
    Refusal, RowRule, arrow_schema,
    rows::{BadRow, Fault},
};

/// The footer's key for the version of the format.
const FORMAT_KEY: &str = "lakebed.quarantine";
/// The version this build writes. Files of version 1 have no such key.
const FORMAT: u32 = 2;

/// The schema of every quarantine file.
pub(crate) fn schema() -> Schema {
    let required =
        |name: &str, data_type| Field { required: true, ..Field::optional(name, data_type) };
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
    let schema = TableSchema::first(fields).expect("the names are good and differ");
    let metadata = HashMap::from([(FORMAT_KEY.to_owned(), FORMAT.to_string())]);
    arrow_schema(&schema).with_metadata(metadata)
}

/// What the bad rows of a chunk have in common.
pub(crate) struct Origin<'o> {
    pub(crate) source: &'o str,
    /// Where the chunk begins in the source.
    pub(crate) offset: u64,
    /// Line ends before the chunk.
    pub(crate) lines: u64,
    /// The source's columns: name and type, for reasons.
    pub(crate) columns: &'o [(String, DataType)],
    /// The rules its rows were judged by.
    pub(crate) rules: &'o [RowRule],
    /// The source's encoding.
    pub(crate) encoding: String,
}

/// The bad rows of a chunk as arrays of [`schema`]. `raw` holds their bytes, one after the other.
pub(crate) fn arrays(
    origin: &Origin<'_>,
    bad: &[BadRow],
    raw: &[u8],
) -> Result<Vec<ArrayRef>, Refusal> {
    let long = |of: &dyn Fn(&BadRow) -> u64| -> ArrayRef {
        Arc::new(bad.iter().map(|row| i64::try_from(of(row)).ok()).collect::<Int64Array>())
    };
    let mut bytes = BinaryBuilder::new();
    let mut rest = raw;
    for row in bad {
        let (ours, others) = rest.split_at(row.record.range().len());
        bytes.append_value(ours);
        rest = others;
    }
    Ok(vec![
        Arc::new(StringArray::from_iter_values(bad.iter().map(|_| origin.source))),
        long(&|row| origin.lines + u64::from(row.record.line) + 1),
        long(&|row| origin.offset + u64::from(row.record.start)),
        long(&|row| u64::from(row.record.stop - row.record.start)),
        Arc::new(bytes.finish()),
        reasons(origin, bad)?,
    ])
}

fn reasons(origin: &Origin<'_>, bad: &[BadRow]) -> Result<ArrayRef, Refusal> {
    let mut parts = [(); 4].map(|()| StringBuilder::new());
    for fault in bad.iter().flat_map(|row| &row.faults) {
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
    let lengths = OffsetBuffer::from_lengths(bad.iter().map(|row| row.faults.len()));
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
        (ReasonCode::SourceError, _) => {
            "nothing between a closing quote and the delimiter".to_owned()
        }
        (ReasonCode::UnclosedQuote, _) => {
            format!("quotes that open here close within a row of {fields}")
        }
        (code, _) => code.as_str().to_owned(),
    };
    Reason { code: fault.code, column: name, rule, severity: Severity::Error }
}
