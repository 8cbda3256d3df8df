//! `lakebed log`: the events of the lake, oldest first.

use std::collections::BTreeSet;

use clap::{Args, builder::styling::Style};
use lakebed_api::EventEntry;
use lakebed_core::{DatasetKind, DatasetName, KeptSource};
use serde_json::Value;

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human, style},
    problem::{Exit, Result},
};

/// The most events that one request brings.
const PAGE: u32 = 1000;

/// List what happened in the lake, oldest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed log
  lakebed log --after 0 --limit 0 --json    # everything, a line of JSON each")]
pub(crate) struct LogArgs {
    /// At most so many events; 0 for all
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
    /// Only events after this one; without it, the last ones
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
}

pub(crate) async fn run(app: &App, args: LogArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let wanted = if args.limit == 0 { u64::MAX } else { args.limit };
    let mut after = match args.after {
        Some(after) => after,
        None => session.client.lake().await?.seq.saturating_sub(wanted),
    };
    // Events do not say whether they count rows or files.
    let files = match app.terminal.json {
        true => BTreeSet::new(),
        false => datasets_of_files(&session).await?,
    };
    let mut printed = 0;
    while printed < wanted {
        let limit = u32::try_from(wanted - printed).unwrap_or(PAGE).min(PAGE);
        let page = session.client.events(after, Some(limit)).await?;
        print(app, &page.events, &files, printed == 0)?;
        printed += page.events.len() as u64;
        match page.next_after {
            Some(next) => after = next,
            None => break,
        }
    }
    session.close().await;
    if printed == 0 {
        app.terminal.note("nothing happened yet");
    }
    Ok(Exit::Ok)
}

async fn datasets_of_files(session: &Session) -> Result<BTreeSet<DatasetName>> {
    let list = session.client.datasets(None).await?;
    let files = list.datasets.into_iter().filter(|dataset| dataset.kind == DatasetKind::Files);
    Ok(files.map(|dataset| dataset.dataset).collect())
}

fn print(
    app: &App,
    events: &[EventEntry],
    files: &BTreeSet<DatasetName>,
    is_first: bool,
) -> Result<()> {
    if app.terminal.json {
        return events.iter().try_for_each(|event| app.terminal.print_json_line(event));
    }
    if events.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([">seq", "at (UTC)", "by", "what"]);
    for event in events {
        let (text, style) = describe(event, files);
        table.push([
            event.seq.to_string().into(),
            human::time(event.at).into(),
            event.actor.as_str().into(),
            Cell::styled(text, style),
        ]);
    }
    let text = table.render(app.terminal.width());
    let rows = text.split_inclusive('\n').skip(if is_first { 0 } else { 2 });
    app.terminal.print(rows.collect::<String>())
}

/// What an event says in a line. Of datasets that may not be read there is less to say.
fn describe(event: &EventEntry, files: &BTreeSet<DatasetName>) -> (String, Style) {
    let dataset = event.dataset.as_ref().map(ToString::to_string).unwrap_or_default();
    let number = |name| event.number(name).unwrap_or_default();
    let text = |name| event.text(name).unwrap_or_default();
    let line = match event.kind.as_str() {
        "dataset_created" => format!("{dataset} was created ({})", text("kind")),
        "version_committed" => {
            let is_files = event.dataset.as_ref().is_some_and(|name| files.contains(name));
            let noun = if is_files { "file" } else { "row" };
            let counted = event.number("row_count").filter(|_| !event.is_set("live"));
            let rows = counted.map(|count| human::counted(count, noun));
            let rows = rows.map(|rows| format!(": {rows}")).unwrap_or_default();
            format!("{dataset}@v{} was committed{rows}", number("number"))
        }
        "version_materialised" => {
            let rows = event.details.get("tables").and_then(|tables| tables["row_count"].as_u64());
            let rows = rows.map(|count| format!(": {}", human::counted(count, "row")));
            let rows = rows.unwrap_or_default();
            format!("{dataset}@v{} is in files as well{rows}", number("number"))
        }
        "head_moved" => {
            format!("{dataset}@{} is v{} now{}", text("stage"), number("to"), how(event))
        }
        "promotion_reviewed" => {
            let said = match event.details.get("verdict") {
                Some(Value::String(word)) => word.clone(),
                Some(waived) => format!("let past `{}`", waived["waived"].as_str().unwrap_or("?")),
                None => "reviewed".to_owned(),
            };
            let why = event.text("reason").map(|reason| format!(": {reason}"));
            let why = why.unwrap_or_default();
            format!("{dataset}@v{} was {said} for {}{why}", number("number"), text("stage"))
        }
        "dataset_deprecated" => format!("{dataset} ends at {}", text("sunset_at")),
        "dataset_retired" => format!("{dataset} has ended"),
        "run_committed" => match event.text("run") {
            Some(run) => format!("run {run} was committed"),
            None => "a run was committed".to_owned(),
        },
        "run_failed" => {
            let run = event.text("run").map_or("a run".to_owned(), |run| format!("run {run}"));
            let code = event.details.get("exit_code").and_then(Value::as_i64);
            match (code, event.text("reason")) {
                (Some(code), _) => format!("{run}: the program ended with {code}"),
                (None, Some(reason)) => format!("{run} was given up: {reason}"),
                (None, None) => format!("{run} was given up"),
            }
        }
        "token_created" => {
            let what = if event.is_set("first_admin") { "an admin token" } else { "a token" };
            format!("{what} for {} was made: {}", text("principal"), text("token"))
        }
        "token_revoked" => {
            let more = if event.is_set("and_made_with_it") { " and all made with it" } else { "" };
            format!("token {}{more} was revoked", text("token"))
        }
        "lineage_received" => match event.details.get("job").and_then(|job| job["name"].as_str()) {
            Some(job) => format!("lineage of `{job}` was told"),
            None => "lineage of a dataset was told".to_owned(),
        },
        "ingest_refused" => {
            let message = event.text("message").unwrap_or_else(|| text("code"));
            let kept = kept(event).map(|kept| format!("; kept: {kept}")).unwrap_or_default();
            // Who sees no sources is not told whether there were any.
            let has_none =
                event.details.get("sources").and_then(Value::as_array).is_some_and(Vec::is_empty);
            let what = match has_none {
                true => format!("build of {dataset} failed"),
                false => format!("ingest into {dataset} was refused"),
            };
            return (format!("{what}: {message}{kept}"), style::WARN);
        }
        "catalog_applied" => {
            let digest: String = text("digest").chars().take(8).collect();
            format!("catalog {digest} was applied")
        }
        other => match dataset.is_empty() {
            true => other.replace('_', " "),
            false => format!("{dataset}: {}", other.replace('_', " ")),
        },
    };
    (line, style::PLAIN)
}

/// What is unusual about a promotion.
fn how(event: &EventEntry) -> &'static str {
    let Some(promotion) = event.details.get("promotion") else { return "" };
    match (promotion["self_approved"] == true, promotion["goes_back"] == true) {
        (true, true) => ", back, self-approved",
        (true, false) => ", self-approved",
        (false, true) => ", back",
        (false, false) => "",
    }
}

/// Originals that made no version, and which objects they are.
fn kept(event: &EventEntry) -> Option<String> {
    const SHOWN: usize = 3;
    let sources = event.details.get("sources")?;
    let sources: Vec<KeptSource> = serde_json::from_value(sources.clone()).ok()?;
    if sources.is_empty() {
        return None;
    }
    let mut words: Vec<String> = sources
        .iter()
        .take(SHOWN)
        .map(|source| format!("`{}` as {}", source.name, source.object.id.key()))
        .collect();
    if sources.len() > SHOWN {
        words.push(format!("and {} more", sources.len() - SHOWN));
    }
    Some(words.join(", "))
}
