//! Reading: every example of the standard, every bad one where it is bad, and nothing that explodes.
//!
//! Bad ones are kept in `invalid/` for ever, each with what is said of it. More examples are read
//! from the folder that `LAKEBED_TEST_ODCS` names.

use std::{fmt::Write as _, fs, path::Path};

use lakebed_contract::{NoteKind, ReadContract, read_contract};
use lakebed_core::contract::Contract;

use crate::world::{document, mistakes, properties, read, told};

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn contracts_in(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".odcs.yaml") {
            found.push((name, fs::read_to_string(path).expect("text")));
        }
    }
    found.sort();
    found
}

/// Rules and what is not enforced, as text.
fn summary(read: &ReadContract) -> String {
    let mut text = String::new();
    for rule in read.contract.all_rules() {
        let column = rule.column.as_deref().unwrap_or("-");
        let blames = if rule.check.blames_rows() { "row" } else { "table" };
        let _ = writeln!(text, "rule {} [{column}] {} {blames}", rule.id, rule.severity);
    }
    for freshness in &read.contract.freshness {
        let _ = writeln!(text, "fresh {} {} s", freshness.id, freshness.max_age_seconds);
    }
    for note in read.notes.iter().filter(|note| note.kind != NoteKind::Kept) {
        let _ = writeln!(text, "{}: {}: {}", note.line, note.path, note.message);
    }
    text
}

#[test]
fn every_example_of_the_standard_is_read() {
    let examples = contracts_in(&folder("odcs"));
    assert_eq!(examples.len(), 7);
    let mut said = String::new();
    for (name, text) in examples {
        // The example with two tables names them; the others have one.
        let object = (name == "full-example.odcs.yaml").then_some("tbl");
        let read = read_contract(&name, &text, object).unwrap_or_else(|m| panic!("{}", told(&m)));
        let _ = writeln!(said, "== {name}\n{}", summary(&read));
        let again = Contract::from_json(&read.contract.to_json()).expect("its own text");
        assert_eq!(again, read.contract, "{name}");
    }
    insta::assert_snapshot!(said);
}

/// A folder of contracts that are valid by the standard's schema, if there is one.
#[test]
fn further_examples_are_read() {
    let Some(folder) = std::env::var_os("LAKEBED_TEST_ODCS") else {
        eprintln!("left out: LAKEBED_TEST_ODCS names no folder of contracts");
        return;
    };
    let examples = contracts_in(Path::new(&folder));
    assert!(!examples.is_empty(), "LAKEBED_TEST_ODCS has no file `*.odcs.yaml`");
    for (name, text) in examples {
        let first = read_contract(&name, &text, None);
        let read = first.or_else(|_| {
            // Of several tables the first that is named.
            let name_line =
                text.split("schema:").nth(1).and_then(|rest| rest.split("name: ").nth(1));
            let object = name_line.and_then(|rest| rest.lines().next()).map(str::trim);
            read_contract(&name, &text, object)
        });
        read.unwrap_or_else(|mistakes| panic!("{}", told(&mistakes)));
    }
}

/// Both tables of one document are contracts, and each says that the other is not meant.
#[test]
fn a_document_of_two_tables_is_read_for_the_one_that_is_meant() {
    let text = fs::read_to_string(folder("odcs/full-example.odcs.yaml")).unwrap();
    let receivers = read_contract("f", &text, Some("receivers")).unwrap().contract;
    let key: Vec<_> = receivers.primary_key().into_iter().map(|c| c.name.as_str()).collect();
    assert_eq!(key, ["id", "country_code"]);
    let by_physical_name = read_contract("f", &text, Some("receivers_master")).unwrap().contract;
    assert_eq!(by_physical_name.digest(), receivers.digest());
    insta::assert_snapshot!(told(&read_contract("f", &text, None).unwrap_err()), @"
    f:37:3: this describes 2 tables: `tbl`, `receivers`
      hint: say which one is meant
    ");
    insta::assert_snapshot!(told(&read_contract("f", &text, Some("orders")).unwrap_err()), @"
    f:37:3: this describes 2 tables: `tbl`, `receivers`
      hint: give one of them the name `orders`
    ");
}

#[test]
fn bad_contracts_are_refused_where_they_are_bad() {
    let cases = contracts_in(&folder("invalid"));
    assert!(cases.len() >= 12, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for (name, text) in cases {
        let said = told(&read_contract(&name, &text, Some("orders")).expect_err(&name));
        let path = folder("invalid").join(name.replace(".odcs.yaml", ".expected.txt"));
        if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
            fs::write(&path, &said).expect("a writable folder");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if said != expected {
            wrong.push(format!("{name}\nexpected:\n{expected}said:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Comments, the order of keys and quotes change nothing; a bound does.
#[test]
fn the_same_contract_has_one_digest() {
    let one = document(
        "  properties:\n  - name: price\n    logicalType: number\n    logicalTypeOptions: { minimum: 0.10 }\n",
    );
    let other = "# who\nschema:\n- properties: [{ logicalTypeOptions: { minimum: 1e-1 }, logicalType: 'number', name: \"price\" }]\n  name: orders\nversion: \"1.0.0\"\nstatus: active\nid: c-1\nkind: DataContract # what\napiVersion: v3.1.0\n";
    assert_eq!(read(&one).contract.to_json(), read(other).contract.to_json());
    let third = one.replace("0.10", "0.11");
    assert_ne!(read(&one).contract.digest(), read(&third).contract.digest());
}

/// What nothing checks is kept, and said; it counts for the digest, too.
#[test]
fn what_is_not_enforced_is_kept_and_said() {
    let text = document(
        "  businessName: Orders\n  quality:\n  - { type: text, description: nice }\n  - { metric: rowCount, mustBeGreaterThan: 1, severity: fatal, schedule: daily }\n  - { metric: nullValues, mustBe: 0 }\n  properties:\n  - { name: mail, logicalType: string, logicalTypeOptions: { format: email, pattern: '@' }, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validvalues: [a] } }, { metric: nullValues, mustBeLessThan: 5, unit: furlong }] }\n  - { name: box, logicalType: object, properties: [{ name: w, logicalType: integer, required: true }] }\n",
    );
    let read = read(&text);
    insta::assert_snapshot!(summary(&read), @"
    rule mail.pattern [mail] error row
    rule rowCount [-] error table
    10: schema[0].quality[0]: not enforced: this is a text for people
    11: schema[0].quality[1].severity: not enforced: `fatal` is none of `info`, `warning`, `error`, `critical`, and counts as `error`
    11: schema[0].quality[1].schedule: not enforced: `schedule` is kept, and nothing checks it
    12: schema[0].quality[2]: not enforced: `nullValues` of which column? Let it stand under one
    14: schema[0].properties[0].logicalTypeOptions.format: not enforced: `format` is kept, and nothing checks it
    14: schema[0].properties[0].logicalTypeOptions.pattern: the expression may match a part of the value: write `^…$` if it must match all of it
    14: schema[0].properties[0].quality[0]: not enforced: `invalidValues` has no argument `validvalues`; is `validValues` meant?
    14: schema[0].properties[0].quality[1]: not enforced: `furlong` is no unit that is measured: `rows` and `percent` are
    15: schema[0].properties[1].properties[0]: not enforced: rules for parts of a value are not checked
    ");
    let kept: Vec<String> = read.contract.kept.keys().cloned().collect();
    insta::assert_snapshot!(kept.join("\n"), @"
    schema[0].businessName
    schema[0].properties[0].logicalTypeOptions.format
    schema[0].properties[0].quality
    schema[0].quality[0]
    schema[0].quality[1].schedule
    schema[0].quality[1].severity
    schema[0].quality[2]
    ");
}

/// Numbers are what was written, to the last of 38 digits.
#[test]
fn no_digit_of_a_bound_is_lost() {
    let bound = "12345678901234567890.123456789012345678";
    let text = properties(&[&format!(
        "name: n, logicalType: number, logicalTypeOptions: {{ maximum: {bound} }}"
    )]);
    let contract = read(&text).contract;
    let maximum = contract.columns[0].options.maximum.as_ref().unwrap();
    assert_eq!(maximum.to_string(), bound);
}

/// A file made to explode is refused quickly, with one sentence.
#[test]
fn bombs_are_refused() {
    let mut laughs = "a: &a [x]\n".to_owned();
    for (this, last) in ('b'..='i').zip('a'..) {
        let _ = writeln!(laughs, "{this}: &{this} [*{last}, *{last}, *{last}, *{last}]");
    }
    let deep = format!("schema: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("# {}\nkind: DataContract\n", "x".repeat(2 << 20));
    let twice = "kind: DataContract\nkind: DataContract\n".to_owned();
    let merged = "a: { <<: { b: 1 } }\n".to_owned();
    let two = "--- {}\n--- {}\n".to_owned();
    let mut said = String::new();
    for text in [laughs, deep, large, twice, merged, two, "- [".to_owned(), "id: !!x 1".to_owned()]
    {
        let mistakes = read_contract("f", &text, None).expect_err("a bomb");
        assert_eq!(mistakes.len(), 1, "{}", told(&mistakes));
        let _ = write!(said, "{}", told(&mistakes));
    }
    insta::assert_snapshot!(said, @"
    f:1:7: anchors and aliases are not read here
      hint: write it out
    f:1:41: this is nested too deeply, or too large
      hint: 32 levels are the most
    f: the file is larger than 1048576 bytes
    f:2:1: duplicate mapping key `kind` is not allowed here
    f:1:6: merge keys are not read here
      hint: write it out
    f:2:1: this begins a second document
      hint: leave out the line `---`
    f:1:3: unclosed bracket '['
    f:1:9: unsupported tag `!!x`
    ");
}

/// Objects in lists in objects: the ways to a node multiply, the visits do not.
#[test]
fn nesting_costs_no_more_than_its_size() {
    let mut text = "name: x".to_owned();
    for _ in 0..9 {
        text = format!("name: x, items: {{ properties: [{{ {text} }}] }}");
    }
    let started = std::time::Instant::now();
    read(&properties(&[&text]));
    // Unmemoised this is 2⁹ times as much; the limit is that of a stuck machine.
    assert!(started.elapsed().as_secs() < 60);
    let wide: Vec<String> = (0..3000).map(|n| format!("nmae: c{n}")).collect();
    let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
    let said = mistakes(&properties(&wide));
    assert!(said.contains("more mistakes"), "{}", said.len());
    assert!(said.len() < 20_000);
}

proptest::proptest! {
    /// Whatever the text, reading ends with a contract or with mistakes that can be printed.
    #[test]
    fn any_text_is_a_contract_or_a_list_of_mistakes(text in "[ -~\n\t&*!|>%@`äß\u{7}]{0,200}") {
        if let Err(mistakes) = read_contract("f", &text, None) {
            proptest::prop_assert!(!mistakes.is_empty());
            for mistake in mistakes {
                proptest::prop_assert!(!mistake.to_string().chars().any(char::is_control));
            }
        }
    }

    /// Whatever line of a good contract is damaged, reading ends.
    #[test]
    fn a_damaged_example_is_read_or_told(line in 0..331_usize, with in "[ -~]{0,30}") {
        let text = include_str!("../odcs/full-example.odcs.yaml");
        let mut lines: Vec<&str> = text.lines().collect();
        lines[line] = &with;
        let _ = read_contract("f", &lines.join("\n"), Some("tbl"));
    }
}
