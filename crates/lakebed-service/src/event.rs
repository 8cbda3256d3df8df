//! What happened, as far as the asker may know of it.

use lakebed_core::{Action, EndedRun, Event, EventBody, Target};
use lakebed_govern::Rights;

use crate::{Ctx, Lake, Result, openlineage};

/// How many events one request looks through at most, seen or not.
const LOOKED_THROUGH: usize = 20_000;
/// How many are read at once.
const PAGE: u32 = 1000;

/// How much of an event somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// That it happened to what, when and by whom.
    Outline,
    /// Digests and counts, too: what a reader of its dataset sees.
    Data,
    /// Everything, also which of its objects the lake had before.
    Whole,
}

/// An event, and how much of it the asker may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEvent {
    /// The event.
    pub event: Event,
    /// How much of it is for the asker.
    pub sight: Sight,
}

/// Some events, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsSeen {
    /// Those that the asker may know of.
    pub events: Vec<SeenEvent>,
    /// Where to go on; none when nothing follows yet. There may be no events and more to come.
    pub next_after: Option<u64>,
}

impl Lake {
    /// Events after `after` that the asker may know of, in order, at most `limit`.
    ///
    /// Those of datasets are for whoever may discover these or `audit` there; those of the lake for
    /// whoever may `audit` or `admin` it. What was told from elsewhere names datasets, too.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn events(&self, ctx: &Ctx, after: u64, limit: u32) -> Result<EventsSeen> {
        let mut seen = EventsSeen { events: Vec::new(), next_after: Some(after) };
        let (mut looked_at, mut last, mut size) = (0, after, limit.min(PAGE));
        while looked_at < LOOKED_THROUGH {
            let page = self.inner.catalog.events(last, size).await?;
            let rights = self.rights(ctx).await?;
            let is_last = page.len() < size as usize;
            // Little was for the asker, so there may be a long way to go.
            size = size.saturating_mul(4).min(PAGE);
            looked_at += page.len();
            for event in page {
                last = event.seq;
                if let Some(sight) = sight_of(&rights, &event) {
                    seen.events.push(SeenEvent { event, sight });
                }
                if seen.events.len() == limit as usize {
                    seen.next_after = Some(last);
                    return Ok(seen);
                }
            }
            seen.next_after = Some(last).filter(|_| !is_last);
            if is_last {
                break;
            }
        }
        Ok(seen)
    }
}

fn sight_of(rights: &Rights, event: &Event) -> Option<Sight> {
    if let Some(run) = event.body.ended_run() {
        return sight_of_run(rights, run);
    }
    if let EventBody::LineageReceived(received) = &event.body {
        return openlineage::sight_of(rights, received);
    }
    let Some(dataset) = event.body.dataset() else {
        let may = |action| rights.allows(action, &Target::Lake);
        return match &event.body {
            _ if may(Action::Audit) => Some(Sight::Whole),
            _ if !may(Action::Admin) => None,
            // They name datasets, of which whoever may declare things need not know.
            EventBody::LockRegistered(_) => Some(Sight::Outline),
            _ => Some(Sight::Whole),
        };
    };
    if rights.reads_everything() {
        return Some(Sight::Whole);
    }
    if rights.reads(dataset) {
        return Some(Sight::Data);
    }
    let target = Target::Dataset(dataset.clone());
    let knows = rights.discovers(dataset) || rights.allows(Action::Audit, &target);
    knows.then_some(Sight::Outline)
}

/// A run is about everything that it read and made: all of it is for whoever may read all of that.
fn sight_of_run(rights: &Rights, run: EndedRun<'_>) -> Option<Sight> {
    let may = |action| rights.allows(action, &Target::Lake);
    match (rights.reads_everything(), reads_run(rights, run)) {
        (true, _) => Some(Sight::Whole),
        (false, true) => Some(Sight::Data),
        (false, false) => (may(Action::Audit) || may(Action::Admin)).then_some(Sight::Outline),
    }
}

/// Whether everything that a run read and made, or would have made, may be read.
pub(crate) fn reads_run(rights: &Rights, run: EndedRun<'_>) -> bool {
    run.inputs().iter().all(|input| rights.reads(input.dataset()))
        && run.outputs().into_iter().all(|output| rights.reads(output))
}
