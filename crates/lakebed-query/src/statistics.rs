//! What the planner may know of a table without reading it: its rows, and what footers say that
//! statements before this one left in memory.
//!
//! Only for tables of which the asker sees all: sizes and bounds are of all rows. Which side of a join
//! is held in memory, and whether both are repartitioned, hangs on them; answers do not.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    common::{ColumnStatistics, ScalarValue, Statistics, stats::Precision},
    datasource::physical_plan::parquet::metadata::{CachedParquetMetaData, DFParquetMetadata},
    execution::cache::cache_manager::FileMetadataCache,
};
use lakebed_core::FileEntry;
use object_store::path::Path;

/// Of tables of more files nothing is estimated: planning stays short.
const MOST_FILES: usize = 64;

/// The rows of `files`, which the catalog knows.
fn row_count(files: &[FileEntry]) -> Precision<usize> {
    let rows = files.iter().map(|file| file.row_count).sum::<u64>();
    usize::try_from(rows).map_or(Precision::Absent, Precision::Exact)
}

/// Nothing but the rows.
pub(crate) fn rows_alone(schema: &Schema, files: &[FileEntry]) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema);
    statistics.num_rows = row_count(files);
    statistics
}

/// The rows, and estimates of the columns in `projection` if the footers of all `files` are at hand.
pub(crate) fn at_hand(
    schema: &SchemaRef,
    projection: Option<&[usize]>,
    files: &[FileEntry],
    footers: &FileMetadataCache,
) -> Statistics {
    let mut statistics = rows_alone(schema, files);
    let all: Vec<usize>;
    let columns = match projection {
        Some(columns) => columns,
        None => {
            all = (0..schema.fields().len()).collect();
            &all
        }
    };
    let Some(estimated) = estimated(schema, columns, files, footers) else { return statistics };
    for (column, found) in columns.iter().zip(estimated.column_statistics) {
        if let Some(place) = statistics.column_statistics.get_mut(*column) {
            *place = trusted(schema.field(*column).data_type(), found);
        }
    }
    let sizes = statistics.column_statistics.iter().map(|column| column.byte_size);
    let size = sizes.reduce(|one, other| match other {
        Precision::Absent => one,
        _ => one.add(&other),
    });
    // The other columns' bytes are not read.
    statistics.total_byte_size = size.unwrap_or_default().to_inexact();
    statistics
}

fn estimated(
    schema: &SchemaRef,
    columns: &[usize],
    files: &[FileEntry],
    footers: &FileMetadataCache,
) -> Option<Statistics> {
    if files.len() > MOST_FILES || columns.is_empty() {
        return None;
    }
    let projected = Arc::new(schema.project(columns).ok()?);
    let of_file = |file: &FileEntry| {
        let entry = footers.get(&Path::from(file.object.id.key()))?;
        let footer = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?;
        let footer = footer.parquet_metadata();
        DFParquetMetadata::statistics_from_parquet_metadata(footer, &projected).ok()
    };
    let of_files = files.iter().map(of_file).collect::<Option<Vec<_>>>()?;
    let mut merged = Statistics::try_merge_iter(&of_files, &projected).ok()?;
    for (place, column) in merged.column_statistics.iter_mut().enumerate() {
        // Merging passes over files that tell no bound, such as one written when the column was narrower.
        let tells = |bound: &Precision<ScalarValue>| {
            bound.get_value().is_some_and(|value| !value.is_null())
        };
        let is_told = |file: &Statistics| {
            file.column_statistics
                .get(place)
                .is_some_and(|column| tells(&column.min_value) && tells(&column.max_value))
        };
        if !of_files.iter().all(is_told) {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
        }
    }
    Some(merged)
}

/// What holds for the column: bounds of floats leave NaN out, those of texts and bytes are cut, so
/// they are no bounds. All of it is an estimate: answers are computed from rows.
fn trusted(data_type: &DataType, found: ColumnStatistics) -> ColumnStatistics {
    let found = found.to_inexact();
    let unknown = ColumnStatistics::new_unknown()
        .with_null_count(found.null_count)
        .with_byte_size(found.byte_size);
    match data_type {
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Date32
        | DataType::Timestamp(..)
        | DataType::Decimal128(..) => {
            unknown.with_min_value(found.min_value).with_max_value(found.max_value)
        }
        _ => unknown,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use arrow::{
        array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray},
        datatypes::Field,
    };
    use datafusion::execution::cache::{
        cache_manager::CachedFileMetadataEntry, default_cache::DefaultCache,
    };
    use lakebed_core::{ObjectId, StoredObject};
    use object_store::ObjectMeta;
    use parquet::arrow::{ArrowWriter, arrow_reader::ArrowReaderMetadata};

    use super::*;

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("rate", DataType::Float64, true),
            Field::new("text", DataType::Utf8View, true),
            Field::new("later", DataType::Int64, true),
        ]))
    }

    /// A file of those rows, its footer in `footers`.
    fn file(footers: &FileMetadataCache, columns: Vec<(&str, ArrayRef)>) -> FileEntry {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let bytes = bytes::Bytes::from(writer.into_inner().unwrap());
        let read = ArrowReaderMetadata::load(&bytes, Default::default()).unwrap();
        let id = ObjectId::of(&bytes);
        let size = bytes.len() as u64;
        let meta = ObjectMeta {
            location: Path::from(id.key()),
            last_modified: Default::default(),
            size,
            e_tag: None,
            version: None,
        };
        let footer = Arc::new(CachedParquetMetaData::new(Arc::clone(read.metadata())));
        footers.put(&meta.location.clone(), CachedFileMetadataEntry::new(meta, footer));
        FileEntry {
            object: StoredObject { id, size_bytes: size, tree: None },
            row_count: batch.num_rows() as u64,
            footer_bytes: 8,
        }
    }

    fn world() -> (Arc<FileMetadataCache>, Vec<FileEntry>) {
        let footers: Arc<FileMetadataCache> =
            Arc::new(DefaultCache::<Path, CachedFileMetadataEntry>::new(1 << 20));
        let first = file(
            &*footers,
            vec![
                ("id", Arc::new(Int64Array::from(vec![Some(3), None, Some(7)]))),
                ("rate", Arc::new(Float64Array::from(vec![0.5, f64::NAN, 0.7]))),
                ("text", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
            ],
        );
        // Written when the column was narrower.
        let second = file(&*footers, vec![("id", Arc::new(Int32Array::from(vec![5, 99])))]);
        (footers, vec![first, second])
    }

    #[test]
    fn bounds_are_estimates_and_only_where_they_are_bounds() {
        let (footers, files) = world();
        let known = at_hand(&schema(), None, &files[..1], &*footers);
        assert_eq!(known.num_rows, Precision::Exact(3));
        let [id, rate, text, later] = known.column_statistics.as_slice() else { panic!() };
        let bound = |value| Precision::Inexact(ScalarValue::Int64(Some(value)));
        assert_eq!((&id.min_value, &id.max_value), (&bound(3), &bound(7)));
        assert_eq!(id.null_count, Precision::Inexact(1));
        for column in [rate, text] {
            assert_eq!(column.min_value, Precision::Absent);
            assert_eq!(column.max_value, Precision::Absent);
        }
        assert!(!later.max_value.is_exact().unwrap_or(false));
        assert!(known.total_byte_size.get_value().is_some_and(|size| *size > 0));
    }

    #[test]
    fn of_columns_that_are_not_read_nothing_is_said() {
        let (footers, files) = world();
        let known = at_hand(&schema(), Some(&[1]), &files[..1], &*footers);
        assert_eq!(known.column_statistics[0], ColumnStatistics::new_unknown());
        assert_eq!(known.column_statistics[1].null_count, Precision::Inexact(0));
    }

    #[test]
    fn bounds_hold_for_all_files_or_are_not_told() {
        let (footers, files) = world();
        let known = at_hand(&schema(), None, &files, &*footers);
        assert_eq!(known.num_rows, Precision::Exact(5));
        let most = known.column_statistics[0].max_value.get_value().cloned();
        assert!([None, Some(ScalarValue::Int64(Some(99)))].contains(&most), "{most:?}");
    }

    #[test]
    fn without_a_footer_there_are_rows_alone() {
        let (footers, files) = world();
        footers.remove(&Path::from(files[1].object.id.key()));
        let known = at_hand(&schema(), None, &files, &*footers);
        assert_eq!(known, rows_alone(&schema(), &files));
        let many = vec![files[0].clone(); MOST_FILES + 1];
        assert_eq!(at_hand(&schema(), None, &many, &*footers), rows_alone(&schema(), &many));
    }
}
