//! The catalog can be rebuilt from its journal alone (P9).

use lakebed_catalog::{Catalog, Commit, Error, JournalMark};
use lakebed_core::{Declared, Event};

use crate::{databases::Databases, people::applied, world::*};

type Segment = (Vec<Event>, JournalMark);

/// A lake with a bit of everything, and its journal. Events pass through JSON, as they do there.
async fn lake(catalog: &Catalog) -> Vec<Segment> {
    let keyed = |key: &str, changes| Commit {
        idempotency_key: Some(key.to_owned()),
        ..commit_of(changes, 7)
    };
    let mut segments = Vec::new();
    commit(catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    catalog.commit(keyed("k1", vec![created("a.y"), version("a.y", 1)])).await.unwrap();
    segments.push(journal(catalog).await);
    catalog.commit(keyed("k2", vec![refused("a.z", "f.csv"), version("a.y", 2)])).await.unwrap();
    catalog.commit(keyed("k3", vec![moved("a.y", "product", None, 1)])).await.unwrap();
    segments.push(journal(catalog).await);
    segments.push(publish(catalog, 1, vec![moved("a.y", "product", Some(1), 2)]).await);
    let declared = Declared::default();
    segments.push(publish(catalog, 1, vec![applied(None, &declared)]).await);
    segments.push(publish(catalog, 1, vec![measured("a.y", 2, "c")]).await);
    segments.push(publish(catalog, 1, vec![told("a.y", "told")]).await);
    for (events, _) in &mut segments {
        let json = serde_json::to_string(events).unwrap();
        *events = serde_json::from_str(&json).unwrap();
    }
    segments
}

async fn replay_all(catalog: &Catalog, segments: &[Segment]) {
    for (events, mark) in segments {
        catalog.replay(events, *mark).await.unwrap();
    }
}

pub(crate) async fn replaying_the_journal_gives_an_equal_catalog(databases: &Databases) {
    let (first, second) = (databases.open("first").await, databases.open("second").await);
    let segments = lake(&first).await;
    replay_all(&second, &segments).await;
    let export = first.export().await.unwrap();
    assert_eq!(second.export().await.unwrap(), export);
    for table in [
        "meta",
        "events",
        "datasets",
        "objects",
        "versions",
        "head_moves",
        "declarations",
        "object_datasets",
        "lineage_events",
        "lineage_names",
        "lineage_datasets",
        "heads",
    ] {
        assert!(export.contains(&format!("{{\"table\":\"{table}\",")), "no row of {table}");
    }
    // The export tells unequal catalogs apart.
    publish(&second, 9, vec![refused("a.z", "f.csv")]).await;
    assert_ne!(second.export().await.unwrap(), export);
}

pub(crate) async fn a_rebuilt_catalog_goes_on_like_the_first(databases: &Databases) {
    let (first, second) = (databases.open("first").await, databases.open("second").await);
    let segments = lake(&first).await;
    replay_all(&second, &segments).await;
    for catalog in [&first, &second] {
        let retried = Commit {
            idempotency_key: Some("k2".to_owned()),
            ..commit_of(vec![created("a.other")], 99)
        };
        let again = catalog.commit(retried).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [5, 6]);
        publish(catalog, 1, vec![version("a.x", 2), moved("a.x", "product", None, 2)]).await;
    }
    assert_eq!(first.export().await.unwrap(), second.export().await.unwrap());
}

pub(crate) async fn events_that_do_not_continue_are_refused(databases: &Databases) {
    let (first, second) = (databases.open("first").await, databases.open("second").await);
    let segments = lake(&first).await;
    let empty = second.export().await.unwrap();
    let gap = async |events: &[Event], mark| match second.replay(events, mark).await.unwrap_err() {
        Error::Gap { expected, found } => (expected, found),
        other => panic!("{other:?}"),
    };
    // A missing segment, a missing event, events twice.
    assert_eq!(gap(&segments[1].0, segments[1].1).await, (1, 5));
    let mut holed = segments[0].0.clone();
    holed.remove(1);
    assert_eq!(gap(&holed, segments[0].1).await, (2, 3));
    assert_eq!(second.export().await.unwrap(), empty);
    replay_all(&second, &segments[..1]).await;
    assert_eq!(gap(&segments[0].0, segments[0].1).await, (5, 1));
    // A mark that names more than the segment has.
    let (events, mark) = &segments[1];
    let error = second.replay(&events[..1], *mark).await.unwrap_err();
    assert!(matches!(error, Error::MarkOutOfReach { mark: 7, last_seq: 5 }), "{error:?}");
    replay_all(&second, &segments[1..]).await;
    assert_eq!(second.export().await.unwrap(), first.export().await.unwrap());
}

pub(crate) async fn events_that_cannot_be_are_refused_by_name(databases: &Databases) {
    let (first, second) = (databases.open("first").await, databases.open("second").await);
    let (events, mark) = lake(&first).await.remove(0);
    let empty = second.export().await.unwrap();
    let mut told = Vec::new();
    let mut edit = async |change: fn(&mut Vec<Event>)| {
        let mut edited = events.clone();
        change(&mut edited);
        match second.replay(&edited, mark).await.unwrap_err() {
            Error::Invalid { seq, source } => told.push(format!("{seq}: {source}")),
            other => panic!("{other:?}"),
        }
    };
    edit(|events| events[1].body = version("a.x", 2)).await;
    edit(|events| events[1].body = version("a.q", 1)).await;
    edit(|events| events[1].body = created("a.x")).await;
    edit(|events| events[1].body = moved("a.x", "product", Some(3), 1)).await;
    edit(|events| events[1].body = moved("a.x", "raw", None, 1)).await;
    edit(|events| events[2].at = at(0)).await;
    edit(|events| events[3].actor = "\u{7}".to_owned()).await;
    edit(|events| events[0].idempotency_key = events[2].idempotency_key.clone()).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.join("\n"), @r#"
    2: newest version of `a.x` moved: expected `v1` (`b3:899cef4e`), found none
    2: dataset `a.q` not found
    2: dataset `a.x` moved: expected none, found one of kind `table`
    2: head `a.x@product` moved: expected `v3`, found none
    2: the head of stage `raw` follows the versions and is never moved
    3: its time 1970-01-01T00:00:00.000000Z lies before the event before it
    4: the actor must be 1 to 255 bytes of text without control characters
    3: its key was used by an earlier commit
    "#);
    }
    assert_eq!(second.export().await.unwrap(), empty);
}
