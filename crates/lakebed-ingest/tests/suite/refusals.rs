//! Files that cannot be taken: one clear line, a hint, and never a value of the data.

use std::io::Write;

use lakebed_core::{DataType, Header};
use lakebed_ingest::{LocalSource, Phase, Progress, Request, decode};

use crate::bench::{Bench, refusal_text};

#[test]
fn empty_and_missing_files() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.refusal("a.csv", ""), @"");
    insta::assert_snapshot!(bench.refusal("b.csv", "\n\n"), @"");
    insta::assert_snapshot!(bench.refusal("c.csv", "a,b\n"), @"");
    let missing = LocalSource { name: "no.csv".into(), path: bench.path().join("no.csv") };
    insta::assert_snapshot!(refusal_text(bench.decode(&[missing]).unwrap_err()), @"");
    let folder = LocalSource { name: "folder".into(), path: bench.path().to_owned() };
    insta::assert_snapshot!(refusal_text(bench.decode(&[folder]).unwrap_err()), @"");
}

#[test]
fn what_is_no_table() {
    let bench = Bench::new();
    let garbage: Vec<u8> = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    insta::assert_snapshot!(bench.refusal("a.csv", garbage), @"");
    insta::assert_snapshot!(bench.refusal("a.xlsx", b"PK\x03\x04\x14\0\x06\0"), @"");
    insta::assert_snapshot!(bench.refusal("a.json", "[{\"a\": 1}]"), @"");
    let utf16: Vec<u8> = "\u{feff}a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    insta::assert_snapshot!(bench.refusal("a.csv", utf16), @"");
}

#[test]
fn quotes_that_never_close() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n3,\"4\n5,6\n"), @"");
    insta::assert_snapshot!(bench.refusal("a.csv", "\"a,b\n1,2\n"), @"");
}

#[test]
fn a_line_of_a_hundred_megabytes() {
    let bench = Bench::new();
    let line = [b"a,b\n1,2\n3,".as_slice(), &vec![b'x'; 100 << 20], b"\n5,6\n"].concat();
    insta::assert_snapshot!(bench.refusal("a.csv", line), @"");
    let headless = vec![b'x'; 20 << 20];
    insta::assert_snapshot!(bench.refusal("b.csv", headless), @"");
}

#[test]
fn compressed_files_that_are_cut_off_or_damaged() {
    let bench = Bench::new();
    let text: String = (0..20_000).map(|n| format!("{n},{}\n", n * 7)).collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("a,b\n{text}").as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    insta::assert_snapshot!(bench.refusal("a.csv.gz", &gzip[..gzip.len() / 2]), @"");
    insta::assert_snapshot!(bench.refusal("a.csv.gz", &gzip[..gzip.len() - 4]), @"");
    let mut damaged = gzip.clone();
    let middle = gzip.len() / 2;
    damaged[middle..middle + 50].fill(0xff);
    assert!(bench.refusal("a.csv.gz", &damaged).starts_with("damaged-compression"));
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    insta::assert_snapshot!(bench.refusal("a.csv.zst", &zstd[..zstd.len() / 2]), @"");
    assert_eq!(bench.decode(&[bench.source("b.csv.gz", &gzip)]).unwrap().sources[0].accepted.rows, 20_000);
}

#[test]
fn wrong_types_and_too_many_bad_rows() {
    let secret = "id,name\n1,hunter2\n2,hunter3\n";
    let wrong = Bench::with_type("name", "long").refusal("a.csv", secret);
    insta::assert_snapshot!(wrong, @"");
    insta::assert_snapshot!(Bench::with_type("nome", "long").refusal("a.csv", secret), @"");
    let ragged: String = (0..100).map(|n| if n % 5 == 0 { "1\n" } else { "1,2\n" }).collect();
    insta::assert_snapshot!(Bench::new().refusal("a.csv", format!("a,b\n{ragged}")), @"");
    let mut strict = Bench::new();
    strict.options.max_quarantined = Some(0.0);
    insta::assert_snapshot!(strict.refusal("a.csv", "a,b\n1,2\n3,4\n5\n"), @"");
}

#[test]
fn options_that_cannot_be() {
    let mut bench = Bench::new();
    bench.options.delimiter = Some('"');
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @"");
    bench.options.delimiter = Some('→');
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @"");
    let mut bench = Bench::new();
    bench.options.max_quarantined = Some(f64::NAN);
    insta::assert_snapshot!(bench.refusal("a.csv", "a,b\n1,2\n"), @"");
}

#[test]
fn schemas_that_do_not_fit() {
    let mut bench = Bench::new();
    let first = bench.text("id,name\n1,x\n");
    bench.schema = Some(first.schema);
    insta::assert_snapshot!(bench.refusal("a.csv", "id\n1\n"), @"");
    bench.options.types.insert("id".into(), DataType::String);
    insta::assert_snapshot!(bench.refusal("a.csv", "id,name\n1,x\n"), @"");
    bench.options.types.clear();
    bench.options.header = Some(Header::Absent);
    insta::assert_snapshot!(bench.refusal("a.csv", "1,x\n"), @"");
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
        base: None,
        out: out.path(),
        progress: &Stop,
        threads: 1,
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
        base: None,
        out: &gone,
        progress: &lakebed_ingest::NoProgress,
        threads: 1,
    })
    .unwrap_err();
    assert_eq!(refusal.code, "io-failed");
    assert!(!refusal.is_about_the_source());
}
