//! The names of types in answers: the words of a table's schema, or Arrow's own.

use arrow::datatypes::{DataType, Schema};
use lakebed_api::SqlColumn;

/// The columns of an answer, in order.
pub(crate) fn columns(schema: &Schema) -> Vec<SqlColumn> {
    let fields = schema.fields().iter();
    fields
        .map(|field| SqlColumn {
            name: field.name().clone(),
            data_type: name_of(field.data_type()),
        })
        .collect()
}

fn name_of(data_type: &DataType) -> String {
    let word = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Date32 => "date",
        DataType::Time64(_) | DataType::Time32(_) => "time",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary",
        DataType::Dictionary(_, values) => return name_of(values),
        _ => return nested_name_of(data_type),
    };
    word.to_owned()
}

fn nested_name_of(data_type: &DataType) -> String {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::FixedSizeBinary(length) => format!("fixed[{length}]"),
        DataType::List(element) | DataType::LargeList(element) | DataType::ListView(element) => {
            format!("list<{}>", name_of(element.data_type()))
        }
        DataType::Struct(fields) => {
            let named = |field: &arrow::datatypes::FieldRef| {
                format!("{}: {}", field.name(), name_of(field.data_type()))
            };
            format!("struct<{}>", fields.iter().map(named).collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let name = |index: usize| name_of(pair[index].data_type());
                format!("map<{}, {}>", name(0), name(1))
            }
            _ => data_type.to_string(),
        },
        other => other.to_string(),
    }
}
