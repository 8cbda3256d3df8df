//! What only a server can do to us: be away, refuse, lose connections and answers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use lakebed_catalog::{Catalog, Error};
use lakebed_core::{LakeId, Outcome, Timestamp};
use lakebed_testkit::TestDatabase;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
};

use crate::{databases::Databases, world::*};

async fn open(url: &str) -> Result<Catalog, Error> {
    Catalog::open(url, Databases::lake()).await
}

/// One line and its causes, as a user would read it.
async fn refusal(url: &str) -> (Error, String) {
    let error = open(url).await.expect_err("it must not open");
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    (error, text)
}

/// The socket and the port of an address such as `postgres://u@%2Ftmp%2Fx:5433/db`.
fn socket_and_port(url: &str) -> (String, u16) {
    let place = url.split_once('@').unwrap().1.split('/').next().unwrap();
    let (folder, port) = place.rsplit_once(':').unwrap();
    (folder.replace("%2F", "/"), port.parse().unwrap())
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_said_in_one_line() {
    let Some(database) = TestDatabase::create() else { return };
    let (_, port) = socket_and_port(&database.url());
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let steady = |text: String| text.replace(&port.to_string(), "<port>").replace(&name, "<name>");
    let role = format!("weak_{name}");
    database.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'right'"));
    let mut told = Vec::new();

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://lake:hunter2@{closed}/lake");
    let (error, text) = refusal(&url).await;
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    told.push(text.replace(&closed.port().to_string(), "<port>"));

    let tcp = |user: &str, name: &str| format!("postgres://{user}@127.0.0.1:{port}/{name}");
    let (error, text) = refusal(&tcp(&format!("{role}:hunter2"), &name)).await;
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    told.push(steady(text));
    let (error, text) = refusal(&tcp(&role, &name)).await;
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    told.push(steady(text));
    let (error, text) = refusal(&tcp(&format!("{role}:right"), "absent")).await;
    assert!(matches!(error, Error::NoDatabase { .. }), "{error:?}");
    told.push(steady(text));

    // It may connect, and nothing else.
    let (error, text) = refusal(&tcp(&format!("{role}:right"), &name)).await;
    assert!(matches!(error, Error::NotPermitted { .. }), "{error:?}");
    told.push(steady(text));
    open(&database.url()).await.unwrap().close().await;
    let (error, text) = refusal(&tcp(&format!("{role}:right"), &name)).await;
    assert!(matches!(error, Error::NotPermitted { .. }), "{error:?}");
    told.push(steady(text));

    database.execute(&format!("DROP ROLE {role}"));
    insta::assert_snapshot!(told.join("\n"), @r#"
    the catalog database at `127.0.0.1:<port>` cannot be reached: Connection refused (os error 111)
    the catalog database at `127.0.0.1:<port>` refuses user `weak_<name>`: password authentication failed for user "weak_<name>"
    the catalog database at `127.0.0.1:<port>` refuses user `weak_<name>`: password authentication failed for user "weak_<name>"
    there is no database `absent` at `127.0.0.1:<port>`
    the user of the catalog database lacks a permission: permission denied for schema public
    the user of the catalog database lacks a permission: permission denied for table _sqlx_migrations
    "#);
}

#[tokio::test]
async fn another_lakes_another_programs_and_a_newer_builds_database_are_left_alone() {
    let Some(database) = TestDatabase::create() else { return };
    let (lake, programs) = (database.schema_url("lake"), database.schema_url("programs"));
    database.execute("CREATE TABLE programs.theirs (x INTEGER)");
    let (error, text) = refusal(&programs).await;
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert_eq!(text, "the catalog is damaged: it is another program's database");

    open(&lake).await.unwrap().close().await;
    let other = LakeId::from_bytes([0x2b; 16]);
    let error = Catalog::open(&lake, other).await.unwrap_err();
    assert!(matches!(error, Error::WrongLake { found, .. } if found == Databases::lake()));

    database.execute(
        "INSERT INTO lake._sqlx_migrations \
         (version, description, success, checksum, execution_time) \
         VALUES (9001, 'later', TRUE, '\\x00', 0)",
    );
    let (error, _) = refusal(&lake).await;
    assert!(matches!(error, Error::TooNew { found: 9001, .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let Some(database) = TestDatabase::create() else { return };
    let name = format!("{}_ascii", database.url().rsplit_once('/').unwrap().1);
    database.execute(&format!(
        "CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C' \
         LOCALE_PROVIDER libc"
    ));
    let url = format!("{}/{name}", database.url().rsplit_once('/').unwrap().0);
    let (error, text) = refusal(&url).await;
    assert!(matches!(error, Error::Unsuitable { .. }), "{error:?}");
    assert_eq!(text, "the catalog database is in the encoding `SQL_ASCII`: needed is `UTF8`");
    database.execute(&format!("DROP DATABASE {name} WITH (FORCE)"));
}

/// Whoever goes away while its transaction begins leaves no connection that sees the past for ever.
#[tokio::test]
async fn whoever_goes_away_while_it_begins_leaves_nobody_in_the_past() {
    let Some(database) = TestDatabase::create() else { return };
    let (catalog, other) =
        (open(&database.url()).await.unwrap(), open(&database.url()).await.unwrap());
    publish(&other, 1, vec![created("a.x"), version("a.x", 1)]).await;
    for polls in 1..=12 {
        let mut read = Box::pin(catalog.events(0, 10));
        for _ in 0..polls {
            if futures::poll!(read.as_mut()).is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(read);
        let newest = async || {
            let mut seen = Vec::new();
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
                seen.push(show(&catalog, "a.x", "raw").await);
            }
            seen
        };
        newest().await;
        publish(&other, 1, vec![version("a.x", polls + 1)]).await;
        let expected = format!("v{0} of v{0}", polls + 1);
        assert_eq!(newest().await, [&expected; 3].map(String::as_str), "{polls} polls");
    }
}

/// More who ask than connections: they wait for each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_ask_at_once_share_ten_connections() {
    let Some(database) = TestDatabase::create() else { return };
    let catalog = open(&database.url()).await.unwrap();
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let asking = (0..100).map(|index| {
        let catalog = catalog.clone();
        tokio::spawn(async move {
            if index % 10 == 0 {
                commit(&catalog, 1, vec![created(&format!("b.x{index}"))]).await;
            }
            show(&catalog, "a.x", "raw").await
        })
    });
    for answer in join_all(asking).await {
        assert_eq!(answer.unwrap(), "v1 of v1");
    }
    assert_eq!(catalog.journal_state().await.unwrap().last_seq, 12);
}

/// Connections are cut at any moment of sixty commits and of the reads beside them: nobody sees an
/// error, and every commit happened once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_are_replaced_and_nothing_doubles() {
    let Some(database) = TestDatabase::create() else { return };
    let catalog = open(&database.url()).await.unwrap();
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let cutting = tokio::spawn({
        let url = database.url();
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(7)).await;
                cut_all(&url).await;
            }
        }
    });
    let reading = tokio::spawn({
        let catalog = catalog.clone();
        async move {
            loop {
                assert_eq!(show(&catalog, "a.x", "raw").await, "v1 of v1");
            }
        }
    });
    for number in 0..60 {
        let done = commit(&catalog, 1, vec![created(&format!("b.x{number}"))]).await;
        assert_eq!(done.events[0].seq, 3 + number);
    }
    cutting.abort();
    assert!(!reading.is_finished(), "{:?}", reading.await);
    reading.abort();
    assert_eq!(catalog.journal_state().await.unwrap().last_seq, 62);
}

async fn cut_all(url: &str) {
    use sqlx::{Connection as _, PgConnection};
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

/// What a proxy between us and the server does with a `COMMIT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// It does not arrive.
    Before,
    /// It arrives, and the answer does not.
    After,
    /// As `After`, and from then on the server is away.
    AfterAndAway,
}

/// A way to `database` that cuts the connection at the `at`-th commit, from 1. Counts them.
async fn proxy(database: &TestDatabase, at: usize, cut: Cut) -> (String, Arc<AtomicUsize>) {
    let (folder, port) = socket_and_port(&database.url());
    let socket = format!("{folder}/.s.PGSQL.{port}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    tokio::spawn(async move {
        let is_away = Arc::new(AtomicBool::new(false));
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            if is_away.load(Ordering::SeqCst) {
                // Whoever comes later is refused: nobody listens any more.
                return;
            }
            let (socket, counted) = (socket.clone(), Arc::clone(&counted));
            let is_away = Arc::clone(&is_away);
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                let (mut from_client, mut from_server) = ([0; 65536], [0; 65536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut from_client) => {
                            let Ok(length @ 1..) = read else { return };
                            if is_away.load(Ordering::SeqCst) {
                                return;
                            }
                            let bytes = &from_client[..length];
                            let commits = bytes.windows(7).any(|seven| seven == b"COMMIT\0");
                            let is_it = commits && counted.fetch_add(1, Ordering::SeqCst) + 1 == at;
                            if is_it && cut == Cut::Before {
                                return;
                            }
                            server.write_all(bytes).await.unwrap();
                            if is_it {
                                // Its answer is read, so it happened; nobody hears of it.
                                let _ = server.read(&mut from_server).await.unwrap();
                                is_away.store(cut == Cut::AfterAndAway, Ordering::SeqCst);
                                return;
                            }
                        }
                        read = server.read(&mut from_server) => {
                            let Ok(length @ 1..) = read else { return };
                            if client.write_all(&from_server[..length]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    (format!("postgres://lakebed@127.0.0.1:{}/{name}?sslmode=disable", own.port()), commits)
}

/// Without an idempotency key, which would only make it easier: a commit whose answer was lost is
/// found again, one that did not arrive is made, each once.
#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_again() {
    for cut in [Cut::Before, Cut::After] {
        let Some(database) = TestDatabase::create() else { return };
        open(&database.url()).await.unwrap().close().await;
        let (url, commits) = proxy(&database, 2, cut).await;
        let catalog = open(&url).await.unwrap();
        commit(&catalog, 1, vec![created("a.x")]).await;
        let done = commit(&catalog, 2, vec![version("a.x", 1)]).await;
        assert_eq!((done.events[0].seq, done.replayed), (2, false));
        commit(&catalog, 3, vec![version("a.x", 2)]).await;
        let events = catalog.events_between(0, 99).await.unwrap();
        assert_eq!(events.len(), 3, "{cut:?}: {events:?}");
        let expected = if cut == Cut::Before { 4 } else { 3 };
        assert_eq!(commits.load(Ordering::SeqCst), expected, "{cut:?}");
    }
}

#[tokio::test]
async fn a_replay_and_a_mark_whose_answer_was_lost_are_found_again() {
    for (at, cut) in [(1, Cut::Before), (1, Cut::After), (2, Cut::Before), (2, Cut::After)] {
        let Some(database) = TestDatabase::create() else { return };
        let first = open(&database.schema_url("first")).await.unwrap();
        let (events, mark) = publish(&first, 1, vec![created("a.x"), version("a.x", 1)]).await;
        open(&database.url()).await.unwrap().close().await;
        let (url, _) = proxy(&database, at, cut).await;
        let catalog = open(&url).await.unwrap();
        catalog.replay(&events, mark).await.unwrap();
        assert_eq!(catalog.export().await.unwrap(), first.export().await.unwrap());
        commit(&first, 2, vec![version("a.x", 2)]).await;
        let done = commit(&first, 3, vec![version("a.x", 3)]).await;
        drop(done);
        let more = first.events_between(2, 4).await.unwrap();
        let (_, mark) = journal(&first).await;
        catalog.replay(&more, mark).await.unwrap();
        assert_eq!(catalog.export().await.unwrap(), first.export().await.unwrap(), "{at} {cut:?}");
    }
}

/// When nobody can be asked any more, it is said that nobody knows; the key finds it later.
#[tokio::test]
async fn a_commit_that_nobody_can_be_asked_about_is_reported_as_unknown() {
    let Some(database) = TestDatabase::create() else { return };
    let direct = open(&database.url()).await.unwrap();
    let (url, _) = proxy(&database, 1, Cut::AfterAndAway).await;
    let catalog = open(&url).await.unwrap();
    let keyed = lakebed_catalog::Commit {
        idempotency_key: Some("once".to_owned()),
        ..commit_of(vec![created("a.x")], 1)
    };
    let error = catalog.commit(keyed.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error:?}");
    let again = direct.commit(keyed).await.unwrap();
    assert!(again.replayed);
    assert_eq!(direct.journal_state().await.unwrap().last_seq, 1);
}

/// A process that sleeps in the middle of a write, as a stopped one does, holds up the others for a
/// moment and then loses its turn.
#[tokio::test]
async fn a_writer_that_sleeps_in_its_transaction_loses_its_turn() {
    let Some(database) = TestDatabase::create() else { return };
    let catalog = open(&database.url()).await.unwrap();
    let mut asleep = {
        use sqlx::{Connection as _, PgConnection};
        let url = format!("{}?options=-cidle_in_transaction_session_timeout%3D10s", database.url());
        PgConnection::connect(&url).await.unwrap()
    };
    sqlx::raw_sql("BEGIN; SELECT * FROM meta FOR UPDATE").execute(&mut asleep).await.unwrap();
    commit(&catalog, 1, vec![created("a.x")]).await;
    assert!(sqlx::raw_sql("COMMIT").execute(&mut asleep).await.is_err());
}

/// The same changes make the same catalog, to the byte, whichever engine holds it (P10).
#[tokio::test]
async fn both_engines_hold_the_same() {
    let Some(postgres) = Databases::postgres() else { return };
    let sqlite = Databases::sqlite().unwrap();
    let mut exports = Vec::new();
    for databases in [&postgres, &sqlite] {
        let catalog = databases.open("a").await;
        let changes = vec![created("b.x"), created("a.x_1"), created("a.x1"), created("a.xa")];
        publish(&catalog, 1, changes).await;
        publish(&catalog, 2, vec![version("a.x1", 1), refused("a.x", "f.csv")]).await;
        commit(&catalog, 2, vec![moved("a.x1", "a_b", None, 1), version("a.x1", 2)]).await;
        commit(&catalog, 2, vec![moved("a.x1", "a1", None, 1), moved("a.x1", "ab", None, 1)]).await;
        exports.push(catalog.export().await.unwrap());
    }
    assert_eq!(exports[0], exports[1]);
}

/// The cluster of the tests keeps nothing through a power cut; it is 1970 here, and not there.
#[tokio::test]
async fn an_examination_says_what_the_server_does_not_keep() {
    let Some(database) = TestDatabase::create() else { return };
    let catalog = open(&database.url()).await.unwrap();
    let checks = catalog.examine(Timestamp::from_micros(0)).await;
    let found: Vec<_> = checks.iter().map(|check| (check.name, check.outcome)).collect();
    let expected = [
        ("database", Outcome::Ok),
        ("durability", Outcome::Failed),
        ("database-clock", Outcome::Warning),
        ("isolation", Outcome::Ok),
    ];
    assert_eq!(found, expected, "{checks:?}");
    assert!(checks[1].detail.contains("fsync, full_page_writes = off"), "{checks:?}");
    catalog.close().await;
}
