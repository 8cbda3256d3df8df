//! Contracts from outside: declared, they hold from the next version on and are measured on old ones; a
//! file is measured without a lake, a first contract is written from one.

use crate::world::World;

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: sales.orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: id
        logicalType: integer
        primaryKey: true
        primaryKeyPosition: 1
        required: true
      - name: price
        logicalType: number
        physicalType: decimal(9,2)
        logicalTypeOptions: { minimum: 0, maximum: 1000 }
      - name: state
        logicalType: string
        quality:
          - { metric: invalidValues, arguments: { validValues: [open, paid] }, mustBe: 0, severity: warning }
    quality:
      - { metric: rowCount, mustBeGreaterThan: 2 }
";

fn check(world: &World, code: i32) -> serde_json::Value {
    let arguments = ["contract", "check", "orders.csv", "--contract", "orders.odcs.yaml", "--json"];
    let ran = world.run(&arguments);
    world.tell_of("contract check", &ran);
    assert_eq!(ran.code, Some(code), "{}\n{}", ran.text(), ran.stderr);
    serde_json::from_str(&ran.text()).unwrap()
}

#[test]
fn a_file_is_measured_against_a_contract_without_a_lake() {
    let world = World::new();
    world.write("orders.odcs.yaml", CONTRACT);
    world.write("orders.csv", "id,price,state\n1,9.95,open\n2,10,paid\n3,,open\n");
    let report = check(&world, 0);
    assert_eq!((&report["holds"], &report["accepted"]), (&true.into(), &3.into()));
    assert!(!world.path("lake").exists(), "nothing was made");

    // A key that is not there, one that comes twice, a price out of range, a price that is none, a
    // state that nobody knows.
    let rows = "id,price,state\n,1,open\n2,2000,open\n3,1,lost\n3,1,open\n5,x,open\n6,1,paid\n";
    world.write("orders.csv", rows);
    let report = check(&world, 1);
    assert_eq!((&report["accepted"], &report["quarantined"]), (&2.into(), &4.into()));
    let measured: Vec<(String, String, String)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["finding"]["passed"] == false)
        .map(|found| {
            let finding = &found["finding"];
            let rule = finding["rule"].as_str().unwrap().to_owned();
            (rule, finding["measured"]["number"].to_string(), found["first"]["line"].to_string())
        })
        .collect();
    insta::assert_debug_snapshot!(measured);
    let unreadable = serde_json::json!([{ "code": "type-error", "column": "price", "rows": 1,
        "first": { "source": "orders.csv", "line": 6 } }]);
    assert_eq!(report["unreadable"], unreadable);
    let told = world.run(&["contract", "check", "orders.csv", "--contract", "orders.odcs.yaml"]);
    let line = "1 row of type-error in `price`, the first on line 6 of `orders.csv`";
    assert!(told.stderr.contains(line), "{told}");
}

#[test]
fn a_contract_that_cannot_be_meant_is_refused_with_its_lines() {
    let world = World::new();
    world.write("orders.csv", "id,price,state\n1,9.95,open\n");
    world.write("orders.odcs.yaml", CONTRACT.replace("logicalType: number", "logicalTyp: number"));
    let arguments = ["contract", "check", "orders.csv", "--contract", "orders.odcs.yaml"];
    let refused = world.refused(4, &arguments);
    assert!(
        refused.stderr.contains("orders.odcs.yaml:15:9: there is no key `logicalTyp`"),
        "{}",
        refused.stderr
    );
    // A column that the data does not have.
    world.write("orders.odcs.yaml", CONTRACT.replace("name: price", "name: prices"));
    let refused = world.refused(4, &arguments);
    assert!(refused.stderr.contains("prices"), "{}", refused.stderr);
    world.refused(3, &["contract", "check", "orders.csv", "--contract", "no.yaml"]);
    world.refused(3, &["contract", "check", "no.csv", "--contract", "orders.odcs.yaml"]);
}

/// What is written from a version is a contract that the version keeps.
#[test]
fn a_first_contract_holds_of_what_it_was_written_from() {
    let world = World::with_airlines();
    let first = world.ok(&["contract", "infer", "nyc.airlines"]).text();
    assert!(first.contains("required: true # no null among"), "{first}");
    assert!(first.contains("# seen: "), "{first}");
    world.write("airlines.odcs.yaml", &first);
    let file = crate::world::example("airlines.csv");
    let file = file.to_str().unwrap();
    world.ok(&["contract", "check", file, "--contract", "airlines.odcs.yaml"]);
    let of = ["contract", "check", "--of", "nyc.airlines@v1", "--contract", "airlines.odcs.yaml"];
    let report = world.json(&of);
    assert_eq!((&report["holds"], &report["quarantined"]), (&true.into(), &0.into()));
    world.refused(3, &["contract", "check", "--of", "nyc.no", "--contract", "airlines.odcs.yaml"]);
    let json = world.json(&["contract", "infer", "nyc.airlines@v1"]);
    assert!(json["contract"].as_str().unwrap().contains("apiVersion: v3.1.0"));
    world.refused(3, &["contract", "infer", "nyc.nothing"]);
}

const PROMISED: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: sales.orders
version: 1.0.0
status: active
tags: [finance]
team: [{ username: carol@example.com, role: owner }]
schema:
  - name: orders
    description: What was ordered.
    properties:
      - { name: id, logicalType: integer, primaryKey: true }
      - { name: price, logicalType: number, logicalTypeOptions: { minimum: 0 } }
      - { name: boss, logicalType: integer, relationships: [{ to: orders.id }] }
      - { name: day, logicalType: date }
    quality:
      - { id: revenue, type: sql, query: 'SELECT sum(price) FROM ${table}', mustBeGreaterThan: 10, severity: error }
      - { id: nonsense, type: sql, query: 'SELECT no_such_column FROM ${table}', mustBe: 0, severity: info }
      - { id: elsewhere, type: sql, query: 'SELECT count(*) FROM other.data', mustBe: 0, severity: info }
    customProperties: [{ property: maxQuarantined, value: 2 }]
slaProperties:
  - { property: freshness, value: 10, unit: y, element: orders.day }
";

/// Plan, apply, ingest, show, check: a contract all the way, with what only an engine can measure.
#[test]
fn a_declared_contract_holds_from_the_next_version_on() {
    let world = World::new();
    let rows = "id,price,boss,day\n1,9.5,,2026-11-01\n2,1,1,2026-11-02\n2,3,1,2026-11-03\n4,-1,,2026-11-04\n5,1,77,2026-11-05\n";
    world.write("orders.csv", rows);
    world.ok(&["ingest", "orders.csv", "--to", "sales.orders"]);
    world.write("catalog/datasets/sales/orders.odcs.yaml", PROMISED);
    let planned = world.run(&["plan", "catalog"]);
    assert_eq!(planned.code, Some(1), "{}", planned.stderr);
    assert!(planned.text().contains("+ contract sales.orders 1.0.0"), "{}", planned.text());
    world.ok(&["apply", "catalog", "--without-admin"]);

    // The version of before is measured as it is: no row of it is set aside any more.
    let old = world.run(&["contract", "check", "sales.orders@v1", "--json"]);
    assert_eq!(old.code, Some(1), "{}", old.stderr);
    let old: serde_json::Value = serde_json::from_str(&old.text()).unwrap();
    assert_eq!((&old["accepted"], &old["quarantined"]), (&5.into(), &0.into()));

    let made = world.json(&["ingest", "orders.csv", "--to", "sales.orders"]);
    assert_eq!(made["version"]["row_count"], 3);
    assert_eq!(made["version"]["quarantined_count"], 2);
    let told = |report: &serde_json::Value| {
        let findings = report["findings"].as_array().unwrap();
        let told: Vec<String> = findings
            .iter()
            .map(|finding| {
                let word = finding["consequence"].as_str().unwrap_or("holds");
                let problem = finding["problem"].as_str().unwrap_or_default();
                let told = format!("{} {} {word} {problem}", finding["rule"], finding["measured"]);
                told.trim_end().to_owned()
            })
            .collect();
        told.join("\n")
    };
    insta::assert_snapshot!(told(&made), @r#"
    "id.primaryKey" 0 holds
    "price.minimum" 1 quarantined
    "primaryKey" 1 quarantined
    "boss.relationship" 1 warned
    "revenue" "11.5" holds
    "nonsense" null noted column `no_such_column` not found
    "elsewhere" null noted it reads `other.data`, and a check reads its own table alone
    "#);
    let shown = world.ok(&["show", "sales.orders"]).text();
    for part in ["`sales.orders` 1.0.0", "carol@example.com", "finance", "What was ordered."] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let version = world.json(&["show", "sales.orders"]);
    let freshness = version["report"]["findings"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&freshness["rule"], &freshness["passed"]), (&"day.freshness".into(), &true.into()));
    let report = world.run(&["contract", "check", "sales.orders"]);
    world.tell_of("contract check REF", &report);
    assert_eq!(report.code, Some(1), "{}", report.stderr);

    // A row more in the quarantine than the contract allows.
    world.write("orders.csv", rows.replace("5,1,77", "5,-1,77"));
    let refused = world.refused(4, &["ingest", "orders.csv", "--to", "sales.orders"]);
    assert!(refused.stderr.contains("the contract allows 2 rows"), "{}", refused.stderr);
    world.ok(&["verify"]);

    // A weaker promise is told, and the version that should say so.
    let weaker = PROMISED.replace("minimum: 0", "minimum: -5");
    world.write("catalog/datasets/sales/orders.odcs.yaml", weaker);
    let planned = world.run(&["plan", "catalog"]).text();
    assert!(planned.contains("~ contract sales.orders 1.0.0 -> 1.0.0: major"), "{planned}");
    assert!(planned.contains("should be `2.0.0` or later"), "{planned}");
    world.refused(2, &["contract", "check", "orders.csv"]);
    world.refused(3, &["contract", "check", "sales.nothing"]);
}

/// Rows that were set aside are a table of their own; corrected, they are a version that cites them.
#[test]
fn quarantined_rows_are_asked_in_sql_and_repaired() {
    let world = World::new();
    world.write("a.csv", "id;day;n\n1;2026-01-01;NA\n2;x;5\n3;2026-01-03;6\n4;y;7\n");
    let options = ["--null", "NA", "--type", "day=date", "--type", "n=long"];
    let ingest =
        [&["ingest", "a.csv", "--to", "crm.days", "--max-quarantined", "50%"], &options[..]];
    world.ok(&ingest.concat());
    let sql = "SELECT line, source, reasons[1]['code'] AS code, reasons[1]['column'] AS col \
               FROM crm.\"days@v1!quarantine\" ORDER BY line";
    let rows = world.ok(&["sql", sql, "--format", "csv"]).text();
    assert_eq!(rows, "line,source,code,col\n3,a.csv,type-error,day\n5,a.csv,type-error,day\n");
    let both = "SELECT (SELECT count(*) FROM crm.days) AS good, \
                (SELECT count(*) FROM crm.\"days!quarantine\") AS bad";
    assert_eq!(world.ok(&["sql", both, "--format", "csv"]).text(), "good,bad\n2,2\n");
    world.refused(4, &["sql", "SELECT 1 FROM crm.\"days!quarantined\""]);
    world.ok(&["sql", "DESCRIBE crm.\"days!quarantine\""]);

    world.ok(&["quarantine", "crm.days", "--export", "bad.csv"]);
    assert_eq!(world.read("bad.csv"), "id;day;n\n2;x;5\n4;y;7\n");
    world.write("bad.csv", "id;day;n\n2;2026-01-02;5\n4;2026-01-04;NA\n");
    let repaired = world.json(&["repair", "crm.days", "bad.csv"]);
    assert_eq!(
        (&repaired["version"]["row_count"], &repaired["version"]["version"]),
        (&4.into(), &2.into())
    );
    let shown = world.json(&["show", "crm.days@v2"]);
    let first = world.json(&["show", "crm.days@v1"]);
    assert_eq!(shown["inputs"][0]["version_id"], first["version"]["version_id"]);
    let nulls = "SELECT count(*) AS n FROM crm.days WHERE n IS NULL";
    assert_eq!(world.ok(&["sql", nulls, "--format", "csv"]).text(), "n\n2\n");
    world.ok(&["verify"]);
    world.write("more.csv", "id;day;n\n9;2026-01-09;1\n");
    world.ok(&["ingest", "more.csv", "--to", "crm.clean"]);
    let refused = world.refused(4, &["repair", "crm.clean", "more.csv"]);
    assert!(refused.stderr.contains("no row of"), "{}", refused.stderr);
}
