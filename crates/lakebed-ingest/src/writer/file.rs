//! One Parquet file: opened, filled row group by row group, finished.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::datatypes::{FieldRef, Schema};
use parquet::{
    arrow::{
        ArrowSchemaConverter,
        arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory},
    },
    errors::ParquetError,
    file::{properties::WriterPropertiesPtr, writer::SerializedFileWriter},
    schema::types::SchemaDescriptor,
};
use tempfile::TempPath;

use super::properties::properties;
use crate::{Refusal, WrittenFile};

/// What all files of a table have in common.
pub(crate) struct Plan {
    schema: SchemaDescriptor,
    /// Of files: what they say about columns has no effect, since columns come encoded.
    properties: WriterPropertiesPtr,
    out: PathBuf,
}

impl Plan {
    pub(crate) fn new(schema: &Schema, out: &Path) -> Result<Self, Refusal> {
        let metadata = schema.metadata();
        let schema = described(schema)?;
        let properties = Arc::new(properties(&schema, metadata, true));
        Ok(Self { schema, properties, out: out.to_owned() })
    }

    /// A new file for at most `capacity` rows.
    pub(crate) fn open(&self, capacity: u64) -> Result<OpenFile, Refusal> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("table-").suffix(".parquet").rand_bytes(12);
        // As readable as any other file of the user: it is about to become part of a lake.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file =
            builder.tempfile_in(&self.out).map_err(|error| Refusal::io_failed(&self.out, error))?;
        let (file, path) = file.into_parts();
        let writer = SerializedFileWriter::new(
            BufWriter::with_capacity(1 << 20, file),
            self.schema.root_schema_ptr(),
            Arc::clone(&self.properties),
        )
        .map_err(|error| Refusal::io_failed(&path, error))?;
        Ok(OpenFile { path, writer, rows: 0, capacity })
    }
}

fn described(schema: &Schema) -> Result<SchemaDescriptor, Refusal> {
    let converter = ArrowSchemaConverter::new().with_coerce_types(true).schema_root("table");
    converter.convert(schema).map_err(Refusal::internal)
}

/// Makes the encoders of one column's leaves, when there is something to encode: each takes a mebibyte
/// from its first day on, and tables have thousands of columns.
#[derive(Clone)]
pub(crate) struct Encoders(Arc<[ArrowRowGroupWriterFactory; 2]>);

impl Encoders {
    /// Those of this column.
    pub(crate) fn of(field: &FieldRef) -> Result<Self, Refusal> {
        let alone = Arc::new(Schema::new(vec![Arc::clone(field)]));
        let described = described(&alone)?;
        let factory = |dictionary| {
            // What a footer says besides is none of a column's bytes.
            let properties = Arc::new(properties(&described, &HashMap::new(), dictionary));
            let root = described.root_schema_ptr();
            let file = SerializedFileWriter::new(Vec::new(), root, properties)
                .map_err(Refusal::internal)?;
            Ok::<_, Refusal>(ArrowRowGroupWriterFactory::new(&file, Arc::clone(&alone)))
        };
        Ok(Self(Arc::new([factory(true)?, factory(false)?])))
    }

    /// New ones, with dictionaries or without.
    pub(crate) fn make(&self, dictionary: bool) -> Result<Vec<ArrowColumnWriter>, ParquetError> {
        let [with, without] = &*self.0;
        if dictionary { with } else { without }.create_column_writers(0)
    }
}

/// A file that takes row groups. Removed when dropped.
pub(crate) struct OpenFile {
    path: TempPath,
    writer: SerializedFileWriter<BufWriter<File>>,
    rows: u64,
    capacity: u64,
}

impl OpenFile {
    /// Writes a row group: the chunks of all leaf columns, in order.
    pub(crate) fn append(
        &mut self,
        chunks: impl Iterator<Item = ArrowColumnChunk>,
        rows: u64,
    ) -> Result<(), Refusal> {
        let path = &self.path;
        let failed = |error| Refusal::io_failed(path, error);
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.rows += rows;
        Ok(())
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.rows >= self.capacity
    }

    /// Writes the footer.
    pub(crate) fn finish(self) -> Result<Finished, Refusal> {
        let Self { path, writer, rows, .. } = self;
        let mut file = writer.into_inner().map_err(|error| Refusal::io_failed(&path, error))?;
        file.flush().map_err(|error| Refusal::io_failed(&path, error))?;
        let footer_bytes = footer_bytes(&path).map_err(|error| Refusal::io_failed(&path, error))?;
        Ok(Finished { path, row_count: rows, footer_bytes })
    }
}

/// The length of the footer with the eight bytes that end a Parquet file: its length and `PAR1`.
fn footer_bytes(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-8))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    Ok(u64::from(u32::from_le_bytes(length)) + 8)
}

/// A complete file. Removed when dropped, unless kept.
pub(crate) struct Finished {
    path: TempPath,
    row_count: u64,
    footer_bytes: u64,
}

impl Finished {
    pub(crate) fn keep(self) -> Result<WrittenFile, Refusal> {
        let Self { path, row_count, footer_bytes } = self;
        let path = path.keep().map_err(|error| {
            let (path, error) = (error.path.to_path_buf(), error.error);
            Refusal::io_failed(&path, error)
        })?;
        Ok(WrittenFile { path, row_count, footer_bytes })
    }
}
