//! What pipelines elsewhere told, and how far our own events were told.

use lakebed_catalog::{Catalog, Entity, Error, LineageFilter};
use lakebed_core::{EventBody, lineage::LineageName};

use crate::{databases::Databases, world::*};

const RUN: &str = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";

async fn found(catalog: &Catalog, filter: &LineageFilter, before: Option<u64>) -> Vec<u64> {
    let events = catalog.lineage_events(filter, before, 10).await.unwrap();
    events.into_iter().map(|event| event.seq).collect()
}

fn by_name(text: &str) -> LineageFilter {
    let name = LineageName { namespace: "elsewhere".to_owned(), name: text.to_owned() };
    LineageFilter { name: Some(name), ..LineageFilter::default() }
}

fn by_dataset(text: &str) -> LineageFilter {
    LineageFilter { dataset: Some(name(text)), ..LineageFilter::default() }
}

pub(crate) async fn what_was_told_is_found_by_what_it_names(databases: &Databases) {
    let catalog = databases.open("told").await;
    publish(&catalog, 1, vec![told("a.x", "1"), told("a.y", "2")]).await;
    publish(&catalog, 2, vec![told("a.x", "3")]).await;
    commit(&catalog, 3, vec![told("a.x", "above the mark")]).await;
    let run = |run: &str| LineageFilter { run: Some(run.to_owned()), ..LineageFilter::default() };
    let both = LineageFilter { run: Some(RUN.to_owned()), ..by_name("y") };
    let all = LineageFilter { dataset: Some(name("a.y")), ..both.clone() };
    for (filter, expected) in [
        (LineageFilter::default(), vec![3, 2, 1]),
        (by_dataset("a.x"), vec![3, 1]),
        (by_dataset("a.z"), vec![]),
        (by_name("x"), vec![3, 2, 1]),
        (by_name("a.x"), vec![]),
        (run(RUN), vec![3, 2, 1]),
        (run("3f5e83fa"), vec![]),
        (both, vec![3, 2, 1]),
        (all, vec![2]),
    ] {
        assert_eq!(found(&catalog, &filter, None).await, expected, "{filter:?}");
    }
    assert_eq!(found(&catalog, &by_dataset("a.x"), Some(3)).await, [1]);
}

pub(crate) async fn the_same_is_told_once(databases: &Databases) {
    let catalog = databases.open("twice").await;
    publish(&catalog, 1, vec![told("a.x", "1")]).await;
    let before = catalog.export().await.unwrap();
    let error = try_commit(&catalog, 2, vec![told("a.y", "1")]).await.unwrap_err();
    let Error::Conflict { entity: Entity::LineageEvent(id), .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(catalog.find_lineage_event(id).await.unwrap(), Some(1));
    assert_eq!(catalog.export().await.unwrap(), before);
}

pub(crate) async fn what_no_database_keeps_is_refused(databases: &Databases) {
    let catalog = databases.open("names").await;
    let before = catalog.export().await.unwrap();
    for bad in ["a\0b".to_owned(), "x".repeat(1001)] {
        let EventBody::LineageReceived(mut received) = told("a.x", "1") else { unreachable!() };
        received.inputs[0].name.name = bad;
        let change = EventBody::LineageReceived(received);
        let error = try_commit(&catalog, 1, vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    }
    assert_eq!(catalog.export().await.unwrap(), before);
}

pub(crate) async fn a_sink_is_never_told_back(databases: &Databases) {
    let catalog = databases.open("sinks").await;
    assert_eq!(catalog.lineage_told("a").await.unwrap(), 0);
    for (seq, expected) in [(3, 3), (2, 3), (7, 7)] {
        catalog.mark_lineage_told("a", seq).await.unwrap();
        assert_eq!(catalog.lineage_told("a").await.unwrap(), expected);
    }
    assert_eq!(catalog.lineage_told("b").await.unwrap(), 0);
}
