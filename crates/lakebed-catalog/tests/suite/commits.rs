//! What a commit checks, and what it leaves.

use lakebed_catalog::{Catalog, Commit, Entity, Error};
use lakebed_core::{DatasetKind, EventBody, StoredObject};

use crate::{databases::Databases, world::*};

fn conflict(error: &Error) -> String {
    match error {
        Error::Conflict { .. } => error.to_string(),
        other => panic!("no conflict: {other:?}"),
    }
}

/// What makes an event invalid, as text.
fn flaw(error: &Error) -> String {
    match error {
        Error::Invalid { source, .. } => source.to_string(),
        other => panic!("not invalid: {other:?}"),
    }
}

pub(crate) async fn a_commit_is_one_time_and_consecutive_places(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 5, vec![created("a.x")]).await;
    let done =
        commit(&catalog, 10, vec![version("a.x", 1), moved("a.x", "product", None, 1)]).await;
    let places: Vec<_> = done.events.iter().map(|e| (e.seq, e.at.as_micros())).collect();
    assert_eq!(places, [(2, 10), (3, 10)]);
    assert!(!done.replayed);
    assert_eq!(done.last_seq(), 3);
    assert_eq!(catalog.events_between(1, 3).await.unwrap(), done.events);
}

/// Two commits never share a time: "as of" a time is one state for ever.
pub(crate) async fn times_grow_even_when_the_clock_goes_back(databases: &Databases) {
    let catalog = databases.open("a").await;
    let mut times = Vec::new();
    for (micros, dataset) in [(-50, "a.a"), (100, "a.b"), (100, "a.c"), (3, "a.d"), (500, "a.e")] {
        let done = commit(&catalog, micros, vec![created(dataset)]).await;
        times.push(done.events[0].at.as_micros());
    }
    assert_eq!(times, [-50, 100, 101, 102, 500]);
}

pub(crate) async fn several_datasets_change_together(databases: &Databases) {
    let catalog = databases.open("a").await;
    let changes = vec![created("a.x"), version("a.x", 1), created("a.y"), version("a.y", 1)];
    publish(&catalog, 1, changes).await;
    publish(&catalog, 2, vec![version("a.y", 2), version("a.x", 2), version("a.x", 3)]).await;
    assert_eq!(show(&catalog, "a.x", "raw").await, "v3 of v3");
    assert_eq!(show(&catalog, "a.y", "raw").await, "v2 of v2");
}

pub(crate) async fn a_dataset_is_created_once(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x")]).await;
    let files = EventBody::DatasetCreated { dataset: name("a.x"), kind: DatasetKind::Files };
    for again in [created("a.x"), files] {
        let error = try_commit(&catalog, 2, vec![again]).await.unwrap_err();
        assert_eq!(
            conflict(&error),
            "dataset `a.x` moved: expected none, found one of kind `table`"
        );
    }
}

pub(crate) async fn a_version_follows_the_newest_or_conflicts(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1), version("a.x", 2)]).await;
    let mut told = Vec::new();
    for number in [1, 2, 4] {
        let error = try_commit(&catalog, 2, vec![version("a.x", number)]).await.unwrap_err();
        told.push(conflict(&error));
    }
    let mut other_parent = version_body("a.x", 3);
    other_parent.parent = Some(id("a.x", 1));
    let mut orphan = version_body("a.x", 3);
    orphan.parent = None;
    let mut zeroth = version_body("a.x", 3);
    zeroth.number = 0;
    for body in [other_parent, orphan, zeroth] {
        let body = EventBody::VersionCommitted(body);
        told.push(conflict(&try_commit(&catalog, 2, vec![body]).await.unwrap_err()));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.join("\n"), @r#"
    newest version of `a.x` moved: expected none, found `v2` (`b3:5d2498ee`)
    newest version of `a.x` moved: expected `v1` (`b3:899cef4e`), found `v2` (`b3:5d2498ee`)
    newest version of `a.x` moved: expected `v3` (`b3:6a133a7f`), found `v2` (`b3:5d2498ee`)
    newest version of `a.x` moved: expected `v2` (`b3:899cef4e`), found `v2` (`b3:5d2498ee`)
    newest version of `a.x` moved: expected `v2`, found `v2` (`b3:5d2498ee`)
    newest version of `a.x` moved: expected `v0` (`b3:5d2498ee`), found `v2` (`b3:5d2498ee`)
    "#);
    }
}

pub(crate) async fn a_head_moves_from_where_it_is(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1), version("a.x", 2)]).await;
    commit(&catalog, 2, vec![moved("a.x", "product", None, 2)]).await;
    commit(&catalog, 3, vec![moved("a.x", "product", Some(2), 1)]).await;
    let mut told = Vec::new();
    for from in [None, Some(2), Some(9)] {
        let error = try_commit(&catalog, 4, vec![moved("a.x", "product", from, 2)]).await;
        told.push(conflict(&error.unwrap_err()));
    }
    let error = try_commit(&catalog, 4, vec![moved("a.x", "validated", Some(1), 2)]).await;
    told.push(conflict(&error.unwrap_err()));
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.join("\n"), @r#"
    head `a.x@product` moved: expected none, found `v1`
    head `a.x@product` moved: expected `v2`, found `v1`
    head `a.x@product` moved: expected `v9`, found `v1`
    head `a.x@validated` moved: expected `v1`, found none
    "#);
    }
}

pub(crate) async fn what_does_not_exist_is_not_found(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let not_found = async |change| match try_commit(&catalog, 2, vec![change]).await.unwrap_err() {
        Error::NotFound { entity } => entity,
        other => panic!("{other:?}"),
    };
    assert_eq!(not_found(version("a.y", 1)).await, Entity::Dataset(name("a.y")));
    assert_eq!(not_found(moved("a.y", "product", None, 1)).await, Entity::Dataset(name("a.y")));
    assert_eq!(not_found(moved("a.x", "product", None, 2)).await, Entity::Version(name("a.x"), 2));
}

pub(crate) async fn changes_that_no_retry_can_save_are_invalid(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let before = catalog.export().await.unwrap();
    let mut unlisted = version_body("a.x", 2);
    unlisted.objects.retain(|object| object.id != unlisted.version_id.object());
    let mut huge = version_body("a.x", 2);
    huge.row_count = u64::MAX;
    let mut huge_object = version_body("a.x", 2);
    huge_object.objects[0].size_bytes = u64::MAX;
    let mut twice = version_body("a.x", 2);
    twice.version_id = id("a.x", 1);
    let mut unkept = refused("a.x", "lost.csv");
    if let EventBody::IngestRefused(body) = &mut unkept {
        body.objects.clear();
    }
    let mut told = Vec::new();
    for changes in [
        vec![],
        vec![moved("a.x", "raw", Some(1), 1)],
        vec![EventBody::VersionCommitted(unlisted)],
        vec![EventBody::VersionCommitted(huge)],
        vec![EventBody::VersionCommitted(huge_object)],
        vec![EventBody::VersionCommitted(twice)],
        vec![unkept],
    ] {
        told.push(flaw(&try_commit(&catalog, 2, changes).await.unwrap_err()));
    }
    for (actor, key) in [("", None), ("a\nb", None), ("ann", Some("")), ("ann", Some("\0"))] {
        let commit = Commit {
            actor: actor.to_owned(),
            idempotency_key: key.map(str::to_owned),
            ..commit_of(vec![created("a.z")], 2)
        };
        told.push(flaw(&catalog.commit(commit).await.unwrap_err()));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(told.join("\n"), @r#"
    a commit needs at least one change
    the head of stage `raw` follows the versions and is never moved
    object `5d2498ee270c9c74b26ca664c0b3850877ac066c0fe804e26295886e02eee8e7` is named, but neither listed nor recorded before
    row_count is 18446744073709551615, which is more than can be recorded
    the size of an object is 18446744073709551615, which is more than can be recorded
    version id `899cef4e9a48b39bf9622f25b16fa471862e6f358583c42e1d9bc87c220763ee` is already a version of this dataset
    object `e1bbd37ba7b9f08175edb04f092571d1eae059cf439fdb48477f55fd1db8750a` is named, but neither listed nor recorded before
    the actor must be 1 to 255 bytes of text without control characters
    the actor must be 1 to 255 bytes of text without control characters
    the idempotency key must be 1 to 255 bytes of text without control characters
    the idempotency key must be 1 to 255 bytes of text without control characters
    "#);
    }
    assert_eq!(catalog.export().await.unwrap(), before);
}

pub(crate) async fn a_conflict_in_the_last_change_leaves_nothing_of_the_first(
    databases: &Databases,
) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let before = catalog.export().await.unwrap();
    let changes = vec![created("a.y"), version("a.y", 1), refused("a.x", "f"), version("a.x", 1)];
    conflict(&try_commit(&catalog, 2, changes).await.unwrap_err());
    assert_eq!(catalog.export().await.unwrap(), before);
    // And its places are used by the next one: no gap.
    assert_eq!(commit(&catalog, 3, vec![created("a.y")]).await.events[0].seq, 3);
}

pub(crate) async fn an_object_may_be_named_again_but_not_otherwise(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![refused("a.x", "f.csv")]).await;
    commit(&catalog, 2, vec![refused("a.x", "f.csv"), refused("a.y", "f.csv")]).await;
    let twice = |size_bytes| {
        let mut body = version_body("a.x", 1);
        body.objects.extend([object("new", 9), StoredObject { size_bytes, ..object("new", 9) }]);
        vec![created("a.x"), EventBody::VersionCommitted(body)]
    };
    let error = try_commit(&catalog, 3, twice(10)).await.unwrap_err();
    assert!(flaw(&error).contains("another size"), "{error:?}");
    commit(&catalog, 3, twice(9)).await;
    let mut other_tree = refused("a.x", "f.csv");
    if let EventBody::IngestRefused(body) = &mut other_tree {
        body.objects[0].tree = Some(object("tree", 1).id);
    }
    let error = try_commit(&catalog, 4, vec![other_tree]).await.unwrap_err();
    assert!(flaw(&error).contains("another size or hash tree"), "{error:?}");
}

async fn commit_with_key(catalog: &Catalog, actor: &str, key: &str, dataset: &str) -> Commit {
    let commit = Commit {
        actor: actor.to_owned(),
        idempotency_key: Some(key.to_owned()),
        ..commit_of(vec![created(dataset), version(dataset, 1), refused(dataset, "g")], 1)
    };
    assert!(!catalog.commit(commit.clone()).await.unwrap().replayed);
    commit
}

pub(crate) async fn the_same_key_is_the_same_commit(databases: &Databases) {
    let catalog = databases.open("a").await;
    let first = commit_with_key(&catalog, "ann", "k1", "a.x").await;
    let events = catalog.events_between(0, 3).await.unwrap();
    let second = commit_with_key(&catalog, "ann", "k2", "a.y").await;
    let before = catalog.export().await.unwrap();
    // Later, planned on something else, through another handle: still the first one's events.
    let retried = Commit { at: at(99), changes: vec![created("a.z")], ..first };
    let again = databases.open("a").await.commit(retried).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.events, events);
    assert_eq!(catalog.commit(second).await.unwrap().events[0].seq, 4);
    assert_eq!(catalog.export().await.unwrap(), before);
}

pub(crate) async fn a_key_belongs_to_its_actor(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit_with_key(&catalog, "ann", "k", "a.x").await;
    commit_with_key(&catalog, "bob", "k", "a.y").await;
    assert_eq!(catalog.journal_state().await.unwrap().last_seq, 6);
}
