//! P3: bytes that are not what their name says are an error that names the object, never data.

use futures::StreamExt as _;
use lakebed_core::{ObjectId, StoredObject};
use lakebed_store::{Error, Found, Result};

use crate::lake::{GROUP, Lake, bytes};

/// Which object was said to be corrupt.
#[track_caller]
fn corrupt<T>(result: Result<T>) -> (ObjectId, Found) {
    match result {
        Err(Error::Corrupt { object, found }) => (object, found),
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("damaged bytes were handed out"),
    }
}

pub(crate) async fn a_flipped_bit_in_a_small_object_is_an_error(lake: Lake) {
    for length in [1, 77, GROUP] {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        for bit in [0, length as u64 * 8 / 2, length as u64 * 8 - 1] {
            lake.faults.flip_bit(object.id, bit);
            let mut flipped = bytes.to_vec();
            flipped[(bit / 8) as usize] ^= 1 << (bit % 8);
            let expected = (object.id, Found::Bytes(ObjectId::of(&flipped)));
            assert_eq!(corrupt(lake.store.get(&object).await), expected);
            assert_eq!(corrupt(lake.store.get_range(&object, 0..1).await), expected);
            assert_eq!(corrupt(lake.store.verify(&object).await), expected);
        }
        lake.faults.unflip();
        assert!(lake.store.get(&object).await.unwrap() == bytes);
    }
}

pub(crate) async fn a_flipped_bit_in_a_group_spoils_that_group_alone(lake: Lake) {
    let bytes = bytes(20 * GROUP + 100);
    let object = lake.put(&bytes).await;
    for group in [0, 1, 7, 19, 20] {
        let start = (group * GROUP) as u64;
        let end = (start + GROUP as u64).min(object.size_bytes);
        for bit in [start * 8, (start + end) * 4 + 3, end * 8 - 1] {
            lake.faults.flip_bit(object.id, bit);
            let expected = (object.id, Found::Group { offset: start });
            for store in [lake.newcomer(), lake.store.clone()] {
                // The range need not touch the damaged byte itself.
                assert_eq!(corrupt(store.get_range(&object, start..start + 1).await), expected);
                assert_eq!(corrupt(store.get_range(&object, end - 1..end).await), expected);
                assert_eq!(corrupt(store.get(&object).await), expected);
                assert_eq!(corrupt(store.verify(&object).await).0, object.id);
                for whole in [0..start, end..object.size_bytes] {
                    let read = store.get_range(&object, whole.clone()).await.unwrap();
                    assert!(read == bytes[whole.start as usize..whole.end as usize]);
                }
            }
        }
    }
}

pub(crate) async fn a_flipped_bit_in_a_tree_is_an_error(lake: Lake) {
    let bytes = bytes(20 * GROUP + 100);
    let object = lake.put(&bytes).await;
    let tree = object.tree.unwrap();
    for bit in [0, 32 * 8, 20 * 32 * 8 + 77, 21 * 32 * 8 - 1] {
        lake.faults.flip_bit(tree, bit);
        let (damaged, found) = corrupt(lake.newcomer().get_range(&object, 0..1).await);
        assert_eq!(damaged, tree);
        assert!(matches!(found, Found::Bytes(_)));
        assert_eq!(corrupt(lake.newcomer().verify(&object).await).0, tree);
    }
}

/// What was proved may be kept in memory; verifying means reading again.
pub(crate) async fn a_tree_that_was_proved_is_verified_again_by_verify(lake: Lake) {
    let object = lake.put(&bytes(2 * GROUP)).await;
    lake.store.get(&object).await.unwrap();
    lake.faults.flip_bit(object.tree.unwrap(), 5);
    lake.store.get(&object).await.unwrap();
    assert_eq!(corrupt(lake.store.verify(&object).await).0, object.tree.unwrap());
}

pub(crate) async fn an_object_of_the_wrong_length_is_an_error(lake: Lake) {
    for length in [0, 100, GROUP, 3 * GROUP, 3 * GROUP + 5] {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        let mut others = vec![longer];
        if length > 0 {
            others.extend([bytes[..length - 1].to_vec(), bytes[..length / 2].to_vec(), vec![]]);
        }
        for other in others {
            let found = Found::Size { expected: length as u64, found: other.len() as u64 };
            lake.overwrite(object.id, other).await;
            let read = lake.newcomer().get(&object).await;
            assert_eq!(corrupt(read), (object.id, found), "{length}");
            assert_eq!(corrupt(lake.newcomer().verify(&object).await), (object.id, found));
        }
    }
    let object = lake.put(&bytes(2 * GROUP)).await;
    lake.overwrite(object.tree.unwrap(), vec![0; 65]).await;
    assert_eq!(corrupt(lake.newcomer().get(&object).await).0, object.tree.unwrap());
}

pub(crate) async fn an_object_that_is_gone_is_not_found(lake: Lake) {
    for length in [0, 1000, 2 * GROUP] {
        let id = ObjectId::of(&bytes(length));
        let object = StoredObject { id, size_bytes: length as u64, tree: None };
        let not_found = |result: Result<()>| match result {
            Err(Error::NotFound { key }) => key == id.key(),
            _ => false,
        };
        assert!(not_found(lake.store.get(&object).await.map(drop)));
        assert!(not_found(lake.store.verify(&object).await));
        assert!(not_found(lake.store.copy_to_scratch(&object).await.map(drop)));
    }
}

pub(crate) async fn a_tree_that_is_gone_is_not_found(lake: Lake) {
    let missing = ObjectId::of(b"not stored");
    let object = StoredObject { tree: Some(missing), ..lake.put(&bytes(2 * GROUP)).await };
    for result in
        [lake.newcomer().get(&object).await.map(drop), lake.newcomer().verify(&object).await]
    {
        assert!(matches!(result, Err(Error::NotFound { key }) if key == missing.key()));
    }
}

pub(crate) async fn a_tree_of_another_object_is_refused(lake: Lake) {
    let object = lake.put(&bytes(2 * GROUP)).await;
    let other = lake.put(&bytes(2 * GROUP - 1)).await.tree.unwrap();
    let object = StoredObject { tree: Some(other), ..object };
    let expected = (object.id, Found::Tree(other));
    assert_eq!(corrupt(lake.newcomer().get_range(&object, 0..1).await), expected);
    assert_eq!(corrupt(lake.newcomer().verify(&object).await), expected);
}

/// A group's value says where the group ends, so a lie about the length is found out.
pub(crate) async fn a_wrong_length_in_the_catalog_gives_no_wrong_bytes(lake: Lake) {
    let bytes = bytes(GROUP + 1000);
    let object = lake.put(&bytes).await;
    for size_bytes in [GROUP as u64 + 999, GROUP as u64 + 1001, 2 * GROUP as u64, 5, 9999999] {
        let lie = StoredObject { size_bytes, ..object };
        let read = lake.newcomer().get_range(&lie, size_bytes - 5..size_bytes).await;
        assert!(read.is_err(), "{size_bytes}");
        // What the lie does not touch may be read, and is right.
        if let Ok(read) = lake.newcomer().get_range(&lie, 0..5).await {
            assert!(read == bytes[..5]);
        }
        assert!(lake.newcomer().verify(&lie).await.is_err());
    }
}

pub(crate) async fn a_stream_ends_at_the_first_damage(lake: Lake) {
    let bytes = bytes(64 * GROUP);
    let object = lake.put(&bytes).await;
    lake.faults.flip_bit(object.id, 20 * 8 * GROUP as u64);
    let pieces: Vec<_> = lake.store.stream(&object, 0..object.size_bytes).collect().await;
    assert_eq!(pieces.len(), 2, "one good window, one error, and no more");
    assert!(pieces[0].as_ref().unwrap() == &bytes[..16 * GROUP]);
    assert!(matches!(pieces[1], Err(Error::Corrupt { .. })));
}
