//! The quarantined rows of a version, as people read them.
//!
//! They are Parquet objects like any other: brought to a temporary folder, verified, and read there.

use std::fs::File;

use arrow::{array::RecordBatch, error::ArrowError};
use lakebed_api::FileLink;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{
    app::App,
    connect::Session,
    fetch::transfer,
    output::{human, rows::RowPrinter},
    problem::{Problem, Result},
};

/// Prints the first `limit` rows of `files` (0: all), in source order.
pub(crate) async fn print(
    app: &App,
    session: &Session,
    files: &[FileLink],
    limit: u64,
) -> Result<()> {
    let total: u64 = files.iter().filter_map(|file| file.row_count).sum();
    if total == 0 {
        app.terminal.note("no row is quarantined");
        return Ok(());
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Problem::io("write to", &std::env::temp_dir(), &error))?;
    let mut left = if limit == 0 { u64::MAX } else { limit };
    let mut printer = RowPrinter::table_or_json(&app.terminal);
    for file in files {
        if left == 0 {
            break;
        }
        let path = folder.path().join(file.object.to_string());
        transfer::bring(session, file, &path, &|_| {}).await?;
        let opened = File::open(&path).map_err(|error| Problem::io("read", &path, &error))?;
        for batch in read(opened).map_err(|error| unreadable(file, &error))? {
            let batch = batch.map_err(|error| unreadable(file, &error))?;
            let rows = batch.num_rows().min(usize::try_from(left).unwrap_or(usize::MAX));
            printer.push(&batch.slice(0, rows))?;
            left -= rows as u64;
            if left == 0 {
                break;
            }
        }
    }
    let printed = printer.finish()?;
    if printed < total {
        let (printed, total) = (human::count(printed), human::count(total));
        app.terminal.note(format!("{printed} of {total} quarantined rows: --limit 0 prints all"));
    }
    Ok(())
}

fn read(
    file: File,
) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, parquet::errors::ParquetError> {
    ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(1024).build()
}

/// The bytes are right, for they were verified; so the reader and the writer disagree.
fn unreadable(file: &FileLink, error: &dyn std::error::Error) -> Problem {
    Problem::internal(format!("quarantine file `{}` cannot be read", file.object))
        .detail(error.to_string())
}
