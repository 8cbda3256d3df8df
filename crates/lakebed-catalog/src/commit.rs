//! Writing: events and their projection, in one transaction.

use lakebed_core::{Event, EventBody, Timestamp};

use crate::{
    Catalog, Error, Result, event,
    flaw::{Flaw, check_text},
    meta::{self, Meta},
    projection, run,
    tries::Tries,
};

/// Changes that happen together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Who does it: 1 to 255 bytes.
    pub actor: String,
    /// The caller's clock. The commit's time is later than every earlier commit's, whatever this
    /// says: it is raised where needed.
    pub at: Timestamp,
    /// The same key from the same actor is the same commit, done once: 1 to 255 bytes.
    pub idempotency_key: Option<String>,
    /// The changes, in order; at least one.
    pub changes: Vec<EventBody>,
}

/// What a commit became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its events, with their places and time.
    pub events: Vec<Event>,
    /// An earlier commit with the same key is returned; nothing was written now.
    pub replayed: bool,
}

impl Committed {
    /// The place of its last event: visible to readers once the journaled mark has reached it.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.events.last().map_or(0, |event| event.seq)
    }
}

impl Catalog {
    /// Writes `commit` as consecutive events, with everything they change.
    ///
    /// Atomic and durable when it returns; readers see it once the journaled mark has passed it.
    /// Checked against the newest state, above the mark too: a dataset is created once, a version
    /// follows the newest one, a head moves from where it is.
    ///
    /// # Errors
    /// [`Error::Conflict`] if someone was first (plan again), [`Error::NotFound`] if a dataset or
    /// version does not exist, [`Error::Invalid`] if no retry can help, [`Error::Locked`],
    /// [`Error::ReadOnly`], [`Error::Full`]. Nothing is written then. [`Error::Unknown`] if the
    /// database went away while it was told to commit, and stays away: ask again with the same
    /// idempotency key.
    pub async fn commit(&self, commit: Commit) -> Result<Committed> {
        let mut doubt = None;
        let mut tries = Tries::new();
        loop {
            match self.try_commit(&commit, &mut doubt).await {
                Err(error) if tries.again(&error).await => {}
                Err(error) if doubt.is_some() => {
                    return Err(Error::Unknown { source: error.into() });
                }
                done => return done,
            }
        }
    }

    /// One try. When the answer to its `COMMIT` is lost, its events are left in `doubt`; the next
    /// one looks, under the lock that the lost one held to its end, whether they are recorded.
    async fn try_commit(
        &self,
        commit: &Commit,
        doubt: &mut Option<Vec<Event>>,
    ) -> Result<Committed> {
        let mut write = self.begin_write().await?;
        if let Some(events) = doubt {
            let is_recorded = event::are_recorded(write.connection(), events).await?;
            let events = doubt.take().filter(|_| is_recorded);
            if let Some(events) = events {
                return Ok(Committed { events, replayed: false });
            }
        }
        let meta = meta::read(write.connection()).await?;
        if let Some(key) = &commit.idempotency_key {
            check_text("the idempotency key", key)
                .and_then(|()| check_text("the actor", &commit.actor))
                .map_err(|flaw| Error::invalid(meta.last_seq + 1, flaw))?;
            let events = event::find_by_key(write.connection(), &commit.actor, key).await?;
            if !events.is_empty() {
                return Ok(Committed { events, replayed: true });
            }
        }
        let events = place(commit.clone(), &meta)?;
        events.iter().try_for_each(event::check_reads_back)?;
        run::close(write.connection(), &events).await?;
        projection::apply_all(write.connection(), &events).await.map_err(|failed| failed.error)?;
        match write.commit().await {
            Ok(()) => {
                let last_seq = events.last().map(|event| event.seq);
                tracing::debug!(events = events.len(), last_seq, "committed events");
                Ok(Committed { events, replayed: false })
            }
            Err(error) => {
                *doubt = error.is_passing().then_some(events);
                Err(error)
            }
        }
    }
}

/// Gives every change its place and all of them one time.
fn place(commit: Commit, meta: &Meta) -> Result<Vec<Event>> {
    let Commit { actor, at, idempotency_key, changes } = commit;
    if changes.is_empty() {
        return Err(Error::invalid(meta.last_seq + 1, Flaw::Empty));
    }
    let at = match meta.last_seq {
        0 => at,
        _ => at.max(Timestamp::from_micros(meta.last_at.as_micros().saturating_add(1))),
    };
    let place = |(body, seq)| Event {
        seq,
        at,
        actor: actor.clone(),
        idempotency_key: idempotency_key.clone(),
        body,
    };
    Ok(changes.into_iter().zip(meta.last_seq + 1..).map(place).collect())
}
