//! The signals that end the process in order.

use std::time::Duration;

use crate::problem::Exit;

/// How long a command may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for ctrl-C or SIGTERM, and says which exit code that is.
pub(crate) async fn received() -> Exit {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = tokio::signal::ctrl_c() => Exit::Interrupted,
                _ = terminate.recv() => Exit::Terminated,
            },
            Err(_) => interrupted().await,
        }
    }
    #[cfg(not(unix))]
    interrupted().await
}

/// The same, and SIGHUP: a terminal that is closed ends what it started. Not where somebody (`nohup`)
/// wants it to go on.
pub(crate) async fn received_or_hung_up() -> Exit {
    let hung_up = async {
        if ignores_hangups() {
            std::future::pending::<()>().await;
        }
        hangups().next().await;
    };
    tokio::select! {
        exit = received() => exit,
        () = hung_up => Exit::Terminated,
    }
}

/// Whether this process was started so that SIGHUP does nothing; where nobody tells, it may have been.
fn ignores_hangups() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Of the mask the first bit is signal 1, SIGHUP.
    ignored.is_none_or(|mask| u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 1 == 1))
}

async fn interrupted() -> Exit {
    // Without a handler the system ends the process itself, which is as good.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    Exit::Interrupted
}

/// SIGHUPs as they come: whoever says so wants settings to be read again.
pub(crate) struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

/// From now on SIGHUP does not end the process.
pub(crate) fn hangups() -> Hangups {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        Hangups { signals: signal(SignalKind::hangup()).ok() }
    }
    #[cfg(not(unix))]
    Hangups {}
}

impl Hangups {
    /// The next one; never where there is no such signal.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Waits for one more signal and ends the process there and then.
pub(crate) async fn end_now() {
    let exit = received().await;
    std::process::exit(i32::from(exit as u8));
}

/// Like [`received`]; a command that does not end in time (it may be stuck in a write to a pipe
/// that nobody reads) is ended all the same.
pub(crate) async fn stop() -> Exit {
    let (told, told_of) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let exit = received().await;
        let _ = told.send(exit);
        tokio::time::sleep(GRACE).await;
        std::process::exit(i32::from(exit as u8));
    });
    told_of.await.unwrap_or(Exit::Interrupted)
}
