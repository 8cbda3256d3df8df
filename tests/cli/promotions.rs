//! From raw data to products, from outside: declared, planned, approved, promoted, and ended.

use insta::assert_snapshot;

use crate::world::World;

const GRANTS: &str = "\
grants:
  - { to: dan, may: [read, ingest], on: { namespace: sales } }
  - { to: sam, may: [read, steward], on: { namespace: sales } }
  - { to: amy, may: [read, approve], on: { namespace: sales } }
";

const STAGES: &str = "\
stages:
  - name: raw
  - name: validated
    gates: [contract, quarantine]
    waivable: [quarantine]
  - name: product
    gates: [integrity, owner, compatible, lineage, approvals(1)]
";

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: sales.orders
version: 1.0.0
status: active
team: [{ username: olga, role: owner }]
schema:
  - name: orders
    properties: [{ name: id, logicalType: integer }]
";

fn world() -> World {
    let world = World::new();
    world.write("orders.csv", "id\n1\n2\n");
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/stages.yaml", STAGES);
    world.write("catalog/datasets/sales/orders.odcs.yaml", CONTRACT);
    world
}

#[test]
fn a_version_becomes_a_product() {
    let world = world();
    world.tell(1, &["plan"]);
    world.ok(&["apply"]);
    world.tell(1, &["promote", "sales.orders", "--to", "product", "--as", "dan"]);
    world.tell(0, &["reviews", "sales.orders", "--as", "dan"]);
    world.tell(0, &["promote", "sales.orders", "--to", "validated", "--as", "dan"]);
    world.tell(1, &["promote", "sales.orders", "--to", "product", "--dry-run", "--as", "dan"]);
    world.tell(4, &["approve", "sales.orders", "--to", "validated", "--as", "amy"]);
    world.tell(7, &["approve", "sales.orders", "--to", "product", "--as", "dan"]);
    let no = ["reject", "sales.orders", "--to", "product", "--reason", "no tax", "--as", "amy"];
    world.tell(0, &no);
    world.tell(1, &["promote", "sales.orders", "--to", "product", "--as", "dan"]);
    world.tell(0, &["approve", "sales.orders", "--to", "product", "--as", "amy"]);
    world.tell(0, &["reviews", "sales.orders", "--as", "amy"]);
    world.tell(0, &["promote", "sales.orders", "--to", "product", "--as", "dan"]);
    world.tell(0, &["promote", "sales.orders", "--to", "product", "--as", "dan"]);
    world.tell(0, &["sql", "SELECT count(*) AS n FROM sales.\"orders@product\"", "--as", "dan"]);
    world.tell(0, &["history", "sales.orders", "--as", "dan"]);
    world.tell(0, &["log"]);
    assert_snapshot!(world.told());
}

#[test]
fn gates_are_waived_openly_and_heads_go_back() {
    let world = world();
    world.ok(&["apply"]);
    world.ok(&["promote", "sales.orders", "--to", "validated"]);
    world.write("orders.csv", "id\n1\n2\nx\n");
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.tell(1, &["promote", "sales.orders", "--to", "validated", "--as", "dan"]);
    let waive =
        ["waive", "quarantine", "sales.orders", "--to", "validated", "--reason", "a test row"];
    world.tell(7, &[&waive[..], &["--as", "dan"]].concat());
    world.tell(0, &[&waive[..], &["--as", "sam"]].concat());
    world.tell(0, &["promote", "sales.orders", "--to", "validated", "--as", "dan"]);
    world.tell(0, &["reviews", "sales.orders@validated", "--as", "dan"]);
    world.tell(0, &["promote", "sales.orders@v1", "--to", "validated", "--as", "dan"]);
    let ran = world.run(&["promote", "sales.orders@v1", "--to", "product", "--dry-run", "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.code, &plan["is_ready"]), (Some(1), &false.into()), "{ran}");
    world.tell(2, &["deprecate", "sales.orders", "--sunset", "soon", "--as", "sam"]);
    world.tell(0, &["deprecate", "sales.orders", "--sunset", "2099-06-30", "--as", "sam"]);
    world.tell(4, &["retire", "sales.orders", "--as", "sam"]);
    world.tell(0, &["show", "sales.orders@v1", "--as", "dan"]);
    assert_snapshot!(world.told());
}
