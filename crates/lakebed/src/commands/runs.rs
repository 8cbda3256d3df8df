//! `lakebed runs`: which programs made which versions.

use std::{io::Write as _, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use lakebed_api::{Run, RunState};

use super::run::commit_kept;
use crate::{
    app::App,
    connect::Session,
    output::{Cell, Plain, Table, escaped, human, stdout_problem, style},
    problem::{Exit, Problem, Result},
};

/// How long an id is.
const WHOLE: usize = 32;
/// How much of a reason is listed.
const MOST_REASON: usize = 80;
/// How many runs are looked through for one that begins so.
const MOST: u32 = 1000;

/// List runs: programs that made versions, or are about to.
///
/// Shown are yours, and those of which you may read all inputs and outputs.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  lakebed runs
  lakebed runs show 01234567
  lakebed runs show 0123456789abcdef0123456789abcdef --log
  lakebed runs commit ./made"
)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    /// Describe a run
    Show(ShowArgs),
    /// Make versions of what a program wrote where no lake could be reached
    Commit(CommitArgs),
}

/// Make versions of what a program wrote where no lake could be reached: of all of it, or of nothing.
///
/// `lakebed run --offline` kept it, or a run that lost its lake. Refused when a file was changed since the
/// program wrote it, or when what it read is not what the lake has. Nothing is removed; the same folder
/// committed twice is committed once.
#[derive(Debug, Args)]
struct CommitArgs {
    /// The folder that the program wrote to
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The run, or how its id begins
    #[arg(value_name = "RUN")]
    run: String,
    /// Print what it printed, and nothing else
    #[arg(long)]
    log: bool,
}

pub(crate) async fn run(app: &App, args: RunsArgs) -> Result<Exit> {
    match args.command {
        None => list(app, args.limit).await,
        Some(RunsCommand::Show(args)) => show(app, args).await,
        Some(RunsCommand::Commit(CommitArgs { folder })) => commit_kept(app, &folder).await,
    }
}

async fn list(app: &App, limit: Option<u32>) -> Result<Exit> {
    let session = Session::open(app).await?;
    let list = session.client.runs(limit).await?;
    match app.terminal.json {
        true => app.terminal.print_json(&list)?,
        false => print_list(app, &list.runs)?,
    }
    session.close().await;
    Ok(Exit::Ok)
}

async fn show(app: &App, ShowArgs { run, log }: ShowArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let run = whole_id(&session, run).await?;
    if log {
        let log = session.client.run_log(&run).await?;
        match app.terminal.json {
            true => {
                let log = String::from_utf8_lossy(&log);
                app.terminal.print_json(&serde_json::json!({ "run": run, "log": log }))?;
            }
            false => write_log(app, &log)?,
        }
    } else {
        let run = session.client.run(&run).await?;
        match app.terminal.json {
            true => app.terminal.print_json(&run)?,
            false => print_run(app, &run)?,
        }
    }
    session.close().await;
    Ok(Exit::Ok)
}

/// The id that begins so, among the newest runs; what is whole already, or begins none, as it is.
async fn whole_id(session: &Session, given: String) -> Result<String> {
    if given.len() >= WHOLE || given.is_empty() {
        return Ok(given);
    }
    let runs = session.client.runs(Some(MOST)).await?.runs;
    let found: Vec<&str> =
        runs.iter().map(|run| run.run.as_str()).filter(|run| run.starts_with(&given)).collect();
    match found[..] {
        [] => Ok(given),
        [one] => Ok(one.to_owned()),
        [one, other, ..] => {
            let message = format!("several runs begin with `{given}`: `{one}`, `{other}`");
            Err(Problem::not_found(message).hint("give more digits"))
        }
    }
}

/// As it was printed; on a terminal without what could move a cursor.
fn write_log(app: &App, log: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = match app.terminal.stdout_is_terminal {
        true => Plain::new(&mut out).write_all(log),
        false => out.write_all(log),
    };
    written.and_then(|()| out.flush()).map_err(|error| stdout_problem(&error))
}

fn print_list(app: &App, runs: &[Run]) -> Result<()> {
    if runs.is_empty() {
        app.terminal.note("there are no runs");
        return Ok(());
    }
    let mut table = Table::new(["run", "state", "at (UTC)", "by", "what"]);
    for run in runs {
        let style = match run.state {
            RunState::Running => style::BOLD,
            RunState::Abandoned | RunState::Aborted => style::WARN,
            RunState::Committed => style::PLAIN,
        };
        table.push([
            run.run.as_str().into(),
            Cell::styled(word(run.state), style),
            human::time(run.started_at).into(),
            run.actor.as_str().into(),
            what(run).into(),
        ]);
    }
    app.terminal.print_whole_table(&table)
}

/// What came of it, or why nothing did.
fn what(run: &Run) -> String {
    let says_how = |reason: &&String| reason.starts_with("the program was killed");
    if let Some(code) = run.exit_code.filter(|_| run.state == RunState::Aborted)
        && run.reason.as_ref().filter(says_how).is_none()
    {
        return format!("the program ended with {code}");
    }
    if let Some(reason) = &run.reason {
        let short: String = reason.chars().take(MOST_REASON).collect();
        return if short.len() < reason.len() { format!("{short}…") } else { short };
    }
    let outputs = run.outputs.iter().map(|made| format!("{}@v{}", made.dataset, made.version));
    outputs.collect::<Vec<_>>().join(", ")
}

fn print_run(app: &App, run: &Run) -> Result<()> {
    let bold = style::BOLD;
    app.terminal.print(format!("{bold}{}{bold:#}  {}\n", run.run, word(run.state)))?;
    let mut lines = String::new();
    let mut line = |name: &str, value: String| {
        lines.push_str(&format!("  {name:<12} {}\n", escaped(&value)));
    };
    if let Some(invocation) = &run.invocation {
        line("command", invocation.command.join(" "));
        for (name, value) in &invocation.parameters {
            line("parameter", format!("{name}={value}"));
        }
        if let Some(git) = &invocation.git {
            let dirty = if git.dirty { ", and what was not committed" } else { "" };
            line("git", format!("{}{dirty}", git.commit));
        }
        let files = invocation.environment.iter().flat_map(|kept| kept.files.keys());
        let files = files.map(String::as_str).collect::<Vec<_>>().join(", ");
        if let Some(digest) = &run.environment_digest {
            line("environment", digest.clone());
        }
        if !files.is_empty() {
            line("pinned by", files);
        }
    }
    for input in &run.inputs {
        line("input", format!("{} is v{}", input.reference, input.version));
    }
    for output in &run.outputs {
        let same = if output.unchanged { ", which was there" } else { "" };
        line("output", format!("{}@v{}{same}", output.dataset, output.version));
    }
    line("began", human::time(run.started_at));
    if let Some(at) = run.ended_at {
        line("ended", human::time(at));
    }
    if let Some(at) = run.heard_at {
        line("heard of", human::time(at));
    }
    line("by", run.actor.clone());
    if let Some(code) = run.exit_code {
        line("exit code", code.to_string());
    }
    if let Some(reason) = &run.reason {
        line("given up", reason.clone());
    }
    if let Some(size) = run.log_bytes {
        line("log", human::bytes(size));
    }
    app.terminal.print(lines)
}

const fn word(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Abandoned => "abandoned",
        RunState::Aborted => "given up",
        RunState::Committed => "committed",
    }
}
