//! `lakebed quarantine`: the rows of a version that were set aside, counted, shown and exported.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use lakebed_api::{EventEntry, FileLink, SourceFile};
use lakebed_core::{DatasetRef, Decode, FileEntry, Header};
use lakebed_ingest::QuarantinedRow;
use serde::Serialize;

use crate::{
    app::App,
    atomic::Draft,
    connect::Session,
    output::{Table, human},
    problem::{Exit, Problem, Result},
    quarantine,
};

/// Count, show or export the rows that were set aside.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed quarantine sales.orders
  lakebed quarantine sales.orders@v3 --sample 5
  lakebed quarantine sales.orders --export bad.csv
  lakebed quarantine --event 12

A file that ends in `.parquet` gets the whole table: source, line, byte offset, bytes and reasons. Any
other gets the rows' own bytes, below a header if their sources had one: repair them there. The rows
that made an ingest refuse are found by the number of its event, which `lakebed log` shows.")]
pub(crate) struct QuarantineArgs {
    /// A reference, `namespace.name[@selector]`
    #[arg(value_name = "REF", required_unless_present = "event", conflicts_with = "event")]
    reference: Option<DatasetRef>,
    /// The rows that made this ingest refuse, by its event
    #[arg(long, value_name = "SEQ")]
    event: Option<u64>,
    /// Print the first N rows instead, with their reasons; 0 for all
    #[arg(long, value_name = "N", conflicts_with = "export")]
    sample: Option<u64>,
    /// Write all rows to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    export: Option<PathBuf>,
}

pub(crate) async fn run(app: &App, args: QuarantineArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let (files, sources) = match (&args.reference, args.event) {
        (Some(reference), _) => {
            let answer = session.client.version(&reference.to_string()).await?;
            (answer.quarantine, answer.version.sources.unwrap_or_default())
        }
        (None, event) => (files_of_event(&session, event.unwrap_or_default()).await?, Vec::new()),
    };
    match (args.sample, &args.export) {
        (Some(limit), _) => quarantine::print(app, &session, &files, limit, "--sample 0").await?,
        (None, Some(path)) => {
            export(app, &session, &files, &sources, &app.current.join(path)).await?;
        }
        (None, None) => summarise(app, &session, &files).await?,
    }
    session.close().await;
    Ok(Exit::Ok)
}

/// The quarantine files that a refusal's event names.
async fn files_of_event(session: &Session, seq: u64) -> Result<Vec<FileLink>> {
    let page = session.client.events(seq.saturating_sub(1), Some(1)).await?;
    let event = page.events.into_iter().find(|event| event.seq == seq);
    let refused = event.filter(|event: &EventEntry| event.kind == "ingest_refused");
    let refused = refused.ok_or_else(|| {
        Problem::usage(format!("event {seq} is no refused ingest that you may see"))
            .hint("`lakebed log` lists events")
    })?;
    let files = refused.details.get("quarantine").cloned().unwrap_or_default();
    let files: Vec<FileEntry> = match files.is_null() {
        true => Vec::new(),
        false => serde_json::from_value(files)
            .map_err(|error| Problem::internal(format!("event {seq} cannot be read: {error}")))?,
    };
    let link = |file: FileEntry| FileLink {
        url: format!("/v1/objects/{}", file.object.id),
        object: file.object.id,
        size_bytes: file.object.size_bytes,
        row_count: Some(file.row_count),
        name: None,
    };
    Ok(files.into_iter().map(link).collect())
}

/// How many rows have a defect.
#[derive(Debug, Default, Serialize)]
struct Defect {
    code: &'static str,
    column: Option<String>,
    rule: String,
    rows: u64,
    source: String,
    line: u64,
}

async fn summarise(app: &App, session: &Session, files: &[FileLink]) -> Result<()> {
    let mut defects: BTreeMap<(&'static str, Option<String>, String), Defect> = BTreeMap::new();
    let mut rows = 0;
    quarantine::each(session, files, &mut |row| {
        rows += 1;
        for reason in &row.reasons {
            let code = reason.code.as_str();
            let key = (code, reason.column.clone(), reason.rule.clone());
            let defect = defects.entry(key).or_insert_with(|| Defect {
                code,
                column: reason.column.clone(),
                rule: reason.rule.clone(),
                rows: 0,
                source: row.source.clone(),
                line: row.line,
            });
            defect.rows += 1;
        }
        Ok(())
    })
    .await?;
    let mut defects: Vec<Defect> = defects.into_values().collect();
    defects.sort_by_key(|defect| std::cmp::Reverse(defect.rows));
    if app.terminal.json {
        let summary = serde_json::json!({ "rows": rows, "defects": defects });
        return app.terminal.print_json(&summary);
    }
    if rows == 0 {
        app.terminal.note("no row is quarantined");
        return Ok(());
    }
    let mut table = Table::new(["code", "column", "rule", ">rows", "first"]);
    for defect in &defects {
        table.push([
            defect.code.into(),
            defect.column.as_deref().unwrap_or_default().into(),
            defect.rule.as_str().into(),
            human::count(defect.rows).into(),
            format!("line {} of {}", defect.line, defect.source).into(),
        ]);
    }
    app.terminal.print_table(&table)?;
    app.terminal
        .note(format!("{}: --sample N shows some", human::counted(rows, "quarantined row")));
    Ok(())
}

async fn export(
    app: &App,
    session: &Session,
    files: &[FileLink],
    sources: &[SourceFile],
    path: &Path,
) -> Result<()> {
    if files.is_empty() {
        app.terminal.note("no row is quarantined: nothing was written");
        return tell_exported(app, None, 0);
    }
    let mut draft = Draft::beside(path)?;
    let failed = |error: std::io::Error| Problem::io("write", path, &error);
    let rows = if path.extension().is_some_and(|extension| extension == "parquet") {
        quarantine::write_table(session, files, &mut draft).await?
    } else {
        let header = header_of(sources);
        draft.write_all(header.unwrap_or_default().as_bytes()).map_err(failed)?;
        let mut rows = 0;
        quarantine::each(session, files, &mut |row: QuarantinedRow| {
            rows += 1;
            draft.write_all(&row.raw).map_err(failed)?;
            let ends = row.raw.ends_with(b"\n") || row.raw.ends_with(b"\r");
            draft.write_all(if ends { b"" } else { b"\n" }).map_err(failed)
        })
        .await?;
        rows
    };
    draft.publish()?;
    app.terminal.note(format!("{} in {}", human::counted(rows, "row"), path.display()));
    tell_exported(app, Some(path), rows)
}

/// For programs; people were told.
fn tell_exported(app: &App, path: Option<&Path>, rows: u64) -> Result<()> {
    if !app.terminal.json {
        return Ok(());
    }
    let path = path.map(|path| path.display().to_string());
    app.terminal.print_json(&serde_json::json!({ "exported": path, "rows": rows }))
}

/// The header of the sources that have quarantined rows, if all of them have the same.
fn header_of(sources: &[SourceFile]) -> Option<String> {
    let bad = sources.iter().filter(|source| source.quarantined.rows > 0);
    let mut headers = bad.map(|source| match &source.decode {
        Some(Decode::Csv(csv)) if csv.header == Header::Present => {
            let names = csv.columns.iter().map(|column| quoted(&column.name, csv.quote));
            Some(names.collect::<Vec<_>>().join(&csv.delimiter.to_string()) + "\n")
        }
        // Their rows are kept as delimited text.
        Some(Decode::Xlsx(xlsx)) if xlsx.header == Header::Present => {
            let names = xlsx.columns.iter().map(|column| quoted(&column.name, '"'));
            Some(names.collect::<Vec<_>>().join(",") + "\n")
        }
        _ => None,
    });
    let first = headers.next()??;
    headers.all(|header| header.as_ref() == Some(&first)).then_some(first)
}

/// Names hold no line ends; whatever else they hold may stand between quotes.
fn quoted(name: &str, quote: char) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '.' | '-'));
    match is_plain && !name.is_empty() {
        true => name.to_owned(),
        false => format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}"))),
    }
}
