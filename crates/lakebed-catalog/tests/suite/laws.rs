//! Laws that hold for any history: a small model of the lake says what must happen.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use lakebed_catalog::{Catalog, Commit, Committed, Error, JournalMark};
use lakebed_core::{Event, EventBody, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{databases::Databases, world::*};

const DATASETS: [&str; 3] = ["a.x", "a.y", "b.x"];
const STAGES: [&str; 3] = ["raw", "validated", "product"];

/// Runs `property` on generated values; each gets a number for databases of its own.
fn check<S: Strategy, F: AsyncFn(usize, S::Value)>(cases: u32, strategy: &S, property: F) {
    let number = AtomicUsize::new(0);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let run = |value| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        tokio::runtime::Handle::current().block_on(property(number, value));
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(strategy, run)).unwrap();
}

/// What someone tries to do.
#[derive(Debug, Clone)]
enum Attempt {
    Create(usize),
    /// The next version of each; `behind` versions too late.
    Versions {
        datasets: Vec<usize>,
        behind: u64,
    },
    Move {
        dataset: usize,
        stage: usize,
        to: u64,
        is_stale: bool,
    },
    Refuse(usize),
    Retry(usize),
    Journal,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let dataset = || 0..DATASETS.len();
    let behind = prop_oneof![4 => Just(0), 1 => 1..3_u64];
    prop_oneof![
        2 => dataset().prop_map(Attempt::Create),
        6 => (proptest::collection::vec(dataset(), 1..3), behind)
            .prop_map(|(datasets, behind)| Attempt::Versions { datasets, behind }),
        4 => (dataset(), 1..3_usize, 1..6_u64, proptest::bool::weighted(0.2)).prop_map(
            |(dataset, stage, to, is_stale)| Attempt::Move { dataset, stage, to, is_stale }
        ),
        1 => dataset().prop_map(Attempt::Refuse),
        2 => (0..9_usize).prop_map(Attempt::Retry),
        3 => Just(Attempt::Journal),
    ]
}

/// Heads by dataset and stage; a dataset without versions has none.
type Heads = BTreeMap<usize, BTreeMap<usize, u64>>;

#[derive(Default)]
struct World {
    heads: Heads,
    last_seq: u64,
    keyed: Vec<(Commit, Vec<Event>)>,
    segments: Vec<(Vec<Event>, JournalMark)>,
    /// What the lake was at each time that was ever shown.
    shown: Vec<(Timestamp, Heads)>,
}

impl World {
    fn newest(heads: &Heads, dataset: usize) -> Option<u64> {
        Some(heads.get(&dataset)?.get(&0).copied().unwrap_or_default())
    }

    /// The changes of an attempt, and the heads after it; none if it must fail.
    fn plan(&self, attempt: &Attempt) -> (Vec<EventBody>, Option<Heads>) {
        let mut heads = self.heads.clone();
        match attempt {
            Attempt::Create(dataset) => {
                let is_new = heads.insert(*dataset, BTreeMap::new()).is_none();
                (vec![created(DATASETS[*dataset])], is_new.then_some(heads))
            }
            Attempt::Versions { datasets, behind } => {
                let mut changes = Vec::new();
                let mut is_fine = true;
                for dataset in datasets {
                    let newest = Self::newest(&heads, *dataset);
                    is_fine &= newest.is_some();
                    let number = newest.unwrap_or_default() + 1;
                    // The first version is never too late.
                    let stale = number.saturating_sub(*behind).max(1);
                    is_fine &= stale == number;
                    changes.push(version(DATASETS[*dataset], stale));
                    heads.entry(*dataset).or_default().insert(0, number);
                }
                (changes, is_fine.then_some(heads))
            }
            Attempt::Move { dataset, stage, to, is_stale } => {
                let head = heads.get(dataset).and_then(|stages| stages.get(stage)).copied();
                let from = if *is_stale { Some(head.unwrap_or_default() + 1) } else { head };
                let exists = Self::newest(&heads, *dataset).is_some_and(|newest| *to <= newest);
                heads.entry(*dataset).or_default().insert(*stage, *to);
                let change = moved(DATASETS[*dataset], STAGES[*stage], from, *to);
                (vec![change], (exists && !is_stale).then_some(heads))
            }
            Attempt::Refuse(dataset) => (vec![refused(DATASETS[*dataset], "f.csv")], Some(heads)),
            Attempt::Retry(_) | Attempt::Journal => unreachable!("not planned"),
        }
    }

    async fn run(&mut self, catalog: &Catalog, attempt: &Attempt, micros: i64, keyed: bool) {
        match attempt {
            Attempt::Journal => {
                self.segments.push(journal(catalog).await);
                let shown = resolve(catalog, &[], "raw").await.snapshot;
                assert_eq!(shown.seq, self.last_seq);
                assert_eq!(bare_names(catalog, "").await, expected(&self.heads));
                if self.last_seq > 0 {
                    self.shown.push((shown.at, self.heads.clone()));
                }
            }
            Attempt::Retry(index) if !self.keyed.is_empty() => {
                let (commit, events) = &self.keyed[index % self.keyed.len()];
                let again = catalog.commit(commit.clone()).await.unwrap();
                assert_eq!(again, Committed { events: events.clone(), replayed: true });
            }
            Attempt::Retry(_) => {}
            other => self.commit(catalog, other, micros, keyed).await,
        }
    }

    async fn commit(&mut self, catalog: &Catalog, attempt: &Attempt, micros: i64, keyed: bool) {
        let (changes, after) = self.plan(attempt);
        let key = keyed.then(|| format!("key {}", self.last_seq));
        let commit = Commit { idempotency_key: key, ..commit_of(changes.clone(), micros) };
        match (catalog.commit(commit.clone()).await, after) {
            (Ok(done), Some(after)) => {
                let places: Vec<u64> = done.events.iter().map(|event| event.seq).collect();
                let bodies: Vec<_> = done.events.iter().map(|event| event.body.clone()).collect();
                let next = self.last_seq + 1..=self.last_seq + changes.len() as u64;
                assert_eq!(places, next.collect::<Vec<_>>());
                assert_eq!(bodies, changes);
                (self.heads, self.last_seq) = (after, done.last_seq());
                if keyed {
                    self.keyed.push((commit, done.events));
                }
            }
            (Err(Error::Conflict { .. } | Error::NotFound { .. }), None) => {}
            (result, after) => panic!("{attempt:?}: {result:?}, but the model says {after:?}"),
        }
    }
}

/// The version of each dataset by default stage: of the bare name, or with `selector`.
async fn bare_names(catalog: &Catalog, selector: &str) -> Vec<Option<u64>> {
    let refs = DATASETS.map(|dataset| format!("{dataset}{selector}"));
    let refs = refs.each_ref().map(String::as_str);
    let mut numbers = Vec::new();
    for stage in STAGES {
        for outcome in resolve(catalog, &refs, stage).await.versions {
            numbers.push(outcome.ok().map(|found| found.version.number));
        }
    }
    numbers
}

fn expected(heads: &Heads) -> Vec<Option<u64>> {
    let head = |stage, dataset| heads.get(&dataset)?.get(&stage).copied();
    let stages = 0..STAGES.len();
    stages.flat_map(|stage| (0..DATASETS.len()).map(move |d| head(stage, d))).collect()
}

/// Commits of several datasets, conflicts, retries, clocks that go back: places without gaps, as
/// the model says, and the journal's events make an equal catalog.
pub(crate) async fn any_history_is_answered_as_it_was_and_rebuilds_equal(databases: &Databases) {
    let step = (attempt(), -20..20_i64, any::<bool>());
    let steps = proptest::collection::vec(step, 1..40);
    check(24, &steps, async |number, steps| {
        let catalog = databases.open(&format!("first{number}")).await;
        let mut world = World::default();
        for (attempt, micros, keyed) in &steps {
            world.run(&catalog, attempt, *micros, *keyed).await;
        }
        world.run(&catalog, &Attempt::Journal, 0, false).await;
        for (shown_at, heads) in &world.shown {
            assert_eq!(bare_names(&catalog, &format!("@{shown_at}")).await, expected(heads));
        }
        let rebuilt = databases.open(&format!("second{number}")).await;
        for (events, mark) in &world.segments {
            rebuilt.replay(events, *mark).await.unwrap();
        }
        assert_eq!(rebuilt.export().await.unwrap(), catalog.export().await.unwrap());
        rebuilt.close().await;
        catalog.close().await;
    });
}

/// One way in which a journal file can have been edited.
type Edit = (usize, u8, u64);

fn edit(events: &mut Vec<Event>, (index, what, value): Edit) {
    let index = index % events.len();
    let event = &mut events[index];
    match (what, &mut event.body) {
        (0, _) => event.seq = value,
        (1, _) => event.at = Timestamp::from_micros(value.cast_signed()),
        (2, _) => event.actor = char::from_u32(value as u32).unwrap_or('x').to_string(),
        (3, _) => event.idempotency_key = Some(format!("{}", value % 3)),
        (4, EventBody::VersionCommitted(version)) => version.number = value,
        (5, EventBody::VersionCommitted(version)) => version.row_count = value,
        (6, EventBody::VersionCommitted(version)) => version.parent = Some(id("a.x", value)),
        (7, EventBody::VersionCommitted(version)) => version.version_id = id("a.x", value % 4),
        (8, EventBody::VersionCommitted(version)) => {
            version.objects.push(object(&format!("{}", value % 4), value));
        }
        (9, EventBody::HeadMoved(moved)) => moved.to = value,
        (10, EventBody::HeadMoved(moved)) => moved.from = Some(value),
        (11, _) => drop(events.remove(index)),
        (12, _) => events.insert(index, events[index].clone()),
        _ => event.body = moved("a.x", STAGES[value as usize % 3], None, value),
    }
}

/// Whatever a journal file says: it is replayed and readable, or refused without a trace.
pub(crate) async fn no_event_makes_replay_panic_or_leave_a_trace(databases: &Databases) {
    let value = prop_oneof![0..6_u64, any::<u64>(), Just(u64::MAX), Just(i64::MAX as u64)];
    let edits = proptest::collection::vec((0..9_usize, 0..14_u8, value), 0..4);
    let catalog = databases.open("original").await;
    let changes = vec![created("a.x"), version("a.x", 1), moved("a.x", "product", None, 1)];
    commit(&catalog, 1, changes).await;
    commit(&catalog, 2, vec![version("a.x", 2), created("a.y"), refused("a.x", "f.csv")]).await;
    let (events, mark) = journal(&catalog).await;
    check(64, &edits, async |number, edits| {
        let rebuilt = databases.open(&format!("rebuilt{number}")).await;
        let before = rebuilt.export().await.unwrap();
        let mut edited = events.clone();
        for change in edits {
            if !edited.is_empty() {
                edit(&mut edited, change);
            }
        }
        match rebuilt.replay(&edited, mark).await {
            Ok(()) => assert_eq!(rebuilt.events(0, 99).await.unwrap(), edited),
            Err(Error::Invalid { .. } | Error::Gap { .. } | Error::MarkOutOfReach { .. }) => {
                assert_eq!(rebuilt.export().await.unwrap(), before);
            }
            Err(other) => panic!("{other:?}"),
        }
        rebuilt.close().await;
    });
}
