//! How our Parquet files are written. Everything that shapes their bytes is said here, whether or
//! not it is the library's default, so that a new default does not change old data's names.

use std::collections::HashMap;

use parquet::{
    basic::{Compression, Encoding, Type as PhysicalType, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
    },
    schema::types::SchemaDescriptor,
};

use super::{GROUP_ROWS, choice::LARGEST_DICTIONARY};

/// Counts up when the same rows would give other bytes.
pub(crate) const CREATED_BY: &str = "lakebed parquet 1";

/// Properties of every table and quarantine file, for columns with a dictionary or without.
/// `metadata` goes into the footer, sorted by key.
pub(crate) fn properties(
    schema: &SchemaDescriptor,
    metadata: &HashMap<String, String>,
    dictionary: bool,
) -> WriterProperties {
    let mut pairs: Vec<KeyValue> =
        metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    pairs.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_max_row_group_bytes(None)
        .set_write_batch_size(1024)
        .set_data_page_row_count_limit(20_000)
        .set_data_page_size_limit(1 << 20)
        .set_dictionary_enabled(dictionary)
        .set_dictionary_page_size_limit(LARGEST_DICTIONARY)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(64))
        .set_column_index_truncate_length(Some(64))
        .set_write_page_header_statistics(false)
        .set_offset_index_disabled(false)
        .set_key_value_metadata((!pairs.is_empty()).then_some(pairs))
        .set_coerce_types(true);
    for column in schema.columns() {
        if let Some(encoding) = encoding(column.physical_type()) {
            builder = builder.set_column_encoding(column.path().clone(), encoding);
        }
    }
    builder.build()
}

/// How values are written that are in no dictionary; none is plain.
fn encoding(physical: PhysicalType) -> Option<Encoding> {
    match physical {
        PhysicalType::INT32 | PhysicalType::INT64 => Some(Encoding::DELTA_BINARY_PACKED),
        PhysicalType::BYTE_ARRAY => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}
