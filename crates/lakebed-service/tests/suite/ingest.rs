//! What ingests make, and what they refuse to make twice.

use std::sync::Arc;

use insta::assert_snapshot;
use lakebed_core::{DecodeOptions, FormatName, IngestMode, Manifest};
use lakebed_service::{Detail, IngestOutcome, NoProgress};
use lakebed_testkit::{TestLake, request_of};

fn told(outcome: &IngestOutcome) -> String {
    let version = &outcome.version;
    format!(
        "{:?} v{} rows {} quarantined {}",
        outcome.status, version.number, version.row_count, version.quarantined_count
    )
}

async fn detail(test: &TestLake, reference: &str) -> lakebed_service::VersionDetail {
    let reference = reference.parse().unwrap();
    let found = test.lake.resolve(&test.ctx(), &[reference], Detail::Full).await.unwrap();
    found.versions.into_iter().next().unwrap().detail.unwrap()
}

/// P2: the same ingest again stores nothing and is the same version.
#[tokio::test]
async fn p2_the_same_again_is_the_same_version() {
    let test = TestLake::new().await;
    let first = test.ingest("a.b", "x.csv", "id,name\n1,one\n").await.unwrap();
    let again = test.ingest("a.b", "x.csv", "id,name\n1,one\n").await.unwrap();
    assert_snapshot!(told(&first), @"Committed v1 rows 1 quarantined 0");
    assert_snapshot!(told(&again), @"Unchanged v1 rows 1 quarantined 0");
    assert_eq!(again.new_bytes, 0);
    assert_eq!(first.version.version_id, again.version.version_id);

    let other = test.ingest("a.b", "x.csv", "id,name\n2,two\n").await.unwrap();
    assert_snapshot!(told(&other), @"Committed v2 rows 1 quarantined 0");
    let back = test.ingest("a.b", "x.csv", "id,name\n1,one\n").await.unwrap();
    assert_snapshot!(told(&back), @"Committed v3 rows 1 quarantined 0");
    assert_eq!(back.version.content_id, first.version.content_id, "equal data, equal content id");
    assert_ne!(back.version.version_id, first.version.version_id);
}

#[tokio::test]
async fn again_makes_one_more_version_once() {
    let test = TestLake::new().await;
    let path = test.file("x.csv", "id\n1\n");
    let mut request =
        request_of("a.b", "x.csv", &path, IngestMode::Append, DecodeOptions::default());
    let progress = || Arc::new(NoProgress);
    test.lake.ingest(&test.ctx(), request.clone(), progress()).await.unwrap();
    test.append("a.b", "y.csv", "id\n2\n").await.unwrap();
    let error = test.lake.ingest(&test.ctx(), request.clone(), progress()).await.unwrap_err();
    assert_snapshot!(error, @"`x.csv` is in `a.b` already");
    request.again = Some("once more".to_owned());
    let more = test.lake.ingest(&test.ctx(), request.clone(), progress()).await.unwrap();
    assert_snapshot!(told(&more), @"Committed v3 rows 3 quarantined 0");
    let same = test.lake.ingest(&test.ctx(), request, progress()).await.unwrap();
    assert_snapshot!(told(&same), @"Unchanged v3 rows 3 quarantined 0");
}

/// A declared change is made once, by the whole table; an append keeps files, and their names with them.
#[tokio::test]
async fn a_declared_change_of_the_schema_is_made_once() {
    let test = TestLake::new().await;
    test.ingest("a.b", "x.csv", "id,qty\n1,2\n").await.unwrap();
    let options = DecodeOptions {
        evolve: vec!["rename qty=quantity".parse().unwrap()],
        ..DecodeOptions::default()
    };
    let ingest = async |mode| {
        test.ingest_with("a.b", "x.csv", "id,quantity\n1,2\n", mode, options.clone()).await
    };
    let error = ingest(IngestMode::Append).await.unwrap_err();
    assert_eq!(error.code(), "evolve-append");
    let made = ingest(IngestMode::Replace).await.unwrap();
    assert_snapshot!(told(&made), @"Committed v2 rows 1 quarantined 0");
    assert_snapshot!(made.changes[0], @"column `qty` is named `quantity` now");
    let again = ingest(IngestMode::Replace).await.unwrap();
    assert_snapshot!(told(&again), @"Unchanged v2 rows 1 quarantined 0");
    let schema = detail(&test, "a.b").await.manifest.schema.unwrap();
    assert_eq!((schema.fields[1].id, &*schema.fields[1].name), (2, "quantity"));
    let appended = test.append("a.b", "y.csv", "id,quantity\n2,3\n").await.unwrap();
    assert_snapshot!(told(&appended), @"Committed v3 rows 2 quarantined 0");
    let plain = test.ingest("a.b", "z.csv", "id,qty\n1,2\n").await.unwrap_err();
    assert_eq!(plain.code(), "schema-mismatch");
}

/// An idempotency key brings back what it made first, and cannot be used for something else.
#[tokio::test]
async fn an_idempotency_key_is_one_change() {
    let test = TestLake::new().await;
    let mut ctx = test.ctx();
    ctx.idempotency_key = Some("k1".to_owned());
    let ingest = async |name: &str, bytes: &str| {
        let path = test.file(name, bytes);
        let request = request_of("a.b", name, &path, IngestMode::Replace, DecodeOptions::default());
        test.lake.ingest(&ctx, request, Arc::new(NoProgress)).await
    };
    ingest("x.csv", "id\n1\n").await.unwrap();
    test.ingest("a.b", "y.csv", "id\n2\n").await.unwrap();
    let replayed = ingest("x.csv", "id\n1\n").await.unwrap();
    assert_snapshot!(told(&replayed), @"Committed v1 rows 1 quarantined 0");
    let error = ingest("z.csv", "id\n3\n").await.unwrap_err();
    assert_eq!(error.code(), "idempotency-key-reused");
}

#[tokio::test]
async fn appends_add_rows_and_share_the_rest() {
    let test = TestLake::new().await;
    test.append("a.b", "1.csv", "id,name\n1,one\n").await.unwrap();
    let second = test.append("a.b", "2.csv", "id,name\n2,two\nbad,row\n").await;
    let second = match second {
        Ok(outcome) => outcome,
        Err(error) => panic!("{error}"),
    };
    assert_snapshot!(told(&second), @"Committed v2 rows 2 quarantined 1");
    let detail = detail(&test, "a.b").await;
    assert_eq!(detail.sources.len(), 2);
    assert_eq!(detail.manifest.sources.len(), 2, "the parent's list of sources is shared");
    let whole = test.ingest("a.whole", "w.csv", "id,name\n1,one\n2,two\n").await.unwrap();
    assert_eq!(
        second.version.content_id, whole.version.content_id,
        "appended rows are stored as if they had come at once"
    );
}

#[tokio::test]
async fn schemas_evolve_or_say_exactly_why_not() {
    let test = TestLake::new().await;
    test.ingest("a.b", "1.csv", "id,name\n1,one\n").await.unwrap();
    let wider = test.ingest("a.b", "2.csv", "id,name,city\n1,one,Rome\n").await.unwrap();
    assert_snapshot!(wider.changes[0], @"column `city` was added");
    let error = test.ingest("a.b", "3.csv", "id,city\n1,Rome\n").await.unwrap_err();
    assert_eq!(error.code(), "schema-mismatch");
    assert!(error.to_string().contains("`name`"), "{error}");
}

#[tokio::test]
async fn files_are_kept_as_they_are() {
    let test = TestLake::new().await;
    let options = DecodeOptions { format: Some(FormatName::Files), ..DecodeOptions::default() };
    let made = test
        .ingest_with("a.models", "model.bin", "\0\u{1}\u{2}", IngestMode::Replace, options.clone())
        .await
        .unwrap();
    assert_snapshot!(told(&made), @"Committed v1 rows 1 quarantined 0");
    let more = test
        .ingest_with("a.models", "other.bin", "xyz", IngestMode::Append, options.clone())
        .await
        .unwrap();
    assert_snapshot!(told(&more), @"Committed v2 rows 2 quarantined 0");
    let taken = test
        .ingest_with("a.models", "other.bin", "zyx", IngestMode::Append, options)
        .await
        .unwrap_err();
    assert_eq!(taken.code(), "name-taken");
    let table = test.ingest("a.models", "x.csv", "id\n1\n").await.unwrap_err();
    assert_snapshot!(table, @"`a.models` is of kind `files`, this ingest makes kind `table`");
}

#[tokio::test]
async fn names_that_leave_the_folder_are_refused() {
    let test = TestLake::new().await;
    let path = test.file("x.csv", "id\n1\n");
    for name in ["../x.csv", "/etc/passwd", "a//b", "a/./b", "x\n.csv", "", "a\\..\\b"] {
        let request = request_of("a.b", name, &path, IngestMode::Replace, DecodeOptions::default());
        let error = test.lake.ingest(&test.ctx(), request, Arc::new(NoProgress)).await.unwrap_err();
        assert_eq!(error.code(), "bad-source-name", "{name:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

/// Many appends keep few lists, and a manifest stays readable.
#[tokio::test]
async fn many_appends_keep_few_lists() {
    let test = TestLake::new().await;
    for index in 0..40 {
        test.append("a.b", &format!("{index}.csv"), &format!("id\n{index}\n")).await.unwrap();
    }
    let detail = detail(&test, "a.b").await;
    assert_eq!((detail.manifest.row_count, detail.sources.len()), (40, 40));
    assert!(detail.manifest.sources.len() <= 32, "{}", detail.manifest.sources.len());
    let bytes = detail.manifest.to_bytes();
    assert_eq!(Manifest::from_bytes(&bytes).unwrap(), detail.manifest);
}

#[tokio::test]
async fn a_plan_commits_nothing() {
    let test = TestLake::new().await;
    let path = test.file("x.csv", "id;name\n1;one\n");
    let request = request_of("a.b", "x.csv", &path, IngestMode::Replace, DecodeOptions::default());
    let plan = test.lake.plan_ingest(&test.ctx(), request).await.unwrap();
    assert_eq!(plan.schema.unwrap().fields.len(), 2);
    assert_eq!(plan.sample.len(), 1);
    assert!(test.events(0, 10).await.is_empty());
}
