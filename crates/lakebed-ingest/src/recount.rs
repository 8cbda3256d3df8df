//! Decoding a source again as it was decoded, to count.

use std::sync::Arc;

use lakebed_core::{CsvDecode, Decode};

use crate::{
    LocalSource, NoProgress, Recount, Refusal,
    account::Account,
    encoding::Charset,
    engine::run,
    feed::{Fed, feed_text, refuse_fault, refuse_trouble},
    infer::Tuning,
    layout::{Format, Source},
    names::Names,
    parquet_in,
    rows::{ChunkScan, ColumnReading, NullTokens, Reading, scan},
    sniff::{Detected, Text, Wrapping, dialect_of, preamble_of},
};

pub(crate) fn recount_with(
    source: &LocalSource,
    decode: &Decode,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    match decode {
        Decode::Csv(csv) => recount_text(source, csv, tuning, threads),
        Decode::Parquet { .. } => {
            let mut account = Account::default();
            account.add_rows(parquet_in::row_count(source)?);
            Ok(account.recount())
        }
    }
}

fn recount_text(
    local: &LocalSource,
    csv: &CsvDecode,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    let dialect = dialect_of(csv.delimiter, csv.quote)?;
    let charset = csv.encoding.as_deref().map(Charset::of_label).transpose()?.flatten();
    let wrapping = Wrapping { compression: csv.compression, charset };
    let (preamble, skip) = preamble_of(local, wrapping, dialect, csv.header)?;
    let typed = |column: &lakebed_core::Column| ColumnReading::Typed {
        data_type: column.data_type.clone(),
        declared: column.declared,
    };
    let reading = Arc::new(Reading {
        dialect,
        nulls: NullTokens::new(&csv.null_tokens),
        columns: csv.columns.iter().map(typed).collect(),
        longest_record: tuning.sizes.record,
        judges_quotes: csv.reader >= 2,
        checking: None,
    });
    let text = Text {
        compression: csv.compression,
        charset,
        proposed: None,
        dialect,
        header: csv.header,
        detected: Detected::default(),
        names: Names::default(),
        preamble,
        skip,
    };
    let source = Source {
        name: local.name.clone(),
        path: local.path.clone(),
        format: Format::Text(Box::new(text)),
        columns: (0..csv.columns.len()).collect(),
    };
    run(
        threads,
        &NoProgress,
        |feeder| {
            let (sizes, progress) = (tuning.sizes, &NoProgress);
            feed_text(feeder, 0, &source, &reading, sizes, progress, |passage, reading| {
                scan(&passage, reading)
            })
        },
        |engine| {
            let mut account = Account::new(preamble, csv.columns.len());
            while let Some(part) = engine.next()? {
                add(&mut account, &source, part)?;
            }
            Ok(account.recount())
        },
    )
}

fn add(account: &mut Account, source: &Source, part: Fed<ChunkScan>) -> Result<(), Refusal> {
    match part {
        Fed::Chunk { result: Ok(scan), .. } => account.add(&scan.counts),
        Fed::Chunk { result: Err(trouble), .. } => {
            return Err(refuse_trouble(source, &trouble, account.lines));
        }
        Fed::End { length, .. } => account.check(&source.name, length)?,
        Fed::Fault { fault, .. } => return Err(refuse_fault(source, &fault, account.lines)),
        Fed::Refused(refusal) => return Err(refusal),
        Fed::Batch { .. } => {}
    }
    Ok(())
}
