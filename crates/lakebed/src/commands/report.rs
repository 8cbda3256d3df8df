//! `lakebed report`: what in the lake needs somebody.

use clap::Args;

use crate::{
    app::App,
    connect::Session,
    output::{Table, human, style},
    problem::{Exit, Result},
};

/// Say what needs somebody: datasets without an owner, without descriptions, older than they could be or
/// were promised to be, or read by nobody, and products that cannot be computed any more.
///
/// About the datasets that you may read or are steward of. What nobody read in 90 days is told to whoever
/// may audit the lake.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed report
  lakebed report --check     # exit code 1 when anything is found
  lakebed report --json")]
pub(crate) struct ReportArgs {
    /// Exit with 1 when anything is found
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(app: &App, args: ReportArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let report = session.client.report().await?;
    session.close().await;
    let is_fine = report.findings.is_empty();
    if app.terminal.json {
        app.terminal.print_json(&report)?;
    } else if is_fine {
        let (good, count) = (style::GOOD, human::counted(report.dataset_count, "dataset"));
        app.terminal.print(format_args!("{good}nothing to do{good:#}: {count}\n"))?;
    } else {
        let mut table = Table::new(["dataset", "is", "because"]);
        for found in &report.findings {
            table.push([
                found.dataset.to_string().into(),
                found.kind.as_str().into(),
                found.detail.as_str().into(),
            ]);
        }
        app.terminal.print_table(&table)?;
    }
    if !report.knows_reads {
        app.terminal.note("what nobody reads is told to whoever may audit the lake");
    }
    Ok(if is_fine || !args.check { Exit::Ok } else { Exit::No })
}
