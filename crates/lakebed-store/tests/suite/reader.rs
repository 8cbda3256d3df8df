//! The store as other crates see it: `object_store`, read only and verified.

use futures::{StreamExt as _, TryStreamExt as _};
use lakebed_core::{ObjectId, StoredObject};
use lakebed_store::Error;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, path::Path,
};

use crate::lake::{GROUP, Lake, bytes, lengths};

fn path(object: &StoredObject) -> Path {
    Path::from(object.id.key())
}

pub(crate) async fn it_reads_like_any_object_store(lake: Lake) {
    for length in lengths() {
        let bytes = bytes(length);
        let object = lake.put(&bytes).await;
        let reader = lake.store.reader([object]);
        let path = path(&object);
        let got = reader.get(&path).await.unwrap();
        assert_eq!(got.meta, reader.head(&path).await.unwrap());
        assert_eq!(got.meta.size, length as u64);
        assert_eq!(got.meta.e_tag, Some(object.id.to_string()));
        assert!(got.bytes().await.unwrap() == bytes);
        if length < 10 {
            continue;
        }
        let end = length as u64;
        for (range, expected) in [
            (GetRange::Bounded(3..7), 3..7),
            (GetRange::Bounded(end - 2..end + 10), end - 2..end),
            (GetRange::Offset(5), 5..end),
            (GetRange::Suffix(8), end - 8..end),
            (GetRange::Suffix(end + 9), 0..end),
        ] {
            let got = reader.get_opts(&path, GetOptions::new().with_range(Some(range))).await;
            let got = got.unwrap();
            assert_eq!(got.range, expected);
            let slice = &bytes[expected.start as usize..expected.end as usize];
            assert!(got.bytes().await.unwrap() == slice);
        }
        let parts = reader.get_ranges(&path, &[end - 3..end, 0..2, 1..end - 1]).await.unwrap();
        assert!(parts[0] == bytes[length - 3..] && parts[1] == bytes[..2]);
        assert!(parts[2] == bytes[1..length - 1]);
        let beyond = reader.get_range(&path, end..end + 1).await;
        assert!(matches!(beyond, Err(StoreError::Generic { .. })));
        assert!(reader.get_ranges(&path, &[0..end + 1]).await.is_err());
    }
}

pub(crate) async fn it_knows_only_what_it_was_given(lake: Lake) {
    let (known, other) = (lake.put(&bytes(10)).await, lake.put(&bytes(11)).await);
    lake.store.create("lakebed.json", "{}".into()).await.unwrap();
    let reader = lake.store.reader([known]);
    assert!(reader.get(&path(&known)).await.is_ok());
    for unknown in [path(&other), Path::from("lakebed.json"), Path::from("")] {
        let not_found = |error: &StoreError| matches!(error, StoreError::NotFound { .. });
        assert!(not_found(&reader.get(&unknown).await.unwrap_err()));
        assert!(not_found(&reader.head(&unknown).await.unwrap_err()));
        assert!(not_found(&reader.get_ranges(&unknown, &[0..1]).await.unwrap_err()));
    }
    let tagged = |tag: ObjectId| GetOptions::new().with_if_match(Some(tag.to_string()));
    assert!(reader.get_opts(&path(&known), tagged(known.id)).await.is_ok());
    assert!(reader.get_opts(&path(&known), tagged(other.id)).await.is_err());
}

pub(crate) async fn heads_ask_nothing(lake: Lake) {
    let object = lake.put(&bytes(3 * GROUP)).await;
    let before = lake.faults.read_count();
    let reader = lake.store.reader([object]);
    let meta = reader.head(&path(&object)).await.unwrap();
    assert_eq!(meta.size, object.size_bytes);
    assert_eq!(lake.faults.read_count(), before);
}

pub(crate) async fn writing_and_listing_are_refused(lake: Lake) {
    let object = lake.put(&bytes(10)).await;
    let reader = lake.store.reader([object]);
    let (path, other) = (path(&object), Path::from("other"));
    let refused = [
        reader.put(&other, "x".into()).await.map(drop),
        reader.put_multipart(&other).await.map(drop),
        reader.delete(&path).await,
        reader.copy(&path, &other).await,
        reader.rename(&path, &other).await,
        reader.rename_if_not_exists(&path, &other).await,
        reader.list(None).try_collect::<Vec<_>>().await.map(drop),
        reader.list_with_offset(None, &path).try_collect::<Vec<_>>().await.map(drop),
        reader.list_with_delimiter(None).await.map(drop),
    ];
    for (index, refused) in refused.into_iter().enumerate() {
        assert!(matches!(refused, Err(StoreError::NotSupported { .. })), "{index}");
    }
    assert_eq!(lake.keys().await.len(), 1);
}

/// Whoever reads through another crate can still tell damage from other failures.
pub(crate) async fn damage_is_recognised_through_it(lake: Lake) {
    let object = lake.put(&bytes(40 * GROUP)).await;
    let reader = lake.store.reader([object]);
    lake.faults.flip_bit(object.id, 33 * 8 * GROUP as u64);
    let damaged = (33 * GROUP) as u64;
    let range = damaged..damaged + 10;
    let errors = [
        reader.get_range(&path(&object), range.clone()).await.unwrap_err(),
        reader.get_ranges(&path(&object), &[0..1, range]).await.unwrap_err(),
        reader.get(&path(&object)).await.unwrap().bytes().await.unwrap_err(),
    ];
    for error in errors {
        let found = Error::find_in(&error);
        assert!(matches!(found, Some(Error::Corrupt { object: id, .. }) if *id == object.id));
    }
    let mut pieces = reader.get(&path(&object)).await.unwrap().into_stream();
    assert!(pieces.next().await.unwrap().is_ok());
}

pub(crate) async fn parts_in_one_group_are_read_once(lake: Lake) {
    let object = lake.put(&bytes(40 * GROUP)).await;
    let reader = lake.store.reader([object]);
    reader.get_range(&path(&object), 0..1).await.unwrap();
    let before = lake.faults.read_count();
    let parts: Vec<_> = (0..100).map(|part| part * 1000..part * 1000 + 500).collect();
    reader.get_ranges(&path(&object), &parts).await.unwrap();
    assert_eq!(lake.faults.read_count(), before + 1);
}
