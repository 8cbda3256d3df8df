//! Reads on record (P12): before the first row, whatever comes of them, and for good.

use std::sync::{Arc, OnceLock};

use arrow::{
    array::{Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lakebed_catalog::Catalog;
use lakebed_core::{DatasetRef, Identity};
use lakebed_service::{
    Asked, Ctx, Detail, DiffRequest, Error, Lake, NoProgress, QueryRequest, ReadBody, ReadEnding,
    ReadOutcome, StoredRead,
    engine::{
        Described, Engine, EngineError, Prepared, QueryJob, QueryLimits, QueryStream, StatementKind,
    },
};
use lakebed_store::Store;
use lakebed_testkit::{FrozenClock, NoEngine, TestLake};

/// Takes every statement for the name of what it reads, and answers with three rows; before the first
/// of them it looks what is on record.
#[derive(Debug, Default)]
struct Looks {
    catalog: OnceLock<Catalog>,
    seen: Arc<OnceLock<usize>>,
}

#[async_trait]
impl Engine for Looks {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        let invalid = || EngineError::Invalid { message: "no".to_owned(), hint: None };
        let references = vec![sql.trim_end_matches('!').parse().map_err(|_| invalid())?];
        Ok(Prepared {
            kind: StatementKind::Query,
            references,
            system: Vec::new(),
            placeholders: Vec::new(),
        })
    }

    async fn run(&self, job: QueryJob, _: &Store) -> Result<QueryStream, EngineError> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let numbers = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]).unwrap();
        let (catalog, seen) = (self.catalog.get().cloned(), Arc::clone(&self.seen));
        let first = async move {
            if let Some(catalog) = catalog {
                let found = catalog.reads_between(0, u64::MAX, 100).await.unwrap();
                let _ = seen.set(found.len());
            }
            Ok(rows)
        };
        let fails = job.sql.ends_with('!');
        let then = async move {
            let message = "a value could not be computed".to_owned();
            match fails {
                true => Err(EngineError::Failed { message }),
                false => Err(EngineError::Exhausted { message: "the end".to_owned() }),
            }
        };
        let batches = match fails {
            true => stream::once(first).chain(stream::once(then)).boxed(),
            false => stream::once(first).boxed(),
        };
        Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        NoEngine.lineage(job).await
    }
}

struct World {
    test: TestLake,
    engine: Arc<Looks>,
}

async fn world(test: impl AsyncFnOnce(Arc<dyn Engine>) -> TestLake) -> World {
    let engine = Arc::new(Looks::default());
    let test = test(Arc::clone(&engine) as Arc<dyn Engine>).await;
    test.ingest("a.b", "a.csv", "n\n1\n2\n3\n").await.unwrap();
    World { test, engine }
}

async fn anywhere() -> World {
    world(async |engine| TestLake::with_engine(engine).await).await
}

fn request(sql: &str) -> QueryRequest {
    QueryRequest { sql: sql.to_owned(), ..QueryRequest::default() }
}

/// Everything on record, read by somebody else.
async fn on_record(lake: &Lake) -> Vec<StoredRead> {
    let found = lake.catalog().reads_between(0, u64::MAX, 1000).await.unwrap();
    let read = |record: &lakebed_catalog::ReadRecord| StoredRead {
        seq: record.number,
        at: record.record.at,
        read: record.record.read.clone(),
        principal: record.record.principal.clone(),
        body: serde_json::from_str(&record.record.body).unwrap(),
    };
    found.iter().map(read).collect()
}

async fn outcome(lake: &Lake, id: &str) -> ReadOutcome {
    let records = on_record(lake).await;
    let found = records.into_iter().filter(|record| record.read == id);
    let mut outcomes = found.filter_map(|record| match record.body {
        ReadBody::Outcome(outcome) => Some(*outcome),
        ReadBody::Intent(_) => None,
    });
    outcomes.next().expect("an outcome")
}

/// P12: what is read is on record, durable, before its first row; what came of it after the last.
#[tokio::test]
async fn p12_a_read_is_on_record_before_its_first_row() {
    let World { test, engine } = anywhere().await;
    engine.catalog.set(test.lake.catalog().clone()).unwrap();
    let answer = test.lake.query(&test.ctx(), request("a.b")).await.unwrap();
    let id = answer.statement_id.clone();
    let rows: Vec<RecordBatch> = answer.stream.batches.try_collect().await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
    assert_eq!(engine.seen.get(), Some(&1), "the intent, and no outcome");

    let receipt = test.lake.receipt(&test.ctx(), &id).await.unwrap();
    assert_eq!(receipt.sql, "a.b");
    assert_eq!(receipt.asker.principal.as_str(), "local:test");
    assert_eq!(receipt.versions.len(), 1);
    assert!(receipt.versions[0].version_id.is_some(), "its owner reads all of it");
    let outcome = receipt.outcome.expect("it has ended");
    assert_eq!((outcome.ending, outcome.rows, outcome.bytes), (ReadEnding::Allowed, 3, 27));
    assert!(outcome.result.is_some());

    let records = on_record(&test.lake).await;
    assert_eq!(records.len(), 2);
    let ReadBody::Intent(intent) = &records[0].body else { panic!("the intent comes first") };
    assert!(matches!(&intent.asked, Asked::Statement { sql, .. } if sql == "a.b"));
}

/// P12: what was refused, what failed on the way and what nobody waited for, too.
#[tokio::test]
async fn p12_however_a_read_ends_it_is_on_record() {
    let World { test, .. } = anywhere().await;
    let lake = &test.lake;
    let stranger = Ctx::new(Identity::of("eve".parse().unwrap()), "request-7");
    assert!(matches!(
        lake.query(&stranger, request("a.b")).await,
        Err(Error::NotFound { .. } | Error::Forbidden { .. })
    ));
    assert!(lake.query(&test.ctx(), request("no statement")).await.is_err());

    let answer = lake.query(&test.ctx(), request("a.b!")).await.unwrap();
    let failed = answer.statement_id.clone();
    assert!(answer.stream.batches.try_collect::<Vec<_>>().await.is_err());

    let mut answer = lake.query(&test.ctx(), request("a.b")).await.unwrap();
    let left = answer.statement_id.clone();
    answer.stream.batches.next().await.expect("rows").unwrap();
    drop(answer);

    let answer = lake.query(&test.ctx(), request("a.b")).await.unwrap();
    let unread = answer.statement_id.clone();
    drop(answer);

    let receipt = lake.receipt(&test.ctx(), &left).await.unwrap();
    let told = receipt.outcome.expect("it has ended");
    assert_eq!((told.ending, told.rows, told.result), (ReadEnding::Cancelled, 3, None));
    assert_eq!(outcome(lake, &failed).await.ending, ReadEnding::Failed);
    assert_eq!(outcome(lake, &failed).await.code.as_deref(), Some("sql-failed"));
    assert_eq!(outcome(lake, &unread).await.ending, ReadEnding::Cancelled);

    let denied: Vec<_> = on_record(lake)
        .await
        .into_iter()
        .filter(|record| record.principal == "eve")
        .map(|record| record.body)
        .collect();
    assert_eq!(denied.len(), 2, "asked, and denied");
    assert!(matches!(&denied[1], ReadBody::Outcome(o) if o.ending == ReadEnding::Denied));
    // Nobody else has a receipt of it, and nobody can tell it from one that is not there.
    let theirs = lake.receipt(&stranger, &left).await.expect_err("not hers").to_string();
    let none = lake.receipt(&stranger, &left.replace(['0', '1'], "2")).await.expect_err("none");
    let (shown, given) = (theirs.replace(&left, ""), none.to_string());
    assert_eq!(shown, given.replace(&left.replace(['0', '1'], "2"), ""));
}

/// Bytes of objects are reads as well.
#[tokio::test]
async fn p12_bytes_of_an_object_are_read_on_record() {
    let World { test, .. } = anywhere().await;
    let ctx = test.ctx();
    let reference = "a.b".parse().unwrap();
    let found = test.lake.resolve(&ctx, &[reference], Detail::Full).await.unwrap();
    let object = found.versions[0].detail.as_ref().unwrap().tables[0].object;
    let object = test.lake.find_object(&ctx, object.id).await.unwrap();
    let bytes: Vec<Bytes> =
        test.lake.read_object(&ctx, &object, 0..object.size_bytes).try_collect().await.unwrap();
    let size: usize = bytes.iter().map(Bytes::len).sum();
    test.lake.query(&ctx, request("a.b")).await.unwrap();
    let records = on_record(&test.lake).await;
    let is_it = |record: &&StoredRead| {
        let ReadBody::Intent(intent) = &record.body else { return false };
        matches!(intent.asked, Asked::Object { object: id } if id == object.id)
    };
    let found = records.iter().find(is_it).expect("the object's intent");
    let told = outcome(&test.lake, &found.read).await;
    assert_eq!((told.ending, told.bytes), (ReadEnding::Allowed, size as u64));
}

/// P12: a read that cannot be put on record does not take place.
#[tokio::test]
async fn p12_what_cannot_be_put_on_record_is_not_read() {
    let World { test, engine } = world(async |engine| {
        let place = lakebed_testkit::TestPlace::on(lakebed_testkit::TestBackend::SqliteFolder);
        TestLake::in_place(place, engine).await
    })
    .await;
    std::fs::create_dir(test.root().join("lakebed-reads.db")).unwrap();
    let refused = test.lake.query(&test.ctx(), request("a.b")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(engine.seen.get(), None, "no row was asked for");
    std::fs::remove_dir(test.root().join("lakebed-reads.db")).unwrap();
    test.lake.query(&test.ctx(), request("a.b")).await.expect("it can be put on record again");
}

/// P9: whoever loses the file with the records has them in segments.
#[tokio::test]
async fn p9_records_of_reads_come_back_from_their_segments() {
    let World { mut test, engine } = world(async |engine| {
        let place = lakebed_testkit::TestPlace::on(lakebed_testkit::TestBackend::SqliteFolder);
        TestLake::in_place(place, engine).await
    })
    .await;
    let answer = test.lake.query(&test.ctx(), request("a.b")).await.unwrap();
    let id = answer.statement_id.clone();
    answer.stream.batches.try_collect::<Vec<_>>().await.unwrap();
    let before = test.lake.receipt(&test.ctx(), &id).await.unwrap();
    let records = on_record(&test.lake).await;
    test.lake.close().await;
    assert!(test.root().join("audit/000000000001.json").is_file());
    for file in ["lakebed-reads.db", "lakebed-reads.db-wal", "lakebed-reads.db-shm"] {
        let _ = std::fs::remove_file(test.root().join(file));
    }
    let open = async |test: &TestLake| {
        let engine = Arc::clone(&engine) as Arc<dyn Engine>;
        Lake::open(test.config(), engine, Arc::new(FrozenClock::default())).await.unwrap()
    };
    let again = open(&test).await;
    assert_eq!(again.receipt(&test.ctx(), &id).await.unwrap(), before);
    assert_eq!(on_record(&again).await, records);
    // And it goes on from there.
    again.query(&test.ctx(), request("a.b")).await.unwrap();
    again.close().await;
    assert!(test.root().join("audit/000000000002.json").is_file());

    // Who edits a record, in a segment or in the database, is found out.
    let third = open(&test).await;
    let whole = third.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert!(whole.findings.is_empty(), "{:?}", whole.findings);
    third.close().await;
    let path = test.root().join("audit/000000000001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("local:test", "local:eve1")).unwrap();
    test.damaged();
    let fourth = open(&test).await;
    let found = fourth.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    let told: Vec<&str> = found.findings.iter().map(|finding| finding.what.as_str()).collect();
    assert!(told.contains(&"audit segment 1"), "{told:?}");
}

/// Many at once share their writes, and none is lost or twice.
#[tokio::test(flavor = "multi_thread")]
async fn p12_many_readers_at_once_are_all_on_record() {
    let World { test, .. } = anywhere().await;
    let reads = (0..40).map(|_| {
        let (lake, ctx) = (test.lake.clone(), test.ctx());
        tokio::spawn(async move {
            let answer = lake.query(&ctx, request("a.b")).await.unwrap();
            let id = answer.statement_id.clone();
            answer.stream.batches.try_collect::<Vec<_>>().await.unwrap();
            id
        })
    });
    let mut ids = Vec::new();
    for read in reads {
        ids.push(read.await.unwrap());
    }
    for id in &ids {
        let receipt = test.lake.receipt(&test.ctx(), id).await.unwrap();
        assert_eq!(receipt.outcome.expect("an end").ending, ReadEnding::Allowed);
    }
    let numbers: Vec<u64> = on_record(&test.lake).await.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, (1..=80).collect::<Vec<_>>());
}

/// What is told of data otherwise than by rows is read, too: profiles, differences, where files are.
#[tokio::test]
async fn p12_profiles_differences_and_files_are_read_on_record() {
    let World { test, .. } = anywhere().await;
    test.ingest("a.b", "a.csv", "n\n1\n2\n4\n").await.unwrap();
    let (lake, ctx) = (&test.lake, test.ctx());
    let reference = |text: &str| text.parse::<DatasetRef>().unwrap();
    lake.profile(&ctx, reference("a.b")).await.unwrap();
    let diff = DiffRequest {
        from: reference("a.b@v1"),
        to: reference("a.b@v2"),
        key: Vec::new(),
        show: 0,
        limits: QueryLimits::default(),
    };
    lake.diff(&ctx, diff).await.unwrap();
    lake.resolve(&ctx, &[reference("a.b")], Detail::Full).await.unwrap();
    lake.resolve(&ctx, &[reference("a.b")], Detail::None).await.unwrap();
    let stranger = Ctx::new(Identity::of("eve".parse().unwrap()), "request-7");
    lake.profile(&stranger, reference("a.b")).await.unwrap_err();
    let told: Vec<String> = on_record(lake)
        .await
        .into_iter()
        .map(|record| match record.body {
            ReadBody::Intent(intent) => {
                format!(
                    "{}: {} of {}",
                    record.principal,
                    intent.asked.kind(),
                    intent.versions.len()
                )
            }
            ReadBody::Outcome(outcome) => outcome.ending.as_str().to_owned(),
        })
        .collect();
    let expected = [
        "local:test: profile of 1",
        "allowed",
        "local:test: diff of 2",
        "allowed",
        "local:test: files of 1",
        "allowed",
        "eve: profile of 0",
        "denied",
    ];
    assert_eq!(told, expected);
}
