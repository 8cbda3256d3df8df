//! `lakebed run`: a program of the user's between pinned versions and new ones.

mod offline;

use std::{
    ffi::OsString,
    fmt,
    future::Future,
    path::{Component, Path, PathBuf},
    pin::Pin,
    str::FromStr,
    time::Duration,
};

use bytes::Bytes;
use clap::{Args, ValueHint};
use futures::stream;
use lakebed_api::{
    IngestSource, NewRunOutput, RunAbortRequest, RunCommitAnswer, RunCommitRequest, RunInput,
    RunRequest,
};
use lakebed_client::{Client, ClientError};
use lakebed_core::{
    DatasetName, DatasetRef, DecodeOptions, FormatName, Lock, LockedInput, Timestamp,
};
use serde::Serialize;

use super::{
    fetch,
    ingest::{hand_over, own_key, print_outcome, tell_folder_keys},
};
pub(crate) use offline::commit as commit_kept;

use crate::{
    app::App,
    atomic,
    config::Target,
    connect::Session,
    fetch::{Fetched, note},
    lockfile::{self, LockFile},
    output::{human, style},
    problem::{Exit, Problem, Result},
    program::{
        child::{self, Ending, Start},
        identity,
        kept::{self, Ended, KeptInput},
    },
    progress::Bar,
    signals,
    sources::{self, Source, Sources},
};

/// The file that says where the inputs are.
const INDEX: &str = "inputs.json";
/// How long a run may be silent, and how often it is heard of.
const PATIENCE: u32 = 3600;
const BEAT: Duration = Duration::from_secs(60);
/// How long a lake is waited for that is to be told that a run is given up: while somebody waits for us to
/// stop, or the lake may be the reason; and where a program failed, whose log is worth it.
const ABORT_PATIENCE: Duration = Duration::from_millis(1500);
const FAILED_PATIENCE: Duration = Duration::from_secs(5);

/// Run a program on pinned versions, and make versions of what it writes: of all of it, or of nothing.
///
/// The inputs are those of the lock, verified, in the folder $LAKEBED_INPUTS: tables as Parquet, in
/// `<namespace>/<name>/` as `lakebed fetch` has them; `inputs.json` there lists references and files. The
/// program writes its outputs to the folder $LAKEBED_OUTPUTS. When it ends with 0 they are committed
/// together, with what they were made of, in one transaction; when it fails, or an output is missing
/// or refused, nothing is, and the exit code is the program's own.
///
/// On record are the command line, parameters, git commit, digests of the program and of lock files
/// beside it (`uv.lock`, `renv.lock`, `Cargo.lock` …), times, and what was printed, its middle cut
/// beyond a MiB. No environment variables: those hold secrets.
///
/// With `--offline` no lake is asked: the inputs are those that `lakebed fetch` brought into the folder
/// `--into`, verified by the digests that the lake told then. What the program writes stays in the folder
/// `--outputs`, with a record of all this, until `lakebed runs commit` makes versions of it.
///
/// The folder `--into` may be one that can only be read, once all inputs are in it: then $LAKEBED_INPUTS is
/// another, with `inputs.json` and links to what is in that one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed lock sales.orders
  lakebed run --out ml.scores=scores.parquet -- python train.py
  lakebed run --out ml.scores=scores.csv --out ml.model=model.pkl --param depth=3 -- Rscript fit.R
  lakebed run --lock april.lock --out ml.plots=plots/ --into ./inputs -- make plots
  lakebed fetch --lock lakebed.lock --into ./inputs       # then, where no lake can be reached:
  lakebed run --offline --into ./inputs --outputs ./made --out ml.scores=scores.csv -- make scores
  lakebed runs commit ./made                              # and where it can be again

The program sees:
  LAKEBED_INPUTS    the folder with its inputs, and inputs.json
  LAKEBED_OUTPUTS   the folder in which relative --out paths are looked for
  LAKEBED_LAKE      the lake that the run is on; with --offline, what it is where you are
  LAKEBED_RUN       the id of the run; not with --offline
  LAKEBED_PARAM_K   the value of --param k=…")]
pub(crate) struct RunArgs {
    /// The lock file with the inputs
    #[arg(long, value_name = "FILE", default_value = lockfile::FILE, value_hint = ValueHint::FilePath)]
    lock: PathBuf,
    /// It reads nothing from the lake
    #[arg(long, conflicts_with = "lock")]
    no_inputs: bool,
    /// Ask no lake: use what was fetched, and keep what is written for `lakebed runs commit`
    #[arg(long, requires_all = ["into", "outputs"], conflicts_with = "no_inputs")]
    offline: bool,
    /// An output: a table where its files are CSV, JSON, Parquet or Excel, else files as they are
    #[arg(long = "out", value_name = "DATASET=PATH", required_unless_present = "out_files")]
    out: Vec<OutArg>,
    /// An output that is kept as files, whatever they are called
    #[arg(long, value_name = "DATASET=PATH")]
    out_files: Vec<OutArg>,
    /// A parameter, on record and in the program's environment
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<Param>,
    /// Where to bring the inputs; a folder that is gone afterwards when unsaid
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    into: Option<PathBuf>,
    /// Where the program writes; a folder that is gone afterwards when unsaid
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    outputs: Option<PathBuf>,
    /// A key that makes repeating this very command harmless: what failed is run again, what was committed
    /// is there
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<String>,
}

/// `ml.scores=scores.parquet`
#[derive(Debug, Clone)]
struct OutArg {
    dataset: DatasetName,
    path: PathBuf,
}

impl FromStr for OutArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected `namespace.dataset=path`".to_owned();
        let (dataset, path) = text.split_once('=').ok_or_else(expected)?;
        if path.is_empty() {
            return Err(expected());
        }
        let dataset =
            dataset.parse().map_err(|error: lakebed_core::NameError| error.to_string())?;
        Ok(Self { dataset, path: path.into() })
    }
}

/// `depth=3`
#[derive(Debug, Clone)]
struct Param {
    name: String,
    value: String,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("expected `name=value`")?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match !name.is_empty() && name.chars().all(is_plain) {
            true => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            false => Err("a parameter's name is letters, digits and `_`".to_owned()),
        }
    }
}

impl Param {
    fn variable(&self) -> String {
        format!("{}{}", child::PARAMETER, self.name.to_ascii_uppercase())
    }
}

/// An output as it is looked for.
struct Output<'a> {
    dataset: &'a DatasetName,
    path: &'a Path,
    as_files: bool,
}

/// An output as it was found.
struct Written<'a> {
    dataset: &'a DatasetName,
    as_files: bool,
    sources: Vec<Source>,
}

impl Output<'_> {
    /// Says what of it is not kept.
    fn tell_left_out(&self, app: &App, found: &Sources) {
        let links = found.links_left_out + found.dead_links.len() as u64;
        let left_out = [
            (found.hidden_left_out, "hidden file", ""),
            (links, "link", ""),
            (found.marks_left_out, "file", " like `_SUCCESS`"),
        ];
        for (count, what, like) in left_out.into_iter().filter(|(count, ..)| *count > 0) {
            let (count, path) = (human::counted(count, what), self.path.display());
            app.terminal.warn(format!("{count}{like} in `{path}` left out of {}", self.dataset));
        }
    }
}

/// The folders of a run. Those that nobody named are gone when it is dropped.
struct Folders {
    inputs: PathBuf,
    outputs: PathBuf,
    scratch: tempfile::TempDir,
    /// The outputs, held: what two programs write at once, nobody could tell apart.
    _held: std::fs::File,
}

/// What is told to stop.
type Stop<'a> = Pin<&'a mut dyn Future<Output = Exit>>;

/// Why a program is stopped.
#[derive(Debug, Clone)]
enum Why {
    Told(Exit),
    /// The lake does not know the run any more.
    Lost(Problem),
}

impl From<Why> for Option<Exit> {
    fn from(why: Why) -> Self {
        match why {
            Why::Told(exit) => Some(exit),
            Why::Lost(_) => None,
        }
    }
}

/// What a program did.
#[derive(Clone)]
struct Ran {
    log: Bytes,
    started_at: Timestamp,
    ended_at: Timestamp,
}

/// What came of what was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Nothing,
    /// It was being committed, and the lake has not said that it was not.
    Unknown,
}

/// How a program ended that failed.
#[derive(Debug, Clone, Copy)]
enum Failure {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Failure {
    /// As shells have it.
    const fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the program ended with {code}"),
            Self::Signal(signal) => write!(f, "the program was killed by signal {signal}"),
        }
    }
}

/// How a run ended that made nothing.
enum Nothing {
    /// The program failed.
    Failed(Failure),
    /// Somebody stopped us.
    Stopped(Exit, Came),
    /// This is in the way.
    Problem(Problem),
    /// The program is done, and this, which may pass, is in the way of committing what it wrote.
    Uncommitted(Reason, Box<(Ended, Ran)>),
}

/// Why what a program wrote is kept.
enum Reason {
    /// This may pass.
    Problem(Problem),
    /// Somebody stopped us before the lake said that it has it.
    Stopped(Exit),
}

impl From<Problem> for Nothing {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ClientError> for Nothing {
    fn from(error: ClientError) -> Self {
        Self::Problem(error.into())
    }
}

pub(crate) async fn run(app: &App, args: RunArgs) -> Result<Exit> {
    let outputs = outputs(&args)?;
    check_params(&args.params)?;
    let lock = match args.no_inputs {
        true => None,
        false => Some(LockFile::open(&app.current.join(&args.lock))?.existing()?),
    };
    for folder in args.into.iter().chain(&args.outputs) {
        fetch::check_outside(app, folder)?;
    }
    check_apart(app, &args)?;
    let folders = Folders::make(app, &args)?;
    folders.check_absent(app, &outputs)?;
    let stop = signals::received_or_hung_up();
    tokio::pin!(stop);
    if let (true, Some(lock)) = (args.offline, &lock) {
        let ended = offline::run(app, &args, lock, &folders, &outputs, stop).await;
        return finish(app, folders, &outputs, ended, |kept| offline::print(app, &kept));
    }
    let session = match lock {
        Some(_) => Session::open(app).await?,
        None => Session::open_or_create(app).await?,
    };
    let ended = whole(app, &args, &session, lock.as_ref(), &folders, &outputs, stop).await;
    session.close().await;
    finish(app, folders, &outputs, ended, |answer| print(app, &answer))
}

/// Says how it ended.
fn finish<T>(
    app: &App,
    folders: Folders,
    outputs: &[Output<'_>],
    ended: Result<T, Nothing>,
    show: impl FnOnce(T) -> Result<()>,
) -> Result<Exit> {
    match ended {
        Ok(made) => show(made).map(|()| Exit::Ok),
        Err(Nothing::Stopped(exit, came)) => {
            app.terminal.warn(match came {
                Came::Nothing => "stopped: nothing was committed",
                Came::Unknown => "stopped: `lakebed runs` says whether anything was committed",
            });
            Ok(exit)
        }
        Err(Nothing::Problem(problem)) => Err(problem),
        Err(Nothing::Uncommitted(reason, unsaved)) => {
            let (ended, ran) = *unsaved;
            offline::keep(app, &folders, outputs, ended, &ran)?;
            let kept = folders.keep()?.display().to_string();
            let detail = format!("what the program wrote is in {kept}");
            let hint = format!("`lakebed runs commit {kept}` makes versions of it, later");
            match reason {
                Reason::Problem(problem) => Err(problem.detail(detail).hint(hint)),
                Reason::Stopped(exit) => {
                    app.terminal.warn(format!("stopped: {detail}"));
                    app.terminal.hint(hint);
                    Ok(exit)
                }
            }
        }
        Err(Nothing::Failed(failure)) => {
            tell_failed(app, failure);
            drop(folders);
            // The program's own, whatever it means.
            std::process::exit(failure.code())
        }
    }
}

/// The program's own exit code is none of ours, so that this is no [`Problem`].
fn tell_failed(app: &App, failure: Failure) {
    let (message, code) = (format!("{failure}: nothing was committed"), failure.code());
    match app.terminal.json {
        true => {
            let told =
                serde_json::json!({ "code": "run-failed", "exit_code": code, "detail": message });
            app.terminal.tell_once(format_args!("{told}\n"));
        }
        false => app.terminal.print_problem(&Problem::refused("run-failed", message)),
    }
}

/// Begins a run, and commits it or gives it up.
async fn whole(
    app: &App,
    args: &RunArgs,
    session: &Session,
    lock: Option<&Lock>,
    folders: &Folders,
    outputs: &[Output<'_>],
    mut stop: Stop<'_>,
) -> Result<RunCommitAnswer, Nothing> {
    let key = own_key(args.idempotency_key.as_deref())?;
    let begin = begin(app, args, session, lock, outputs, &key);
    let (request, begun) = unless_stopped(stop.as_mut(), begin).await?;
    if begun.state == lakebed_api::RunState::Committed {
        return again(session, &begun).await.map_err(Nothing::Problem);
    }
    let mut did = None;
    let work = async {
        let prepare = bring(app, args, session, lock, folders);
        let inputs = unless_stopped(stop.as_mut(), prepare).await?;
        let (run, lost) = (Some(&begun.run[..]), heartbeats(&session.client, &begun.run));
        let shown = (inputs.as_path(), folders.outputs.as_path());
        let (ran, ended_well) = start(app, args, shown, run, lost, stop.as_mut()).await?;
        did = Some(ran.clone());
        ended_well?;
        let made = folders.find(app, outputs)?;
        let commit = commit(app, session, &begun.run, made, &ran);
        let reason = match unless_stopped(stop.as_mut(), commit).await {
            Err(Nothing::Problem(problem)) if is_worth_keeping(&problem) => {
                Reason::Problem(problem)
            }
            Err(Nothing::Stopped(exit, _)) => Reason::Stopped(exit),
            other => return other,
        };
        let ended = ended(args, lock, folders, (key, request), &ran)?;
        Err(Nothing::Uncommitted(reason, Box::new((ended, ran))))
    };
    let ended = work.await;
    match ended {
        Ok(answer) => Ok(answer),
        Err(why) => {
            let is_given_up = give_up(&session.client, &begun.run, &why, did.as_ref()).await;
            Err(match why {
                Nothing::Stopped(exit, _) if !is_given_up => Nothing::Stopped(exit, Came::Unknown),
                why => why,
            })
        }
    }
}

/// What may pass leaves what the program wrote worth keeping; so does a run that somebody else ended, or
/// that the lake knows nothing of any more: another can be begun.
fn is_worth_keeping(problem: &Problem) -> bool {
    matches!(problem.exit, Exit::Unavailable | Exit::Conflict | Exit::NotFound)
        || matches!(&*problem.code, "run-ended" | "run-abandoned")
}

/// What is known of a program that ended well.
fn ended(
    args: &RunArgs,
    lock: Option<&Lock>,
    folders: &Folders,
    (key, request): (String, RunRequest),
    ran: &Ran,
) -> Result<Ended> {
    let inputs = match lock {
        Some(lock) => note::find(&folders.inputs, lock, &args.lock)?,
        None => Vec::new(),
    };
    Ok(Ended {
        lake: lock.map(|lock| lock.lake),
        key,
        request,
        inputs: inputs.into_iter().map(KeptInput::from).collect(),
        started_at: ran.started_at,
        ended_at: ran.ended_at,
    })
}

/// What is done unless somebody stops us; dropping it ends it.
async fn unless_stopped<T>(
    stop: Stop<'_>,
    work: impl Future<Output = Result<T>>,
) -> Result<T, Nothing> {
    tokio::select! {
        biased;
        exit = stop => Err(Nothing::Stopped(exit, Came::Nothing)),
        done = work => done.map_err(Nothing::Problem),
    }
}

async fn begin(
    app: &App,
    args: &RunArgs,
    session: &Session,
    lock: Option<&Lock>,
    outputs: &[Output<'_>],
    key: &str,
) -> Result<(RunRequest, lakebed_api::Run)> {
    if let Some(lock) = lock {
        lockfile::check_lake(lock, &args.lock, session.client.lake().await?.lake)?;
    }
    let request = request(app, args, lock, outputs).await?;
    let begun = session.client.begin_run(&request, key).await.map_err(|error| {
        let inputs = lock.map(Lock::inputs).unwrap_or_default();
        lockfile::explain(&app.current.join(&args.lock), inputs, error.into())
    })?;
    Ok((request, begun))
}

/// What is known of the program before it runs.
async fn request(
    app: &App,
    args: &RunArgs,
    lock: Option<&Lock>,
    outputs: &[Output<'_>],
) -> Result<RunRequest> {
    let input = |input: &LockedInput| RunInput {
        reference: input.reference.to_string(),
        version_id: Some(input.version_id),
    };
    let (program, folder) = (args.command[0].clone(), app.current.clone());
    let known = tokio::task::spawn_blocking(move || {
        let environment = identity::environment(&program, &folder)?;
        Ok::<_, Problem>((identity::git_state(&folder), environment))
    });
    let (git, environment) =
        known.await.map_err(|error| Problem::internal(error.to_string()))??;
    Ok(RunRequest {
        inputs: lock.iter().flat_map(|lock| lock.inputs()).map(input).collect(),
        outputs: outputs.iter().map(|output| output.dataset.clone()).collect(),
        command: args.command.clone(),
        parameters: args.params.iter().map(|p| (p.name.clone(), p.value.clone())).collect(),
        git,
        environment: Some(environment),
        patience_seconds: Some(PATIENCE),
    })
}

/// What came of a run that was committed.
async fn again(session: &Session, run: &lakebed_api::Run) -> Result<RunCommitAnswer> {
    let request = RunCommitRequest::default();
    Ok(session.client.commit_run(&run.run, &request, |_| {}).await?)
}

/// One reference, and where it is.
#[derive(Serialize)]
struct Index {
    reference: DatasetRef,
    version: u64,
    version_id: String,
    folder: PathBuf,
    files: Vec<PathBuf>,
}

/// Fetches the inputs, verified, and writes down where they are; gives the folder to show to the program.
async fn bring(
    app: &App,
    args: &RunArgs,
    session: &Session,
    lock: Option<&Lock>,
    folders: &Folders,
) -> Result<PathBuf> {
    let inputs = lock.map(Lock::inputs).unwrap_or_default();
    let fetched = match inputs {
        [] => Vec::new(),
        inputs => fetch::bring(app, session, (inputs, &args.lock), &folders.inputs).await?,
    };
    write_index(app, args, inputs, fetched, folders)
}

/// Writes down where the inputs are; gives the folder to show to the program.
fn write_index(
    app: &App,
    args: &RunArgs,
    inputs: &[LockedInput],
    fetched: Vec<Fetched>,
    folders: &Folders,
) -> Result<PathBuf> {
    let place = |(input, fetched): (&'_ LockedInput, Fetched)| Index {
        reference: input.reference.clone(),
        version: input.version,
        version_id: input.version_id.to_string(),
        files: fetched.files.iter().map(|file| fetched.folder.join(file)).collect(),
        folder: fetched.folder,
    };
    let index: Vec<Index> = inputs.iter().zip(fetched).map(place).collect();
    if args.into.is_some() {
        app.terminal.note(format!("the inputs are in {}", folders.inputs.display()));
    }
    let text = serde_json::json!({ "format": 1, "inputs": index });
    let (path, text) = (folders.inputs.join(INDEX), format!("{text:#}\n"));
    // Whoever may not write there need not, where it says so already.
    if std::fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(folders.inputs.clone());
    }
    match atomic::replace(&path, text.as_bytes()) {
        Ok(()) => Ok(folders.inputs.clone()),
        Err(problem) if problem.code == "denied" => folders.link_inputs(&text),
        Err(problem) => Err(problem),
    }
}

/// Where the lake is, for the program.
fn lake_of(app: &App) -> Result<OsString> {
    Ok(match app.settings.lake()? {
        Target::Folder(path) => app.current.join(path).into(),
        url => url.to_string().into(),
    })
}

/// Runs the program between two folders, until the run is `lost`: what it did, and whether it ended well.
async fn start(
    app: &App,
    args: &RunArgs,
    (inputs, outputs): (&Path, &Path),
    run: Option<&str>,
    lost: impl Future<Output = Problem>,
    stop: Stop<'_>,
) -> Result<(Ran, Result<(), Nothing>)> {
    let mut variables: Vec<(String, OsString)> = vec![
        ("LAKEBED_INPUTS".to_owned(), inputs.into()),
        ("LAKEBED_OUTPUTS".to_owned(), outputs.into()),
    ];
    if let Some(run) = run {
        variables.push((child::RUN.to_owned(), run.into()));
        variables.push(("LAKEBED_LAKE".to_owned(), lake_of(app)?));
    }
    variables
        .extend(args.params.iter().map(|param| (param.variable(), param.value.clone().into())));
    let started_at = now();
    let stopped = async {
        tokio::select! {
            exit = stop => Why::Told(exit),
            problem = lost => Why::Lost(problem),
        }
    };
    tokio::pin!(stopped);
    let start = Start {
        command: &args.command,
        variables,
        folder: &app.current,
        all_to_stderr: app.terminal.json,
    };
    let (ending, log) = child::run(start, stopped).await?;
    let ended_well = match ending {
        Ending::Code(0) => Ok(()),
        Ending::Code(code) => Err(Nothing::Failed(Failure::Code(code))),
        Ending::Killed(signal) => Err(Nothing::Failed(Failure::Signal(signal))),
        Ending::Stopped(Why::Told(exit)) => Err(Nothing::Stopped(exit, Came::Nothing)),
        Ending::Stopped(Why::Lost(problem)) => Err(Nothing::Problem(problem)),
    };
    Ok((Ran { log: log.into(), started_at, ended_at: now() }, ended_well))
}

/// Says that the run is alive, until the lake says that somebody ended it. Of one that it does not know any
/// more, as after an hour without it, the program goes on: what it writes can be committed as another run.
async fn heartbeats(client: &Client, run: &str) -> Problem {
    loop {
        tokio::time::sleep(BEAT).await;
        match client.hear_of_run(run).await {
            Ok(_) => {}
            Err(ClientError::Problem(problem)) if problem.code == "run-ended" => {
                return ClientError::Problem(problem).into();
            }
            // The lake may be back before its patience ends.
            Err(error) => tracing::warn!(%error, "could not say that the run is alive"),
        }
    }
}

/// Makes versions of what the program wrote.
async fn commit(
    app: &App,
    session: &Session,
    run: &str,
    written: Vec<Written<'_>>,
    ran: &Ran,
) -> Result<RunCommitAnswer> {
    let mut bar = Bar::new(&app.terminal);
    let mut made = Vec::with_capacity(written.len());
    let given_as_files: Vec<&DatasetName> =
        written.iter().filter(|written| written.as_files).map(|written| written.dataset).collect();
    for Written { dataset, as_files, sources } in written {
        let is_table = !as_files && are_tables(&sources);
        let format = (!is_table).then_some(FormatName::Files);
        made.push(NewRunOutput {
            dataset: dataset.to_string(),
            sources: hand_over(session, sources, &mut bar).await?,
            options: DecodeOptions { format, ..DecodeOptions::default() },
        });
    }
    let request = RunCommitRequest {
        outputs: made,
        exit_code: Some(0),
        started_at: Some(ran.started_at),
        ended_at: Some(ran.ended_at),
        log: send_log(&session.client, ran.log.clone()).await?,
    };
    let committed = session.client.commit_run(run, &request, |progress| bar.show(&progress)).await;
    drop(bar);
    committed.map_err(|error| without_options(error.into(), &given_as_files))
}

/// How to read a file is said to `lakebed ingest`; to a run, by the file.
fn without_options(mut problem: Problem, given_as_files: &[&DatasetName]) -> Problem {
    let is_of = |dataset: &&DatasetName| problem.message.contains(&format!("`{dataset}`"));
    let is_given_as_files = given_as_files.iter().any(is_of);
    problem.hint = problem.hint.take().map(|hint| hint_of_run(hint, is_given_as_files));
    problem
}

/// What a hint to whoever ingests says to whoever runs a program.
fn hint_of_run(hint: String, is_given_as_files: bool) -> String {
    const READABLE: &str = "let the program write what is read without options: Parquet, or CSV \
                            in UTF-8 with empty cells for missing values";
    if hint.starts_with("leave out `--as files`") {
        let what = match is_given_as_files {
            true => "give it with `--out` instead of `--out-files`",
            false => "let the program write a table, called so (`.csv`, `.parquet` …)",
        };
        return format!("{what}, or name another dataset");
    }
    if hint.starts_with("add `--as files`") {
        return "give it with `--out-files`, or name another dataset".to_owned();
    }
    // A change of the columns is declared by whoever wants it, once.
    if let Some(change) = hint.split('`').find(|word| word.starts_with("--evolve")) {
        return format!(
            "let the program write the dataset's columns, change them once with \
             `lakebed ingest FILE --to DATASET {change}`, or name another dataset"
        );
    }
    if hint.contains("--as files") {
        return hint.replace("--as files", "--out-files");
    }
    if hint.contains("`--max-quarantined`") {
        return format!("{READABLE}; a contract of the dataset may allow more such rows");
    }
    let is_of_the_lake = ["`--catalog", "`--lake"].iter().any(|option| hint.contains(option));
    match hint.contains("`--") && !is_of_the_lake {
        true => READABLE.to_owned(),
        false => hint,
    }
}

async fn send_log(client: &Client, log: Bytes) -> Result<Option<IngestSource>> {
    if log.is_empty() {
        return Ok(None);
    }
    let bytes = stream::iter([Ok::<_, std::io::Error>(log)]);
    let uploaded = client.upload("log", bytes, None).await?;
    Ok(Some(IngestSource::upload("log", uploaded.upload)))
}

/// Tells the lake that nothing will come of a run and what the program did, and whether it heard. If it does
/// not, it will find out by itself.
async fn give_up(client: &Client, run: &str, why: &Nothing, did: Option<&Ran>) -> bool {
    let patience = match why {
        Nothing::Failed(_) => FAILED_PATIENCE,
        _ => ABORT_PATIENCE,
    };
    let (exit_code, reason) = match why {
        Nothing::Failed(failure) => (Some(failure.code()), failure.to_string()),
        Nothing::Stopped(..) | Nothing::Uncommitted(Reason::Stopped(_), _) => {
            (None, "it was stopped".to_owned())
        }
        Nothing::Problem(problem) | Nothing::Uncommitted(Reason::Problem(problem), _) => {
            (None, problem.message.chars().take(1000).collect())
        }
    };
    let client = client.clone().with_patience(patience);
    let tell = async {
        let printed = did.map(|ran| ran.log.clone()).unwrap_or_default();
        // Without its log it is given up all the same.
        let log = match tokio::time::timeout(patience / 2, send_log(&client, printed)).await {
            Ok(Ok(log)) => log,
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the lake did not take what the program printed");
                None
            }
        };
        let why = RunAbortRequest {
            exit_code,
            reason: Some(reason),
            started_at: did.map(|ran| ran.started_at),
            ended_at: did.map(|ran| ran.ended_at),
            log,
        };
        client.abort_run(run, &why).await
    };
    match tokio::time::timeout(patience, tell).await {
        Ok(Ok(_)) => return true,
        Ok(Err(error)) => tracing::warn!(%error, "could not give the run up"),
        Err(_elapsed) => tracing::warn!("the lake did not hear in time that the run is given up"),
    }
    false
}

impl Folders {
    fn make(app: &App, args: &RunArgs) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("lakebed-run-").tempdir();
        let scratch =
            scratch.map_err(|error| Problem::io("make", &std::env::temp_dir(), &error))?;
        let folder = |given: Option<&PathBuf>, name: &str| {
            let path = match given {
                Some(path) => app.current.join(path),
                None => scratch.path().join(name),
            };
            std::fs::create_dir_all(&path).map_err(|error| Problem::io("make", &path, &error))?;
            std::path::absolute(&path).map_err(|error| Problem::io("find", &path, &error))
        };
        let inputs = folder(args.into.as_ref(), "inputs")?;
        let outputs = folder(args.outputs.as_ref(), "outputs")?;
        let held = kept::hold(&outputs)?;
        Ok(Self { inputs, outputs, scratch, _held: held })
    }

    /// A folder with the index and links to what is in that of the inputs, which cannot be written to.
    fn link_inputs(&self, index: &str) -> Result<PathBuf> {
        let links = self.scratch.path().join("inputs");
        std::fs::create_dir_all(&links).map_err(|error| Problem::io("make", &links, &error))?;
        let failed = |error: &std::io::Error| Problem::io("read folder", &self.inputs, error);
        for entry in std::fs::read_dir(&self.inputs).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let link = links.join(entry.file_name());
            if entry.file_name() != INDEX {
                std::os::unix::fs::symlink(entry.path(), &link)
                    .map_err(|error| Problem::io("make", &link, &error))?;
            }
        }
        atomic::replace(&links.join(INDEX), index.as_bytes())?;
        Ok(links)
    }

    /// Keeps what the program wrote, and nothing else.
    fn keep(self) -> Result<PathBuf> {
        if self.outputs.starts_with(self.scratch.path()) {
            let scratch = self.scratch.keep();
            let inputs = scratch.join("inputs");
            if inputs.is_dir() {
                std::fs::remove_dir_all(&inputs)
                    .map_err(|error| Problem::io("remove", &inputs, &error))?;
            }
        }
        Ok(self.outputs)
    }

    /// What is there before the program runs is not what it writes.
    fn check_absent(&self, app: &App, outputs: &[Output<'_>]) -> Result<()> {
        if self.outputs.join(kept::FILE).exists() {
            let shown = self.outputs.strip_prefix(&app.current).unwrap_or(&self.outputs).display();
            return Err(Problem::refused("output-exists", format!("`{shown}` holds another run"))
                .hint(format!("commit it with `lakebed runs commit {shown}`, or remove it")));
        }
        for output in outputs {
            let path = self.outputs.join(output.path);
            if path.symlink_metadata().is_ok() || self.expand(output).is_ok() {
                let shown = path.strip_prefix(&app.current).unwrap_or(&path).display();
                let message = format!("the output `{shown}` is there before the program has run");
                return Err(Problem::refused("output-exists", message)
                    .hint("remove it: nobody could tell it from what the program writes"));
            }
        }
        Ok(())
    }

    /// What the program wrote; says what of it is left out.
    fn find<'a>(&self, app: &App, outputs: &[Output<'a>]) -> Result<Vec<Written<'a>>> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for output in outputs {
            let Output { dataset, as_files, .. } = *output;
            match self.expand(output) {
                Ok(expanded) => {
                    if !as_files && expanded.are_marks() {
                        let why = "it holds no file of a table, but marks of a job that is done";
                        missing.push((output, Problem::refused("no-rows", why)));
                        continue;
                    }
                    let table = expanded.clone().without_marks();
                    let is_table = !as_files && are_tables(&table.sources);
                    let expanded = if is_table { table } else { expanded };
                    output.tell_left_out(app, &expanded);
                    if is_table {
                        tell_folder_keys(app, &expanded, &self.outputs);
                    }
                    found.push(Written { dataset, as_files, sources: expanded.sources });
                }
                Err(problem) => missing.push((output, problem)),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let mut problem = Problem::refused(
            "output-missing",
            "the program did not write all outputs: nothing was committed",
        );
        for (output, why) in missing {
            let path = output.path.display();
            let why = match why.exit {
                Exit::NotFound if self.outputs.join(output.path).is_symlink() => {
                    format!("`{path}` is a link to nothing")
                }
                Exit::NotFound => format!("there is no `{path}`"),
                _ => why.message.clone(),
            };
            problem = problem.detail(format!("{}: {why}", output.dataset));
        }
        Err(problem.hint("relative outputs are looked for in the folder $LAKEBED_OUTPUTS"))
    }

    fn expand(&self, output: &Output<'_>) -> Result<Sources> {
        let path = self.outputs.join(output.path);
        let found = sources::expand(&[path], None, &self.outputs)?;
        let is_file = |source: &Source| matches!(source.bytes, sources::Bytes::File(..));
        match found.sources.iter().find(|source| !is_file(source)) {
            None => Ok(found),
            Some(other) => {
                Err(Problem::refused("not-a-file", format!("`{}` is no file", other.name)))
            }
        }
    }
}

/// The outputs, each dataset once.
fn outputs(args: &RunArgs) -> Result<Vec<Output<'_>>> {
    let tables = args.out.iter().map(|out| (out, false));
    let files = args.out_files.iter().map(|out| (out, true));
    let outputs = tables.chain(files).map(|(out, as_files)| Output {
        dataset: &out.dataset,
        path: &out.path,
        as_files,
    });
    let all: Vec<Output<'_>> = outputs.collect();
    for (index, one) in all.iter().enumerate() {
        let is_below = |part| matches!(part, Component::Normal(_) | Component::RootDir);
        if !one.path.components().any(is_below) {
            let message = format!("`{}` is no place below the outputs", one.path.display());
            return Err(Problem::usage(message)
                .hint("name a folder in it for several files: `--out ml.plots=plots/`"));
        }
        if all[..index].iter().any(|other| other.dataset == one.dataset) {
            let message = format!("`{}` is an output twice", one.dataset);
            return Err(Problem::usage(message).hint("name a folder that holds all of it"));
        }
    }
    Ok(all)
}

/// What the program writes is no input, nor an input what it writes.
fn check_apart(app: &App, args: &RunArgs) -> Result<()> {
    let (Some(into), Some(outputs)) = (&args.into, &args.outputs) else { return Ok(()) };
    let inputs = resolved(&app.current.join(into));
    let made = resolved(&app.current.join(outputs));
    if !inputs.starts_with(&made) && !made.starts_with(&inputs) {
        return Ok(());
    }
    let (into, outputs) = (into.display(), outputs.display());
    let message = match inputs == made {
        true => format!("`--into {into}` and `--outputs {outputs}` are the same folder"),
        false => format!("of `--into {into}` and `--outputs {outputs}` one is in the other"),
    };
    Err(Problem::usage(message).hint("name two folders beside each other"))
}

/// Without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match existing {
        Some((above, real)) => {
            real.components().chain(path.strip_prefix(above).unwrap_or(path).components()).collect()
        }
        None => path.to_owned(),
    }
}

fn check_params(params: &[Param]) -> Result<()> {
    for (index, param) in params.iter().enumerate() {
        if params[..index].iter().any(|other| other.variable() == param.variable()) {
            let message = format!("two parameters are `{}`", param.variable());
            return Err(Problem::usage(message));
        }
    }
    Ok(())
}

fn are_tables(sources: &[Source]) -> bool {
    sources.iter().all(|source| is_table_name(&source.name))
}

/// Whether a file is a table by its name.
fn is_table_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let tables = ["csv", "tsv", "json", "jsonl", "ndjson", "parquet", "xlsx"];
    extension.is_some_and(|extension| tables.contains(&extension))
}

fn now() -> Timestamp {
    use lakebed_service::Clock as _;
    lakebed_service::SystemClock.now()
}

/// Nobody is to run the program again because of a full disk behind our stdout.
fn print(app: &App, answer: &RunCommitAnswer) -> Result<()> {
    print_answer(app, answer).map_err(|problem| {
        problem.detail(format!("all outputs were committed, as run {}", answer.run.run))
    })
}

fn print_answer(app: &App, answer: &RunCommitAnswer) -> Result<()> {
    if app.terminal.json {
        return app.terminal.print_json(answer);
    }
    for outcome in &answer.outputs {
        print_outcome(app, outcome)?;
    }
    let bold = style::BOLD;
    app.terminal.print(format!("{bold}run{bold:#} {}\n", answer.run.run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_known_by_their_names() {
        for table in ["a.csv", "a.CSV.gz", "x/part-0.parquet", "a.jsonl.zst", "b.xlsx"] {
            assert!(is_table_name(table), "{table}");
        }
        for file in ["model.pkl", "a.csv.bak", "csv", "plot.png", "model.gz", ""] {
            assert!(!is_table_name(file), "{file}");
        }
    }

    #[test]
    fn hints_are_for_whoever_runs_a_program() {
        let told = |hint: &str| hint_of_run(hint.to_owned(), false);
        let retype = "unless it is declared: `--evolve 'retype COLUMN=TYPE'`; or ingest the file";
        let retype = told(retype);
        assert!(retype.contains("ingest FILE --to DATASET --evolve 'retype COLUMN=TYPE'`"));
        assert!(!told("leave out `--as files`, or name another dataset").contains("--out-files"));
        let given = hint_of_run("leave out `--as files`, or …".to_owned(), true);
        assert!(given.contains("`--out` instead of `--out-files`"));
        assert_eq!(told("keep it with `--as files`"), "keep it with `--out-files`");
        let most = told("check types with `--plan`, or allow more with `--max-quarantined`");
        assert!(most.contains("Parquet") && most.contains("contract"), "{most}");
        assert!(told("as in `--sheet 'Data'`").starts_with("let the program write"));
        for kept in ["correct the data where it is made", "name it with `--catalog`"] {
            assert_eq!(told(kept), kept);
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for bad in ["x", "a.b", "a.b=", "A.b=x", "=x"] {
            assert!(bad.parse::<OutArg>().is_err(), "{bad}");
        }
        assert_eq!("a.b=c=d".parse::<OutArg>().expect("a path").path, Path::new("c=d"));
        for bad in ["x", "=1", "a b=1", "a-b=1", "ä=1"] {
            assert!(bad.parse::<Param>().is_err(), "{bad}");
        }
        let param: Param = "depth=a=b".parse().expect("a parameter");
        assert_eq!(
            (param.variable().as_str(), param.value.as_str()),
            ("LAKEBED_PARAM_DEPTH", "a=b")
        );
    }
}
