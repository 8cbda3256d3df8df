//! Arrow types, as Parquet files have them, to lake types.

use arrow::datatypes::{DataType as ArrowType, Field as ArrowField};
use lakebed_core::{DataType, Field};

/// The narrowest lake type that holds every value of an Arrow type, nullable all the way down;
/// or the name of the type that has none.
pub(crate) fn lake_type(arrow: &ArrowType) -> Result<DataType, String> {
    Ok(match arrow {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8
        | ArrowType::Int16
        | ArrowType::Int32
        | ArrowType::UInt8
        | ArrowType::UInt16 => DataType::Int,
        ArrowType::Int64 | ArrowType::UInt32 => DataType::Long,
        ArrowType::UInt64 => DataType::Decimal { precision: 20, scale: 0 },
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float,
        ArrowType::Float64 => DataType::Double,
        ArrowType::Date32 | ArrowType::Date64 => DataType::Date,
        ArrowType::Time32(_) | ArrowType::Time64(_) => DataType::Time,
        ArrowType::Timestamp(_, None) => DataType::Timestamp,
        ArrowType::Timestamp(_, Some(_)) => DataType::Timestamptz,
        // What is null throughout has no type of its own.
        ArrowType::Null | ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => {
            DataType::String
        }
        ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView => DataType::Binary,
        ArrowType::FixedSizeBinary(length) if (1..=65_536).contains(length) => {
            DataType::Fixed(length.unsigned_abs())
        }
        ArrowType::Decimal32(precision, scale)
        | ArrowType::Decimal64(precision, scale)
        | ArrowType::Decimal128(precision, scale)
        | ArrowType::Decimal256(precision, scale) => decimal(*precision, *scale)?,
        ArrowType::Dictionary(_, values) => lake_type(values)?,
        ArrowType::List(element)
        | ArrowType::LargeList(element)
        | ArrowType::FixedSizeList(element, _) => {
            DataType::List(Box::new(part("element", false, element)?))
        }
        ArrowType::Struct(fields) if !fields.is_empty() => {
            let named = |field: &std::sync::Arc<ArrowField>| part(field.name(), false, field);
            DataType::Struct(fields.iter().map(named).collect::<Result<_, _>>()?)
        }
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) if fields.len() == 2 => DataType::Map(
                Box::new(part("key", true, &fields[0])?),
                Box::new(part("value", false, &fields[1])?),
            ),
            other => return Err(other.to_string()),
        },
        other => return Err(other.to_string()),
    })
}

fn decimal(precision: u8, scale: i8) -> Result<DataType, String> {
    match u8::try_from(scale) {
        Ok(scale) if (1..=38).contains(&precision) && scale <= precision => {
            Ok(DataType::Decimal { precision, scale })
        }
        _ => Err(format!("decimal({precision},{scale})")),
    }
}

fn part(name: &str, required: bool, field: &ArrowField) -> Result<Field, String> {
    let data_type = lake_type(field.data_type())?;
    Ok(Field { required, ..Field::optional(name, data_type) })
}
