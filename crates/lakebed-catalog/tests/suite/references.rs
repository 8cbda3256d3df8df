//! The table of references, line by line.

use lakebed_catalog::{NotFound, Snapshot};
use lakebed_core::{EventBody, ObjectId, StoredObject, VersionId};

use crate::{databases::Databases, world::*};

pub(crate) async fn each_form_resolves_by_the_table(databases: &Databases) {
    let catalog = databases.open("a").await;
    let day = 86_400_000_000;
    publish(&catalog, day, vec![created("a.x"), version("a.x", 1)]).await;
    publish(&catalog, 2 * day, vec![version("a.x", 2), moved("a.x", "product", None, 1)]).await;
    publish(&catalog, 3 * day, vec![version("a.x", 3)]).await;
    let digest = id("a.x", 2).to_string();
    let prefixes = [8, 9, 63, 64].map(|length| format!("a.x@b3:{}", &digest[..length]));
    let mut lines = Vec::new();
    let written = [
        "a.x",
        "a.x@latest",
        "a.x@v1",
        "a.x@v3",
        "a.x@raw",
        "a.x@product",
        "a.x@1970-01-02",
        "a.x@1970-01-03",
        "a.x@1970-01-03T00:00:00Z",
        "a.x@1970-01-02T23:59:59.999999Z",
        "a.x@2999-01-01",
    ];
    for reference in written.into_iter().chain(prefixes.iter().map(String::as_str)) {
        let raw = show(&catalog, reference, "raw").await;
        let product = show(&catalog, reference, "product").await;
        let short: String = reference.chars().take(40).collect();
        lines.push(format!("{short:<41}{raw:<12}{product}"));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(lines.join("\n"), @r#"
    a.x                                      v3 of v3    v1 of v3
    a.x@latest                               v3 of v3    v3 of v3
    a.x@v1                                   v1 of v3    v1 of v3
    a.x@v3                                   v3 of v3    v3 of v3
    a.x@raw                                  v3 of v3    v3 of v3
    a.x@product                              v1 of v3    v1 of v3
    a.x@1970-01-02                           v1 of v3    `a.x` had no version at stage `product` at 1970-01-02T23:59:59.999999Z
    a.x@1970-01-03                           v2 of v3    v1 of v3
    a.x@1970-01-03T00:00:00Z                 v2 of v3    v1 of v3
    a.x@1970-01-02T23:59:59.999999Z          v1 of v3    `a.x` had no version at stage `product` at 1970-01-02T23:59:59.999999Z
    a.x@2999-01-01                           v3 of v3    v1 of v3
    a.x@b3:5d2498ee                          v2 of v3    v2 of v3
    a.x@b3:5d2498ee2                         v2 of v3    v2 of v3
    a.x@b3:5d2498ee270c9c74b26ca664c0b385087 v2 of v3    v2 of v3
    a.x@b3:5d2498ee270c9c74b26ca664c0b385087 v2 of v3    v2 of v3
    "#);
    }
}

pub(crate) async fn what_is_missing_is_said(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 10, vec![created("a.empty"), created("a.x"), version("a.x", 1)]).await;
    let mut lines = Vec::new();
    for reference in [
        "a.unknown",
        "a.unknown@v1",
        "a.unknown@b3:00000000",
        "a.empty",
        "a.empty@latest",
        "a.empty@v1",
        "a.empty@product",
        "a.empty@2026-01-01",
        "a.x",
        "a.x@v2",
        "a.x@v9223372036854775807",
        "a.x@product",
        "a.x@b3:00000000",
        "a.x@1969-12-31",
        "a.x@0001-01-01T00:00:00Z",
    ] {
        lines.push(format!("{reference}: {}", show(&catalog, reference, "product").await));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(lines.join("\n"), @r#"
    a.unknown: dataset `a.unknown` does not exist
    a.unknown@v1: dataset `a.unknown` does not exist
    a.unknown@b3:00000000: dataset `a.unknown` does not exist
    a.empty: dataset `a.empty` has no version yet
    a.empty@latest: dataset `a.empty` has no version yet
    a.empty@v1: dataset `a.empty` has no version yet
    a.empty@product: dataset `a.empty` has no version yet
    a.empty@2026-01-01: dataset `a.empty` has no version yet
    a.x: `a.x` has no version at stage `product`
    a.x@v2: `a.x` has no version `v2`: the newest is `v1`
    a.x@v9223372036854775807: `a.x` has no version `v9223372036854775807`: the newest is `v1`
    a.x@product: `a.x` has no version at stage `product`
    a.x@b3:00000000: `a.x` has no version whose id starts with `b3:00000000`
    a.x@1969-12-31: `a.x` had no version at stage `product` at 1969-12-31T23:59:59.999999Z
    a.x@0001-01-01T00:00:00Z: `a.x` had no version at stage `product` at 0001-01-01T00:00:00.000000Z
    "#);
    }
}

/// A version whose id starts with `prefix` in every byte given, for collisions on purpose.
fn version_with_id(number: u64, id: [u8; 32], parent: Option<[u8; 32]>) -> EventBody {
    let wrap = |bytes| VersionId::new(ObjectId::from_bytes(bytes));
    let mut body = version_body("a.x", number);
    body.version_id = wrap(id);
    body.parent = parent.map(wrap);
    body.objects = vec![StoredObject { id: body.version_id.object(), size_bytes: 1, tree: None }];
    EventBody::VersionCommitted(body)
}

pub(crate) async fn digests_resolve_by_unique_prefix(databases: &Databases) {
    let catalog = databases.open("a").await;
    let starting = |start: [u8; 5], rest: u8| {
        let mut id = [rest; 32];
        id[..5].copy_from_slice(&start);
        id
    };
    let ids = [
        starting([0xab, 0xcd, 0xef, 0x01, 0x20], 0x00),
        starting([0xab, 0xcd, 0xef, 0x01, 0x2f], 0xff),
        starting([0xab, 0xcd, 0xef, 0x01, 0x30], 0x00),
        starting([0xff, 0xff, 0xff, 0xff, 0xff], 0xff),
        starting([0x00, 0x00, 0x00, 0x00, 0x00], 0x00),
    ];
    let mut changes = vec![created("a.x")];
    for (index, id) in ids.into_iter().enumerate() {
        let parent = index.checked_sub(1).map(|before| ids[before]);
        changes.push(version_with_id(index as u64 + 1, id, parent));
    }
    // The same digits in another dataset do not matter.
    changes.extend([created("a.y"), version("a.y", 1)]);
    publish(&catalog, 1, changes).await;
    let mut lines = Vec::new();
    for digits in
        ["abcdef01", "abcdef012", "abcdef013", "abcdef0120", "abcdef02", "ffffffff", "00000000"]
    {
        lines.push(format!(
            "{digits}: {}",
            show(&catalog, &format!("a.x@b3:{digits}"), "raw").await
        ));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(lines.join("\n"), @r#"
    abcdef01: `b3:abcdef01` is ambiguous in `a.x`: `v1` is `b3:abcdef0120000000`, `v2` is `b3:abcdef012fffffff`, `v3` is `b3:abcdef0130000000`
    abcdef012: `b3:abcdef012` is ambiguous in `a.x`: `v1` is `b3:abcdef0120000000`, `v2` is `b3:abcdef012fffffff`
    abcdef013: v3 of v5
    abcdef0120: v1 of v5
    abcdef02: `a.x` has no version whose id starts with `b3:abcdef02`
    ffffffff: v4 of v5
    00000000: v5 of v5
    "#);
    }

    let mut many = vec![];
    for number in 6..=40 {
        let id = |number: u64| match number {
            5 => ids[4],
            number => starting([0x77, 0x77, 0x77, 0x77, number as u8], 0),
        };
        many.push(version_with_id(number, id(number), Some(id(number - 1))));
    }
    publish(&catalog, 2, many).await;
    let answer = resolve(&catalog, &["a.x@b3:77777777"], "raw").await.versions.remove(0);
    match answer.unwrap_err() {
        NotFound::AmbiguousDigest { candidates, .. } => assert_eq!(candidates.len(), 16),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn many_references_share_one_snapshot(databases: &Databases) {
    let catalog = databases.open("a").await;
    assert_eq!(resolve(&catalog, &[], "raw").await.snapshot, Snapshot { seq: 0, at: at(0) },);
    publish(&catalog, 5, vec![created("a.x"), version("a.x", 1), version("a.x", 2)]).await;
    let answer = resolve(&catalog, &["a.x@v2", "a.y", "a.x@v1", "a.x@v2"], "raw").await;
    assert_eq!(answer.snapshot, Snapshot { seq: 3, at: at(5) });
    let numbers: Vec<Option<u64>> = answer
        .versions
        .iter()
        .map(|found| found.as_ref().ok().map(|found| found.version.number))
        .collect();
    assert_eq!(numbers, [Some(2), None, Some(1), Some(2)]);
    assert_eq!(resolve(&catalog, &["a.x"], "raw").await.snapshot, answer.snapshot);
}

pub(crate) async fn a_time_means_what_the_bare_name_meant_then(databases: &Databases) {
    let catalog = databases.open("a").await;
    let second = 1_000_000;
    publish(&catalog, second, vec![created("a.x"), version("a.x", 1)]).await;
    publish(&catalog, 2 * second, vec![version("a.x", 2), moved("a.x", "product", None, 2)]).await;
    publish(&catalog, 3 * second, vec![moved("a.x", "product", Some(2), 1)]).await;
    // Above the mark: not even "as of" reaches it.
    commit(&catalog, 4 * second, vec![moved("a.x", "product", Some(1), 2)]).await;
    let mut lines = Vec::new();
    for time in ["00:00:00.999999Z", "00:00:01Z", "00:00:02Z", "01:00:03+01:00", "00:00:04Z"] {
        let reference = format!("a.x@1970-01-01T{time}");
        let (raw, product) =
            (show(&catalog, &reference, "raw").await, show(&catalog, &reference, "product").await);
        lines.push(format!("{time}: {raw} | {product}"));
    }
    insta::allow_duplicates! {
        insta::assert_snapshot!(lines.join("\n"), @r#"
    00:00:00.999999Z: `a.x` had no version at stage `raw` at 1970-01-01T00:00:00.999999Z | `a.x` had no version at stage `product` at 1970-01-01T00:00:00.999999Z
    00:00:01Z: v1 of v2 | `a.x` had no version at stage `product` at 1970-01-01T00:00:01.000000Z
    00:00:02Z: v2 of v2 | v2 of v2
    01:00:03+01:00: v2 of v2 | v1 of v2
    00:00:04Z: v2 of v2 | v1 of v2
    "#);
    }
}

/// Clocks stand still or go back; an answer names its time, and asking for that time gives the same
/// answer for ever.
pub(crate) async fn an_answer_at_its_own_time_never_changes(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 100, vec![created("a.x"), version("a.x", 1)]).await;
    let first = resolve(&catalog, &["a.x"], "raw").await;
    publish(&catalog, 100, vec![version("a.x", 2)]).await;
    publish(&catalog, 5, vec![version("a.x", 3)]).await;
    let reference = format!("a.x@{}", first.snapshot.at);
    let again = resolve(&catalog, &[&reference], "raw").await;
    let id = |answer: &lakebed_catalog::Resolution| {
        answer.versions[0].as_ref().unwrap().version.version_id
    };
    assert_eq!(id(&again), id(&first));
}

/// However they are looked up: whatever is asked beside them, and above the journaled mark.
pub(crate) async fn many_references_mean_what_each_means_alone(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 10, vec![created("a.empty"), created("a.x"), version("a.x", 1)]).await;
    publish(&catalog, 20, vec![version("a.x", 2), moved("a.x", "product", None, 1)]).await;
    commit(&catalog, 30, vec![version("a.x", 3), created("a.later")]).await;
    let forms = [
        "a.x",
        "a.x@latest",
        "a.x@v1",
        "a.x@v2",
        "a.x@v3",
        "a.x@v99",
        "a.x@product",
        "a.x@validated",
        "a.empty",
        "a.empty@v1",
        "a.missing",
        "a.later",
        "a.x@1970-01-01",
        "a.x@1969-01-01",
        "a.x@b3:00000000",
    ];
    for default in ["raw", "product"] {
        let many: Vec<&str> = forms.iter().copied().cycle().take(700).collect();
        let together = resolve(&catalog, &many, default).await;
        for (reference, found) in many.iter().zip(together.versions) {
            let alone = resolve(&catalog, &[reference], default).await;
            assert_eq!(found, alone.versions[0], "{reference} {default}");
            assert_eq!(together.snapshot, alone.snapshot);
        }
    }
}
