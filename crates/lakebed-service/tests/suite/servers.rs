//! Several servers on one lake: each has the lake open for itself, as another process would.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use lakebed_core::{DecodeOptions, IngestMode};
use lakebed_service::{IngestOutcome, Lake, NoProgress, Probe, Result};
use lakebed_testkit::{CrashingProbe, NoEngine, TestLake, TestPlace, request_of};

/// A lake whose database several machines can reach; none, said aloud, without a cluster.
async fn shared_lake() -> Option<TestLake> {
    Some(TestLake::in_place(TestPlace::shared()?, Arc::new(NoEngine)).await)
}

async fn ingest(test: &TestLake, lake: &Lake, dataset: &str) -> Result<IngestOutcome> {
    let path = test.file(&format!("{dataset}.csv"), format!("id\n{dataset}\n"));
    let options = DecodeOptions::default();
    let request = request_of(dataset, "x.csv", &path, IngestMode::Replace, options);
    lake.ingest(&test.ctx(), request, Arc::new(NoProgress)).await
}

async fn segment_count(test: &TestLake) -> usize {
    test.lake.store().list("journal/").await.expect("listed").len()
}

/// Stops whoever comes to `point` until it is opened. Others pass.
#[derive(Debug)]
struct Gate {
    point: &'static str,
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct GateState {
    is_reached: bool,
    is_open: bool,
}

impl Gate {
    fn at(point: &'static str) -> Arc<Self> {
        Arc::new(Self { point, state: Mutex::default(), changed: Condvar::new() })
    }

    async fn reached(self: &Arc<Self>) {
        let gate = Arc::clone(self);
        let wait = move || {
            let state = gate.state.lock().unwrap();
            let limit = Duration::from_secs(60);
            let waited = gate.changed.wait_timeout_while(state, limit, |state| !state.is_reached);
            assert!(waited.unwrap().0.is_reached, "nobody came to `{}`", gate.point);
        };
        tokio::task::spawn_blocking(wait).await.unwrap();
    }

    fn wait_until_open(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_reached = true;
        self.changed.notify_all();
        let limit = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(state, limit, |state| !state.is_open);
        assert!(waited.unwrap().0.is_open, "`{}` was never opened", self.point);
    }

    fn open(&self) {
        self.state.lock().unwrap().is_open = true;
        self.changed.notify_all();
    }
}

impl Probe for Gate {
    fn at(&self, point: &'static str) -> Result<()> {
        if point == self.point {
            // What is queued behind this task goes on elsewhere.
            tokio::task::block_in_place(|| self.wait_until_open());
        }
        Ok(())
    }
}

/// A server that holds the lease goes to sleep just before it writes, or just after. Its lease ends
/// and another one publishes, more than once. When the sleeper wakes up, it still believes that it
/// is its turn: it harms nothing, and what it was told to do is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_both_believe_to_hold_the_lease_harm_nothing() {
    for point in [
        "after the journal's lease was asked for",
        "before a segment is created",
        "before the journaled mark moves",
        "after the journaled mark moved",
    ] {
        let Some(test) = shared_lake().await else { return };
        let test = Arc::new(test);
        let gate = Gate::at(point);
        let sleeper = test.failing(|backend| backend, Arc::clone(&gate) as _).await.unwrap();
        let sleeping = tokio::spawn({
            let (test, lake) = (Arc::clone(&test), sleeper.clone());
            async move { ingest(&test, &lake, "a.sleeper").await }
        });
        gate.reached().await;
        // Its time is over; the database's clock says so.
        test.place.execute("UPDATE leases SET expires_at_micros = 1 WHERE name = 'journal'");
        for dataset in ["a.b", "a.c"] {
            ingest(&test, &test.lake, dataset).await.unwrap_or_else(|e| panic!("{point}: {e}"));
        }
        let list = async || {
            let events = test.events(0, 99).await;
            events.iter().map(|event| event.seq).collect::<Vec<_>>()
        };
        assert_eq!(list().await, [1, 2, 3, 4, 5, 6], "{point}");
        gate.open();
        let woken = sleeping.await.unwrap().unwrap_or_else(|e| panic!("{point}: {e}"));
        assert_eq!(woken.version.number, 1);
        assert_eq!(list().await, [1, 2, 3, 4, 5, 6], "{point}");
        ingest(&test, &sleeper, "a.d").await.expect("it goes on");
        let report = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
        assert_eq!(report.findings, [], "{point}");
        sleeper.close().await;
        // Dropping it rebuilds, and compares.
        drop(Arc::into_inner(test).expect("nobody else has it"));
    }
}

/// Group commit across servers: who waits finds its events published by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_segment_holds_what_several_servers_committed() {
    let Some(test) = shared_lake().await else { return };
    let test = Arc::new(test);
    let gates = [(); 3].map(|()| Gate::at("after the catalog commit"));
    // Opened first: opening publishes what it finds unpublished.
    let mut servers = Vec::new();
    for gate in &gates {
        servers.push(test.failing(|backend| backend, Arc::clone(gate) as _).await.unwrap());
    }
    let mut waiting = Vec::new();
    for (index, lake) in servers.into_iter().enumerate() {
        let test = Arc::clone(&test);
        waiting.push(tokio::spawn(async move {
            let outcome = ingest(&test, &lake, &format!("a.w{index}")).await;
            lake.close().await;
            outcome
        }));
    }
    for gate in &gates {
        gate.reached().await;
    }
    assert_eq!(segment_count(&test).await, 0);
    ingest(&test, &test.lake, "a.last").await.expect("a version");
    assert_eq!(segment_count(&test).await, 1);
    for gate in &gates {
        gate.open();
    }
    for outcome in waiting {
        outcome.await.unwrap().expect("a version");
    }
    assert_eq!(segment_count(&test).await, 1);
    let events = test.events(0, 99).await;
    assert_eq!(events.len(), 8);
}

/// A server dies between commit and journal. No request ever asks for what it committed; another
/// server publishes it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_server_left_is_published_by_another() {
    let Some(test) = shared_lake().await else { return };
    let probe = Arc::new(CrashingProbe::at_point(Some(1)));
    let dead = test.failing(|backend| backend, probe).await.unwrap();
    ingest(&test, &dead, "a.b").await.expect_err("it dies after the catalog commit");
    assert_eq!(test.events(0, 99).await, []);
    let tending = tokio::spawn({
        let lake = test.lake.clone();
        async move { lake.tend().await }
    });
    let published = async {
        while test.events(0, 99).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), published).await.expect("it is published");
    tending.abort();
    dead.close().await;
}

/// Nobody has to wait for the end of a lease whose holder is done, or told to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_done_or_closed_holds_no_lease() {
    let Some(test) = shared_lake().await else { return };
    let test = Arc::new(test);
    let take = async || {
        let long = Duration::from_secs(60);
        let lease = test.lake.catalog().take_lease("journal", "somebody else", long).await.unwrap();
        match lease {
            Some(lease) => test.lake.catalog().release_lease(&lease).await.map(|()| true).unwrap(),
            None => false,
        }
    };
    ingest(&test, &test.lake, "a.b").await.expect("a version");
    assert!(take().await);

    let gate = Gate::at("before a segment is created");
    let lake = test.failing(|backend| backend, Arc::clone(&gate) as _).await.unwrap();
    let ingesting = tokio::spawn({
        let (test, lake) = (Arc::clone(&test), lake.clone());
        async move { ingest(&test, &lake, "a.c").await }
    });
    gate.reached().await;
    // So long that only letting go of it can end it.
    test.place.execute("UPDATE leases SET expires_at_micros = 9000000000000000000");
    assert!(!take().await);
    let closing = tokio::spawn(async move { lake.close().await });
    gate.open();
    closing.await.unwrap();
    assert!(take().await);
    // It was published before the end, or will be by the next one; it is not lost.
    let _ = ingesting.await.unwrap();
    ingest(&test, &test.lake, "a.d").await.expect("a version");
    assert_eq!(test.events(0, 99).await.len(), 6);
}
