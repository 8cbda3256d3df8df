//! `lakebed receipt` and `lakebed replay`: what an answer was made of, and whether it can be had again.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use lakebed_api::{Receipt, Replay, SqlParameters};

use crate::{
    app::App,
    connect::Session,
    output::{escaped, human, style},
    problem::{Exit, Problem, Result},
};

/// Show what an answer was made of: who asked what, of which versions, and what came of it.
///
/// For answers of your own; for everybody's with the right to `audit` the lake.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed sql 'SELECT count(*) FROM nyc.weather' --receipt answer.receipt.json
  lakebed receipt 0123456789abcdef0123456789abcdef --json")]
pub(crate) struct ReceiptArgs {
    /// The statement's id, as its answer names it
    #[arg(value_name = "STATEMENT")]
    statement: String,
}

/// Answer a statement again, from the versions of then, and say whether the answer is the same.
///
/// It takes the right to `audit` the lake, and shows no row. Exit code 1 when the answer is another, or
/// nobody can tell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed replay answer.receipt.json
  lakebed replay 0123456789abcdef0123456789abcdef")]
pub(crate) struct ReplayArgs {
    /// A receipt: its file, or the statement's id
    #[arg(value_name = "RECEIPT", value_hint = ValueHint::FilePath)]
    receipt: String,
}

pub(crate) async fn show(app: &App, args: ReceiptArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let receipt = session.client.receipt(&args.statement).await?;
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&receipt)?,
        false => app.terminal.print(in_words(&receipt))?,
    }
    Ok(Exit::Ok)
}

pub(crate) async fn replay(app: &App, args: ReplayArgs) -> Result<Exit> {
    let given = read_given(app, &args.receipt)?;
    let id = given.as_ref().map_or(args.receipt.as_str(), |receipt| &receipt.statement_id);
    let session = Session::open(app).await?;
    let forged = match &given {
        None => None,
        Some(given) => difference(given, &session.client.receipt(id).await?),
    };
    let answer = match forged {
        None => session.client.replay(id).await?,
        Some(field) => Replay {
            statement_id: id.to_owned(),
            verdict: "different".to_owned(),
            reasons: vec![format!("`{field}` of the file is not what is on record")],
            rows_then: None,
            rows_now: None,
        },
    };
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&answer)?,
        false => app.terminal.print(verdict_in_words(&answer))?,
    }
    Ok(if answer.verdict == "equal" { Exit::Ok } else { Exit::No })
}

/// The receipt in a file; none where an id is given.
fn read_given(app: &App, given: &str) -> Result<Option<Receipt>> {
    let path: PathBuf = app.current.join(Path::new(given));
    let is_id = !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id && !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(|error| Problem::io("read", &path, &error))?;
    match serde_json::from_slice(&text) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(error) => Err(Problem::usage(format!("`{}` is no receipt: {error}", path.display()))
            .hint("`lakebed sql --receipt FILE` and `lakebed receipt ID --json` write receipts")),
    }
}

/// What a file says that the record does not. What whoever replays may not see is not compared.
fn difference(given: &Receipt, recorded: &Receipt) -> Option<&'static str> {
    fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        matches!((one, other), (Some(one), Some(other)) if one != other)
    }
    let numbers = |receipt: &Receipt| -> Vec<_> {
        let versions = receipt.versions.iter();
        versions.map(|version| (version.reference.clone(), version.version)).collect()
    };
    let result = |receipt: &Receipt| receipt.outcome.as_ref().and_then(|outcome| outcome.result);
    let mut versions = given.versions.iter().zip(&recorded.versions);
    let ids_differ = versions.any(|(one, other)| differ(one.version_id, other.version_id));
    let rows = |receipt: &Receipt| receipt.outcome.as_ref().map(|outcome| outcome.row_count);
    [
        ("sql", given.sql != recorded.sql),
        ("params", given.params != recorded.params),
        ("at", given.at != recorded.at),
        ("principal", given.principal != recorded.principal),
        ("groups", given.groups != recorded.groups),
        ("attributes", given.attributes != recorded.attributes),
        ("engine", given.engine != recorded.engine),
        ("policy", given.policy != recorded.policy),
        ("versions", numbers(given) != numbers(recorded) || ids_differ),
        ("result", differ(result(given), result(recorded))),
        ("row_count", rows(given).is_some() && rows(given) != rows(recorded)),
    ]
    .into_iter()
    .find_map(|(field, differs)| differs.then_some(field))
}

fn verdict_in_words(replay: &Replay) -> String {
    let Replay { verdict, reasons, rows_then, .. } = replay;
    let rows = rows_then.map(|rows| format!(", {}", human::counted(rows, "row")));
    let (good, warn, bad) = (style::GOOD, style::WARN, style::ERROR);
    let mut text = match verdict.as_str() {
        "equal" => format!("{good}equal{good:#}: the same answer{}\n", rows.unwrap_or_default()),
        "different" => format!("{bad}different{bad:#}\n"),
        _ => format!("{warn}cannot tell{warn:#}\n"),
    };
    for reason in reasons {
        text.push_str(&format!("  {}\n", escaped(reason)));
    }
    text
}

fn in_words(receipt: &Receipt) -> String {
    let mut lines = vec![
        ("statement", receipt.statement_id.clone()),
        ("at", format!("{} UTC", human::time(receipt.at))),
        ("principal", receipt.principal.to_string()),
        ("sql", receipt.sql.clone()),
    ];
    let has_params = match &receipt.params {
        SqlParameters::Positional(values) => !values.is_empty(),
        SqlParameters::Named(values) => !values.is_empty(),
    };
    if has_params {
        lines.push(("params", serde_json::to_string(&receipt.params).unwrap_or_default()));
    }
    for version in &receipt.versions {
        let id = version.version_id.map(|id| format!(" ({id})")).unwrap_or_default();
        lines.push(("read", format!("{}@v{}{id}", version.dataset, version.version)));
    }
    if let Some(policy) = receipt.policy {
        lines.push(("policy", policy.to_string()));
    }
    lines.push(("engine", receipt.engine.clone()));
    match &receipt.outcome {
        None => lines.push(("outcome", "not on record".to_owned())),
        Some(outcome) => {
            let code = outcome.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            lines.push(("outcome", format!("{}{code}", outcome.ending)));
            lines.push(("rows", outcome.row_count.to_string()));
            if let Some(result) = outcome.result {
                lines.push(("result", result.to_string()));
            }
        }
    }
    let line = |(name, value): (&str, String)| format!("{name:<9}  {}\n", escaped(&value));
    lines.into_iter().map(line).collect()
}
