//! Rows that were computed, in a file that is read like any other source.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use lakebed_core::{DataType, Evolution, Field, TableSchema};
use parquet::{
    arrow::ArrowWriter,
    file::properties::{EnabledStatistics, WriterProperties},
};

use crate::{LocalSource, Refusal, parquet_in};

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
    /// [`Refusal`] when it cannot be written, or a column has a type that no file holds.
    pub fn create(path: &Path, schema: SchemaRef) -> Result<Self, Refusal> {
        let properties =
            WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None).build();
        let file = File::create_new(path).map_err(|error| Refusal::io_failed(path, error))?;
        let writer = ArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| {
            let message = format!("a column has a type that cannot be kept: {error}");
            Refusal::new(Refusal::UNSUPPORTED_TYPE, message).hint("cast it in the statement")
        })?;
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

/// The changes that make a table with the columns of `before` one with those of `source`: what is
/// computed has the shape that its statement gives it, whatever was there before.
///
/// # Errors
/// [`Refusal`] when `source` cannot be read.
pub fn evolution_to(source: &LocalSource, before: &TableSchema) -> Result<Vec<Evolution>, Refusal> {
    let columns = parquet_in::columns(source)?;
    let change = |field: &Field| match columns.iter().find(|(name, _)| *name == field.name) {
        None => Some(Evolution::Drop { column: field.name.clone() }),
        Some((_, data_type))
            if data_type.is_same_shape(&field.data_type)
                || field.data_type.widens_to(data_type)
                || data_type.widens_to(&field.data_type) =>
        {
            None
        }
        Some((name, data_type)) => {
            Some(Evolution::Retype { column: name.clone(), data_type: data_type.clone() })
        }
    };
    Ok(before.fields.iter().filter_map(change).collect())
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
