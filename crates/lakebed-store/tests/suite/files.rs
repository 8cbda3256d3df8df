//! Small files under keys: created once, for ever.

use bytes::Bytes;
use lakebed_store::{Created, Error};

use crate::lake::Lake;

const KEY: &str = "journal/000000000001.json";

/// A check followed by a write would let several through.
pub(crate) async fn of_many_creators_one_is_first(lake: Lake) {
    for round in 0..20 {
        let key = format!("journal/{round}.json");
        let creators = (0..16).map(|number| {
            let (store, key) = (lake.store.clone(), key.clone());
            let bytes = Bytes::from(format!("creator {number}"));
            tokio::spawn(async move { (store.create(&key, bytes.clone()).await.unwrap(), bytes) })
        });
        let outcomes = futures::future::join_all(creators).await;
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap());
        let first: Vec<_> = outcomes.filter(|(created, _)| *created == Created::New).collect();
        assert_eq!(first.len(), 1);
        assert_eq!(lake.store.read(&key).await.unwrap().unwrap(), first[0].1);
    }
    assert_eq!(lake.scratch_files(), 0);
}

pub(crate) async fn what_was_created_is_read_and_stays(lake: Lake) {
    assert_eq!(lake.store.read(KEY).await.unwrap(), None);
    assert_eq!(lake.store.create(KEY, "one".into()).await.unwrap(), Created::New);
    assert_eq!(lake.store.create(KEY, "two".into()).await.unwrap(), Created::Existed);
    assert_eq!(lake.store.create(KEY, "one".into()).await.unwrap(), Created::Existed);
    assert_eq!(lake.store.read(KEY).await.unwrap().unwrap(), "one");
}

pub(crate) async fn a_torn_file_is_replaced(lake: Lake) {
    let torn = Bytes::from("who");
    lake.store.create(KEY, torn.clone()).await.unwrap();
    lake.store.replace_torn(KEY, &torn, "whole".into()).await.unwrap();
    assert_eq!(lake.store.read(KEY).await.unwrap().unwrap(), "whole");
    // An answer that was cut off on its way looks like a torn file, and is none.
    let refused = lake.store.replace_torn(KEY, &torn, "other".into()).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    let refused = lake.store.replace_torn("journal/2.json", &torn, "new".into()).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert_eq!(lake.store.read(KEY).await.unwrap().unwrap(), "whole");
    assert_eq!(lake.store.read("journal/2.json").await.unwrap(), None);
}

pub(crate) async fn lists_are_by_name(lake: Lake) {
    let keys = ["journal/10", "lakebed.json", "journal/9", "journal-2/1", "journal/10-a", "a/b/c"];
    for key in keys {
        lake.store.create(key, key.to_owned().into()).await.unwrap();
    }
    let list = async |prefix: &str| {
        let listed = lake.store.list(prefix).await.unwrap();
        assert!(listed.iter().all(|listed| listed.size_bytes == listed.key.len() as u64));
        listed.into_iter().map(|listed| listed.key).collect::<Vec<_>>()
    };
    assert_eq!(list("journal").await, ["journal/10", "journal/10-a", "journal/9"]);
    assert_eq!(list("journal/").await, list("journal").await);
    assert_eq!(list("a/b").await, ["a/b/c"]);
    assert!(list("nothing").await.is_empty());
    let mut all = keys;
    all.sort_unstable();
    assert_eq!(list("").await, all);
}

pub(crate) async fn keys_that_leave_the_lake_are_refused(lake: Lake) {
    for key in ["../x", "/etc/x", "a/../../x", "", "a\nb", "a\0", ".ssh", "tmp/x", "a//b", "a/"] {
        let refused = [
            lake.store.create(key, "x".into()).await.map(drop),
            lake.store.replace_torn(key, &Bytes::new(), "x".into()).await,
            lake.store.read(key).await.map(drop),
        ];
        for refused in refused {
            assert!(matches!(refused, Err(Error::Key { .. })), "{key:?}");
        }
        // The back ends do not rely on the store.
        assert!(lake.below.create(key, &Bytes::new().into()).await.is_err(), "{key:?}");
        assert!(lake.below.read(key).await.is_err(), "{key:?}");
    }
    for prefix in ["../", "/", "a/../.."] {
        assert!(matches!(lake.store.list(prefix).await, Err(Error::Key { .. })), "{prefix:?}");
    }
    assert!(lake.keys().await.is_empty());
}
