//! What this crate's own tests share: texts into decodes, decodes into text.

use std::{fs, path::PathBuf, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, RecordBatch},
    buffer::BooleanBuffer,
    util::display::{ArrayFormatter, FormatOptions},
};
use lakebed_core::{DecodeOptions, ReasonCode, Severity, TableSchema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::{prop_assert_eq, test_runner::TestCaseError};
use tempfile::TempDir;

use crate::{
    Base, Decoded, LocalSource, NoProgress, Refusal, Request, RowCheck, RowRule, Rules,
    WrittenFile, decode::decode_with, infer::Tuning,
};

/// A folder with sources in it.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) options: DecodeOptions,
    pub(crate) schema: Option<TableSchema>,
    pub(crate) base: Option<Base>,
    pub(crate) check: Option<Arc<dyn RowCheck>>,
    pub(crate) threads: usize,
    pub(crate) tuning: Tuning,
}

/// A row: its cells as text, none for null.
pub(crate) type Row = Vec<Option<String>>;

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a folder"),
            options: DecodeOptions::default(),
            schema: None,
            base: None,
            check: None,
            threads: 2,
            tuning: Tuning::default(),
        }
    }

    pub(crate) fn source(&self, name: &str, bytes: &[u8]) -> LocalSource {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        LocalSource { name: name.to_owned(), path }
    }

    pub(crate) fn request<'r>(&'r self, sources: &'r [LocalSource]) -> Request<'r> {
        Request {
            sources,
            options: &self.options,
            schema: self.schema.as_ref(),
            by_name: false,
            base: self.base.as_ref(),
            out: self.folder.path(),
            progress: &NoProgress,
            rules: self.check.as_ref().map(|check| check as &dyn Rules),
            threads: self.threads,
            may_be_empty: false,
        }
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Decoded, Refusal> {
        self.decode_all(&[self.source("a.csv", bytes)])
    }

    pub(crate) fn decode_all(&self, sources: &[LocalSource]) -> Result<Decoded, Refusal> {
        decode_with(self.request(sources), self.tuning)
    }
}

/// Digests of files, in order.
pub(crate) fn digests(files: &[WrittenFile]) -> Vec<String> {
    let digest = |file: &WrittenFile| {
        blake3::hash(&fs::read(&file.path).expect("a file")).to_hex().to_string()
    };
    files.iter().map(digest).collect()
}

pub(crate) fn paths(files: &[WrittenFile]) -> Vec<PathBuf> {
    files.iter().map(|file| file.path.clone()).collect()
}

/// All rows of files, in order.
pub(crate) fn rows(files: &[WrittenFile]) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files {
        let open = fs::File::open(&file.path).expect("a file");
        let reader = ParquetRecordBatchReaderBuilder::try_new(open).expect("Parquet");
        for batch in reader.build().expect("a reader") {
            let batch = batch.expect("a batch");
            let options = FormatOptions::new();
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| {
                    (column, ArrayFormatter::try_new(column.as_ref(), &options).expect("text"))
                })
                .collect();
            for row in 0..batch.num_rows() {
                let cell = |(column, text): &(&ArrayRef, ArrayFormatter<'_>)| {
                    (!column.is_null(row)).then(|| text.value(row).to_string())
                };
                rows.push(columns.iter().map(cell).collect());
            }
        }
    }
    rows
}

/// `name type, name type`.
pub(crate) fn schema_text(schema: &TableSchema) -> String {
    let columns = schema.fields.iter().map(|field| format!("{} {}", field.name, field.data_type));
    columns.collect::<Vec<_>>().join(", ")
}

/// Rows as lines, cells between bars, `∅` for null.
pub(crate) fn text(rows: &[Row]) -> String {
    let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "∅".to_owned());
    let line = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join("|");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// P6 of a text of one source: every byte is accounted for, and rows that are not accepted are kept byte
/// by byte, with the place where they were. `lines_before` counts the line ends before a place.
pub(crate) fn check_accounts(
    decoded: &Decoded,
    bytes: &[u8],
    lines_before: impl Fn(usize) -> u64,
) -> Result<(), TestCaseError> {
    let counted = &decoded.sources[0];
    let skipped: u64 = counted.skipped.iter().map(|skipped| skipped.bytes).sum();
    let all = counted.accepted.bytes + counted.quarantined.bytes + skipped;
    prop_assert_eq!(all, bytes.len() as u64);
    prop_assert_eq!(rows(&decoded.tables).len() as u64, counted.accepted.rows);
    let bad = rows(&decoded.quarantine);
    prop_assert_eq!(bad.len() as u64, counted.quarantined.rows);
    for row in &bad {
        let cell = |column: usize| row[column].as_deref().expect("never null");
        let number = |column: usize| cell(column).parse::<usize>().expect("a number");
        let (line, offset, length) = (number(1), number(2), number(3));
        let there = bytes[offset..offset + length].iter().map(|byte| format!("{byte:02x}"));
        prop_assert_eq!(cell(4), there.collect::<String>());
        prop_assert_eq!(line as u64, lines_before(offset) + 1);
    }
    Ok(())
}

/// Rules that any table can break: the column `a` is there (an error), so is the last (a warning).
#[derive(Debug)]
pub(crate) struct NotNull([RowRule; 2]);

impl NotNull {
    pub(crate) fn check() -> Arc<dyn RowCheck> {
        let rule = |rule: &str, severity| RowRule {
            code: ReasonCode::ConstraintError,
            rule: rule.to_owned(),
            columns: vec!["a".to_owned()],
            severity,
        };
        Arc::new(Self([rule("first", Severity::Error), rule("last", Severity::Warning)]))
    }
}

impl RowCheck for NotNull {
    fn rules(&self) -> &[RowRule] {
        &self.0
    }

    fn broken(&self, rows: &RecordBatch) -> Vec<Option<BooleanBuffer>> {
        let nulls = |column: &ArrayRef| {
            let is_null = |row| column.is_null(row);
            Some(BooleanBuffer::collect_bool(rows.num_rows(), is_null))
        };
        vec![rows.columns().first().and_then(nulls), rows.columns().last().and_then(nulls)]
    }
}
