//! `lakebed show`: everything about one version, or what its rows look like.

use clap::Args;
use lakebed_api::{
    ContractReport, Notice, ProfileAnswer, ResolvedInput, SourceFile, VersionAnswer,
};
use lakebed_core::{DatasetRef, SkipKind, StageName, TableSchema};

use crate::{
    app::App,
    commands::{history::described, resolve::files_table},
    connect::Session,
    output::{Table, describe, human, profile, style},
    problem::{Exit, Problem, Result},
    quarantine,
};

/// Describe a version: columns, sources, files, quarantined rows, or what its rows look like.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed show nyc.weather
  lakebed show nyc.weather@v1 --sources
  lakebed show nyc.weather --profile                 # a line a column, with a small histogram
  lakebed show nyc.weather --profile --column temp   # one column in full
  lakebed show sales.orders --quarantine --limit 100")]
pub(crate) struct ShowArgs {
    /// A reference, `namespace.name[@selector]`
    #[arg(value_name = "REF")]
    reference: DatasetRef,
    /// The originals, and what became of their rows
    #[arg(long)]
    sources: bool,
    /// The files that hold it
    #[arg(long)]
    files: bool,
    /// The quarantined rows, with line, column and reason
    #[arg(long)]
    quarantine: bool,
    /// What the rows look like, column by column: nulls, distinct values, range, distribution
    #[arg(long, conflicts_with_all = ["sources", "files", "quarantine"])]
    profile: bool,
    /// These columns alone, with quantiles and the most frequent values; may be given again
    #[arg(long = "column", value_name = "NAME", requires = "profile")]
    columns: Vec<String>,
    /// At most so many quarantined rows; 0 for all
    #[arg(long, default_value_t = 20, value_name = "N", requires = "quarantine")]
    limit: u64,
}

pub(crate) async fn run(app: &App, args: ShowArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    if args.profile {
        let profile = session.client.profile(&args.reference.to_string()).await?;
        session.close().await;
        return show_profile(app, profile, &args.columns);
    }
    let answer = session.client.version(&args.reference.to_string()).await?;
    if args.quarantine {
        quarantine::print(app, &session, &answer.quarantine, args.limit, "--limit 0").await?;
        session.close().await;
        return Ok(Exit::Ok);
    }
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
        return Ok(Exit::Ok);
    }
    app.terminal.print(facts(&answer))?;
    let version = &answer.version;
    if let Some(schema) = &answer.schema {
        app.terminal.print("\n")?;
        app.terminal.print_table(&columns_table(schema))?;
    }
    if args.sources {
        app.terminal.print("\n")?;
        app.terminal
            .print_whole_table(&sources_table(version.sources.as_deref().unwrap_or_default()))?;
    }
    if args.files {
        app.terminal.print("\n")?;
        app.terminal
            .print_whole_table(&files_table(version.files.as_deref().unwrap_or_default()))?;
    }
    Ok(Exit::Ok)
}

fn show_profile(app: &App, mut profile: ProfileAnswer, columns: &[String]) -> Result<Exit> {
    for name in columns {
        if !profile.columns.iter().any(|column| column.name == *name) {
            let names: Vec<&str> = profile.columns.iter().map(|column| &*column.name).collect();
            return Err(Problem::not_found(format!("there is no column `{name}`"))
                .hint(format!("the columns are {}", names.join(", "))));
        }
    }
    if !columns.is_empty() {
        profile.columns.retain(|column| columns.contains(&column.name));
    }
    if app.terminal.json {
        app.terminal.print_json(&profile)?;
        return Ok(Exit::Ok);
    }
    if columns.is_empty() {
        app.terminal.print_table(&profile::overview(&profile))?;
    }
    for (place, column) in profile.columns.iter().enumerate().filter(|_| !columns.is_empty()) {
        app.terminal.print(if place == 0 { "" } else { "\n" })?;
        app.terminal.print(profile::details(column, profile.row_count))?;
    }
    let ResolvedInput { dataset, version, newest, .. } = &profile.resolved;
    let rows = human::counted(profile.row_count, "row");
    let newer = if newest > version { format!("; newest is v{newest}") } else { String::new() };
    app.terminal.note(format!("{dataset}@v{version}: {rows}{newer}"));
    if !profile.is_stored {
        app.terminal.hint("this version has no profile of its own: its files were read for it");
    }
    Ok(Exit::Ok)
}

fn facts(answer: &VersionAnswer) -> String {
    let resolved = &answer.version;
    let version = &resolved.version;
    let files = resolved.files.as_ref().map_or(0, Vec::len) as u64;
    let sources = resolved.sources.as_ref().map_or(0, Vec::len) as u64;
    let mut facts = vec![("kind", version.kind.to_string())];
    facts.extend(version.version_id.map(|id| ("version id", format!("b3:{id}"))));
    facts.extend(version.content_id.map(|id| ("content id", id.to_string())));
    facts.extend(version.parent.map(|parent| ("parent", format!("b3:{parent}"))));
    facts.push(match version.row_count {
        None if version.live => ("rows", "computed whenever it is read".to_owned()),
        count => ("rows", human::count(count.unwrap_or_default())),
    });
    facts.extend([
        ("quarantined", human::count(version.quarantined_count.unwrap_or_default())),
        (
            "size",
            format!(
                "{} in {}",
                human::bytes(version.size_bytes.unwrap_or_default()),
                human::counted(files, "file")
            ),
        ),
        ("sources", human::count(sources)),
        ("committed", format!("{} UTC by {}", human::time(version.committed_at), version.actor)),
        ("event", version.seq.to_string()),
    ]);
    // The newest version is head of `raw`, always: no more need be said of that.
    let climbed = answer.heads.iter().filter(|head| head.stage != StageName::raw());
    let stages: Vec<String> = climbed.map(described).collect();
    if !stages.is_empty() {
        facts.push(("stages", stages.join(", ")));
    }
    facts.extend(answer.notice.as_ref().map(|notice| ("ends", ends(notice))));
    if let Some(report) = &answer.report {
        facts.push(("contract", describe_contract(report)));
        if !report.owners.is_empty() {
            facts.push(("owners", report.owners.join(", ")));
        }
        if !report.tags.is_empty() {
            facts.push(("tags", report.tags.join(", ")));
        }
        facts.extend(report.description.clone().map(|text| ("about", text)));
    }
    if resolved.newest > version.version {
        facts.push(("newest", format!("v{}", resolved.newest)));
    }
    let (bold, dim) = (style::BOLD, style::DIM);
    let mut text = format!("{bold}{}@v{}{bold:#}\n", version.dataset, version.version);
    for (name, value) in facts {
        text.push_str(&format!("  {dim}{name:<11}{dim:#} {}\n", crate::output::escaped(&value)));
    }
    text
}

/// When a dataset ends, and what follows it.
pub(crate) fn ends(notice: &Notice) -> String {
    let when = match notice.sunset_at {
        Some(sunset_at) => format!("at {} UTC", human::time(sunset_at)),
        None => format!("it has ended, at {} UTC", human::time(notice.at)),
    };
    match &notice.successor {
        Some(successor) => format!("{when}; read {successor} instead"),
        None => when,
    }
}

/// Which contract, and which of its rules do not hold.
fn describe_contract(report: &ContractReport) -> String {
    let broken: Vec<&str> = report
        .findings
        .iter()
        .filter(|finding| !finding.passed)
        .map(|finding| finding.rule.as_str())
        .collect();
    let state = match broken.len() {
        0 => format!("all {} rules hold", report.findings.len()),
        count => {
            let rules = broken.iter().take(4).copied().collect::<Vec<_>>().join(", ");
            let more = if count > 4 { ", …" } else { "" };
            format!("{count} of {} rules broken: {rules}{more}", report.findings.len())
        }
    };
    format!("`{}` {}: {state}", report.id, report.version)
}

fn columns_table(schema: &TableSchema) -> Table {
    let mut table = Table::new([">id", "column", "type", "nulls"]);
    for field in &schema.fields {
        table.push([
            field.id.to_string().into(),
            field.name.as_str().into(),
            field.data_type.to_string().into(),
            if field.required { "never" } else { "possible" }.into(),
        ]);
    }
    table
}

fn sources_table(sources: &[SourceFile]) -> Table {
    let mut table = Table::new([
        "source",
        ">size",
        ">accepted",
        ">quarantined",
        "not rows",
        "read as",
        "object",
    ]);
    for source in sources {
        table.push([
            source.file.name.as_deref().unwrap_or_default().into(),
            human::bytes(source.file.size_bytes).into(),
            human::count(source.accepted.rows).into(),
            human::count(source.quarantined.rows).into(),
            skipped(source).into(),
            describe::decode(source.decode.as_ref()).into(),
            source.file.object.to_string().into(),
        ]);
    }
    table
}

fn skipped(source: &SourceFile) -> String {
    let words: Vec<String> = source
        .skipped
        .iter()
        .map(|skipped| {
            let what = match skipped.what {
                SkipKind::Bom => "byte order mark",
                SkipKind::Header => "header",
                SkipKind::Preamble => "lines before the table",
                SkipKind::Comment => "comments",
                SkipKind::Repeated => "repeated headers",
                SkipKind::Blank => "blank lines",
                SkipKind::Punctuation => "punctuation",
            };
            format!("{what} ({})", human::bytes(skipped.bytes))
        })
        .collect();
    words.join(", ")
}
