//! Contracts, measured on versions.

use lakebed_catalog::Error;

use crate::{databases::Databases, world::*};

pub(crate) async fn what_was_measured_first_is_the_fact(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), measured("a.x", 1, "c1")]).await;
    publish(&catalog, 2, vec![measured("a.x", 1, "c1"), measured("a.x", 1, "c2")]).await;
    let found = catalog.findings(&name("a.x"), 1).await.unwrap();
    let told: Vec<_> =
        found.iter().map(|found| (found.seq, found.contract, found.engine)).collect();
    assert_eq!(told, [(5, object("c2", 50).id, 1), (3, object("c1", 50).id, 1)]);
    assert_eq!(found[1].findings, object("c1 1", 70));
    assert_eq!(catalog.findings(&name("a.x"), 2).await.unwrap(), []);
    assert_eq!(catalog.findings(&name("a.y"), 1).await.unwrap(), []);
}

pub(crate) async fn findings_wait_for_the_mark(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    commit(&catalog, 2, vec![measured("a.x", 1, "c1")]).await;
    assert_eq!(catalog.findings(&name("a.x"), 1).await.unwrap(), []);
    assert_eq!(catalog.newest_findings(&name("a.x"), 1).await.unwrap().len(), 1);
    journal(&catalog).await;
    assert_eq!(catalog.findings(&name("a.x"), 1).await.unwrap().len(), 1);
}

pub(crate) async fn nothing_is_found_of_what_is_not_there(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![created("a.x"), version("a.x", 1)]).await;
    let before = catalog.export().await.unwrap();
    for missing in [measured("a.x", 2, "c"), measured("a.y", 1, "c")] {
        let error = try_commit(&catalog, 2, vec![missing]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
    assert_eq!(catalog.export().await.unwrap(), before);
}
