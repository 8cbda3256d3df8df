//! What the journal needs: what is not in it yet, the mark, and the way back from it.
//!
//! Writing segments, chaining and healing them is the service's business.

use lakebed_core::{Event, LakeId, ObjectId};

use crate::{
    Catalog, Error, Result,
    connection::Connection,
    event::{self, saturate},
    flaw::{Flaw, to_i64},
    meta::{self, Meta},
    projection::{self, Failed},
    statement::query,
    tries::Tries,
};

/// How far the record and its journal have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalState {
    /// The lake.
    pub lake: LakeId,
    /// The last committed event; 0 if there is none.
    pub last_seq: u64,
    /// The last event that is in the journal, and that readers see.
    pub journaled_seq: u64,
    /// The journal's last segment; 0 if there is none.
    pub segment: u64,
    /// That segment's digest.
    pub segment_digest: Option<ObjectId>,
}

/// A segment that is in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalMark {
    /// Its number, from 1.
    pub segment: u64,
    /// Its last event. It must end a commit, or readers would see half of one.
    pub seq: u64,
    /// Its digest.
    pub digest: ObjectId,
}

impl Catalog {
    /// How far the record and its journal have come.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn journal_state(&self) -> Result<JournalState> {
        let mut connection = self.connection().await?;
        let meta = meta::read(&mut connection).await?;
        Ok(JournalState {
            lake: self.lake(),
            last_seq: meta.last_seq,
            journaled_seq: meta.journaled_seq,
            segment: meta.segment,
            segment_digest: meta.segment_digest,
        })
    }

    /// Every event with `after < seq <= up_to`, oldest first, above the journaled mark too: for the
    /// journal alone.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn events_between(&self, after: u64, up_to: u64) -> Result<Vec<Event>> {
        // One statement is a snapshot by itself.
        let mut connection = match up_to.saturating_sub(after) < event::PAGE.cast_unsigned() {
            true => self.connection().await?,
            false => self.begin_read().await?,
        };
        event::read_range(&mut connection, after, up_to).await
    }

    /// Moves the mark to `mark`, if the journal's last segment is still `expected_segment`; from
    /// then on readers see everything up to it. `false` if another process moved it first.
    ///
    /// # Errors
    /// [`Error::MarkOutOfReach`] if the mark lies beyond the record or before the last mark: this
    /// is not the database that the segment was written from.
    pub async fn mark_journaled(&self, expected_segment: u64, mark: JournalMark) -> Result<bool> {
        let mut is_in_doubt = false;
        let mut tries = Tries::new();
        loop {
            match self.try_mark(expected_segment, mark, &mut is_in_doubt).await {
                Err(error) if tries.again(&error).await => {}
                done => return done,
            }
        }
    }

    /// One try; `is_in_doubt` when an earlier one may have done it.
    async fn try_mark(
        &self,
        expected_segment: u64,
        mark: JournalMark,
        is_in_doubt: &mut bool,
    ) -> Result<bool> {
        let mut write = self.begin_write().await?;
        let meta = meta::read(write.connection()).await?;
        if *is_in_doubt && mark.is_that_of(&meta) {
            return Ok(true);
        }
        if meta.segment != expected_segment {
            return Ok(false);
        }
        set_mark(write.connection(), &meta, mark).await?;
        *is_in_doubt = true;
        write.commit().await?;
        Ok(true)
    }

    /// Puts the events of one journal segment back, exactly as they are, and moves the mark: the
    /// segments of a lake's journal, replayed in order into an empty database, are its catalog.
    ///
    /// One transaction, through the same projection as [`Catalog::commit`].
    ///
    /// # Errors
    /// [`Error::Gap`] if the events do not continue the record, [`Error::Invalid`] naming the event
    /// that cannot have been committed after those before it, [`Error::MarkOutOfReach`]. Nothing
    /// is written then.
    pub async fn replay(&self, events: &[Event], mark: JournalMark) -> Result<()> {
        let mut is_in_doubt = false;
        let mut tries = Tries::new();
        loop {
            match self.try_replay(events, mark, &mut is_in_doubt).await {
                Err(error) if tries.again(&error).await => {}
                done => return done,
            }
        }
    }

    /// One try; `is_in_doubt` when an earlier one may have done it.
    async fn try_replay(
        &self,
        events: &[Event],
        mark: JournalMark,
        is_in_doubt: &mut bool,
    ) -> Result<()> {
        let mut write = self.begin_write().await?;
        let meta = meta::read(write.connection()).await?;
        if *is_in_doubt && mark.is_that_of(&meta) {
            return Ok(());
        }
        check_continues(&meta, events)?;
        projection::apply_all(write.connection(), events).await.map_err(as_invalid)?;
        let meta = meta::read(write.connection()).await?;
        set_mark(write.connection(), &meta, mark).await?;
        *is_in_doubt = true;
        write.commit().await
    }
}

impl JournalMark {
    fn is_that_of(&self, meta: &Meta) -> bool {
        (self.segment, Some(self.digest)) == (meta.segment, meta.segment_digest)
    }
}

/// What a commit would answer with "plan again" is, in a journal, an event that cannot be.
fn as_invalid(failed: Failed) -> Error {
    match failed.error {
        error @ (Error::Conflict { .. } | Error::NotFound { .. }) => {
            Error::invalid(failed.seq, error)
        }
        other => other,
    }
}

/// Places without gaps, times that never decrease.
fn check_continues(meta: &Meta, events: &[Event]) -> Result<()> {
    let mut last = (meta.last_seq, (meta.last_seq > 0).then_some(meta.last_at));
    for event in events {
        let expected = last.0 + 1;
        if event.seq != expected {
            return Err(Error::Gap { expected, found: event.seq });
        }
        if last.1.is_some_and(|at| event.at < at) {
            return Err(Error::invalid(event.seq, Flaw::Time { found: event.at }));
        }
        last = (event.seq, Some(event.at));
    }
    Ok(())
}

async fn set_mark(connection: &mut Connection, meta: &Meta, mark: JournalMark) -> Result<()> {
    let is_ahead = mark.segment > meta.segment && mark.seq >= meta.journaled_seq;
    if !is_ahead || mark.seq > meta.last_seq {
        return Err(Error::MarkOutOfReach { mark: mark.seq, last_seq: meta.last_seq });
    }
    let segment = to_i64("the segment", mark.segment);
    let segment = segment.map_err(|flaw| Error::invalid(mark.seq, flaw))?;
    query("UPDATE meta SET journaled_seq = $1, segment = $2, segment_digest = $3 WHERE id = 1")
        .bind(saturate(mark.seq))
        .bind(segment)
        .bind(mark.digest)
        .execute(connection)
        .await?;
    Ok(())
}
