//! What is promised beside columns: relationships, freshness, limits, owners, and where files lie.

use std::fmt::Write as _;

use lakebed_contract::dataset_of_file;
use lakebed_core::contract::{Check, Contract, RelationshipTable};

use crate::world::{document, read, told};

/// A contract of a table with the columns `a` and `b`, followed by `rest` of the document.
fn with(rest: &str) -> Contract {
    read(&document(&format!(
        "  properties: [{{ name: a }}, {{ name: b, physicalName: B }}]\n{rest}"
    )))
    .contract
}

#[test]
fn relationships_lead_to_tables_and_datasets() {
    let mut said = String::new();
    for to in [
        "customers.id",
        "schema/customers/properties/id",
        "/schema/customers/properties/id",
        "../crm/customers.odcs.yaml#schema/x/properties/id",
        "customers.odcs.yaml#/schema/x/properties/id",
        "orders.b",
        "schema/orders/properties/B",
    ] {
        let contract = with(&format!("  relationships: [{{ from: orders.a, to: \"{to}\" }}]\n"));
        let Check::Relationship { columns, to: target } = &contract.rules[0].check else {
            panic!("{:?}", contract.rules[0].check)
        };
        let table = match &target.table {
            RelationshipTable::Object(name) => format!("table {name}"),
            RelationshipTable::Dataset(name) => format!("dataset {name}"),
        };
        let _ = writeln!(said, "{to}: {columns:?} in {table} {:?}", target.columns);
    }
    insta::assert_snapshot!(said, @r#"
    customers.id: ["a"] in table customers ["id"]
    schema/customers/properties/id: ["a"] in table customers ["id"]
    /schema/customers/properties/id: ["a"] in table customers ["id"]
    ../crm/customers.odcs.yaml#schema/x/properties/id: ["a"] in dataset crm.customers ["id"]
    customers.odcs.yaml#/schema/x/properties/id: ["a"] in table customers ["id"]
    orders.b: ["a"] in table orders ["b"]
    schema/orders/properties/B: ["a"] in table orders ["b"]
    "#);
    let elsewhere = "https://example.com/crm/customers.odcs.yaml#schema/x/properties/id";
    let text = format!("  relationships: [{{ from: orders.a, to: \"{elsewhere}\" }}]\n");
    assert_eq!(with(&text).rules, [], "what lies elsewhere is no table of this lake");
}

#[test]
fn units_of_time_have_one_length() {
    let mut said = String::new();
    for level in [
        "property: latency, value: 4, unit: d",
        "property: freshness, value: '1.5', unit: hours",
        "property: Latency, value: 1, unit: y, element: orders.b",
        "property: latency, value: 1, unit: m, element: B",
        "property: latency, value: 1, unit: month",
        "property: latency, value: 1",
        "property: latency, value: soon, unit: d",
        "property: latency, value: -1, unit: d",
        "property: latency, value: 1, unit: d, element: 'orders.a,orders.b'",
        "property: retention, value: 3, unit: y",
    ] {
        let contract = with(&format!("slaProperties: [{{ {level} }}]\n"));
        let read: Vec<String> = contract
            .freshness
            .iter()
            .map(|f| format!("{} {:?} {} s", f.id, f.column, f.max_age_seconds))
            .collect();
        let read_as = if read.is_empty() { "not enforced" } else { read[0].as_str() };
        let _ = writeln!(said, "{level}: {read_as}");
        assert_eq!(read.is_empty(), contract.kept.contains_key("slaProperties"), "{level}");
    }
    insta::assert_snapshot!(said, @r#"
    property: latency, value: 4, unit: d: latency None 345600 s
    property: freshness, value: '1.5', unit: hours: freshness None 5400 s
    property: Latency, value: 1, unit: y, element: orders.b: b.latency Some("b") 31536000 s
    property: latency, value: 1, unit: m, element: B: b.latency Some("b") 60 s
    property: latency, value: 1, unit: month: not enforced
    property: latency, value: 1: not enforced
    property: latency, value: soon, unit: d: not enforced
    property: latency, value: -1, unit: d: not enforced
    property: latency, value: 1, unit: d, element: 'orders.a,orders.b': not enforced
    property: retention, value: 3, unit: y: not enforced
    "#);
}

#[test]
fn limits_are_rows_or_a_part_of_them() {
    let limit = |value: &str| {
        let contract =
            with(&format!("customProperties: [{{ property: maxQuarantined, value: {value} }}]\n"));
        contract.max_quarantined.expect("a limit").to_string()
    };
    let said = ["100", "\"100\"", "100 rows", "1%", "0.5 %", "0%"].map(limit);
    assert_eq!(said, ["100 rows", "100 rows", "100 rows", "1 %", "0.5 %", "0 %"]);
    let both = with(
        "  customProperties: [{ property: maxQuarantined, value: 2% }]\ncustomProperties: [{ property: maxQuarantined, value: 1% }]\n",
    );
    assert_eq!(both.max_quarantined.unwrap().to_string(), "2 %", "the table's own outranks");
}

#[test]
fn owners_are_in_the_team_and_have_not_left() {
    let members = "[{ username: alice, role: Owner }, { username: bob, role: owner, dateOut: 2024-01-01 }, { username: carol, role: steward }]";
    let object = with(&format!("team: {{ members: {members} }}\n"));
    let list = with(&format!("team: {members}\n"));
    for contract in [object, list] {
        assert_eq!(contract.owners.iter().collect::<Vec<_>>(), ["alice"]);
    }
}

#[test]
fn a_file_is_called_like_its_dataset() {
    let dataset = dataset_of_file("datasets/sales/orders.odcs.yaml").unwrap();
    assert_eq!(dataset.to_string(), "sales.orders");
    let mut said = String::new();
    for file in [
        "datasets/orders.odcs.yaml",
        "datasets/sales/orders.yaml",
        "datasets/sales/eu/orders.odcs.yaml",
        "datasets/Sales/orders.odcs.yaml",
        "contracts/sales/orders.odcs.yaml",
        "datasets/../orders.odcs.yaml",
    ] {
        said += &told(&[dataset_of_file(file).expect_err(file)]);
    }
    insta::assert_snapshot!(said, @"
    datasets/orders.odcs.yaml: this is no contract of a dataset
      hint: contracts are `datasets/<namespace>/<name>.odcs.yaml`
    datasets/sales/orders.yaml: this is no contract of a dataset
      hint: contracts are `datasets/<namespace>/<name>.odcs.yaml`
    datasets/sales/eu/orders.odcs.yaml: `eu/orders` is not a valid dataset name: use 1 to 63 lower-case letters, digits and `_`, starting with a letter
      hint: folder and file are called like the dataset
    datasets/Sales/orders.odcs.yaml: `Sales` is not a valid namespace: use 1 to 63 lower-case letters, digits and `_`, starting with a letter
      hint: folder and file are called like the dataset
    contracts/sales/orders.odcs.yaml: this is no contract of a dataset
      hint: contracts are `datasets/<namespace>/<name>.odcs.yaml`
    datasets/../orders.odcs.yaml: `..` is not a valid namespace: use 1 to 63 lower-case letters, digits and `_`, starting with a letter
      hint: folder and file are called like the dataset
    ");
}

/// Rules without a name of their own get one that nobody else has.
#[test]
fn every_rule_has_a_name_of_its_own() {
    let contract = read(&document(
        "  properties: [{ name: a, required: true, quality: [{ id: required, type: sql, query: SELECT 1, mustBe: 1 }] }]\n  quality: [{ metric: rowCount, mustBeGreaterThan: 0 }, { metric: rowCount, mustBeLessThan: 9 }, { id: rowCount, metric: rowCount, mustBe: 5 }, { id: mine, metric: duplicateValues, mustBeLessThan: 5, arguments: { properties: [a] } }]\n",
    ))
    .contract;
    for rule in contract.all_rules() {
        assert_eq!(rule.code().is_some(), rule.check.blames_rows(), "{}", rule.id);
    }
    let names: Vec<String> = contract.all_rules().into_iter().map(|rule| rule.id).collect();
    let expected = ["a.required", "a.required.2", "rowCount", "rowCount.2", "rowCount.3", "mine"];
    assert_eq!(names, expected);
}
