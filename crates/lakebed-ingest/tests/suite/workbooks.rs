//! Workbooks as other programs write them (openpyxl 3.1 and XlsxWriter 3.3), all with the same cells.

use lakebed_ingest::{LocalSource, recount};

use crate::bench::{Bench, data, schema_text, table};

#[test]
fn workbooks_of_several_writers_are_the_same_table() {
    for name in ["openpyxl.xlsx", "xlsxwriter.xlsx", "since-1904.xlsx"] {
        let bench = Bench::new();
        let source = LocalSource { name: name.to_owned(), path: data("xlsx").join(name) };
        let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
        let again = recount(&source, &decoded.sources[0].decode).unwrap();
        assert_eq!(again.accepted, decoded.sources[0].accepted);
        insta::allow_duplicates! {
            insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, name string, born date, at timestamp, share double, ok boolean, note string");
            // The calendar that begins in 1904 has no day before.
            let rows = table(&decoded.tables).replace("|1904-01-02|", "|1900-03-01|");
            insta::assert_snapshot!(rows, @r#"
            1|Ann|1984-02-29|2024-01-01T10:00:00|0.1|true|x, "y"
            z
            2|Bob é漢|1900-03-01|2024-12-31T23:59:59|1.1|false|∅
            3|007|2024-06-30|2000-02-29T00:00:00|-2.5e-7|true|_x41_
            "#);
        }
    }
}
