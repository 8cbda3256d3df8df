//! `lakebed verify`: reads everything again and says what is damaged.

use clap::Args;
use lakebed_api::{VerifyReport, VerifyRequest};
use lakebed_core::DatasetRef;

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human, style},
    problem::{Exit, Result},
    progress::Bar,
};

/// Read everything again, hash it, decode the sources once more, and say what is damaged.
///
/// Exit code 1 when something is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed verify\n  lakebed verify nyc.weather@v1 --json")]
pub(crate) struct VerifyArgs {
    /// Only these versions; everything when none is named, the journal too
    #[arg(value_name = "REF")]
    references: Vec<DatasetRef>,
}

pub(crate) async fn run(app: &App, args: VerifyArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let request = VerifyRequest { refs: args.references.iter().map(ToString::to_string).collect() };
    let mut bar = Bar::new(&app.terminal);
    let report = session.client.verify(&request, |progress| bar.show(&progress)).await?;
    drop(bar);
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&report)?,
        false => print(app, &report)?,
    }
    Ok(if report.findings.is_empty() { Exit::Ok } else { Exit::No })
}

fn print(app: &App, report: &VerifyReport) -> Result<()> {
    let read = format!(
        "{}, {}, {}, {}",
        human::counted(report.version_count, "version"),
        human::counted(report.object_count, "object"),
        human::bytes(report.size_bytes),
        human::counted(report.segment_count, "journal segment"),
    );
    if report.findings.is_empty() {
        let good = style::GOOD;
        return app.terminal.print(format_args!("{good}all is well{good:#}: {read}\n"));
    }
    let mut table = Table::new(["dataset", "versions", "what", "object", "problem"]);
    for finding in &report.findings {
        let versions: Vec<String> =
            finding.versions.iter().map(|version| format!("v{version}")).collect();
        table.push([
            finding.dataset.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            versions.join(", ").into(),
            finding.what.as_str().into(),
            finding.object.map(|object| object.to_string()).unwrap_or_default().into(),
            Cell::styled(&finding.problem, style::WARN),
        ]);
    }
    app.terminal.print_whole_table(&table)?;
    let (bad, count) = (style::ERROR, human::counted(report.findings.len() as u64, "finding"));
    app.terminal.print(format_args!("{bad}{count}{bad:#} in {read}\n"))?;
    app.terminal.hint(
        "other versions still read; restore the damaged files from a backup, then verify again",
    );
    Ok(())
}
