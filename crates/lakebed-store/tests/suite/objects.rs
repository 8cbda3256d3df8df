//! Storing: the same bytes are one object, whole, however they come.

use bytes::Bytes;
use futures::stream;
use lakebed_core::ObjectId;
use lakebed_store::{BoxError, Error, ONE_PUT_BYTES, Trust};

use crate::lake::{GROUP, Lake, bytes, lengths};

pub(crate) async fn what_is_put_is_got(lake: Lake) {
    for length in lengths() {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        assert_eq!(object.id, ObjectId::of(&bytes));
        assert_eq!(object.size_bytes, length as u64);
        assert_eq!(object.tree.is_some(), length > GROUP);
        assert!(lake.store.get(&object).await.unwrap() == bytes, "{length}");
        assert!(lake.newcomer().get(&object).await.unwrap() == bytes, "{length}");
        lake.store.verify(&object).await.unwrap();
    }
}

pub(crate) async fn a_staged_file_and_a_stream_are_the_same_object(lake: Lake) {
    for length in lengths() {
        let bytes = bytes(length);
        let path = lake.root.path().join("original");
        std::fs::write(&path, &bytes).unwrap();

        let staged = lake.store.stage_path(&path, &|_| ()).unwrap();
        assert_eq!(lake.store.hash_path(&path).unwrap(), (staged.id(), staged.size_bytes()));
        assert!(std::fs::read(staged.path()).unwrap() == bytes);
        let object = lake.store.publish(&staged, Trust::Unnamed).await.unwrap();
        assert_eq!(object, staged.object());
        assert!(staged.path().exists(), "readable until it is dropped");

        let pieces = bytes.chunks(100_003).map(|piece| Ok(Bytes::copy_from_slice(piece)));
        let streamed = lake.store.stage_stream(stream::iter(pieces)).await.unwrap();
        assert_eq!(streamed.object(), object);

        let written = lake.store.scratch_dir().join("written");
        std::fs::write(&written, &bytes).unwrap();
        let adopted = lake.store.adopt(written).unwrap();
        assert_eq!(adopted.object(), object);

        assert_eq!(lake.put(&bytes).await, object);
        assert!(lake.store.get(&object).await.unwrap() == bytes);
        drop((staged, streamed, adopted));
        assert_eq!(lake.scratch_files(), 0);
    }
}

/// P2: the same bytes are stored once.
pub(crate) async fn the_same_bytes_are_stored_once(lake: Lake) {
    let bytes = bytes(3 * GROUP);
    let object = lake.put(&bytes).await;
    let keys = lake.keys().await;
    assert_eq!(keys.len(), 2, "the object and its tree: {keys:?}");
    for trust in [Trust::Named, Trust::Unnamed] {
        assert_eq!(lake.store.put(bytes.clone(), trust).await.unwrap(), object);
    }
    assert_eq!(lake.keys().await, keys);
    let replaced = lake.faults.points().iter().any(|point| point.starts_with("replace"));
    assert!(!replaced, "P2: nothing is overwritten");
}

pub(crate) async fn many_writers_of_one_object_all_succeed(lake: Lake) {
    let bytes = bytes(2 * GROUP + 5);
    let writers = (0..16).map(|_| {
        let (store, bytes) = (lake.store.clone(), bytes.clone());
        tokio::spawn(async move { store.put(bytes, Trust::Unnamed).await.unwrap() })
    });
    let objects = futures::future::join_all(writers).await;
    let first = *objects[0].as_ref().unwrap();
    assert!(objects.into_iter().all(|object| object.unwrap() == first));
    assert!(lake.store.get(&first).await.unwrap() == bytes);
    assert_eq!(lake.keys().await.len(), 2);
}

/// More than one request may carry.
pub(crate) async fn a_large_object_goes_up_in_parts(lake: Lake) {
    let bytes = bytes(ONE_PUT_BYTES as usize + 12_345);
    let path = lake.store.scratch_dir().join("large");
    std::fs::write(&path, &bytes).unwrap();
    let staged = lake.store.adopt(path).unwrap();
    for _ in 0..2 {
        let object = lake.store.publish(&staged, Trust::Unnamed).await.unwrap();
        assert!(lake.newcomer().get(&object).await.unwrap() == bytes);
    }
    // A torn one of that length is healed in parts, too.
    lake.overwrite(staged.id(), bytes.slice(..GROUP)).await;
    let object = lake.store.publish(&staged, Trust::Unnamed).await.unwrap();
    lake.newcomer().verify(&object).await.unwrap();
}

pub(crate) async fn a_stream_that_breaks_off_leaves_nothing(lake: Lake) {
    let pieces: [Result<Bytes, BoxError>; 2] = [Ok(bytes(GROUP + 1)), Err("gone".into())];
    let staged = lake.store.stage_stream(stream::iter(pieces)).await;
    assert!(matches!(staged, Err(Error::BrokeOff { .. })), "{staged:?}");
    assert!(lake.keys().await.is_empty());
    // The writer may need a moment to notice.
    while lake.scratch_files() > 0 {
        tokio::task::yield_now().await;
    }
}

/// A store that trusted "already there" would bless half a file.
pub(crate) async fn a_torn_object_that_nobody_named_is_healed(lake: Lake) {
    for length in [1000, 2 * GROUP + 1] {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        for torn in [0, 1, length / 2, length - 1] {
            lake.overwrite(object.id, bytes.slice(..torn)).await;
            lake.put(&bytes).await;
            assert!(lake.newcomer().get(&object).await.unwrap() == bytes);
        }
        if let Some(tree) = object.tree {
            lake.overwrite(tree, vec![0; 10]).await;
            lake.put(&bytes).await;
            lake.newcomer().verify(&object).await.unwrap();
        }
    }
}

pub(crate) async fn a_damaged_object_of_the_right_length_is_healed_if_nobody_named_it(lake: Lake) {
    let bytes = bytes(2 * GROUP + 1);
    let object = lake.put(&bytes).await;
    lake.overwrite(object.id, vec![0; bytes.len()]).await;
    lake.put(&bytes).await;
    assert!(lake.newcomer().get(&object).await.unwrap() == bytes);
}

pub(crate) async fn a_named_object_costs_one_look_at_its_length(lake: Lake) {
    let bytes = bytes(1000);
    let object = lake.put(&bytes).await;
    let (reads, writes) = (lake.faults.read_count(), lake.faults.points().len());
    assert_eq!(lake.store.put(bytes, Trust::Named).await.unwrap(), object);
    assert_eq!(lake.faults.read_count(), reads + 1);
    assert_eq!(lake.faults.points().len(), writes);
}

pub(crate) async fn a_named_object_that_was_lost_or_torn_is_stored_again(lake: Lake) {
    let bytes = bytes(GROUP + 1);
    let object = lake.store.put(bytes.clone(), Trust::Named).await.unwrap();
    assert!(lake.newcomer().get(&object).await.unwrap() == bytes);
    lake.overwrite(object.id, bytes.slice(..7)).await;
    lake.store.put(bytes.clone(), Trust::Named).await.unwrap();
    assert!(lake.newcomer().get(&object).await.unwrap() == bytes);
}
