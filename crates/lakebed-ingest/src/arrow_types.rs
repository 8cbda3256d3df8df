//! The Arrow side of a table schema.
//!
//! One lake type has one Arrow type, whoever wrote the file: what a Parquet file says of itself in
//! an embedded Arrow schema is never trusted.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Fields, Schema, TimeUnit};
use lakebed_core::{DataType, Field, TableSchema};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;

/// The Arrow schema of a table: columns in order, `PARQUET:field_id` on every field, nested ones
/// included.
///
/// Strings are `Utf8`, decimals `Decimal128`, times and timestamps count microseconds,
/// `timestamptz` is in `UTC`; list elements are named `element`, map entries `key_value`.
#[must_use]
pub fn arrow_schema(schema: &TableSchema) -> Schema {
    Schema::new(schema.fields.iter().map(arrow_field).collect::<Fields>())
}

pub(crate) fn arrow_field(field: &Field) -> ArrowField {
    let id = (PARQUET_FIELD_ID_META_KEY.to_owned(), field.id.to_string());
    ArrowField::new(&field.name, arrow_type(&field.data_type), !field.required)
        .with_metadata(HashMap::from([id]))
}

pub(crate) fn arrow_type(data_type: &DataType) -> ArrowType {
    match data_type {
        DataType::Boolean => ArrowType::Boolean,
        DataType::Int => ArrowType::Int32,
        DataType::Long => ArrowType::Int64,
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::Decimal { precision, scale } => {
            ArrowType::Decimal128(*precision, i8::try_from(*scale).expect("a scale is at most 38"))
        }
        DataType::Date => ArrowType::Date32,
        DataType::Time => ArrowType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamptz => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::String => ArrowType::Utf8,
        DataType::Fixed(length) => {
            ArrowType::FixedSizeBinary(i32::try_from(*length).expect("a length is at most 65,536"))
        }
        DataType::Binary => ArrowType::Binary,
        DataType::Struct(fields) => ArrowType::Struct(fields.iter().map(arrow_field).collect()),
        DataType::List(element) => ArrowType::List(Arc::new(arrow_field(element))),
        DataType::Map(key, value) => {
            let entries: Fields = [arrow_field(key), arrow_field(value)].into_iter().collect();
            let entries = ArrowField::new("key_value", ArrowType::Struct(entries), false);
            ArrowType::Map(Arc::new(entries), false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_carries_its_id() {
        let element = Field::optional("element", DataType::Int);
        let list = Field::optional("tags", DataType::List(Box::new(element)));
        let schema = TableSchema::first(vec![list]).expect("a schema");
        let arrow = arrow_schema(&schema);
        let ArrowType::List(element) = arrow.field(0).data_type() else { panic!("a list") };
        assert_eq!(arrow.field(0).metadata()[PARQUET_FIELD_ID_META_KEY], "1");
        assert_eq!(element.metadata()[PARQUET_FIELD_ID_META_KEY], "2");
    }
}
