//! Builds of products: several at once make one version of the same inputs (P4), cut off anywhere they
//! leave old or new, and what they read is on record however they end (P12).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use lakebed_core::{DatasetName, LockedInput};
use lakebed_service::{
    Asked, BuildOutcome, BuildRequest, Detail, Error, IngestStatus, Lake, NoProbe, NoProgress,
    Progress, ProgressSink, ReadBody, ReadEnding, Result,
    engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream},
};
use lakebed_store::Store;
use lakebed_testkit::{
    CrashingProbe, TestLake,
    fault::{Fault, FaultBackend},
};

use crate::{
    lineage::{PRODUCTS, Toy, World, ctx},
    promotions::Meanwhile,
};

const DAILY: &str = "products.daily";

/// Where an engine breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaks {
    /// Before the first row.
    Planning,
    /// After some rows.
    Rows,
}

/// An engine that breaks.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) Breaks);

#[async_trait]
impl Engine for Broken {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        Toy.prepare(sql)
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        let broken = || EngineError::Failed { message: "`4711` is no number".to_owned() };
        if self.0 == Breaks::Planning {
            return Err(broken());
        }
        let QueryStream { schema, batches, columns, unstable } = Toy.run(job, store).await?;
        let batches = batches.chain(stream::iter([Err(broken())])).boxed();
        Ok(QueryStream { schema, batches, columns, unstable })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        Toy.lineage(job).await
    }
}

/// Wants to go on for so many questions, and then no more.
struct Patience(AtomicUsize);

impl ProgressSink for Patience {
    fn report(&self, _progress: Progress) {}

    fn is_cancelled(&self) -> bool {
        let left =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.is_err()
    }
}

fn daily() -> DatasetName {
    DAILY.parse().expect("a name")
}

async fn build(lake: &Lake, locked: Option<Vec<LockedInput>>) -> Result<BuildOutcome> {
    let request = BuildRequest { product: daily(), locked };
    lake.build(&ctx("carol"), request, Arc::new(NoProgress)).await
}

/// `products.daily`, built once, and of what there is more now.
async fn stale() -> World {
    let world = World::new().await;
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    world
}

/// What the inputs are now, for a lock.
async fn inputs_of_now(test: &TestLake) -> Vec<LockedInput> {
    let references = ["sales.orders", "sales.regions"].map(|name| name.parse().unwrap());
    let found = test.lake.resolve(&test.ctx(), &references, Detail::None).await.unwrap();
    let input = |found: lakebed_service::ResolvedVersion| LockedInput {
        reference: found.reference,
        version: found.version.number,
        version_id: found.version.version_id,
    };
    found.versions.into_iter().map(input).collect()
}

/// What a build in a process of its own comes to, when `happens` does right before its commit.
async fn meanwhile<F: Future<Output = ()> + Send>(
    test: &TestLake,
    locked: Option<Vec<LockedInput>>,
    happens: impl FnOnce() -> F + Send + 'static,
) -> BuildOutcome {
    let probe = Meanwhile::once(happens);
    let lake = test.failing_with(Arc::new(Toy), |backend| backend, probe).await.unwrap();
    let outcome = build(&lake, locked).await.unwrap();
    lake.close().await;
    outcome
}

/// The number of the newest version, and of which version of the orders it is.
async fn newest(test: &TestLake) -> (u64, u64) {
    let seen = test.lake.dataset(&test.ctx(), &daily()).await.unwrap();
    let number = seen.record.newest.expect("a version").number;
    (number, orders_in(test, number).await)
}

/// Which version of the orders this version of the product was made of.
async fn orders_in(test: &TestLake, number: u64) -> u64 {
    let reference = format!("{DAILY}@v{number}").parse().unwrap();
    let request = lakebed_service::LineageRequest {
        reference,
        column: None,
        direction: lakebed_service::Direction::Up,
    };
    let answer = test.lake.lineage(&test.ctx(), &request).await.unwrap();
    let mut records = answer.versions.iter().map(|version| &version.record);
    records.find(|record| record.dataset.name() == "orders").expect("orders").number
}

/// P4: of two who build from the same inputs one makes the version, and the other is told that it is
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn p4_of_two_who_build_the_same_one_makes_it() {
    let world = stale().await;
    let other = world.test.lake.clone();
    let outcome = meanwhile(&world.test, None, move || async move {
        let made = build(&other, None).await.unwrap().made;
        assert_eq!((made.status, made.version.number), (IngestStatus::Committed, 2));
    })
    .await;
    assert_eq!((outcome.made.status, outcome.made.version.number), (IngestStatus::Unchanged, 2));
    assert_eq!(newest(&world.test).await, (2, 2));
}

/// P4: whoever lost plans again, and so builds of what is there by then.
#[tokio::test(flavor = "multi_thread")]
async fn p4_who_lost_builds_of_what_is_there_by_then() {
    let world = Arc::new(stale().await);
    let other = Arc::clone(&world);
    let outcome = meanwhile(&world.test, None, move || async move {
        other.orders("3,30,4,c\n").await;
        build(&other.test.lake, None).await.unwrap();
    })
    .await;
    assert_eq!((outcome.made.status, outcome.made.version.number), (IngestStatus::Unchanged, 2));
    let orders = outcome.inputs.iter().find(|input| input.version.dataset.name() == "orders");
    assert_eq!(orders.expect("an input").version.number, 3, "what it says that it read");
    assert_eq!(newest(&world.test).await, (2, 3));
}

/// P4: different inputs make versions in one order, each of just what it was made of.
#[tokio::test(flavor = "multi_thread")]
async fn p4_of_other_inputs_is_another_version() {
    let world = Arc::new(stale().await);
    let locked = inputs_of_now(&world.test).await;
    let other = Arc::clone(&world);
    let outcome = meanwhile(&world.test, Some(locked), move || async move {
        other.orders("3,30,4,c\n").await;
        build(&other.test.lake, None).await.unwrap();
    })
    .await;
    assert_eq!((outcome.made.status, outcome.made.version.number), (IngestStatus::Committed, 3));
    assert_eq!(newest(&world.test).await, (3, 2));
    assert_eq!(orders_in(&world.test, 2).await, 3);
}

/// P4: many processes at once.
#[tokio::test(flavor = "multi_thread")]
async fn p4_many_who_build_at_once_make_one_version() {
    let world = stale().await;
    let mut builders = Vec::new();
    for _ in 0..6 {
        let lake = world.test.reopen_with(Arc::new(Toy)).await.unwrap();
        builders.push(tokio::spawn(async move {
            let outcome = build(&lake, None).await;
            lake.close().await;
            outcome.unwrap().made
        }));
    }
    let mut committed = 0;
    for builder in builders {
        let made = builder.await.unwrap();
        assert_eq!(made.version.number, 2);
        committed += u32::from(made.status == IngestStatus::Committed);
    }
    assert_eq!(committed, 1, "one made it");
    assert_eq!(newest(&world.test).await, (2, 2));
    let report = world.test.lake.verify(&world.test.ctx(), &[], Arc::new(NoProgress)).await;
    assert_eq!(report.unwrap().findings, []);
}

/// The lake as the next process finds it: the product is the old or the new one, a second build makes it
/// the new one, and all of it verifies.
async fn check_aftermath(test: &TestLake, made: &str, what: &str) {
    let lake = test.reopen_with(Arc::new(Toy)).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    let seen = lake.dataset(&test.ctx(), &daily()).await.unwrap().record.newest.unwrap();
    let is_new = seen.number == 2 && seen.version_id.to_string() == made;
    assert!(seen.number == 1 || is_new, "{what}: {seen:?}");
    let again = build(&lake, None).await.unwrap_or_else(|error| panic!("{what}: {error}")).made;
    assert_eq!((again.version.number, again.version.version_id.to_string()), (2, made.to_owned()));
    let expected = if is_new { IngestStatus::Unchanged } else { IngestStatus::Committed };
    assert_eq!(again.status, expected, "{what}");
    let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert_eq!(report.findings, [], "{what}");
    let (asked, _) = builds_on_record(&lake, 2).await;
    assert!(!asked.is_empty(), "{what}: nothing says what was read");
    lake.close().await;
}

/// P4: whatever dies when, a product is the old version or the new one.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_build_cut_off_anywhere_leaves_old_or_new() {
    let (made, writes, points) = {
        let world = stale().await;
        let probe = Arc::new(CrashingProbe::at_point(None));
        let mut faults = None;
        let count = |backend| {
            let wrapped = FaultBackend::new(backend);
            faults = Some(wrapped.clone());
            Arc::new(wrapped) as _
        };
        let engine = Arc::new(Toy);
        let lake = world.test.failing_with(engine, count, Arc::clone(&probe) as _).await.unwrap();
        let made = build(&lake, None).await.unwrap().made.version.version_id.to_string();
        // Closing writes what is on record.
        let (writes, points) = (faults.expect("wrapped").points(), probe.points().len());
        lake.close().await;
        (made, writes, points)
    };
    let journaled = writes.iter().position(|write| write.starts_with("create journal/"));
    assert!(journaled.expect("a segment") >= 4 && points >= 4, "{writes:?} {points}");
    for point in 0..points {
        let world = stale().await;
        let probe = Arc::new(CrashingProbe::at_point(Some(point)));
        let engine = Arc::new(Toy);
        let lake = world.test.failing_with(engine, |b| b, Arc::clone(&probe) as _).await.unwrap();
        let what = format!("{:?}", probe.points().get(point));
        assert!(build(&lake, None).await.is_err(), "{what}: a crash was not noticed");
        lake.close().await;
        check_aftermath(&world.test, &made, &what).await;
    }
    for (point, write) in writes.iter().enumerate() {
        for fault in Fault::ALL {
            let world = stale().await;
            let arm = |backend| {
                let wrapped = FaultBackend::new(backend);
                wrapped.crash_at(point, fault);
                Arc::new(wrapped) as _
            };
            let engine = Arc::new(Toy);
            let lake = world.test.failing_with(engine, arm, Arc::new(NoProbe)).await.unwrap();
            let what = format!("{write}, {fault:?}");
            assert!(build(&lake, None).await.is_err(), "{what}: a crash was not noticed");
            lake.close().await;
            check_aftermath(&world.test, &made, &what).await;
        }
    }
}

/// What is on record of builds of the product from this version of the orders: who asked, and how each
/// ended.
async fn builds_on_record(lake: &Lake, orders: u64) -> (Vec<String>, Vec<(ReadEnding, u64)>) {
    let records = lake.catalog().reads_between(0, u64::MAX, 1000).await.unwrap();
    let body = |text: &str| serde_json::from_str::<ReadBody>(text).unwrap();
    let is_it = |text: &str| match body(text) {
        ReadBody::Intent(intent) => {
            let reads = |version: &lakebed_service::ReadVersion| {
                version.dataset.name() == "orders" && version.version == orders
            };
            matches!(&intent.asked, Asked::Statement { sql, .. } if sql == PRODUCTS[0].1)
                && intent.versions.iter().any(reads)
                && intent.versions.len() == 2
        }
        ReadBody::Outcome(_) => false,
    };
    let asked: Vec<_> = records.iter().filter(|found| is_it(&found.record.body)).collect();
    let ending = |id: &str| {
        records.iter().find_map(|found| match body(&found.record.body) {
            ReadBody::Outcome(outcome) if found.record.read == id => {
                Some((outcome.ending, outcome.rows))
            }
            _ => None,
        })
    };
    let endings = asked.iter().filter_map(|found| ending(&found.record.read)).collect();
    (asked.iter().map(|found| found.record.principal.clone()).collect(), endings)
}

/// Another read: whatever waits is written beside its record.
async fn flush(test: &TestLake) {
    test.lake.profile(&test.ctx(), DAILY.parse().unwrap()).await.unwrap();
}

/// P12: what a build reads is on record under the name of whoever builds, also when the build fails, is
/// refused or is given up.
#[tokio::test(flavor = "multi_thread")]
async fn p12_however_a_build_ends_it_is_on_record() {
    let expect = async |test: &TestLake, ending: ReadEnding, rows: u64| {
        flush(test).await;
        let (asked, endings) = builds_on_record(&test.lake, 2).await;
        assert_eq!((asked, endings), (vec!["carol".to_owned()], vec![(ending, rows)]));
    };
    let world = stale().await;
    build(&world.test.lake, None).await.unwrap();
    expect(&world.test, ReadEnding::Allowed, 1).await;
    // What is there already is not read again.
    build(&world.test.lake, None).await.unwrap();
    expect(&world.test, ReadEnding::Allowed, 1).await;

    for (breaks, rows) in [(Breaks::Planning, 0), (Breaks::Rows, 1)] {
        let world = stale().await;
        let lake = world.test.reopen_with(Arc::new(Broken(breaks))).await.unwrap();
        assert_eq!(build(&lake, None).await.unwrap_err().code(), "sql-failed");
        lake.close().await;
        expect(&world.test, ReadEnding::Failed, rows).await;
        assert_eq!(newest(&world.test).await, (1, 1));
    }

    // Refused by its contract: all of it was read.
    let world = stale().await;
    world.declare(&PRODUCTS, REFUSES).await;
    let refused = build(&world.test.lake, None).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    expect(&world.test, ReadEnding::Allowed, 1).await;
    assert_eq!(newest(&world.test).await, (1, 1));

    // Given up after any number of steps: once anything may have been read, it is on record, and has
    // an end.
    let mut recorded = 0;
    for questions in 0..1000 {
        let world = stale().await;
        let sink = Arc::new(Patience(AtomicUsize::new(questions)));
        let request = BuildRequest { product: daily(), locked: None };
        let outcome = world.test.lake.build(&ctx("carol"), request, sink).await;
        flush(&world.test).await;
        let (asked, endings) = builds_on_record(&world.test.lake, 2).await;
        assert_eq!(asked.len(), endings.len(), "after {questions} questions: {outcome:?}");
        recorded += asked.len();
        match outcome {
            Err(Error::Cancelled) => assert_eq!(newest(&world.test).await, (1, 1)),
            outcome => {
                outcome.unwrap();
                break;
            }
        }
    }
    assert!(recorded >= 2, "it was given up on the way");
}

/// A contract of the product that promises a column it does not have.
pub(crate) const REFUSES: &str = r#","contracts":{"products.daily":{"id":"d","version":"1.0.0","status":"active",
    "object":"daily","columns":[{"name":"total"},{"name":"area"},{"name":"gone"}]}}"#;
