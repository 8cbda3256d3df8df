//! What holds of workbooks: cells lose nothing, sizes are not believed, damage is one clear refusal,
//! and no bytes make the reader panic.

use lakebed_core::{DecodeOptions, FormatName, SkipKind};
use proptest::prelude::*;

use super::testing::{Book, archive};
use crate::{
    Decoded, Refusal,
    chunks::Sizes,
    infer::Tuning,
    plan::plan_with,
    recount::recount_with,
    resolve,
    testing::{Bench, NotNull, digests, rows, schema_text, text},
};

fn decode(bench: &Bench, bytes: &[u8]) -> Result<Decoded, Refusal> {
    bench.decode_all(&[bench.source("a.xlsx", bytes)])
}

/// Decodes, plans and counts again: all say the same.
fn sound(bench: &Bench, book: &Book) -> Decoded {
    let source = bench.source("a.xlsx", &book.bytes());
    let sources = std::slice::from_ref(&source);
    let decoded = bench.decode_all(sources).expect("a table");
    let plan = plan_with(bench.request(sources), bench.tuning).expect("a plan");
    let (done, planned) = (&decoded.sources[0], &plan.sources[0]);
    assert_eq!((&plan.schema, &planned.decode), (&decoded.schema, &done.decode));
    assert_eq!((planned.accepted, planned.quarantined), (done.accepted, done.quarantined));
    let again = recount_with(&source, &done.decode, None, bench.tuning, 2).expect("a count");
    assert_eq!((again.accepted, again.quarantined), (done.accepted, done.quarantined));
    assert_eq!(again.skipped, done.skipped);
    assert_eq!((done.accepted.bytes, done.quarantined.bytes), (0, 0), "binary formats count rows");
    decoded
}

fn refusal(bench: &Bench, bytes: &[u8]) -> String {
    let refusal = decode(bench, bytes).expect_err("no table");
    assert!(refusal.is_about_the_source(), "{refusal}");
    format!("{}: {}\nhint: {}", refusal.code, refusal.message, refusal.hint.unwrap_or_default())
}

const PEOPLE: &str = r#"
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>when</t></is></c><c r="D1" t="str"><v>ok</v></c><c r="E1" t="inlineStr"><is><r><t>va</t></r><rPh sb="0" eb="1"><t>x</t></rPh><r><t>lue</t></r></is></c></row>
<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>39</v></c><c r="C2" s="1"><v>45351</v></c><c r="D2" t="b"><v>1</v></c><c r="E2"><v>1.1000000000000001</v></c></row>
<row r="4"><c r="A4" t="s"><v>3</v></c><c r="B4"><f>B2+1</f><v>40</v></c><c r="C4" s="1"><v>45352</v></c><c r="D4" t="b"><v>0</v></c><c r="E4"><v>-2E-3</v></c></row>
<row r="5"><c r="B5"><v>41</v></c></row>"#;

fn people() -> Book {
    Book {
        strings: ["name", "age", "Ann &quot;A&quot;", "Bob,\nb"].map(str::to_owned).into(),
        formats: vec!["d.m.yyyy".to_owned()],
        ..Book::of(PEOPLE)
    }
}

#[test]
fn cells_are_read_as_what_they_are() {
    let bench = Bench::new();
    let decoded = sound(&bench, &people());
    insta::assert_snapshot!(schema_text(&decoded.schema), @"name string, age long, when date, ok boolean, value double");
    insta::assert_snapshot!(text(&rows(&decoded.tables)), @r#"
    Ann "A"|39|2024-02-29|true|1.1
    Bob,
    b|40|2024-03-01|false|-0.002
    ∅|41|∅|∅|∅
    "#);
    insta::assert_snapshot!(decoded.notes.join("\n"), @"
    `a.xlsx`: sheet `Data`, cells A1:E5 (detected; `--sheet` and `--range` name others)
    `a.xlsx`: the first record names the columns (detected; `--header absent` reads it as data)
    ");
    let kinds: Vec<_> =
        decoded.sources[0].skipped.iter().map(|s| (s.what, s.ranges, s.bytes)).collect();
    assert_eq!(kinds, [(SkipKind::Header, 1, 0), (SkipKind::Blank, 1, 0)]);
}

/// The quarantine names rows as the sheet does, though a cell of several lines stands above.
#[test]
fn bad_rows_have_the_numbers_of_the_sheet() {
    let mut bench = Bench::new();
    bench.options.types.insert("age".to_owned(), lakebed_core::DataType::Long);
    let mut book = people();
    book.sheets[0].2 +=
        r#"<row r="9"><c r="A9" t="s"><v>3</v></c><c r="B9" t="e"><v>#DIV/0!</v></c></row>"#;
    for chunk in [7, 1 << 20] {
        bench.tuning.sizes.chunk = chunk;
        let decoded = sound(&bench, &book);
        insta::allow_duplicates! {
            insta::assert_snapshot!(text(&rows(&decoded.quarantine)), @"a.xlsx|9|0|0|22426f622c0a62222c22234449562f3021222c2c2c0a|[{code: type-error, column: age, rule: type long, severity: error}]");
        }
        assert!(decoded.notes.iter().any(|note| note.contains("1 cells hold an error")));
    }
}

#[test]
fn ranges_and_sheets_are_chosen() {
    let mut bench = Bench::new();
    let mut book = people();
    let rows_of = |value: &str| format!(r#"<row><c><v>{value}</v></c></row>"#);
    book.sheets.push((
        "Empty &amp; no".to_owned(),
        String::new(),
        r#"<row r="1"><c r="A1" s="1"/></row>"#.to_owned(),
    ));
    book.sheets.push(("Old".to_owned(), r#"state="hidden""#.to_owned(), rows_of("7")));
    let decoded = sound(&bench, &book);
    assert_eq!(decoded.sources[0].accepted.rows, 3);
    insta::assert_snapshot!(decoded.notes[1], @"`a.xlsx`: hidden sheets hold something, too, and are not read: `Old`");

    bench.options.range = Some("b4:D".to_owned());
    let decoded = sound(&bench, &book);
    insta::assert_snapshot!(text(&rows(&decoded.tables)), @"
    40|2024-03-01|false
    41|∅|∅
    ");
    bench.options.range = None;
    bench.options.sheet = Some("Old".to_owned());
    let decoded = sound(&bench, &book);
    insta::assert_snapshot!(text(&rows(&decoded.tables)), @"7");

    bench.options.sheet = Some("Empty & no".to_owned());
    insta::assert_snapshot!(refusal(&bench, &book.bytes()), @"
    no-rows: the sheet `Empty & no` of `a.xlsx` holds nothing there
    hint: are the cells that should be read the right ones?
    ");
    bench.options.sheet = Some("Data2".to_owned());
    insta::assert_snapshot!(refusal(&bench, &book.bytes()), @"
    bad-option: `a.xlsx` has no sheet `Data2`
    hint: it has `Data`, `Empty & no`, `Old`
    ");
    bench.options.sheet = None;
    book.sheets[1].2 = rows_of("8");
    insta::assert_snapshot!(refusal(&bench, &book.bytes()), @"
    several-sheets: `a.xlsx` has 2 sheets that hold something: `Data`, `Empty & no`
    hint: name the one to read, as in `--sheet 'Data'`
    ");
    bench.options.range = Some("9:A".to_owned());
    insta::assert_snapshot!(refusal(&bench, &book.bytes()), @"
    bad-option: `9:A` is no range of cells
    hint: write it as in `A1:F100`, `A:F` or `B5`
    ");
}

/// Cells far apart cost no more than what lies between as text, and that is not believed either.
#[test]
fn sizes_are_not_believed() {
    let bench = Bench::new();
    let far = |last: &str, row: u32| {
        Book::of(&format!(
            r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="{row}"><c r="{last}{row}"><v>2</v></c></row>"#
        ))
    };
    insta::assert_snapshot!(refusal(&bench, &far("XFD", 1_048_576).bytes()), @"
    too-many-columns: `a.xlsx` has 16384 columns, more than the 10000 a table can have
    hint: name the cells of the table, as in `--range A1:F100`
    ");
    let decoded = sound(&bench, &far("B", 1_048_576));
    assert_eq!(decoded.sources[0].accepted.rows, 2);
    assert_eq!(decoded.sources[0].skipped[0].ranges, 1_048_574);
    let sparse: String = (1..=12_000)
        .map(|row| format!(r#"<row r="{row}"><c r="NTP{row}"><v>1</v></c></row>"#))
        .collect();
    let sparse = Book::of(&sparse.replace("NTP1\"", "A1\""));
    let refused = refusal(&bench, &sparse.bytes());
    assert!(
        refused.starts_with("workbook-too-large: `a.xlsx`: it has 12000 cells in an area of"),
        "{refused}"
    );
}

#[test]
fn damage_is_one_clear_refusal() {
    let bench = Bench::new();
    let good = people().bytes();
    let mut seen = std::collections::BTreeSet::new();
    // Cut anywhere, or with a byte changed anywhere, it is refused or the same table.
    let whole = text(&rows(&decode(&bench, &good).expect("a table").tables));
    for at in (0..good.len()).step_by(7) {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        for bytes in [&good[..at], &changed] {
            match decode(&bench, bytes) {
                Ok(decoded) => assert_eq!(text(&rows(&decoded.tables)), whole, "byte {at}"),
                Err(refusal) => {
                    assert!(refusal.is_about_the_source(), "byte {at}: {refusal}");
                    seen.insert(refusal.code);
                }
            }
        }
    }
    assert!(seen.contains("damaged-workbook"), "{seen:?}");
    insta::assert_snapshot!(refusal(&bench, &good[..good.len() - 30]), @"
    damaged-workbook: `a.xlsx` is damaged: it is cut off: the archive's directory is gone
    hint: open it in a spreadsheet program and save it again, or copy the file again
    ");
    let with = |name: &str, content: &str| {
        let mut parts = people().parts();
        let part = parts.iter_mut().find(|(other, _)| *other == name).expect("a part");
        part.1 = content.into();
        refusal(&bench, &archive(&parts))
    };
    let sheet = "xl/worksheets/sheet1.xml";
    for (content, expected) in [
        ("<!DOCTYPE x [<!ENTITY a \"aaaa\">]><worksheet/>", "it has a document type"),
        (
            "<worksheet><sheetData><row r=\"2\"><c><v>1</v></c></row><row r=\"2\"/></sheetData></worksheet>",
            "row 2 comes behind row 2",
        ),
        (
            "<worksheet><sheetData><row r=\"1\"><c r=\"B1\"/><c r=\"A1\"/></row></sheetData></worksheet>",
            "the cells of row 1 are out of order",
        ),
        (
            "<worksheet><sheetData><row r=\"1\"><c r=\"A7\"/></row></sheetData></worksheet>",
            "a cell in row 1 says it is elsewhere",
        ),
        (
            "<worksheet><sheetData><row r=\"1\"><c t=\"s\"><v>99</v></c></row></sheetData></worksheet>",
            "a text in row 1 is not there",
        ),
        (
            "<worksheet><sheetData><row r=\"1\"><c><v>&b;</v></c></row></sheetData></worksheet>",
            "it refers to an entity that is not there",
        ),
        ("<worksheet><sheetData><row><c><v>1</v>", "it is cut off"),
        (&"<a>".repeat(100), "its elements are nested too deep"),
    ] {
        let refused = with(sheet, content);
        assert!(
            refused.starts_with("damaged-workbook:") && refused.contains(expected),
            "{refused}"
        );
    }
    let long = format!(
        "<worksheet><sheetData><row><c t=\"str\"><v>{}</v></c></row></sheetData></worksheet>",
        "x".repeat(5 << 20)
    );
    assert!(with(sheet, &long).contains("a text in it is longer than 4 MiB"));
    let bomb = " ".repeat(80 << 20);
    assert!(with(sheet, &bomb).contains("it claims to hold"), "{}", with(sheet, &bomb));
    let elsewhere = r#"<Relationships><Relationship Id="s0" Type="x/worksheet" Target="../../../etc/passwd"/></Relationships>"#;
    assert!(with("xl/_rels/workbook.xml.rels", elsewhere).contains("it has no part `etc/passwd`"));
}

#[test]
fn other_archives_are_named() {
    let bench = Bench::new();
    insta::assert_snapshot!(refusal(&bench, &archive(&[("a.txt", b"x".to_vec())])), @"
    not-a-table: `a.xlsx` is no table: it looks like a zip archive
    hint: delimited text, JSON, Excel workbooks and Parquet can be a table; keep anything else with `--as files`
    ");
    insta::assert_snapshot!(refusal(&bench, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), @"
    not-a-table: `a.xlsx` is an old Excel workbook (.xls), or one with a password, which cannot be read
    hint: save it as .xlsx or CSV, or keep it with `--as files`
    ");
    let ods = archive(&[("mimetype", b"x".to_vec()), ("content.xml", b"x".to_vec())]);
    insta::assert_snapshot!(refusal(&bench, &ods), @"
    not-a-table: `a.xlsx` is an OpenDocument file, which cannot be read
    hint: save it as .xlsx or CSV, or keep it with `--as files`
    ");
    let mut encrypted = people().bytes();
    let place = |bytes: &[u8], what: &[u8]| memchr::memmem::rfind(bytes, what).expect("there");
    let entry = place(&encrypted, b"xl/workbook.xml") - 46;
    encrypted[entry + 8] |= 1;
    insta::assert_snapshot!(refusal(&bench, &encrypted), @"
    encrypted-workbook: `a.xlsx` is protected with a password
    hint: save it without one
    ");
    let mut bench = Bench::new();
    bench.options.sheet = Some("x".to_owned());
    insta::assert_snapshot!(refusal(&bench, b"a,b\n1,2\n"), @"
    bad-option: `a.xlsx` is no Excel workbook (.xlsx)
    hint: leave `--as`, `--sheet` and `--range` out to have the format detected
    ");
}

#[test]
fn merged_headers_and_formulas_without_value_are_said() {
    let bench = Bench::new();
    let decoded = sound(
        &bench,
        &Book::of(
            r#"<row r="1"><c r="A1" t="str"><v>total</v></c><c r="C1" t="str"><v>n</v></c></row>
        <row r="2"><c r="A2"><f>1+1</f></c><c r="B2"><v>2</v></c><c r="C2"><v>3</v></c></row>
        <row r="3"><c r="A3"><v>1</v></c><c r="B3"><v>5</v></c><c r="C3"><v>6</v></c></row>"#,
        ),
    );
    insta::assert_snapshot!(schema_text(&decoded.schema), @"total long, column_2 long, n long");
    insta::assert_snapshot!(text(&rows(&decoded.tables)), @"
    ∅|2|3
    1|5|6
    ");
    insta::assert_snapshot!(decoded.notes.join("\n"), @"
    `a.xlsx`: sheet `Data`, cells A1:C3 (detected; `--sheet` and `--range` name others)
    `a.xlsx`: 1 formulas were saved without their value and are no value: open and save it in a spreadsheet program
    `a.xlsx`: the first record names the columns (detected; `--header absent` reads it as data)
    `a.xlsx`: columns without a name are called `column_2`
    ");
}

/// Rows of cells, most of them sound.
fn sheet() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        4 => (0_u32..1000).prop_map(|n| format!("<v>{n}</v>")),
        2 => Just("<v>0.30000000000000004</v>".to_owned()),
        1 => Just("<v>45351.5</v>".to_owned()),
        1 => Just("<f>A1</f>".to_owned()),
        1 => Just(String::new()),
    ];
    let text = prop::sample::select(vec!["x", "a\nb", "&quot;", ",", "007", "_x000D_", " ", "é"]);
    let cell = prop_oneof![
        3 => (cell, prop::sample::select(vec!["", " s=\"1\"", " s=\"2\""]))
            .prop_map(|(value, format)| format!("<c{format}>{value}</c>")),
        1 => text.prop_map(|text| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>")),
        1 => Just("<c t=\"b\"><v>1</v></c>".to_owned()),
    ];
    let row = (prop::collection::vec(cell, 0..5), 1_u32..4);
    prop::collection::vec(row, 1..20).prop_map(|rows| {
        let (mut sheet, mut number) = (String::new(), 0);
        for (cells, step) in rows {
            number += step;
            sheet += &format!("<row r=\"{number}\">{}</row>", cells.concat());
        }
        sheet
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// The same workbook gives the same bytes, wherever chunks are cut; every row is told of once.
    #[test]
    fn no_row_disappears(sheet in sheet(), chunk in 1_usize..200, threads in 1_usize..4, judged in any::<bool>()) {
        let mut bench = Bench::new();
        bench.check = judged.then(NotNull::check);
        bench.options = DecodeOptions { max_quarantined: Some(1.0), ..DecodeOptions::default() };
        let book = Book { formats: vec!["d/m/yy h:mm".to_owned(), "h:mm".to_owned()], ..Book::of(&sheet) };
        let source = bench.source("a.xlsx", &book.bytes());
        let whole = bench.decode_all(std::slice::from_ref(&source));
        bench.tuning = Tuning { sizes: Sizes { chunk, record: 4096 }, ..Tuning::default() };
        bench.threads = threads;
        match (whole, bench.decode_all(std::slice::from_ref(&source))) {
            (Ok(whole), Ok(parts)) => {
                prop_assert_eq!(&whole.sources, &parts.sources);
                prop_assert_eq!(digests(&whole.tables), digests(&parts.tables));
                prop_assert_eq!(digests(&whole.quarantine), digests(&parts.quarantine));
                let counted = &parts.sources[0];
                let skipped: u64 = counted.skipped.iter().map(|skipped| skipped.ranges).sum();
                let range = match &counted.decode {
                    lakebed_core::Decode::Xlsx(xlsx) => super::Range::parse(&xlsx.range).expect("a range"),
                    other => panic!("{other:?}"),
                };
                let height = u64::from(range.rows.1 - range.rows.0 + 1);
                prop_assert_eq!(counted.accepted.rows + counted.quarantined.rows + skipped, height);
                let again = recount_with(&source, &counted.decode, bench.check.as_ref(), bench.tuning, 2).expect("a count");
                prop_assert_eq!((again.accepted, again.quarantined), (counted.accepted, counted.quarantined));
                bench.schema = Some(whole.schema.clone());
                let decodes = vec![counted.decode.clone()];
                prop_assert_eq!(resolve(std::slice::from_ref(&source), &bench.options, None, bench.schema.as_ref()), Ok(Some(decodes)));
            }
            (whole, parts) => {
                // Where the rows that were set aside lie is another place each time.
                let told = |refusal: Refusal| {
                    let rows: Vec<u64> = refusal.quarantine.iter().map(|file| file.row_count).collect();
                    (refusal.code, refusal.message, refusal.hint, rows)
                };
                prop_assert_eq!(whole.map(drop).map_err(told), parts.map(drop).map_err(told));
            }
        }
    }

    /// Whatever stands in a sheet's part or in the archive, nothing panics.
    #[test]
    fn no_bytes_make_it_panic(
        part in "(<(/)?(worksheet|sheetData|row|c|v|is|t|f)( r=\"[A-C0-9]{0,3}\")?( t=\"(s|b|e|str)\")?/?>|[0-9&;<x]){0,30}",
        at in 0_usize..2000, byte in any::<u8>(),
    ) {
        let mut parts = people().parts();
        parts[0].1 = part.into_bytes();
        let mut bench = Bench::new();
        bench.options.format = Some(FormatName::Xlsx);
        let mut bytes = archive(&parts);
        if let Err(refusal) = decode(&bench, &bytes) {
            prop_assert!(refusal.is_about_the_source(), "{}", refusal);
        }
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Err(refusal) = decode(&bench, &bytes) {
            prop_assert!(refusal.is_about_the_source(), "{}", refusal);
        }
    }
}
