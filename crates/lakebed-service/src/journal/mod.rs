//! The journal: what was committed becomes durable in the object store, and only then visible.
//!
//! State and events commit in one database transaction; then the next numbered segment is created
//! (create-only arbitrates between processes); only then does the journaled mark move, and nothing
//! above the mark is shown to anyone.

mod segment;

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use lakebed_catalog::{Catalog, JournalMark, JournalState};
use lakebed_core::{LakeId, ObjectId};
use lakebed_store::{Created, Store};

pub use segment::{Segment, SegmentBytes};

use crate::{Error, Probe, Result, SegmentOrigin, observe::Listener};

/// Moves committed events into the object store.
#[derive(Debug)]
pub(crate) struct Journal {
    lake: LakeId,
    store: Store,
    catalog: Catalog,
    probe: Arc<dyn Probe>,
    listener: Listener,
    /// One writer per process: whoever waits finds its events already there (group commit).
    writer: tokio::sync::Mutex<()>,
}

impl Journal {
    pub(crate) fn new(
        lake: LakeId,
        store: Store,
        catalog: Catalog,
        probe: Arc<dyn Probe>,
        listener: Listener,
    ) -> Self {
        Self { lake, store, catalog, probe, listener, writer: tokio::sync::Mutex::new(()) }
    }

    /// Returns once every event up to `seq` is in the object store and visible.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the journal holds what this database does not.
    pub(crate) async fn publish_through(&self, seq: u64) -> Result<()> {
        let _writer = self.writer.lock().await;
        loop {
            let state = self.catalog.journal_state().await?;
            if state.journaled_seq >= seq {
                return Ok(());
            }
            self.publish_next(&state).await?;
        }
    }

    /// Writes, or adopts, the one segment after `state`, and moves the mark. Losing the race for
    /// the mark is no error: the caller reads the state again.
    async fn publish_next(&self, state: &JournalState) -> Result<()> {
        let events = self.catalog.events_between(state.journaled_seq, state.last_seq).await?;
        let number = state.segment + 1;
        let Some(segment) = Segment::new(self.lake, number, state.segment_digest, events) else {
            return Ok(());
        };
        let bytes = Bytes::from(segment.to_bytes());
        let mine =
            JournalMark { segment: number, seq: segment.last_seq, digest: ObjectId::of(&bytes) };
        let started = Instant::now();
        let (mark, origin) = match self.store.create(&Segment::key(number), bytes.clone()).await? {
            Created::New => (mine, SegmentOrigin::Written),
            Created::Existed => {
                (self.adopt(state, number, bytes, mine).await?, SegmentOrigin::Adopted)
            }
        };
        self.probe.at("before the journaled mark moves")?;
        let last_seq = mark.seq;
        self.catalog.mark_journaled(state.segment, mark).await?;
        self.listener.segment(origin, started.elapsed());
        tracing::debug!(segment = number, last_seq, "journal segment {}", origin.name());
        self.probe.at("after the journaled mark moved")
    }

    /// A segment of that number is there already: it must be ours.
    async fn adopt(
        &self,
        state: &JournalState,
        number: u64,
        bytes: Bytes,
        mine: JournalMark,
    ) -> Result<JournalMark> {
        let found = self.read(number).await?.ok_or_else(|| missing(number))?;
        let segment = match Segment::read(&found) {
            SegmentBytes::Whole(segment) => segment,
            SegmentBytes::Torn => {
                tracing::warn!(segment = number, "healing a journal segment that was cut off");
                self.store.replace_torn(&Segment::key(number), bytes).await?;
                return Ok(mine);
            }
            SegmentBytes::Damaged { why } => return Err(damaged(number, &why)),
        };
        if segment.lake != self.lake {
            return Err(foreign(number, segment.lake));
        }
        let ours = self.catalog.events_between(state.journaled_seq, segment.last_seq).await?;
        let follows = segment.segment == number && segment.previous == state.segment_digest;
        if !follows || segment.events != ours {
            return Err(forked(number));
        }
        Ok(JournalMark { segment: number, seq: segment.last_seq, digest: ObjectId::of(&found) })
    }

    /// Makes sure, when a lake is opened, that journal and database belong together and that
    /// nothing committed is left unpublished.
    pub(crate) async fn check(&self) -> Result<()> {
        let state = self.catalog.journal_state().await?;
        self.check_last(&state).await?;
        if state.last_seq > state.journaled_seq {
            return self.publish_through(state.last_seq).await;
        }
        match self.read(state.segment + 1).await? {
            None => Ok(()),
            Some(_) => self.check_ahead(&state).await,
        }
    }

    /// A segment after the mark although nothing is left to publish: another process may have
    /// committed and published it since `state` was read; otherwise this database is stale.
    async fn check_ahead(&self, state: &JournalState) -> Result<()> {
        let now = self.catalog.journal_state().await?;
        match now.last_seq > state.last_seq {
            true => self.publish_through(now.last_seq).await,
            false => Err(ahead(state.segment)),
        }
    }

    async fn check_last(&self, state: &JournalState) -> Result<()> {
        let number = state.segment;
        if number == 0 {
            return Ok(());
        }
        let found = self.read(number).await?.ok_or_else(|| missing(number))?;
        if Some(ObjectId::of(&found)) == state.segment_digest {
            return Ok(());
        }
        match Segment::read(&found) {
            SegmentBytes::Torn => self.heal_last(state).await,
            SegmentBytes::Damaged { why } => Err(damaged(number, &why)),
            SegmentBytes::Whole(segment) if segment.lake != self.lake => {
                Err(foreign(number, segment.lake))
            }
            SegmentBytes::Whole(_) => Err(forked(number)),
        }
    }

    /// Writes the last segment again from the database, which remembers its digest.
    async fn heal_last(&self, state: &JournalState) -> Result<()> {
        let number = state.segment;
        let (previous, after) = match number {
            1 => (None, 0),
            _ => {
                let bytes = self.read(number - 1).await?.ok_or_else(|| missing(number - 1))?;
                let SegmentBytes::Whole(before) = Segment::read(&bytes) else {
                    return Err(damaged(number - 1, "it is not whole"));
                };
                (Some(ObjectId::of(&bytes)), before.last_seq)
            }
        };
        let events = self.catalog.events_between(after, state.journaled_seq).await?;
        let segment =
            Segment::new(self.lake, number, previous, events).ok_or_else(|| forked(number))?;
        let bytes = segment.to_bytes();
        if Some(ObjectId::of(&bytes)) != state.segment_digest {
            return Err(forked(number));
        }
        tracing::warn!(segment = number, "healing a journal segment that was cut off");
        self.store.replace_torn(&Segment::key(number), Bytes::from(bytes)).await?;
        Ok(())
    }

    async fn read(&self, number: u64) -> Result<Option<Bytes>> {
        Ok(self.store.read(&Segment::key(number)).await?)
    }
}

fn stopped(message: String, hint: &str) -> Error {
    Error::Stopped { message, hint: hint.to_owned() }
}

pub(crate) fn missing(number: u64) -> Error {
    stopped(
        format!("journal segment {number} is missing"),
        "restore `journal/` from a backup; nothing is written until it is whole",
    )
}

pub(crate) fn damaged(number: u64, why: &str) -> Error {
    stopped(
        format!("journal segment {number} is damaged: {why}"),
        "restore that file from a backup; nothing is written until it is whole",
    )
}

pub(crate) fn foreign(number: u64, lake: LakeId) -> Error {
    stopped(
        format!("journal segment {number} belongs to another lake ({lake})"),
        "the folder holds parts of two lakes: restore `journal/` from a backup",
    )
}

pub(crate) fn forked(number: u64) -> Error {
    stopped(
        format!("journal segment {number} holds events that this database does not"),
        "a second or a stale database is at work: stop it, then run `lakebed rebuild`",
    )
}

fn ahead(number: u64) -> Error {
    stopped(
        format!("the journal goes on after segment {number}, where this database ends"),
        "the database is missing or older than the lake: run `lakebed rebuild`",
    )
}
