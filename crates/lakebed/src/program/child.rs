//! Starting a program, passing on what it prints, and stopping it.

use std::{
    ffi::OsString,
    future::Future,
    io::IsTerminal as _,
    path::Path,
    pin::Pin,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::log::Log;
use crate::problem::{Exit, Problem, Result};

/// The variable that tells a program the id of its run.
pub(crate) const RUN: &str = "LAKEBED_RUN";
/// How the variables begin that tell it its parameters.
pub(crate) const PARAMETER: &str = "LAKEBED_PARAM_";

/// How long a program may go on once it was interrupted, as the terminal does, before it is told to end.
const AFTER_INTERRUPT: Duration = Duration::from_secs(2);
/// How long it may go on once it was told to end, before it is killed.
const AFTER_TERM: Duration = Duration::from_secs(5);
/// How long what it started may go on printing once it has ended, and go on at all once it was stopped.
const AFTER_END: Duration = Duration::from_secs(2);

/// What to start, and where what it prints goes.
pub(crate) struct Start<'a> {
    pub(crate) command: &'a [String],
    pub(crate) variables: Vec<(String, OsString)>,
    pub(crate) folder: &'a Path,
    /// Our stdout is an answer of ours: what it prints goes to stderr.
    pub(crate) all_to_stderr: bool,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ending<T> {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, of somebody else's.
    Killed(i32),
    /// Because we were told to stop it.
    Stopped(T),
}

/// Runs a program to its end, or until `stop`; gives what it printed, too.
pub(crate) async fn run<T: Into<Option<Exit>> + Clone>(
    start: Start<'_>,
    stop: Pin<&mut impl Future<Output = T>>,
) -> Result<(Ending<T>, Vec<u8>)> {
    let (program, arguments) = start.command.split_first().expect("clap asks for one word");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(start.folder);
    // What a run around this one told its program is not this program's.
    for (name, _) in std::env::vars_os() {
        let is_told = |name: &str| name == RUN || name.starts_with(PARAMETER);
        if name.to_str().is_some_and(is_told) {
            command.env_remove(name);
        }
    }
    command.envs(start.variables);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // Where a terminal is read, what it tells us it tells the program and all that it started; elsewhere
    // we do. A group of its own could not read the terminal.
    let has_group = !std::io::stdin().is_terminal();
    if has_group {
        command.process_group(0);
    }
    let mut child =
        command.spawn().map_err(|error| Problem::io("start", Path::new(program), &error))?;
    let told = Told::of(&child, has_group);
    let log = Arc::new(Mutex::new(Log::default()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut tees = tokio::task::JoinSet::new();
    if let Some(stdout) = stdout {
        let log = Arc::clone(&log);
        match start.all_to_stderr {
            true => tees.spawn(tee(stdout, tokio::io::stderr(), log)),
            false => tees.spawn(tee(stdout, tokio::io::stdout(), log)),
        };
    }
    if let Some(stderr) = stderr {
        tees.spawn(tee(stderr, tokio::io::stderr(), Arc::clone(&log)));
    }
    let ending = tokio::select! {
        biased;
        why = stop => {
            end(&mut child, told, why.clone().into()).await;
            Ending::Stopped(why)
        }
        ended = child.wait() => {
            let status = ended.map_err(|error| Problem::io("wait for", Path::new(program), &error))?;
            ending_of(status)
        }
    };
    // What it left behind may hold its pipes open for ever.
    let _ =
        tokio::time::timeout(AFTER_END, async { while tees.join_next().await.is_some() {} }).await;
    tees.shutdown().await;
    if let (Ending::Stopped(_), Told::Group(_)) = (&ending, told) {
        told.tell(Signal::KILL);
    }
    let log = std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((ending, log.into_bytes()))
}

fn ending_of<T>(status: ExitStatus) -> Ending<T> {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Killed(signal.unwrap_or(0)),
    }
}

/// Passes on what is printed, and keeps it. A reader of ours that went away changes nothing for the
/// program.
async fn tee(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    log: Arc<Mutex<Log>>,
) {
    let mut buffer = vec![0; 1 << 16];
    let (mut is_read, mut ends_a_line) = (true, true);
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        log.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..length]);
        ends_a_line = buffer[length - 1] == b'\n';
        if is_read {
            let written = async {
                to.write_all(&buffer[..length]).await?;
                to.flush().await
            };
            is_read = written.await.is_ok();
        }
    }
    if is_read && !ends_a_line {
        // What we say next begins a line.
        let _ = to.write_all(b"\n").await;
        let _ = to.flush().await;
    }
}

/// Who hears of signals of ours.
#[derive(Debug, Clone, Copy)]
enum Told {
    Nobody,
    Program(Pid),
    /// The program, and what it started.
    Group(Pid),
}

impl Told {
    fn of(child: &Child, has_group: bool) -> Self {
        match child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            None => Self::Nobody,
            Some(pid) if has_group => Self::Group(pid),
            Some(pid) => Self::Program(pid),
        }
    }

    /// Nobody is told who is gone.
    fn tell(self, signal: Signal) {
        let _ = match self {
            Self::Nobody => Ok(()),
            Self::Program(pid) => rustix::process::kill_process(pid, signal),
            Self::Group(pid) => rustix::process::kill_process_group(pid, signal),
        };
    }
}

/// Ends a program: one that was interrupted, by the terminal or by us, may do so by itself.
async fn end(child: &mut Child, told: Told, why: Option<Exit>) {
    if why == Some(Exit::Interrupted) {
        if let Told::Group(_) = told {
            told.tell(Signal::INT);
        }
        if tokio::time::timeout(AFTER_INTERRUPT, child.wait()).await.is_ok() {
            return;
        }
    }
    told.tell(Signal::TERM);
    if tokio::time::timeout(AFTER_TERM, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
