//! Builds of products: several at once make one version of the same inputs (P4), cut off anywhere they
//! leave old or new, and what they read is on record however they end (P12).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use arrow::datatypes::{DataType, Field, IntervalUnit, Schema};
use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use lakebed_core::{DatasetName, Declared, Grant, LockedInput, Product, Refresh, Served, Target};
use lakebed_service::{
    ApplyCatalog, Asked, BuildOutcome, BuildRequest, Detail, Error, IngestStatus, Lake, Looked,
    NoProgress, Progress, ProgressSink, ReadBody, ReadEnding, Result,
    engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream},
};
use lakebed_store::Store;
use lakebed_testkit::TestLake;

use crate::{
    cut_off::{self, Change},
    lineage::{PRODUCTS, Toy, World, ctx},
    promotions::{Meanwhile, promotion},
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

/// A build of what moved.
struct Building;

impl Change for Building {
    type World = World;

    async fn world(&self) -> World {
        stale().await
    }

    fn lake(world: &World) -> &TestLake {
        &world.test
    }

    async fn make(&self, _: &World, lake: &Lake) -> Result<String> {
        Ok(build(lake, None).await?.made.version.version_id.to_string())
    }

    async fn check(&self, world: &World, lake: &Lake, made: &str, what: &str) {
        let seen = lake.dataset(&world.test.ctx(), &daily()).await.unwrap().record.newest.unwrap();
        let is_new = seen.number == 2 && seen.version_id.to_string() == made;
        assert!(seen.number == 1 || is_new, "{what}: {seen:?}");
        let again = build(lake, None).await.unwrap_or_else(|error| panic!("{what}: {error}")).made;
        assert_eq!((again.version.number, &*again.version.version_id.to_string()), (2, made));
        let expected = if is_new { IngestStatus::Unchanged } else { IngestStatus::Committed };
        assert_eq!(again.status, expected, "{what}");
        let (asked, _) = builds_on_record(lake, 2).await;
        assert!(!asked.is_empty(), "{what}: nothing says what was read");
    }
}

/// P4: whatever dies when, a product is the old version or the new one.
#[tokio::test(flavor = "multi_thread")]
async fn p4_a_build_cut_off_anywhere_leaves_old_or_new() {
    let (writes, points) = cut_off::everywhere(&Building).await;
    let journaled = writes.iter().position(|write| write.starts_with("create journal/"));
    assert!(journaled.expect("a segment") >= 4 && points.len() >= 4, "{writes:?} {points:?}");
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

/// What is declared, changed.
async fn redeclare(test: &TestLake, change: impl FnOnce(&mut Declared)) {
    let owner = test.ctx();
    let before = test.lake.declared_catalog(&owner).await.unwrap();
    let mut declared = before.declared;
    change(&mut declared);
    let expected = before.declaration.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&owner, request).await.unwrap();
}

fn grant(to: &str, may: &str, on: &str) -> Grant {
    let on: Target = on.parse().unwrap();
    let (may, on) = (serde_json::json!([may]), serde_json::to_value(on).unwrap());
    let grant = serde_json::json!({ "to": to, "may": may, "on": on, "from_stage": "raw" });
    serde_json::from_value(grant).unwrap()
}

fn pin(reference: &str, version_id: &str) -> LockedInput {
    let version_id = version_id.parse().unwrap();
    LockedInput { reference: reference.parse().unwrap(), version: 0, version_id }
}

/// P7: which versions there are of inputs that one may not read is confirmed to nobody who guesses.
#[tokio::test]
async fn p7_pins_are_for_those_who_may_read_them() {
    let world = stale().await;
    let test = &world.test;
    let grants = [
        grant("ines", "ingest", "products.*"),
        grant("dan", "ingest", "products.*"),
        grant("dan", "discover", "sales.*"),
    ];
    redeclare(test, |declared| declared.grants.extend(grants)).await;
    let regions = world.version_id("sales.regions").await;
    let (old, new) =
        (world.version_id("sales.orders@v1").await, world.version_id("sales.orders").await);
    for who in ["ines", "dan"] {
        let mut answers = Vec::new();
        for orders in [&old, &new, &regions] {
            let locked = vec![pin("sales.orders", orders), pin("sales.regions", &regions)];
            let request = BuildRequest { product: daily(), locked: Some(locked) };
            let told = test.lake.build(&ctx(who), request, Arc::new(NoProgress)).await;
            answers.push(told.unwrap_err());
        }
        let words: Vec<String> = answers.iter().map(ToString::to_string).collect();
        assert!(words.iter().all(|told| *told == words[0] && !told.contains(&old)), "{words:?}");
        let code = if who == "ines" { "not-found" } else { "forbidden" };
        assert_eq!(answers[0].code(), code);
        assert_eq!(newest(test).await, (1, 1), "{who}");
    }
    let locked = vec![pin("sales.orders", &old), pin("sales.regions", &regions)];
    let built = build(&test.lake, Some(locked)).await.unwrap();
    assert_eq!(built.made.status, IngestStatus::Unchanged);
    // Who builds of what there is needs no sight of it, and is told nothing of it.
    let request = BuildRequest { product: daily(), locked: None };
    let made = test.lake.build(&ctx("ines"), request, Arc::new(NoProgress)).await.unwrap();
    assert!(made.inputs.is_empty());
}

/// Declares stages, and that [`daily`] is made of what came to `validated`.
async fn made_of_what_is_validated(test: &TestLake, change: impl FnOnce(&mut Product)) {
    let ladder = r#"{"stages":[{"name":"raw"},{"name":"validated"},{"name":"product"}]}"#;
    redeclare(test, |declared| {
        declared.stages = serde_json::from_str(ladder).unwrap();
        let product = declared.products.get_mut(&daily()).unwrap();
        product.input_stage = "validated".parse().unwrap();
        change(product);
    })
    .await;
}

/// A product is made of what came to its stage, also by a lock: of versions that are or were head there.
#[tokio::test]
async fn p8_pins_came_to_the_stage_of_the_product() {
    let world = World::new().await;
    let test = &world.test;
    made_of_what_is_validated(test, |_| {}).await;
    let first = promotion(&["sales.orders", "sales.regions"], "validated");
    test.lake.promote(&test.ctx(), &first).await.unwrap();
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    let regions = world.version_id("sales.regions").await;
    let (old, new) =
        (world.version_id("sales.orders@v1").await, world.version_id("sales.orders").await);

    let locked = vec![pin("sales.orders", &new), pin("sales.regions", &regions)];
    let refused = build(&test.lake, Some(locked)).await.unwrap_err();
    assert_eq!(refused.code(), "stage-not-reached");
    assert_eq!(
        refused.to_string(),
        "the lock pins `sales.orders` to v2, which never came to `validated`: `products.daily` is made \
         of what did"
    );
    let unlocked = vec![pin("sales.regions", &regions)];
    let refused = build(&test.lake, Some(unlocked)).await.unwrap_err();
    assert_eq!(refused.code(), "not-locked");
    assert_eq!(refused.hint().unwrap(), "`lakebed lock sales.orders@validated` adds it");

    // A lock that says at which stage is what such a product reads, whatever else is pinned.
    let locked = vec![
        pin("sales.orders", &new),
        pin("sales.orders@validated", &old),
        pin("sales.regions@validated", &regions),
    ];
    build(&test.lake, Some(locked)).await.unwrap();
    assert_eq!(newest(test).await.1, 1);
    let second = promotion(&["sales.orders"], "validated");
    test.lake.promote(&test.ctx(), &second).await.unwrap();
    build(&test.lake, None).await.unwrap();
    assert_eq!(newest(test).await.1, 2);
    // What was head there once is as good, also where the reference says no stage.
    let locked = vec![pin("sales.orders", &old), pin("sales.regions", &regions)];
    build(&test.lake, Some(locked)).await.unwrap();
    assert_eq!(newest(test).await.1, 1);
}

/// An engine whose statements give no row, and do not end; it knows whether one is waited for.
#[derive(Debug, Default)]
struct Endless(Arc<AtomicBool>);

#[async_trait]
impl Engine for Endless {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        Toy.prepare(sql)
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        let QueryStream { schema, columns, unstable, .. } = Toy.run(job, store).await?;
        let is_under_way = UnderWay(Arc::clone(&self.0));
        // Not before somebody waits for a row: what ends it then is no look between two.
        let batches = stream::poll_fn(move |_| {
            is_under_way.0.store(true, Ordering::SeqCst);
            Poll::Pending
        });
        Ok(QueryStream { schema, batches: batches.boxed(), columns, unstable })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        Toy.lineage(job).await
    }
}

/// A statement, until it is dropped.
struct UnderWay(Arc<AtomicBool>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Wants to go on until the statement is under way.
struct OnceUnderWay(Arc<AtomicBool>);

impl ProgressSink for OnceUnderWay {
    fn report(&self, _progress: Progress) {}

    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whoever gives a build up ends its statement, also while that gives no row.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_given_up_ends_its_statement() {
    let world = stale().await;
    let is_under_way = Arc::<AtomicBool>::default();
    let engine = Endless(Arc::clone(&is_under_way));
    let lake = world.test.reopen_with(Arc::new(engine)).await.unwrap();
    let request = BuildRequest { product: daily(), locked: None };
    let sink = Arc::new(OnceUnderWay(Arc::clone(&is_under_way)));
    let carol = ctx("carol");
    let built = lake.build(&carol, request, sink);
    let built = tokio::time::timeout(Duration::from_secs(30), built).await.expect("it ends");
    assert!(matches!(built, Err(Error::Cancelled)), "{built:?}");
    assert!(!is_under_way.load(Ordering::SeqCst), "the statement goes on");
    lake.close().await;
    flush(&world.test).await;
    let (asked, endings) = builds_on_record(&world.test.lake, 2).await;
    assert_eq!((asked.len(), endings), (1, vec![(ReadEnding::Cancelled, 0)]));
}

/// What refuses a build is told by product, column and rule, with what helps there: it has no file that
/// could be read otherwise.
#[tokio::test]
async fn what_refuses_a_build_is_told_as_of_a_build() {
    let world = stale().await;
    world.declare(&PRODUCTS, REFUSES).await;
    let refused = build(&world.test.lake, None).await.unwrap_err();
    let (told, hint) = (refused.to_string(), refused.hint().unwrap());
    let unfit = "`products.daily` was not built: contract `d` 1.0.0 does not fit the columns";
    assert!(told.starts_with(unfit) && !hint.contains("file"), "{told}: {hint}");
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 2.0.0\n\
        status: active\nschema:\n- name: daily\n  properties:\n  - { name: total, logicalType: integer, \
        logicalTypeOptions: { maximum: 0 } }\n  - { name: area, logicalType: integer }\n";
    let contract = lakebed_contract::read_contract("c.yaml", text, None).unwrap().contract;
    redeclare(&world.test, |declared| {
        declared.contracts.insert(daily(), contract);
    })
    .await;
    let refused = build(&world.test.lake, None).await.unwrap_err();
    let (told, hint) = (refused.to_string(), refused.hint().unwrap());
    for word in ["`products.daily` was not built: all 1 rows", " of the answer", "total.maximum"] {
        assert!(told.contains(word), "{told}");
    }
    assert!(hint.starts_with("`lakebed quarantine --event ") && !hint.contains("--plan"), "{hint}");
}

/// P7: what is wrong below is told to whoever may read all of it, by the name of whose statement it is; to
/// build takes no such right.
#[tokio::test]
async fn p7_why_nothing_was_built_is_for_those_who_may_read_it() {
    let world = stale().await;
    redeclare(&world.test, |declared| {
        declared.grants.insert(grant("ines", "ingest", "products.*"));
        declared.grants.insert(grant("ines", "read", "products.*"));
        declared.products.get_mut(&daily()).unwrap().served = Served::Live;
    })
    .await;
    // The live version was made when it was declared: something moves again.
    world.orders("3,30,4,c\n").await;
    let lake = world.test.reopen_with(Arc::new(Broken(Breaks::Planning))).await.unwrap();
    let told = async |who: &str, name: &str| {
        let request = BuildRequest { product: name.parse().unwrap(), locked: None };
        lake.build(&ctx(who), request, Arc::new(NoProgress)).await.unwrap_err()
    };
    assert_eq!(
        told("carol", "products.best").await.to_string(),
        "`products.best` was not built: `products.daily` is served live, and cannot be computed now: \
         `4711` is no number"
    );
    let own = told("carol", DAILY).await.to_string();
    assert_eq!(own, "`products.daily` was not built: `4711` is no number");
    for name in ["products.best", DAILY] {
        let (ines, hint) = (told("ines", name).await, told("ines", name).await.hint());
        assert_eq!(
            ines.to_string(),
            format!("`{name}` was not built: the statement of this product could not be computed")
        );
        assert_eq!(hint.unwrap(), "whoever may read all that it is made of is told why");
    }
    lake.close().await;
}

/// A product that follows its inputs follows them back, too, within the hour: what was made of the same
/// before gave way to something else.
#[tokio::test]
async fn a_refresh_follows_its_inputs_back() {
    let world = World::new().await;
    let test = &world.test;
    made_of_what_is_validated(test, |product| product.refresh = Refresh::OnChange).await;
    let promote = async |references: &[&str]| {
        let promotion = promotion(references, "validated");
        test.lake.promote(&test.ctx(), &promotion).await.unwrap();
    };
    // As a server does it; the clock of the test stands still.
    let follow = async |looked: &mut Looked| {
        for (by, request) in test.lake.due_builds(looked).await.unwrap() {
            let made = test.lake.build(&by, request, Arc::new(NoProgress)).await.unwrap().made;
            assert_eq!(made.status, IngestStatus::Committed, "{:?}", by.idempotency_key);
        }
        newest(test).await
    };
    let mut looked = Looked::default();
    promote(&["sales.orders@v1", "sales.regions"]).await;
    let (first, orders) = follow(&mut looked).await;
    assert_eq!(orders, 1);
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    assert_eq!(follow(&mut looked).await, (first, 1), "it has not come to the stage");
    for (number, orders) in (first + 1..).zip([2, 1, 2, 1]) {
        promote(&[&format!("sales.orders@v{orders}")]).await;
        assert_eq!(follow(&mut looked).await, (number, orders));
        assert_eq!(follow(&mut looked).await, (number, orders), "once");
    }
    assert!(test.lake.due_builds(&mut Looked::default()).await.unwrap().is_empty());
}

/// What was promised of a product's newest version outlives its declaration: who declares it anew, with
/// less, is told who counts on it.
#[tokio::test]
async fn a_product_that_is_declared_anew_keeps_its_promise() {
    let world = World::new().await;
    let lake = &world.test.lake;
    let promise = |version: &str, columns: serde_json::Value| {
        serde_json::json!({"id": "d", "version": version, "status": "active", "object": "daily",
            "columns": columns})
    };
    let all = || serde_json::json!([{"name": "total"}, {"name": "area"}]);
    let contracts = serde_json::json!({"products.daily": promise("1.0.0", all())});
    world.declare(&PRODUCTS, &format!(r#","contracts":{contracts}"#)).await;
    world.build(DAILY).await;
    let owner = world.test.ctx();
    let before = lake.declared_catalog(&owner).await.unwrap().declared.products[&daily()].clone();
    world.declare(&PRODUCTS[1..], "").await;

    let anew = async |contract: Option<serde_json::Value>| {
        let mut declared = lake.declared_catalog(&owner).await.unwrap().declared;
        declared.products.insert(daily(), before.clone());
        if let Some(contract) = contract {
            declared.contracts.insert(daily(), serde_json::from_value(contract).unwrap());
        }
        lake.plan_catalog(&owner, &declared).await
    };
    let less = || serde_json::json!([{"name": "total"}]);
    for (contract, why) in [
        (Some(promise("1.1.0", less())), "breaks a promise (`area` was removed)"),
        (None, "goes, and with it all that it promised"),
    ] {
        let refused = anew(contract).await.unwrap_err();
        assert_eq!(refused.code(), "breaks-consumers");
        let told = refused.to_string();
        for word in ["the contract of `products.daily`", why, "made of it are `products.best`"] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
    for contract in [promise("1.0.0", all()), promise("2.0.0", less())] {
        anew(Some(contract)).await.unwrap();
    }
}

/// An engine whose answers have a column of spans of time.
#[derive(Debug)]
struct Spans;

#[async_trait]
impl Engine for Spans {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        Toy.prepare(sql)
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        let QueryStream { columns, unstable, .. } = Toy.run(job, store).await?;
        let span = Field::new("total", DataType::Interval(IntervalUnit::MonthDayNano), true);
        let schema = Arc::new(Schema::new(vec![span]));
        Ok(QueryStream { schema, batches: stream::empty().boxed(), columns, unstable })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        Toy.lineage(job).await
    }
}

/// A column that no file holds is refused, by its name and without a word of where the lake is; and so
/// it is of a product that is served live.
#[tokio::test]
async fn a_column_that_cannot_be_kept_is_refused() {
    let world = stale().await;
    let lake = world.test.reopen_with(Arc::new(Spans)).await.unwrap();
    let count = async || lake.catalog().history(&daily(), None, 100).await.unwrap().len();
    for served in [Served::Materialized, Served::Live] {
        if served == Served::Live {
            redeclare(&world.test, |declared| {
                declared.products.get_mut(&daily()).unwrap().served = Served::Live;
            })
            .await;
            world.orders("3,30,4,c\n").await;
        }
        let before = count().await;
        let refused = build(&lake, None).await.unwrap_err();
        assert_eq!(refused.code(), "unsupported-type", "{served:?}: {refused}");
        assert_eq!(
            refused.to_string(),
            "`products.daily` was not built: column `total` has a type that cannot be kept: \
             Interval(MonthDayNano)"
        );
        assert_eq!(refused.hint().unwrap(), "cast it in the statement");
        assert_eq!(count().await, before, "{served:?}");
    }
    lake.close().await;
}
