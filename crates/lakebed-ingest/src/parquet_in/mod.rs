//! Parquet files as sources, and our own as the tail of an append.
//!
//! Files from outside are looked over first (`guard`), and decoding is fenced: whatever a library
//! does with a damaged file, here it is a refusal. An Arrow schema embedded in a file is ignored;
//! types are those of the Parquet schema.

mod convert;
mod guard;
#[cfg(test)]
mod laws;
mod thrift;
mod types;

use std::{collections::HashMap, fs::File, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, new_null_array},
    datatypes::{
        DataType as ArrowType, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
        TimestampNanosecondType,
    },
};
use lakebed_core::DataType;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    },
    basic::Type as PhysicalType,
    file::metadata::{PageIndexPolicy, ParquetStatisticsPolicy},
};

use crate::{LocalSource, Refusal, engine::Gone, fence, names, refusal::shown};
use guard::Damage;

/// Rows that are read at once.
const BATCH_ROWS: usize = 8192;

/// The names, made usable, and lake types of a file's columns. Checks the file throughout.
///
/// # Errors
/// [`Refusal`] when the file is damaged, or a column has a type that no lake type holds.
pub(crate) fn columns(source: &LocalSource) -> Result<Vec<(String, DataType)>, Refusal> {
    let file = OpenParquet::open(&source.name, &source.path)?;
    let unsupported = |name: &str, what: &str| {
        let (name, source) = (shown(name), shown(&source.name));
        Refusal::new(
            Refusal::UNSUPPORTED_TYPE,
            format!("column `{name}` of `{source}` has a type that cannot be kept: {what}"),
        )
        .hint("cast it where the file is made, or keep the file with `--as files`")
    };
    let mut types = Vec::new();
    for (index, field) in file.schema.fields().iter().enumerate() {
        if file.has_nested_int96(index) {
            return Err(unsupported(field.name(), "nested 96-bit timestamps"));
        }
        let data_type = types::lake_type(field.data_type());
        types.push(data_type.map_err(|what| unsupported(field.name(), &what))?);
    }
    if types.is_empty() {
        let message = format!("`{}` has no columns", shown(&source.name));
        return Err(Refusal::new(Refusal::NOT_A_TABLE, message));
    }
    let names = names::usable(file.schema.fields().iter().map(|field| field.name().clone()));
    Ok(names.names.into_iter().zip(types).collect())
}

/// The first column of `schema` whose type no lake type holds, and what that is called.
pub(crate) fn unkept(schema: &Schema) -> Option<(&str, String)> {
    let mut fields = schema.fields().iter();
    fields.find_map(|field| {
        let what = types::lake_type(field.data_type()).err()?;
        Some((field.name().as_str(), what))
    })
}

/// `array` with the Arrow type `to` of a lake's column.
///
/// # Errors
/// What it holds that this type does not, as words that follow "column `x` ".
pub fn keep_exactly(array: &ArrayRef, to: &ArrowType) -> Result<ArrayRef, String> {
    convert::convert(array, to)
}

/// The rows a file holds by its footer.
pub(crate) fn row_count(source: &LocalSource) -> Result<u64, Refusal> {
    let file = OpenParquet::open(&source.name, &source.path)?;
    let rows = file.builder.metadata().file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| damaged(&source.name, "it states a negative number of rows"))
}

/// Reads a source from front to back: one array per column, of the Arrow types `to`.
///
/// `each` may end the reading; that is no error.
pub(crate) fn read_source(
    name: &str,
    path: &Path,
    to: &[ArrowType],
    each: &mut dyn FnMut(Vec<ArrayRef>, usize) -> Result<(), Gone>,
) -> Result<(), Refusal> {
    fenced(name, || {
        let mut file = OpenParquet::open(name, path)?;
        let names: Vec<String> =
            file.schema.fields().iter().map(|field| field.name().clone()).collect();
        let stamps = file.take_int96()?;
        let nanos = stamps.clone().map(|mask| OpenParquet::nanos(name, path, mask)).transpose()?;
        file.read(name, nanos, &mut |batch, rows| {
            let mut columns = Vec::new();
            for ((array, to), column) in batch.columns().iter().zip(to).zip(&names) {
                columns
                    .push(convert::convert(array, to).map_err(|what| misfit(name, column, &what))?);
            }
            Ok(each(columns, rows))
        })
    })
}

/// Reads one of our own files: the columns of `schema` by name, widened to its types; null where
/// the file is older than a column.
pub(crate) fn read_tail(
    path: &Path,
    schema: &Schema,
    each: &mut dyn FnMut(Vec<ArrayRef>, usize) -> Result<(), Gone>,
) -> Result<(), Refusal> {
    let name = "the parent's table file";
    let own = |refusal: Refusal| match refusal.code {
        Refusal::DAMAGED_PARQUET => Refusal::io_failed(path, refusal),
        _ => refusal,
    };
    fenced(name, || {
        let file = OpenParquet::open(name, path)?;
        file.read(name, None, &mut |batch, rows| {
            let column =
                |field: &arrow::datatypes::FieldRef| match batch.column_by_name(field.name()) {
                    None => Ok(new_null_array(field.data_type(), rows)),
                    Some(array) => convert::convert(array, field.data_type())
                        .map_err(|what| misfit(name, field.name(), &what)),
                };
            let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
            Ok(each(columns, rows))
        })
    })
    .map_err(own)
}

/// Turns a panic of a library into a refusal.
fn fenced<R>(name: &str, work: impl FnOnce() -> Result<R, Refusal>) -> Result<R, Refusal> {
    fence::fenced(work).unwrap_or_else(|| Err(damaged(name, "it cannot be decoded")))
}

fn damaged(name: &str, what: &str) -> Refusal {
    let message = format!("`{}` is damaged: {what}", shown(name));
    Refusal::new(Refusal::DAMAGED_PARQUET, message).hint("copy or download the file again")
}

fn misfit(name: &str, column: &str, what: &str) -> Refusal {
    let message = format!("column `{}` of `{}` {what}", shown(column), shown(name));
    Refusal::new(Refusal::UNSUPPORTED_TYPE, message)
        .hint("cast it where the file is made, or keep the file with `--as files`")
}

/// Takes a batch and its rows. The inner result may end the reading, which is no error.
type EachBatch<'a> = &'a mut dyn FnMut(&RecordBatch, usize) -> Result<Result<(), Gone>, Refusal>;

/// A file that was looked over.
struct OpenParquet {
    file: File,
    builder: ParquetRecordBatchReaderBuilder<File>,
    schema: SchemaRef,
}

impl OpenParquet {
    fn open(name: &str, path: &Path) -> Result<Self, Refusal> {
        fenced(name, || {
            let mut file = File::open(path).map_err(|error| Refusal::unreadable(name, &error))?;
            guard::check_footer(&mut file).map_err(|Damage(what)| damaged(name, &what))?;
            let builder = builder(name, &file, None)?;
            guard::check_pages(&file, builder.metadata())
                .map_err(|Damage(what)| damaged(name, &what))?;
            let schema = Arc::clone(builder.schema());
            Ok(Self { file, builder, schema })
        })
    }

    /// The columns of `mask`, which are 96-bit timestamps, in nanoseconds.
    fn nanos(name: &str, path: &Path, mask: ProjectionMask) -> Result<Self, Refusal> {
        let mut file = Self::open(name, path)?;
        file.builder = file.builder.with_projection(mask);
        Ok(file)
    }

    fn int96_roots(&self) -> Vec<usize> {
        let schema = self.builder.parquet_schema();
        let is_int96 = |leaf: &usize| schema.column(*leaf).physical_type() == PhysicalType::INT96;
        let leaves = (0..schema.num_columns()).filter(is_int96);
        leaves.map(|leaf| schema.get_column_root_idx(leaf)).collect()
    }

    fn has_nested_int96(&self, column: usize) -> bool {
        let nested = self.schema.field(column).data_type().is_nested();
        nested && self.int96_roots().contains(&column)
    }

    /// Has 96-bit timestamps read in microseconds, of which 64 bits hold every year, and returns
    /// which columns they are.
    fn take_int96(&mut self) -> Result<Option<ProjectionMask>, Refusal> {
        let roots = self.int96_roots();
        if roots.is_empty() {
            return Ok(None);
        }
        let fields = self.schema.fields().iter().enumerate().map(|(index, field)| {
            match roots.contains(&index) {
                false => field.as_ref().clone(),
                true => {
                    let micros = ArrowType::Timestamp(TimeUnit::Microsecond, None);
                    field.as_ref().clone().with_data_type(micros)
                }
            }
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        self.builder = builder("", &self.file, Some(schema))?;
        Ok(Some(ProjectionMask::roots(self.builder.parquet_schema(), roots)))
    }

    fn read(self, name: &str, nanos: Option<Self>, each: EachBatch<'_>) -> Result<(), Refusal> {
        let undecodable = |_| damaged(name, "its pages cannot be decoded");
        let stated = self.builder.metadata().file_metadata().num_rows();
        let reader = self
            .builder
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|_| damaged(name, "its pages cannot be decoded"))?;
        let nanos = nanos.map(|file| file.builder.with_batch_size(BATCH_ROWS).build());
        let mut nanos =
            nanos.transpose().map_err(|_| damaged(name, "its pages cannot be decoded"))?;
        let mut rows = 0_i64;
        for batch in reader {
            let batch = batch.map_err(undecodable)?;
            if let Some(nanos) = &mut nanos {
                let nanos = nanos.next().transpose().map_err(undecodable)?;
                check_nanos(name, &batch, nanos.as_ref())?;
            }
            rows += batch.num_rows() as i64;
            if each(&batch, batch.num_rows())?.is_err() {
                return Ok(());
            }
        }
        match rows == stated {
            true => Ok(()),
            false => Err(damaged(name, "it holds other than the rows it states")),
        }
    }
}

fn builder(
    name: &str,
    file: &File,
    schema: Option<SchemaRef>,
) -> Result<ParquetRecordBatchReaderBuilder<File>, Refusal> {
    let file = file.try_clone().map_err(|error| Refusal::unreadable(name, &error))?;
    // Statistics and indexes are not needed to read all rows, and some writers get them wrong.
    let mut options = ArrowReaderOptions::new()
        .with_skip_arrow_metadata(true)
        .with_page_index_policy(PageIndexPolicy::Skip)
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll);
    if let Some(schema) = schema {
        options = options.with_schema(schema);
    }
    ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|_| damaged(name, "its footer or schema cannot be understood"))
}

/// Compares 96-bit timestamps read as microseconds with the same read as nanoseconds: where both
/// can be told they must agree, else a fraction of a microsecond would be lost.
fn check_nanos(
    name: &str,
    batch: &RecordBatch,
    nanos: Option<&RecordBatch>,
) -> Result<(), Refusal> {
    let nanos = nanos.filter(|nanos| nanos.num_rows() == batch.num_rows());
    let Some(nanos) = nanos else {
        return Err(damaged(name, "its pages cannot be decoded"));
    };
    let micros: HashMap<&str, &ArrayRef> = batch
        .schema_ref()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .zip(batch.columns())
        .collect();
    for (field, nanos) in nanos.schema_ref().fields().iter().zip(nanos.columns()) {
        let Some(micros) = micros.get(field.name().as_str()) else { continue };
        let micros = micros.as_primitive::<TimestampMicrosecondType>();
        let nanos = nanos.as_primitive::<TimestampNanosecondType>();
        let agrees = |row: usize| {
            let exact = micros.value(row).checked_mul(1000);
            nanos.is_null(row) || exact.is_none_or(|exact| exact == nanos.value(row))
        };
        if !(0..nanos.len()).all(agrees) {
            return Err(misfit(name, field.name(), "holds fractions of a microsecond"));
        }
    }
    Ok(())
}
