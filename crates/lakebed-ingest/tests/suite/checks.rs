//! Rules on rows: judged once, on arrays, beside all other defects of a row.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    buffer::BooleanBuffer,
    datatypes::Int64Type,
};
use lakebed_core::{ReasonCode, Severity};
use lakebed_ingest::{LocalSource, QuarantineReader, RowCheck, RowRule, recount, recount_checked};

use crate::bench::{Bench, refusal_text, rows, table};

/// Whether a row of a batch breaks a rule.
type Breaks = fn(&RecordBatch, usize) -> bool;

/// Code, rule, columns, severity, and what breaks it.
type Given<'g> = (ReasonCode, &'g str, &'g [&'g str], Severity, Breaks);

#[derive(Debug)]
struct Rules {
    rules: Vec<RowRule>,
    breaks: Vec<Breaks>,
}

impl Rules {
    fn of(rules: &[Given<'_>]) -> Arc<dyn RowCheck> {
        let rule = |(code, rule, columns, severity, _): &Given<'_>| RowRule {
            code: *code,
            rule: (*rule).to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            severity: *severity,
        };
        let breaks = rules.iter().map(|(.., breaks)| *breaks).collect();
        Arc::new(Self { rules: rules.iter().map(rule).collect(), breaks })
    }
}

impl RowCheck for Rules {
    fn rules(&self) -> &[RowRule] {
        &self.rules
    }

    fn broken(&self, rows: &RecordBatch) -> Vec<Option<BooleanBuffer>> {
        let of = |breaks: &Breaks| {
            let broken = BooleanBuffer::collect_bool(rows.num_rows(), |row| breaks(rows, row));
            (broken.count_set_bits() > 0).then_some(broken)
        };
        self.breaks.iter().map(of).collect()
    }
}

fn long(rows: &RecordBatch, column: &str, row: usize) -> Option<i64> {
    let values = rows.column_by_name(column)?.as_primitive::<Int64Type>();
    values.is_valid(row).then(|| values.value(row))
}

fn is_negative(rows: &RecordBatch, row: usize) -> bool {
    long(rows, "n", row).is_some_and(|n| n < 0)
}

fn is_null(rows: &RecordBatch, row: usize) -> bool {
    rows.column_by_name("m").is_some_and(|m| m.is_null(row))
}

fn is_less(rows: &RecordBatch, row: usize) -> bool {
    matches!((long(rows, "n", row), long(rows, "m", row)), (Some(n), Some(m)) if m < n)
}

const MINIMUM: Given<'static> =
    (ReasonCode::ConstraintError, "n.minimum", &["n"], Severity::Error, is_negative);
const REQUIRED: Given<'static> =
    (ReasonCode::ConstraintError, "m.required", &["m"], Severity::Error, is_null);
const ORDERED: Given<'static> =
    (ReasonCode::ConstraintError, "n-before-m", &["n", "m"], Severity::Error, is_less);

fn with(severity: Severity, rule: Given<'static>) -> Given<'static> {
    (rule.0, rule.1, rule.2, severity, rule.4)
}

fn checked(rules: &[Given<'_>]) -> Bench {
    let mut bench = Bench::with_type("n", "long");
    bench.options.types.insert("m".into(), "long".parse().unwrap());
    bench.options.max_quarantined = Some(1.0);
    bench.check = Some(Rules::of(rules));
    bench
}

#[test]
fn a_row_lists_the_rules_it_breaks_beside_its_other_defects() {
    let bench = checked(&[MINIMUM, REQUIRED, ORDERED]);
    let decoded = bench.text(
        "n,m,s\n\
         1,2,good\n\
         -1,2,low\n\
         -1,,two rules\n\
         5,4,both columns\n\
         x,,a type and a rule\n\
         x,-9,a rule that cannot be judged\n\
         3\n\
         1,2,good again\n",
    );
    insta::assert_snapshot!(table(&decoded.tables), @r"
    1|2|good
    1|2|good again
    ");
    let reasons: Vec<String> = rows(&decoded.quarantine)
        .into_iter()
        .map(|row| format!("{} {}", row[1].clone().unwrap(), row[5].clone().unwrap()))
        .collect();
    insta::assert_snapshot!(reasons.join("\n"), @"
    3 [{code: constraint-error, column: n, rule: n.minimum, severity: error}]
    4 [{code: constraint-error, column: n, rule: n.minimum, severity: error}, {code: constraint-error, column: m, rule: m.required, severity: error}]
    5 [{code: constraint-error, column: , rule: n-before-m, severity: error}]
    6 [{code: type-error, column: n, rule: type long, severity: error}, {code: constraint-error, column: m, rule: m.required, severity: error}]
    7 [{code: type-error, column: n, rule: type long, severity: error}]
    8 [{code: missing-cell, column: , rule: 3 fields, severity: error}]
    ");
    let broken: Vec<_> = decoded.rules.iter().map(|rule| (rule.rows, rule.first.clone())).collect();
    let first = |line| Some(("a.csv".to_owned(), line));
    assert_eq!(broken, [(2, first(3)), (2, first(4)), (1, first(5))]);
}

#[test]
fn what_is_no_error_keeps_the_row_and_is_counted() {
    let rules = [with(Severity::Warning, MINIMUM), with(Severity::Info, REQUIRED)];
    let bench = checked(&rules);
    let decoded = bench.text("n,m\n1,2\n-1,2\n-2,\n");
    assert_eq!(table(&decoded.tables), "1|2\n-1|2\n-2|∅");
    assert!(decoded.quarantine.is_empty());
    let broken: Vec<_> = decoded.rules.iter().map(|rule| rule.rows).collect();
    assert_eq!(broken, [2, 1]);
}

#[test]
fn a_critical_rule_refuses_the_version() {
    let bench = checked(&[MINIMUM, with(Severity::Critical, REQUIRED)]);
    assert_eq!(table(&bench.text("n,m\n1,2\n-1,2\n").tables), "1|2");
    insta::assert_snapshot!(bench.refusal("a.csv", "n,m\n1,2\n-1,2\n1,\n"), @"
    critical-rule: a critical rule is broken: `m.required` (constraint-error) by 1 rows, the first on line 4 of `a.csv`
    hint: repair the source, or make the rule an error to quarantine such rows
    ");
}

/// The bar of the quarantine: 1,000 rows with three defects are 997 and 3.
#[test]
fn three_defects_in_a_thousand_rows_are_three_rows() {
    let mut lines: Vec<String> = (0..1000).map(|n| format!("{n},{},row {n}\r\n", n + 1)).collect();
    lines[100] = "100,101,\"row 100\r\n".to_owned();
    lines[500] = "500,x,row 500,more\r\n".to_owned();
    lines[999] = "-5,x,row 999".to_owned();
    let text = format!("n,m,s\r\n{}", lines.concat());
    let bench = checked(&[MINIMUM]);
    let decoded = bench.text(&text);
    assert_eq!(decoded.sources[0].accepted.rows, 997);
    let bad = rows(&decoded.quarantine);
    let codes: Vec<String> = bad
        .iter()
        .map(|row| format!("{} {}", row[1].clone().unwrap(), row[5].clone().unwrap()))
        .collect();
    insta::assert_snapshot!(codes.join("\n"), @"
    102 [{code: unclosed-quote, column: s, rule: quotes that open here close within a row of 3 fields, severity: error}]
    502 [{code: extra-cell, column: , rule: 3 fields, severity: error}]
    1001 [{code: type-error, column: m, rule: type long, severity: error}, {code: constraint-error, column: n, rule: n.minimum, severity: error}]
    ");
    for (row, line) in bad.iter().zip([100, 500, 999]) {
        let hex: String = lines[line].bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(row[4].as_deref(), Some(hex.as_str()));
    }
}

#[test]
fn five_thousand_bad_rows_are_all_there() {
    let good: String = (0..5_000).map(|n| format!("{n},{n}\n")).collect();
    let bad: String = (0..5_000).map(|n| format!("-{n},x{n}\n")).collect();
    let bench = checked(&[MINIMUM]);
    let decoded = bench.text(format!("n,m\n{good}{bad}"));
    let rows = rows(&decoded.quarantine);
    assert_eq!((rows.len(), decoded.sources[0].accepted.rows), (5_000, 5_000));
    for (n, row) in rows.iter().enumerate() {
        assert_eq!(row[1].as_deref(), Some((5_002 + n).to_string().as_str()));
        assert_eq!(row[3].as_deref(), Some((format!("-{n},x{n}\n").len()).to_string().as_str()));
    }
}

/// A check that answers for other rows than it was asked for is a fault of ours, not of the source.
#[test]
fn a_check_that_miscounts_is_an_internal_fault() {
    #[derive(Debug)]
    struct Wrong;
    impl RowCheck for Wrong {
        fn rules(&self) -> &[RowRule] {
            &[]
        }
        fn broken(&self, _: &RecordBatch) -> Vec<Option<BooleanBuffer>> {
            vec![None]
        }
    }
    let mut bench = Bench::new();
    bench.check = Some(Arc::new(Wrong));
    let refusal = bench.decode(&[bench.source("a.csv", "n\n1\n")]).unwrap_err();
    assert!(refusal_text(refusal).starts_with("internal: "));
}

/// Rows of a Parquet file are judged like those of a text; where they have no bytes of their own, they
/// are kept as JSON.
#[test]
fn rows_of_parquet_files_are_judged_and_kept_as_json() {
    let plain = Bench::with_null("NA");
    let made = plain.text(
        "n,m,t,d,x,s\n\
         1,2,2024-01-01T00:00:00Z,1.50,0.5,good\n\
         -1,NA,2024-01-02T10:20:30Z,2.50,1e300,\"two\nrules\"\n\
         -2,5,NA,NA,NA,NA\n",
    );
    let source = LocalSource { name: "a.parquet".into(), path: made.tables[0].path.clone() };
    let mut bench = Bench::new();
    bench.options.max_quarantined = Some(1.0);
    bench.check = Some(Rules::of(&[MINIMUM, with(Severity::Warning, REQUIRED)]));
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    assert_eq!(rows(&decoded.tables).len(), 1);
    let told: Vec<String> = QuarantineReader::open(&decoded.quarantine[0].path)
        .unwrap()
        .map(|row| row.unwrap())
        .map(|row| {
            let rules: Vec<&str> = row.reasons.iter().map(|reason| reason.rule.as_str()).collect();
            format!(
                "{} {} {}",
                row.line,
                String::from_utf8_lossy(&row.raw).trim_end(),
                rules.join(" ")
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    2 {"n":-1,"m":null,"t":"2024-01-02T10:20:30Z","d":2.50,"x":1.0e300,"s":"two\nrules"} n.minimum
    3 {"n":-2,"m":5,"t":null,"d":null,"x":null,"s":null} n.minimum
    "#);
    let broken: Vec<_> = decoded.rules.iter().map(|rule| (rule.rows, rule.first.clone())).collect();
    let first = Some(("a.parquet".to_owned(), 2));
    assert_eq!(broken, [(2, first.clone()), (1, first)]);
    let counted = &decoded.sources[0];
    let plan = bench.plan(std::slice::from_ref(&source)).unwrap();
    assert_eq!(plan.sources[0].quarantined, counted.quarantined);
    let again = recount_checked(&source, &counted.decode, bench.check.as_ref().unwrap()).unwrap();
    assert_eq!((again.accepted, again.quarantined), (counted.accepted, counted.quarantined));
    assert_eq!((again.accepted.rows, again.quarantined.rows), (1, 2));
}

/// P6: what rules set aside is counted again by the rules of then; a plan says it before.
#[test]
fn p6_judged_rows_are_planned_and_counted_again() {
    let bench = checked(&[MINIMUM, REQUIRED, ORDERED]);
    let lines: String = (0..50_000).map(|n| format!("{},{}\n", n % 7 - 1, n % 5)).collect();
    let source = bench.source("a.csv", format!("n,m\n{lines}x,1\n1\n"));
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    let counted = &decoded.sources[0];
    assert!(counted.quarantined.rows > 10_000, "{counted:?}");
    let plan = bench.plan(std::slice::from_ref(&source)).unwrap();
    assert_eq!(plan.sources[0].accepted, counted.accepted);
    assert_eq!(plan.sources[0].quarantined, counted.quarantined);
    let again = recount_checked(&source, &counted.decode, bench.check.as_ref().unwrap()).unwrap();
    assert_eq!((again.accepted, again.quarantined), (counted.accepted, counted.quarantined));
    assert_eq!(again.skipped, counted.skipped);
    let unjudged = recount(&source, &counted.decode).unwrap();
    assert_eq!(unjudged.quarantined.rows, 2);
}

/// Records of JSON are judged as rows of text are, and the quarantine holds their own bytes.
#[test]
fn records_of_json_are_judged() {
    let bench = checked(&[MINIMUM, REQUIRED]);
    let text =
        "[{\"n\": 1, \"m\": 2},\n {\"n\": -1},\n {\"m\": 3}, {\"n\": \"x\"}, {\"n\": 5, \"m\": 6}]";
    let source = bench.source("a.json", text);
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    assert_eq!(table(&decoded.tables), "1|2\n∅|3\n5|6");
    let files: Vec<_> = decoded.quarantine.iter().map(|file| &file.path).collect();
    let bad: Vec<_> = QuarantineReader::open(files[0]).unwrap().collect::<Result<_, _>>().unwrap();
    for row in &bad {
        let at = row.byte_offset as usize;
        assert_eq!(&text.as_bytes()[at..at + row.raw.len()], row.raw);
    }
    let rows: Vec<String> = bad
        .iter()
        .map(|row| {
            let rules: Vec<&str> = row.reasons.iter().map(|reason| &*reason.rule).collect();
            format!("{} {} {rules:?}", row.line, String::from_utf8_lossy(&row.raw))
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    2 {"n": -1} ["n.minimum", "m.required"]
    3 {"n": "x"} ["type long", "m.required"]
    "#);
    let check = bench.check.clone().unwrap();
    let again = recount_checked(&source, &decoded.sources[0].decode, &check).unwrap();
    assert_eq!((again.accepted, again.quarantined.rows), (decoded.sources[0].accepted, 2));
    assert_eq!(bench.plan(&[source]).unwrap().sources[0].quarantined.rows, 2);
}
