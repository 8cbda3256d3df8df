//! Rows that were computed, in a file that is read like any other source.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use lakebed_core::{DataType, TableSchema};
use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties},
};

use crate::{LocalSource, Refusal, parquet_in, refusal::shown};

/// A Parquet file that rows are written to as they are computed. It is read once and thrown away.
#[derive(Debug)]
pub struct ComputedRows {
    writer: ArrowWriter<File>,
    path: PathBuf,
}

impl ComputedRows {
    /// Begins the file.
    ///
    /// # Errors
    /// [`Refusal`] when it cannot be written, or a column has a type that no file holds; then there is
    /// no file.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, Refusal> {
        // The writer says so too late, or not at all, or panics.
        if let Some((column, what)) = parquet_in::unkept(&schema) {
            return Err(cannot_be_kept(&format!("column `{}`", shown(column)), &what));
        }
        let properties =
            WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
        let file = File::create_new(path).map_err(|error| Refusal::io_failed(path, error))?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties))
            .map_err(|error| cannot_be_kept("a column", &error.to_string()))?;
        Ok(Self { writer, path: path.to_owned() })
    }

    /// Writes rows after those that were written.
    ///
    /// # Errors
    /// [`Refusal`] when they cannot be written.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), Refusal> {
        self.writer.write(rows).map_err(|error| Refusal::io_failed(&self.path, error))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`Refusal`] when it cannot be written.
    pub fn finish(self) -> Result<(), Refusal> {
        let Self { writer, path } = self;
        let done = writer.close().map(drop);
        done.map_err(|error| Refusal::io_failed(&path, error))
    }
}

fn cannot_be_kept(column: &str, what: &str) -> Refusal {
    let message = format!("{column} has a type that cannot be kept: {what}");
    Refusal::new(Refusal::UNSUPPORTED_TYPE, message).hint("cast it in the statement")
}

/// The columns of `source` that are no columns of `schema`, or would lose something as those: what is
/// computed when it is asked for has to be right as it is.
///
/// # Errors
/// [`Refusal`] when `source` cannot be read.
pub fn unfit_columns(source: &LocalSource, schema: &TableSchema) -> Result<Vec<String>, Refusal> {
    let fits = |(name, data_type): &(String, DataType)| {
        let field = schema.field(name);
        field.is_some_and(|field| {
            data_type.is_same_shape(&field.data_type) || data_type.widens_to(&field.data_type)
        })
    };
    let columns = parquet_in::columns(source)?;
    Ok(columns.into_iter().filter(|column| !fits(column)).map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{
        DataType as ArrowType, Field as ArrowField, IntervalUnit, Schema, TimeUnit, UnionFields,
        UnionMode,
    };

    use super::*;

    /// What the writer could not write, or not so that it is read back as what it was, is refused by
    /// the name of its column, before there is a file.
    #[test]
    fn columns_that_cannot_be_kept_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("answer");
        let create = |data_type: ArrowType| {
            let fields = vec![
                ArrowField::new("n", ArrowType::Int64, true),
                ArrowField::new("i", data_type, true),
            ];
            ComputedRows::create(&path, Arc::new(Schema::new(fields)))
        };
        let span = ArrowType::Interval(IntervalUnit::MonthDayNano);
        for data_type in [
            span.clone(),
            ArrowType::List(Arc::new(ArrowField::new("item", span, true))),
            ArrowType::Duration(TimeUnit::Microsecond),
            ArrowType::Decimal256(50, 2),
            ArrowType::Union(UnionFields::empty(), UnionMode::Sparse),
        ] {
            let refusal = create(data_type).expect_err("no type of ours");
            let told = &refusal.message;
            assert!(told.starts_with("column `i` has a type that cannot be kept: "), "{told}");
            assert_eq!(refusal.code, Refusal::UNSUPPORTED_TYPE);
            assert_eq!(refusal.hint.as_deref(), Some("cast it in the statement"));
            assert!(!path.exists());
        }
        create(ArrowType::Utf8View).and_then(ComputedRows::finish).expect("a file");
    }
}
