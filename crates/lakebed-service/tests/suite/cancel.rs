//! Stopping an ingest at any step leaves nothing visible, or everything (P4).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lakebed_core::{DecodeOptions, IngestMode};
use lakebed_service::{Error, NoProgress, Progress, ProgressSink};
use lakebed_testkit::{TestLake, request_of};

/// Wants to go on for so many questions, and then no more.
struct Patience(AtomicUsize);

impl ProgressSink for Patience {
    fn report(&self, _progress: Progress) {}

    fn is_cancelled(&self) -> bool {
        let left =
            self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.is_err()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_at_any_step_leaves_nothing_or_everything() {
    let test = TestLake::new().await;
    let path = test.file("orders.csv", "id,price\n1,1.5\n2,2.5\n");
    let request = |dataset: &str| {
        let (mode, options) = (IngestMode::Replace, DecodeOptions::default());
        request_of(dataset, "orders.csv", &path, mode, options)
    };
    let mut stopped = 0;
    for questions in 0..1000 {
        let sink = Arc::new(Patience(AtomicUsize::new(questions)));
        let dataset = format!("sales.d{questions}");
        let found = match test.lake.ingest(&test.ctx(), request(&dataset), sink).await {
            Ok(outcome) => {
                assert_eq!(outcome.version.row_count, 2);
                1
            }
            Err(Error::Cancelled) => 0,
            Err(other) => panic!("{other}"),
        };
        let (_, datasets) = test.lake.datasets(&test.ctx(), None).await.unwrap();
        assert_eq!(datasets.len(), found, "after {questions} questions");
        if found == 1 {
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 2, "it was asked only {stopped} times");
    let (ctx, sink) = (test.ctx(), Arc::new(NoProgress));
    let again = test.lake.ingest(&ctx, request("sales.again"), sink).await;
    assert_eq!(again.unwrap().version.number, 1);
}
