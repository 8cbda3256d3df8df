//! A folder to decode in, and files read back as text.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef},
    datatypes::{DataType, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use lakebed_core::{DecodeOptions, TableSchema};
use lakebed_ingest::{
    Base, Decoded, LocalSource, NoProgress, Plan, Refusal, Request, RowCheck, Rules, WrittenFile,
    decode, plan,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) options: DecodeOptions,
    pub(crate) schema: Option<TableSchema>,
    pub(crate) base: Option<Base>,
    pub(crate) check: Option<Arc<dyn RowCheck>>,
}

pub(crate) type Row = Vec<Option<String>>;

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            options: DecodeOptions::default(),
            schema: None,
            base: None,
            check: None,
        }
    }

    pub(crate) fn with_null(token: &str) -> Self {
        let mut bench = Self::new();
        bench.options.null_tokens.push(token.to_owned());
        bench
    }

    pub(crate) fn with_type(column: &str, data_type: &str) -> Self {
        let mut bench = Self::new();
        let data_type: lakebed_core::DataType = data_type.parse().unwrap();
        bench.options.types.insert(column.to_owned(), data_type);
        bench
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn source(&self, name: &str, bytes: impl AsRef<[u8]>) -> LocalSource {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        LocalSource { name: name.to_owned(), path }
    }

    fn request<'r>(&'r self, sources: &'r [LocalSource]) -> Request<'r> {
        Request {
            sources,
            options: &self.options,
            schema: self.schema.as_ref(),
            by_name: false,
            base: self.base.as_ref(),
            out: self.folder.path(),
            progress: &NoProgress,
            rules: self.check.as_ref().map(|check| check as &dyn Rules),
            threads: 2,
            may_be_empty: false,
        }
    }

    pub(crate) fn decode(&self, sources: &[LocalSource]) -> Result<Decoded, Refusal> {
        decode(self.request(sources))
    }

    pub(crate) fn plan(&self, sources: &[LocalSource]) -> Result<Plan, Refusal> {
        plan(self.request(sources))
    }

    pub(crate) fn text(&self, text: impl AsRef<[u8]>) -> Decoded {
        self.decode(&[self.source("a.csv", text)]).unwrap()
    }

    /// The refusal of a text, as a user reads it.
    pub(crate) fn refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        refusal_text(self.decode(&[self.source(name, bytes)]).unwrap_err())
    }
}

pub(crate) fn refusal_text(refusal: Refusal) -> String {
    let Refusal { code, message, hint, .. } = refusal;
    format!("{code}: {message}\nhint: {}", hint.unwrap_or_default())
}

pub(crate) fn schema_text(schema: &TableSchema) -> String {
    let columns = schema.fields.iter().map(|field| format!("{} {}", field.name, field.data_type));
    columns.collect::<Vec<_>>().join(", ")
}

pub(crate) fn rows(files: &[WrittenFile]) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files {
        let open = fs::File::open(&file.path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let options = FormatOptions::new();
            let text = |column: &ArrayRef, row: usize| {
                let column = zone_as_offset(column);
                let formatter = ArrayFormatter::try_new(column.as_ref(), &options).unwrap();
                (!column.is_null(row)).then(|| formatter.value(row).to_string())
            };
            let row = |row| batch.columns().iter().map(|column| text(column, row)).collect();
            rows.extend((0..batch.num_rows()).map(row));
        }
    }
    rows
}

/// Arrow cannot print times in a zone that it knows by name only.
fn zone_as_offset(column: &ArrayRef) -> ArrayRef {
    let offset = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    match column.data_type() {
        DataType::Timestamp(_, Some(_)) => arrow::compute::cast(column, &offset).unwrap(),
        _ => column.clone(),
    }
}

/// Rows as lines, cells between bars, `∅` for null.
pub(crate) fn table(files: &[WrittenFile]) -> String {
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "∅".to_owned());
    let line = |row: Row| row.into_iter().map(cell).collect::<Vec<_>>().join("|");
    rows(files).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A file kept for tests.
pub(crate) fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

/// A file of the examples.
pub(crate) fn example(name: &str) -> LocalSource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name);
    LocalSource { name: name.to_owned(), path }
}
