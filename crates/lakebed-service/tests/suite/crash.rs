//! P4: a version is visible completely or not at all, whatever dies when: of an ingest that was cut off
//! anywhere every listed version reads and verifies, and run again it makes the version that it would
//! have made.

use std::sync::Arc;

use lakebed_core::{DecodeOptions, FormatName, IngestMode};
use lakebed_service::{Error, Lake, NoProgress, Result, SourceInput};
use lakebed_testkit::{CrashingProbe, TestLake, request_of};

use crate::cut_off::{self, Change};

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

impl Change for Case {
    type World = TestLake;

    async fn world(&self) -> TestLake {
        let test = TestLake::new().await;
        test.ingest("a.b", "first.csv", FIRST).await.expect("the first version");
        test
    }

    fn lake(world: &TestLake) -> &TestLake {
        world
    }

    /// The id of the version the case makes, or the code it is refused with.
    async fn make(&self, test: &TestLake, lake: &Lake) -> Result<String> {
        let mut options = DecodeOptions::default();
        let (dataset, mode, bytes) = match self {
            Self::Replace => ("a.b", IngestMode::Replace, SECOND),
            Self::Append => ("a.b", IngestMode::Append, THIRD),
            Self::NewDataset => ("a.new", IngestMode::Replace, SECOND),
            Self::Files => ("a.files", IngestMode::Replace, "any bytes"),
            Self::Refused => ("a.b", IngestMode::Replace, "id,\"name\n1,unclosed\n"),
        };
        match self {
            Self::Files => options.format = Some(FormatName::Files),
            _ => options.max_quarantined = Some(0.9),
        }
        let path = test.file("case.csv", bytes);
        let request = request_of(dataset, "case.csv", &path, mode, options);
        match lake.ingest(&test.ctx(), request, Arc::new(NoProgress)).await {
            Ok(outcome) => Ok(outcome.version.version_id.to_string()),
            Err(Error::Refused { code, .. }) => Ok(code.to_owned()),
            Err(error) => Err(error),
        }
    }

    async fn check(&self, test: &TestLake, lake: &Lake, made: &str, what: &str) {
        cut_off::check_whole(test, lake, what).await;
        let again = self.make(test, lake).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(again, made, "{what}: the second run made something else");
    }
}

/// A test for each case, so that they run beside each other.
async fn cut_off_anywhere(case: Case) {
    let (writes, points) = cut_off::everywhere(&case).await;
    assert!(writes.len() >= 2 && points.len() >= 2, "{case:?}: {writes:?} {points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_replacement_cut_off_anywhere_leaves_old_or_new() {
    cut_off_anywhere(Case::Replace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_an_append_cut_off_anywhere_leaves_old_or_new() {
    cut_off_anywhere(Case::Append).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_new_dataset_cut_off_anywhere_is_there_or_not() {
    cut_off_anywhere(Case::NewDataset).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_files_cut_off_anywhere_are_there_or_not() {
    cut_off_anywhere(Case::Files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_refusal_cut_off_anywhere_is_on_record_or_not() {
    cut_off_anywhere(Case::Refused).await;
}

/// Between commit and journal nobody sees the version; the next process publishes it.
#[tokio::test]
async fn p4_what_is_not_journaled_is_not_visible() {
    let test = Case::Replace.world().await;
    let probe = Arc::new(CrashingProbe::at_point(Some(1)));
    let lake = test.failing(|backend| backend, probe).await.expect("the lake opens");
    Case::Replace.make(&test, &lake).await.expect_err("it crashes after the catalog commit");
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
