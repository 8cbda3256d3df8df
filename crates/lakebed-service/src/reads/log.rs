//! The log of reads: records in groups into the database, then in segments into the store.
//!
//! An intent is durable before its read hands out anything. Whoever writes takes along what all the
//! others have waiting (group commit), outcomes too: those are waited for by nobody. What is in the
//! database alone is in a segment within seconds, and whenever a lake is closed.

use std::sync::{Arc, Mutex, PoisonError};

use lakebed_catalog::{Catalog, JournalMark, NewReadRecord};
use lakebed_core::ObjectId;
use lakebed_store::Store;
use tokio::sync::OnceCell;

use super::{ReadBody, StoredRead};
use crate::{
    Clock, Error, Result,
    journal::{Chain as _, ChainSegment, Journal, Reads, SegmentBytes, damaged, foreign, forked},
};

/// Records of reads of one lake.
#[derive(Debug)]
pub(crate) struct ReadLog {
    store: Store,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    journal: Journal<Reads>,
    /// Whether database and segments were compared.
    checked: OnceCell<()>,
    waiting: Mutex<Waiting>,
    /// Who writes now.
    writer: tokio::sync::Mutex<Written>,
}

#[derive(Debug, Default)]
struct Waiting {
    records: Vec<NewReadRecord>,
    /// How many there ever were.
    count: u64,
}

/// How many of all that ever waited are written.
#[derive(Debug, Default)]
struct Written(u64);

impl ReadLog {
    pub(crate) fn new(
        store: Store,
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        journal: Journal<Reads>,
    ) -> Self {
        Self {
            store,
            catalog,
            clock,
            journal,
            checked: OnceCell::new(),
            waiting: Mutex::default(),
            writer: tokio::sync::Mutex::default(),
        }
    }

    /// Puts a record to those that wait, and says how many there were with it.
    pub(crate) fn put(&self, read: &str, principal: &str, body: &ReadBody) -> u64 {
        let record = NewReadRecord {
            at: self.clock.now(),
            read: read.to_owned(),
            part: body.part(),
            principal: principal.to_owned(),
            body: body.to_json(),
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.records.push(record);
        waiting.count += 1;
        waiting.count
    }

    /// Returns once the first `count` records are durable, with all that wait beside them.
    ///
    /// # Errors
    /// When they cannot be written: they go on waiting.
    pub(crate) async fn write_through(&self, count: u64) -> Result<()> {
        self.check().await?;
        let mut written = self.writer.lock().await;
        if written.0 >= count {
            return Ok(());
        }
        let (records, taken) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut waiting.records), waiting.count)
        };
        // Whoever is cancelled here takes nothing with them.
        let group = Group { log: self, records };
        self.catalog.append_reads(&group.records).await?;
        group.arrived();
        written.0 = taken;
        Ok(())
    }

    /// Writes what waits.
    pub(crate) async fn flush(&self) -> Result<()> {
        let (is_empty, count) = {
            let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            (waiting.records.is_empty(), waiting.count)
        };
        match is_empty {
            true => Ok(()),
            false => self.write_through(count).await,
        }
    }

    /// The same where nothing is handed out any more: what cannot be written goes on waiting.
    pub(crate) async fn flush_or_warn(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "what came of a read is not on record yet");
        }
    }

    /// Writes what waits, and puts what is written into a segment. Nothing, if no read was recorded
    /// in this process.
    pub(crate) async fn publish(&self) -> Result<()> {
        self.flush().await?;
        if !self.checked.initialized() {
            return Ok(());
        }
        let last = Reads::state(&self.catalog).await?.last_seq;
        self.journal.publish_through(last).await
    }

    /// Waits for whoever publishes.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.publish().await {
            tracing::warn!(%error, "records of reads are in the database alone");
        }
        self.journal.close().await;
    }

    /// The records of one read.
    pub(crate) async fn find(&self, read: &str) -> Result<Vec<StoredRead>> {
        self.check().await?;
        self.flush().await?;
        let records = self.catalog.find_read(read).await?;
        records.iter().map(StoredRead::from_record).collect()
    }

    /// All records, in order.
    pub(crate) async fn all(&self) -> Result<Vec<StoredRead>> {
        self.check().await?;
        self.flush().await?;
        Reads::between(&self.catalog, 0, u64::MAX).await
    }

    /// Makes sure, once, that database and segments belong together. A database that is new or old is
    /// brought up to the segments first: they are all there ever was.
    pub(crate) async fn check(&self) -> Result<()> {
        let check = async || -> Result<()> {
            match self.catch_up().await? {
                CaughtUp::Yes => self.journal.check().await,
                // The next segment takes its place.
                CaughtUp::WithoutTorn => Ok(()),
            }
        };
        self.checked.get_or_try_init(check).await?;
        Ok(())
    }

    /// Brings a database that is new or old up to the segments, as far as these are sound.
    ///
    /// # Errors
    /// When the database or the store cannot be reached.
    pub(crate) async fn follow_segments(&self) -> Result<()> {
        match self.catch_up().await {
            Ok(_) | Err(Error::Stopped { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn catch_up(&self) -> Result<CaughtUp> {
        loop {
            let state = Reads::state(&self.catalog).await?;
            let number = state.segment + 1;
            if state.last_seq > state.journaled_seq {
                return Ok(CaughtUp::Yes);
            }
            let key = ChainSegment::<StoredRead>::key(number);
            let Some(bytes) = self.store.read(&key).await? else { return Ok(CaughtUp::Yes) };
            let segment = match ChainSegment::<StoredRead>::read(&bytes) {
                SegmentBytes::Whole(segment) => segment,
                // Its records were in the database that is gone.
                SegmentBytes::Torn => return Ok(CaughtUp::WithoutTorn),
                SegmentBytes::Damaged { why } => return Err(damaged::<Reads>(number, &why)),
            };
            if segment.lake != state.lake {
                return Err(foreign::<Reads>(number, segment.lake));
            }
            if segment.segment != number || segment.previous != state.segment_digest {
                return Err(forked::<Reads>(number));
            }
            let mark = JournalMark {
                segment: number,
                seq: segment.last_seq,
                digest: ObjectId::of(&bytes),
            };
            let records: Vec<_> = segment.events.iter().map(StoredRead::to_record).collect();
            match self.catalog.replay_reads(&records, mark).await {
                // Another process was first: it goes on where that one is.
                Err(
                    lakebed_catalog::Error::Gap { .. }
                    | lakebed_catalog::Error::MarkOutOfReach { .. },
                ) => {}
                replayed => replayed.map_err(Error::from)?,
            }
        }
    }
}

/// Whether the database has what the segments have.
enum CaughtUp {
    Yes,
    /// All but a last one that was cut off.
    WithoutTorn,
}

/// Records on their way into the database: back to those that wait, unless they arrived.
struct Group<'a> {
    log: &'a ReadLog,
    records: Vec<NewReadRecord>,
}

impl Group<'_> {
    fn arrived(mut self) {
        self.records.clear();
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let mut waiting = self.log.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = std::mem::take(&mut waiting.records);
        waiting.records.append(&mut self.records);
        waiting.records.extend(newer);
    }
}
