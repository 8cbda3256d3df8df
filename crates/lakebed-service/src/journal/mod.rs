//! The journal: what was committed becomes durable in the object store, and only then visible.
//!
//! State and events commit in one database transaction; then the next numbered segment is created
//! (create-only arbitrates between processes); only then does the journaled mark move, and nothing
//! above the mark is shown to anyone.
//!
//! Several servers take turns under a lease, so that one segment holds what all of them committed.
//! The lease saves work and nothing else: a server that slept through it finds its segment's number
//! taken, or its mark passed, and adopts what is there (D-38).

mod chain;
mod segment;

use std::{
    marker::PhantomData,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use lakebed_catalog::{Catalog, JournalMark, JournalState, Lease};
use lakebed_core::{LakeId, ObjectId};
use lakebed_store::{Created, Store};

pub use chain::Link;
pub(crate) use chain::{Chain, Events, Reads};
pub use segment::{ChainSegment, Segment, SegmentBytes};

use crate::{Error, Probe, Result, SegmentOrigin, observe::Listener};

/// How long its holder is left alone; who is slower is not waited for any longer.
const TURN: Duration = Duration::from_secs(2);
/// How long to wait for a server that publishes: it may have died, or be about to publish what we
/// wait for. Going ahead is safe at any time (D-38).
const PATIENCE: Duration = Duration::from_secs(1);
/// How often to look meanwhile.
const LOOK: Duration = Duration::from_millis(3);

/// Moves what is committed into the object store: events, or records of reads.
#[derive(Debug)]
pub(crate) struct Journal<C = Events> {
    lake: LakeId,
    store: Store,
    catalog: Catalog,
    probe: Arc<dyn Probe>,
    listener: Listener,
    /// Who we are among the servers of this lake.
    holder: String,
    /// One writer per process: whoever waits finds its events already there (group commit). It
    /// holds the lease that servers pass around for the same reason.
    writer: tokio::sync::Mutex<Option<Lease>>,
    chain: PhantomData<C>,
}

impl<C: Chain> Journal<C> {
    pub(crate) fn new(
        lake: LakeId,
        store: Store,
        catalog: Catalog,
        probe: Arc<dyn Probe>,
        listener: Listener,
        holder: String,
    ) -> Self {
        let writer = tokio::sync::Mutex::default();
        Self { lake, store, catalog, probe, listener, holder, writer, chain: PhantomData }
    }

    /// Returns once every event up to `seq` is in the object store and visible, whoever put it
    /// there.
    ///
    /// # Errors
    /// [`Error::Stopped`] when the journal holds what this database does not.
    pub(crate) async fn publish_through(&self, seq: u64) -> Result<()> {
        let mut lease = self.writer.lock().await;
        let published = self.publish_until(seq, &mut lease).await;
        self.end_turn(&mut lease).await;
        published
    }

    async fn publish_until(&self, seq: u64, lease: &mut Option<Lease>) -> Result<()> {
        let mut waiting: Option<Instant> = None;
        loop {
            let state = C::state(&self.catalog).await?;
            if state.journaled_seq >= seq {
                return Ok(());
            }
            let is_ours = self.take_turn(lease).await?;
            match (is_ours, waiting) {
                // Whoever had it published something meanwhile, perhaps ours.
                (true, Some(_)) => waiting = None,
                (true, None) => self.publish_next(&state).await?,
                (false, Some(since)) if since.elapsed() > PATIENCE => {
                    self.publish_next(&state).await?;
                }
                (false, _) => {
                    waiting.get_or_insert_with(Instant::now);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Whether it is for us to publish. A database that only this machine can reach has no other
    /// servers to agree with; its processes are few, and create-only arbitrates between them.
    async fn take_turn(&self, lease: &mut Option<Lease>) -> Result<bool> {
        if !self.catalog.is_shared() {
            return Ok(true);
        }
        *lease = self.catalog.take_lease(C::LEASE, &self.holder, TURN).await?;
        self.probe.at("after the journal's lease was asked for")?;
        Ok(lease.is_some())
    }

    /// Lets the next server have its turn. If that fails, the lease ends by itself.
    async fn end_turn(&self, lease: &mut Option<Lease>) {
        if let Some(lease) = lease.take()
            && let Err(error) = self.catalog.release_lease(&lease).await
        {
            tracing::debug!(%error, "the journal's lease was not released; it ends by itself");
        }
    }

    /// Waits for whoever publishes in this process, and ends its turn.
    pub(crate) async fn close(&self) {
        let mut lease = self.writer.lock().await;
        self.end_turn(&mut lease).await;
    }

    /// Publishes what a server committed and did not live to publish: what was unpublished at `seen`
    /// and still is. Returns what is unpublished now.
    pub(crate) async fn publish_leftovers(&self, seen: Option<u64>) -> Result<Option<u64>> {
        let state = C::state(&self.catalog).await?;
        let unpublished = (state.last_seq > state.journaled_seq).then_some(state.last_seq);
        match seen.filter(|seen| *seen > state.journaled_seq) {
            None => Ok(unpublished),
            Some(seen) => {
                self.publish_through(seen).await?;
                Ok(None)
            }
        }
    }

    /// Writes, or adopts, the one segment after `state`, and moves the mark. Losing the race for
    /// the mark is no error: the caller reads the state again.
    async fn publish_next(&self, state: &JournalState) -> Result<()> {
        let events = C::between(&self.catalog, state.journaled_seq, C::end_of_next(state)).await?;
        let number = state.segment + 1;
        let Some(segment) = ChainSegment::new(self.lake, number, state.segment_digest, events)
        else {
            return Ok(());
        };
        let bytes = Bytes::from(segment.to_bytes());
        self.probe.at("before a segment is created")?;
        let mine =
            JournalMark { segment: number, seq: segment.last_seq, digest: ObjectId::of(&bytes) };
        let started = Instant::now();
        let (mark, origin) =
            match self.store.create(&ChainSegment::<C::Link>::key(number), bytes.clone()).await? {
                Created::New => (mine, SegmentOrigin::Written),
                Created::Existed => {
                    (self.adopt(state, number, bytes, mine).await?, SegmentOrigin::Adopted)
                }
            };
        self.probe.at("before the journaled mark moves")?;
        let last_seq = mark.seq;
        C::mark(&self.catalog, state.segment, mark).await?;
        self.listener.segment(origin, started.elapsed());
        tracing::debug!(
            segment = number,
            last_seq,
            "{} segment {}",
            C::Link::FOLDER,
            origin.name()
        );
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
        let found = self.read(number).await?.ok_or_else(|| missing::<C>(number))?;
        let segment = match ChainSegment::<C::Link>::read(&found) {
            SegmentBytes::Whole(segment) => segment,
            SegmentBytes::Torn => {
                tracing::warn!(segment = number, "healing a journal segment that was cut off");
                self.store
                    .replace_torn(&ChainSegment::<C::Link>::key(number), &found, bytes)
                    .await?;
                return Ok(mine);
            }
            SegmentBytes::Damaged { why } => return Err(damaged::<C>(number, &why)),
        };
        if segment.lake != self.lake {
            return Err(foreign::<C>(number, segment.lake));
        }
        let ours = C::between(&self.catalog, state.journaled_seq, segment.last_seq).await?;
        let follows = segment.segment == number && segment.previous == state.segment_digest;
        if !follows || segment.events != ours {
            return Err(forked::<C>(number));
        }
        Ok(JournalMark { segment: number, seq: segment.last_seq, digest: ObjectId::of(&found) })
    }

    /// Makes sure, when a lake is opened, that journal and database belong together and that
    /// nothing committed is left unpublished.
    pub(crate) async fn check(&self) -> Result<()> {
        let state = C::state(&self.catalog).await?;
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
        let now = C::state(&self.catalog).await?;
        match now.last_seq > state.last_seq {
            true => self.publish_through(now.last_seq).await,
            false => Err(ahead::<C>(state.segment)),
        }
    }

    async fn check_last(&self, state: &JournalState) -> Result<()> {
        let number = state.segment;
        if number == 0 {
            return Ok(());
        }
        let found = self.read(number).await?.ok_or_else(|| missing::<C>(number))?;
        if Some(ObjectId::of(&found)) == state.segment_digest {
            return Ok(());
        }
        match ChainSegment::<C::Link>::read(&found) {
            SegmentBytes::Torn => self.heal_last(state, &found).await,
            SegmentBytes::Damaged { why } => Err(damaged::<C>(number, &why)),
            SegmentBytes::Whole(segment) if segment.lake != self.lake => {
                Err(foreign::<C>(number, segment.lake))
            }
            SegmentBytes::Whole(_) => Err(forked::<C>(number)),
        }
    }

    /// Writes the last segment again from the database, which remembers its digest.
    async fn heal_last(&self, state: &JournalState, torn: &Bytes) -> Result<()> {
        let number = state.segment;
        let (previous, after) = match number {
            1 => (None, 0),
            _ => {
                let bytes = self.read(number - 1).await?.ok_or_else(|| missing::<C>(number - 1))?;
                let SegmentBytes::Whole(before) = ChainSegment::<C::Link>::read(&bytes) else {
                    return Err(damaged::<C>(number - 1, "it is not whole"));
                };
                (Some(ObjectId::of(&bytes)), before.last_seq)
            }
        };
        let events = C::between(&self.catalog, after, state.journaled_seq).await?;
        let segment = ChainSegment::new(self.lake, number, previous, events)
            .ok_or_else(|| forked::<C>(number))?;
        let bytes = segment.to_bytes();
        if Some(ObjectId::of(&bytes)) != state.segment_digest {
            return Err(forked::<C>(number));
        }
        tracing::warn!(segment = number, "healing a journal segment that was cut off");
        self.store
            .replace_torn(&ChainSegment::<C::Link>::key(number), torn, Bytes::from(bytes))
            .await?;
        Ok(())
    }

    async fn read(&self, number: u64) -> Result<Option<Bytes>> {
        Ok(self.store.read(&ChainSegment::<C::Link>::key(number)).await?)
    }
}

fn stopped(message: String, hint: String) -> Error {
    Error::Stopped { message, hint }
}

pub(crate) fn missing<C: Chain>(number: u64) -> Error {
    let folder = C::Link::FOLDER;
    stopped(
        format!("{folder} segment {number} is missing"),
        format!("restore `{folder}/` from a backup; nothing is written until it is whole"),
    )
}

pub(crate) fn damaged<C: Chain>(number: u64, why: &str) -> Error {
    stopped(
        format!("{} segment {number} is damaged: {why}", C::Link::FOLDER),
        "restore that file from a backup; nothing is written until it is whole".to_owned(),
    )
}

pub(crate) fn foreign<C: Chain>(number: u64, lake: LakeId) -> Error {
    let folder = C::Link::FOLDER;
    stopped(
        format!("{folder} segment {number} belongs to another lake ({lake})"),
        format!("the folder holds parts of two lakes: restore `{folder}/` from a backup"),
    )
}

pub(crate) fn forked<C: Chain>(number: u64) -> Error {
    stopped(
        format!("{} segment {number} holds events that this database does not", C::Link::FOLDER),
        "a second or a stale database is at work: stop it, then run `lakebed rebuild --replace`"
            .to_owned(),
    )
}

fn ahead<C: Chain>(number: u64) -> Error {
    stopped(
        format!("the {} goes on after segment {number}, where this database ends", C::Link::FOLDER),
        match number {
            0 => "the database is missing or empty: run `lakebed rebuild`".to_owned(),
            _ => "the database is older than the lake: run `lakebed rebuild --replace`".to_owned(),
        },
    )
}
