//! What was computed from what, both ways; and what people registered that they count on.

use lakebed_catalog::{Error, VersionRecord};
use lakebed_core::{EventBody, InputVersion, LockRegistered, LockedVersion};

use crate::{databases::Databases, world::*};

fn computed(dataset: &str, number: u64, from: &[(&str, u64)]) -> EventBody {
    let mut body = version_body(dataset, number);
    let input = |(dataset, number): &(&str, u64)| InputVersion {
        dataset: name(dataset),
        version_id: id(dataset, *number),
    };
    body.derived_from = from.iter().map(input).collect();
    EventBody::VersionCommitted(body)
}

fn shown(found: &[VersionRecord]) -> String {
    let shown = found.iter().map(|found| format!("{}@v{}", found.dataset, found.number));
    shown.collect::<Vec<_>>().join(" ")
}

fn registered(name: &str, inputs: &[(&str, u64)]) -> EventBody {
    let input = |(dataset, version): &(&str, u64)| LockedVersion {
        dataset: dataset.parse().unwrap(),
        version: *version,
    };
    let inputs = inputs.iter().map(input).collect();
    EventBody::LockRegistered(LockRegistered { name: name.to_owned(), inputs })
}

pub(crate) async fn versions_are_walked_both_ways(databases: &Databases) {
    let (catalog, second) = (databases.open("a").await, databases.open("b").await);
    let mut segments = Vec::new();
    let raw = vec![created("a.x"), version("a.x", 1), version("a.x", 2), created("a.y")];
    segments.push(publish(&catalog, 1, raw).await);
    let made = vec![
        version("a.y", 1),
        created("p.one"),
        computed("p.one", 1, &[("a.x", 1), ("a.x", 2), ("a.y", 1)]),
        created("p.two"),
        computed("p.two", 1, &[("p.one", 1)]),
        computed("p.one", 2, &[("a.x", 2)]),
    ];
    commit(&catalog, 2, made).await;
    let inputs = async |dataset: &str, number| {
        shown(&catalog.version_inputs(&name(dataset), number).await.unwrap())
    };
    let derived = async |dataset: &str, number| {
        shown(&catalog.derived_versions(&name(dataset), number).await.unwrap())
    };
    assert_eq!(derived("a.x", 2).await, "", "not before it is in the journal");
    segments.push(journal(&catalog).await);
    assert_eq!(inputs("p.one", 1).await, "a.x@v1 a.x@v2 a.y@v1");
    assert_eq!(inputs("p.one", 2).await, "a.x@v2");
    assert_eq!(inputs("p.two", 1).await, "p.one@v1");
    assert_eq!(inputs("a.x", 1).await, "");
    assert_eq!(derived("a.x", 1).await, "p.one@v1");
    assert_eq!(derived("a.x", 2).await, "p.one@v1 p.one@v2");
    assert_eq!(derived("p.one", 1).await, "p.two@v1");
    assert_eq!(derived("p.one", 2).await, "");
    assert_eq!(derived("a.nothing", 1).await, "");
    for (events, mark) in &segments {
        second.replay(events, *mark).await.unwrap();
    }
    assert_eq!(second.export().await.unwrap(), catalog.export().await.unwrap());
}

pub(crate) async fn nothing_is_computed_from_what_is_not_there(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1), created("p.one")]).await;
    let export = catalog.export().await.unwrap();
    let made = try_commit(&catalog, 2, vec![computed("p.one", 1, &[("a.x", 2)])]).await;
    assert!(matches!(made.unwrap_err(), Error::Invalid { .. }));
    let made = try_commit(&catalog, 2, vec![computed("p.one", 1, &[("a.none", 1)])]).await;
    assert!(matches!(made.unwrap_err(), Error::NotFound { .. }));
    assert_eq!(catalog.export().await.unwrap(), export);
}

pub(crate) async fn a_lock_is_an_actors_own_name_for_versions(databases: &Databases) {
    let (catalog, second) = (databases.open("a").await, databases.open("b").await);
    let mut segments = Vec::new();
    let shown = async || {
        let locks = catalog.locks(None).await.unwrap();
        let inputs = |inputs: &[LockedVersion]| {
            let shown = inputs.iter().map(|input| format!("{}@v{}", input.dataset, input.version));
            shown.collect::<Vec<_>>().join(" ")
        };
        let line = |lock: &lakebed_catalog::LockRecord| {
            format!("{} {}: {}", lock.actor, lock.name, inputs(&lock.inputs))
        };
        locks.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    commit(&catalog, 1, vec![registered("train", &[("a.x", 1)])]).await;
    assert_eq!(shown().await, "", "not before it is in the journal");
    segments.push(journal(&catalog).await);
    assert_eq!(shown().await, "ann train: a.x@v1");
    let others = lakebed_catalog::Commit {
        actor: "bob".to_owned(),
        ..commit_of(vec![registered("train", &[("a.y", 7)])], 2)
    };
    catalog.commit(others).await.unwrap();
    segments.push(journal(&catalog).await);
    segments.push(publish(&catalog, 3, vec![registered("train", &[("a.x", 2)])]).await);
    assert_eq!(shown().await, "bob train: a.y@v7\nann train: a.x@v2");
    let bobs = catalog.locks(Some("bob")).await.unwrap();
    assert_eq!(bobs.iter().map(|lock| lock.actor.as_str()).collect::<Vec<_>>(), ["bob"]);
    let removed = EventBody::LockRemoved { name: "train".to_owned() };
    segments.push(publish(&catalog, 4, vec![removed]).await);
    assert_eq!(shown().await, "bob train: a.y@v7");
    let nameless = try_commit(&catalog, 5, vec![registered("", &[])]).await;
    assert!(matches!(nameless.unwrap_err(), Error::Invalid { .. }));
    for (events, mark) in &segments {
        second.replay(events, *mark).await.unwrap();
    }
    assert_eq!(second.export().await.unwrap(), catalog.export().await.unwrap());
}
