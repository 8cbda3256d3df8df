//! Lineage that pipelines elsewhere tell, as OpenLineage events; `tell.rs` is the other direction.
//!
//! An event is kept byte for byte, and is an event of the journal. It is a claim of whoever sent it: it
//! gives nobody a right, and decides about nothing.
//!
//! P7: an event is shown to whoever may know of every dataset of the lake that it names anywhere, in a
//! facet too; one that names none of ours to those who keep the lake. Nothing that is answered to a sender
//! depends on what there is: not whether a dataset exists, and not whether the bytes were sent before.

mod tell;

use bytes::Bytes;
use lakebed_catalog::{Commit, LineageFilter};
use lakebed_core::{
    Action, DatasetName, Event, EventBody, LakeId, ObjectId, StoredObject, Target, Timestamp,
    lineage::LineageReceived,
};
use lakebed_govern::Rights;
use lakebed_store::Trust;

use crate::{
    Ctx, Error, Lake, Result, Sight,
    ingest::{blocking, key_reused},
};

pub use lakebed_openlineage::MAX_EVENT_BYTES;
pub(crate) use tell::Read;
pub use tell::{LineageSink, LineageToTell};

/// How many events one request looks through at most, seen or not.
const LOOKED_THROUGH: usize = 20_000;
/// How many are read at once.
const PAGE: u32 = 1000;

/// An event of lineage, as somebody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenLineageEvent {
    /// Its place among all events of the lake.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Who told it.
    pub actor: String,
    /// What was told.
    pub received: LineageReceived,
    /// Whether its bytes are for the asker, too.
    pub is_whole: bool,
}

/// Some events of lineage, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageEventsSeen {
    /// Those that the asker may know of.
    pub events: Vec<SeenLineageEvent>,
    /// Where to go on; none at the end. There may be no events and more to come.
    pub next_before: Option<u64>,
}

impl Lake {
    /// Records an OpenLineage event: a run's, a job's or a dataset's. The same bytes again are the same
    /// event, whoever sends them. The answer is the name under which they are kept.
    ///
    /// Takes `ingest` on every dataset of the lake that it says is made, or on the lake; where it says
    /// of none, on the lake.
    ///
    /// # Errors
    /// [`Error::Invalid`] for bytes that are no JSON, [`Error::Unfit`] for what is not as OpenLineage's
    /// schemas say, with every place that is wrong; [`Error::Forbidden`].
    pub async fn receive_lineage(&self, ctx: &Ctx, bytes: Bytes) -> Result<ObjectId> {
        self.check_token(ctx).await?;
        self.authorize_upload(ctx).await?;
        let (lake, id, unread) = (&self.inner, self.id(), bytes.clone());
        let mut received = blocking(move || read(&unread, id)).await?;
        let told = received.told.id;
        check_teller(ctx, &self.rights(ctx).await?, &received)?;
        if self.was_told(told).await? {
            return Ok(told);
        }
        received.told = lake.store.put(bytes, Trust::Unnamed).await?;
        lake.probe.at("before the catalog commit")?;
        self.check_token(ctx).await?;
        check_teller(ctx, &self.rights(ctx).await?, &received)?;
        let change = EventBody::LineageReceived(received);
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: lake.clock.now(),
            idempotency_key: ctx.idempotency_key.clone(),
            changes: vec![change.clone()],
        };
        match lake.catalog.commit(commit).await {
            Ok(committed) => {
                lake.probe.at("after the catalog commit")?;
                if !committed.events.iter().map(|event| &event.body).eq([&change]) {
                    return Err(key_reused());
                }
                lake.journal.publish_through(committed.last_seq()).await?;
                Ok(told)
            }
            // Somebody told the same meanwhile.
            Err(error @ lakebed_catalog::Error::Conflict { .. }) => {
                match self.was_told(told).await? {
                    true => Ok(told),
                    false => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether these bytes are on record, and published.
    async fn was_told(&self, told: ObjectId) -> Result<bool> {
        let Some(seq) = self.inner.catalog.find_lineage_event(told).await? else {
            return Ok(false);
        };
        self.inner.journal.publish_through(seq).await?;
        Ok(true)
    }

    /// Events of lineage before `before`, or all, that fit `filter` and that the asker may know of:
    /// newest first, at most `limit`.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn lineage_events(
        &self,
        ctx: &Ctx,
        filter: &LineageFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<LineageEventsSeen> {
        let mut seen = LineageEventsSeen { events: Vec::new(), next_before: before };
        let mut looked_at = 0;
        while looked_at < LOOKED_THROUGH {
            let page = self.inner.catalog.lineage_events(filter, seen.next_before, PAGE).await?;
            // After the snapshot: nobody sees what came after they lost the right to it.
            let rights = self.rights(ctx).await?;
            let is_last = page.len() < PAGE as usize;
            looked_at += page.len();
            for event in page {
                seen.next_before = Some(event.seq);
                seen.events.extend(seen_by(&rights, event));
                if seen.events.len() == limit as usize {
                    return Ok(seen);
                }
            }
            if is_last {
                seen.next_before = None;
                break;
            }
        }
        Ok(seen)
    }
}

/// The event in `bytes`, as if they were kept: nothing is, before all of it is known to be right.
fn read(bytes: &Bytes, lake: LakeId) -> Result<LineageReceived> {
    let event = serde_json::from_slice(bytes).map_err(|error| Error::Invalid {
        code: "invalid-json",
        message: format!("the event is not JSON: {error}"),
        hint: None,
    })?;
    let size_bytes = bytes.len() as u64;
    let unkept = StoredObject { id: ObjectId::of(bytes), size_bytes, tree: None };
    lakebed_openlineage::read(&event, lake, unkept).map_err(|faults| Error::Unfit {
        code: "invalid-lineage-event",
        message: "the event is not as OpenLineage's schemas say".to_owned(),
        reasons: faults.iter().map(ToString::to_string).collect(),
    })
}

/// Who says that something was made must be allowed to make it.
fn check_teller(ctx: &Ctx, rights: &Rights, received: &LineageReceived) -> Result<()> {
    let ours: Vec<_> = received.outputs.iter().flat_map(|node| &node.datasets).collect();
    let may = |target: Target| rights.allows(Action::Ingest, &target);
    let makes_ours =
        !ours.is_empty() && ours.into_iter().all(|dataset| may(Target::Dataset(dataset.clone())));
    if makes_ours || may(Target::Lake) {
        return Ok(());
    }
    // The same of datasets that exist and of those that do not.
    Err(Error::Forbidden {
        message: format!(
            "`{}` may not tell this lineage: that takes `ingest` on every dataset of the lake that it \
             says is made, or on the lake",
            ctx.actor()
        ),
    })
}

/// Whether somebody may know of what was told: of every dataset of the lake that it names. What names none
/// is for those who keep the lake.
fn is_known(rights: &Rights, received: &LineageReceived) -> bool {
    let may = |action, target: &Target| rights.allows(action, target);
    let knows = |dataset: &DatasetName| {
        rights.discovers(dataset) || may(Action::Audit, &Target::Dataset(dataset.clone()))
    };
    match received.datasets.is_empty() {
        true => {
            let keeps = [Action::Audit, Action::Admin, Action::Ingest];
            rights.reads_everything() || keeps.into_iter().any(|action| may(action, &Target::Lake))
        }
        false => received.datasets.iter().all(knows),
    }
}

/// How much of it somebody sees among the events of the lake. Statements and whatever else stands in facets
/// may hold values of the data.
pub(crate) fn sight_of(rights: &Rights, received: &LineageReceived) -> Option<Sight> {
    if !is_known(rights, received) {
        return None;
    }
    match rights.reads_everything() || rights.allows(Action::Audit, &Target::Lake) {
        true => Some(Sight::Whole),
        false => Some(Sight::Outline),
    }
}

fn seen_by(rights: &Rights, event: Event) -> Option<SeenLineageEvent> {
    let Event { seq, at, actor, body: EventBody::LineageReceived(received), .. } = event else {
        return None;
    };
    let is_whole = rights.reads_everything();
    is_known(rights, &received).then_some(SeenLineageEvent { seq, at, actor, received, is_whole })
}
