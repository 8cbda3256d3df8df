//! The journaled mark: what was shown can never be lost with the database (P4, P9).

use lakebed_catalog::{Catalog, DatasetFilter, Error, JournalMark};

use crate::{databases::Databases, world::*};

/// Everything a reader can ask about `dataset`, as text.
async fn everything_visible(catalog: &Catalog, dataset: &str) -> String {
    let mut seen = Vec::new();
    for selector in ["", "@latest", "@v1", "@v2", "@product", "@9999-12-31"] {
        seen.push(show(catalog, &format!("{dataset}{selector}"), "raw").await);
    }
    for number in 1..=2 {
        let digits = &id(dataset, number).to_string()[..8];
        seen.push(show(catalog, &format!("{dataset}@b3:{digits}"), "raw").await);
    }
    seen.push(format!("{:?}", catalog.datasets(&DatasetFilter::default()).await.unwrap()));
    seen.push(format!("{:?}", catalog.find_dataset(&name(dataset)).await.unwrap()));
    let history = catalog.history(&name(dataset), None, 9).await;
    seen.push(history.map_or_else(|error| error.to_string(), |versions| format!("{versions:?}")));
    seen.push(format!("{:?}", catalog.events(0, 99).await.unwrap()));
    for object in [version_body(dataset, 1).objects, version_body(dataset, 2).objects].concat() {
        seen.push(format!("{:?}", catalog.find_object(object.id).await.unwrap()));
        seen.push(format!("{:?}", catalog.has_object_of_size(object.size_bytes).await.unwrap()));
    }
    seen.join("\n")
}

/// Two lakes that differ only above the mark answer every question the same.
pub(crate) async fn nothing_above_the_mark_is_visible(databases: &Databases) {
    let (plain, ahead) = (databases.open("plain").await, databases.open("ahead").await);
    let nothing = everything_visible(&plain, "a.x").await;
    commit(&ahead, 1, vec![created("a.x"), version("a.x", 1)]).await;
    assert_eq!(everything_visible(&ahead, "a.x").await, nothing);

    publish(&plain, 1, vec![created("a.x"), version("a.x", 1)]).await;
    journal(&ahead).await;
    let first = everything_visible(&plain, "a.x").await;
    assert_ne!(first, nothing);
    assert_eq!(everything_visible(&ahead, "a.x").await, first);

    let changes = vec![
        version("a.x", 2),
        moved("a.x", "product", None, 1),
        created("a.y"),
        refused("a.x", "f.csv"),
    ];
    commit(&ahead, 2, changes.clone()).await;
    assert_eq!(everything_visible(&ahead, "a.x").await, first);
    publish(&plain, 2, changes).await;
    journal(&ahead).await;
    assert_eq!(everything_visible(&ahead, "a.x").await, everything_visible(&plain, "a.x").await);
    assert_eq!(show(&ahead, "a.x@product", "raw").await, "v1 of v2");
}

pub(crate) async fn a_mark_in_between_shows_exactly_what_is_below(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    commit(&catalog, 2, vec![version("a.x", 2)]).await;
    commit(&catalog, 3, vec![moved("a.x", "product", None, 2)]).await;
    let digest = object("segment", 1).id;
    let mut seen = Vec::new();
    for (segment, seq) in [(1, 2), (2, 3), (3, 4)] {
        let mark = JournalMark { segment, seq, digest };
        assert!(catalog.mark_journaled(segment - 1, mark).await.unwrap());
        let (bare, product) = ("a.x", "a.x@product");
        seen.push(show(&catalog, bare, "raw").await);
        seen.push(show(&catalog, product, "raw").await);
        assert_eq!(resolve(&catalog, &[], "raw").await.snapshot.seq, seq);
        assert_eq!(resolve(&catalog, &[bare], "raw").await.snapshot.seq, seq);
        assert_eq!(resolve(&catalog, &[bare, product], "raw").await.snapshot.seq, seq);
    }
    let absent = "`a.x` has no version at stage `product`";
    assert_eq!(seen, ["v1 of v1", absent, "v2 of v2", absent, "v2 of v2", "v2 of v2"]);
}

pub(crate) async fn the_mark_moves_only_forward_and_within_the_record(databases: &Databases) {
    let catalog = databases.open("a").await;
    let digest = object("segment", 1).id;
    let mark = |segment, seq| JournalMark { segment, seq, digest };
    for number in 1..=3 {
        commit(&catalog, 1, vec![created(&format!("a.x{number}"))]).await;
    }
    assert!(catalog.mark_journaled(0, mark(1, 2)).await.unwrap());
    // Another process was first.
    assert!(!catalog.mark_journaled(0, mark(1, 3)).await.unwrap());
    let before = catalog.export().await.unwrap();
    for bad in [mark(2, 4), mark(2, 1), mark(1, 3), mark(0, 3), mark(2, u64::MAX)] {
        let error = catalog.mark_journaled(1, bad).await.unwrap_err();
        assert!(matches!(error, Error::MarkOutOfReach { last_seq: 3, .. }), "{bad:?}: {error:?}");
    }
    assert!(matches!(
        catalog.mark_journaled(1, mark(u64::MAX, 3)).await,
        Err(Error::Invalid { .. })
    ));
    assert_eq!(catalog.export().await.unwrap(), before);
    assert!(catalog.mark_journaled(1, mark(2, 3)).await.unwrap());
}

pub(crate) async fn planning_sees_above_the_mark(databases: &Databases) {
    let catalog = databases.open("a").await;
    assert_eq!(catalog.newest_state(&name("a.x")).await.unwrap(), None);
    assert_eq!(catalog.newest(&name("a.x")).await.unwrap(), None);
    commit(&catalog, 1, vec![created("a.x")]).await;
    let state = catalog.newest_state(&name("a.x")).await.unwrap().unwrap();
    assert_eq!((state.kind, state.newest), (lakebed_core::DatasetKind::Table, None));
    commit(&catalog, 1, vec![version("a.x", 1)]).await;
    let newest = catalog.newest(&name("a.x")).await.unwrap().unwrap();
    assert_eq!((newest.number, newest.version_id), (1, id("a.x", 1)));
    let state = catalog.newest_state(&name("a.x")).await.unwrap().unwrap();
    assert_eq!(state.newest, Some(newest));
}
