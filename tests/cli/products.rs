//! Products, from outside: declared, built, built again, and kept from those who may not see all that
//! they are made of.

use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    served::{Served, until},
    world::World,
};

const GRANTS: &str = "\
grants:
  - { to: carol, may: [read, ingest], on: lake }
  - { to: alice, may: [read], on: lake }
  - { to: bob, may: [ingest], on: { namespace: products } }
";

const ORDERS: &str = "\
order,region,amount,rate
1,EU,10,0.1
2,US,20,0.2
3,EU,30,0.3
4,US,,0.7
";

const BY_REGION: &str = "\
owner: carol
purpose: What every region orders
sql: |
  SELECT region, count(*) AS orders, sum(amount) AS amount, avg(rate) AS rate
  FROM sales.orders GROUP BY region
";

fn world() -> World {
    let world = World::new();
    world.write("orders.csv", ORDERS);
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/products/products/by_region.yaml", BY_REGION);
    world
}

fn build(world: &World, arguments: &[&str]) -> Value {
    world.json(&[&["build", "products.by_region"][..], arguments].concat())
}

/// A product more, to be applied.
fn declare(world: &World, name: &str, sql: &str, more: &str) {
    let text = format!("owner: carol\npurpose: p\nsql: |\n  {sql}\n{more}");
    world.write(format!("catalog/products/products/{name}.yaml"), text);
}

#[test]
fn a_product_is_declared_built_and_read() {
    let world = world();
    world.tell(1, &["plan"]);
    world.ok(&["apply"]);
    world.tell(0, &["build", "products.by_region"]);
    world.tell(0, &["sql", "SELECT * FROM products.by_region"]);
    world.tell(0, &["build", "products.by_region"]);
    world.tell(4, &["ingest", "orders.csv", "--to", "products.by_region"]);
    world.tell(3, &["build", "sales.orders"]);
    world.tell(7, &["build", "--as", "alice", "sales.orders"]);
    world.tell(7, &["build", "--as", "alice", "products.by_region"]);
    // Another statement, with other columns and types, is another version.
    let other =
        BY_REGION.replace(", avg(rate) AS rate", "").replace("sum(amount)", "'n' || sum(amount)");
    world.write("catalog/products/products/by_region.yaml", other);
    world.tell(1, &["plan"]);
    world.ok(&["apply"]);
    world.tell(0, &["build", "products.by_region"]);
    world.tell(0, &["sql", "SELECT * FROM products.by_region"]);
    assert_snapshot!(world.told());
}

/// All products, each after those that it is made of, whatever they are called; what fails holds nothing up.
#[test]
fn all_products_are_built() {
    let world = world();
    let declare = |name, sql, more| declare(&world, name, sql, more);
    declare("a_last", "SELECT sum(orders) AS n FROM products.b_next", "");
    declare("b_next", "SELECT orders FROM products.by_region", "");
    declare("c_fails", "SELECT nope FROM sales.orders", "");
    declare("d_live", "SELECT region FROM sales.orders", "served: live\n");
    world.ok(&["apply"]);
    let built = |all: &crate::world::Ran| -> Vec<(String, String)> {
        let outcomes: Value = serde_json::from_slice(&all.stdout).unwrap();
        let told = |outcome: &Value| {
            let version = &outcome["version"];
            let name = version["dataset"].as_str().unwrap().to_owned();
            (name, format!("{} v{}", outcome["status"].as_str().unwrap(), version["version"]))
        };
        outcomes.as_array().unwrap().iter().map(told).collect()
    };
    let is = |what: &str| {
        ["a_last", "b_next", "by_region"].map(|name| (format!("products.{name}"), what.to_owned()))
    };
    let first = world.run(&["build", "--all", "--json"]);
    assert_eq!((first.code, built(&first)), (Some(4), is("committed v1").to_vec()), "{first}");
    assert!(first.stderr.contains("column `nope` not found"), "{first}");
    let again = world.run(&["build", "--all", "--json"]);
    assert_eq!(built(&again), is("unchanged v1"), "{again}");
    world.write("orders.csv", format!("{ORDERS}5,EU,50,0.5\n"));
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    let moved = world.run(&["build", "--all", "--json"]);
    assert_eq!(built(&moved), is("committed v2"), "{moved}");
    let rows = world.ok(&["sql", "--format", "csv", "SELECT n FROM products.a_last"]).text();
    assert_eq!(rows.lines().last(), Some("5"));
    world.ok(&["build", "--as", "alice", "--all"]);
}

/// What a build would refuse is told when it is declared; what waits for another product is not refused.
#[test]
fn a_product_that_cannot_be_built_is_warned_of() {
    let world = world();
    world.ok(&["apply"]);
    let declare = |name, sql, more| declare(&world, name, sql, more);
    declare("column", "SELECT amonut FROM sales.orders", "");
    declare("chance", "SELECT random() AS r FROM sales.orders", "");
    declare("order", "SELECT region FROM sales.orders", "order_by: [day]\n");
    declare("table", "SELECT region FROM sales.odrers", "");
    declare("given", "SELECT region FROM sales.orders WHERE amount > $least", "");
    declare("later", "SELECT nope FROM products.by_region", "");
    let planned = world.run(&["plan"]);
    let warned = |name: &str| planned.stderr.contains(&format!("product `products.{name}` cannot"));
    for name in ["column", "chance", "order", "table", "given"] {
        assert!(warned(name), "{name}: {planned}");
    }
    assert!(!warned("later") && !warned("by_region"), "{planned}");
    assert!(planned.stderr.contains("did you mean `amount`?"), "{planned}");
    let applied = world.json(&["apply"]);
    assert_eq!(applied["plan"]["warnings"].as_array().unwrap().len(), 5, "{applied}");
    let unbuilt = world.run(&["build", "products.later"]);
    assert!(unbuilt.stderr.contains("`lakebed build products.by_region` builds it"), "{unbuilt}");
}

/// The same versions are the same product, whatever happened between, and wherever it is built.
#[test]
fn the_same_inputs_have_the_same_content() {
    let world = world();
    world.ok(&["apply"]);
    world.ok(&["lock", "sales.orders"]);
    let first = build(&world, &[]);
    assert_eq!(first["status"], "committed");
    assert_eq!(build(&world, &[])["status"], "unchanged", "nothing to do");
    world.write("more.csv", format!("{ORDERS}5,EU,50,0.5\n"));
    world.ok(&["ingest", "more.csv", "--to", "sales.orders"]);
    let second = build(&world, &[]);
    assert_eq!(second["version"]["version"], 2);
    assert_ne!(second["version"]["content_id"], first["version"]["content_id"]);
    let third = build(&world, &["--locked"]);
    assert_eq!(third["version"]["version"], 3, "what the lock pins is not what is newest");
    assert_eq!(third["version"]["content_id"], first["version"]["content_id"]);
    world.ok(&["verify"]);

    let elsewhere = World::in_folder();
    elsewhere.write("orders.csv", ORDERS);
    elsewhere.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    elsewhere.write("catalog/grants.yaml", GRANTS);
    elsewhere.write("catalog/products/products/by_region.yaml", BY_REGION);
    elsewhere.write("lakebed.lock", world.read("lakebed.lock"));
    elsewhere.ok(&["apply"]);
    let there = build(&elsewhere, &["--locked"]);
    assert_eq!(there["version"]["content_id"], first["version"]["content_id"]);
    assert_eq!(there["version"]["version_id"], first["version"]["version_id"]);
}

/// A product that follows its inputs is built while a server runs, as its owner.
#[test]
fn a_product_follows_its_inputs_while_a_server_runs() {
    let world = world();
    world.write(
        "catalog/products/products/by_region.yaml",
        format!("{BY_REGION}refresh: on_change\n"),
    );
    world.ok(&["apply"]);
    let _served = Served::start(&world, &[]);
    let newest = || {
        let found = world.run(&["resolve", "products.by_region", "--json"]);
        let told: Value = serde_json::from_slice(&found.stdout).unwrap_or_default();
        told["versions"][0]["version"].as_u64().unwrap_or_default()
    };
    until("it is built", || newest() == 1);
    world.write("more.csv", format!("{ORDERS}5,EU,50,0.5\n"));
    world.ok(&["ingest", "more.csv", "--to", "sales.orders"]);
    until("it is built again", || newest() == 2);
    let sql = "SELECT orders FROM products.by_region WHERE region = 'EU'";
    let told = world.json(&["sql", sql]);
    assert_eq!(told["rows"], serde_json::json!([[3]]), "{told}");
}

const PROMISE: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: by-region
name: By region
version: 1.0.0
status: active
schema:
  - name: by_region
    properties:
      - { name: region, logicalType: string, required: true }
      - { name: orders, logicalType: integer, required: true }
      - { name: amount, logicalType: integer }
      - { name: rate, logicalType: number }
";

/// With `--json` everything is one document: several products are a list of what was built, also where
/// one of them was not.
#[test]
fn several_builds_are_one_document() {
    let world = world();
    world.write(
        "catalog/products/products/regions.yaml",
        "owner: carol\npurpose: x\nsql: SELECT region FROM products.by_region\n",
    );
    world.ok(&["apply"]);
    let built = build(&world, &["products.regions"]);
    let names: Vec<&Value> =
        built.as_array().unwrap().iter().map(|built| &built["version"]["dataset"]).collect();
    assert_eq!(names, ["products.by_region", "products.regions"]);
    assert_eq!(build(&world, &[])["status"], "unchanged", "one is an object");
    let ran = world.run(&["build", "products.regions", "sales.orders", "--json"]);
    assert_eq!(ran.code, Some(3), "{ran}");
    let built: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(built.as_array().unwrap().len(), 1, "{ran}");
    assert_eq!(built[0]["version"]["dataset"], "products.regions");
    assert!(ran.stderr.contains("not-found"), "{ran}");
}

/// When a product is built is told by what it is declared with, and what may be declared by what cannot.
#[test]
fn when_a_product_is_built_is_told() {
    let world = world();
    let plan = |refresh: &str| {
        let text = format!("{BY_REGION}refresh: {refresh}\n");
        world.write("catalog/products/products/by_region.yaml", text);
        world.run(&["plan"])
    };
    for (refresh, when) in [
        ("manual", "built when it is asked for"),
        ("on_change", "built by a server when what it is made of changes"),
        (
            "{ every_minutes: 30 }",
            "built by a server every 30 minutes, if what it is made of changed",
        ),
    ] {
        let ran = plan(refresh);
        assert_eq!(ran.code, Some(1), "{ran}");
        let line = format!("+ product products.by_region: {when}\n");
        assert!(ran.text().contains(&line), "{ran}");
    }
    for refresh in ["{ every_minutes: -1 }", "{ every_hours: 1 }", "30", "[on_change]"] {
        let ran = plan(refresh);
        assert_eq!(ran.code, Some(4), "{ran}");
        for told in [
            "by_region.yaml:6:",
            " is no way to refresh",
            "hint: write `manual`, `on_change` or, in whole minutes, `{ every_minutes: 30 }`",
        ] {
            assert!(ran.stderr.contains(told), "{refresh}: {told}\n{ran}");
        }
    }
}

/// A span of time is no column of a table: the statement says what it should be.
#[test]
fn a_column_of_a_type_that_cannot_be_kept_is_refused() {
    let world = world();
    let declare = |what: &str| {
        let text = format!(
            "owner: carol\npurpose: x\nsql: SELECT region, {what} AS i FROM sales.orders\n"
        );
        world.write("catalog/products/products/by_region.yaml", text);
        world.ok(&["apply"]);
    };
    declare("INTERVAL '1 day'");
    let ran = world.refused(4, &["build", "products.by_region"]);
    assert!(ran.stderr.contains("column `i` has a type that cannot be kept"), "{ran}");
    assert!(ran.stderr.contains("hint: cast it in the statement"), "{ran}");
    declare("CAST(INTERVAL '1 day' AS VARCHAR)");
    build(&world, &[]);
}

/// Whoever is built of a product is named when its promise would be broken.
#[test]
fn a_promise_is_broken_with_a_major_version_alone() {
    let world = world();
    world.write("catalog/datasets/products/by_region.odcs.yaml", PROMISE);
    world.write(
        "catalog/products/products/regions.yaml",
        "owner: carol\npurpose: x\nsql: SELECT region FROM products.by_region\n",
    );
    world.ok(&["apply"]);
    world.ok(&["build", "products.by_region"]);
    let less = PROMISE.replace("      - { name: rate, logicalType: number }\n", "");
    world.write("catalog/datasets/products/by_region.odcs.yaml", less.replace("1.0.0", "1.1.0"));
    world.tell(4, &["plan"]);
    world.tell(4, &["apply"]);
    std::fs::remove_file(world.path("catalog/datasets/products/by_region.odcs.yaml")).unwrap();
    world.tell(4, &["apply"]);
    world.write("catalog/datasets/products/by_region.odcs.yaml", less.replace("1.0.0", "2.0.0"));
    world.ok(&["apply"]);
    assert_snapshot!(world.told());
}

/// Who offers what, and how old it is.
#[test]
fn products_are_listed_and_described() {
    let world = world();
    world.ok(&["apply"]);
    let list = world.json(&["products"]);
    assert_eq!(list["products"][0]["product"], "products.by_region");
    assert!(list["products"][0].get("newest").is_none(), "it was never built");
    build(&world, &[]);
    let told = world.json(&["product", "products.by_region"]);
    assert_eq!((&told["owner"], &told["newest"]["version"]), (&"carol".into(), &1.into()));
    assert_eq!(
        (&told["as_of"], &told["stale"]),
        (&told["newest"]["committed_at"], &Value::from(Vec::<Value>::new()))
    );
    assert_eq!(told["links"]["rows"], "/v1/products/products/by_region/rows");
    world.write("orders.csv", format!("{ORDERS}5,EU,50,0.5\n"));
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    let told = world.json(&["product", "products.by_region"]);
    assert_eq!(told["stale"], Value::from(vec!["inputs"]));
    // Who may not know of all that it is made of is told that, and no `no`.
    let told = world.run(&["product", "--as", "bob", "products.by_region"]);
    assert!(told.to_string().contains("stale       unknown"), "{told}");
    // Nothing is told to whoever may not know of it.
    world.tell(3, &["product", "--as", "zed", "products.by_region"]);
    assert_eq!(
        world.json(&["products", "--as", "zed"])["products"],
        Value::from(Vec::<Value>::new())
    );
}

/// P9: products come back from the journal alone.
#[test]
fn p9_products_are_rebuilt() {
    let world = world();
    world.ok(&["apply"]);
    let built = build(&world, &[]);
    world.ok(&["rebuild", "--replace"]);
    world.ok(&["verify"]);
    assert_eq!(build(&world, &[])["version"]["version_id"], built["version"]["version_id"]);
}

#[test]
fn what_cannot_be_a_product_is_refused() {
    let world = world();
    let declare = |sql: &str| {
        let text = format!("owner: carol\npurpose: x\nsql: \"{sql}\"\n");
        world.write("catalog/products/products/by_region.yaml", text);
        world.tell_of(&format!("apply {sql}"), &world.run(&["apply"]));
        world.tell_of("build", &world.run(&["build", "products.by_region"]));
    };
    declare("SELECT now() AS n, region FROM sales.orders");
    declare("SELECT random() AS n FROM sales.orders");
    declare("SELECT * FROM range(0, CAST(random() * 9 AS BIGINT))");
    declare("SELECT * FROM system.events");
    declare("SHOW TABLES");
    declare("SELECT region, region FROM sales.orders");
    declare("SELECT nothing FROM sales.orders");
    declare("SELECT * FROM sales.nothing");
    declare("SELECT 10 / (amount - 10) AS n FROM sales.orders");
    declare("SELECT * FROM products.by_region");
    world.write("catalog/products/products/by_region.yaml", BY_REGION.replace("carol", "nobody"));
    world.ok(&["apply"]);
    world.tell(4, &["build", "products.by_region"]);
    for (text, why) in [
        ("owner: carol\n", "no purpose, no sql"),
        ("owner: everyone\npurpose: x\nsql: SELECT 1\n", "owner"),
        ("owner: carol\npurpose: x\nsql: SELECT 1\nrefresh: daily\n", "refresh"),
        ("owner: carol\npurpose: x\nsql: SELECT 1\ninput_stage: nowhere\n", "stage"),
    ] {
        world.write("catalog/products/products/by_region.yaml", text);
        world.tell_of(why, &world.run(&["plan"]));
    }
    world.write("catalog/products/products/by_region.yaml", BY_REGION);
    world.write("catalog/products/by_region.yaml", BY_REGION);
    world.tell_of("a file in the wrong place", &world.run(&["plan"]));
    assert_snapshot!(world.told());
}

/// P7: whoever builds a product without the right to read what it is made of is told no value of it.
#[test]
fn p7_an_error_of_a_build_tells_its_builder_no_value() {
    let world = world();
    let failing =
        "owner: carol\npurpose: x\nsql: SELECT CAST(region AS INT) AS n FROM sales.orders\n";
    world.write("catalog/products/products/by_region.yaml", failing);
    world.ok(&["apply"]);
    let ran = world.run(&["build", "--as", "bob", "products.by_region"]);
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(!ran.to_string().contains("EU") && !ran.to_string().contains("US"), "{ran}");
    let ran = world.run(&["build", "--as", "carol", "products.by_region"]);
    assert!(ran.to_string().contains("EU"), "{ran}");
}

const POLICIES: &str = "\
policies:
  - { name: eu, on: { dataset: sales.orders }, row_filter: region = 'EU', except: [carol] }
  - { name: no-rate, on: { dataset: sales.orders }, columns: [rate], hide: true, except: [carol] }
  - { name: amounts, on: { dataset: sales.orders }, columns: [amount], mask: { bucket: 20 }, except: [carol] }
";

/// P7: what policies keep of an input is kept of what was computed from it: columns by what they are
/// made of, rows where they say whose they are, and everything where they do not.
#[test]
fn p7_products_keep_what_their_inputs_keep() {
    let world = world();
    let declare = |name: &str, sql: &str| {
        let text = format!("owner: carol\npurpose: x\nsql: \"{sql}\"\n");
        world.write(format!("catalog/products/products/{name}.yaml"), text);
    };
    declare(
        "rows",
        "SELECT \\\"order\\\", region, amount, amount * 2 AS twice, rate FROM sales.orders",
    );
    declare("total", "SELECT sum(\\\"order\\\") AS n FROM sales.orders");
    declare(
        "other",
        "SELECT region, (SELECT max(\\\"order\\\") FROM sales.orders) AS n FROM sales.orders",
    );
    declare(
        "ranked",
        "SELECT region, row_number() OVER (ORDER BY \\\"order\\\") AS n FROM sales.orders",
    );
    declare("again", "SELECT region, count(*) AS n FROM products.rows GROUP BY region");
    world.write("catalog/policies/orders.yaml", POLICIES);
    world.ok(&["apply"]);
    for name in ["by_region", "rows", "total", "other", "ranked", "again"] {
        let name = format!("products.{name}");
        world.ok(&["build", &name]);
        let sql = format!("SELECT * FROM {name}");
        world.tell_of(&sql, &world.run(&["sql", "--as", "alice", &sql]));
        let ran = world.run(&["resolve", "--as", "alice", &name]);
        assert_eq!(ran.code, Some(7), "digests are data: {name}\n{ran}");
    }
    // Whoever sees all of the inputs sees all of the products.
    world.tell(0, &["sql", "--as", "carol", "SELECT * FROM products.rows"]);
    world.ok(&["resolve", "--as", "carol", "products.again"]);
    assert_snapshot!(world.told());
}
