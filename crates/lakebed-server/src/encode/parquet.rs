//! `application/vnd.apache.parquet`: a file, a row group at a time.

use arrow::{
    datatypes::{Schema, SchemaRef},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use super::{BoxError, Encoder};
use crate::problem::Result;

/// Rows of a row group.
const ROWS: usize = 131_072;
/// A row group ends early when its buffers hold this much.
const BUFFER_BYTES: usize = 64 << 20;

pub(super) struct Parquet {
    schema: SchemaRef,
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl Parquet {
    pub(super) fn new(schema: &Schema) -> Self {
        Self { schema: SchemaRef::new(schema.clone()), writer: None }
    }

    fn open(&self) -> Result<ArrowWriter<Vec<u8>>, BoxError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_max_row_group_row_count(Some(ROWS))
            .set_created_by("lakebed".to_owned())
            .build();
        Ok(ArrowWriter::try_new(Vec::new(), SchemaRef::clone(&self.schema), Some(properties))?)
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut ArrowWriter<Vec<u8>>) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open()?,
        };
        step(&mut writer)?;
        // The writer counts what it wrote; taking it away does not disturb its offsets.
        out.append(writer.inner_mut());
        self.writer = Some(writer);
        Ok(())
    }
}

impl Encoder for Parquet {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, |_| Ok(()))
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, |writer| {
            writer.write(batch)?;
            if writer.in_progress_size() > BUFFER_BYTES {
                writer.flush()?;
            }
            Ok(())
        })
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, |writer| {
            writer.finish()?;
            Ok(writer.sync()?)
        })
    }

    fn rows_at_once(&self) -> usize {
        8192
    }

    fn is_light(&self) -> bool {
        false
    }
}
