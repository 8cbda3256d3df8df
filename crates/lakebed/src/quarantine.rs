//! The quarantined rows of a version, as people read them.
//!
//! They are Parquet objects like any other: brought to a temporary folder, verified, and read there.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch, StringArray, StructArray},
    error::ArrowError,
};
use lakebed_api::FileLink;
use lakebed_ingest::{QuarantineReader, QuarantinedRow};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{
    app::App,
    connect::Session,
    fetch::transfer::{self, OnBytes},
    output::{human, rows::RowPrinter},
    problem::{Problem, Result},
};

/// Prints the first `limit` rows of `files` (0: all), in source order; `all` is how one asks for all.
pub(crate) async fn print(
    app: &App,
    session: &Session,
    files: &[FileLink],
    limit: u64,
    all: &str,
) -> Result<()> {
    let total: u64 = files.iter().filter_map(|file| file.row_count).sum();
    if total == 0 {
        app.terminal.note("no row is quarantined");
        return Ok(());
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Problem::io("write to", &std::env::temp_dir(), &error))?;
    let nobody: OnBytes = Arc::new(|_| {});
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let mut printer = RowPrinter::table_or_json(&app.terminal);
    for file in files {
        if left == 0 {
            break;
        }
        let path = folder.path().join(file.object.to_string());
        transfer::bring(session, file, &path, &nobody).await?;
        let opened = File::open(&path).map_err(|error| Problem::io("read", &path, &error))?;
        for batch in read(opened).map_err(|error| unreadable(file, &error))? {
            let batch = batch.map_err(|error| unreadable(file, &error))?;
            let rows = batch.num_rows().min(usize::try_from(left).unwrap_or(usize::MAX));
            let batch = batch.slice(0, rows);
            match app.terminal.json {
                true => printer.push(&batch)?,
                false => printer.push(&readable(&batch).unwrap_or(batch))?,
            }
            left -= rows as u64;
            if left == 0 {
                break;
            }
        }
    }
    let printed = printer.finish()?;
    if printed < total {
        let (printed, total) = (human::count(printed), human::count(total));
        app.terminal.note(format!("{printed} of {total} quarantined rows: {all} prints all"));
    }
    Ok(())
}

/// Hands over every row of `files`, in source order.
pub(crate) async fn each(
    session: &Session,
    files: &[FileLink],
    take: &mut dyn FnMut(QuarantinedRow) -> Result<()>,
) -> Result<()> {
    let folder = Brought::new()?;
    for file in files {
        let path = folder.bring(session, file).await?;
        let rows = QuarantineReader::open(&path).map_err(|error| unreadable(file, &error))?;
        for row in rows {
            take(row.map_err(|error| unreadable(file, &error))?)?;
        }
        folder.remove(&path)?;
    }
    Ok(())
}

/// Writes the rows of `files` as one table; gives how many there are.
pub(crate) async fn write_table(
    session: &Session,
    files: &[FileLink],
    out: &mut (impl Write + Send),
) -> Result<u64> {
    let folder = Brought::new()?;
    let mut writer: Option<ArrowWriter<_>> = None;
    let mut rows = 0;
    let mut out = Some(out);
    for file in files {
        let path = folder.bring(session, file).await?;
        let opened = File::open(&path).map_err(|error| Problem::io("read", &path, &error))?;
        for batch in read(opened).map_err(|error| unreadable(file, &error))? {
            let batch = batch.map_err(|error| unreadable(file, &error))?;
            if let Some(out) = out.take() {
                let begun = ArrowWriter::try_new(out, batch.schema(), None);
                writer = Some(begun.map_err(|error| unreadable(file, &error))?);
            }
            if let Some(writer) = &mut writer {
                writer.write(&batch).map_err(|error| unreadable(file, &error))?;
            }
            rows += batch.num_rows() as u64;
        }
        folder.remove(&path)?;
    }
    if let Some(writer) = writer {
        writer.close().map_err(|error| Problem::internal(error.to_string()))?;
    }
    Ok(rows)
}

/// Quarantine files on this machine, for as long as they are read.
struct Brought(tempfile::TempDir);

impl Brought {
    fn new() -> Result<Self> {
        tempfile::tempdir()
            .map(Self)
            .map_err(|error| Problem::io("write to", &std::env::temp_dir(), &error))
    }

    async fn bring(&self, session: &Session, file: &FileLink) -> Result<PathBuf> {
        let path = self.0.path().join(file.object.to_string());
        let nobody: OnBytes = Arc::new(|_| {});
        transfer::bring(session, file, &path, &nobody).await?;
        Ok(path)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).map_err(|error| Problem::io("remove", path, &error))
    }
}

fn read(
    file: File,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, parquet::errors::ParquetError> {
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(1024).build()
}

/// The same rows for people: reasons as a sentence, raw bytes as text. None when the file is of
/// another shape than this build knows.
fn readable(batch: &RecordBatch) -> Option<RecordBatch> {
    let reasons = batch.column_by_name("reasons")?.as_list_opt::<i32>()?;
    let raw = batch.column_by_name("raw")?.as_binary_opt::<i32>()?;
    let sentences: Option<StringArray> =
        reasons.iter().map(|reasons| sentence(reasons?.as_struct_opt()?).map(Some)).collect();
    let texts: StringArray = raw.iter().map(|bytes| bytes.map(text_of)).collect();
    RecordBatch::try_from_iter([
        ("source", Arc::clone(batch.column_by_name("source")?)),
        ("line", Arc::clone(batch.column_by_name("line")?)),
        ("byte_offset", Arc::clone(batch.column_by_name("byte_offset")?)),
        ("reasons", Arc::new(sentences?)),
        ("row", Arc::new(texts) as ArrayRef),
    ])
    .ok()
}

/// `type-error in `n` (type long); extra-cell (2 fields)`.
fn sentence(reasons: &StructArray) -> Option<String> {
    let text = |name: &str| reasons.column_by_name(name)?.as_string_opt::<i32>();
    let (codes, columns, rules) = (text("code")?, text("column")?, text("rule")?);
    let words = (0..reasons.len()).map(|index| {
        let (code, rule) = (codes.value(index), rules.value(index));
        match columns.is_null(index) {
            true => format!("{code} ({rule})"),
            false => format!("{code} in `{}` ({rule})", columns.value(index)),
        }
    });
    Some(words.collect::<Vec<_>>().join("; "))
}

/// At most 200 characters, without the line end; what is not UTF-8 is marked.
fn text_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(800)]);
    let text = text.trim_end_matches(['\r', '\n']);
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if bytes.len() > 800 => format!("{text}…"),
        None => text.to_owned(),
    }
}

/// The bytes are right, for they were verified; so the reader and the writer disagree.
fn unreadable(file: &FileLink, error: &dyn std::error::Error) -> Problem {
    Problem::internal(format!("quarantine file `{}` cannot be read", file.object))
        .detail(error.to_string())
}
