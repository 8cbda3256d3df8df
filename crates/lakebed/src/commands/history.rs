//! `lakebed history`: the versions of a dataset, newest first.

use clap::Args;
use lakebed_api::{Head, VersionPage};
use lakebed_core::{DatasetName, StageName};

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human},
    problem::{Exit, Result},
};

/// The most versions that one request brings.
const PAGE: u32 = 1000;

/// List the versions of a dataset, newest first.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed history nyc.weather\n  lakebed history nyc.weather --limit 5 --json"
)]
pub(crate) struct HistoryArgs {
    /// The dataset, `namespace.name`
    #[arg(value_name = "DATASET")]
    dataset: DatasetName,
    /// At most so many versions; 0 for all
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: u64,
    /// Only versions with numbers below this one
    #[arg(long, value_name = "VERSION")]
    before: Option<u64>,
}

pub(crate) async fn run(app: &App, args: HistoryArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let page = collect(&session, &args).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&page)?;
        return Ok(Exit::Ok);
    }
    app.terminal.print_table(&table(&page))?;
    if let Some(before) = page.next_before {
        app.terminal
            .note(format!("there are older versions: --before {before}, or --limit 0 for all"));
    }
    Ok(Exit::Ok)
}

/// A line a version; with its stages, if any came further than `raw`.
fn table(page: &VersionPage) -> Table {
    let titles = [">version", "id", ">rows", ">quarantined", ">size", "committed (UTC)", "by"];
    let has_stages = page.heads.iter().any(|head| head.stage != StageName::raw());
    let mut table = match has_stages {
        true => {
            let [version, id, rows, quarantined, size, committed, by] = titles;
            Table::new([version, id, rows, quarantined, size, committed, by, "stages"])
        }
        false => Table::new(titles),
    };
    for version in &page.versions {
        let id = version.version_id.map(|id| format!("b3:{}", id.object().short()));
        let mut cells: Vec<Cell> = vec![
            format!("v{}", version.version).into(),
            id.map_or_else(Cell::null, Cell::from),
            version.row_count.map_or_else(Cell::null, |rows| human::count(rows).into()),
            version.quarantined_count.map_or_else(Cell::null, |rows| human::count(rows).into()),
            version.size_bytes.map_or_else(Cell::null, |size| human::bytes(size).into()),
            human::time(version.committed_at).into(),
            version.actor.as_str().into(),
        ];
        if has_stages {
            cells.push(stages(&page.heads, version.version).into());
        }
        table.push_row(cells);
    }
    table
}

/// The stages that a version is head of; the newest is head of `raw`, always.
fn stages(heads: &[Head], version: u64) -> String {
    let climbed = heads.iter().filter(|head| head.stage != StageName::raw());
    let here = climbed.filter(|head| head.version == version);
    here.map(described).collect::<Vec<_>>().join(", ")
}

/// A stage, and how its head came there.
pub(crate) fn described(head: &Head) -> String {
    let own = head.self_approved.then(|| "self-approved".to_owned());
    let waived = head.waived.iter().map(|gate| format!("`{gate}` waived"));
    let how: Vec<String> = own.into_iter().chain(waived).collect();
    match how.is_empty() {
        true => head.stage.to_string(),
        false => format!("{} ({})", head.stage, how.join(", ")),
    }
}

async fn collect(session: &Session, args: &HistoryArgs) -> Result<VersionPage> {
    let wanted = if args.limit == 0 { u64::MAX } else { args.limit };
    let mut all = VersionPage { versions: Vec::new(), next_before: args.before, heads: Vec::new() };
    loop {
        let left = wanted - all.versions.len() as u64;
        let limit = u32::try_from(left).unwrap_or(PAGE).min(PAGE);
        let page = session.client.history(&args.dataset, all.next_before, Some(limit)).await?;
        all.next_before = page.next_before;
        all.heads = page.heads;
        all.versions.extend(page.versions);
        if all.next_before.is_none() || all.versions.len() as u64 >= wanted {
            return Ok(all);
        }
    }
}
