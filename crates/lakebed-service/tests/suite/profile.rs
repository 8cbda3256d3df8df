//! What rows look like: made with the version, the same however it came to be, and made again where
//! nobody made it.

use bytes::Bytes;
use lakebed_catalog::Commit;
use lakebed_core::{EventBody, Identity, Manifest, VersionCommitted, VersionId, profile::Profile};
use lakebed_service::{Ctx, ProfileAnswer, Result};
use lakebed_store::{Root, Store, Trust};
use lakebed_testkit::TestLake;

async fn profile(test: &TestLake, reference: &str) -> Result<ProfileAnswer> {
    test.lake.profile(&test.ctx(), reference.parse().unwrap()).await
}

fn told(answer: &ProfileAnswer) -> String {
    let rows = &answer.profile.whole;
    let mut text = format!("{} rows\n", rows.rows);
    for field in &answer.schema.fields {
        let column = rows.column(field.id).expect("a profile of every column");
        let shown = |value: &lakebed_core::profile::Scalar| value.to_json(&field.data_type);
        let range = column.range.as_ref().map(|(least, most)| (shown(least), shown(most)));
        let range = range.map_or_else(String::new, |(least, most)| format!("{least} to {most}"));
        let distinct = column.distinct.as_ref().map_or(0, |distinct| distinct.count());
        text += &format!("{}: {} nulls, {distinct} distinct, {range}\n", field.name, column.nulls);
    }
    text
}

const FIRST: &str = "id,name,price\n1,one,1.50\n2,two,\nbad,x,1\n";
const SECOND: &str = "id,name,price,note\n3,three,2.25,new\n4,two,0.10,\n";

#[tokio::test]
async fn a_version_tells_what_its_accepted_rows_look_like() {
    let test = TestLake::new().await;
    test.ingest("a.b", "x.csv", "id,name,price\n1,one,1.50\n").await.unwrap();
    test.ingest("a.b", "x.csv", FIRST).await.unwrap();
    let answer = profile(&test, "a.b").await.unwrap();
    assert!(answer.is_stored);
    insta::assert_snapshot!(told(&answer), @r#"
    2 rows
    id: 0 nulls, 2 distinct, 1 to 2
    name: 0 nulls, 2 distinct, "one" to "two"
    price: 1 nulls, 1 distinct, "1.50" to "1.50"
    "#);
    assert_eq!(profile(&test, "a.b@v1").await.unwrap().profile.whole.rows, 1);
    let error = profile(&test, "a.b@v9").await.unwrap_err();
    assert_eq!(error.code(), "not-found");
}

/// The same rows give the same profile, appended or all at once; rows of before are null where a
/// column came later.
#[tokio::test]
async fn an_append_has_the_profile_of_the_whole() {
    let test = TestLake::new().await;
    test.ingest("a.b", "x.csv", "id,name,price\n1,one,1.50\n2,two,\n").await.unwrap();
    test.append("a.b", "y.csv", SECOND).await.unwrap();
    let whole = "id,name,price,note\n1,one,1.50,\n2,two,,\n3,three,2.25,new\n4,two,0.10,\n";
    test.ingest("a.c", "z.csv", whole).await.unwrap();
    let appended = profile(&test, "a.b").await.unwrap();
    assert_eq!(appended.profile, profile(&test, "a.c").await.unwrap().profile);
    insta::assert_snapshot!(told(&appended), @r#"
    4 rows
    id: 0 nulls, 4 distinct, 1 to 4
    name: 0 nulls, 3 distinct, "one" to "two"
    price: 1 nulls, 3 distinct, "0.10" to "2.25"
    note: 3 nulls, 1 distinct, "new" to "new"
    "#);
}

/// A version as builds before profiles made it.
async fn forget_profile(test: &TestLake, dataset: &str) -> Profile {
    let made = profile(test, dataset).await.unwrap();
    let store = Store::open(&Root::Folder(test.root())).await.unwrap();
    let bytes = store.get(&made.resolved.version.manifest).await.unwrap();
    let manifest = Manifest::from_bytes(&bytes).unwrap();
    assert!(manifest.profile.is_some());
    let parent = made.resolved.version;
    let manifest = Manifest { profile: None, parent: Some(parent.version_id), ..manifest };
    let stored = store.put(Bytes::from(manifest.to_bytes()), Trust::Unnamed).await.unwrap();
    let version = VersionCommitted {
        dataset: parent.dataset.clone(),
        number: parent.number + 1,
        version_id: VersionId::new(stored.id),
        parent: Some(parent.version_id),
        content_id: parent.content_id,
        ingest_key: parent.ingest_key,
        row_count: parent.row_count,
        quarantined_count: parent.quarantined_count,
        size_bytes: parent.size_bytes,
        objects: vec![stored],
        shared: Vec::new(),
        derived_from: Vec::new(),
        live: false,
    };
    let commit = Commit {
        actor: "local:test".to_owned(),
        at: parent.at,
        idempotency_key: None,
        changes: vec![EventBody::VersionCommitted(version)],
    };
    test.lake.catalog().commit(commit).await.unwrap();
    // Whoever commits next makes it visible, too.
    test.ingest("a.other", "o.csv", "n\n1\n").await.unwrap();
    made.profile
}

/// P3: what nobody noted is read from verified files, and is the same.
#[tokio::test]
async fn p3_a_version_of_an_older_build_is_read_for_its_profile() {
    let mut test = TestLake::in_folder().await;
    test.ingest("a.b", "x.csv", FIRST).await.unwrap();
    let made = forget_profile(&test, "a.b").await;
    let answer = profile(&test, "a.b").await.unwrap();
    assert_eq!((answer.is_stored, &answer.resolved.version.number), (false, &2));
    assert_eq!(answer.profile, made);
    // All of its rows are written again, and so nothing is missing.
    test.append("a.b", "y.csv", "id,name,price\n9,nine,9\n").await.unwrap();
    assert!(profile(&test, "a.b").await.unwrap().is_stored);

    test.damaged();
    for folder in std::fs::read_dir(test.root().join("objects")).unwrap() {
        for object in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = object.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if bytes.starts_with(b"PAR1") {
                bytes[9] ^= 1;
                std::fs::remove_file(&path).unwrap();
                std::fs::write(&path, bytes).unwrap();
            }
        }
    }
    let error = profile(&test, "a.b@v2").await.unwrap_err();
    assert_eq!(error.code(), "corrupt");
}

#[tokio::test]
async fn profiles_are_for_those_who_may_read() {
    let test = TestLake::new().await;
    test.ingest("a.b", "x.csv", FIRST).await.unwrap();
    let stranger = Ctx::new(Identity::of("alice".parse().unwrap()), "request-1");
    let error = test.lake.profile(&stranger, "a.b".parse().unwrap()).await.unwrap_err();
    let nothing = test.lake.profile(&stranger, "a.nothing".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string().replace("a.b", "a.nothing"), nothing.to_string());
}
