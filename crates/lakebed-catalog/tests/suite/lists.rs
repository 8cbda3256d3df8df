//! Lists of datasets and of objects.

use lakebed_catalog::DatasetFilter;
use lakebed_core::{DatasetKind, EventBody};

use crate::{databases::Databases, world::*};

pub(crate) async fn datasets_come_with_their_newest_version_and_heads(databases: &Databases) {
    let catalog = databases.open("a").await;
    let files = EventBody::DatasetCreated { dataset: name("b.models"), kind: DatasetKind::Files };
    publish(&catalog, 1, vec![files]).await;
    publish(&catalog, 2, vec![created("a.y"), created("a.x"), version("a.x", 1)]).await;
    publish(&catalog, 3, vec![version("a.x", 2), moved("a.x", "product", None, 1)]).await;

    let list = async |namespace: Option<&str>| {
        let filter = DatasetFilter { namespace: namespace.map(str::to_owned) };
        let (snapshot, records) = catalog.datasets(&filter).await.unwrap();
        assert_eq!((snapshot.seq, snapshot.at), (6, at(3)));
        let line = |record: &lakebed_catalog::DatasetRecord| {
            let heads: Vec<_> = record
                .heads
                .iter()
                .map(|(stage, head)| format!("{stage}=v{}", head.number))
                .collect();
            let newest = record.newest.as_ref().map(|version| version.number);
            format!("{} {} {newest:?} [{}]", record.name, record.kind, heads.join(" "))
        };
        records.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let all = list(None).await;
    insta::allow_duplicates! {
        insta::assert_snapshot!(all, @r#"
    a.x table Some(2) [product=v1 raw=v2]
    a.y table None []
    b.models files None []
    "#);
    }
    assert_eq!(list(Some("b")).await, "b.models files None []");
    for nobodys in ["c' OR 1=1 --", "", "\0", "é"] {
        assert_eq!(list(Some(nobodys)).await, "");
    }

    let found = catalog.find_dataset(&name("a.x")).await.unwrap().unwrap();
    assert_eq!((found.created_at, found.newest.map(|newest| newest.number)), (at(2), Some(2)));
    assert_eq!(catalog.find_dataset(&name("c.x")).await.unwrap(), None);
}

pub(crate) async fn objects_are_found_by_name_and_size(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), refused("a.x", "f.csv")]).await;
    let mut expected = version_body("a.x", 1).objects;
    expected.push(object("f.csv", 5));
    expected.sort_unstable();
    let mut asked: Vec<_> = expected.iter().rev().map(|object| object.id).collect();
    asked.push(object("unknown", 1).id);
    asked.push(asked[0]);
    assert_eq!(catalog.find_objects(&asked).await.unwrap(), expected);
    assert_eq!(catalog.find_objects(&[]).await.unwrap(), []);
    assert_eq!(catalog.find_object(expected[0].id).await.unwrap(), Some(expected[0]));
    assert_eq!(catalog.find_object(object("unknown", 1).id).await.unwrap(), None);
    for (size_bytes, is_there) in [(5, true), (6, false), (1 << 20, true), (u64::MAX, false)] {
        assert_eq!(catalog.has_object_of_size(size_bytes).await.unwrap(), is_there);
    }

    // More than one statement can take.
    let mut body = version_body("a.x", 2);
    body.objects.extend((0..1_700).map(|index| object(&format!("part {index}"), index)));
    let ids: Vec<_> = body.objects.iter().map(|object| object.id).collect();
    publish(&catalog, 2, vec![EventBody::VersionCommitted(body)]).await;
    assert_eq!(catalog.find_objects(&ids).await.unwrap().len(), ids.len());
}
