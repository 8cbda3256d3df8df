//! `lakebed rebuild`: the database, made again from the journal.

use clap::Args;
use lakebed_service::{OpenMode, RebuildReport, SystemClock, rebuild, rebuild_replacing};
use serde_json::json;

use crate::{
    app::App,
    connect::lake_config,
    output::{human, style},
    problem::{Exit, Problem, Result},
};

/// Make the database again from the journal.
///
/// Everything that anyone was told is in the lake's objects and its journal; the database is an
/// index of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed --lake ./lake rebuild              # when the database is gone
  lakebed --lake ./lake rebuild --replace    # when it is there, but damaged or stale")]
pub(crate) struct RebuildArgs {
    /// Put it in the place of an existing database, which is kept beside it, once it is whole
    #[arg(long)]
    replace: bool,
}

pub(crate) async fn run(app: &App, args: RebuildArgs) -> Result<Exit> {
    let config = lake_config(app, OpenMode::Existing)?;
    if args.replace {
        let (report, aside) = rebuild_replacing(config, &SystemClock).await?;
        print(app, &report, aside)?;
        return Ok(Exit::Ok);
    }
    let report = rebuild(config, &SystemClock).await.map_err(|error| {
        let exists = error.code() == "database-not-empty";
        let problem = Problem::from(error);
        match exists {
            true => problem.hint("`lakebed rebuild --replace` makes another in its place, and keeps it; stop whoever uses it before"),
            false => problem,
        }
    })?;
    print(app, &report, None)?;
    Ok(Exit::Ok)
}

fn print(app: &App, report: &RebuildReport, aside: Option<String>) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(&json!({
            "segment_count": report.segments,
            "event_count": report.events,
            "dataset_count": report.datasets,
            "version_count": report.versions,
            "dropped_torn_segment": report.dropped_torn_segment,
            "old_database": aside,
        }));
    }
    let good = style::GOOD;
    app.terminal.print(format_args!(
        "{good}rebuilt{good:#}: {}, {} from {} in {}\n",
        human::counted(report.datasets, "dataset"),
        human::counted(report.versions, "version"),
        human::counted(report.events, "event"),
        human::counted(report.segments, "journal segment"),
    ))?;
    if report.dropped_torn_segment {
        app.terminal.note("the last journal segment was cut off while it was written; nobody was told of what it held");
    }
    if let Some(aside) = aside {
        app.terminal.note(format!("the old database is `{aside}`"));
    }
    Ok(())
}
