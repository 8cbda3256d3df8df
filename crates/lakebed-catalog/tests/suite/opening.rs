//! Opening: a new one, one that is there, and what is no catalog of ours.

use futures::future::join_all;
use lakebed_catalog::{Catalog, Error};
use lakebed_core::LakeId;
use sqlx::{Connection as _, SqliteConnection};

use crate::{databases::Databases, world::*};

pub(crate) async fn an_open_catalog_keeps_its_lake(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let export = catalog.export().await.unwrap();
    catalog.close().await;
    assert_eq!(databases.open("a").await.export().await.unwrap(), export);
    let other = LakeId::from_bytes([0x2b; 16]);
    match Catalog::open(&databases.url("a"), other).await.unwrap_err() {
        Error::WrongLake { expected, found } => {
            assert_eq!((expected, found), (other, Databases::lake()));
        }
        unexpected => panic!("{unexpected:?}"),
    }
}

pub(crate) async fn eight_who_create_it_at_once_get_one_catalog(databases: &Databases) {
    for round in 0..4 {
        let name = format!("a{round}");
        let opened = join_all((0..8).map(|_| {
            let url = databases.url(&name);
            tokio::spawn(async move { Catalog::open(&url, Databases::lake()).await.unwrap() })
        }))
        .await;
        for (index, catalog) in opened.into_iter().enumerate() {
            let catalog = catalog.unwrap();
            commit(&catalog, 1, vec![created(&format!("a.x{index}"))]).await;
        }
        assert_eq!(databases.open(&name).await.journal_state().await.unwrap().last_seq, 8);
    }
}

struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("lakebed.db")
    }

    async fn open(&self) -> Result<Catalog, Error> {
        Catalog::open_file(&self.path(), Databases::lake()).await
    }

    async fn run(&self, sql: &'static str) {
        let url = Catalog::url_of_file(&self.path()).unwrap() + "?mode=rwc";
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// One line and its causes, as a user would read it; the folder's name is random.
fn told(file: &File, error: Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.replace(&file.folder.path().display().to_string(), "<folder>")
}

#[tokio::test]
async fn a_catalog_of_a_newer_build_is_left_alone() {
    let file = File::new();
    file.open().await.unwrap().close().await;
    file.run(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9001, 'later', TRUE, x'00', 0)",
    )
    .await;
    let error = file.open().await.unwrap_err();
    let told = told(&file, error);
    assert!(told.starts_with("the catalog has schema 9001; this build knows up to "), "{told}");
}

#[tokio::test]
async fn a_schema_that_was_edited_is_damage() {
    let file = File::new();
    file.open().await.unwrap().close().await;
    file.run("UPDATE _sqlx_migrations SET checksum = x'00'").await;
    let error = file.open().await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let file = File::new();
    file.run("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").await;
    let before = std::fs::read(file.path()).unwrap();
    let error = file.open().await.unwrap_err();
    assert_eq!(told(&file, error), "the catalog is damaged: it is another program's database");
    // But for the two bytes that say "WAL", and SQLite's change counters.
    let after = std::fs::read(file.path()).unwrap();
    assert_eq!(before[100..], after[100..]);
}

#[tokio::test]
async fn garbage_is_damage() {
    let file = File::new();
    std::fs::write(file.path(), "not a database, but long enough to be one ".repeat(100)).unwrap();
    let error = file.open().await.unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let file = File::new();
    let path = file.folder.path().join("absent").join("lakebed.db");
    let error = Catalog::open_file(&path, Databases::lake()).await.unwrap_err();
    assert_eq!(
        told(&file, error),
        "the catalog database `<folder>/absent/lakebed.db` cannot be opened: \
         No such file or directory (os error 2)"
    );
    std::fs::create_dir(file.path()).unwrap();
    let error = file.open().await.unwrap_err();
    assert_eq!(
        told(&file, error),
        "the catalog database `<folder>/lakebed.db` cannot be opened: \
         Is a directory (os error 21)"
    );
}

#[tokio::test]
async fn a_catalog_opened_for_reading_cannot_be_written() {
    let file = File::new();
    let catalog = file.open().await.unwrap();
    publish(&catalog, 1, vec![created("a.x")]).await;
    let url = Catalog::url_of_file(&file.path()).unwrap() + "?mode=ro";
    let reading = Catalog::open(&url, Databases::lake()).await.unwrap();
    assert!(reading.find_dataset(&name("a.x")).await.unwrap().is_some());
    let error = try_commit(&reading, 1, vec![created("a.y")]).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn any_path_can_hold_a_catalog() {
    let file = File::new();
    for odd in ["a b", "100%", "%41", "what?mode=ro", "#1", "é✓", "a\nb", "'; --"] {
        let path = file.folder.path().join(odd);
        std::fs::create_dir(&path).unwrap();
        let path = path.join("lakebed.db");
        let catalog = Catalog::open_file(&path, Databases::lake()).await.unwrap();
        commit(&catalog, 1, vec![created("a.x")]).await;
        assert!(path.is_file(), "{odd:?} is somewhere else");
    }
}

#[tokio::test]
async fn an_address_of_something_else_is_refused_without_its_secrets() {
    for url in [
        "mysql://user:hunter2@host/db",
        "postgres://user:hunter2@host/db?password=hunter2",
        "sqlite::memory:",
        "sqlite://relative.db",
        "sqlite:///x.db?mode=memory",
        "",
    ] {
        let error = Catalog::open(url, Databases::lake()).await.unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

/// The rules of durability hold on every connection: an acknowledged commit survives a power cut.
#[tokio::test]
async fn a_catalog_is_wal_and_strict() {
    let file = File::new();
    let _catalog = file.open().await.unwrap();
    let url = Catalog::url_of_file(&file.path()).unwrap();
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let (mode,): (String,) =
        sqlx::query_as("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(mode, "wal");
    let (loose,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
         AND strict = 0 AND name NOT LIKE 'sqlite%' AND name <> '_sqlx_migrations'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(loose, 0);
}

/// The same migrations, by number and name, for both databases.
#[test]
fn migrations_come_in_pairs() {
    let list = |engine: &str| {
        let folder = format!("{}/../../migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(list("sqlite"), list("postgres"));
    assert!(!list("sqlite").is_empty());
}

/// A server answers on any of its threads.
#[tokio::test]
async fn every_answer_can_move_between_threads() {
    fn check(_: impl Send) {}
    let file = File::new();
    let catalog = file.open().await.unwrap();
    let mark = lakebed_catalog::JournalMark { segment: 1, seq: 0, digest: object("x", 1).id };
    check(Catalog::open("", Databases::lake()));
    check(Catalog::open_file(&file.path(), Databases::lake()));
    check(catalog.close());
    check(catalog.commit(commit_of(vec![], 1)));
    check(catalog.journal_state());
    check(catalog.events_between(0, 1));
    check(catalog.mark_journaled(0, mark));
    check(catalog.replay(&[], mark));
    check(catalog.export());
    check(catalog.resolve(&[], &stage("raw")));
    check(catalog.datasets(&lakebed_catalog::DatasetFilter::default()));
    check(catalog.find_dataset(&name("a.x")));
    check(catalog.history(&name("a.x"), None, 1));
    check(catalog.events(0, 1));
    check(catalog.find_objects(&[]));
    check(catalog.find_object(mark.digest));
    check(catalog.has_object_of_size(1));
    check(catalog.newest(&name("a.x")));
    check(catalog.newest_state(&name("a.x")));
}
