//! Batches as clients know them: plain types, no metadata.
//!
//! Inside, texts and bytes are views; outside, they are what every Arrow reader has had for years. Times that
//! no format but Arrow's counts in their unit are counted in milliseconds.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::{self, CastOptions},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit},
    util::display::FormatOptions,
};
use lakebed_service::engine::EngineError;

use crate::{
    errors::{from_datafusion, internal},
    functions::value_bytes,
};

/// A batch with more bytes than this is cut in two before its views are turned back: offsets of
/// plain texts count to 2 GiB.
const CUT_BYTES: u128 = 1 << 30;

/// What does not fit is an error, never null.
const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: FormatOptions::new() };

/// The columns of an answer as clients know them.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Fields = schema.fields().iter().map(plain_field).collect();
    Arc::new(Schema::new(fields))
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), plain(field.data_type()), field.is_nullable()))
}

/// The type as clients know it.
pub(crate) fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(plain_field(item)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item)),
        DataType::FixedSizeList(item, length) => {
            DataType::FixedSizeList(plain_field(item), *length)
        }
        DataType::ListView(item) => DataType::List(plain_field(item)),
        DataType::LargeListView(item) => DataType::LargeList(plain_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        DataType::Dictionary(_, values) => plain(values),
        // A Parquet file has no seconds, and no days in milliseconds: they would come back as numbers.
        DataType::Timestamp(TimeUnit::Second, zone) => {
            DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
        }
        DataType::Time32(TimeUnit::Second) => DataType::Time32(TimeUnit::Millisecond),
        DataType::Date64 => DataType::Timestamp(TimeUnit::Millisecond, None),
        other => other.clone(),
    }
}

/// `batch` with the columns of `schema`, which is [`plain_schema`] of its own; in several parts
/// where it is very large.
pub(crate) fn plain_batches(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, EngineError> {
    let rows = batch.num_rows();
    let bytes: u128 = batch.columns().iter().map(value_bytes).sum();
    if bytes <= CUT_BYTES || rows <= 1 {
        return Ok(vec![plain_batch(batch, schema)?]);
    }
    let mut parts = plain_batches(&batch.slice(0, rows / 2), schema)?;
    parts.extend(plain_batches(&batch.slice(rows / 2, rows - rows / 2), schema)?);
    Ok(parts)
}

fn plain_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, EngineError> {
    let arrays = batch.columns().iter().zip(schema.fields()).map(|(array, field)| {
        match array.data_type() == field.data_type() {
            true => Ok(Arc::clone(array)),
            false => compute::cast_with_options(array, field.data_type(), &STRICT)
                .map_err(|error| from_datafusion(error.into())),
        }
    });
    let arrays = arrays.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(internal)
}
