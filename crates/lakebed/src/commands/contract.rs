//! `lakebed contract`: what a producer promises of a dataset, measured and proposed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand, ValueHint};
use lakebed_api::{ContractReport as ApiReport, ProfileAnswer, ResolveRequest, RuleFinding};
use lakebed_contract::{
    ColumnProfile, Consequence, NoteKind, Profile, consequence_of, infer_contract, read_contract,
};
use lakebed_core::{
    DatasetKind, DatasetRef, ReasonCode,
    contract::{Contract, Number, Value},
};
use lakebed_service::{
    ContractCheckError, ContractCheckRequest, ContractReport, LocalSource, Unreadable,
    check_contract,
};
use serde_json::json;

use super::catalog::{NAMES, declaration, tell_mistakes};
use crate::{
    app::App,
    connect::Session,
    fetch::{
        self,
        layout::{self, What},
        place::Existing,
        transfer::OnBytes,
    },
    output::{Cell, Table, human, style},
    problem::{Exit, Problem, Result},
    progress::Bar,
    reading::ReadingArgs,
};

/// Measure files against contracts, and write first contracts.
///
/// Contracts are YAML of the Open Data Contract Standard, 3.1.
#[derive(Debug, Args)]
pub(crate) struct ContractArgs {
    #[command(subcommand)]
    command: ContractCommand,
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Measure a version, or files, against a contract; files need no lake
    Check(Box<CheckArgs>),
    /// Write a first contract from a version of a dataset
    Infer(InferArgs),
}

/// Measure a version against the contract that is declared for its dataset, or files against a contract
/// as an ingest would.
///
/// What is found of a version is a fact, and kept; of files nothing is. Exit code 0 when every rule
/// holds that is more than a warning, 1 when one does not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed contract check sales.orders@v3
  lakebed contract check orders.csv --contract catalog/datasets/sales/orders.odcs.yaml
  lakebed contract check 2026/*.csv --contract orders.odcs.yaml --null NA --json
  lakebed contract check --of sales.orders@v3 --contract orders.odcs.yaml")]
struct CheckArgs {
    /// A version; with `--contract` files with the rows, one after the other
    #[arg(required_unless_present = "of", value_name = "REF|FILE", value_hint = ValueHint::FilePath)]
    what: Vec<PathBuf>,
    /// The accepted rows of a version, old or new, instead of files
    #[arg(long, value_name = "REF", conflicts_with = "what", requires = "contract")]
    of: Option<DatasetRef>,
    /// A contract that need not be declared
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    contract: Option<PathBuf>,
    /// The table that is meant, where the contract describes several
    #[arg(long, value_name = "NAME", requires = "contract")]
    table: Option<String>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// Write a first contract from the columns of a version: to be read, corrected and signed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed contract infer sales.orders > catalog/datasets/sales/orders.odcs.yaml
  lakebed contract infer sales.orders@v3")]
struct InferArgs {
    /// The version
    #[arg(value_name = "REF")]
    reference: DatasetRef,
}

pub(crate) async fn run(app: &App, args: ContractArgs) -> Result<Exit> {
    match args.command {
        ContractCommand::Check(args) => check(app, *args).await,
        ContractCommand::Infer(args) => infer(app, args).await,
    }
}

async fn infer(app: &App, args: InferArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let answer = session.client.version(&args.reference.to_string()).await?;
    let version = answer.version.version;
    let schema = answer.schema.ok_or_else(|| not_a_table(&args.reference))?;
    let pinned = DatasetRef::pinned(version.dataset.clone(), version.version).to_string();
    let profile = session.client.profile(&pinned).await?;
    session.close().await;
    let text = infer_contract(&version.dataset, &schema, Some(&seen(profile)));
    match app.terminal.json {
        true => app.terminal.print_json(&json!({
            "reference": args.reference.to_string(), "dataset": version.dataset,
            "version": version.version, "contract": text,
        }))?,
        false => app.terminal.print(text)?,
    }
    Ok(Exit::Ok)
}

/// What a profile knows exactly, in the words of a contract.
fn seen(answer: ProfileAnswer) -> Profile {
    let value = |value: serde_json::Value| match value {
        serde_json::Value::Bool(value) => Some(Value::Bool(value)),
        serde_json::Value::String(text) => Some(Value::Text(text)),
        serde_json::Value::Number(number) => {
            number.to_string().parse::<Number>().ok().map(Value::from)
        }
        _ => None,
    };
    let column = |column: lakebed_api::ColumnProfile| {
        let profile = ColumnProfile {
            null_count: Some(column.null_count),
            distinct_count: column.distinct.filter(|d| d.is_exact).map(|d| d.count),
            min: column.min.and_then(value),
            max: column.max.and_then(value),
        };
        (column.name, profile)
    };
    Profile {
        row_count: answer.row_count,
        columns: answer.columns.into_iter().map(column).collect(),
    }
}

async fn check(app: &App, args: CheckArgs) -> Result<Exit> {
    let Some(contract) = &args.contract else { return check_version(app, &args.what).await };
    let contract = read(app, contract, args.table.as_deref())?;
    let scratch =
        tempfile::tempdir().map_err(|error| Problem::io("write", &std::env::temp_dir(), &error))?;
    let sources = match &args.of {
        Some(reference) => rows_of(app, reference, scratch.path()).await?,
        None => given(app, &args.what)?,
    };
    let options = args.reading.options()?;
    let request = ContractCheckRequest { sources, options, contract };
    let checked = tokio::task::spawn_blocking(move || check_contract(&request));
    let checked = checked.await.map_err(|error| Problem::internal(error.to_string()))?;
    let report = checked.map_err(refused)?;
    match app.terminal.json {
        true => app.terminal.print_json(&document(&report))?,
        false => print(app, &report)?,
    }
    Ok(if holds(&report) { Exit::Ok } else { Exit::No })
}

/// What the declared contract says of a version.
async fn check_version(app: &App, what: &[PathBuf]) -> Result<Exit> {
    let [reference] = what else {
        return Err(Problem::usage("name one version, as in `sales.orders@v3`")
            .hint("for files, name their contract: `--contract FILE`"));
    };
    if app.current.join(reference).is_file() {
        let message = format!("`{}` is a file, and no contract is named", reference.display());
        return Err(Problem::usage(message).hint("name its contract: `--contract FILE`"));
    }
    let text = reference.to_string_lossy();
    let reference: DatasetRef = text.parse().map_err(|error: lakebed_core::RefError| {
        Problem::usage(error.to_string()).hint("for files, name their contract: `--contract FILE`")
    })?;
    let session = Session::open(app).await?;
    let report = session.client.check_contract(&reference.to_string()).await?;
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&report)?,
        false => print_report(app, &report)?,
    }
    let is_broken = report
        .findings
        .iter()
        .any(|finding| matches!(finding.consequence.as_deref(), Some("quarantined" | "refused")));
    let holds = !is_broken && report.refusals.is_empty() && report.held_back_by.is_empty();
    Ok(if holds { Exit::Ok } else { Exit::No })
}

fn print_report(app: &App, report: &ApiReport) -> Result<()> {
    app.terminal.print_table(&findings_table(report.findings.iter().map(line_of_answer)))?;
    let (accepted, quarantined) =
        (human::counted(report.accepted, "row"), human::count(report.quarantined));
    app.terminal.note(format!(
        "{}@v{} under contract `{}` {}: {accepted} accepted, {quarantined} quarantined",
        report.dataset, report.number, report.id, report.version
    ));
    for refusal in &report.refusals {
        app.terminal.warn(refusal);
    }
    if !report.held_back_by.is_empty() {
        let names = report.held_back_by.join("`, `");
        app.terminal.warn(format!("held back from promotion by `{names}`"));
    }
    for finding in &report.findings {
        if let Some(problem) = &finding.problem {
            app.terminal.warn(format!("`{}` could not be measured: {problem}", finding.rule));
        }
    }
    Ok(())
}

/// A rule that was measured, as a line of a table.
struct Line<'l> {
    rule: &'l str,
    severity: &'l str,
    threshold: &'l str,
    measured: Option<String>,
    /// What it does where it does not hold.
    consequence: Option<&'l str>,
    first: Option<(&'l str, u64)>,
}

fn findings_table<'l>(lines: impl Iterator<Item = Line<'l>>) -> Table {
    let mut table = Table::new(["rule", "severity", "must be", ">measured", "", "first"]);
    for line in lines {
        let word = line.consequence.unwrap_or("holds");
        let colour = match word {
            "holds" => style::GOOD,
            "noted" => style::DIM,
            "warned" => style::WARN,
            _ => style::ERROR,
        };
        let first = match line.first {
            Some((source, 0)) => source.to_owned(),
            Some((source, line)) => format!("{source}:{line}"),
            None => String::new(),
        };
        table.push([
            line.rule.into(),
            line.severity.into(),
            line.threshold.into(),
            line.measured.map_or_else(Cell::null, Into::into),
            Cell::styled(word, colour),
            first.into(),
        ]);
    }
    table
}

fn line_of_answer(finding: &RuleFinding) -> Line<'_> {
    Line {
        rule: &finding.rule,
        severity: &finding.severity,
        threshold: &finding.threshold,
        measured: match &finding.measured {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        },
        consequence: finding.consequence.as_deref(),
        first: finding.first.as_ref().map(|first| (first.source.as_str(), first.line)),
    }
}

fn line_of_file(found: &lakebed_service::ContractFinding) -> Line<'_> {
    let finding = &found.finding;
    Line {
        rule: &finding.rule,
        severity: finding.severity.as_str(),
        threshold: &finding.threshold,
        measured: Some(&finding.measured).filter(|v| **v != Value::Null).map(Value::to_string),
        consequence: consequence_of(finding).map(Consequence::as_str),
        first: found.first.as_ref().map(|(source, line)| (source.as_str(), *line)),
    }
}

/// The files, all of which can be read.
fn given(app: &App, files: &[PathBuf]) -> Result<Vec<LocalSource>> {
    let source = |path: &PathBuf| {
        let place = app.current.join(path);
        std::fs::File::open(&place).map_err(|error| Problem::io("read", path, &error))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(LocalSource { name, path: place })
    };
    files.iter().map(source).collect()
}

/// The table files of a version, brought into `scratch` and verified.
async fn rows_of(app: &App, reference: &DatasetRef, scratch: &Path) -> Result<Vec<LocalSource>> {
    let session = Session::open(app).await?;
    let refs = vec![reference.to_string()];
    let request = ResolveRequest { refs, files: true, ..ResolveRequest::default() };
    let mut answer = session.client.resolve(&request).await?;
    let version = answer.versions.pop();
    let version = version.ok_or_else(|| Problem::internal("the lake answered nothing"))?;
    if version.version.kind != DatasetKind::Table {
        session.close().await;
        return Err(not_a_table(reference));
    }
    let folder = layout::plan(reference, version, What::Tables)?;
    let mut bar = Bar::new(&app.terminal);
    bar.start("fetching", folder.files.iter().map(|file| file.link.size_bytes).sum());
    let counter = bar.counter();
    let on_bytes: OnBytes = Arc::new(move |bytes| counter.add(bytes));
    let folders = [folder];
    let place = (answer.lake, scratch);
    let fetched = fetch::fetch(&session, place, &folders, Existing::Keep, 4, &on_bytes).await?;
    drop(bar);
    session.close().await;
    let files = fetched.into_iter().flat_map(|fetched| {
        let folder = scratch.join(fetched.folder);
        fetched.files.into_iter().map(move |name| LocalSource { path: folder.join(&name), name })
    });
    Ok(files.collect())
}

fn not_a_table(reference: &DatasetRef) -> Problem {
    Problem::refused("not-a-table", format!("`{reference}` is no table"))
        .hint("contracts are about columns and rows")
}

/// Whether an ingest under the contract would take every row.
fn holds(report: &ContractReport) -> bool {
    let worst = report.findings.iter().filter_map(|found| consequence_of(&found.finding)).max();
    report.decision.is_accepted()
        && report.decision.held_back_by.is_empty()
        && report.quarantined == 0
        && worst.is_none_or(|worst| worst < Consequence::Quarantine)
}

/// The contract, if it can be meant like that; what of it is not enforced is told.
fn read(app: &App, path: &Path, table: Option<&str>) -> Result<Contract> {
    let place = app.current.join(path);
    let metadata = std::fs::metadata(&place).map_err(|error| Problem::io("read", path, &error))?;
    let text = declaration(&place, metadata.len())?;
    let name = path.display().to_string();
    let read = read_contract(&name, &text, table)
        .map_err(|mistakes| tell_mistakes("invalid-contract", path, Path::new(""), &mistakes))?;
    for note in read.notes.iter().filter(|note| note.kind != NoteKind::Kept) {
        app.terminal.note(format!("{name}:{}:{}: {}", note.line, note.column, note.message));
    }
    Ok(read.contract)
}

fn refused(error: ContractCheckError) -> Problem {
    match error {
        ContractCheckError::Refused(refusal) => {
            let problem = Problem::refused(refusal.code, refusal.message);
            match refusal.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        }
        ContractCheckError::Scratch(error) => Problem::io("write", &std::env::temp_dir(), &error),
        ContractCheckError::Quarantine(error) => Problem::internal(error.to_string()),
    }
}

fn print(app: &App, report: &ContractReport) -> Result<()> {
    app.terminal.print_table(&findings_table(report.findings.iter().map(line_of_file)))?;
    let (accepted, quarantined) =
        (human::counted(report.accepted, "row"), human::count(report.quarantined));
    app.terminal.note(format!("{accepted} accepted, {quarantined} quarantined"));
    for found in report.unreadable.iter().take(NAMES) {
        let (source, line) = &found.first;
        let column = found.column.as_ref().map(|column| format!(" in `{column}`"));
        app.terminal.warn(format!(
            "{} of {}{}, the first on line {line} of `{source}`",
            human::counted(found.rows, "row"),
            found.code.as_str(),
            column.unwrap_or_default(),
        ));
    }
    if report.unreadable.len() > NAMES {
        let more = human::counted((report.unreadable.len() - NAMES) as u64, "more reason");
        app.terminal.warn(format!("and {more}, which `--json` lists"));
    }
    if report.unreadable.iter().any(|found| found.code == ReasonCode::TypeError) {
        app.terminal.hint("`--null TOKEN` says how missing values are written, if it is that");
    }
    for refusal in &report.decision.refusals {
        app.terminal.warn(refusal);
    }
    if !report.unmeasured.is_empty() {
        let names = report.unmeasured.join("`, `");
        app.terminal.note(format!("not measured, for they need a lake: `{names}`"));
    }
    if !report.unmentioned.is_empty() {
        let names = report.unmentioned.join("`, `");
        app.terminal.note(format!("the contract says nothing of `{names}`"));
    }
    for note in &report.notes {
        app.terminal.note(note);
    }
    Ok(())
}

fn document(report: &ContractReport) -> serde_json::Value {
    let finding = |found: &lakebed_service::ContractFinding| {
        let first = found.first.as_ref();
        json!({
            "finding": found.finding,
            "first": first.map(|(source, line)| json!({ "source": source, "line": line })),
        })
    };
    let unreadable = |found: &Unreadable| {
        let (source, line) = &found.first;
        json!({
            "code": found.code,
            "column": found.column,
            "rows": found.rows,
            "first": { "source": source, "line": line },
        })
    };
    json!({
        "contract": report.contract,
        "holds": holds(report),
        "accepted": report.accepted,
        "quarantined": report.quarantined,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "unreadable": report.unreadable.iter().map(unreadable).collect::<Vec<_>>(),
        "refusals": report.decision.refusals,
        "held_back_by": report.decision.held_back_by,
        "unmeasured": report.unmeasured,
        "unmentioned": report.unmentioned,
        "notes": report.notes,
    })
}
