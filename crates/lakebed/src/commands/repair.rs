//! `lakebed repair`: quarantined rows, corrected, as a version that cites the one they come from.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use lakebed_api::{IngestRequest, ResolveRequest, SourceFile};
use lakebed_core::{CsvDecode, DatasetRef, Decode, DecodeOptions, IngestMode};

use super::ingest::{hand_over, print_outcome, send};
use crate::{
    app::App,
    connect::Session,
    problem::{Exit, Problem, Result},
    progress::Bar,
    reading::ReadingArgs,
    sources,
};

/// Add corrected rows of a version's quarantine to its dataset.
///
/// The new version has the newest one's rows and those of the files, and names the version whose
/// quarantine they come from among its inputs. What was set aside stays where it is. What is not said
/// of how to read them is taken from the sources that the rows came from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed quarantine sales.orders --export bad.csv     # then correct bad.csv
  lakebed repair sales.orders bad.csv
  lakebed repair sales.orders@v3 bad.csv --null NA")]
pub(crate) struct RepairArgs {
    /// The version whose rows were corrected, `namespace.name[@selector]`
    #[arg(value_name = "REF")]
    reference: DatasetRef,
    /// Files with the corrected rows
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// A key that makes repeating this very command harmless
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) async fn run(app: &App, args: RepairArgs) -> Result<Exit> {
    let found = sources::expand(&args.files, None, &app.current)?.without_dead_links()?;
    let session = Session::open(app).await?;
    let refs = vec![args.reference.to_string()];
    let request = ResolveRequest { refs, files: true, ..ResolveRequest::default() };
    let version = session.client.resolve(&request).await?.versions.pop();
    let version = version.ok_or_else(|| Problem::internal("the lake answered nothing"))?;
    let dataset = version.version.dataset.clone();
    // It is this version, whatever its name means when the work is done.
    let pinned = DatasetRef::pinned(dataset.clone(), version.version.version);
    let options =
        as_before(args.reading.options()?, version.sources.as_deref().unwrap_or_default());
    let mut bar = Bar::new(&app.terminal);
    let request = IngestRequest {
        dataset: dataset.to_string(),
        mode: IngestMode::Append,
        repairs: Some(pinned.to_string()),
        options,
        sources: hand_over(&session, found.sources, &mut bar).await?,
        ..IngestRequest::default()
    };
    let outcome = send(app, &session, &request, args.idempotency_key.as_deref(), &mut bar).await?;
    drop(bar);
    session.close().await;
    print_outcome(app, &outcome)?;
    Ok(Exit::Ok)
}

/// The options, and where they say nothing how the sources with quarantined rows were read, as long as
/// all of them were read alike.
fn as_before(options: DecodeOptions, sources: &[SourceFile]) -> DecodeOptions {
    let bad = sources.iter().filter(|source| source.quarantined.rows > 0);
    let texts: Option<Vec<&CsvDecode>> = bad
        .map(|source| match &source.decode {
            Some(Decode::Csv(csv)) => Some(csv),
            _ => None,
        })
        .collect();
    let Some(texts) = texts else { return options };
    let Some(first) = texts.first() else { return options };
    let is_alike = |csv: &&CsvDecode| {
        (csv.delimiter, csv.quote, &csv.encoding, &csv.null_tokens)
            == (first.delimiter, first.quote, &first.encoding, &first.null_tokens)
    };
    if options.format.is_some() || !texts.iter().all(is_alike) {
        return options;
    }
    DecodeOptions {
        delimiter: options.delimiter.or(Some(first.delimiter)),
        quote: options.quote.or(Some(first.quote)),
        encoding: options.encoding.or_else(|| first.encoding.clone()),
        null_tokens: match options.null_tokens.is_empty() {
            true => first.null_tokens.clone(),
            false => options.null_tokens,
        },
        ..options
    }
}
