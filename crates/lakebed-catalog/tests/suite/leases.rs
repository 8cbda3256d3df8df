//! One holder at a time, by the database's clock; fences that only ever grow.

use std::time::Duration;

use futures::future::join_all;
use lakebed_catalog::{Catalog, Lease};

use crate::databases::Databases;

const LONG: Duration = Duration::from_secs(60);
/// Long enough for a slow machine to be refused within it.
const SHORT: Duration = Duration::from_secs(2);

/// Asks until whoever has the lease has it no longer.
async fn take_when_over(catalog: &Catalog, holder: &str) -> Lease {
    loop {
        if let Some(lease) = catalog.take_lease("work", holder, SHORT).await.unwrap() {
            return lease;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn a_lease_has_one_holder_until_it_ends(databases: &Databases) {
    let catalog = databases.open("a").await;
    let other = databases.open("a").await;
    let first = catalog.take_lease("work", "ann", LONG).await.unwrap().unwrap();
    assert_eq!(other.take_lease("work", "bob", LONG).await.unwrap(), None);
    // Another name is another lease; one's own is kept.
    assert!(other.take_lease("other work", "bob", LONG).await.unwrap().is_some());
    let kept = catalog.take_lease("work", "ann", LONG).await.unwrap().unwrap();
    assert_eq!(kept, first);
    catalog.release_lease(&first).await.unwrap();
    let second = other.take_lease("work", "bob", SHORT).await.unwrap().unwrap();
    assert!(second.fence > first.fence);
    // Who holds an old lease ends no new one.
    catalog.release_lease(&first).await.unwrap();
    assert_eq!(catalog.take_lease("work", "ann", LONG).await.unwrap(), None);
    let third = take_when_over(&catalog, "ann").await;
    assert!(third.fence > second.fence);
    // Who slept through its own lease has a new one: what it did under the old one is over.
    tokio::time::sleep(SHORT + SHORT / 4).await;
    let fourth = catalog.take_lease("work", "ann", SHORT).await.unwrap().unwrap();
    assert!(fourth.fence > third.fence);
}

pub(crate) async fn of_sixteen_who_ask_at_once_one_gets_the_lease(databases: &Databases) {
    let handles = [databases.open("a").await, databases.open("a").await];
    let asking = (0..16).map(|index| {
        let catalog = handles[index % 2].clone();
        tokio::spawn(async move {
            catalog.take_lease("work", &format!("holder {index}"), LONG).await.unwrap()
        })
    });
    let taken = join_all(asking).await.into_iter().filter_map(|taken| taken.unwrap()).count();
    assert_eq!(taken, 1);
}
