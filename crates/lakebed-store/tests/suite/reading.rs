//! Reading what is whole: every range is the slice of the bytes that were stored.

use std::ops::Range;

use futures::TryStreamExt as _;
use lakebed_core::StoredObject;
use lakebed_store::Error;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::lake::{GROUP, Lake, bytes};

fn some_ranges() -> impl Strategy<Value = (usize, Vec<Range<u64>>)> {
    let length = prop_oneof![0..3000_usize, 0..40 * GROUP, (1..20_usize).prop_map(|n| n * GROUP)];
    length.prop_flat_map(|length| {
        let end = length as u64;
        let range = (0..=end, 0..=end).prop_map(|(a, b)| a.min(b)..a.max(b));
        let near = (0..=end, 0..1000_u64).prop_map(move |(a, n)| a..(a + n).min(end));
        (Just(length), prop::collection::vec(prop_oneof![range, near], 0..6))
    })
}

pub(crate) async fn ranges_are_slices(lake: Lake) {
    let check = |(length, ranges): (usize, Vec<Range<u64>>)| {
        let bytes = bytes(length);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                let object = lake.put(&bytes).await;
                let slice = |range: &Range<u64>| &bytes[range.start as usize..range.end as usize];
                let answers = lake.store.get_ranges(&object, &ranges).await.unwrap();
                assert_eq!(answers.len(), ranges.len());
                for (range, answer) in ranges.iter().zip(&answers) {
                    assert!(answer == slice(range), "{range:?} of {length}");
                    let alone = lake.store.get_range(&object, range.clone()).await.unwrap();
                    assert!(alone == slice(range), "{range:?} of {length}");
                }
            });
        });
        Ok(())
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let run = || {
        let _entered = runtime.enter();
        let config = ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
        TestRunner::new(config).run(&some_ranges(), check).unwrap();
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
    runtime.shutdown_background();
}

pub(crate) async fn ranges_outside_are_refused(lake: Lake) {
    for length in [10, GROUP + 10] {
        let object = lake.put(&bytes(length)).await;
        let end = length as u64;
        #[expect(clippy::reversed_empty_ranges, reason = "that is the case")]
        for range in [0..end + 1, end + 1..end + 1, 5..4, u64::MAX - 1..u64::MAX] {
            let read = lake.store.get_range(&object, range.clone()).await;
            assert!(matches!(read, Err(Error::OutOfRange { .. })), "{range:?}");
            let read: Result<Vec<_>, _> = lake.store.stream(&object, range).try_collect().await;
            assert!(matches!(read, Err(Error::OutOfRange { .. })));
        }
    }
}

pub(crate) async fn a_stream_is_the_range(lake: Lake) {
    let bytes = bytes(40 * GROUP + 9);
    let object = lake.put(&bytes).await;
    for range in [0..bytes.len(), 3..bytes.len() - 3, 5..5, GROUP..2 * GROUP] {
        let wanted = range.start as u64..range.end as u64;
        let pieces: Vec<_> = lake.store.stream(&object, wanted).try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= 16 * GROUP));
        assert!(pieces.concat() == bytes[range]);
    }
}

pub(crate) async fn a_copy_in_scratch_is_the_object(lake: Lake) {
    for length in [0, 10, 20 * GROUP + 1] {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        let path = lake.store.copy_to_scratch(&object).await.unwrap();
        assert!(path.starts_with(lake.store.scratch_dir()));
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
    let object = lake.put(&bytes(20 * GROUP)).await;
    let before = lake.scratch_files();
    lake.faults.flip_bit(object.id, 19 * 8 * GROUP as u64);
    let copy = lake.store.copy_to_scratch(&object).await;
    assert!(matches!(copy, Err(Error::Corrupt { .. })));
    assert_eq!(lake.scratch_files(), before, "no unverified copy is left");
}

pub(crate) async fn an_object_whose_tree_nobody_named_is_verified_too(lake: Lake) {
    let bytes = bytes(20 * GROUP + 9);
    let object = StoredObject { tree: None, ..lake.put(&bytes).await };
    assert!(lake.newcomer().get_range(&object, 5..9).await.unwrap() == bytes[5..9]);
    lake.newcomer().verify(&object).await.unwrap();
    lake.faults.flip_bit(object.id, 77);
    let read = lake.newcomer().get_range(&object, 0..1).await;
    assert!(matches!(read, Err(Error::Corrupt { .. })));
}
