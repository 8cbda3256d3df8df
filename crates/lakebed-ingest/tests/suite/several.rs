//! Several sources of one ingest, and versions after the first.

use std::io::Write;

use lakebed_ingest::Base;

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
            lakebed_core::Decode::Json(json) => json.columns.len(),
            lakebed_core::Decode::Xlsx(xlsx) => xlsx.columns.len(),
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

/// What is declared to change changes, and columns keep their ids; what is not is refused as before.
#[test]
fn declared_changes_are_made() {
    let mut bench = Bench::new();
    let first = bench.text("id,qty,note,day\n1,2,a,2024-01-01\n");
    assert_eq!(schema_text(&first.schema), "id long, qty long, note string, day date");
    bench.schema = Some(first.schema);
    let declare = |bench: &mut Bench, texts: &[&str]| {
        bench.options.evolve = texts.iter().map(|text| text.parse().unwrap()).collect();
    };
    let new = "quantity,id,day\n3.50,x1,2024-01-02\n";
    declare(
        &mut bench,
        &["rename qty=quantity", "retype quantity=decimal(9,2)", "retype id=string", "drop note"],
    );
    let second = bench.text(new);
    assert_eq!(schema_text(&second.schema), "id string, quantity decimal(9,2), day date");
    let ids: Vec<u32> = second.schema.fields.iter().map(|field| field.id).collect();
    assert_eq!(ids, [1, 2, 4]);
    insta::assert_snapshot!(table(&second.tables), @"x1|3.50|2024-01-02");
    let changes: Vec<String> = second.changes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(changes.join("\n"), @r"
    column `qty` is named `quantity` now
    column `quantity` is decimal(9,2), was long
    column `id` is string, was long
    column `note` was dropped
    ");
    let planned = bench.plan(&[bench.source("a.csv", new)]).unwrap();
    assert_eq!((planned.changes, &planned.schema), (second.changes, &second.schema));

    // The same command again finds everything done.
    bench.schema = Some(second.schema.clone());
    let third = bench.text(new);
    assert_eq!((third.schema, third.changes), (second.schema, vec![]));

    declare(&mut bench, &["drop day"]);
    insta::assert_snapshot!(bench.refusal("a.csv", new), @r"
    schema-mismatch: `day` is declared to be dropped, but a source has it
    hint: drop it where the file is made, or keep it
    ");
    declare(&mut bench, &["rename nothing=day2"]);
    insta::assert_snapshot!(bench.refusal("a.csv", new), @r"
    unknown-column: there is no column `nothing` to change
    hint: the columns are `id`, `quantity`, `day`
    ");
    bench.schema = None;
    insta::assert_snapshot!(bench.refusal("a.csv", new), @r"
    unknown-column: `rename nothing=day2` is declared, but there is no version yet to change
    hint: leave it out
    ");
}

/// Rows before the new ones are written again with the version's schema, wider and with nulls.
#[test]
fn an_append_brings_older_rows_to_the_new_schema() {
    let mut bench = Bench::with_type("v", "int");
    let first = bench.text("id,v\n1,5\n2,6\n");
    bench.schema = Some(first.schema);
    bench.options.types.insert("v".into(), lakebed_core::DataType::Long);
    let tail: Vec<_> = first.tables.iter().map(|file| file.path.clone()).collect();
    bench.base = Some(Base { start_row: 1 << 19, tail, profile: None });
    let second = bench.text("id,v,note\n3,9999999999,new\n");
    insta::assert_snapshot!(schema_text(&second.schema), @"id long, v long, note string");
    insta::assert_snapshot!(table(&second.tables), @r"
    1|5|∅
    2|6|∅
    3|9999999999|new
    ");
    assert_eq!(second.sources[0].accepted.rows, 1, "older rows are not the source's");
}

#[test]
fn a_tail_that_cannot_be_read_back_is_not_the_sources_fault() {
    let mut bench = Bench::new();
    bench.schema = Some(bench.text("id\n1\n").schema);
    let broken = bench.source("broken.parquet", "PAR1 and nothing").path;
    bench.base = Some(Base { tail: vec![broken], ..Base::default() });
    let refusal = bench.decode(&[bench.source("a.csv", "id\n2\n")]).unwrap_err();
    assert_eq!((refusal.code, refusal.is_about_the_source()), ("io-failed", false));
}

/// Several members of gzip, or frames of zstd, are one text.
#[test]
fn compressed_parts_are_one_text() {
    let bench = Bench::new();
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    let parts = ["id;na", "me\n1;x\n", "2;y"];
    let gz = bench.source("a.csv.gz", parts.map(gzip).concat());
    let zst = bench.source("b.csv.zst", parts.map(zstd).concat());
    let decoded = bench.decode(&[gz, zst]).unwrap();
    assert_eq!(table(&decoded.tables), "1|x\n2|y\n1|x\n2|y");
    let bytes: Vec<u64> = decoded.sources.iter().map(|source| source.accepted.bytes).collect();
    assert_eq!(bytes, [7, 7], "bytes are counted after decompression");
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
