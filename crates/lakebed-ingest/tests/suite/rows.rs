//! What becomes of rows and cells.

use lakebed_core::{DecodeOptions, Header};

use crate::bench::{Bench, rows, schema_text, table};

#[test]
fn bad_rows_are_kept_with_position_bytes_and_reasons() {
    let mut bench = Bench::with_type("n", "long");
    bench.options.types.insert("day".into(), "date".parse().unwrap());
    let text = b"n,day,name\n\
        1,2024-01-01,a\n\
        x,2024-13-01,b\n\
        2,2024-01-02\n\
        3,2024-01-03,c,d\n\
        4,2024-01-04,\"e\nf\"\n\
        5,2024-01-05,\"g\"h\n\
        6,2024-01-06,\xff\n\
        7,2024-01-07,i\n";
    let decoded = bench.text(text);
    insta::assert_snapshot!(table(&decoded.tables), @r"
    1|2024-01-01|a
    4|2024-01-04|e
    f
    7|2024-01-07|i
    ");
    insta::assert_snapshot!(table(&decoded.quarantine), @r"
    a.csv|3|26|15|782c323032342d31332d30312c620a|[{code: type-error, column: n, rule: type long, severity: error}, {code: type-error, column: day, rule: type date, severity: error}]
    a.csv|4|41|13|322c323032342d30312d30320a|[{code: missing-cell, column: , rule: 3 fields, severity: error}]
    a.csv|5|54|17|332c323032342d30312d30332c632c640a|[{code: extra-cell, column: , rule: 3 fields, severity: error}]
    a.csv|8|90|18|352c323032342d30312d30352c226722680a|[{code: source-error, column: , rule: nothing between a closing quote and the delimiter, severity: error}]
    a.csv|9|108|15|362c323032342d30312d30362cff0a|[{code: encoding-error, column: name, rule: utf-8, severity: error}]
    ");
    for row in rows(&decoded.quarantine) {
        let number = |column: usize| row[column].as_deref().unwrap().parse::<usize>().unwrap();
        let bytes = &text[number(2)..number(2) + number(3)];
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row[4].as_deref(), Some(hex.as_str()));
    }
}

/// Cells in no column of a known type, too: those that were inferred from the good rows.
#[test]
fn a_bad_row_lists_all_its_defects() {
    let mut bench = Bench::with_type("n", "long");
    bench.options.types.insert("m".into(), "long".parse().unwrap());
    let decoded = bench.text(
        b"n,m,guessed,s\n1,2,3,a\n4,5,6,b\nx,y,z,c\nx,5,6,\xff\n\xff,y,z,\xff\n4,5,\"6\"7,b,\xff\n7,8,9,d\n",
    );
    let reasons: Vec<String> =
        rows(&decoded.quarantine).into_iter().map(|row| row[5].clone().unwrap()).collect();
    insta::assert_snapshot!(reasons.join("\n").replace(", severity: error", ""), @"
    [{code: type-error, column: n, rule: type long}, {code: type-error, column: m, rule: type long}, {code: type-error, column: guessed, rule: type long}]
    [{code: encoding-error, column: s, rule: utf-8}, {code: type-error, column: n, rule: type long}]
    [{code: encoding-error, column: n, rule: utf-8}, {code: encoding-error, column: s, rule: utf-8}, {code: type-error, column: m, rule: type long}]
    [{code: source-error, column: , rule: nothing between a closing quote and the delimiter}, {code: extra-cell, column: , rule: 4 fields}, {code: encoding-error, column: , rule: utf-8}]
    ");
}

#[test]
fn what_would_lose_something_stays_text() {
    let bench = Bench::new();
    let decoded = bench.text(
        "zip,phone,big,price,when,flag,spaced\n\
         00501,+44,9223372036854775808,\"1,234.50\",31/12/2024,yes, 1\n\
         10001,+49,1,\"2.50\",01/02/2024,no,2\n",
    );
    insta::assert_snapshot!(schema_text(&decoded.schema), @"zip string, phone string, big string, price string, when string, flag string, spaced string");
    insta::assert_snapshot!(table(&decoded.tables), @r"
    00501|+44|9223372036854775808|1,234.50|31/12/2024|yes| 1
    10001|+49|1|2.50|01/02/2024|no|2
    ");
    insta::assert_snapshot!(decoded.notes[1..].join("\n"), @r"
    `zip` is string because of leading zeros; `--type 'zip=long'` reads it as that
    `phone` is string because of plus signs; `--type 'phone=long'` reads it as that
    `big` is string because of more digits than a number type holds; `--type 'big=double'` rounds it, a `decimal(38,…)` may hold it
    `price` is string because of thousands separators; `--thousands ,` reads them as numbers, or `--decimal ,` if the comma stands before a fraction
    `when` is string because of dates with the day first; `--dates dmy` reads them as dates
    `flag` is string because of short words for true and false; `--type 'flag=boolean'` reads it as that
    `spaced` is string because of spaces around values; `--type 'spaced=long'` reads it as that
    ");
}

#[test]
fn a_late_contradiction_widens_the_column_instead_of_losing_rows() {
    let mut text = "id,v\n".to_owned();
    for n in 0..400_000 {
        text.push_str(&format!("{n},{}\n", n % 100));
    }
    text.push_str("400000,n/a\n");
    let decoded = Bench::new().text(&text);
    assert_eq!(schema_text(&decoded.schema), "id long, v string");
    assert_eq!(decoded.sources[0].accepted.rows, 400_001);
    assert!(decoded.quarantine.is_empty());
}

#[test]
fn only_unquoted_nothing_is_null_in_a_string_column() {
    let mut bench = Bench::with_null("NA");
    bench.options.header = Some(Header::Present);
    let decoded = bench.text("s,n\n\"\",\"\"\n,\nNA,NA\n\"NA\",\"NA\"\nx,1\n");
    assert_eq!(schema_text(&decoded.schema), "s string, n long");
    insta::assert_snapshot!(table(&decoded.tables), @r"
    |∅
    ∅|∅
    ∅|∅
    NA|∅
    x|1
    ");
}

#[test]
fn declared_types_are_read_leniently_and_inherited_ones_exactly() {
    let text = "zip,x,at,ok\n007,+1.5, 2024-01-01 ,t\n";
    let mut bench = Bench::with_type("zip", "long");
    for (column, data_type) in [("x", "decimal(9,2)"), ("at", "timestamp"), ("ok", "boolean")] {
        bench.options.types.insert(column.into(), data_type.parse().unwrap());
    }
    let declared = bench.text(text);
    insta::assert_snapshot!(table(&declared.tables), @"7|1.50|2024-01-01T00:00:00|true");
    bench.schema = Some(declared.schema);
    bench.options = DecodeOptions { max_quarantined: Some(1.0), ..DecodeOptions::default() };
    let inherited = bench.text(format!("{text}7,1.5,2024-01-01 00:00:00,true\n"));
    insta::assert_snapshot!(table(&inherited.tables), @"7|1.50|2024-01-01T00:00:00|true");
    insta::assert_snapshot!(table(&inherited.quarantine), @"a.csv|2|12|24|3030372c2b312e352c20323032342d30312d3031202c740a|[{code: type-error, column: zip, rule: type long, severity: error}, {code: type-error, column: x, rule: type decimal(9,2), severity: error}, {code: type-error, column: at, rule: type timestamp, severity: error}, {code: type-error, column: ok, rule: type boolean, severity: error}]");
}

#[test]
fn headers_are_made_usable_and_the_notes_say_so() {
    let decoded = Bench::new().text("id,,id,a\tb\n1,2,3,x\n4,5,6,y\n");
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, column_2 long, id_2 long, a b string");
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"
    `a.csv`: delimiter comma (detected), quote `"`, the first record names the columns (detected; `--header absent` reads it as data)
    `a.csv`: columns without a name are called `column_2`
    `a.csv`: columns with the name of another are called `id_2`
    `a.csv`: control characters were taken out of names, or they were shortened: `a b`
    "#);
}

#[test]
fn line_ends_and_delimiters_of_every_kind() {
    for text in [
        "a;b\r1;x\r2;y",
        "a\tb\n1\tx\r\n2\ty\n",
        "\u{feff}a|b\n1|x\n\n2|y\n\n",
        "'a','b'\n'1','x'\n'2','y'\n",
    ] {
        let bench = Bench::new();
        let decoded = bench.text(text);
        assert_eq!(schema_text(&decoded.schema), "a long, b string", "{text:?}");
        assert_eq!(table(&decoded.tables), "1|x\n2|y", "{text:?}");
    }
}

#[test]
fn a_plan_shows_what_a_decode_would_do() {
    let bench = Bench::new();
    let sources = [bench.source("a.csv", "id,name,at\n1,\"x\",2024-01-01 10:00\n2,,\n3\n")];
    let plan = bench.plan(&sources).unwrap();
    insta::assert_snapshot!(schema_text(&plan.schema), @"id long, name string, at timestamp");
    assert_eq!((plan.sources[0].accepted.rows, plan.sources[0].quarantined.rows), (2, 1));
    insta::assert_debug_snapshot!(plan.sample, @r#"
    [
        [
            Some(
                "1",
            ),
            Some(
                "x",
            ),
            Some(
                "2024-01-01T10:00:00",
            ),
        ],
        [
            Some(
                "2",
            ),
            None,
            None,
        ],
    ]
    "#);
    assert_eq!(plan.sample_columns, ["id", "name", "at"]);
    let files = std::fs::read_dir(bench.path()).unwrap().count();
    assert_eq!(files, 1, "a plan writes nothing");
}

#[test]
fn every_flat_type_can_be_declared() {
    let types = [
        ("a", "boolean"),
        ("b", "int"),
        ("c", "long"),
        ("d", "float"),
        ("e", "double"),
        ("f", "decimal(38,3)"),
        ("g", "date"),
        ("h", "time"),
        ("i", "timestamp"),
        ("j", "timestamptz"),
        ("k", "string"),
        ("l", "binary"),
        ("m", "fixed[2]"),
    ];
    let mut bench = Bench::new();
    for (column, data_type) in types {
        bench.options.types.insert(column.into(), data_type.parse().unwrap());
    }
    let decoded = bench.text(
        "a,b,c,d,e,f,g,h,i,j,k,l,m\n\
         true,1,2,0.5,-inf,1.25,2024-01-02,10:20:30.5,2024-01-02T03:04:05,2024-01-02T03:04:05+01:00,s,by,xy\n\
         ,,,,,,,,,,,,\n",
    );
    insta::assert_snapshot!(table(&decoded.tables), @r"
    true|1|2|0.5|-inf|1.250|2024-01-02|10:20:30.500|2024-01-02T03:04:05|2024-01-02T02:04:05Z|s|6279|7879
    ∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅|∅
    ");
}
