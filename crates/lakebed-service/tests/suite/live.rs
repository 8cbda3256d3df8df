//! Live products: a version for what they are made of, made by whoever asks first (P4), cut off anywhere
//! old or new, and in files once, when somebody needs files.

use std::sync::Arc;

use lakebed_core::{DatasetName, DatasetRef, EventBody, Served};
use lakebed_service::{ApplyCatalog, Ctx, Detail, Error, Lake, Looked, ResolvedVersion, Result};
use lakebed_testkit::TestLake;

use crate::{
    cut_off::{self, Change},
    lineage::{Toy, World, ctx},
    promotions::{Meanwhile, promotion},
};

const DAILY: &str = "products.daily";

fn daily() -> DatasetName {
    DAILY.parse().expect("a name")
}

/// `products.daily` is served so from now on.
async fn serve(test: &TestLake, served: Served) {
    let owner = test.ctx();
    let before = test.lake.declared_catalog(&owner).await.unwrap();
    let mut declared = before.declared;
    declared.products.get_mut(&daily()).unwrap().served = served;
    let expected = before.declaration.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&owner, request).await.unwrap();
}

/// `products.daily`, built once, live by now, and of what there is more.
async fn behind() -> World {
    let world = World::new().await;
    serve(&world.test, Served::Live).await;
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    world
}

async fn ask(lake: &Lake, ctx: &Ctx, name: &str, detail: Detail) -> Result<ResolvedVersion> {
    let reference: DatasetRef = name.parse().unwrap();
    let found = lake.resolve(ctx, &[reference], detail).await?;
    Ok(found.versions.into_iter().next().unwrap())
}

/// The numbers of the product's versions, newest first, and which of them are live.
async fn versions(test: &TestLake) -> Vec<(u64, bool)> {
    let history = test.lake.catalog().history(&daily(), None, 100).await.unwrap();
    history.iter().map(|version| (version.number, version.live)).collect()
}

/// How often rows were put into files.
async fn materialised(test: &TestLake) -> usize {
    let events = test.lake.events(&test.ctx(), 0, 1000).await.unwrap().events;
    let is_it = |body: &EventBody| matches!(body, EventBody::VersionMaterialised(_));
    events.iter().filter(|seen| is_it(&seen.event.body)).count()
}

/// P4: a version is made when somebody asks and something moved, and not otherwise. What was built of
/// the same is as good.
#[tokio::test]
async fn p4_a_version_is_made_when_something_moved() {
    let world = World::new().await;
    let test = &world.test;
    serve(test, Served::Live).await;
    let asked = async || ask(&test.lake, &test.ctx(), DAILY, Detail::None).await.unwrap().version;
    assert_eq!(asked().await.number, 1, "it was built of just that");
    world.orders("1,10,2,a\n2,20,3,b\n").await;
    assert_eq!(versions(test).await, [(1, false)], "nobody asked yet");
    for _ in 0..3 {
        let version = asked().await;
        assert_eq!((version.number, version.live, version.counted()), (2, true, None));
        assert_eq!(version.actor, "carol", "its owner");
    }
    let old = ask(&test.lake, &test.ctx(), "products.daily@v1", Detail::None).await.unwrap();
    assert_eq!(old.newest, 2);
    serve(test, Served::Materialized).await;
    world.build(DAILY).await;
    assert_eq!(versions(test).await, [(3, false), (2, true), (1, false)]);
    serve(test, Served::Live).await;
    assert_eq!(asked().await.number, 3, "it was built of just that");
    let mut looked = Looked::default();
    assert!(test.lake.due_builds(&mut looked).await.unwrap().is_empty());
}

/// P4: many who ask at once make one version.
#[tokio::test(flavor = "multi_thread")]
async fn p4_many_who_ask_at_once_make_one_version() {
    let world = behind().await;
    let mut askers = Vec::new();
    for _ in 0..6 {
        let lake = world.test.reopen_with(Arc::new(Toy)).await.unwrap();
        let owner = world.test.ctx();
        askers.push(tokio::spawn(async move {
            let found = ask(&lake, &owner, DAILY, Detail::None).await;
            lake.close().await;
            found.unwrap().version.number
        }));
    }
    for asker in askers {
        assert_eq!(asker.await.unwrap(), 2);
    }
    assert_eq!(versions(&world.test).await, [(2, true), (1, false)]);
}

/// P7: whoever may not read it makes no version of it by asking.
#[tokio::test]
async fn p7_who_may_not_read_makes_no_version() {
    let world = behind().await;
    for who in ["bob", "audrey"] {
        let asked = ask(&world.test.lake, &ctx(who), DAILY, Detail::None).await.unwrap_err();
        assert!(matches!(asked, Error::NotFound { .. } | Error::Forbidden { .. }), "{asked:?}");
    }
    assert_eq!(versions(&world.test).await, [(1, false)]);
}

/// What cannot be computed is told to whoever may read all that it is made of, and to nobody else, also
/// not to whoever may build it.
#[tokio::test]
async fn p7_why_it_cannot_be_computed_is_for_few() {
    let world = behind().await;
    let lake =
        world.test.reopen_with(Arc::new(crate::builds::Broken(crate::builds::Breaks::Planning)));
    let lake = lake.await.unwrap();
    let ingest =
        r#"{"to":"alice","may":["ingest"],"on":{"namespace":"products"},"from_stage":"raw"}"#;
    let before = lake.declared_catalog(&world.test.ctx()).await.unwrap();
    let mut declared = before.declared;
    declared.grants.insert(serde_json::from_str(ingest).unwrap());
    let expected = before.declaration.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    lake.apply_catalog(&world.test.ctx(), request).await.unwrap();
    let told = async |who: &str| ask(&lake, &ctx(who), DAILY, Detail::None).await.unwrap_err();
    let (carol, alice) = (told("carol").await, told("alice").await);
    assert_eq!((carol.code(), alice.code()), ("live-failed", "live-failed"));
    assert!(carol.to_string().contains("`4711` is no number"), "{carol}");
    assert!(!alice.to_string().contains("4711"), "{alice}");
    lake.close().await;
}

/// Asking for the files of what moved.
struct Asking;

impl Change for Asking {
    type World = World;

    async fn world(&self) -> World {
        behind().await
    }

    fn lake(world: &World) -> &TestLake {
        &world.test
    }

    async fn make(&self, world: &World, lake: &Lake) -> Result<String> {
        let found = ask(lake, &world.test.ctx(), DAILY, Detail::Files).await?;
        Ok(found.version.version_id.to_string())
    }

    async fn check(&self, world: &World, lake: &Lake, made: &str, what: &str) {
        let owner = world.test.ctx();
        let seen = lake.dataset(&owner, &daily()).await.unwrap().record.newest.unwrap();
        let is_new = seen.number == 2 && seen.version_id.to_string() == made;
        assert!(seen.number == 1 || is_new, "{what}: {seen:?}");
        let found = ask(lake, &owner, DAILY, Detail::Files).await;
        let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((found.version.number, &*found.version.version_id.to_string()), (2, made));
        assert_eq!(found.detail.unwrap().tables.len(), 1, "{what}");
        assert_eq!(materialised(&world.test).await, 1, "{what}");
    }
}

/// P4: whatever dies when, asking for the files of what moved leaves old or new, in files or in none.
#[tokio::test(flavor = "multi_thread")]
async fn p4_who_is_cut_off_anywhere_leaves_old_or_new() {
    let (writes, points) = cut_off::everywhere(&Asking).await;
    let segments = writes.iter().filter(|write| write.starts_with("create journal/")).count();
    assert!(segments >= 2 && points.len() >= 8, "{writes:?} {points:?}");
}

/// P4: of two who need files one writes them, and both have them.
#[tokio::test(flavor = "multi_thread")]
async fn p4_of_two_who_need_files_one_writes_them() {
    let world = behind().await;
    ask(&world.test.lake, &world.test.ctx(), DAILY, Detail::None).await.unwrap();
    let (other, owner) = (world.test.lake.clone(), world.test.ctx());
    let probe = Meanwhile::once(move || async move {
        ask(&other, &owner, DAILY, Detail::Files).await.unwrap();
    });
    let lake = world.test.failing_with(Arc::new(Toy), |backend| backend, probe).await.unwrap();
    let found = ask(&lake, &world.test.ctx(), DAILY, Detail::Files).await.unwrap();
    assert_eq!((found.version.counted(), found.detail.unwrap().tables.len()), (Some(1), 1));
    lake.close().await;
    assert_eq!(materialised(&world.test).await, 1);
}

/// Files are those that a build writes, byte by byte; and whoever looks without needing them writes none.
#[tokio::test]
async fn its_files_are_those_of_a_build() {
    let world = behind().await;
    let (test, owner) = (&world.test, world.test.ctx());
    let looked = ask(&test.lake, &owner, DAILY, Detail::Full).await.unwrap();
    assert_eq!(looked.detail.unwrap().tables, []);
    test.lake.profile(&owner, DAILY.parse().unwrap()).await.unwrap();
    assert_eq!(materialised(test).await, 0);
    let live = ask(&test.lake, &owner, DAILY, Detail::Files).await.unwrap();
    serve(test, Served::Materialized).await;
    world.build(DAILY).await;
    let built = ask(&test.lake, &owner, DAILY, Detail::Files).await.unwrap();
    assert_eq!((live.version.number, built.version.number), (2, 3));
    assert_eq!(live.detail.unwrap().tables, built.detail.unwrap().tables);
    assert_eq!(live.version.row_count, built.version.row_count);
}

/// P8: of what was computed, rows that break a contract which did not judge them hold a version back:
/// nobody has set them aside.
#[tokio::test]
async fn p8_rows_that_nobody_set_aside_hold_back() {
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: products.daily\nversion: 1.0.0\n\
        status: active\nteam:\n- { username: olga, role: owner }\nschema:\n- name: daily\n  \
        properties:\n  - { name: total, logicalType: integer, logicalTypeOptions: { maximum: 0 } }\n  \
        - { name: area, logicalType: integer }\n";
    let contract = lakebed_contract::read_contract("c.yaml", text, None).unwrap().contract;
    for served in [Served::Materialized, Served::Live] {
        let world = World::new().await;
        let (test, owner) = (&world.test, world.test.ctx());
        serve(test, served).await;
        let before = test.lake.declared_catalog(&owner).await.unwrap();
        let mut declared = before.declared;
        declared.contracts.insert(daily(), contract.clone());
        let expected = before.declaration.map(|declaration| declaration.digest);
        let request = ApplyCatalog { declared, expected, without_admin: true };
        test.lake.apply_catalog(&owner, request).await.unwrap();
        let plan = test.lake.plan_promotion(&owner, &promotion(&[DAILY], "validated")).await;
        let plan = format!("{:?}", plan.unwrap());
        assert!(plan.contains("1.0.0 does not hold: `total.maximum`"), "{served:?}: {plan}");
    }
}

/// A relationship finds the values of a live product, and needs none of them in files.
#[tokio::test]
async fn relationships_find_what_is_computed() {
    let world = behind().await;
    let (test, owner) = (&world.test, world.test.ctx());
    let text = "apiVersion: v3.1.0\nkind: DataContract\nid: products.marks\nversion: 1.0.0\n\
        status: active\nschema:\n- name: marks\n  properties:\n  - name: total\n    \
        logicalType: integer\n    relationships:\n    - { to: daily.total }\n";
    let contract = lakebed_contract::read_contract("c.yaml", text, None).unwrap().contract;
    let before = test.lake.declared_catalog(&owner).await.unwrap();
    let mut declared = before.declared;
    declared.contracts.insert("products.marks".parse().unwrap(), contract);
    let expected = before.declaration.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&owner, request).await.unwrap();
    // Every total there is here is 1.
    let made = test.ingest("products.marks", "marks.csv", "total\n1\n2\n1\n").await.unwrap();
    assert_eq!((made.version.row_count, made.version.quarantined_count), (2, 1));
    assert_eq!(materialised(test).await, 0);
}

/// Nobody can add rows to what is computed, also where it is no product any more.
#[tokio::test]
async fn nothing_is_appended_to_what_is_computed() {
    let world = behind().await;
    ask(&world.test.lake, &world.test.ctx(), DAILY, Detail::None).await.unwrap();
    world.declare(&[], "").await;
    let appended = world.test.append(DAILY, "more.csv", "total,n\n1,2\n").await.unwrap_err();
    assert_eq!(appended.code(), "live");
}

/// Live products are made of each other only so deep, as all of them are computed at once.
#[tokio::test]
async fn they_are_made_of_each_other_only_so_deep() {
    let world = World::new().await;
    let (test, owner) = (&world.test, world.test.ctx());
    let before = test.lake.declared_catalog(&owner).await.unwrap();
    let mut declared = before.declared;
    let mut below = "sales.orders.amount".to_owned();
    for level in 1..=9 {
        let mut product = declared.products[&daily()].clone();
        (product.sql, product.served) = (format!("x = {below}"), Served::Live);
        declared.products.insert(format!("products.l{level}").parse().unwrap(), product);
        below = format!("products.l{level}.x");
    }
    let expected = before.declaration.map(|declaration| declaration.digest);
    let request = ApplyCatalog { declared, expected, without_admin: true };
    test.lake.apply_catalog(&owner, request).await.unwrap();
    assert!(ask(&test.lake, &owner, "products.l8", Detail::None).await.is_ok());
    let told = ask(&test.lake, &owner, "products.l9", Detail::None).await.unwrap_err();
    assert!(told.to_string().contains("9 deep"), "{told}");
}
