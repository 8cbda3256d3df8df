//! JSON as a table: the union of keys, types that lose nothing, nested values kept, damage set aside.

use lakebed_core::Decode;
use lakebed_ingest::{Decoded, recount};

use crate::bench::{Bench, schema_text, table};

fn decode(bench: &Bench, name: &str, text: &str) -> Decoded {
    let source = bench.source(name, text);
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    let plan = bench.plan(std::slice::from_ref(&source)).unwrap();
    let planned = &plan.sources[0];
    let done = &decoded.sources[0];
    assert_eq!((&plan.schema, &planned.decode), (&decoded.schema, &done.decode));
    assert_eq!((planned.accepted, planned.quarantined), (done.accepted, done.quarantined));
    let again = recount(&source, &done.decode).unwrap();
    assert_eq!((again.accepted, &again.skipped), (done.accepted, &done.skipped));
    let skipped: u64 = done.skipped.iter().map(|skipped| skipped.bytes).sum();
    assert_eq!(done.accepted.bytes + done.quarantined.bytes + skipped, text.len() as u64, "P6");
    decoded
}

const LINES: &str = r#"{"id": 1, "name": "Ann", "price": 1.50}
{"name": "Bob\n\u00e9", "id": 2, "tags": ["x", null], "at": {"lat": 1.5}}

{"id": 3, "price": null, "at": {"lon": 2, "lat": -0.25}, "big": 18446744073709551616}
"#;

#[test]
fn columns_are_all_keys_in_the_order_they_appear() {
    let bench = Bench::new();
    let decoded = decode(&bench, "a.ndjson", LINES);
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, name string, price decimal(18,2), tags list<string>, at struct<lat: double, lon: long>, big string");
    insta::assert_snapshot!(table(&decoded.tables), @r#"
    1|Ann|1.50|∅|∅|∅
    2|Bob
    é|∅|[x, ]|{lat: 1.5, lon: }|∅
    3|∅|∅|∅|{lat: -0.25, lon: 2}|18446744073709551616
    "#);
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"
    `a.ndjson`: JSON, an object on each line
    `a.ndjson`: some records have no `price`, in others it is null: both are no value
    `a.ndjson`: `big` has numbers that no number type holds exactly: such are kept as string, as they are written
    "#);
}

/// The form changes nothing but the bytes between records.
#[test]
fn an_array_and_values_on_several_lines_are_the_same_table() {
    let bench = Bench::new();
    let lines = decode(&bench, "a.ndjson", LINES);
    let records: Vec<&str> = LINES.lines().filter(|line| !line.is_empty()).collect();
    let array = decode(&bench, "a.json", &format!("[\n  {}\n]\n", records.join(",\n  ")));
    let spread: Vec<String> = records.iter().map(|record| record.replace(", ", ",\n  ")).collect();
    let values = decode(&bench, "b.json", &spread.join("\n"));
    for (other, form) in [(&array, "array"), (&values, "values")] {
        assert_eq!(other.schema, lines.schema);
        assert_eq!(table(&other.tables), table(&lines.tables));
        let Decode::Json(json) = &other.sources[0].decode else { panic!("json") };
        assert_eq!(serde_json::to_value(json.form).unwrap(), form);
    }
    insta::assert_debug_snapshot!(array.sources[0].skipped, @r#"
    [
        Skipped {
            what: Punctuation,
            ranges: 4,
            bytes: 15,
        },
    ]
    "#);
}

#[test]
fn records_that_are_no_sound_object_are_set_aside() {
    let bench = Bench::new();
    let decoded = decode(
        &bench,
        "a.json",
        "[{\"a\": 1},\n {\"a\": 2, \"a\": 3}, 4,\n {\"a\": nope}, {\"a\": \"\\ud800\"}, {\"a\": 5}]",
    );
    insta::assert_snapshot!(table(&decoded.tables), @r#"
    1
    5
    "#);
    insta::assert_snapshot!(table(&decoded.quarantine), @r#"
    a.json|2|12|16|7b2261223a20322c202261223a20337d|[{code: source-error, column: , rule: one JSON object without a key that comes twice, severity: error}]
    a.json|2|30|1|34|[{code: source-error, column: , rule: one JSON object without a key that comes twice, severity: error}]
    a.json|3|34|11|7b2261223a206e6f70657d|[{code: source-error, column: , rule: one JSON object without a key that comes twice, severity: error}]
    a.json|3|47|15|7b2261223a20225c7564383030227d|[{code: encoding-error, column: , rule: utf-8, severity: error}]
    "#);
}

#[test]
fn what_stands_between_records_must_be_right() {
    let bench = Bench::new();
    for (name, text) in [
        ("a.json", "[{\"a\": 1},\n {\"a\": 2}"),
        ("a.json", "[{\"a\": 1}\n {\"a\": 2}]"),
        ("a.json", "[{\"a\": 1},]"),
        ("a.json", "[{\"a\": 1}] x"),
    ] {
        let refusal = bench.decode(&[bench.source(name, text)]).unwrap_err();
        assert_eq!(refusal.code, "damaged-json", "{text}");
    }
    insta::assert_snapshot!(bench.refusal("a.json", "[{\"a\": 1},\n {\"a\": 2}"), @r#"
    damaged-json: `a.json` is no JSON from line 2 on
    hint: objects stand in one array with one comma between, or one on each line (`--as ndjson`); was the file cut off?
    "#);
    insta::assert_snapshot!(bench.refusal("a.json", "[1, 2]"), @r#"
    not-a-table: `a.json` holds no object with a key
    hint: a table is objects: one on each line, or all in one array
    "#);
    let utf16: Vec<u8> = "[{\"a\": 1}]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    insta::assert_snapshot!(bench.refusal("a.json", utf16), @r#"
    unsupported-encoding: `a.json` is JSON in another encoding than UTF-8
    hint: convert it first, as in `iconv -f UTF-16 -t UTF-8 in.json > out.json`
    "#);
}

/// A declared type is read leniently, the dataset's exactly; both quarantine what does not fit.
#[test]
fn types_can_be_declared_and_inherited() {
    let mut bench = Bench::with_type("at", "timestamp");
    bench.options.types.insert("more".into(), lakebed_core::DataType::String);
    bench.options.null_tokens.push("NA".into());
    let first = decode(
        &bench,
        "a.ndjson",
        "{\"id\": 1, \"at\": \"2024-01-02 03:04\", \"more\": {\"k\": [1, 2.50]}}\n\
         {\"id\": 2, \"at\": \"NA\", \"more\": \"text\"}\n{\"id\": 3, \"at\": \"soon\"}\n",
    );
    insta::assert_snapshot!(table(&first.tables), @r#"
    1|2024-01-02T03:04:00|{"k": [1, 2.50]}
    2|∅|text
    "#);
    insta::assert_snapshot!(table(&first.quarantine), @"a.ndjson|3|100|24|7b226964223a20332c20226174223a2022736f6f6e227d0a|[{code: type-error, column: at, rule: type timestamp, severity: error}]");
    let mut bench = Bench::new();
    bench.schema = Some(first.schema);
    let second =
        decode(&bench, "a.ndjson", "{\"id\": 4}\n{\"id\": 5.5}\n{\"id\": \"6\", \"new\": true}\n");
    insta::assert_snapshot!(schema_text(&second.schema), @"id long, at timestamp, more string, new boolean");
    insta::assert_snapshot!(table(&second.tables), @r#"
    4|∅|∅|∅
    6|∅|∅|true
    "#);
    insta::assert_snapshot!(table(&second.quarantine), @"a.ndjson|2|10|12|7b226964223a20352e357d0a|[{code: type-error, column: id, rule: type long, severity: error}]");
}

#[test]
fn several_sources_agree_on_types() {
    let bench = Bench::new();
    let sources = [
        bench.source("a.json", "[{\"id\": 1, \"v\": 1}]"),
        bench.source("b.ndjson", "{\"v\": 1.5, \"w\": [true]}\n"),
        bench.source("c.csv", "id,v,w\n2,2.5,\n"),
    ];
    let decoded = bench.decode(&sources[..2]).unwrap();
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, v double, w list<boolean>");
    insta::assert_snapshot!(table(&decoded.tables), @r#"
    1|1.0|∅
    ∅|1.5|[true]
    "#);
}

/// Names of keys are made usable as those of a header are.
#[test]
fn odd_keys_get_names() {
    let bench = Bench::new();
    let decoded = decode(&bench, "a.ndjson", "{\"\": 1, \"a\\nb\": 2, \"a b\": 3}\n");
    insta::assert_snapshot!(schema_text(&decoded.schema), @"column_1 long, a b long, a b_2 long");
    insta::assert_snapshot!(table(&decoded.tables), @"1|2|3");
}
