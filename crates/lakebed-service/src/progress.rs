//! How far long work is.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How far a piece of work is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done: `queued`, `hashing`, `reading`, `writing`, `committing`, `verifying`,
    /// `answering`.
    pub phase: String,
    /// Bytes done in this phase.
    pub bytes_done: u64,
    /// Bytes in all, where that is known.
    pub bytes_total: Option<u64>,
    /// Rows done.
    pub rows_done: u64,
    /// While it is queued: how many are admitted before it.
    pub queued_before: Option<u64>,
}

/// Hears of progress. Called from any thread, at most about ten times a second per piece of work.
pub trait ProgressSink: Send + Sync {
    /// Takes note.
    fn report(&self, progress: Progress);

    /// Whether the work should stop, and leave nothing visible. Asked between steps.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn report(&self, _progress: Progress) {}
}

/// Adds up what workers did and reports it now and then; carries the wish to stop.
pub(crate) struct Meter {
    sink: Arc<dyn ProgressSink>,
    state: Mutex<State>,
    bytes: AtomicU64,
    rows: AtomicU64,
    cancelled: Arc<AtomicBool>,
}

struct State {
    phase: &'static str,
    total: Option<u64>,
    reported_at: Option<Instant>,
}

/// Between two reports; and between two looks whether to stop, while there is nothing else to do.
const PAUSE: Duration = Duration::from_millis(100);

impl Meter {
    pub(crate) fn new(sink: Arc<dyn ProgressSink>) -> Self {
        Self {
            sink,
            state: Mutex::new(State { phase: "starting", total: None, reported_at: None }),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            cancelled: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Begins a phase of `total` bytes.
    pub(crate) fn begin(&self, phase: &'static str, total: Option<u64>) {
        {
            let mut state = self.lock();
            state.phase = phase;
            state.total = total;
            state.reported_at = None;
        }
        self.bytes.store(0, Ordering::Relaxed);
        self.rows.store(0, Ordering::Relaxed);
        self.tick();
    }

    pub(crate) fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
        self.tick();
    }

    pub(crate) fn add_rows(&self, count: u64) {
        self.rows.fetch_add(count, Ordering::Relaxed);
        self.tick();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || self.sink.is_cancelled()
    }

    /// # Errors
    /// [`Error::Cancelled`] when the work should stop.
    pub(crate) fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// What `work` comes to, or [`Error::Cancelled`] as soon as it should stop; then it is dropped.
    pub(crate) async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        loop {
            self.check_cancelled()?;
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// The work waits for its turn.
    ///
    /// # Errors
    /// As [`Self::check_cancelled`].
    pub(crate) fn queued(&self, before: u64) -> Result<()> {
        let queued_before = Some(before);
        self.sink.report(Progress {
            phase: "queued".to_owned(),
            queued_before,
            ..Progress::default()
        });
        self.check_cancelled()
    }

    /// Raises the wish to stop when dropped: a caller that went away stops its workers.
    pub(crate) fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(Arc::clone(&self.cancelled))
    }

    fn tick(&self) {
        let progress = {
            let mut state = self.lock();
            let due = state.reported_at.is_none_or(|at| at.elapsed() >= PAUSE);
            if !due {
                return;
            }
            state.reported_at = Some(Instant::now());
            Progress {
                phase: state.phase.to_owned(),
                bytes_done: self.bytes.load(Ordering::Relaxed),
                bytes_total: state.total,
                rows_done: self.rows.load(Ordering::Relaxed),
                queued_before: None,
            }
        };
        self.sink.report(progress);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(crate) struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl lakebed_ingest::Progress for Meter {
    fn phase(&self, phase: lakebed_ingest::Phase) {
        let total = self.lock().total;
        let phase = match phase {
            lakebed_ingest::Phase::Inferring => "inferring",
            lakebed_ingest::Phase::Rewriting => "rewriting",
            lakebed_ingest::Phase::Decoding => "reading",
        };
        self.begin(phase, total);
    }

    fn bytes(&self, count: u64) {
        self.add_bytes(count);
    }

    fn rows(&self, count: u64) {
        self.add_rows(count);
    }

    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }
}
