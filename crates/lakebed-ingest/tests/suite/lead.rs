//! What is in a file and is no row: titles, remarks, comments, headers that come again; and numbers and
//! dates that are written otherwise.

use lakebed_core::{DateOrder, Decode, RepeatedHeaders, Spelling};
use lakebed_ingest::{Decoded, recount};

use crate::bench::{Bench, refusal_text, schema_text, table};

/// Decodes; a plan, another count and the bytes agree.
fn decode(bench: &Bench, text: &[u8]) -> Decoded {
    let source = bench.source("a.csv", text);
    let decoded = bench.decode(std::slice::from_ref(&source)).unwrap();
    let plan = bench.plan(std::slice::from_ref(&source)).unwrap();
    let (planned, done) = (&plan.sources[0], &decoded.sources[0]);
    assert_eq!((&plan.schema, &planned.decode), (&decoded.schema, &done.decode));
    assert_eq!((planned.accepted, planned.quarantined), (done.accepted, done.quarantined));
    let again = recount(&source, &done.decode).unwrap();
    assert_eq!((again.accepted, again.quarantined), (done.accepted, done.quarantined));
    assert_eq!(again.skipped, done.skipped);
    let skipped: u64 = done.skipped.iter().map(|skipped| skipped.bytes).sum();
    assert_eq!(done.accepted.bytes + done.quarantined.bytes + skipped, text.len() as u64, "P6");
    decoded
}

fn skipped(decoded: &Decoded) -> String {
    let each = decoded.sources[0].skipped.iter();
    each.map(|s| format!("{:?} {} {}", s.what, s.ranges, s.bytes)).collect::<Vec<_>>().join(", ")
}

const EXPORT: &str = "\
Report of sales
\"Region: north, all shops\"

# made by hand
id,day,amount
1,2024-01-02,5
# checked, twice
2,2024-01-03,6
id,day,amount
3,2024-01-04,7
";

#[test]
fn titles_comments_and_repeated_headers_are_no_rows() {
    let bench = Bench::new();
    let decoded = decode(&bench, EXPORT.as_bytes());
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, day date, amount long");
    insta::assert_snapshot!(table(&decoded.tables), @"
    1|2024-01-02|5
    2|2024-01-03|6
    3|2024-01-04|7
    ");
    insta::assert_snapshot!(skipped(&decoded), @"Preamble 2 43, Comment 2 32, Header 1 14, Repeated 1 14, Blank 1 1");
    insta::assert_snapshot!(decoded.notes.join("\n"), @"
    `a.csv`: delimiter comma (detected), quote `\"`, the first record names the columns (detected; `--header absent` reads it as data)
    `a.csv`: 2 lines before line 5 are no part of the table (detected; `--skip-lines 0` reads them)
    `a.csv`: 2 lines that begin with `#` are comments (detected; `--comment none` reads them)
    `a.csv`: 1 rows repeat the header and are skipped (`--repeated-headers kept` keeps them)
    ");
    assert!(decoded.quarantine.is_empty());
}

/// What was detected can be told, and said otherwise; in any encoding.
#[test]
fn what_is_told_is_not_detected() {
    let mut bench = Bench::new();
    let as_detected = decode(&bench, EXPORT.as_bytes());
    bench.options.skip_lines = Some(4);
    bench.options.comment = Some("#".to_owned());
    bench.options.encoding = Some("utf-16le".to_owned());
    let utf16: Vec<u8> = EXPORT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = decode(&bench, &utf16);
    assert_eq!(table(&told.tables), table(&as_detected.tables));
    insta::assert_snapshot!(skipped(&told), @"Preamble 2 86, Comment 2 64, Header 1 28, Repeated 1 28, Blank 1 2");
    bench.options.encoding = None;
    bench.options.repeated_headers = Some(RepeatedHeaders::Kept);
    let kept = decode(&bench, EXPORT.as_bytes());
    insta::assert_snapshot!(table(&kept.tables), @"
    1|2024-01-02|5
    2|2024-01-03|6
    id|day|amount
    3|2024-01-04|7
    ");
    bench.options.comment = Some("##".to_owned());
    let refused = bench.decode(&[bench.source("a.csv", EXPORT)]).unwrap_err();
    insta::assert_snapshot!(refusal_text(refused), @"
    bad-option: comments cannot begin with `##`
    hint: name one ASCII character, as in `--comment '#'`, or `none`
    ");
}

/// A line that could be a row is one, unless comments were declared.
#[test]
fn rows_are_not_taken_for_anything_else() {
    let mut bench = Bench::new();
    // A header shorter than its rows, as R writes it; one whose name begins with `#`; a row of one cell.
    for text in [
        "mpg,cyl\nMazda,21,6\nDatsun,22,4\nHornet,18,8\n",
        "#id,n\n1,2\n3,4\n",
        "name\nx\n#y\n",
        ",a,b\n0,5,6\n1,7,8\n",
    ] {
        let source = bench.source("a.csv", text);
        let kinds: Vec<String> = match bench.decode(&[source]) {
            Ok(decoded) => {
                decoded.sources[0].skipped.iter().map(|s| format!("{:?}", s.what)).collect()
            }
            Err(refusal) => vec![refusal.code.to_owned()],
        };
        assert!(
            kinds == ["Header"]
                || kinds == ["too-many-quarantined"]
                || kinds == ["all-quarantined"],
            "{text}: {kinds:?}"
        );
    }
    let text = b"# note\nid,n\n#5,6\n7,8\n";
    let decoded = decode(&bench, text);
    insta::assert_snapshot!(table(&decoded.tables), @"
    #5|6
    7|8
    ");
    bench.options.comment = Some("#".to_owned());
    insta::assert_snapshot!(table(&decode(&bench, text).tables), @"7|8");
}

/// Units below the names make text of every column; that is said.
#[test]
fn a_header_of_two_lines_is_told() {
    let decoded = decode(&Bench::new(), b"day,temp\n(date),(C)\n2024-01-01,5\n2024-01-02,6\n");
    insta::assert_snapshot!(decoded.notes[1], @"`a.csv`: the row below the header looks like a header, too, and is read as data: if it is one, leave it out");
}

#[test]
fn numbers_and_dates_are_read_as_declared() {
    let text =
        b"id;price;day;at\n1;1.234,50;1/2/2024;31.12.2024 9:05\n2;0,5;13/2/2024;1.1.2025 10:00\n";
    let mut bench = Bench::new();
    let plain = decode(&bench, text);
    insta::assert_snapshot!(schema_text(&plain.schema), @"id long, price string, day string, at string");
    insta::assert_snapshot!(plain.notes[1..].join("\n"), @"
    `price` is string because of decimal commas; `--decimal , --thousands .` reads them as numbers
    `day` is string because of dates with the day first; `--dates dmy` reads them as dates
    `at` is string because of dates that are not written YYYY-MM-DD and dates with the day first; `--dates dmy` reads them as dates
    ");
    bench.options.spelling =
        Spelling { decimal: Some(','), thousands: Some('.'), dates: Some(DateOrder::Dmy) };
    let told = decode(&bench, text);
    insta::assert_snapshot!(schema_text(&told.schema), @"id long, price double, day date, at timestamp");
    insta::assert_snapshot!(table(&told.tables), @"
    1|1234.5|2024-02-01|2024-12-31T09:05:00
    2|0.5|2024-02-13|2025-01-01T10:00:00
    ");
    let Decode::Csv(csv) = &told.sources[0].decode else { panic!("csv") };
    assert_eq!(csv.spelling, bench.options.spelling);
    // A point is no fraction then; nothing is read as what it is not.
    bench.options.types.insert("price".to_owned(), "double".parse().unwrap());
    let bad = decode(&bench, b"id;price;name\n1;1,5;1,5\n2;1.5;1.5\n");
    insta::assert_snapshot!(table(&bad.tables), @"1|1.5|1.5");
    assert_eq!(bad.sources[0].quarantined.rows, 1);
    bench.options.spelling.thousands = Some(',');
    let refused = bench.decode(&[bench.source("a.csv", "a;b\n1;2\n")]).unwrap_err();
    insta::assert_snapshot!(refusal_text(refused), @"
    bad-option: decimal and thousands separator are the same character
    hint: as in `--decimal , --thousands .`
    ");
}
