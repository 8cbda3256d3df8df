//! Lineage, impact, report and registered locks, from outside.

use insta::assert_snapshot;

use crate::world::World;

const GRANTS: &str = "\
grants:
  - { to: carol, may: [read, ingest], on: lake }
  - { to: alice, may: [read], on: { namespace: products } }
";

const ORDERS: &str = "\
order,region,amount,state
1,EU,10,paid
2,US,20,paid
3,EU,30,open
4,US,,paid
";

const BY_REGION: &str = "\
owner: carol
purpose: What every region paid
sql: |
  SELECT region, sum(amount) AS amount, count(*) AS orders
  FROM sales.orders WHERE state = 'paid' GROUP BY region
";

const BEST: &str = "\
owner: carol
purpose: The regions that pay
sql: |
  SELECT region, CASE WHEN orders > 1 THEN amount ELSE 0 END AS paid
  FROM products.by_region WHERE amount > 5
";

fn world() -> World {
    let world = World::new();
    world.write("orders.csv", ORDERS);
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/products/products/by_region.yaml", BY_REGION);
    world.write("catalog/products/products/best.yaml", BEST);
    world.ok(&["apply"]);
    world.ok(&["build", "products.by_region", "products.best"]);
    world
}

#[test]
fn from_a_product_to_the_original_file_and_back() {
    let world = world();
    world.tell(0, &["lineage", "products.best"]);
    world.tell(0, &["lineage", "products.best", "--column", "paid"]);
    world.tell(0, &["lineage", "sales.orders", "--down"]);
    world.tell(0, &["lineage", "sales.orders@v1", "--down", "--column", "amount"]);
    world.tell(0, &["lineage", "products.best", "--format", "dot", "--column", "paid"]);
    world.tell(3, &["lineage", "products.best", "--column", "nothing"]);
    world.tell(3, &["lineage", "sales.nothing"]);
    world.tell(2, &["lineage", "products.best", "--up", "--down"]);
    world.tell(2, &["lineage", "products.best", "--format", "openlineage", "--column", "paid"]);
    // P7: what alice may not discover is not there for her.
    world.tell(0, &["lineage", "--as", "alice", "products.best"]);
    world.tell(0, &["impact", "products.by_region.amount", "--as", "alice"]);
    assert_snapshot!(world.told());
}

#[test]
fn a_version_is_told_as_an_event_of_openlineage() {
    let world = world();
    let event = world.json(&["lineage", "products.by_region", "--format", "openlineage"]);
    assert_eq!(event["eventType"], "COMPLETE");
    assert_eq!(event["job"]["name"], "products.by_region");
    assert_eq!(event["inputs"][0]["name"], "sales.orders");
    let output = &event["outputs"][0]["facets"];
    assert_eq!(output["schema"]["fields"][1]["name"], "amount");
    let lineage = &output["columnLineage"];
    let made_of = &lineage["fields"]["amount"]["inputFields"][0];
    assert_eq!(
        (made_of["name"].as_str(), made_of["field"].as_str()),
        (Some("sales.orders"), Some("amount"))
    );
    assert_eq!(made_of["transformations"][0]["subtype"], "AGGREGATION");
    let rows: Vec<_> = lineage["dataset"].as_array().unwrap().iter().map(|i| &i["field"]).collect();
    assert_eq!(rows, ["region", "state"]);
    let again = world.json(&["lineage", "products.by_region", "--format", "openlineage"]);
    assert_eq!(again, event, "the same version is the same run");
}

#[test]
fn whoever_would_notice_is_named() {
    let world = world();
    world.ok(&["lock", "sales.orders"]);
    world.tell(0, &["lock", "--register", "train"]);
    world.tell(0, &["lock", "--register", "train"]);
    world.tell(0, &["impact", "sales.orders", "--as", "carol"]);
    world.tell(0, &["impact", "sales.orders.amount", "--as", "carol"]);
    world.tell(0, &["impact", "sales.orders.order", "--as", "carol"]);
    world.tell(3, &["impact", "sales.orders.nothing", "--as", "carol"]);
    world.tell(0, &["lock", "--unregister", "train"]);
    world.tell(0, &["lock", "--unregister", "train"]);
    world.tell(0, &["report", "--as", "carol"]);
    world.write("orders.csv", format!("{ORDERS}5,EU,50,paid\n"));
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.tell(1, &["report", "--check", "--as", "carol"]);
    assert_snapshot!(world.told());
    world.ok(&["verify"]);
    let report = world.json(&["report"]);
    assert_eq!(report["knows_reads"], true);
}

/// P9: what was computed from what, and what is registered, come back from the journal alone.
#[test]
fn p9_lineage_and_locks_are_rebuilt() {
    let world = world();
    world.ok(&["lock", "sales.orders", "--register", "train"]);
    let asked = [
        &["lineage", "products.best"][..],
        &["lineage", "sales.orders", "--down", "--column", "amount"],
        &["impact", "sales.orders"],
    ];
    let answers = || asked.map(|arguments| world.json(arguments)).map(without_snapshot);
    let before = answers();
    assert_eq!(before[2]["locks"][0]["name"], "train");
    world.ok(&["rebuild", "--replace"]);
    assert_eq!(answers(), before);
}

/// Readers grow with every look.
fn without_snapshot(mut answer: serde_json::Value) -> serde_json::Value {
    let members = answer.as_object_mut().unwrap();
    members.remove("snapshot");
    members.remove("readers");
    answer
}
