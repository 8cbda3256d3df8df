//! Several at once: one version for the same bytes, one order for different ones.

use std::{collections::BTreeSet, sync::Arc};

use lakebed_core::{DecodeOptions, IngestMode};
use lakebed_service::{NoProgress, Result};
use lakebed_testkit::{TestLake, request_of};

/// Each writer has the lake open for itself, as another process would.
async fn ingest_at_once(test: &TestLake, files: Vec<String>, mode: IngestMode) -> Vec<Result<u64>> {
    let mut tasks = Vec::new();
    for (index, bytes) in files.into_iter().enumerate() {
        let lake = test.reopen().await.expect("the lake opens");
        let path = test.file(&format!("{index}.csv"), bytes);
        let ctx = test.ctx();
        let request = request_of("a.b", "x.csv", &path, mode, DecodeOptions::default());
        tasks.push(tokio::spawn(async move {
            let outcome = lake.ingest(&ctx, request, Arc::new(NoProgress)).await;
            lake.close().await;
            outcome.map(|outcome| outcome.version.number)
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("it ran"));
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_at_once_are_one_version() {
    let test = TestLake::new().await;
    let files = vec!["id\n1\n2\n".to_owned(); 6];
    let numbers = ingest_at_once(&test, files, IngestMode::Replace).await;
    assert!(numbers.iter().all(|number| matches!(number, Ok(1))), "{numbers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn different_bytes_at_once_are_versions_in_one_order() {
    for mode in [IngestMode::Replace, IngestMode::Append] {
        let test = TestLake::new().await;
        let files: Vec<String> = (0..16).map(|index| format!("id\n{index}\n")).collect();
        let numbers = ingest_at_once(&test, files, mode).await;
        let numbers: BTreeSet<u64> = numbers.into_iter().map(|number| number.unwrap()).collect();
        assert_eq!(numbers, (1..=16).collect());
        let newest = test.lake.dataset(&test.ctx(), &"a.b".parse().unwrap()).await.unwrap();
        let rows = newest.record.newest.expect("a version").row_count;
        assert_eq!(rows, if mode == IngestMode::Append { 16 } else { 1 });
        let report = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
        assert_eq!(report.findings, []);
    }
}
