//! P4: a version is visible completely or not at all, whatever dies when.
//!
//! An ingest is cut off before, after and in the middle of every single write it makes, to the
//! store and to the catalog. Whatever is left: every listed version reads and verifies, the same
//! ingest run again makes the version it would have made, and the journal rebuilds the database.

use std::sync::Arc;

use lakebed_core::{DecodeOptions, FormatName, IngestMode};
use lakebed_service::{Lake, NoProbe, NoProgress, SourceInput};
use lakebed_testkit::{
    CrashingProbe, TestLake,
    fault::{Fault, FaultBackend},
    request_of,
};

const FIRST: &str = "id,name\n1,one\n2,two\n";
const SECOND: &str = "id,name\n1,one\n2,two\n3,three\nx,bad\n";
const THIRD: &str = "id,name\n4,four\n";

#[derive(Debug, Clone, Copy)]
enum Case {
    Replace,
    Append,
    NewDataset,
    Files,
    Refused,
}

const CASES: [Case; 5] =
    [Case::Replace, Case::Append, Case::NewDataset, Case::Files, Case::Refused];

impl Case {
    /// The id of the version the case makes, or the code it is refused with.
    async fn run(self, test: &TestLake, lake: &Lake) -> Result<String, lakebed_service::Error> {
        let mut options = DecodeOptions::default();
        let (dataset, mode, bytes) = match self {
            Self::Replace => ("a.b", IngestMode::Replace, SECOND),
            Self::Append => ("a.b", IngestMode::Append, THIRD),
            Self::NewDataset => ("a.new", IngestMode::Replace, SECOND),
            Self::Files => ("a.files", IngestMode::Replace, "any bytes"),
            Self::Refused => ("a.b", IngestMode::Replace, "id,\"name\n1,unclosed\n"),
        };
        if matches!(self, Self::Files) {
            options.format = Some(FormatName::Files);
        } else {
            options.max_quarantined = Some(0.9);
        }
        let path = test.file("case.csv", bytes);
        let request = request_of(dataset, "case.csv", &path, mode, options);
        match lake.ingest(&test.ctx(), request, Arc::new(NoProgress)).await {
            Ok(outcome) => Ok(outcome.version.version_id.to_string()),
            Err(lakebed_service::Error::Refused { code, .. }) => Ok(code.to_owned()),
            Err(error) => Err(error),
        }
    }
}

async fn lake_with_one_version() -> TestLake {
    let test = TestLake::new().await;
    test.ingest("a.b", "first.csv", FIRST).await.expect("the first version");
    test
}

/// What the case makes when nothing goes wrong, and how many points of each kind it passes.
async fn undisturbed(case: Case) -> (String, usize, usize) {
    let test = lake_with_one_version().await;
    let probe = Arc::new(CrashingProbe::at_point(None));
    let mut faults = None;
    let lake = test
        .failing(
            |backend| {
                let wrapped = FaultBackend::new(backend);
                faults = Some(wrapped.clone());
                Arc::new(wrapped)
            },
            Arc::clone(&probe) as _,
        )
        .await
        .expect("the lake opens");
    let made = case.run(&test, &lake).await.expect("nothing went wrong");
    lake.close().await;
    (made, faults.expect("wrapped").points().len(), probe.points().len())
}

/// The lake as the next process finds it: everything listed is whole, and the case, run again,
/// makes what it would have made.
async fn check_aftermath(test: &TestLake, case: Case, made: &str, what: &str) {
    let lake = test.reopen().await.unwrap_or_else(|error| panic!("{what}: cannot reopen: {error}"));
    let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.expect("it verifies");
    assert_eq!(report.findings, [], "{what}: something half-done is visible");
    let again = case.run(test, &lake).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again, made, "{what}: the second run made something else");
    let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.expect("it verifies");
    assert_eq!(report.findings, [], "{what}: the second run left something wrong");
    lake.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_cut_off_at_any_store_write_leaves_old_or_new() {
    for case in CASES {
        let (made, writes, _) = undisturbed(case).await;
        assert!(writes >= 2, "{case:?} writes to the store");
        for point in 0..writes {
            for fault in Fault::ALL {
                let test = lake_with_one_version().await;
                let arm = |backend| {
                    let wrapped = FaultBackend::new(backend);
                    wrapped.crash_at(point, fault);
                    Arc::new(wrapped) as _
                };
                let lake = test.failing(arm, Arc::new(NoProbe)).await.expect("the lake opens");
                let what = format!("{case:?}, store write {point}, {fault:?}");
                let outcome = case.run(&test, &lake).await;
                assert!(outcome.is_err(), "{what}: a crash was not noticed: {outcome:?}");
                lake.close().await;
                check_aftermath(&test, case, &made, &what).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_cut_off_around_any_catalog_write_leaves_old_or_new() {
    for case in CASES {
        let (made, _, points) = undisturbed(case).await;
        for point in 0..points {
            let test = lake_with_one_version().await;
            let probe = Arc::new(CrashingProbe::at_point(Some(point)));
            let lake = test
                .failing(|backend| backend, Arc::clone(&probe) as _)
                .await
                .expect("the lake opens");
            let outcome = case.run(&test, &lake).await;
            let what = format!("{case:?}, {:?}", probe.points().get(point));
            assert!(outcome.is_err(), "{what}: a crash was not noticed");
            lake.close().await;
            check_aftermath(&test, case, &made, &what).await;
        }
    }
}

/// Between commit and journal nobody sees the version; the next process publishes it.
#[tokio::test]
async fn p4_what_is_not_journaled_is_not_visible() {
    let test = lake_with_one_version().await;
    let probe = Arc::new(CrashingProbe::at_point(Some(1)));
    let lake = test.failing(|backend| backend, probe).await.expect("the lake opens");
    Case::Replace.run(&test, &lake).await.expect_err("it crashes after the catalog commit");
    let name = "a.b".parse().expect("a name");
    let seen = lake.dataset(&test.ctx(), &name).await.expect("it exists");
    assert_eq!(seen.record.newest.expect("a version").number, 1);
    lake.close().await;

    let lake = test.reopen().await.expect("the lake opens");
    let seen = lake.dataset(&test.ctx(), &name).await.expect("it exists");
    assert_eq!(seen.record.newest.expect("a version").number, 2);
    lake.close().await;
}

/// P1: what was refused is kept, found by its event, and read back as it came.
#[tokio::test]
async fn p1_refused_sources_are_kept_and_found_again() {
    let test = TestLake::new().await;
    let bytes = "id,\"name\n1,unclosed\n";
    let error = test.ingest("a.b", "bad.csv", bytes).await.expect_err("it is refused");
    assert_eq!(error.code(), "unclosed-quote");
    let events = test.events(0, 10).await;
    let lakebed_core::EventBody::IngestRefused(refused) = &events[0].body else {
        panic!("no refusal: {events:?}")
    };
    assert_eq!(refused.sources[0].name, "bad.csv");
    let kept =
        test.lake.find_object(&test.ctx(), refused.sources[0].object.id).await.expect("kept");
    let read = test.lake.store().get(&kept).await.expect("readable");
    assert_eq!(read, bytes.as_bytes());
    let none = test.lake.dataset(&test.ctx(), &"a.b".parse().expect("a name")).await;
    assert_eq!(none.expect_err("no version, no dataset").code(), "not-found");
}

/// P1: the rows that refused a version are kept beside its sources, and the event names both.
#[tokio::test]
async fn p1_the_rows_that_refuse_a_version_are_kept() {
    let test = TestLake::new().await;
    let mut options = DecodeOptions { max_quarantined: Some(0.2), ..Default::default() };
    options.types.insert("id".to_owned(), lakebed_core::DataType::Long);
    let bytes = "id,name\n1,a\nx,b\ny,c\n4,d\n";
    let error = test
        .ingest_with("a.b", "bad.csv", bytes, IngestMode::Replace, options)
        .await
        .expect_err("it is refused");
    assert_eq!(error.code(), "too-many-quarantined");
    let events = test.events(0, 10).await;
    let lakebed_core::EventBody::IngestRefused(refused) = &events[0].body else {
        panic!("no refusal: {events:?}")
    };
    let [file] = &refused.quarantine[..] else { panic!("one file: {refused:?}") };
    assert_eq!(file.row_count, 2);
    let ids = [refused.sources[0].object, file.object];
    assert!(ids.iter().all(|object| refused.objects.contains(object)));
    let kept = test.lake.find_object(&test.ctx(), file.object.id).await.expect("kept");
    assert_eq!(kept, file.object);
    let read = test.lake.store().get(&kept).await.expect("readable");
    assert!(read.starts_with(b"PAR1") && read.ends_with(b"PAR1"));
    test.lake
        .verify(&test.ctx(), Default::default(), Arc::new(NoProgress))
        .await
        .expect("verified");
}

/// Nobody else can ingest what I uploaded, and what nobody ingested is in no lake.
#[tokio::test]
async fn uploads_belong_to_who_sent_them() {
    let test = TestLake::new().await;
    let stream = Box::pin(futures::stream::iter([Ok(bytes::Bytes::from("a\n1\n"))]));
    let uploaded = test.lake.upload(&test.ctx(), stream).await.expect("uploaded");
    let mut request =
        request_of("a.b", "x.csv", "x".as_ref(), IngestMode::Replace, Default::default());
    request.sources =
        vec![SourceInput::Upload { name: "x.csv".to_owned(), object: uploaded.object }];
    let mut other = test.ctx();
    other.identity.principal = "local:other".parse().expect("a principal");
    let error = test.lake.ingest(&other, request.clone(), Arc::new(NoProgress)).await;
    assert_eq!(error.expect_err("not theirs").code(), "not-found");
    let mine = test.lake.ingest(&test.ctx(), request, Arc::new(NoProgress)).await.expect("mine");
    assert_eq!(mine.version.row_count, 1);
}
