//! How our Parquet files are written. Everything that shapes their bytes is said here, whether or
//! not it is the library's default, so that a new default does not change old data's names.

use parquet::{
    basic::{Compression, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties, WriterVersion},
};

/// Counts up when the same rows would give other bytes.
pub(crate) const CREATED_BY: &str = "lakebed parquet 1";

/// Properties of every table and quarantine file.
pub(crate) fn properties() -> WriterProperties {
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(super::GROUP_ROWS))
        .set_max_row_group_bytes(None)
        .set_write_batch_size(1024)
        .set_data_page_row_count_limit(20_000)
        .set_data_page_size_limit(1 << 20)
        .set_dictionary_enabled(true)
        .set_dictionary_page_size_limit(1 << 20)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(64))
        .set_column_index_truncate_length(Some(64))
        .set_write_page_header_statistics(false)
        .set_offset_index_disabled(false)
        .set_coerce_types(true)
        .build()
}
