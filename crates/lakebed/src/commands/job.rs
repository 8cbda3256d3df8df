//! `lakebed job`: the long work that a server does for you, whoever asked for it on this machine.

use clap::{Args, Subcommand};
use lakebed_api::{Job, JobState};

use super::ingest::print_outcome;
use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human, style},
    problem::{Exit, Problem, Result},
    progress::Bar,
};

/// Look after the jobs that a server does for you.
///
/// What a server is asked for goes on when the connection is lost, and when the server is restarted.
/// How it ended is remembered for a week. A lake in a folder has no jobs: there the command is the
/// work.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Debug, Subcommand)]
enum JobCommand {
    /// List your jobs, the newest first
    Ls(LsArgs),
    /// Describe a job: how far it is, what it did, why it failed
    Show(OneArgs),
    /// Wait for the end of a job, and say what it did
    Follow(OneArgs),
    /// End a job; what it has committed stays
    Cancel(OneArgs),
}

/// List your jobs, the newest first.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed --lake https://lake.example job ls\n  lakebed job ls --limit 5 --json"
)]
struct LsArgs {
    /// At most so many, 1 to 1,000 [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: Option<u32>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed ingest huge.csv --to sales.orders --detach    # prints an id\n  lakebed job follow 4fe1044e6d478b07f5901e975f95c1bc"
)]
struct OneArgs {
    /// The job's id, from `lakebed job ls` or `lakebed ingest --detach`
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(app: &App, args: JobArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    if session.is_local() {
        session.close().await;
        return Err(Problem::usage("a lake without a server has no jobs")
            .hint("name the server: `lakebed --lake https://… job ls`"));
    }
    let client = &session.client;
    match args.command {
        JobCommand::Ls(args) => {
            let list = client.jobs(args.limit).await?;
            match app.terminal.json {
                true => app.terminal.print_json(&list)?,
                false => print_list(app, list.jobs)?,
            }
        }
        JobCommand::Show(args) => print_job(app, &client.job(&args.id).await?)?,
        JobCommand::Follow(args) => {
            let mut bar = Bar::new(&app.terminal);
            let outcome = client.follow_ingest(&args.id, |progress| bar.show(&progress)).await?;
            drop(bar);
            print_outcome(app, &outcome)?;
        }
        JobCommand::Cancel(args) => print_job(app, &client.cancel_job(&args.id).await?)?,
    }
    session.close().await;
    Ok(Exit::Ok)
}

fn print_list(app: &App, jobs: Vec<Job>) -> Result<()> {
    if jobs.is_empty() {
        app.terminal.note("you have no jobs here");
        return Ok(());
    }
    let mut table = Table::new(["id", "kind", "state", "asked (UTC)", "changed (UTC)", "what"]);
    for job in jobs {
        let state_style = match job.state {
            JobState::Failed => style::ERROR,
            JobState::Queued | JobState::Running => style::BOLD,
            JobState::Done | JobState::Cancelled => style::PLAIN,
        };
        table.push([
            job.id.as_str().into(),
            job.kind.as_str().into(),
            Cell::styled(state_in_words(job.state), state_style),
            human::time(job.created_at).into(),
            human::time(job.updated_at).into(),
            what(&job).into(),
        ]);
    }
    app.terminal.print_table(&table)
}

fn print_job(app: &App, job: &Job) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(job);
    }
    let (bold, state) = (style::BOLD, state_in_words(job.state));
    let told = what(job);
    let told = if told.is_empty() { told } else { format!("  {told}") };
    app.terminal.print(format!("{bold}{}{bold:#}  {} {state}{told}\n", job.id, job.kind))?;
    if job.attempt > 1 {
        app.terminal.note(format!("begun {} times: servers ended before it did", job.attempt));
    }
    if job.cancel_asked && !job.state.is_final() {
        app.terminal.note("it was asked to end, and has not yet");
    }
    if let Some(hint) = job.problem.as_ref().and_then(|problem| problem.hint.as_ref()) {
        app.terminal.note(hint);
    }
    Ok(())
}

/// What came of it, or how far it is.
fn what(job: &Job) -> String {
    if let Some(problem) = &job.problem {
        return problem.detail.clone();
    }
    if let Some(result) = &job.result {
        return format!("{}@v{}", result.version.dataset, result.version.version);
    }
    let Some(progress) = &job.progress else { return String::new() };
    match (progress.queued_before, progress.bytes_total) {
        (Some(before), _) => format!("{} before it", human::count(before)),
        (None, Some(total)) => {
            let (done, total) = (human::bytes(progress.bytes_done), human::bytes(total));
            format!("{} {done} of {total}", progress.phase)
        }
        (None, None) => format!("{} {}", progress.phase, human::bytes(progress.bytes_done)),
    }
}

const fn state_in_words(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Done => "done",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
    }
}
