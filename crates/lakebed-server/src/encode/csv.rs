//! `text/csv`: RFC 4180, UTF-8, with a header line; lines end in CR LF.
//!
//! No value is an empty field, an empty text is `""`, so that both can be told apart. (In a table
//! of one column no value is `""` too, because readers skip empty lines.) Values look as in JSON
//! without its quotes; nested ones are JSON.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, FieldRef, Schema},
    json::{EncoderOptions, writer::NullableEncoder},
    record_batch::RecordBatch,
};

use super::{BoxError, Encoder, Int64, values};
use crate::problem::Result;

pub(super) struct Csv {
    names: Vec<String>,
    options: EncoderOptions,
    /// One value, before its quotes.
    field: Vec<u8>,
}

impl Csv {
    pub(super) fn new(schema: &Schema) -> Self {
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        Self { names, options: values::options(Int64::Number), field: Vec::new() }
    }
}

impl Encoder for Csv {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        for (index, name) in self.names.iter().enumerate() {
            put_separator(index, out);
            put_field(name.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let plain = batch.columns().iter().map(|column| without_dictionary(column));
        let plain = plain.collect::<Result<Vec<_>, _>>()?;
        let fields = batch.schema_ref().fields().iter();
        let writers = fields.zip(&plain).map(|(f, column)| Column::new(f, column, &self.options));
        let mut writers = writers.collect::<Result<Vec<_>, _>>()?;
        let null: &[u8] = if writers.len() == 1 { b"\"\"" } else { b"" };
        for row in 0..batch.num_rows() {
            for (index, writer) in writers.iter_mut().enumerate() {
                put_separator(index, out);
                match writer.is_null(row) {
                    true => out.extend_from_slice(null),
                    false => writer.put(row, &mut self.field, out),
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(())
    }
}

enum Column<'a> {
    /// Text is written as it is.
    Text(&'a ArrayRef, fn(&'a ArrayRef, usize) -> &'a str),
    /// Numbers, booleans and nested values are their JSON.
    Json(NullableEncoder<'a>),
    /// Dates, times, decimals, floats and bytes may be JSON strings; none of them escapes anything.
    Unquoted(NullableEncoder<'a>),
}

impl<'a> Column<'a> {
    fn new(
        field: &'a FieldRef,
        column: &'a ArrayRef,
        options: &'a EncoderOptions,
    ) -> Result<Self, BoxError> {
        Ok(match column.data_type() {
            DataType::Utf8 => {
                Self::Text(column, |column, row| column.as_string::<i32>().value(row))
            }
            DataType::LargeUtf8 => {
                Self::Text(column, |column, row| column.as_string::<i64>().value(row))
            }
            DataType::Utf8View => {
                Self::Text(column, |column, row| column.as_string_view().value(row))
            }
            nested if nested.is_nested() => Self::Json(values::writer(field, column, options)?),
            _ => Self::Unquoted(values::writer(field, column, options)?),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(column, _) => column.is_null(row),
            Self::Json(writer) | Self::Unquoted(writer) => writer.is_null(row),
        }
    }

    fn put(&mut self, row: usize, field: &mut Vec<u8>, out: &mut Vec<u8>) {
        field.clear();
        match self {
            Self::Text(column, value) => return put_field(value(column, row).as_bytes(), out),
            Self::Json(writer) | Self::Unquoted(writer) => writer.encode(row, field),
        }
        let quoted = field.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        match (&self, quoted) {
            (Self::Unquoted(_), Some(inner)) => put_field(inner, out),
            _ => put_field(field, out),
        }
    }
}

/// Dictionaries and runs as the values they stand for.
fn without_dictionary(column: &ArrayRef) -> Result<ArrayRef, BoxError> {
    Ok(match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values)?,
        DataType::RunEndEncoded(_, values) => cast(column, values.data_type())?,
        _ => ArrayRef::clone(column),
    })
}

fn put_separator(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

fn put_field(value: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n');
    if !value.is_empty() && !value.iter().any(special) {
        return out.extend_from_slice(value);
    }
    out.push(b'"');
    for part in value.split_inclusive(|byte| *byte == b'"') {
        out.extend_from_slice(part);
        if part.ends_with(b"\"") {
            out.push(b'"');
        }
    }
    out.push(b'"');
}
