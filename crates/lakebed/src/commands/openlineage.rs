//! `lakebed openlineage`: what happened in the lake, as OpenLineage events.

use clap::Args;
use lakebed_service::OpenMode;

use crate::{
    app::App,
    connect::open_lake,
    problem::{Exit, Result},
};

/// Print an OpenLineage run event for every ingest, build and promotion, oldest first: a line of JSON each.
///
/// For whoever keeps the lake, where it is: nothing is left out. `lakebed serve` sends the same events as
/// they happen, with `openlineage_url` and `openlineage_file` in lakebed.toml. The same change is the same
/// run, however often it is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed openlineage > lineage.jsonl
  lakebed openlineage --after 120    # what came after event 120 of `lakebed log`")]
pub(crate) struct OpenLineageArgs {
    /// Only what came after this event of the lake
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    after: u64,
}

pub(crate) async fn run(app: &App, args: OpenLineageArgs) -> Result<Exit> {
    let lake = open_lake(app, OpenMode::Existing).await?;
    let (mut after, mut printed) = (args.after, 0);
    loop {
        let to_tell = lake.lineage_to_tell(after).await?;
        for (_, event) in &to_tell.events {
            app.terminal.print_json_line(event)?;
            printed += 1;
        }
        match to_tell.through {
            Some(through) => after = through,
            None => break,
        }
    }
    lake.close().await;
    if printed == 0 {
        app.terminal.note("nothing happened that could be told");
    }
    Ok(Exit::Ok)
}
