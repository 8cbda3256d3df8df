//! Decoding a source again as it was decoded, to count.

use std::sync::Arc;

use lakebed_core::{CsvDecode, DataType, Decode, JsonDecode, RepeatedHeaders, XlsxDecode};

use crate::{
    LocalSource, NoProgress, Recount, Refusal, RowCheck,
    account::Account,
    arrow_types::arrow_type,
    checks::Checking,
    encoding::{Charset, Passage},
    engine::{Gone, run},
    feed::{Fed, feed_text, refuse_fault, refuse_trouble},
    infer::Tuning,
    json_in::{self, Json, JsonColumn, JsonReading},
    judged::JudgedBatch,
    layout::{Format, Source},
    names::Names,
    parquet_in,
    rows::{ColumnReading, Counts, NullTokens, Reading, Trouble, decode, scan},
    sniff::{Detected, Lead, Text, Wrapping, dialect_of, preamble_of},
    xlsx_in::Sheet,
};

pub(crate) fn recount_with(
    source: &LocalSource,
    decode: &Decode,
    check: Option<&Arc<dyn RowCheck>>,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    let typed = |column: &lakebed_core::Column| (column.name.clone(), column.data_type.clone());
    match decode {
        Decode::Csv(csv) => {
            let columns: Vec<_> = csv.columns.iter().map(typed).collect();
            let checking = check.map(|check| Checking::new(check, &columns, None));
            let charset = csv.encoding.as_deref().map(Charset::of_label).transpose()?.flatten();
            let wrapping = Wrapping { compression: csv.compression, charset, sheet: None };
            recount_text(source, csv, wrapping, checking, tuning, threads)
        }
        Decode::Xlsx(xlsx) => {
            let columns: Vec<_> = xlsx.columns.iter().map(typed).collect();
            let checking = check.map(|check| Checking::new(check, &columns, None));
            let sheet = Some(Arc::new(Sheet::reopen(xlsx)?));
            let wrapping = Wrapping { sheet, ..Wrapping::default() };
            recount_text(source, &as_text(xlsx), wrapping, checking, tuning, threads)
        }
        Decode::Json(json) => {
            let columns: Vec<_> = json.columns.iter().map(typed).collect();
            let checking = check.map(|check| Checking::new(check, &columns, None));
            recount_json(source, json, checking, tuning, threads)
        }
        Decode::Parquet { columns } => {
            let columns: Vec<_> = columns.iter().map(typed).collect();
            let checking = check.map(|check| Checking::new(check, &columns, None));
            recount_parquet(source, &columns, checking)
        }
    }
}

fn recount_parquet(
    source: &LocalSource,
    columns: &[(String, DataType)],
    checking: Option<Checking>,
) -> Result<Recount, Refusal> {
    let mut account = Account::default();
    let Some(checking) = checking else {
        account.add_rows(parquet_in::row_count(source)?);
        return Ok(account.recount());
    };
    let types: Vec<_> = columns.iter().map(|(_, data_type)| arrow_type(data_type)).collect();
    let mut judged = Ok(());
    parquet_in::read_source(&source.name, &source.path, &types, &mut |columns, rows| {
        let batch = JudgedBatch::judge(&checking, columns, rows, None);
        judged = batch.map(|batch| account.add_judged(&batch)).map_err(Refusal::internal);
        if judged.is_err() { Err(Gone) } else { Ok(()) }
    })?;
    judged.map(|()| account.recount())
}

/// What a worker makes of a chunk where nothing is judged, and where something is.
fn count_chunk(passage: &Passage, reading: &Reading) -> Result<Counts, Trouble> {
    match reading.checking {
        None => scan(passage, reading).map(|scan| scan.counts),
        Some(_) => decode(passage, reading, None).map(|rows| rows.counts),
    }
}

fn recount_json(
    source: &LocalSource,
    decode: &JsonDecode,
    checking: Option<Checking>,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    let column = |(index, column): (usize, &lakebed_core::Column)| JsonColumn {
        key: decode.keys.get(index).unwrap_or(&column.name).clone(),
        data_type: column.data_type.clone(),
        declared: column.declared,
    };
    let reading = JsonReading {
        form: decode.form,
        columns: decode.columns.iter().enumerate().map(column).collect(),
        nulls: NullTokens::new(&decode.null_tokens),
        longest_record: tuning.sizes.record,
        checking,
    };
    let json = Json::reopen(source, decode.compression, decode.form)?;
    json_in::recount(source, &json, &reading, tuning, threads)
}

/// How the text is read that a sheet is read as.
fn as_text(xlsx: &XlsxDecode) -> CsvDecode {
    CsvDecode {
        compression: None,
        encoding: None,
        delimiter: ',',
        quote: '"',
        header: xlsx.header,
        skip_lines: xlsx.skip_rows,
        comment: None,
        repeated_headers: xlsx.repeated_headers,
        spelling: xlsx.spelling,
        reader: CsvDecode::READER,
        null_tokens: xlsx.null_tokens.clone(),
        columns: xlsx.columns.clone(),
    }
}

fn recount_text(
    local: &LocalSource,
    csv: &CsvDecode,
    wrapping: Wrapping,
    checking: Option<Checking>,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    let dialect = dialect_of(csv.delimiter, csv.quote)?;
    let (skip_lines, comment) = (csv.skip_lines, csv.comment);
    let lead = Lead { skip_lines, comment, ..Lead::default() };
    let (preamble, skip, header) = preamble_of(local, &wrapping, dialect, csv.header, lead)?;
    let skips = csv.repeated_headers == RepeatedHeaders::Skipped;
    let header_text: Option<Arc<[u8]>> = skips.then(|| header.into());
    let typed = |column: &lakebed_core::Column| ColumnReading::Typed {
        data_type: column.data_type.clone(),
        declared: column.declared,
    };
    let reading = Arc::new(Reading {
        dialect,
        nulls: NullTokens::new(&csv.null_tokens),
        columns: csv.columns.iter().map(typed).collect(),
        longest_record: tuning.sizes.record,
        comment,
        header: header_text.clone(),
        spelling: csv.spelling,
        judges_quotes: csv.reader >= 2 && wrapping.sheet.is_none(),
        checking,
    });
    let text = Text {
        compression: wrapping.compression,
        charset: wrapping.charset,
        sheet: wrapping.sheet,
        proposed: None,
        dialect,
        header: csv.header,
        detected: Detected::default(),
        names: Names::default(),
        preamble,
        skip,
        lead,
        header_text,
        spelling: csv.spelling,
    };
    let account = text.account(csv.columns.len());
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
            feed_text(feeder, 0, &source, &reading, sizes, progress, |passage, reading, _| {
                count_chunk(&passage, reading)
            })
        },
        |engine| {
            let mut account = account;
            while let Some(part) = engine.next()? {
                add(&mut account, &source, part)?;
            }
            Ok(account.recount())
        },
    )
}

fn add(account: &mut Account, source: &Source, part: Fed<Counts>) -> Result<(), Refusal> {
    match part {
        Fed::Chunk { result: Ok(counts), .. } => account.add(&counts),
        Fed::Chunk { result: Err(trouble), .. } => {
            return Err(refuse_trouble(source, &trouble, account.lines));
        }
        Fed::End { length, .. } => account.check(&source.name, length)?,
        Fed::Fault { fault, .. } => return Err(refuse_fault(source, &fault, account.lines)),
        Fed::Refused(refusal) => return Err(refusal),
        Fed::Batch { .. } | Fed::Tail { .. } => {}
    }
    Ok(())
}
