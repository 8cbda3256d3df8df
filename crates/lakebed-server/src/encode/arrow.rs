//! `application/vnd.apache.arrow.stream`: Arrow IPC, with its end-of-stream mark.

use arrow::{
    datatypes::{Schema, SchemaRef},
    ipc::writer::StreamWriter,
    record_batch::RecordBatch,
};

use super::{BoxError, Encoder};
use crate::problem::Result;

pub(super) struct ArrowStream {
    schema: SchemaRef,
    writer: Option<StreamWriter<Vec<u8>>>,
}

impl ArrowStream {
    pub(super) fn new(schema: &Schema) -> Self {
        Self { schema: SchemaRef::new(schema.clone()), writer: None }
    }

    /// The writer, and what it wrote since the last time moved into `out`.
    fn write(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut StreamWriter<Vec<u8>>) -> Result<(), arrow::error::ArrowError>,
    ) -> Result<(), BoxError> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => StreamWriter::try_new(Vec::new(), &self.schema)?,
        };
        step(&mut writer)?;
        out.append(writer.get_mut());
        self.writer = Some(writer);
        Ok(())
    }
}

impl Encoder for ArrowStream {
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, |_| Ok(()))
    }

    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, |writer| writer.write(batch))
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.write(out, StreamWriter::finish)
    }

    fn rows_at_once(&self) -> usize {
        usize::MAX
    }
}
