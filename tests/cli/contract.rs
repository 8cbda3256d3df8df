//! Contracts from outside: a file is measured without a lake, a first contract is written from one.

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
    assert_eq!((&report["accepted"], &report["quarantined"]), (&3.into(), &3.into()));
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
