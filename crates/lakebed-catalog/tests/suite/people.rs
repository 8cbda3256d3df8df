//! What people declared, and which datasets name an object.

use std::collections::BTreeSet;

use lakebed_catalog::Error;
use lakebed_core::{CatalogApplied, Declared, EventBody, ObjectId};

use crate::{databases::Databases, world::*};

/// One group, by name.
fn declared(group: &str) -> Declared {
    serde_json::from_str(&format!(r#"{{"format":1,"groups":{{"{group}":["ann"]}}}}"#)).unwrap()
}

pub(crate) fn applied(previous: Option<&Declared>, now: &Declared) -> EventBody {
    EventBody::CatalogApplied(CatalogApplied {
        previous: previous.map(Declared::digest),
        digest: now.digest(),
        declared: now.clone(),
        known_fields: Default::default(),
        mask_key: None,
    })
}

pub(crate) async fn a_catalog_replaces_the_one_it_was_planned_against(databases: &Databases) {
    let catalog = databases.open("lake").await;
    assert_eq!(catalog.declaration().await.unwrap(), None);
    let (first, second) = (declared("a"), declared("b"));
    publish(&catalog, 1, vec![applied(None, &first)]).await;
    let found = catalog.declaration().await.unwrap().expect("one");
    assert_eq!((found.seq, found.digest), (1, first.digest()));
    assert_eq!(catalog.get_applied(found).await.unwrap().declared, first);
    for stale in [None, Some(&second)] {
        let error = try_commit(&catalog, 2, vec![applied(stale, &second)]).await.unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error:?}");
    }
    commit(&catalog, 3, vec![applied(Some(&first), &second)]).await;
    // Readers see it from the mark on, those who plan at once.
    assert_eq!(catalog.declaration().await.unwrap(), Some(found));
    let newest = catalog.newest_declaration().await.unwrap().expect("one");
    assert_eq!((newest.seq, newest.digest), (2, second.digest()));
    journal(&catalog).await;
    assert_eq!(catalog.declaration().await.unwrap(), Some(newest));
    assert_eq!(catalog.get_applied(newest).await.unwrap().declared, second);
}

pub(crate) async fn a_catalog_with_another_digest_is_refused(databases: &Databases) {
    let catalog = databases.open("lake").await;
    let body = EventBody::CatalogApplied(CatalogApplied {
        previous: None,
        digest: ObjectId::of(b"another"),
        declared: declared("a"),
        known_fields: Default::default(),
        mask_key: None,
    });
    let error = try_commit(&catalog, 1, vec![body]).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
}

pub(crate) async fn an_object_belongs_to_every_dataset_that_names_it(databases: &Databases) {
    let catalog = databases.open("lake").await;
    let shared = object("shared by all", 77).id;
    let source = object("source a.x 1", 0).id;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), refused("a.z", "f.csv")]).await;
    let datasets = async |id| {
        let datasets = catalog.datasets_of_object(id).await.unwrap();
        datasets.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(datasets(shared).await, ["a.x"]);
    assert_eq!(datasets(object("f.csv", 5).id).await, ["a.z"], "kept, though there is no dataset");
    assert_eq!(datasets(ObjectId::of(b"unknown")).await, [""; 0]);
    let mut body = version_body("a.y", 1);
    body.shared = vec![source];
    commit(&catalog, 2, vec![created("a.y"), EventBody::VersionCommitted(body)]).await;
    assert_eq!(datasets(shared).await, ["a.x"], "above the mark nobody sees it");
    let ours = catalog.objects_of_dataset(&name("a.y"), &[shared, source]).await.unwrap();
    assert_eq!(ours, BTreeSet::from([shared, source]), "those who plan do");
    journal(&catalog).await;
    assert_eq!(datasets(shared).await, ["a.x", "a.y"]);
    assert_eq!(datasets(source).await, ["a.x", "a.y"]);
}

pub(crate) async fn what_nobody_recorded_is_not_shared(databases: &Databases) {
    let catalog = databases.open("lake").await;
    let mut body = version_body("a.y", 1);
    body.shared = vec![ObjectId::of(b"unknown")];
    let changes = vec![created("a.y"), EventBody::VersionCommitted(body)];
    let error = try_commit(&catalog, 1, changes).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
}

/// What the migration does with events that were there before it.
fn fill(migration: &str) -> &str {
    &migration[migration.find("INSERT INTO object_datasets").expect("it fills the table")..]
}

async fn history(catalog: &lakebed_catalog::Catalog) -> String {
    publish(catalog, 1, vec![created("a.x"), version("a.x", 1), refused("a.z", "f.csv")]).await;
    publish(catalog, 2, vec![version("a.x", 2), created("b.y"), version("b.y", 1)]).await;
    publish(catalog, 3, vec![refused("a.x", "f.csv"), applied(None, &declared("a"))]).await;
    let export = catalog.export().await.unwrap();
    assert_eq!(export.matches("object_datasets").count(), 10, "{export}");
    export
}

/// A database from before people is filled like a rebuilt one.
#[tokio::test]
async fn the_migration_fills_in_what_the_projection_would_have_written() {
    use sqlx::{Connection as _, SqliteConnection};
    let databases = Databases::sqlite().unwrap();
    let catalog = databases.open("lake").await;
    let export = history(&catalog).await;
    catalog.close().await;
    let mut connection = SqliteConnection::connect(&databases.url("lake")).await.unwrap();
    let again = fill(include_str!("../../../../migrations/sqlite/0004_people.sql"));
    sqlx::raw_sql("DELETE FROM object_datasets").execute(&mut connection).await.unwrap();
    sqlx::raw_sql(again).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(databases.open("lake").await.export().await.unwrap(), export);
}

/// The same on a server.
#[tokio::test]
async fn the_migration_of_a_server_fills_it_in_too() {
    let Some(database) = lakebed_testkit::TestDatabase::create() else { return };
    let url = database.schema_url("lake");
    let catalog = lakebed_catalog::Catalog::open(&url, Databases::lake()).await.unwrap();
    let export = history(&catalog).await;
    let again = fill(include_str!("../../../../migrations/postgres/0004_people.sql"));
    database.execute("DELETE FROM lake.object_datasets");
    database.execute(&format!("SET search_path TO lake; {again}"));
    assert_eq!(catalog.export().await.unwrap(), export);
}
