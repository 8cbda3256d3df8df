//! Runs: their owners', alive while they are heard of, committed once or never.

use lakebed_catalog::{BegunRun, Error, RunState};
use lakebed_core::{EventBody, RunCommitted, RunFailed, RunOutput};

use crate::{databases::Databases, world::*};

fn begun(id: &str, key: Option<&str>) -> BegunRun {
    BegunRun {
        id: id.to_owned(),
        principal: "ann".to_owned(),
        idempotency_key: key.map(str::to_owned),
        request: "{}".to_owned(),
        state: RunState::Running,
        patience_micros: 10,
        created_at: at(100),
        heard_at: at(100),
    }
}

/// A run that made version `number` of `dataset`.
fn committed(run: &str, dataset: &str, number: u64) -> EventBody {
    let record = object(&format!("record {run}"), 9);
    EventBody::RunCommitted(RunCommitted {
        run: run.to_owned(),
        record,
        inputs: Vec::new(),
        outputs: vec![RunOutput { dataset: name(dataset), number, unchanged: false }],
        objects: vec![record],
    })
}

/// A run of which nothing came.
fn failed(run: &str) -> EventBody {
    let record = object(&format!("record {run}"), 9);
    EventBody::RunFailed(RunFailed {
        run: run.to_owned(),
        record,
        inputs: Vec::new(),
        outputs: vec![name("a.x")],
        exit_code: Some(3),
        reason: Some("why\nnot".to_owned()),
        objects: vec![record],
    })
}

pub(crate) async fn a_run_is_its_owners_and_alive_while_it_is_heard_of(databases: &Databases) {
    let catalog = databases.open("a").await;
    let run = begun("r1", Some("key"));
    assert_eq!(catalog.create_run(&run).await.unwrap(), None);
    assert_eq!(catalog.create_run(&begun("r2", Some("key"))).await.unwrap(), Some(run.clone()));
    assert_eq!(catalog.find_begun("ann", "r1").await.unwrap(), Some(run.clone()));
    assert_eq!(catalog.find_begun("bob", "r1").await.unwrap(), None);
    assert!(!catalog.hear_of_run("bob", "r1", at(105)).await.unwrap());
    assert!(catalog.hear_of_run("ann", "r1", at(110)).await.unwrap());
    let heard = catalog.find_begun("ann", "r1").await.unwrap().unwrap();
    assert!(!heard.is_abandoned(at(120)) && heard.is_abandoned(at(121)));
    assert!(!catalog.hear_of_run("ann", "r1", at(121)).await.unwrap(), "too late");
    assert_eq!(catalog.begun_runs("ann", 9).await.unwrap(), [heard]);
    assert!(!catalog.forget_runs(at(110)).await.unwrap());
    assert!(catalog.forget_runs(at(111)).await.unwrap());
    assert_eq!(catalog.begun_runs("ann", 9).await.unwrap(), []);
}

pub(crate) async fn a_run_that_was_given_up_is_not_committed(databases: &Databases) {
    let catalog = databases.open("a").await;
    catalog.create_run(&begun("r1", None)).await.unwrap();
    commit(&catalog, 150, vec![failed("r1")]).await;
    let state = catalog.find_begun("ann", "r1").await.unwrap().unwrap().state;
    assert_eq!(state, RunState::Aborted);
    assert_eq!(catalog.begun_runs("ann", 9).await.unwrap(), []);
    let twice = try_commit(&catalog, 160, vec![failed("r1")]).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    let changes = vec![created("a.x"), version("a.x", 1), committed("r1", "a.x", 1)];
    let refused = try_commit(&catalog, 200, changes).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(catalog.journal_state().await.unwrap().last_seq, 1, "nothing of it is there");
}

pub(crate) async fn a_run_is_committed_once_and_seen_above_the_mark(databases: &Databases) {
    let catalog = databases.open("a").await;
    catalog.create_run(&begun("r1", None)).await.unwrap();
    let changes = vec![created("a.x"), version("a.x", 1), committed("r1", "a.x", 1)];
    commit(&catalog, 200, changes).await;
    assert_eq!(catalog.find_ended_run("r1").await.unwrap(), None, "it is not journaled");
    assert_eq!(catalog.place_of_run("r1").await.unwrap(), Some(3));
    let late = try_commit(&catalog, 200, vec![failed("r1")]).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    assert_eq!(catalog.begun_runs("ann", 9).await.unwrap(), []);
    let (events, _) = journal(&catalog).await;
    assert_eq!(catalog.find_ended_run("r1").await.unwrap().as_ref(), events.last());
    assert_eq!(catalog.ended_runs(None, 9).await.unwrap().len(), 1);
    assert_eq!(catalog.ended_runs(Some(3), 9).await.unwrap(), []);
    let again = vec![version("a.x", 2), committed("r1", "a.x", 2)];
    let refused = try_commit(&catalog, 201, again).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    let unknown = vec![committed("r2", "a.x", 7)];
    let refused = try_commit(&catalog, 202, unknown).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    // Whoever began before a rebuild may commit after it.
    commit(&catalog, 203, vec![version("a.x", 2), committed("r3", "a.x", 2), failed("r4")]).await;
    // With or without a row: what ended has ended.
    let twice = try_commit(&catalog, 204, vec![failed("r3")]).await;
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");

    let rebuilt = databases.open("b").await;
    let (rest, mark) = journal(&catalog).await;
    let all: Vec<_> = events.into_iter().chain(rest).collect();
    rebuilt.replay(&all, lakebed_catalog::JournalMark { segment: 1, ..mark }).await.unwrap();
    let runs = |text: String| -> Vec<String> {
        text.lines().filter(|line| line.contains("committed_runs")).map(str::to_owned).collect()
    };
    let export = runs(catalog.export().await.unwrap());
    assert_eq!(export.len(), 3);
    assert_eq!(runs(rebuilt.export().await.unwrap()), export);
}
