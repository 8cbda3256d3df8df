//! Bytes that wait to become objects: gathered whole, or known to be lost.

use bytes::Bytes;
use futures::stream;
use lakebed_core::ObjectId;
use lakebed_store::{BoxError, Created, Staged, WaitingPart};

use crate::lake::{Lake, bytes};

async fn staged(lake: &Lake, bytes: &Bytes) -> Staged {
    let stream = stream::iter([Ok::<_, BoxError>(bytes.clone())]);
    lake.store.stage_stream(stream).await.unwrap()
}

async fn wait(lake: &Lake, upload: &str, start: u64, bytes: &Bytes) -> Created {
    lake.store.wait(upload, start, &staged(lake, bytes).await).await.unwrap()
}

pub(crate) async fn parts_are_gathered_in_order(lake: Lake) {
    let whole = bytes(700_000);
    wait(&lake, "a1", 300_000, &whole.slice(300_000..)).await;
    wait(&lake, "a1", 0, &whole.slice(..300_000)).await;
    wait(&lake, "b2", 0, &bytes(10)).await;
    // Any process that serves the lake can go on with it.
    let gathered = lake.newcomer().gather_waiting("a1", 700_000).await.unwrap().unwrap();
    assert_eq!(gathered.id(), ObjectId::of(&whole));
    assert_eq!(lake.store.waiting_uploads().await.unwrap(), ["a1", "b2"]);
    assert!(lake.keys().await.is_empty(), "what waits is no part of the lake");
}

pub(crate) async fn the_first_writer_at_a_place_wins(lake: Lake) {
    assert_eq!(wait(&lake, "a1", 0, &bytes(1000)).await, Created::New);
    assert_eq!(wait(&lake, "a1", 0, &bytes(2000)).await, Created::Existed);
    let gathered = lake.store.gather_waiting("a1", 1000).await.unwrap().unwrap();
    assert_eq!(gathered.id(), ObjectId::of(&bytes(1000)));
}

pub(crate) async fn what_does_not_add_up_is_lost(lake: Lake) {
    assert!(lake.store.gather_waiting("a1", 1).await.unwrap().is_none());
    wait(&lake, "a1", 0, &bytes(1000)).await;
    wait(&lake, "a1", 1500, &bytes(500)).await;
    let parts = lake.store.waiting_parts("a1").await.unwrap();
    assert_eq!(parts.iter().map(WaitingPart::end).collect::<Vec<_>>(), [1000]);
    assert!(lake.store.gather_waiting("a1", 2000).await.unwrap().is_none());
    let empty = lake.store.gather_waiting("none", 0).await.unwrap().unwrap();
    assert_eq!(empty.id(), ObjectId::of(b""));
}

pub(crate) async fn equal_bytes_are_recognised_across_parts(lake: Lake) {
    let whole = bytes(3000);
    for start in [0, 1000, 2000] {
        wait(&lake, "a1", start, &whole.slice(start as usize..start as usize + 1000)).await;
    }
    let parts = lake.store.waiting_parts("a1").await.unwrap();
    for (start, end) in [(0, 3000), (500, 2500), (2999, 3000), (1000, 1001)] {
        let same = staged(&lake, &whole.slice(start..end)).await;
        assert!(lake.store.waiting_equals(&parts, start as u64, &same).await.unwrap());
        let other = staged(&lake, &whole.slice(start..end).iter().map(|b| !b).collect()).await;
        assert!(!lake.store.waiting_equals(&parts, start as u64, &other).await.unwrap());
    }
    let longer = staged(&lake, &[&whole[1500..], b"more"].concat().into()).await;
    assert!(lake.store.waiting_equals(&parts, 1500, &longer).await.unwrap());
    let rest = lake.store.stage_rest(&longer, 1500).await.unwrap();
    assert_eq!(rest.id(), ObjectId::of(b"more"));
}

/// Two servers gather at once; the first one done settles or forgets what the other still reads.
pub(crate) async fn what_goes_while_it_is_gathered_is_no_error(lake: Lake) {
    let whole = bytes(8_000);
    let other = lake.newcomer();
    for round in 0..20 {
        let name = format!("a{round}");
        for start in 0..8 {
            wait(&lake, &name, start * 1000, &whole.slice(start as usize * 1000..).slice(..1000))
                .await;
        }
        let first = lake.store.gather_waiting(&name, 8000).await.unwrap().unwrap();
        let ends = async {
            match round % 2 {
                0 => lake.store.forget_waiting(&name).await.unwrap(),
                _ => lake.store.settle_waiting(&name, &first).await.unwrap(),
            }
        };
        let (gathered, ()) = tokio::join!(other.gather_waiting(&name, 8000), ends);
        let gathered = gathered.unwrap();
        assert!(round % 2 == 0 || gathered.is_some(), "what was settled is still there");
        assert!(gathered.is_none_or(|gathered| gathered.id() == ObjectId::of(&whole)));
    }
}

/// Once gathered, an upload takes the room of its bytes once, and is as good as before.
pub(crate) async fn what_was_gathered_replaces_its_parts(lake: Lake) {
    let whole = bytes(3000);
    wait(&lake, "a1", 0, &whole.slice(..1000)).await;
    wait(&lake, "a1", 1000, &whole.slice(1000..)).await;
    let gathered = lake.store.gather_waiting("a1", 3000).await.unwrap().unwrap();
    lake.store.settle_waiting("a1", &gathered).await.unwrap();
    drop(gathered);
    let again = lake.newcomer().gather_waiting("a1", 3000).await.unwrap().unwrap();
    assert_eq!(again.id(), ObjectId::of(&whole));
    lake.store.forget_waiting("a1").await.unwrap();
    assert!(lake.store.waiting_uploads().await.unwrap().is_empty());
}

pub(crate) async fn a_whole_file_waits_and_goes(lake: Lake) {
    let whole = bytes(40 * 1024 * 1024);
    let one = staged(&lake, &whole).await;
    lake.store.wait_whole("a1", &one).await.unwrap();
    drop(one);
    let size_bytes = whole.len() as u64;
    let gathered = lake.newcomer().gather_waiting("a1", size_bytes).await.unwrap().unwrap();
    assert_eq!(gathered.id(), ObjectId::of(&whole));
    lake.store.forget_waiting("a1").await.unwrap();
    lake.store.forget_waiting("a1").await.unwrap();
    assert!(lake.store.waiting_uploads().await.unwrap().is_empty());
}
