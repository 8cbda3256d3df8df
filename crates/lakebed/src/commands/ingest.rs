//! `lakebed ingest`: sources in, a version out.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lakebed_api::{
    IngestPlan, IngestRequest, IngestResponse, IngestSource, IngestStatus, Job, Progress,
    RuleFinding, SourceFile,
};
use lakebed_client::ClientError;
use lakebed_core::{DatasetKind, DatasetName, DecodeOptions, Evolution, IngestMode};
use tokio_util::io::ReaderStream;

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, describe, human, style},
    problem::{Exit, Problem, Result},
    progress::{Bar, Counter},
    reading::ReadingArgs,
    sources::{self, Bytes, Source, Sources},
    upload::{FileBytes, PipeBytes},
};

/// Make a version of files, folders, globs, URLs or standard input.
///
/// The originals are kept as they are. Without --append the version is exactly the sources given.
/// The same sources read the same way make the same version: nothing is stored twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed ingest weather.csv --to nyc.weather --null NA
  lakebed ingest 2024/ '2025/**/*.csv.gz' --to sales.orders --type id=string
  lakebed ingest december.csv --to sales.orders --append
  lakebed ingest new.csv --to sales.orders --evolve 'rename qty=quantity' --evolve 'drop note'
  lakebed ingest model.bin plots/ --to ml.model --as files
  lakebed ingest https://example.org/x.csv --to web.x
  psql -c 'COPY t TO STDOUT CSV HEADER' | lakebed ingest - --name t.csv --to pg.t
  lakebed ingest weather.csv --to nyc.weather --plan    # look first, commit nothing

Rows that do not fit declared types or the dataset's columns are quarantined with line, column and
reason; `lakebed show <dataset> --quarantine` prints them.")]
pub(crate) struct IngestArgs {
    /// Files, folders (with everything below them), globs, URLs, or `-` for standard input
    #[arg(required = true, value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    sources: Vec<PathBuf>,
    /// The dataset, `namespace.name`; its first version creates it
    #[arg(long, value_name = "DATASET")]
    to: DatasetName,
    /// Add the rows to those of the newest version instead of replacing them
    #[arg(long)]
    append: bool,
    /// The name of standard input, as a file would have it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
    /// Declare a change of the schema: `rename old=new`, `retype column=type`, `drop column`; may be
    /// given again
    #[arg(long, value_name = "CHANGE", conflicts_with = "append")]
    evolve: Vec<Evolution>,
    /// Refuse the version when more of its rows would be quarantined: `1%`, `0.01` or `25 rows`
    #[arg(long, value_name = "LIMIT", value_parser = parse_limit)]
    max_quarantined: Option<Limit>,
    /// Once more, on purpose: make a version though these sources are in already
    #[arg(long, value_name = "WORD", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    again: Option<String>,
    /// Show how the sources would be read, and commit nothing
    #[arg(long)]
    plan: bool,
    /// Do not wait: print the id of the server's job, for `lakebed job follow`
    #[arg(long, conflicts_with = "plan")]
    detach: bool,
    /// A key that makes repeating this very command harmless
    #[arg(long, value_name = "KEY", conflicts_with = "plan")]
    idempotency_key: Option<String>,
}

/// How many rows may be quarantined.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// A part of all rows.
    Share(f64),
    Rows(u64),
}

impl Limit {
    /// The reading options with this limit.
    fn of(limit: Option<Self>, options: DecodeOptions) -> DecodeOptions {
        match limit {
            None => options,
            Some(Self::Share(share)) => DecodeOptions { max_quarantined: Some(share), ..options },
            Some(Self::Rows(rows)) => DecodeOptions { max_quarantined_rows: Some(rows), ..options },
        }
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let wrong =
        || "expected a share of the rows, `1%` or `0.01`, or a number, `25 rows`".to_owned();
    if let Some(rows) = text.strip_suffix("rows").or_else(|| text.strip_suffix("row")) {
        return rows.trim().parse().map(Limit::Rows).map_err(|_| wrong());
    }
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    share.ok().filter(|share| (0.0..=1.0).contains(share)).map(Limit::Share).ok_or_else(wrong)
}

pub(crate) async fn run(app: &App, args: IngestArgs) -> Result<Exit> {
    let found = sources::expand(&args.sources, args.name.as_deref(), &app.current)?;
    let mut found = found.without_dead_links()?;
    if !args.reading.is_files() {
        found = found.without_marks();
        tell_folder_keys(app, &found, &app.current);
    }
    if found.marks_left_out > 0 {
        let files = human::counted(found.marks_left_out, "file");
        app.terminal.note(format!("{files} like `_SUCCESS` left out of {}", args.to));
    }
    if found.links_left_out > 0 {
        let links = human::counted(found.links_left_out, "link");
        app.terminal.note(format!("{links} to folders were not followed: name those folders too"));
    }
    let session = Session::open_or_create(app).await?;
    if args.detach && session.is_local() {
        session.close().await;
        return Err(Problem::usage("`--detach` needs a server that goes on with the work")
            .hint("name it: `lakebed --lake https://… ingest … --detach`"));
    }
    let mut bar = Bar::new(&app.terminal);
    let request = IngestRequest {
        dataset: args.to.to_string(),
        mode: if args.append { IngestMode::Append } else { IngestMode::Replace },
        again: again(args.again.as_deref())?,
        repairs: None,
        options: DecodeOptions {
            evolve: args.evolve,
            ..Limit::of(args.max_quarantined, args.reading.options()?)
        },
        sources: hand_over(&session, found.sources, &mut bar).await?,
    };
    if args.plan {
        let plan = session.client.plan_ingest(&request).await?;
        drop(bar);
        session.close().await;
        print_plan(app, &args.to, &plan)?;
        return Ok(Exit::Ok);
    }
    let key = args.idempotency_key.as_deref();
    if args.detach {
        let job = session.client.submit_ingest(&request, &own_key(key)?).await?;
        drop(bar);
        session.close().await;
        return print_detached(app, &job);
    }
    let outcome = send(app, &session, &request, key, &mut bar).await?;
    drop(bar);
    session.close().await;
    print_outcome(app, &outcome)?;
    Ok(Exit::Ok)
}

/// Says that the names of folders are not read, where they look like columns.
pub(crate) fn tell_folder_keys(app: &App, found: &Sources, current: &Path) {
    let keys = found.folder_keys(current);
    if keys.is_empty() {
        return;
    }
    let keys: Vec<String> = keys.iter().map(|key| format!("`{key}=…`")).collect();
    let keys = keys.join(", ");
    app.terminal
        .warn(format!("the folders {keys} are no columns: only what is in the files is read"));
}

/// Has it done, and shows how far it is.
pub(crate) async fn send(
    app: &App,
    session: &Session,
    request: &IngestRequest,
    key: Option<&str>,
    bar: &mut Bar,
) -> Result<IngestResponse, ClientError> {
    match session.is_local() {
        true => session.client.ingest(request, key, |progress| bar.show(&progress)).await,
        false => run_job(app, session, request, key, bar).await,
    }
}

/// On a server it is a job: it goes on when the connection is lost, and is found again by its key.
async fn run_job(
    app: &App,
    session: &Session,
    request: &IngestRequest,
    key: Option<&str>,
    bar: &mut Bar,
) -> Result<IngestResponse, ClientError> {
    let key = own_key(key)?;
    app.running.begin(&session.client, &key);
    let job = session.client.submit_ingest(request, &key).await;
    let followed = match job {
        Ok(job) => session.client.follow_ingest(&job.id, |progress| bar.show(&progress)).await,
        Err(error) => Err(error),
    };
    app.running.end();
    followed
}

/// The key that was given, or one that nobody has.
pub(crate) fn own_key(given: Option<&str>) -> Result<String, ClientError> {
    match given {
        Some(key) => Ok(key.to_owned()),
        None => random_word().map_err(|source| ClientError::Source { source: source.into() }),
    }
}

fn print_detached(app: &App, job: &Job) -> Result<Exit> {
    if app.terminal.json {
        app.terminal.print_json(job)?;
        return Ok(Exit::Ok);
    }
    app.terminal.print(format_args!("{}\n", job.id))?;
    app.terminal.note(format!("the server goes on with it: `lakebed job follow {}`", job.id));
    Ok(Exit::Ok)
}

/// 128 random bits.
fn random_word() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// A word of its own when none was given, so that every `--again` makes a version.
fn again(given: Option<&str>) -> Result<Option<String>> {
    match given {
        Some("") => random_word()
            .map(Some)
            .map_err(|error| Problem::internal(format!("no randomness: {error}"))),
        other => Ok(other.map(ToOwned::to_owned)),
    }
}

/// Files of this machine go to a lake in this process by their paths; everything else is uploaded,
/// several at a time.
pub(crate) async fn hand_over(
    session: &Session,
    sources: Vec<Source>,
    bar: &mut Bar,
) -> Result<Vec<IngestSource>> {
    if sources.iter().any(|source| !goes_by_path(session, source)) {
        begin_upload(&sources, bar);
    }
    let counter = bar.counter();
    let given = sources.into_iter().map(|source| give(session, source, counter.clone()));
    stream::iter(given).buffered(UPLOADS_AT_ONCE).try_collect().await
}

/// Nothing is sent ahead of it.
fn goes_by_path(session: &Session, source: &Source) -> bool {
    match &source.bytes {
        Bytes::File(..) => session.is_local(),
        Bytes::Url(_) => true,
        Bytes::Pipe(_) | Bytes::Stdin => false,
    }
}

fn begin_upload(sources: &[Source], bar: &mut Bar) {
    let size = |source: &Source| match &source.bytes {
        Bytes::File(_, size) => Some(*size),
        Bytes::Pipe(_) | Bytes::Stdin | Bytes::Url(_) => None,
    };
    bar.show(&Progress {
        phase: "uploading".to_owned(),
        bytes_total: sources.iter().map(size).sum(),
        ..Progress::default()
    });
}

async fn give(session: &Session, source: Source, counter: Counter) -> Result<IngestSource> {
    if goes_by_path(session, &source)
        && let Bytes::File(path, _) = &source.bytes
    {
        let text = path.to_str().ok_or_else(|| not_utf8(path))?;
        return Ok(IngestSource::path(source.name, text));
    }
    upload(session, source, counter).await
}

fn not_utf8(path: &Path) -> Problem {
    let message = format!("the path `{}` is not UTF-8", path.to_string_lossy());
    Problem::refused("bad-name", message).hint("rename it, or pipe it in with `-` and `--name`")
}

/// Sends the bytes ahead; of a URL nothing, for whoever has the lake fetches it. A lake in this
/// process is given a stream as it is; a server, parts that survive a loss.
async fn upload(session: &Session, source: Source, counter: Counter) -> Result<IngestSource> {
    let name = source.name;
    let add = |bytes| counter.add(bytes);
    let client = &session.client;
    let uploaded = match source.bytes {
        Bytes::Stdin if session.is_local() => {
            let stream = ReaderStream::with_capacity(tokio::io::stdin(), 1 << 18);
            client.upload(&name, counter.count(stream), None).await?
        }
        Bytes::Url(url) => return Ok(IngestSource::url(name, url)),
        Bytes::Pipe(path) if session.is_local() => {
            let stream = ReaderStream::with_capacity(open(&path).await?, 1 << 18);
            client.upload(&name, counter.count(stream), None).await?
        }
        Bytes::Stdin => {
            let mut bytes = PipeBytes::new(tokio::io::stdin());
            client.upload_from(&name, None, &mut bytes, add).await?
        }
        Bytes::Pipe(path) => {
            let mut bytes = PipeBytes::new(open(&path).await?);
            client.upload_from(&name, None, &mut bytes, add).await?
        }
        Bytes::File(path, size) => {
            let mut bytes = FileBytes::open(&path, size)?;
            client.upload_from(&name, Some(size), &mut bytes, add).await?
        }
    };
    Ok(IngestSource::upload(name, uploaded.upload))
}

async fn open(path: &Path) -> Result<tokio::fs::File> {
    tokio::fs::File::open(path).await.map_err(|error| Problem::io("read", path, &error))
}

pub(crate) fn print_outcome(app: &App, outcome: &IngestResponse) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(outcome);
    }
    let version = &outcome.version;
    let (bold, name) = (style::BOLD, format!("{}@v{}", version.dataset, version.version));
    let noun = if version.kind == DatasetKind::Files { "file" } else { "row" };
    // What the asker may not read is not there.
    let mut facts = Vec::new();
    if outcome.status == IngestStatus::Unchanged {
        facts.push("unchanged: it is exactly this".to_owned());
    }
    facts.extend(version.row_count.map(|count| human::counted(count, noun)));
    if outcome.status == IngestStatus::Committed {
        facts.extend(version.size_bytes.map(|size| format!("{} stored", human::bytes(size))));
        facts.extend(outcome.new_bytes.map(|size| format!("{} new", human::bytes(size))));
    }
    if facts.is_empty() {
        facts.push("committed".to_owned());
    }
    let id = version.version_id.map(|id| format!("  b3:{}", id.object().short()));
    app.terminal.print(format!(
        "{bold}{name}{bold:#}  {}{}\n",
        facts.join(", "),
        id.unwrap_or_default()
    ))?;
    for source in outcome.sources.iter().take(SHOWN) {
        app.terminal.note(describe_source(source, &outcome.notes));
    }
    if outcome.sources.len() > SHOWN {
        app.terminal.note(format!("and {} more sources", outcome.sources.len() - SHOWN));
    }
    for change in &outcome.changes {
        app.terminal.note(&change.text);
    }
    for note in &outcome.notes {
        app.terminal.note(note);
    }
    for finding in outcome.findings.iter().filter(|finding| !finding.passed) {
        tell_finding(app, finding);
    }
    let quarantined = version.quarantined_count.unwrap_or_default();
    if quarantined > 0 {
        let rows = human::counted(quarantined, "row");
        app.terminal.warn(format!("{rows} quarantined: see `lakebed show {name} --quarantine`"));
    }
    Ok(())
}

/// A rule of the contract that does not hold, and what that does.
fn tell_finding(app: &App, finding: &RuleFinding) {
    let measured = match &finding.measured {
        serde_json::Value::Null => "nothing".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let first =
        finding.first.as_ref().map(|first| format!(", first {}:{}", first.source, first.line));
    let problem = finding.problem.as_ref().map(|problem| format!(": {problem}"));
    let is_of_rows = finding.consequence.as_deref() == Some("quarantined");
    if let (true, Some(rows)) = (is_of_rows, finding.measured.as_u64()) {
        let rows = human::counted(rows, "row");
        let first = first.unwrap_or_default();
        return app.terminal.warn(format!("`{}` is broken by {rows}{first}", finding.rule));
    }
    let text = format!(
        "{} `{}`: must be {}, measured {measured}{}{}",
        finding.severity,
        finding.rule,
        finding.threshold,
        first.unwrap_or_default(),
        problem.unwrap_or_default()
    );
    match finding.severity.as_str() {
        "info" => app.terminal.note(text),
        _ => app.terminal.warn(text),
    }
}

/// How many sources are uploaded at the same time.
const UPLOADS_AT_ONCE: usize = 8;

/// How many sources are described one by one.
const SHOWN: usize = 10;

/// How it was read is said here unless a note says it.
fn describe_source(source: &SourceFile, notes: &[String]) -> String {
    let name = source.file.name.as_deref().unwrap_or("?");
    let mut text = format!("{name}: {}", human::bytes(source.file.size_bytes));
    if !notes.iter().any(|note| note.contains(name)) {
        text.push_str(&format!(", {}", describe::decode(source.decode.as_ref())));
    }
    if source.quarantined.rows > 0 {
        text.push_str(&format!(", {} quarantined", human::count(source.quarantined.rows)));
    }
    text
}

fn print_plan(app: &App, dataset: &DatasetName, plan: &IngestPlan) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(plan);
    }
    for source in plan.sources.iter().take(SHOWN) {
        let decode = describe::decode(source.decode.as_ref());
        app.terminal.note(format!("{}: {decode}", source.name));
    }
    if let Some(schema) = &plan.schema {
        let mut table = Table::new(["column", "type", "first values"]);
        for (index, field) in schema.fields.iter().enumerate() {
            let values: Vec<&str> = plan
                .sample
                .iter()
                .take(4)
                .filter_map(|row| row.get(index))
                .map(|value| value.as_deref().unwrap_or("NULL"))
                .collect();
            table.push([
                field.name.as_str().into(),
                field.data_type.to_string().into(),
                Cell::styled(values.join(" | "), style::DIM),
            ]);
        }
        app.terminal.print_table(&table)?;
    }
    for change in &plan.changes {
        app.terminal.note(&change.text);
    }
    for note in &plan.notes {
        app.terminal.note(note);
    }
    app.terminal.note(format!("nothing was committed to {dataset}; leave out --plan to do so"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        assert_eq!(parse_limit("1%"), Ok(Limit::Share(0.01)));
        assert_eq!(parse_limit("0.5"), Ok(Limit::Share(0.5)));
        assert_eq!(parse_limit("25 rows"), Ok(Limit::Rows(25)));
        assert_eq!(parse_limit("1row"), Ok(Limit::Rows(1)));
        for bad in ["-1", "101%", "NaN", "x", "", "rows", "-1 rows", "1.5 rows"] {
            assert!(parse_limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_again_without_a_word_is_another_word() {
        let word = || again(Some("")).expect("randomness").expect("a word");
        assert_ne!(word(), word());
        assert_eq!(again(Some("x")).expect("given").as_deref(), Some("x"));
        assert_eq!(again(None).expect("nothing"), None);
    }
}
