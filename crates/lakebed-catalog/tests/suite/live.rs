//! Live versions: rows that nobody counted, and the files that they are in once somebody needs some.

use lakebed_catalog::{Error, MaterialisedRecord};

use crate::{databases::Databases, world::*};

async fn of(catalog: &lakebed_catalog::Catalog, number: u64) -> Option<MaterialisedRecord> {
    catalog.materialised(&name("p.live"), number).await.unwrap()
}

pub(crate) async fn a_live_version_comes_into_files_once(databases: &Databases) {
    let (catalog, second) = (databases.open("a").await, databases.open("b").await);
    let mut segments = Vec::new();
    let made = vec![created("p.live"), live("p.live", 1), live("p.live", 2), version("p.live", 3)];
    segments.push(publish(&catalog, 1, made).await);
    let history = catalog.history(&name("p.live"), None, 9).await.unwrap();
    let counted: Vec<_> =
        history.iter().map(|version| (version.number, version.live, version.counted())).collect();
    assert_eq!(counted, [(3, false, Some(30)), (2, true, None), (1, true, None)]);

    assert_eq!(of(&catalog, 1).await, None);
    commit(&catalog, 2, vec![materialised("p.live", 1)]).await;
    assert_eq!(of(&catalog, 1).await, None, "not before it is in the journal");
    segments.push(journal(&catalog).await);
    let found = of(&catalog, 1).await.unwrap();
    assert_eq!((found.tables.entry_count, found.tables.row_count, found.size_bytes), (1, 7, 70));
    assert_eq!(found.tables.object, object("list p.live 1", 40));
    assert_eq!((of(&catalog, 2).await, of(&catalog, 3).await), (None, None));
    // Whoever may read the dataset may read the files.
    let names = catalog.datasets_of_object(object("file p.live 1", 70).id).await.unwrap();
    assert_eq!(names, [name("p.live")]);

    let again = try_commit(&catalog, 3, vec![materialised("p.live", 1)]).await.unwrap_err();
    assert!(matches!(again, Error::Conflict { .. }), "{again:?}");
    let stored = try_commit(&catalog, 3, vec![materialised("p.live", 3)]).await.unwrap_err();
    assert!(matches!(stored, Error::Invalid { .. }), "{stored:?}");
    for (dataset, number) in [("p.live", 9), ("p.none", 1)] {
        let gone = try_commit(&catalog, 3, vec![materialised(dataset, number)]).await.unwrap_err();
        assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
    }

    for (events, mark) in &segments {
        let events = serde_json::to_string(events).unwrap();
        second.replay(&serde_json::from_str::<Vec<_>>(&events).unwrap(), *mark).await.unwrap();
    }
    let export = catalog.export().await.unwrap();
    assert_eq!(second.export().await.unwrap(), export);
    assert!(export.contains("{\"table\":\"materialised\","));
}
