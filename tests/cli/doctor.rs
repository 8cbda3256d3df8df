//! `lakebed doctor` on a lake in a folder.

use insta::assert_snapshot;
use regex::Regex;

use crate::world::World;

/// Free space and clocks differ from machine to machine.
fn steady(text: &str) -> String {
    let text = Regex::new(r"\d+ MiB").unwrap().replace_all(text, "# MiB").into_owned();
    Regex::new(r"of \d{4}-\S+Z").unwrap().replace_all(&text, "of #").into_owned()
}

#[test]
fn a_lake_in_a_folder_is_examined_and_left_as_it_was() {
    let world = World::in_folder_with_airlines();
    world.tell(0, &["doctor"]);
    assert_snapshot!(steady(&world.told()));
    assert!(!world.path("lake/doctor").exists());
    world.ok(&["verify"]);
}

#[test]
fn a_journal_that_does_not_fit_is_a_failed_check() {
    let world = World::in_folder_with_airlines();
    let segment = world.path("lake/journal/000000000002.json");
    std::fs::remove_file(&segment).unwrap();
    world.tell(1, &["doctor"]);
    assert_snapshot!(steady(&world.told()));
}

/// A commit that waits for the journal, and whose body nobody can read.
pub(crate) const UNREADABLE: [&str; 2] = [
    "INSERT INTO events SELECT seq + 1, at_micros + 1, actor, NULL, 0, type, dataset, '{\"v\":' \
     FROM events ORDER BY seq DESC LIMIT 1",
    "UPDATE meta SET last_seq = last_seq + 1, last_at_micros = last_at_micros + 1",
];

/// A commit that waits for the journal and cannot be read will never be in it.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_a_failed_check() {
    use sqlx::Connection as _;
    let world = World::in_folder_with_airlines();
    let url = format!("sqlite://{}", world.path("lake/lakebed.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in UNREADABLE {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let ran = world.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(
        ran.text().contains("1 events are committed and cannot be put into the journal"),
        "{ran}"
    );
    world.ok(&["rebuild", "--replace"]);
    world.ok(&["doctor"]);
}

#[test]
fn a_database_that_is_gone_is_named_and_not_made() {
    let world = World::in_folder_with_airlines();
    for name in ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"] {
        std::fs::remove_file(world.path("lake").join(name)).ok();
    }
    let ran = world.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.text().contains("lakebed rebuild"), "{ran}");
    assert!(!world.path("lake/lakebed.db").exists());
}

#[test]
fn a_folder_that_is_no_lake_is_examined_too() {
    let world = World::in_folder();
    std::fs::create_dir(world.path("lake")).unwrap();
    let report = world.json(&["doctor"]);
    let last = report["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "lake");
    assert_eq!(last["outcome"], "warning");
    let ran = world.run(&["doctor", "--lake", "./no/such/folder"]);
    assert_eq!(ran.code, Some(1), "{ran}");
}
