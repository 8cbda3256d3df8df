//! Files that cannot be taken: one clear line, a hint, and never a value of the data.

use std::io::Write;

use lakebed_core::{DataType, Header};
use lakebed_ingest::{LocalSource, Phase, Progress, Request, decode};

use crate::bench::{Bench, refusal_text, table};

#[test]
fn empty_and_missing_files() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.refusal("a.csv", ""), @r"
    empty-source: `a.csv` is empty
    hint: check that the file was written completely
    ");
    insta::assert_snapshot!(bench.refusal("b.csv", "\n\n"), @r"
    no-rows: `b.csv` has no rows
    hint: it holds nothing but blank lines
    ");
    insta::assert_snapshot!(bench.refusal("c.csv", "a,b\n"), @r"
    no-rows: `c.csv` has no rows below its header
    hint: if the first line is data, say that there is no header (`--header absent`)
    ");
    let missing = LocalSource { name: "no.csv".into(), path: bench.path().join("no.csv") };
    insta::assert_snapshot!(refusal_text(bench.decode(&[missing]).unwrap_err()), @r"
    unreadable: cannot read `no.csv`: No such file or directory (os error 2)
    hint: check that the file exists and may be read
    ");
    let folder = LocalSource { name: "folder".into(), path: bench.path().to_owned() };
    insta::assert_snapshot!(refusal_text(bench.decode(&[folder]).unwrap_err()), @r"
    unreadable: cannot read `folder`: Is a directory (os error 21)
    hint: check that the file exists and may be read
    ");
}

#[test]
fn a_line_of_a_million_commas() {
    let text = format!("{}\n1\n", ",".repeat(1_000_000));
    insta::assert_snapshot!(Bench::new().refusal("a.csv", text), @r"
    too-many-columns: `a.csv` has 1000001 columns, more than the 10000 a table can have
    hint: is it delimited text with line ends? keep anything else with `--as files`
    ");
}

#[test]
fn what_is_no_table() {
    let bench = Bench::new();
    let garbage: Vec<u8> =
        (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    insta::assert_snapshot!(bench.refusal("a.csv", garbage), @r"
    not-a-table: `a.csv` is no table: it looks like binary data
    hint: delimited text, JSON, Excel workbooks and Parquet can be a table; keep anything else with `--as files`
    ");
    insta::assert_snapshot!(bench.refusal("a.xlsx", b"PK\x03\x04\x14\0\x06\0"), @r"
    damaged-workbook: `a.xlsx` is damaged: it is cut off: the archive's directory is gone
    hint: open it in a spreadsheet program and save it again, or copy the file again
    ");
}

#[test]
fn quotes_of_the_first_record_that_never_close() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.refusal("a.csv", "\"a,b\n1,2\n"), @r#"
    unclosed-quote: `a.csv` ends within quotes: the quote that opens on line 1 is never closed
    hint: repair that line, or name another quote character if `"` is ordinary text here
    "#);
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let bench = Bench::new();
    let line = [b"a,b\n1,2\n3,".as_slice(), &vec![b'x'; 100 << 20], b"\n5,6\n"].concat();
    insta::assert_snapshot!(bench.refusal("a.csv", line), @r"
    record-too-long: line 3 of `a.csv` begins a record longer than 16 MiB
    hint: is it delimited text with line ends?
    ");
    let headless = vec![b'x'; 20 << 20];
    insta::assert_snapshot!(bench.refusal("b.csv", headless), @r"
    record-too-long: the first record of `b.csv` is longer than 16 MiB
    hint: is it delimited text, and are its quotes closed?
    ");
}

#[test]
fn compressed_files_that_are_cut_off_or_damaged() {
    let bench = Bench::new();
    let text: String = (0..20_000).map(|n| format!("{n},{}\n", n * 7)).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("a,b\n{text}").as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    insta::assert_snapshot!(bench.refusal("a.csv.gz", &gzip[..gzip.len() / 2]), @r"
    truncated-compression: `a.csv.gz` is cut off: its gzip data ends early
    hint: copy or download the file again
    ");
    insta::assert_snapshot!(bench.refusal("a.csv.gz", &gzip[..gzip.len() - 4]), @r"
    truncated-compression: `a.csv.gz` is cut off: its gzip data ends early
    hint: copy or download the file again
    ");
    let mut damaged = gzip.clone();
    let middle = gzip.len() / 2;
    damaged[middle..middle + 50].fill(0xff);
    assert!(bench.refusal("a.csv.gz", &damaged).starts_with("damaged-compression"));
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    insta::assert_snapshot!(bench.refusal("a.csv.zst", &zstd[..zstd.len() / 2]), @r"
    truncated-compression: `a.csv.zst` is cut off: its zstd data ends early
    hint: copy or download the file again
    ");
    assert_eq!(
        bench.decode(&[bench.source("b.csv.gz", &gzip)]).unwrap().sources[0].accepted.rows,
        20_000
    );
}

/// A number of rows is a limit, too, exact; and the rows that refuse are there to be kept.
#[test]
fn a_number_of_rows_is_a_limit() {
    let mut bench = Bench::new();
    let text = "a,b\n1,2\n3\n4,5\n6\n7,8\n";
    bench.options.max_quarantined_rows = Some(2);
    assert_eq!(bench.text(text).sources[0].quarantined.rows, 2);
    bench.options.max_quarantined_rows = Some(1);
    insta::assert_snapshot!(bench.refusal("a.csv", text), @r"
    too-many-quarantined: 2 of 5 rows would be quarantined, the limit is 1 rows: missing-cell 2; the first on line 3 of `a.csv`
    hint: check the delimiter with `--plan`, or allow more with `--max-quarantined`
    ");
    let refusal = bench.decode(&[bench.source("a.csv", text)]).unwrap_err();
    insta::assert_snapshot!(table(&refusal.quarantine).replace(", severity: error", ""), @r"
    a.csv|3|8|2|330a|[{code: missing-cell, column: , rule: 2 fields}]
    a.csv|5|14|2|360a|[{code: missing-cell, column: , rule: 2 fields}]
    ");
    bench.options.max_quarantined = Some(0.2);
    bench.options.max_quarantined_rows = Some(3);
    assert!(bench.refusal("a.csv", text).contains("the limit is 20 %"));
}

#[test]
fn wrong_types_and_too_many_bad_rows() {
    let secret = "id,name\n1,hunter2\n2,hunter3\n";
    let wrong = Bench::with_type("name", "long").refusal("a.csv", secret);
    insta::assert_snapshot!(wrong, @r"
    all-quarantined: none of the 2 values of column `name` is of its type, long
    hint: if they are text, ingest into a dataset of its own or declare `--type name=string`; tokens for missing values can be named (`--null NA`)
    ");
    insta::assert_snapshot!(Bench::with_type("nome", "long").refusal("a.csv", secret), @r"
    unknown-column: a type is declared for `nome`, which no source has
    hint: the columns are `id`, `name`
    ");
    let ragged: String = (0..100).map(|n| if n % 5 == 0 { "1\n" } else { "1,2\n" }).collect();
    insta::assert_snapshot!(Bench::new().refusal("a.csv", format!("a,b\n{ragged}")), @r"
    too-many-quarantined: 20 of 100 rows would be quarantined, the limit is 10 %: missing-cell 20; the first on line 2 of `a.csv`
    hint: check the delimiter with `--plan`, or allow more with `--max-quarantined`
    ");
    let mut strict = Bench::new();
    strict.options.max_quarantined = Some(0.0);
    insta::assert_snapshot!(strict.refusal("a.csv", "a,b\n1,2\n3,4\n5\n"), @r"
    too-many-quarantined: 1 of 3 rows would be quarantined, the limit is 0 %: missing-cell 1; the first on line 4 of `a.csv`
    hint: check the delimiter with `--plan`, or allow more with `--max-quarantined`
    ");
}

#[test]
fn options_that_cannot_be() {
    let mut bench = Bench::new();
    bench.options.delimiter = Some('"');
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @r"
    bad-option: delimiter and quote are the same character
    hint: give them different characters
    ");
    bench.options.delimiter = Some('→');
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @r"
    bad-option: the delimiter `→` cannot be used
    hint: it must be one ASCII character, and no line end
    ");
    let mut bench = Bench::new();
    bench.options.max_quarantined = Some(f64::NAN);
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @r"
    bad-option: the limit of quarantined rows is not between 0 and 1
    hint: 0.05 allows one row in twenty
    ");
}

#[test]
fn schemas_that_do_not_fit() {
    let mut bench = Bench::new();
    let first = bench.text("id,name\n1,x\n");
    bench.schema = Some(first.schema);
    insta::assert_snapshot!(bench.refusal("a.csv", "id\n1\n"), @r"
    schema-mismatch: the schema changed in a way that readers would notice: column `name` is missing
    hint: columns may be added; declare others with `--evolve 'rename OLD=NEW'` or `--evolve 'drop COLUMN'`, or ingest the file into a dataset of its own
    ");
    bench.options.types.insert("id".into(), DataType::String);
    insta::assert_snapshot!(bench.refusal("a.csv", "id,name\n1,x\n"), @r"
    schema-mismatch: the schema changed in a way that readers would notice: column `id` is string, was long
    hint: a type may only widen, unless it is declared: `--evolve 'retype COLUMN=TYPE'`; or ingest the file into a dataset of its own
    ");
    bench.options.types.clear();
    bench.options.header = Some(Header::Absent);
    insta::assert_snapshot!(bench.refusal("a.csv", "1,x\n"), @r"
    schema-mismatch: the schema changed in a way that readers would notice: column `id` is missing; column `name` is missing
    hint: columns may be added; declare others with `--evolve 'rename OLD=NEW'` or `--evolve 'drop COLUMN'`, or ingest the file into a dataset of its own
    ");
}

struct Stop;

impl Progress for Stop {
    fn phase(&self, _phase: Phase) {}
    fn bytes(&self, _count: u64) {}
    fn rows(&self, _count: u64) {}
    fn cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_cancelled_decode_leaves_nothing_and_is_nobodys_fault() {
    let bench = Bench::new();
    let sources = [bench.source("a.csv", "a,b\n1,2\n")];
    let out = tempfile::TempDir::new().unwrap();
    let request = Request {
        sources: &sources,
        options: &bench.options,
        schema: None,
        by_name: false,
        base: None,
        out: out.path(),
        progress: &Stop,
        rules: None,
        threads: 1,
        may_be_empty: false,
    };
    let refusal = decode(request).unwrap_err();
    assert!(!refusal.is_about_the_source());
    assert_eq!(refusal.code, "cancelled");
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

/// A folder that cannot be written to is not the source's fault either.
#[test]
fn a_folder_that_is_gone_is_no_refusal_of_the_source() {
    let bench = Bench::new();
    let sources = [bench.source("a.csv", "a,b\n1,2\n")];
    let gone = bench.path().join("gone");
    let refusal = decode(Request {
        sources: &sources,
        options: &bench.options,
        schema: None,
        by_name: false,
        base: None,
        out: &gone,
        progress: &lakebed_ingest::NoProgress,
        rules: None,
        threads: 1,
        may_be_empty: false,
    })
    .unwrap_err();
    assert_eq!(refusal.code, "io-failed");
    assert!(!refusal.is_about_the_source());
}
