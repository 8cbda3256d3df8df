//! Starting a program, passing on what it prints, and stopping it.

use std::{
    ffi::OsString,
    future::Future,
    path::Path,
    pin::Pin,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
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
/// How long more output is waited for once it has ended, and how much of it is taken: what it left behind may
/// print for ever. All that it printed itself is there by then; a pipe holds no more.
const AFTER_END: Duration = Duration::from_secs(2);
const MOST_AFTER_END: usize = 1 << 20;

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
    mut stop: Pin<&mut impl Future<Output = T>>,
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
    // What a terminal tells us it tells the program, too, and all that it started; without one we do. A
    // group of its own could not ask at the terminal.
    let has_group = std::fs::File::open("/dev/tty").is_err();
    if has_group {
        command.process_group(0);
    }
    let mut child =
        command.spawn().map_err(|error| Problem::io("start", Path::new(program), &error))?;
    let told = Told::of(&child, has_group);
    let log = Arc::new(Mutex::new(Log::default()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut tees = tokio::task::JoinSet::new();
    let (has_ended, ended) = tokio::sync::watch::channel(false);
    if let Some(stdout) = stdout {
        let (log, ended) = (Arc::clone(&log), ended.clone());
        match start.all_to_stderr {
            true => tees.spawn(tee(stdout, tokio::io::stderr(), log, ended)),
            false => tees.spawn(tee(stdout, tokio::io::stdout(), log, ended)),
        };
    }
    if let Some(stderr) = stderr {
        tees.spawn(tee(stderr, tokio::io::stderr(), Arc::clone(&log), ended));
    }
    let mut ending = tokio::select! {
        biased;
        why = stop.as_mut() => {
            end(&mut child, told, why.clone().into()).await;
            Ending::Stopped(why)
        }
        ended = child.wait() => {
            let status = ended.map_err(|error| Problem::io("wait for", Path::new(program), &error))?;
            ending_of(status)
        }
    };
    let _ = has_ended.send(true);
    let passed_on = async { while tees.join_next().await.is_some() {} };
    match ending {
        // Whoever reads it takes their time, unless they do not want to wait any more.
        Ending::Code(_) | Ending::Killed(_) => tokio::select! {
            biased;
            () = passed_on => {}
            why = stop => ending = Ending::Stopped(why),
        },
        Ending::Stopped(_) => {
            let _ = tokio::time::timeout(AFTER_END, passed_on).await;
        }
    }
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
    mut ended: tokio::sync::watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 1 << 16];
    let (mut is_read, mut ends_a_line) = (true, true);
    let (mut time_left, mut bytes_left) = (AFTER_END, MOST_AFTER_END);
    loop {
        let has_ended = *ended.borrow_and_update();
        let read = match has_ended {
            false => tokio::select! {
                read = from.read(&mut buffer) => read,
                Ok(()) = ended.changed() => continue,
            },
            true => {
                let began = Instant::now();
                match tokio::time::timeout(time_left, from.read(&mut buffer)).await {
                    Ok(read) => {
                        time_left = time_left.saturating_sub(began.elapsed());
                        read
                    }
                    Err(_elapsed) => break,
                }
            }
        };
        let Ok(length @ 1..) = read else { break };
        log.lock().unwrap_or_else(PoisonError::into_inner).add(&buffer[..length]);
        ends_a_line = buffer[length - 1] == b'\n';
        if is_read {
            let written = async {
                to.write_all(&buffer[..length]).await?;
                to.flush().await
            };
            is_read = written.await.is_ok();
        }
        if has_ended {
            bytes_left = bytes_left.saturating_sub(length);
            if bytes_left == 0 {
                break;
            }
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

    /// Whoever is gone hears nothing; whoever was made to wait goes on, to hear it.
    fn tell(self, signal: Signal) {
        for signal in [signal, Signal::CONT] {
            let _ = match self {
                Self::Nobody => Ok(()),
                Self::Program(pid) => rustix::process::kill_process(pid, signal),
                Self::Group(pid) => rustix::process::kill_process_group(pid, signal),
            };
        }
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
