//! Stray quotes, with known answers: what is not read as it was meant is in the quarantine, and as
//! little as can be else (D-80).

use std::path::Path;

use lakebed_core::{DecodeOptions, Header};
use proptest::prelude::*;

use crate::{
    Decoded,
    chunks::Sizes,
    infer::Tuning,
    testing::{Bench, Row, rows},
};

/// A bench with names `a`, `b` … for text columns, so that nothing but quotes decides.
fn bench(width: usize, chunk: usize) -> Bench {
    let mut bench = Bench::new();
    bench.options = DecodeOptions {
        max_quarantined: Some(1.0),
        header: Some(Header::Present),
        delimiter: Some(','),
        quote: Some('"'),
        ..DecodeOptions::default()
    };
    for column in 0..width {
        bench.options.types.insert(name(column), lakebed_core::DataType::String);
    }
    let sizes = Sizes { chunk, ..Sizes::default() };
    bench.tuning = Tuning { sizes, ..Tuning::default() };
    bench
}

fn name(column: usize) -> String {
    format!("c{column}")
}

fn header(width: usize) -> String {
    (0..width).map(name).collect::<Vec<_>>().join(",")
}

fn cells(row: &[&str]) -> Row {
    row.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect()
}

/// What became of a text.
struct Read {
    accepted: Vec<Row>,
    /// Lines and raw bytes.
    bad: Vec<(u64, String)>,
    codes: Vec<String>,
    notes: Vec<String>,
}

fn read(width: usize, chunk: usize, text: &str) -> Read {
    let bench = bench(width, chunk);
    let decoded = bench.decode(text.as_bytes()).expect("a table");
    let accepted = rows(&decoded.tables);
    let (bad, codes) = (quarantined(&decoded), codes(&decoded));
    Read { accepted, bad, codes, notes: decoded.notes }
}

fn quarantined(decoded: &Decoded) -> Vec<(u64, String)> {
    let entry = |row: Row| {
        let line = row[1].as_deref().expect("a line").parse().expect("a number");
        let hex = row[4].as_deref().expect("bytes");
        let bytes = (0..hex.len()).step_by(2);
        let bytes: Vec<u8> =
            bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
        (line, String::from_utf8(bytes).expect("text"))
    };
    rows(&decoded.quarantine).into_iter().map(entry).collect()
}

fn codes(decoded: &Decoded) -> Vec<String> {
    rows(&decoded.quarantine).iter().map(|row| row[5].clone().expect("reasons")).collect()
}

/// Ten thousand rows, plain or with quotes around every second cell.
fn clean(quoted: bool) -> Vec<String> {
    let row = |n: usize| match quoted && n.is_multiple_of(2) {
        true => format!("{n},\"name {n}\",\"x, y\""),
        false => format!("{n},name {n},x"),
    };
    (0..10_000).map(row).collect()
}

fn read_lines(lines: &[String], end: &str, chunk: usize) -> Read {
    let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
    read(3, chunk, &format!("{}{end}{text}", header(3)))
}

#[test]
fn one_stray_quote_costs_its_own_row_wherever_it_stands() {
    for quoted in [false, true] {
        for end in ["\n", "\r\n", "\r"] {
            for column in 0..3 {
                let mut lines = clean(quoted);
                let mut row: Vec<String> = vec!["15".into(), "name 15".into(), "x".into()];
                row[column].insert(0, '"');
                lines[15] = row.join(",");
                for chunk in [777, 4 << 20] {
                    let read = read_lines(&lines, end, chunk);
                    let what = format!("quoted {quoted}, end {end:?}, column {column}");
                    let expected = vec![(17, format!("{}{end}", lines[15]))];
                    assert_eq!(read.bad, expected, "{what}");
                    let code = format!(
                        "[{{code: unclosed-quote, column: c{column}, rule: quotes that open here close within a row of 3 fields, severity: error}}]"
                    );
                    assert_eq!(read.codes, [code], "{what}");
                    let accepted = read.accepted;
                    assert_eq!(accepted.len(), 9_999, "{what}");
                    let ids: Vec<usize> = accepted
                        .iter()
                        .map(|row| row[0].as_deref().expect("an id").parse().expect("a number"))
                        .collect();
                    assert!(ids.iter().copied().eq((0..10_000).filter(|n| *n != 15)), "{what}");
                }
            }
        }
    }
}

#[test]
fn two_stray_quotes_a_thousand_rows_apart_swallow_nothing() {
    for (second, third) in
        [("na\"me", "x"), ("name\"", "x"), ("\"name", "x"), ("name", "\"x"), ("name", "x\"")]
    {
        let mut lines = clean(false);
        lines[15] = "15,\"name,x".to_owned();
        lines[1015] = format!("1015,{second},{third}");
        let read = read_lines(&lines, "\n", 4 << 20);
        let bad = read.bad;
        assert_eq!(bad[0], (17, "15,\"name,x\n".to_owned()), "{second}, {third}");
        assert!(bad.len() <= 2, "{second}, {third}: {bad:?}");
        assert!(bad.iter().skip(1).all(|(line, _)| *line == 1017), "{bad:?}");
        assert_eq!(read.accepted.len() + bad.len(), 10_000);
    }
}

#[test]
fn a_quote_that_is_open_at_the_end_costs_its_own_row() {
    for end in ["", "\n", "\r\n", "\r"] {
        for last in ["9,\"name,x", "9,name,\"x", "\"9,name,x", "9,name,\""] {
            let text = format!("{}\n1,a,x\n2,b,y\n{last}{end}", header(3));
            let read = read(3, 5, &text);
            assert_eq!(read.bad, [(4, format!("{last}{end}"))]);
            assert_eq!(read.accepted, [cells(&["1", "a", "x"]), cells(&["2", "b", "y"])]);
        }
    }
}

/// Cells of several lines before and after a stray quote are cells.
#[test]
fn cells_of_several_lines_are_kept_around_a_stray_quote() {
    let letter = "Dear Sir,\nthe goods, all of them, are here.\n\nYours,\nJ. \"\"Jo\"\" Doe";
    let mut lines: Vec<String> = (0..200)
        .map(|n| match n % 3 {
            0 => format!("{n},\"{letter}\",x"),
            1 => format!("{n},b,\"a\r\n\""),
            _ => format!("{n},b,c"),
        })
        .collect();
    for stray in [0, 1, 2, 100, 101, 199] {
        let clean = lines[stray].clone();
        lines[stray] = format!("{stray},\"b,c");
        for chunk in [100, 4 << 20] {
            let read = read_lines(&lines, "\n", chunk);
            let before: usize = lines[..stray]
                .iter()
                .map(|line| crate::chunks::line_ends(format!("{line}\n").as_bytes()) as usize)
                .sum();
            assert_eq!(read.bad, [(before as u64 + 2, format!("{}\n", lines[stray]))]);
            let accepted = read.accepted;
            assert_eq!(accepted.len(), 199);
            let letters = accepted
                .iter()
                .filter(|row| row[1].as_deref() == Some(&letter.replace("\"\"", "\"")));
            assert_eq!(letters.count(), (0..200).filter(|n| n % 3 == 0 && *n != stray).count());
        }
        lines[stray] = clean;
    }
}

/// A cell of 8 MiB and 400,000 lines is a cell.
#[test]
fn a_long_cell_of_many_lines_is_a_cell() {
    let cell = "twenty characters, \n".repeat(400_000);
    let text = format!("{}\n1,\"{cell}\",x\n2,b,y\n", header(3));
    let read = read(3, 1 << 20, &text);
    assert!(read.bad.is_empty());
    let accepted = read.accepted;
    assert_eq!(accepted[0][1].as_deref(), Some(cell.as_str()));
    assert_eq!(accepted[1], cells(&["2", "b", "y"]));
    assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
}

/// A row of several lines with a cell too many is one row, and says so.
#[test]
fn a_ragged_row_of_several_lines_is_one_row() {
    let text = format!("{}\n1,\"a\nb\nc\",x,y\n2,\"a\nb\"\n3,b,y\n", header(3));
    let read = read(3, 3, &text);
    let expected = [(2, "1,\"a\nb\nc\",x,y\n".to_owned()), (5, "2,\"a\nb\"\n".to_owned())];
    assert_eq!(read.bad, expected);
    insta::assert_snapshot!(read.codes.join("\n"), @"
    [{code: extra-cell, column: , rule: 3 fields, severity: error}]
    [{code: missing-cell, column: , rule: 3 fields, severity: error}]
    ");
}

/// Too few lines to be sure: the quotes are believed, and a note says where.
#[test]
fn a_row_in_doubt_is_kept_and_said() {
    let text = "name,city\nA,\"12 Main St\nSpringfield, IL\"\nB,x\nC,\"1 Low St\nYork, UK\"\n";
    let mut bench = Bench::new();
    bench.options.header = Some(Header::Present);
    let decoded = bench.decode(text.as_bytes()).expect("a table");
    assert_eq!(rows(&decoded.tables)[0], cells(&["A", "12 Main St\nSpringfield, IL"]));
    assert_eq!(decoded.sources[0].accepted.rows, 3);
    insta::assert_snapshot!(decoded.notes[1], @"`a.csv`: 2 rows have line ends within quotes, and each of their lines could be a row, the first on line 2: are their quotes meant?");
    let one = bench.decode(&text.as_bytes()[..text.len() - 24]).expect("a table");
    insta::assert_snapshot!(one.notes[1], @"`a.csv`: the row on line 2 has line ends within quotes, and each of its lines could be a row: are its quotes meant?");
}

/// What quotes of a header swallow nobody can tell; it is refused.
#[test]
fn quotes_that_go_wrong_in_a_header_are_refused() {
    let text = "id,\"name,x\n1,a,b\n2,\"c\",d\n3,e,f\n";
    let refusal = bench(0, 100).decode(text.as_bytes()).expect_err("refused");
    assert_eq!(refusal.code, "unclosed-quote");
    insta::assert_snapshot!(refusal.message, @"the first record of `a.csv` has quotes that open on line 1 and go wrong before line 4");
    let kept = "id,\"unit\nprice\"\n1,2\n";
    let bench = bench(0, 100);
    let decoded = bench.decode(kept.as_bytes()).expect("a table");
    assert_eq!(decoded.schema.fields[1].name, "unit price");
}

/// A stray quote anywhere in a real file costs its own row at most, or is a character of its cell.
#[test]
fn a_stray_quote_in_a_real_file_costs_one_row_at_most() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data");
    for name in ["airports.csv", "penguins-raw.csv", "planes.csv"] {
        let text = std::fs::read_to_string(folder.join(name)).expect("an example");
        let body = text.find('\n').expect("a header") + 1;
        let width = text[..body].split(',').count();
        let clean = read_as_it_is(&text, width);
        for place in (body..text.len()).step_by(text.len() / 150) {
            if !text.is_char_boundary(place) {
                continue;
            }
            let read = read_as_it_is(&format!("{}\"{}", &text[..place], &text[place..]), width);
            let row = text[body..place].matches('\n').count();
            let (before, after) = (&clean.accepted[..row], &clean.accepted[row + 1..]);
            assert_eq!(&read.accepted[..row], before, "{name} at {place}");
            match &read.bad[..] {
                // The quote is a character of a cell.
                [] => {
                    assert_eq!(&read.accepted[row + 1..], after, "{name} at {place}");
                    let cells = read.accepted[row].iter().flatten();
                    assert_eq!(cells.filter(|cell| cell.contains('"')).count(), 1);
                }
                [(line, _)] => {
                    assert_eq!(&read.accepted[row..], after, "{name} at {place}");
                    assert_eq!(*line, row as u64 + 2);
                }
                more => panic!("{name} at {place}: {more:?}"),
            }
        }
    }
}

/// A file whose columns are all text, under names of its own.
fn read_as_it_is(text: &str, width: usize) -> Read {
    let (_, rows) = text.split_once('\n').expect("a header");
    read(width, 4 << 20, &format!("{}\n{rows}", header(width)))
}

/// A clean row and how it stands in a file.
#[derive(Debug, Clone)]
struct CleanRow {
    cells: Vec<String>,
    quoted: Vec<bool>,
}

impl CleanRow {
    fn text(&self) -> String {
        let cell = |(cell, quoted): (&String, &bool)| match quoted {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        };
        self.cells.iter().zip(&self.quoted).map(cell).collect::<Vec<_>>().join(",")
    }

    fn row(&self) -> Row {
        let cell =
            |(cell, quoted): (&String, &bool)| (*quoted || !cell.is_empty()).then(|| cell.clone());
        self.cells.iter().zip(&self.quoted).map(cell).collect()
    }
}

fn clean_rows() -> impl Strategy<Value = (usize, Vec<CleanRow>)> {
    (2_usize..6).prop_flat_map(|width| {
        let cell = prop_oneof![
            8 => ("[a-z]{1,6}( [a-z]{1,4})?", Just(false)),
            1 => (Just(String::new()), any::<bool>()),
            4 => ("[a-z]{1,5}", Just(true)),
            1 => ("[a-z]{1,4}, [a-z ,]{0,6}", Just(true)),
            1 => ("[a-z]{1,4}\"[a-z]{1,3}\"", Just(true)),
            1 => ("[a-z]{1,6}(\n|\r\n)[a-z]{1,9}((\n|\r\n)[a-z ]{1,9}){0,2}", Just(true)),
        ];
        let row = prop::collection::vec(cell, width).prop_map(|cells| {
            let (cells, quoted) = cells.into_iter().unzip();
            CleanRow { cells, quoted }
        });
        (Just(width), prop::collection::vec(row, 3..60))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// A stray quote anywhere in a clean file: rows before it are untouched, and every other row
    /// is read as it was meant, or is in the quarantine, or a note says so. Nothing else is read.
    #[test]
    fn wrong_and_unsaid_is_nothing(
        (width, clean) in clean_rows(),
        crlf in any::<bool>(),
        place in any::<prop::sample::Index>(),
        chunk in prop::sample::select(vec![7_usize, 60, 4 << 20]),
    ) {
        let end = if crlf { "\r\n" } else { "\n" };
        let texts: Vec<String> = clean.iter().map(|row| format!("{}{end}", row.text())).collect();
        let all = texts.concat();
        let place = place.index(all.len());
        // Not between CR and LF: that makes two line ends of one.
        let place = if all[..place].ends_with('\r') { place + 1 } else { place };
        let starts: Vec<usize> = texts.iter().scan(0, |at, text| { let start = *at; *at += text.len(); Some(start) }).collect();
        let polluted = starts.iter().rposition(|start| *start <= place).expect("the first is 0");
        let text = format!("{}{end}{}\"{}", header(width), &all[..place], &all[place..]);
        let read = read(width, chunk, &text);
        let accepted = read.accepted;
        let bad = read.bad;
        // Rows before the polluted one.
        let before: Vec<Row> = clean[..polluted].iter().map(CleanRow::row).collect();
        prop_assert_eq!(&accepted[..polluted.min(accepted.len())], &before[..]);
        let meant: Vec<Row> = clean.iter().map(CleanRow::row).collect();
        // A row that stands in no clean file is one whose stray quote is text, as it stands there.
        let mut unread = 0;
        let mut next = meant.iter().skip(polluted).peekable();
        for row in &accepted[polluted..] {
            let mut rest = next.clone();
            match rest.find(|meant| *meant == row) {
                Some(_) => next = rest,
                None => unread += 1,
            }
        }
        let said = !bad.is_empty() || read.notes.iter().any(|note| note.contains("are its quotes meant"));
        let missing = meant.len() as i64 - (accepted.len() as i64 - unread);
        let literal = unread == 1 && missing == 1 && bad.is_empty();
        prop_assert!(said || missing == 0 && unread == 0 || literal, "{missing} missing, {unread} other: {text:?}");
        if literal {
            let odd: Vec<&Row> = accepted.iter().filter(|row| !meant.contains(row)).collect();
            let holds = odd.iter().all(|row| row.iter().flatten().any(|cell| cell.contains('"')));
            prop_assert!(holds, "{odd:?}");
        }
    }
}
