//! Races, and callers that go away in the middle.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    task::{Context, Poll},
};

use futures::future::join_all;
use lakebed_catalog::{Catalog, Commit, Error, JournalMark};
use lakebed_core::EventBody;

use crate::{databases::Databases, world::*};

/// Reads, plans and commits until nobody was first. Returns the version number.
async fn commit_next(catalog: &Catalog, writer: usize) -> u64 {
    loop {
        let newest = catalog.newest(&name("a.x")).await.unwrap();
        let mut body = version_body("a.x", newest.as_ref().map_or(1, |found| found.number + 1));
        let manifest = object(&format!("manifest of {writer} on {}", body.number), 10);
        body.objects = vec![manifest];
        body.version_id = lakebed_core::VersionId::new(manifest.id);
        body.parent = newest.map(|found| found.version_id);
        let number = body.number;
        match try_commit(catalog, 1, vec![EventBody::VersionCommitted(body)]).await {
            Ok(_) => return number,
            Err(Error::Conflict { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn sixteen_writers_on_two_handles_make_one_order(databases: &Databases) {
    let handles = [databases.open("a").await, databases.open("a").await];
    commit(&handles[0], 1, vec![created("a.x")]).await;
    let writers = (0..16).map(|writer| {
        let catalog = handles[writer % 2].clone();
        tokio::spawn(async move { commit_next(&catalog, writer).await })
    });
    let numbers: BTreeSet<u64> =
        join_all(writers).await.into_iter().map(|number| number.unwrap()).collect();
    assert_eq!(numbers, (1..=16).collect());
    journal(&handles[1]).await;
    let mut history = handles[0].history(&name("a.x"), None, 99).await.unwrap();
    history.reverse();
    for (index, version) in history.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| history[before].version_id);
        assert_eq!((version.number, version.seq), (index as u64 + 1, index as u64 + 2));
        assert_eq!(version.parent, before);
    }
}

pub(crate) async fn one_key_from_sixteen_tasks_is_one_commit(databases: &Databases) {
    let handles = [databases.open("a").await, databases.open("a").await];
    let tasks = (0..16).map(|index| {
        let catalog = handles[index % 2].clone();
        let commit = Commit {
            idempotency_key: Some("once".to_owned()),
            ..commit_of(vec![created("a.x"), version("a.x", 1)], 1)
        };
        tokio::spawn(async move { catalog.commit(commit).await.unwrap() })
    });
    let done: Vec<_> = join_all(tasks).await.into_iter().map(|done| done.unwrap()).collect();
    assert_eq!(done.iter().filter(|done| !done.replayed).count(), 1);
    assert!(done.iter().all(|other| other.events == done[0].events));
    assert_eq!(handles[0].journal_state().await.unwrap().last_seq, 2);
}

pub(crate) async fn of_two_who_move_the_mark_one_does(databases: &Databases) {
    let handles = [databases.open("a").await, databases.open("a").await];
    commit(&handles[0], 1, vec![created("a.x"), version("a.x", 1)]).await;
    let digest = object("segment", 1).id;
    let marks = handles
        .iter()
        .map(|catalog| catalog.mark_journaled(0, JournalMark { segment: 1, seq: 2, digest }));
    let moved: Vec<bool> = join_all(marks).await.into_iter().map(|done| done.unwrap()).collect();
    assert_eq!(moved.iter().filter(|moved| **moved).count(), 1);
    let state = handles[0].journal_state().await.unwrap();
    assert_eq!((state.segment, state.journaled_seq, state.segment_digest), (1, 2, Some(digest)));
}

/// Polls `future` until it was pending `patience` times, then drops it.
async fn abandon<F: Future>(future: F, patience: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = patience;
    std::future::poll_fn(|context: &mut Context<'_>| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// How often a commit is pending depends on how fast the database answers, so one pass over "after
/// 0, 1, 2 … polls" may meet few points: passes are made until enough were met.
pub(crate) async fn a_commit_abandoned_at_any_point_is_whole_or_absent(databases: &Databases) {
    let catalog = databases.open("a").await;
    let (mut commit_count, mut abandoned_count, mut absent_count) = (0, 0, 0);
    let mut patience = 0;
    while abandoned_count < 10 || absent_count < 5 {
        assert!(commit_count < 2_000, "{abandoned_count} abandoned, {absent_count} rolled back");
        let dataset = format!("a.x{commit_count}");
        let commit = Commit {
            idempotency_key: Some(dataset.clone()),
            ..commit_of(vec![created(&dataset), version(&dataset, 1), version(&dataset, 2)], 1)
        };
        let done = abandon(catalog.commit(commit.clone()), patience).await;
        let last_seq = catalog.journal_state().await.unwrap().last_seq;
        assert_eq!(last_seq % 3, 0, "half a commit after {patience} polls");
        // The caller who does not know tries again with the same key: once, whatever happened.
        let retried = catalog.commit(commit).await.unwrap();
        assert_eq!(retried.events.len(), 3);
        commit_count += 1;
        assert_eq!(catalog.journal_state().await.unwrap().last_seq, 3 * commit_count);
        match done {
            Some(_) => patience = 0,
            None => {
                patience += 1;
                abandoned_count += 1;
                absent_count += usize::from(!retried.replayed);
            }
        }
    }
}

/// Two datasets that always change together are never seen apart.
pub(crate) async fn readers_never_see_half_a_commit(databases: &Databases) {
    let catalog = databases.open("a").await;
    let pair = |number| vec![version("a.x", number), version("a.y", number)];
    publish(&catalog, 1, [vec![created("a.x"), created("a.y")], pair(1)].concat()).await;
    let writer = tokio::spawn({
        let catalog = databases.open("a").await;
        async move {
            for number in 2..=30 {
                publish(&catalog, 1, pair(number)).await;
            }
        }
    });
    let mut seen = BTreeSet::new();
    while !writer.is_finished() || seen.is_empty() {
        let answer = resolve(&catalog, &["a.x", "a.y"], "raw").await;
        let numbers: Vec<u64> =
            answer.versions.iter().map(|found| found.as_ref().unwrap().version.number).collect();
        assert_eq!(numbers[0], numbers[1]);
        seen.insert(numbers[0]);
    }
    writer.await.unwrap();
    assert_eq!(show(&catalog, "a.y", "raw").await, "v30 of v30");
}
