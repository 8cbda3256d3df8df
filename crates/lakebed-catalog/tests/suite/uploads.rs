//! Uploads that wait: their owners', bounded together, moved on by one writer at a time.

use lakebed_catalog::{Catalog, UploadRecord, UploadUsage};
use lakebed_core::{ObjectId, Timestamp};

use crate::Databases;

fn upload(id: &str, principal: &str, length_bytes: Option<u64>) -> UploadRecord {
    UploadRecord {
        id: id.to_owned(),
        principal: principal.to_owned(),
        name: Some("orders.csv".to_owned()),
        length_bytes,
        digest: Some(ObjectId::of(b"declared")),
        received_bytes: 0,
        object: None,
        touched_at: at(1),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

async fn create(catalog: &Catalog, upload: &UploadRecord) -> UploadUsage {
    let (usage, is_recorded) = catalog.create_upload(upload, |_| true).await.unwrap();
    assert!(is_recorded);
    usage
}

pub(crate) async fn an_upload_is_read_back_by_its_owner_alone(databases: &Databases) {
    let catalog = databases.open("a").await;
    let mine = upload("a1", "alice", Some(10));
    create(&catalog, &mine).await;
    assert_eq!(catalog.find_upload("alice", "a1").await.unwrap(), Some(mine));
    assert_eq!(catalog.find_upload("bob", "a1").await.unwrap(), None);
    catalog.delete_uploads(&["a1".to_owned(), "none".to_owned()]).await.unwrap();
    assert_eq!(catalog.find_upload("alice", "a1").await.unwrap(), None);
}

pub(crate) async fn what_waits_is_counted_together(databases: &Databases) {
    let catalog = databases.open("a").await;
    assert_eq!(create(&catalog, &upload("a1", "alice", Some(10))).await, UploadUsage::default());
    create(&catalog, &upload("a2", "alice", None)).await;
    create(&catalog, &upload("b1", "bob", Some(5))).await;
    // What came counts where nothing, or less, was declared.
    assert!(catalog.advance_upload("a2", 0, 7, at(2)).await.unwrap());
    let expected = UploadUsage { all_bytes: 22, own_bytes: 17, own_count: 2 };
    assert_eq!(catalog.upload_usage("alice").await.unwrap(), expected);
    let another = upload("a3", "alice", None);
    let refused = catalog.create_upload(&another, |usage| usage != expected);
    assert_eq!(refused.await.unwrap(), (expected, false));
    assert_eq!(catalog.find_upload("alice", "a3").await.unwrap(), None);
}

/// Of two that would each fit alone, one is recorded.
pub(crate) async fn of_two_that_do_not_fit_together_one_is_recorded(databases: &Databases) {
    let catalog = databases.open("a").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let catalog = catalog.clone();
        tasks.spawn(async move {
            let upload = upload(&format!("a{number}"), "alice", Some(10));
            catalog.create_upload(&upload, |usage| usage.all_bytes + 10 <= 10).await.unwrap().1
        });
    }
    let recorded = tasks.join_all().await.into_iter().filter(|is_recorded| *is_recorded).count();
    assert_eq!(recorded, 1);
}

pub(crate) async fn an_upload_moves_on_from_where_it_is(databases: &Databases) {
    let catalog = databases.open("a").await;
    create(&catalog, &upload("a1", "alice", None)).await;
    assert!(catalog.advance_upload("a1", 0, 10, at(2)).await.unwrap());
    assert!(!catalog.advance_upload("a1", 0, 20, at(3)).await.unwrap(), "it is further");
    let object = ObjectId::of(b"x");
    assert!(!catalog.complete_upload("a1", 9, object, at(4)).await.unwrap());
    assert!(catalog.complete_upload("a1", 10, object, at(4)).await.unwrap());
    assert!(!catalog.advance_upload("a1", 10, 20, at(5)).await.unwrap(), "it is complete");
    let found = catalog.find_uploaded("alice", &[ObjectId::of(b"y"), object]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].object, found[0].length_bytes), (Some(object), Some(10)));
    assert!(catalog.find_uploaded("bob", &[object]).await.unwrap().is_empty());
}

pub(crate) async fn what_nothing_came_for_is_stale(databases: &Databases) {
    let catalog = databases.open("a").await;
    for id in ["a1", "a2"] {
        create(&catalog, &upload(id, "alice", None)).await;
    }
    assert!(catalog.advance_upload("a2", 0, 1, at(9)).await.unwrap());
    assert_eq!(catalog.stale_uploads(at(5), 10).await.unwrap(), ["a1"]);
    let asked = ["a2".to_owned(), "zz".to_owned()];
    assert_eq!(catalog.known_uploads(&asked).await.unwrap(), ["a2"]);
    assert!(catalog.known_uploads(&[]).await.unwrap().is_empty());
}
