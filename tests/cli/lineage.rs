//! Lineage, impact, report and registered locks, from outside.

use std::{collections::BTreeSet, io::Read as _};

use insta::assert_snapshot;

use crate::{served::Served, world::World};

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
    assert_eq!(event["job"]["name"], "build:products.by_region");
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
    // It is what everybody else is told of it, of an ingest, too.
    let ingest = world.json(&["lineage", "sales.orders", "--format", "openlineage"]);
    assert_eq!(ingest["job"]["name"], "ingest:sales.orders");
    assert_eq!(ingest["inputs"][0]["name"], "orders.csv");
    let told = world.ok(&["openlineage"]).text();
    let told: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told.contains(&event) && told.contains(&ingest), "{told:?}");
}

/// What decides about rows leads on: down to whatever reads them, as impact tells; up from a column that is
/// made of none.
#[test]
fn rows_lead_on_where_columns_end() {
    let world = World::new();
    world.write("t.csv", "i,g,x\n1,a,1\n2,b,0\n");
    world.ok(&["ingest", "t.csv", "--to", "a.t"]);
    world.write("catalog/grants.yaml", GRANTS);
    for (name, sql) in [
        ("p1", "SELECT i FROM a.t WHERE x > 0"),
        ("p2", "SELECT i AS j FROM m.p1"),
        ("p3", "SELECT count(*) AS n FROM m.p2"),
        ("p4", "SELECT p.n, t.g FROM m.p3 p JOIN a.t t ON t.i = p.n"),
    ] {
        let product = format!("owner: carol\npurpose: Rows\nsql: {sql}\n");
        world.write(format!("catalog/products/m/{name}.yaml"), product);
    }
    world.ok(&["apply"]);
    world.ok(&["build", "m.p1", "m.p2", "m.p3", "m.p4"]);
    let names = |answer: &serde_json::Value, list: &str, member: &str| {
        let found = answer[list].as_array().unwrap().iter();
        found.map(|one| one[member].as_str().unwrap().to_owned()).collect::<BTreeSet<String>>()
    };
    let all = BTreeSet::from(["m.p1", "m.p2", "m.p3", "m.p4"].map(str::to_owned));
    let impact = world.json(&["impact", "a.t.x"]);
    assert_eq!(names(&impact, "products", "product"), all);
    let down = world.json(&["lineage", "a.t", "--down", "--column", "x"]);
    let mut walked = names(&down, "versions", "dataset");
    assert!(walked.remove("a.t"));
    assert_eq!(walked, all);
    for (product, far, columns) in [("m.p3", 4, vec!["x"]), ("m.p4", 5, vec!["i", "x"])] {
        let up = world.json(&["lineage", product, "--column", "n"]);
        assert_eq!(names(&up, "versions", "dataset").len(), far, "{up}");
        let versions = up["versions"].as_array().unwrap();
        let table = versions.iter().find(|version| version["dataset"] == "a.t").unwrap();
        assert_eq!(table["columns"], serde_json::json!(columns), "{up}");
        assert_eq!(table["originals"][0]["name"], "t.csv");
    }
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

/// What a pipeline elsewhere says of a dataset names no job.
#[test]
fn the_log_tells_of_lineage_without_a_job() {
    let world = World::with_airlines();
    let server = Served::start(&world, &["--auth", "none"]);
    let event = serde_json::json!({
        "eventTime": "2026-11-01T12:00:00Z",
        "producer": "https://example.org/tool",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": { "namespace": "elsewhere", "name": "a.table" }
    });
    let event = event.to_string();
    let mut answer = String::new();
    let request = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{event}",
        event.len()
    );
    server.send(&request).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    server.stop();
    let log = world.ok(&["log"]).text();
    assert!(log.contains("lineage of a dataset was told"), "{log}");
}

/// All that happened is told: there is nobody to tell a part of it to.
#[test]
fn openlineage_is_for_whoever_keeps_the_lake() {
    let world = world();
    for arguments in [["--as", "alice", "openlineage"], ["openlineage", "--as", "alice"]] {
        let ran = world.refused(2, &arguments);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("--as"), "{ran}");
    }
    assert!(!world.ok(&["openlineage"]).stdout.is_empty());
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

/// Whoever looks after a product learns that nobody can read it any more.
#[test]
fn a_product_that_cannot_be_computed_is_reported() {
    let world = World::new();
    world.write("orders.csv", "id,note\n1,a\n");
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    let live = "\
owner: carol
purpose: Notes
served: live
sql: SELECT id, note FROM sales.orders
";
    world.write("catalog/grants.yaml", GRANTS);
    world.write("catalog/products/products/notes.yaml", live);
    world.write("catalog/products/products/ids.yaml", live.replace("id, note", "id"));
    world.ok(&["apply"]);
    world.ok(&["sql", "SELECT * FROM products.notes"]);
    let broken = || world.ok(&["report"]).text().matches("broken").count();
    assert_eq!(broken(), 0);
    world.write("orders.csv", "id\n1\n");
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders", "--evolve", "drop note"]);
    assert_ne!(world.run(&["sql", "SELECT * FROM products.notes"]).code, Some(0));
    assert_eq!(broken(), 1);
    assert_eq!(world.run(&["report", "--check"]).code, Some(1));
    let product = world.ok(&["product", "products.notes"]).text();
    assert!(product.contains("it cannot be computed now"), "{product}");
    let other = world.ok(&["product", "products.ids"]).text();
    assert!(!other.contains("it cannot be computed now"), "{other}");
    let impact = world.ok(&["impact", "sales.orders.id"]).text();
    let told: Vec<&str> = impact.lines().filter(|line| line.contains("products.")).collect();
    assert!(told[0].contains("products.ids") && !told[0].contains("cannot"), "{impact}");
    assert!(told[1].contains("it cannot be computed any more"), "{impact}");
    assert!(!told[1].contains("which rows there are"), "{impact}");
    // What is declared no more, and who reads it.
    let reads = live.replace("sales.orders", "products.ids").replace("id, note", "id");
    world.write("catalog/products/products/notes.yaml", reads);
    world.ok(&["apply"]);
    world.ok(&["lock", "products.ids", "--register", "train"]);
    std::fs::remove_file(world.path("catalog/products/products/ids.yaml")).unwrap();
    let ran = world.run(&["plan"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    let told =
        "`products.ids` is read by `products.notes`, and is locked by `train` of `local:tester`";
    assert!(ran.stderr.contains(told), "{ran}");
}

/// Nobody knows which columns a program made its output of.
#[test]
fn what_a_program_made_can_change_anywhere() {
    let world = world();
    world.ok(&["lock", "sales.orders"]);
    let copy = "cp $LAKEBED_INPUTS/sales/orders/*.parquet $LAKEBED_OUTPUTS/x.parquet";
    world.ok(&["run", "--out", "ml.copy=x.parquet", "--", "sh", "-c", copy]);
    let impact = world.ok(&["impact", "sales.orders.amount"]).text();
    let told = impact.lines().find(|line| line.contains("ml.copy")).unwrap();
    assert!(told.contains("anything in it") && !told.contains("which rows"), "{impact}");
}

/// Once somebody wanted its files, a live version has rows and bytes like any other.
#[test]
fn a_live_version_in_files_is_counted() {
    let world = World::new();
    world.write("orders.csv", ORDERS);
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/grants.yaml", GRANTS);
    let live = BY_REGION.replace("purpose:", "served: live\npurpose:");
    world.write("catalog/products/products/by_region.yaml", live);
    world.ok(&["apply"]);
    let told = || {
        let history = world.json(&["history", "products.by_region"]);
        let list = world.json(&["ls"]);
        let newest = list["datasets"].as_array().unwrap().iter();
        let mut newest = newest.map(|dataset| &dataset["newest"]);
        let newest = newest.find(|newest| newest["dataset"] == "products.by_region").unwrap();
        (history["versions"][0]["row_count"].as_u64(), newest["row_count"].as_u64())
    };
    assert_eq!(told(), (None, None));
    world.ok(&["fetch", "products.by_region", "--into", "in"]);
    assert_eq!(told(), (Some(2), Some(2)));
}
