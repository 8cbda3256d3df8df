//! Where no lake can be reached: a program runs on what was fetched before, and what it writes is kept until
//! `lakebed runs commit` makes versions of it.

use std::{
    future::pending,
    path::{Path, PathBuf},
};

use lakebed_api::{RunCommitAnswer, RunState};
use lakebed_core::{Lock, LockedInput};

use super::{
    Folders, Nothing, Output, Ran, RunArgs, Stop, Written, again, commit as commit_written, ended,
    give_up, print as print_committed, request, start, write_index,
};
use crate::{
    app::App,
    commands::{fetch::objects, ingest::own_key},
    connect::Session,
    fetch::{self, note::Noted},
    output::style,
    problem::{Exit, Problem, Result},
    program::kept::{self, Ended, Kept, KeptOutput},
    signals,
};

/// Runs a program on what was fetched, and keeps what it wrote; gives the folder.
pub(super) async fn run(
    app: &App,
    args: &RunArgs,
    lock: &Lock,
    folders: &Folders,
    outputs: &[Output<'_>],
    stop: Stop<'_>,
) -> Result<PathBuf, Nothing> {
    let noted = fetch::note::find(&folders.inputs, lock, &args.lock)?;
    let wanted = noted.iter().map(Noted::folder).collect::<Result<Vec<_>>>()?;
    let fetched = tokio::task::block_in_place(|| fetch::find(&folders.inputs, &wanted))?;
    let inputs = write_index(app, args, lock.inputs(), fetched, folders)?;
    let key = own_key(args.idempotency_key.as_deref())?;
    let request = request(app, args, Some(lock), outputs).await?;
    let shown = (inputs.as_path(), folders.outputs.as_path());
    let (ran, ended_well) = start(app, args, shown, None, pending(), stop).await?;
    ended_well?;
    let ended = ended(args, Some(lock), folders, (key, request), &ran)?;
    keep(app, folders, outputs, ended, &ran)?;
    Ok(folders.outputs.clone())
}

/// Keeps what a program wrote, where it wrote it.
pub(super) fn keep(
    app: &App,
    folders: &Folders,
    outputs: &[Output<'_>],
    ended: Ended,
    ran: &Ran,
) -> Result<()> {
    let folder = &folders.outputs;
    let of = |written: &Written<'_>| {
        KeptOutput::of(written.dataset, written.as_files, &written.sources, folder)
    };
    tokio::task::block_in_place(|| {
        let written = folders.find(app, outputs)?;
        let outputs = written.iter().map(of).collect::<Result<_>>()?;
        kept::keep(folder, ended, outputs, &ran.log)
    })
}

pub(super) fn print(app: &App, folder: &Path) -> Result<()> {
    let shown = folder.strip_prefix(&app.current).unwrap_or(folder).display().to_string();
    let is_kept =
        |problem: Problem| problem.detail(format!("what the program wrote is kept in {shown}"));
    if app.terminal.json {
        let kept = serde_json::json!({ "kept": shown });
        return app.terminal.print_json(&kept).map_err(is_kept);
    }
    let bold = style::BOLD;
    app.terminal.print(format!("{bold}kept{bold:#} {shown}\n")).map_err(is_kept)?;
    app.terminal.hint(format!("`lakebed runs commit {shown}` makes versions of it"));
    Ok(())
}

/// Makes versions of what is kept in `folder`: of all of it, or of nothing. Nothing is removed.
pub(crate) async fn commit(app: &App, folder: &Path) -> Result<Exit> {
    let folder = app.current.join(folder);
    let (kept, log) = tokio::task::block_in_place(|| kept::open(&folder))?;
    let _held = kept::hold(&folder)?;
    let session = match kept.lake {
        Some(_) => Session::open(app).await?,
        None => Session::open_or_create(app).await?,
    };
    let done = tokio::select! {
        biased;
        exit = signals::received() => Err(exit),
        done = commit_kept(app, &session, &folder, kept, log) => Ok(done),
    };
    session.close().await;
    match done {
        // The run goes on where it is when it is committed again.
        Err(exit) => {
            app.terminal.warn("stopped: `lakebed runs commit` once more says what came of it");
            Ok(exit)
        }
        Ok(answer) => print_committed(app, &answer?).map(|()| Exit::Ok),
    }
}

async fn commit_kept(
    app: &App,
    session: &Session,
    folder: &Path,
    kept: Kept,
    log: Vec<u8>,
) -> Result<RunCommitAnswer> {
    let run = begin(session, &kept).await?;
    if run.state == RunState::Committed {
        return again(session, &run).await;
    }
    let ran = Ran { log: log.into(), started_at: kept.started_at, ended_at: kept.ended_at };
    let work = async {
        check_inputs(session, &kept).await?;
        let written = tokio::task::block_in_place(|| written(folder, &kept))?;
        commit_written(app, session, &run.run, written, &ran).await
    };
    let done = work.await;
    if let Err(problem) = &done {
        give_up(&session.client, &run.run, &Nothing::Problem(problem.clone()), Some(&ran)).await;
    }
    done
}

async fn begin(session: &Session, kept: &Kept) -> Result<lakebed_api::Run> {
    let lake = session.client.lake().await?.lake;
    if let Some(other) = kept.lake.filter(|kept| *kept != lake) {
        let message = "what is kept here was made of versions of another lake";
        return Err(Problem::new(Exit::Conflict, "other-lake", message)
            .detail(format!("read: lake {other}"))
            .detail(format!("this: lake {lake}"))
            .hint("point `--lake` at the lake that it was fetched from"));
    }
    Ok(session.client.begin_run(&kept.request, &kept.key).await?)
}

/// The bytes that the program read are those of the versions, by the lake's own word.
async fn check_inputs(session: &Session, kept: &Kept) -> Result<()> {
    if kept.inputs.is_empty() {
        return Ok(());
    }
    let inputs: Vec<LockedInput> = kept.inputs.iter().map(|kept| kept.input.clone()).collect();
    let told = objects(session, &inputs).await?;
    let differs = kept.inputs.iter().zip(told).find(|(kept, told)| kept.objects != *told);
    match differs {
        None => Ok(()),
        Some((kept, _)) => {
            let message = format!("the program read other bytes than `{}`", kept.input.reference);
            Err(Problem::refused("input-differs", message)
                .hint("fetch the inputs again, and run the program again"))
        }
    }
}

fn written<'a>(folder: &Path, kept: &'a Kept) -> Result<Vec<Written<'a>>> {
    let written = |output: &'a KeptOutput| {
        let sources = output.sources(folder)?;
        Ok(Written { dataset: &output.dataset, as_files: output.as_files, sources })
    };
    kept.outputs.iter().map(written).collect()
}
