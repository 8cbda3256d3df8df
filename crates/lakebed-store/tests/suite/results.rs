//! Rows that wait to be fetched: found by every server, verified, and gone when they are forgotten.

use bytes::Bytes;
use lakebed_core::ObjectId;
use lakebed_store::{Error, Found, WaitingResult};

use crate::lake::{Lake, bytes};

async fn keep(lake: &Lake, result: &str, run: &str, number: u64, bytes: &Bytes) {
    lake.store.keep_chunk(result, run, number, bytes.clone()).await.unwrap();
}

async fn read(lake: &Lake, run: &str, number: u64, bytes: &Bytes) -> Result<Bytes, Error> {
    let (size_bytes, digest) = (bytes.len() as u64, ObjectId::of(bytes));
    lake.newcomer().read_chunk("a1", run, number, size_bytes, digest).await
}

pub(crate) async fn a_chunk_is_read_back_by_anyone_who_knows_it(lake: Lake) {
    keep(&lake, "a1", "001-00", 0, &bytes(1000)).await;
    keep(&lake, "a1", "001-00", 1, &bytes(700_000)).await;
    // The answer to the first try was lost.
    keep(&lake, "a1", "001-00", 1, &bytes(700_000)).await;
    assert_eq!(read(&lake, "001-00", 0, &bytes(1000)).await.unwrap(), bytes(1000));
    assert_eq!(read(&lake, "001-00", 1, &bytes(700_000)).await.unwrap(), bytes(700_000));
    let missing = read(&lake, "001-00", 2, &bytes(1000)).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}

/// P3: what came back is what was written, or an error.
pub(crate) async fn a_chunk_that_is_not_itself_is_an_error(lake: Lake) {
    let chunk = bytes(10_000);
    let mut flipped = chunk.to_vec();
    flipped[5000] ^= 1;
    keep(&lake, "a1", "001-00", 0, &flipped.into()).await;
    let other = read(&lake, "001-00", 0, &chunk).await;
    assert!(matches!(other, Err(Error::Corrupt { found: Found::Bytes(_), .. })), "{other:?}");
    keep(&lake, "a1", "001-00", 1, &chunk.slice(..9999)).await;
    let torn = read(&lake, "001-00", 1, &chunk).await;
    assert!(matches!(torn, Err(Error::Corrupt { found: Found::Size { .. }, .. })), "{torn:?}");
}

/// A server that was only taken for dead must not take along what was done in its place.
pub(crate) async fn a_later_run_outlives_those_before_it(lake: Lake) {
    for run in ["001-00", "001-01", "002-00"] {
        keep(&lake, "a1", run, 0, &bytes(1000)).await;
    }
    keep(&lake, "a10", "001-00", 0, &bytes(10)).await;
    lake.store.forget_runs("a1", "001-01").await.unwrap();
    assert!(read(&lake, "001-00", 0, &bytes(1000)).await.is_err());
    assert!(read(&lake, "001-01", 0, &bytes(1000)).await.is_err());
    assert_eq!(read(&lake, "002-00", 0, &bytes(1000)).await.unwrap(), bytes(1000));
    lake.store.forget_result("a1").await.unwrap();
    lake.store.forget_result("a1").await.unwrap();
    let left = lake.store.waiting_results().await.unwrap();
    assert_eq!(left, [WaitingResult { result: "a10".to_owned(), size_bytes: 10 }]);
}

pub(crate) async fn results_are_neither_uploads_nor_objects(lake: Lake) {
    keep(&lake, "a1", "001-00", 0, &bytes(1000)).await;
    keep(&lake, "a1", "001-00", 1, &bytes(10)).await;
    keep(&lake, "b2", "001-00", 0, &bytes(5)).await;
    let results = lake.newcomer().waiting_results().await.unwrap();
    let sizes = results.iter().map(|found| (found.result.as_str(), found.size_bytes));
    assert_eq!(sizes.collect::<Vec<_>>(), [("a1", 1010), ("b2", 5)]);
    assert!(lake.store.waiting_uploads().await.unwrap().is_empty());
    assert!(lake.keys().await.is_empty(), "what waits is no part of the lake");
    lake.store.forget_waiting("a1").await.unwrap();
    assert_eq!(lake.store.waiting_results().await.unwrap(), results, "it is no upload's");
}
