//! Quarantine files stay readable: an example of each version is kept for ever.

use lakebed_core::{Reason, ReasonCode};
use lakebed_ingest::{QuarantineReader, QuarantinedRow};

use crate::bench::{Bench, data};

fn read(name: &str) -> Vec<QuarantinedRow> {
    let reader = QuarantineReader::open(&data(name)).unwrap();
    reader.map(|row| row.unwrap()).collect()
}

#[test]
fn the_first_version_can_be_read() {
    let rows = read("compat/quarantine-1.parquet");
    assert_eq!(rows.len(), 1);
    let QuarantinedRow { source, line, byte_offset, raw, reasons } = &rows[0];
    assert_eq!((source.as_str(), *line, *byte_offset), ("a.csv", 3002, 192_882));
    assert_eq!(raw, b"1,2\n");
    let [Reason { code, column, rule, severity }] = &reasons[..] else { panic!("{reasons:?}") };
    assert_eq!((*code, column, rule.as_str()), (ReasonCode::MissingCell, &None, "8 fields"));
    assert_eq!(severity.as_str(), "error");
}

/// What this build writes, it reads; and it writes what it wrote when the example was kept.
#[test]
fn the_second_version_is_written_and_read() {
    let mut bench = Bench::with_type("n", "long");
    bench.options.types.insert("m".into(), "long".parse().unwrap());
    let decoded = bench.text(b"n,m,s\n1,2,a\nx,y,b\n3,4,\"c\n5\n6,7,\xff\n8,9,d\n");
    let written = std::fs::read(&decoded.quarantine[0].path).unwrap();
    assert_eq!(written, std::fs::read(data("compat/quarantine-2.parquet")).unwrap());
    let rows = read("compat/quarantine-2.parquet");
    let told = |row: &QuarantinedRow| {
        let reasons: Vec<String> = row
            .reasons
            .iter()
            .map(|reason| {
                format!("{} {}", reason.code.as_str(), reason.column.as_deref().unwrap_or("-"))
            })
            .collect();
        format!("{} {:?} {}", row.line, String::from_utf8_lossy(&row.raw), reasons.join(", "))
    };
    insta::assert_snapshot!(rows.iter().map(told).collect::<Vec<_>>().join("\n"), @r#"
    3 "x,y,b\n" type-error n, type-error m
    4 "3,4,\"c\n" unclosed-quote s
    5 "5\n" missing-cell -
    6 "6,7,�\n" encoding-error s
    "#);
}

#[test]
fn what_is_no_quarantine_file_is_an_error() {
    let bench = Bench::new();
    let decoded = bench.text("n\n1\n");
    let error = QuarantineReader::open(&decoded.tables[0].path).unwrap().next().unwrap();
    insta::assert_snapshot!(error.unwrap_err(), @"not a quarantine file: column `source` is missing or of another type");
    let nothing = bench.source("x.parquet", "PAR1").path;
    assert!(QuarantineReader::open(&nothing).is_err());
}
