//! Telling somebody how use cases end: plain counts, for whoever measures a server.
//!
//! Nobody listens unless told to. What is told names no dataset, no person and no value.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use crate::{Error, IngestOutcome, IngestStatus, Lake, Result};

/// Hears how the lake does. Called from any thread, and waited for: only counts.
pub trait Observer: lakebed_store::Observer {
    /// An ingest ended, one way or another.
    fn ingest(&self, ended: &IngestEnded);

    /// A journal segment is in the store, and its events are visible.
    fn segment(&self, origin: SegmentOrigin, elapsed: Duration);
}

/// How an ingest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestEnded {
    /// One of a handful of ways.
    pub ending: IngestEnding,
    /// The bytes of its sources, when it made a version.
    pub source_bytes: u64,
    /// Bytes that were not in the lake before.
    pub new_bytes: u64,
    /// Rows of its sources that were accepted.
    pub accepted_rows: u64,
    /// Rows of its sources that were set aside.
    pub quarantined_rows: u64,
    /// From the request to the visible version.
    pub elapsed: Duration,
}

/// The ways an ingest ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IngestEnding {
    /// With a new version.
    Committed,
    /// The newest version was exactly that already.
    Unchanged,
    /// The sources or the request were not taken.
    Refused,
    /// Something was in the way that the caller cannot mend.
    Failed,
    /// The caller went away.
    Cancelled,
}

impl IngestEnding {
    /// Its name, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Committed => "committed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who wrote a journal segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SegmentOrigin {
    /// This process, now.
    Written,
    /// It was there already, and holds our events.
    Adopted,
}

impl SegmentOrigin {
    /// Its name, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Adopted => "adopted",
        }
    }
}

impl Lake {
    /// Lets `observer` hear how this lake and its store do, whichever clone is used. The first one
    /// stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.inner.store.observe(Arc::clone(&observer) as Arc<dyn lakebed_store::Observer>);
        self.inner.listener.listen(observer);
    }
}

/// Whoever listens, once somebody does. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listener(Arc<OnceLock<Arc<dyn Observer>>>);

impl Listener {
    fn listen(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.set(observer);
    }

    pub(crate) fn segment(&self, origin: SegmentOrigin, elapsed: Duration) {
        if let Some(observer) = self.0.get() {
            observer.segment(origin, elapsed);
        }
    }

    /// An ingest begins; dropping what comes back without telling how it ended is its cancelling.
    pub(crate) fn ingest_begins(&self) -> IngestWatch {
        IngestWatch { observer: self.0.get().cloned(), started: Instant::now() }
    }
}

/// An ingest under way.
pub(crate) struct IngestWatch {
    observer: Option<Arc<dyn Observer>>,
    started: Instant,
}

impl IngestWatch {
    /// Tells how it ended.
    pub(crate) fn end(mut self, outcome: &Result<IngestOutcome>) {
        let Some(observer) = self.observer.take() else { return };
        let mut ended = self.ended(ending(outcome));
        if let Ok(outcome) = outcome {
            ended.new_bytes = outcome.new_bytes;
            for source in &outcome.sources {
                ended.source_bytes += source.object.size_bytes;
                ended.accepted_rows += source.accepted.rows;
                ended.quarantined_rows += source.quarantined.rows;
            }
        }
        observer.ingest(&ended);
    }

    fn ended(&self, ending: IngestEnding) -> IngestEnded {
        IngestEnded {
            ending,
            source_bytes: 0,
            new_bytes: 0,
            accepted_rows: 0,
            quarantined_rows: 0,
            elapsed: self.started.elapsed(),
        }
    }
}

impl Drop for IngestWatch {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            observer.ingest(&self.ended(IngestEnding::Cancelled));
        }
    }
}

const fn ending(outcome: &Result<IngestOutcome>) -> IngestEnding {
    match outcome {
        Ok(outcome) => match outcome.status {
            IngestStatus::Committed => IngestEnding::Committed,
            IngestStatus::Unchanged => IngestEnding::Unchanged,
        },
        Err(
            Error::NotFound { .. }
            | Error::Invalid { .. }
            | Error::NotComputed { .. }
            | Error::Refused { .. },
        ) => IngestEnding::Refused,
        Err(Error::Cancelled) => IngestEnding::Cancelled,
        Err(_) => IngestEnding::Failed,
    }
}
