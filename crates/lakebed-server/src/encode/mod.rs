//! Answers to statements, written down as they come: record batches in, bytes out.
//!
//! An [`Encoder`] is plain code over one buffer; [`AnswerBody`] runs it off the async threads, but for
//! a few rows, batch by batch, so that memory holds one batch and its bytes, whatever the answer's length.
//! (Parquet holds one row group.) A stream that breaks off ends in an error, never in a clean end.

mod arrow;
mod body;
mod compressed;
mod csv;
mod json;
mod ndjson;
mod page;
mod parquet;
mod types;
mod values;

pub(crate) use body::AnswerBody;
pub(crate) use compressed::{compress, compressed};
pub(crate) use types::columns;

use ::arrow::{
    datatypes::{DataType, FieldRef, Schema},
    record_batch::RecordBatch,
};
use lakebed_api::{Problem, ResolvedInput, Snapshot, media::SqlFormat};
use lakebed_core::Timestamp;

use crate::problem::{Failure, Result};

/// Any error, boxed.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Writes one format. Called in order: `begin`, `batch` any number of times, `end`.
pub(crate) trait Encoder: Send {
    /// Writes what comes before the first row.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Writes the rows of `batch`, or keeps them for later.
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Writes what comes after the last row.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// How many rows to give it at once, so that long rows do not pile up in the buffer.
    fn rows_at_once(&self) -> usize {
        1024
    }

    /// Whether beginning and ending take a moment, and a few rows too.
    fn is_light(&self) -> bool {
        true
    }

    /// What tells a reader of the format that the rows end early; the body is cut in any case.
    fn last_words(&mut self, _problem: &Problem) -> Vec<u8> {
        Vec::new()
    }
}

/// What an answer says of itself besides its rows.
#[derive(Debug, Clone)]
pub(crate) struct Preamble {
    pub(crate) statement_id: String,
    pub(crate) snapshot: Snapshot,
    pub(crate) resolved: Vec<ResolvedInput>,
    /// What there is to say where it is a page of a product's rows.
    pub(crate) page: Option<PageWords>,
}

/// What a page of a product's rows says besides; see [`lakebed_api::RowsPage`].
#[derive(Debug, Clone)]
pub(crate) struct PageWords {
    pub(crate) as_of: Timestamp,
    pub(crate) stale: Option<bool>,
    pub(crate) next: Option<String>,
}

/// How 64-bit integers look in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Int64 {
    /// Numbers with all their digits.
    #[default]
    Number,
    /// Strings, for readers whose numbers end at 2^53.
    Text,
}

/// The encoder of `format` for rows of `schema`.
///
/// # Errors
/// 422 when the format has no way to write such rows down.
pub(crate) fn encoder(
    format: SqlFormat,
    schema: &Schema,
    preamble: Preamble,
    int64: Int64,
) -> Result<Box<dyn Encoder>> {
    Ok(match format {
        SqlFormat::Json if preamble.page.is_some() => {
            refuse(repeated(schema.fields()), "a JSON object")?;
            Box::new(page::Page::new(schema, preamble, int64))
        }
        SqlFormat::Json => {
            refuse(repeated_within(schema.fields()), "a JSON object")?;
            Box::new(json::Json::new(schema, preamble, int64))
        }
        SqlFormat::Ndjson => {
            refuse(repeated(schema.fields()), "a JSON object")?;
            Box::new(ndjson::Ndjson::new(schema, int64))
        }
        SqlFormat::Csv => {
            refuse(repeated_within(schema.fields()), "a JSON object")?;
            Box::new(csv::Csv::new(schema))
        }
        SqlFormat::Arrow => Box::new(arrow::ArrowStream::new(schema)),
        SqlFormat::Parquet => {
            refuse(repeated(schema.fields()), "a Parquet file")?;
            Box::new(parquet::Parquet::new(schema))
        }
    })
}

/// A few rows as one JSON list of lists.
pub(crate) fn json_rows(rows: &RecordBatch) -> Result<Vec<u8>, BoxError> {
    let options = values::options(Int64::Number);
    let mut writers = values::writers(rows, &options)?;
    let mut out = vec![b'['];
    for row in 0..rows.num_rows() {
        out.extend_from_slice(if row == 0 { b"[" } else { b",[" });
        for (index, writer) in writers.iter_mut().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            values::write_value(writer, row, &mut out);
        }
        out.push(b']');
    }
    out.push(b']');
    Ok(out)
}

/// A second column of the same name would silently take the place of the first.
fn refuse(repeated: Option<&String>, what: &str) -> Result<()> {
    match repeated {
        None => Ok(()),
        Some(name) => {
            let detail = format!("two columns are named `{name}`, which {what} cannot hold");
            Err(not_encodable(detail).hint("give one of them another name with `AS`"))
        }
    }
}

/// The name of two fields that are side by side, here or within one of them.
fn repeated(fields: &[FieldRef]) -> Option<&String> {
    let mut seen = std::collections::HashSet::new();
    let twice = fields.iter().find(|field| !seen.insert(field.name())).map(|field| field.name());
    twice.or_else(|| repeated_within(fields))
}

fn repeated_within(fields: &[FieldRef]) -> Option<&String> {
    fields.iter().find_map(|field| match field.data_type() {
        DataType::Struct(fields) => repeated(fields),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => repeated_within(std::slice::from_ref(item)),
        _ => None,
    })
}

pub(crate) fn not_encodable(detail: String) -> Failure {
    Failure::new(http::StatusCode::UNPROCESSABLE_ENTITY, "not-encodable", detail)
}
