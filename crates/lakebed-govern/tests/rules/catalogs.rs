//! The YAML of declared catalogs: the example reads, and every bad one is refused where it is bad.
//!
//! Bad ones are kept in `catalog-invalid/`, one folder each, for ever: `expected.txt` is what is
//! said of them.

use std::{fmt::Write as _, fs, path::Path};

use lakebed_core::Declared;
use lakebed_govern::{CatalogFile, ReadCatalog, check_declared, read_catalog};

/// The declarations of a folder and its folders, as the command line reads them.
fn files(folder: &Path) -> Vec<CatalogFile> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push((path, format!("{prefix}{name}/")));
            } else if name.ends_with(".yaml") {
                let text = fs::read_to_string(path).expect("text");
                files.push(CatalogFile { name: format!("{prefix}{name}"), text });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn file(name: &str, text: &str) -> CatalogFile {
    CatalogFile { name: name.to_owned(), text: text.to_owned() }
}

/// The example in the repository's root says what this page of the design says.
#[test]
fn the_example_catalog_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog");
    let ReadCatalog { declared, notes } = read_catalog(&files(&folder)).expect("it is valid");
    assert_eq!(notes, [], "the example has no rule that does not hold");
    assert_eq!(check_declared(&declared), Ok(()));
    insta::assert_snapshot!(declared.to_json().replace("},", "},\n"));
}

#[test]
fn bad_declarations_are_refused_where_they_are_bad() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/catalog-invalid");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&folder).expect("a folder") {
        let case = entry.expect("an entry").path();
        let mistakes = read_catalog(&files(&case)).expect_err("a bad declaration");
        let mut said = String::new();
        for mistake in mistakes {
            let _ = writeln!(said, "{mistake}");
            if let Some(hint) = mistake.hint {
                let _ = writeln!(said, "  hint: {hint}");
            }
        }
        let expected = fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
            fs::write(case.join("expected.txt"), &said).expect("a writable folder");
        }
        if said != expected {
            wrong.push(format!("{}\nexpected:\n{expected}said:\n{said}", case.display()));
        }
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_declared_is_the_empty_value() {
    for text in ["", "# nothing yet\n", "{}", "groups: {}\nclaimed_groups: []\n"] {
        assert_eq!(
            read_catalog(&[file("groups.yaml", text)]),
            Ok(ReadCatalog::default()),
            "{text:?}"
        );
    }
    assert_eq!(read_catalog(&[]), Ok(ReadCatalog::default()));
}

/// Policies as DESIGN and ARCHITECTURE show them, and every mask.
#[test]
fn policies_read() {
    let groups = "groups: { stewards: [carol], support: [] }\n";
    let policies = "policies:
  - { name: own-region, on: { dataset: crm.customers }, row_filter: region = principal.region, except: [group:stewards] }
  - { name: mask-email, on: { dataset: crm.customers }, columns: [email], mask: { partial: { keep_last: 4 } }, except: [group:support] }
  - { name: a, on: { namespace: crm }, columns: [x], mask: null }
  - { name: b, on: lake, columns: [x, y], mask: 'null' }
  - { name: c, on: lake, columns: [x], mask: { date_trunc: month } }
  - { name: d, on: lake, columns: [x], mask: { bucket: 10 } }
  - { name: e, on: lake, columns: [x], mask: hash }
  - { name: f, on: lake, columns: [x], hide: true }
  - { name: g, on: { tag: pii.email }, mask: { partial: { keep_last: 4 } }, except: [group:support] }
  - { name: h, on: { tag: 'geo:eu' }, row_filter: region = 'EU' }
  - { name: i, on: { tag: secret }, hide: true }
reviewed:
  crm.customers: [email_2]
";
    let read = read_catalog(&[file("groups.yaml", groups), file("policies/crm.yaml", policies)]);
    let declared = read.expect("valid").declared;
    assert_eq!(check_declared(&declared), Ok(()));
    insta::assert_snapshot!(declared.to_json().replace("},{", "},\n{"));
    let again: Declared = serde_json::from_str(&declared.to_json()).expect("its own text");
    assert_eq!(again, declared);
}

/// The order of files, lines and members, comments and quotes change nothing.
#[test]
fn the_same_declaration_has_one_digest() {
    let groups =
        "groups: { b: [x, y], a: [] }\nprincipals: { x: { attributes: { n: 1 } }, w: {} }\n";
    let grants = "grants:\n- { to: group:b, may: [read, discover], on: lake }\n- { to: x, may: [ingest], on: { namespace: crm } }\n";
    let one = read_catalog(&[file("groups.yaml", groups), file("grants.yaml", grants)]).unwrap();
    let groups = "# who\nprincipals:\n  w: {}\n  x:\n    attributes:\n      n: 1\ngroups:\n  a: []\n  b:\n    - y\n    - 'x'\n    - x\n";
    let grants = "grants:\n- on:\n    namespace: crm\n  may: [ingest]\n  to: x\n- { to: \"group:b\", may: [discover, read, read], on: lake, from_stage: raw }\n";
    let other = read_catalog(&[file("grants.yaml", grants), file("groups.yaml", groups)]).unwrap();
    assert_eq!(one, other);
    assert_eq!(one.declared.digest(), other.declared.digest());
}

/// A name that YAML would take for something else is what it looks like.
#[test]
fn yes_and_no_are_words() {
    let groups = "groups: { no: [yes, on, 7] }\nprincipals: { yes: { attributes: { country: NO, member: true, code: '07' } } }\n";
    let declared = read_catalog(&[file("groups.yaml", groups)]).unwrap().declared;
    insta::assert_snapshot!(
        declared.to_json(),
        @r#"{"format":1,"groups":{"no":["7","on","yes"]},"principals":{"yes":{"attributes":{"code":"07","country":"NO","member":true}}}}"#
    );
}

/// A file made to explode is refused quickly.
#[test]
fn bombs_are_refused() {
    let mut laughs = "groups:\n  a: &a [x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..) {
        let _ = writeln!(laughs, "  {this}: &{this} [*{last}, *{last}, *{last}, *{last}]");
    }
    let deep = format!("groups: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("# {}\ngroups: {{}}\n", "x".repeat(2 << 20));
    for text in [laughs, deep, large, "grants: [".repeat(1000), "--- {}\n--- {}\n".to_owned()] {
        let mistakes = read_catalog(&[file("groups.yaml", &text)]).expect_err("a bomb");
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].message.len() < 400, "{}", mistakes[0]);
    }
}

const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: c-1
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: price
        logicalType: number
        logicalTypeOptions: { minimum: 0 }
        quality: [ { type: text, description: looks right } ]
";

#[test]
fn a_contract_is_that_of_the_dataset_its_file_is_called_like() {
    let read = read_catalog(&[file("datasets/sales/orders.odcs.yaml", CONTRACT)]).unwrap();
    let contract = &read.declared.contracts[&"sales.orders".parse().unwrap()];
    assert_eq!((contract.id.as_str(), contract.columns.len()), ("c-1", 1));
    let (file_name, note) = &read.notes[0];
    assert_eq!((file_name.as_str(), note.line), ("datasets/sales/orders.odcs.yaml", 12));
    let again: Declared = serde_json::from_str(&read.declared.to_json()).unwrap();
    assert_eq!(again, read.declared);
    for (name, text) in [
        ("datasets/orders.odcs.yaml", CONTRACT),
        ("datasets/sales/orders.yaml", CONTRACT),
        ("datasets/sales/Or ders.odcs.yaml", CONTRACT),
        ("datasets/sales/orders.odcs.yaml", "id: 7"),
    ] {
        let mistakes = read_catalog(&[file(name, text)]).expect_err(name);
        assert_eq!(mistakes[0].file, name);
    }
}

/// A contract that no document gives is refused when it comes over the wire.
#[test]
fn contracts_of_the_wire_are_held_to_the_same_rules() {
    let column = r#"{"name":"a","options":{"pattern":"(?=x)"}}"#;
    let text = format!(
        r#"{{"format":1,"contracts":{{"sales.orders":{{"id":" ","version":"1.0.0","status":"draft",
        "object":"orders","columns":[{column},{{"name":"a"}}],"rules":[{{"id":"r","column":"b",
        "severity":"error","check":{{"kind":"row","all":["not_null"]}}}}]}}}}}}"#
    );
    let declared: Declared = serde_json::from_str(&text).unwrap();
    let flaws = check_declared(&declared).expect_err("four flaws");
    let said: Vec<String> = flaws.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    the contract of `sales.orders`: `id` is empty
    the contract of `sales.orders`: there are two columns `a`
    the contract of `sales.orders`: the pattern of `a.pattern`: lookahead cannot be run in linear time
    the contract of `sales.orders`: rule `r` is about `b`, which is no column of the contract
    ");
}

/// A value that came over the wire is held to the same rules.
#[test]
fn the_wire_is_held_to_the_same_rules() {
    let text = r#"{"format":1,"groups":{"everyone":["local:alice"]},"grants":[
        {"to":"group:nobody","may":[],"on":"lake","from_stage":"gold"}],
        "stages":{"stages":[{"name":"raw"},{"name":"top","gates":["owner"],"waivable":["fresh"]}]}}"#;
    let declared: Declared = serde_json::from_str(text).unwrap();
    let flaws = check_declared(&declared).expect_err("six flaws");
    let said: Vec<String> = flaws.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    `everyone` is reserved
    `local:alice` is reserved
    stage `top`: it has a waivable gate that is none of its gates
    there is no group `nobody`
    this grant names no action
    there is no stage `gold`
    ");
}

proptest::proptest! {
    /// Whatever the text, reading ends with a value or with mistakes that can be printed.
    #[test]
    fn any_text_is_a_catalog_or_a_list_of_mistakes(text in "[ -~\n\t&*!|>%@`äß\u{7}]{0,200}") {
        let files = ["groups.yaml", "stages.yaml", "grants.yaml", "policies/x.yaml"].map(|name| file(name, &text));
        let read = read_catalog(&files);
        if let Err(mistakes) = read {
            proptest::prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                proptest::prop_assert!(!mistake.to_string().chars().any(char::is_control));
            }
        }
    }
}

/// A default is a value as a request would bring it, to the last digit.
#[test]
fn defaults_of_parameters_are_as_written() {
    let default = |data_type: &str, written: &str| {
        let product = format!(
            "owner: carol
purpose: x
sql: SELECT 1 FROM raw.sales
queries:
  q:
    purpose: x
    sql: SELECT $x FROM shop.sales
    parameters:
      x: {{ type: {data_type}, default: {written} }}
"
        );
        let read = read_catalog(&[file("products/shop/sales.yaml", &product)]).expect("valid");
        let product = read.declared.products.into_values().next().expect("one");
        product.queries["q"].parameters["x"].default.clone().unwrap_or_default()
    };
    for (data_type, written, expected) in [
        (
            "\"decimal(38,4)\"",
            "1234567890123456789012345678901234.5678",
            "1234567890123456789012345678901234.5678",
        ),
        ("\"decimal(9,2)\"", "-0.5", "-0.5"),
        ("double", "-1.25", "-1.25"),
        ("double", "NaN", "NaN"),
        ("double", "-Infinity", "-Infinity"),
        ("long", "9223372036854775807", "9223372036854775807"),
        ("date", "2026-01-31", "2026-01-31"),
        ("string", "'1.50'", "1.50"),
        ("string", "EU", "EU"),
        ("boolean", "false", "false"),
    ] {
        assert_eq!(default(data_type, written), expected, "{data_type} {written}");
    }
}

/// A product with queries as they are written.
#[test]
fn queries_of_products_read() {
    let product = "owner: carol
purpose: What was sold
sql: SELECT * FROM raw.sales
queries:
  by_region:
    purpose: What one region buys
    sql: SELECT * FROM shop.sales WHERE region = $region AND id >= $least AND paid = $paid AND x = $x
    parameters:
      region: { type: string, required: true, description: The region }
      least: { type: long, default: 0 }
      paid: { type: boolean, default: true }
      x: { type: double, default: 1.25 }
";
    let read = read_catalog(&[file("products/shop/sales.yaml", product)]);
    let declared = read.expect("valid").declared;
    assert_eq!(check_declared(&declared), Ok(()));
    let queries = &declared.products.values().next().expect("one").queries;
    insta::assert_snapshot!(serde_json::to_string_pretty(&queries["by_region"]).expect("JSON"), @r#"
    {
      "purpose": "What one region buys",
      "sql": "SELECT * FROM shop.sales WHERE region = $region AND id >= $least AND paid = $paid AND x = $x",
      "parameters": {
        "least": {
          "type": "long",
          "default": "0"
        },
        "paid": {
          "type": "boolean",
          "default": "true"
        },
        "region": {
          "type": "string",
          "description": "The region",
          "required": true
        },
        "x": {
          "type": "double",
          "default": "1.25"
        }
      }
    }
    "#);
    let again: Declared = serde_json::from_str(&declared.to_json()).expect("its own text");
    assert_eq!(again, declared);
}
