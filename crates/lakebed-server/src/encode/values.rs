//! One value as JSON text: what arrow-json does, but for the values it would lose.
//!
//! Decimals are strings with all their digits; floats that JSON has no number for are `"NaN"`,
//! `"Infinity"`, `"-Infinity"` (arrow-json writes null); points in time are in UTC and end in `Z`,
//! whatever zone the column names (arrow-json needs a time zone database for names). Dates and times
//! beyond the calendar (±262,000 years, a day of 24 hours) are their count of units, as strings
//! (arrow-json writes its error).

use std::{io::Write as _, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    compute::cast,
    datatypes::{
        ArrowPrimitiveType, DataType, FieldRef, Float16Type, Float32Type, Float64Type, Int64Type,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt64Type,
    },
    error::ArrowError,
    json::{
        Encoder, EncoderFactory, EncoderOptions,
        writer::{NullableEncoder, make_encoder},
    },
    record_batch::RecordBatch,
    temporal_conversions::as_datetime,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::Int64;

/// How values are written.
pub(super) fn options(int64: Int64) -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Exact { int64 }))
}

/// One writer a column, for the rows of `batch`.
pub(super) fn writers<'a>(
    batch: &'a RecordBatch,
    options: &'a EncoderOptions,
) -> Result<Vec<NullableEncoder<'a>>, ArrowError> {
    let fields = batch.schema_ref().fields().iter();
    fields.zip(batch.columns()).map(|(field, column)| writer(field, column, options)).collect()
}

/// A writer of one column.
pub(super) fn writer<'a>(
    field: &'a FieldRef,
    column: &'a ArrayRef,
    options: &'a EncoderOptions,
) -> Result<NullableEncoder<'a>, ArrowError> {
    make_encoder(field, column.as_ref(), options)
}

/// Appends the value at `row`, or null.
pub(super) fn write_value(writer: &mut NullableEncoder<'_>, row: usize, out: &mut Vec<u8>) {
    match writer.is_null(row) {
        true => out.extend_from_slice(b"null"),
        false => writer.encode(row, out),
    }
}

#[derive(Debug)]
struct Exact {
    int64: Int64,
}

impl EncoderFactory for Exact {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder = match array.data_type() {
            DataType::Int64 if self.int64 == Int64::Text => quoted::<Int64Type>(array),
            DataType::UInt64 if self.int64 == Int64::Text => quoted::<UInt64Type>(array),
            DataType::Float16 => float::<Float16Type>(array),
            DataType::Float32 => float::<Float32Type>(array),
            DataType::Float64 => float::<Float64Type>(array),
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => {
                Box::new(Decimal(ArrayFormatter::try_new(array, &FormatOptions::new())?)) as _
            }
            DataType::Timestamp(unit, Some(_)) => instant(*unit, array),
            DataType::Date32
            | DataType::Date64
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Timestamp(_, None)
            | DataType::Duration(_) => {
                let text = ArrayFormatter::try_new(array, &FormatOptions::new())?;
                Box::new(Calendar { array, text, buffer: String::new() }) as _
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

fn quoted<'a, T>(array: &'a dyn Array) -> Box<dyn Encoder + 'a>
where
    T: ArrowPrimitiveType<Native: std::fmt::Display>,
{
    Box::new(Quoted::<T>(array.as_primitive()))
}

fn float<'a, T>(array: &'a dyn Array) -> Box<dyn Encoder + 'a>
where
    T: ArrowPrimitiveType<Native: Into<f64> + std::fmt::Debug>,
{
    Box::new(Float::<T>(array.as_primitive()))
}

fn instant(unit: TimeUnit, array: &dyn Array) -> Box<dyn Encoder + '_> {
    match unit {
        TimeUnit::Second => Box::new(Instant::<TimestampSecondType>(array.as_primitive())),
        TimeUnit::Millisecond => {
            Box::new(Instant::<TimestampMillisecondType>(array.as_primitive()))
        }
        TimeUnit::Microsecond => {
            Box::new(Instant::<TimestampMicrosecondType>(array.as_primitive()))
        }
        TimeUnit::Nanosecond => Box::new(Instant::<TimestampNanosecondType>(array.as_primitive())),
    }
}

/// Writing into a vector cannot fail.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {
        let _ = write!($out, $($arguments)*);
    };
}

struct Quoted<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType<Native: std::fmt::Display>> Encoder for Quoted<'_, T> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        put!(out, "\"{}\"", self.0.value(row));
    }
}

struct Float<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType<Native: Into<f64> + std::fmt::Debug>> Encoder for Float<'_, T> {
    /// The shortest digits that read back as the same value of the column's own width.
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        let wide: f64 = value.into();
        if wide.is_finite() {
            put!(out, "{value:?}");
        } else if wide.is_nan() {
            out.extend_from_slice(b"\"NaN\"");
        } else if wide > 0.0 {
            out.extend_from_slice(b"\"Infinity\"");
        } else {
            out.extend_from_slice(b"\"-Infinity\"");
        }
    }
}

struct Decimal<'a>(ArrayFormatter<'a>);

impl Encoder for Decimal<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        put!(out, "\"{}\"", self.0.value(row));
    }
}

/// What a calendar or a clock shows.
struct Calendar<'a> {
    array: &'a dyn Array,
    text: ArrayFormatter<'a>,
    buffer: String,
}

impl Encoder for Calendar<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.buffer.clear();
        if self.text.value(row).write(&mut self.buffer).is_err() {
            let count = cast(&self.array.slice(row, 1), &DataType::Int64);
            let count = count.map(|count| count.as_primitive::<Int64Type>().value(0));
            self.buffer = count.map(|count| count.to_string()).unwrap_or_default();
        }
        put!(out, "\"{}\"", self.buffer);
    }
}

struct Instant<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType<Native = i64>> Encoder for Instant<'_, T>
where
    T: arrow::datatypes::ArrowTemporalType,
{
    /// Points too far away for a calendar (±262,000 years) are written as their count of units.
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        match as_datetime::<T>(value) {
            Some(time) => {
                put!(out, "\"{time:?}Z\"");
            }
            None => {
                put!(out, "\"{value}\"");
            }
        }
    }
}
