//! P9: the journal outlives the database, and the two are never mixed up.

use lakebed_service::{Error, LakeConfig, OpenMode, Segment, SystemClock, rebuild};
use lakebed_testkit::{TestLake, config_of};

async fn lake_with_versions(count: usize) -> TestLake {
    with_versions(TestLake::new().await, count).await
}

/// A folder lake, for tests that reach into its files.
async fn folder_with_versions(count: usize) -> TestLake {
    with_versions(TestLake::in_folder().await, count).await
}

async fn with_versions(test: TestLake, count: usize) -> TestLake {
    for index in 0..count {
        test.ingest("a.b", "x.csv", &format!("id\n{index}\n")).await.expect("a version");
    }
    test
}

fn last_segment(test: &TestLake, number: u64) -> std::path::PathBuf {
    test.root().join(Segment::key(number))
}

/// Objects and segments are written read-only.
fn overwrite(path: &std::path::Path, bytes: &[u8]) {
    std::fs::remove_file(path).expect("it is there");
    std::fs::write(path, bytes).expect("written");
}

async fn stopped(test: &TestLake) -> String {
    match test.reopen().await {
        Err(Error::Stopped { message, .. }) => message,
        other => panic!("the lake did not stop: {:?}", other.err()),
    }
}

/// The lake with another database, empty at first.
fn with_second_database(test: &TestLake) -> LakeConfig {
    LakeConfig { catalog_url: Some(test.place.second_catalog_url("second")), ..test.config() }
}

async fn open(config: LakeConfig) -> Result<lakebed_service::Lake, Error> {
    let engine = std::sync::Arc::new(lakebed_testkit::NoEngine);
    lakebed_service::Lake::open(config, engine, std::sync::Arc::new(SystemClock)).await
}

/// P9: the database is lost, rebuilt, and every question has the same answer.
#[tokio::test]
async fn p9_another_database_is_made_from_the_journal() {
    let test = lake_with_versions(3).await;
    let before = test.lake.catalog().export().await.expect("an export");
    let config = with_second_database(&test);
    let error = open(config.clone()).await.expect_err("it is empty");
    assert_eq!(error.to_string(), "the journal goes on after segment 0, where this database ends");
    let report = rebuild(config.clone(), &SystemClock).await.expect("rebuilt");
    assert_eq!((report.versions, report.datasets, report.dropped_torn_segment), (3, 1, false));
    let lake = open(config).await.expect("it opens");
    assert_eq!(lake.catalog().export().await.expect("an export"), before);
    lake.close().await;
}

/// The same with the files of a laptop's lake.
#[tokio::test]
async fn p9_the_database_is_rebuilt_from_the_journal() {
    let test = folder_with_versions(3).await;
    let before = test.lake.catalog().export().await.expect("an export");
    test.lake.close().await;
    for name in ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"] {
        let _ = std::fs::remove_file(test.root().join(name));
    }
    let message = stopped(&test).await;
    assert_eq!(message, "the journal goes on after segment 0, where this database ends");
    let report =
        rebuild(config_of(&test.root(), OpenMode::Existing), &SystemClock).await.expect("rebuilt");
    assert_eq!((report.versions, report.datasets, report.dropped_torn_segment), (3, 1, false));
    let lake = test.reopen().await.expect("it opens");
    assert_eq!(lake.catalog().export().await.expect("an export"), before);
    lake.close().await;
}

#[tokio::test]
async fn p9_a_torn_last_segment_is_healed_by_the_database() {
    let test = folder_with_versions(3).await;
    let path = last_segment(&test, 3);
    let whole = std::fs::read(&path).expect("a segment");
    for length in [0, 1, 50, whole.len() / 2, whole.len() - 1] {
        overwrite(&path, &whole[..length]);
        test.reopen().await.expect("it heals").close().await;
        assert_eq!(std::fs::read(&path).expect("a segment"), whole, "cut to {length}");
    }
}

#[tokio::test]
async fn p9_without_the_database_a_torn_last_segment_is_dropped() {
    let test = folder_with_versions(3).await;
    let path = last_segment(&test, 3);
    let whole = std::fs::read(&path).expect("a segment");
    overwrite(&path, &whole[..whole.len() / 2]);
    let config = with_second_database(&test);
    let report = rebuild(config, &SystemClock).await.expect("rebuilt");
    assert!(report.dropped_torn_segment);
    assert_eq!(report.versions, 2);
    overwrite(&path, &whole);
}

#[tokio::test]
async fn a_damaged_segment_stops_the_lake() {
    let mut test = folder_with_versions(2).await;
    test.damaged();
    let path = last_segment(&test, 2);
    let mut bytes = std::fs::read(&path).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    overwrite(&path, &bytes);
    assert!(stopped(&test).await.starts_with("journal segment 2 is damaged"));
}

#[tokio::test]
async fn a_missing_segment_stops_the_lake() {
    let mut test = folder_with_versions(2).await;
    test.damaged();
    std::fs::remove_file(last_segment(&test, 2)).expect("it was there");
    assert_eq!(stopped(&test).await, "journal segment 2 is missing");
}

/// A second database on the same root: whoever is second is told, and writes nothing more.
#[tokio::test]
async fn a_forked_journal_stops_the_lake() {
    let mut test = lake_with_versions(2).await;
    test.damaged();
    let config = with_second_database(&test);
    rebuild(config.clone(), &SystemClock).await.expect("rebuilt");
    test.ingest("a.b", "x.csv", "id\n99\n").await.expect("the first database goes on");
    let error = open(config).await.expect_err("the second database is stale");
    assert_eq!(error.to_string(), "the journal goes on after segment 2, where this database ends");
}

/// The same while both are open: what the second one commits is never shown to anyone.
#[tokio::test]
async fn a_second_database_is_found_out_by_its_first_commit() {
    let mut test = lake_with_versions(2).await;
    test.damaged();
    let config = with_second_database(&test);
    rebuild(config.clone(), &SystemClock).await.expect("rebuilt");
    let second = open(config.clone()).await.expect("it is up to date");
    test.ingest("a.b", "x.csv", "id\n99\n").await.expect("the first database goes on");
    let path = test.file("y.csv", "id\n100\n");
    let request = lakebed_testkit::request_of(
        "a.b",
        "y.csv",
        &path,
        lakebed_core::IngestMode::Replace,
        lakebed_core::DecodeOptions::default(),
    );
    let progress = std::sync::Arc::new(lakebed_service::NoProgress);
    let error = second.ingest(&test.ctx(), request, progress).await.expect_err("a fork");
    assert_eq!(error.to_string(), "journal segment 3 holds events that this database does not");
    let seen = second.dataset(&test.ctx(), &"a.b".parse().unwrap()).await.expect("it exists");
    assert_eq!(seen.record.newest.expect("a version").number, 2);
    second.close().await;
    // The first one never noticed.
    test.ingest("a.b", "x.csv", "id\n101\n").await.expect("the first database goes on");
    assert!(open(config).await.is_err());
}

#[tokio::test]
async fn segments_of_another_lake_stop_the_lake() {
    let mut test = folder_with_versions(2).await;
    let mut other = folder_with_versions(2).await;
    test.damaged();
    other.damaged();
    let foreign = std::fs::read(last_segment(&other, 2)).expect("a segment");
    overwrite(&last_segment(&test, 2), &foreign);
    assert!(stopped(&test).await.contains("belongs to another lake"));
}

#[tokio::test]
async fn a_database_of_another_lake_is_refused() {
    let test = folder_with_versions(1).await;
    let other = TestLake::in_folder().await;
    let config = LakeConfig {
        catalog_url: Some(format!(
            "sqlite://{}",
            lakebed_service::catalog_file(&other.root()).display()
        )),
        ..config_of(&test.root(), OpenMode::Existing)
    };
    let engine = std::sync::Arc::new(lakebed_testkit::NoEngine);
    let opened =
        lakebed_service::Lake::open(config, engine, std::sync::Arc::new(SystemClock)).await;
    assert_eq!(opened.expect_err("another lake's").code(), "stopped");
}

#[tokio::test]
async fn a_folder_of_other_things_does_not_become_a_lake() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("thesis.txt"), "precious").expect("written");
    let engine = std::sync::Arc::new(lakebed_testkit::NoEngine);
    let config = config_of(folder.path(), OpenMode::CreateIfMissing);
    let opened =
        lakebed_service::Lake::open(config, engine, std::sync::Arc::new(SystemClock)).await;
    assert_eq!(opened.expect_err("not empty").code(), "folder-not-empty");
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
}
