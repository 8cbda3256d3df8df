//! `lakebed doctor`: whether this deployment is fit to hold a lake.

use clap::Args;
use lakebed_core::{Check, Outcome};
use lakebed_service::{OpenMode, SystemClock};
use serde_json::json;

use crate::{
    app::App,
    connect::lake_config,
    output::{escaped, human, style},
    problem::{Exit, Result},
};

/// Try out the store and the database, and say what to do about what does not hold.
///
/// Writes, reads and removes files below `doctor/` in the lake's place, and nothing else; it works
/// before there is a lake. Exit code 1 when a check failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed --lake ./lake doctor
  lakebed --lake s3://bucket/lake --catalog postgres://db/lakebed doctor --json")]
pub(crate) struct DoctorArgs {}

pub(crate) async fn run(app: &App, _args: DoctorArgs) -> Result<Exit> {
    let config = lake_config(app, OpenMode::Existing)?;
    let checks = lakebed_service::examine(&config, &SystemClock).await;
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed).count();
    match app.terminal.json {
        true => app.terminal.print_json(&json!({ "checks": checks, "failed": failed }))?,
        false => print(app, &checks, failed)?,
    }
    Ok(if failed == 0 { Exit::Ok } else { Exit::No })
}

fn print(app: &App, checks: &[Check], failed: usize) -> Result<()> {
    for check in checks {
        let (style, word) = match check.outcome {
            Outcome::Ok => (style::GOOD, "ok"),
            Outcome::Warning => (style::WARN, "warning"),
            Outcome::Failed => (style::ERROR, "failed"),
        };
        let (name, detail) = (check.name, escaped(&check.detail));
        app.terminal.print(format_args!("{style}{word:<8}{style:#} {name:<12} {detail}\n"))?;
        if let Some(hint) = &check.hint {
            app.terminal.print(format_args!("{:<21} {}\n", "", escaped(hint)))?;
        }
    }
    match failed {
        0 => Ok(()),
        failed => {
            let (bad, count) = (style::ERROR, human::counted(failed as u64, "check"));
            app.terminal.print(format_args!("{bad}{count} failed{bad:#}\n"))
        }
    }
}
