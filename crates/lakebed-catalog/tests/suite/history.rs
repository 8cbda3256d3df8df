//! Pages of versions and of events.

use lakebed_catalog::{Entity, Error};
use lakebed_core::DatasetKind;

use crate::{databases::Databases, world::*};

pub(crate) async fn versions_come_newest_first_in_pages(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x")]).await;
    assert_eq!(catalog.history(&name("a.x"), None, 9).await.unwrap(), []);
    for number in 1..=5 {
        publish(&catalog, 10 * number as i64, vec![version("a.x", number)]).await;
    }
    let numbers = async |before, limit| -> Vec<u64> {
        let page = catalog.history(&name("a.x"), before, limit).await.unwrap();
        page.iter().map(|version| version.number).collect()
    };
    assert_eq!(numbers(None, 2).await, [5, 4]);
    assert_eq!(numbers(Some(4), 2).await, [3, 2]);
    assert_eq!(numbers(Some(2), 2).await, [1]);
    assert_eq!(numbers(Some(1), 2).await, [0; 0]);
    assert_eq!(numbers(Some(u64::MAX), 99).await, [5, 4, 3, 2, 1]);
    assert_eq!(numbers(None, 0).await, [0; 0]);

    let error = catalog.history(&name("a.y"), None, 9).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { entity: Entity::Dataset(_) }), "{error:?}");

    let newest = catalog.history(&name("a.x"), None, 1).await.unwrap().remove(0);
    let body = version_body("a.x", 5);
    assert_eq!(newest.dataset, body.dataset);
    assert_eq!(newest.kind, DatasetKind::Table);
    assert_eq!((newest.version_id, newest.parent), (body.version_id, body.parent));
    assert_eq!((newest.content_id, newest.ingest_key), (body.content_id, body.ingest_key));
    assert_eq!((newest.row_count, newest.quarantined_count, newest.size_bytes), (50, 5, 500));
    assert_eq!(newest.manifest.id, body.version_id.object());
    assert_eq!((newest.manifest.size_bytes, newest.manifest.tree), (1005, None));
    assert_eq!((newest.seq, newest.at, newest.actor.as_str()), (6, at(50), "ann"));
}

pub(crate) async fn events_come_oldest_first_in_pages(databases: &Databases) {
    let catalog = databases.open("a").await;
    let numbers = 1..=2_100;
    let changes = std::iter::once(created("a.x")).chain(numbers.map(|n| version("a.x", n)));
    let (all, _) = publish(&catalog, 1, changes.collect()).await;
    assert_eq!(all.len(), 2_101);
    assert!(all.iter().zip(1..).all(|(event, seq)| event.seq == seq));
    assert_eq!(catalog.events(0, 3).await.unwrap(), all[..3]);
    assert_eq!(catalog.events(2_099, 9).await.unwrap(), all[2_099..]);
    assert_eq!(catalog.events(u64::MAX, 9).await.unwrap(), []);
    assert_eq!(catalog.events(0, 0).await.unwrap(), []);
}
