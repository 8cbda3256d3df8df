//! Jobs: one for each key, run by one server at a time, their owners' alone.

use lakebed_catalog::{JobRecord, JobState};
use lakebed_core::Timestamp;

use crate::Databases;

fn job(id: &str, principal: &str, key: Option<&str>) -> JobRecord {
    JobRecord {
        id: id.to_owned(),
        principal: principal.to_owned(),
        identity: "{}".to_owned(),
        idempotency_key: key.map(str::to_owned),
        kind: "ingest".to_owned(),
        request: "{\"a\":1}".to_owned(),
        state: JobState::Queued,
        progress: None,
        outcome: None,
        server: Some("s1".to_owned()),
        attempt: 1,
        cancel_asked: false,
        revision: 0,
        created_at: at(1),
        updated_at: at(1),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

pub(crate) async fn a_job_is_read_back_by_its_owner_alone(databases: &Databases) {
    let catalog = databases.open("a").await;
    let mine = job("a1", "alice", None);
    assert_eq!(catalog.create_job(&mine).await.unwrap(), None);
    assert_eq!(catalog.create_job(&job("a2", "alice", None)).await.unwrap(), None);
    assert_eq!(catalog.find_job("alice", "a1").await.unwrap(), Some(mine));
    assert_eq!(catalog.find_job("bob", "a1").await.unwrap(), None);
    let ids = |jobs: Vec<JobRecord>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids(catalog.jobs("alice", 10).await.unwrap()), ["a2", "a1"]);
    assert_eq!(ids(catalog.jobs("alice", 1).await.unwrap()), ["a2"]);
    assert!(catalog.jobs("bob", 10).await.unwrap().is_empty());
}

pub(crate) async fn the_same_key_is_the_same_job(databases: &Databases) {
    let catalog = databases.open("a").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let catalog = catalog.clone();
        tasks.spawn(async move {
            let job = job(&format!("a{number}"), "alice", Some("k1"));
            catalog.create_job(&job).await.unwrap().map_or(job.id, |same| same.id)
        });
    }
    let ids = tasks.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(catalog.jobs("alice", 10).await.unwrap().len(), 1);
    assert_eq!(catalog.create_job(&job("b1", "bob", Some("k1"))).await.unwrap(), None);
    let found = catalog.find_job_by_key("bob", "k1").await.unwrap();
    assert_eq!(found.unwrap().id, "b1");
}

pub(crate) async fn a_job_is_written_by_the_server_that_runs_it(databases: &Databases) {
    let catalog = databases.open("a").await;
    catalog.create_job(&job("a1", "alice", None)).await.unwrap();
    let update = |server: &'static str, state, text: &'static str| {
        let catalog = catalog.clone();
        async move { catalog.update_job("a1", server, state, Some(text), at(2)).await.unwrap() }
    };
    assert!(update("s1", JobState::Running, "half").await);
    assert!(!update("s2", JobState::Running, "other").await);
    let running = catalog.find_job("alice", "a1").await.unwrap().unwrap();
    assert_eq!((running.state, running.progress.as_deref()), (JobState::Running, Some("half")));
    // Of two servers that take it from a dead one, one succeeds; the dead one is out.
    assert!(catalog.take_job("a1", Some("s1"), "s2", at(3)).await.unwrap());
    assert!(!catalog.take_job("a1", Some("s1"), "s3", at(3)).await.unwrap());
    assert!(!update("s1", JobState::Done, "late").await);
    assert!(update("s2", JobState::Done, "result").await);
    let done = catalog.find_job("alice", "a1").await.unwrap().unwrap();
    assert_eq!((done.state, done.outcome.as_deref()), (JobState::Done, Some("result")));
    assert_eq!((done.attempt, done.server, done.progress), (2, None, None));
    assert!(done.revision > running.revision);
    assert!(!catalog.take_job("a1", None, "s3", at(4)).await.unwrap(), "it is final");
}

pub(crate) async fn jobs_are_given_back_cancelled_and_forgotten(databases: &Databases) {
    let catalog = databases.open("a").await;
    for id in ["a1", "a2"] {
        catalog.create_job(&job(id, "alice", None)).await.unwrap();
    }
    assert!(!catalog.ask_to_cancel("bob", "a1", at(2)).await.unwrap());
    assert!(catalog.ask_to_cancel("alice", "a1", at(2)).await.unwrap());
    assert!(catalog.release_jobs("s1").await.unwrap());
    let unfinished = catalog.unfinished_jobs().await.unwrap();
    assert_eq!(unfinished.len(), 2);
    assert!(unfinished.iter().all(|job| job.server.is_none()));
    assert!(unfinished[0].cancel_asked && !unfinished[1].cancel_asked);
    assert!(catalog.take_job("a1", None, "s2", at(3)).await.unwrap());
    assert!(catalog.update_job("a1", "s2", JobState::Cancelled, None, at(4)).await.unwrap());
    assert!(!catalog.ask_to_cancel("alice", "a1", at(5)).await.unwrap());
    assert!(!catalog.delete_jobs(at(4)).await.unwrap());
    assert!(catalog.delete_jobs(at(9)).await.unwrap());
    assert_eq!(catalog.jobs("alice", 10).await.unwrap().len(), 1, "the other one is not final");
}

/// What came of a job is forgotten before the job is; what goes on, and other kinds, keep theirs.
pub(crate) async fn outcomes_are_forgotten_before_their_jobs(databases: &Databases) {
    let catalog = databases.open("a").await;
    let end = async |id: &str, at| {
        assert!(catalog.update_job(id, "s1", JobState::Done, Some("rows"), at).await.unwrap());
    };
    let statement = |id: &str| JobRecord { kind: "statement".to_owned(), ..job(id, "alice", None) };
    for record in [statement("a1"), statement("a2"), statement("a3"), job("a4", "alice", None)] {
        catalog.create_job(&record).await.unwrap();
    }
    assert!(!catalog.forget_outcome("alice", "a1").await.unwrap(), "it goes on");
    end("a1", at(2)).await;
    end("a2", at(3)).await;
    end("a4", at(2)).await;
    let known = async || {
        let ids = ["a1", "a2", "a3", "a4", "b1"].map(str::to_owned);
        let mut found = catalog.jobs_among(&ids).await.unwrap();
        found.sort_by(|left, right| left.id.cmp(&right.id));
        found.iter().map(|job| format!("{} {} {}", job.id, job.state, job.has_outcome)).collect()
    };
    let before: Vec<String> = known().await;
    assert_eq!(before, ["a1 done true", "a2 done true", "a3 queued false", "a4 done true"]);
    assert!(catalog.forget_outcomes("statement", at(2)).await.unwrap());
    assert!(!catalog.forget_outcomes("statement", at(2)).await.unwrap(), "once is enough");
    assert!(!catalog.forget_outcome("bob", "a2").await.unwrap(), "it is not his");
    let after: Vec<String> = known().await;
    assert_eq!(after, ["a1 done false", "a2 done true", "a3 queued false", "a4 done true"]);
    assert!(catalog.forget_outcome("alice", "a2").await.unwrap());
    let forgotten = catalog.find_job("alice", "a2").await.unwrap().unwrap();
    assert_eq!((forgotten.state, forgotten.outcome), (JobState::Done, None));
    assert_eq!(forgotten.updated_at, at(3), "it ended when it ended");
}
