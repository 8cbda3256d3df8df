//! Several sources of one ingest, and versions after the first.

use crate::bench::{Bench, refusal_text, schema_text, table};

#[test]
fn columns_are_matched_by_name_and_later_ones_added() {
    let bench = Bench::new();
    let sources = [
        bench.source("a.csv", "id,name\n1,x\n"),
        bench.source("b.csv", "name;extra;id\ny;2.5;2\n"),
        bench.source("c.csv", "id,name\n3,z\n"),
    ];
    let decoded = bench.decode(&sources).unwrap();
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, name string, extra decimal(18,1)");
    insta::assert_snapshot!(table(&decoded.tables), @r"
    1|x|∅
    2|y|2.5
    3|z|∅
    ");
    let columns: Vec<usize> = decoded
        .sources
        .iter()
        .map(|source| match &source.decode {
            lakebed_core::Decode::Csv(csv) => csv.columns.len(),
            lakebed_core::Decode::Parquet { columns } => columns.len(),
        })
        .collect();
    assert_eq!(columns, [2, 3, 2]);
}

#[test]
fn a_type_is_that_of_all_sources() {
    let bench = Bench::new();
    let sources = [bench.source("a.csv", "id,v\n1,5\n"), bench.source("b.csv", "id,v\n2,5.5\n")];
    assert_eq!(schema_text(&bench.decode(&sources).unwrap().schema), "id long, v double");
}

#[test]
fn a_missing_column_is_named() {
    let bench = Bench::new();
    let sources =
        [bench.source("a.csv", "id,name,v\n1,x,1\n"), bench.source("b.csv", "id,w\n2,7\n")];
    insta::assert_snapshot!(refusal_text(bench.decode(&sources).unwrap_err()), @r"
    schema-mismatch: `b.csv` lacks columns of `a.csv`: `name`, `v`
    hint: sources of one ingest have the same columns; ingest others into a dataset of their own
    ");
}

#[test]
fn a_dataset_keeps_its_types_and_takes_new_columns() {
    let mut bench = Bench::new();
    let first = bench.text("id,price\n1,1.50\n2,2.50\n");
    assert_eq!(schema_text(&first.schema), "id long, price decimal(18,2)");
    bench.schema = Some(first.schema);
    let second = bench.text("price,id,note\n3,1,a\n2.5,x,b\n");
    insta::assert_snapshot!(schema_text(&second.schema), @"id long, price decimal(18,2), note string");
    insta::assert_snapshot!(table(&second.tables), @"1|3.00|a");
    insta::assert_snapshot!(table(&second.quarantine), @"a.csv|3|20|8|322e352c782c620a|[{code: type-error, column: id, rule: type long, severity: error}]");
    assert_eq!(second.changes.len(), 1);
}

#[test]
fn many_small_files_are_one_table() {
    let bench = Bench::new();
    let sources: Vec<_> =
        (0..300).map(|n| bench.source(&format!("{n:03}.csv"), format!("n,m\n{n},a\n"))).collect();
    let decoded = bench.decode(&sources).unwrap();
    let expected: Vec<String> = (0..300).map(|n| format!("{n}|a")).collect();
    assert_eq!(table(&decoded.tables), expected.join("\n"));
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"all 300 files: delimiter comma (detected), quote `"`, the first record names the columns (detected; `--header absent` reads it as data)"#);
}
