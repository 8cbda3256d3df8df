//! Laws of decoding, for arbitrary texts: nothing lost (P6), types from all cells, and bytes that
//! depend on rows alone.

use lakebed_core::{Decode, DecodeOptions, SkipKind, profile::Profile};
use proptest::prelude::*;

use crate::{
    Base, Decoded, Recount, TableProfiler,
    cell::Evidence,
    chunks::Sizes,
    infer::Tuning,
    plan::plan_with,
    recount::recount_with,
    resolve,
    testing::{Bench, NotNull, check_accounts, digests, paths, rows, schema_text, text},
};

fn tuning(chunk: usize, sample: usize, patience: usize) -> Tuning {
    let sizes = Sizes { chunk, record: 4096 };
    Tuning { sizes, sample, least_sample: 1, patience }
}

/// Texts with a header of two or three columns and lines that are mostly rows.
fn table() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        6 => "[0-9]{1,4}",
        2 => "[0-9]{1,3}\\.[0-9]{1,2}",
        1 => Just(String::new()),
        1 => Just("\"\"".to_owned()),
        1 => Just("NA".to_owned()),
        1 => Just("007".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("2024-02-29".to_owned()),
        1 => "\"[a\\n,]{0,3}(\"\")?[b\\r]{0,2}\"",
        1 => "[a-zß\"]{1,5}",
    ];
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]);
    let line = (prop::collection::vec(cell, 1..4), end)
        .prop_map(|(cells, end)| format!("{}{end}", cells.join(",")));
    (
        prop::sample::select(vec!["a,b\n", "a,b,c\r\n", "\u{feff}a\n"]),
        prop::collection::vec(line, 0..30),
    )
        .prop_map(|(header, lines)| format!("{header}{}", lines.concat()))
}

/// The same with titles, comments and headers between.
fn messy_table() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "# note\n",
        "#1,2\n",
        "a,b\n",
        "a,b,c\r\n",
        "\u{feff}a,b\n",
        "title\n",
        "#\"\n",
        "# \"x\r",
    ]);
    (table(), prop::collection::vec((line, any::<prop::sample::Index>()), 0..4)).prop_map(
        |(text, lines)| {
            let mut parts: Vec<&str> = text.split_inclusive('\n').collect();
            for (line, at) in &lines {
                parts.insert(at.index(parts.len() + 1), *line);
            }
            parts.concat()
        },
    )
}

fn lenient() -> DecodeOptions {
    DecodeOptions {
        max_quarantined: Some(1.0),
        header: Some(lakebed_core::Header::Present),
        delimiter: Some(','),
        quote: Some('"'),
        ..DecodeOptions::default()
    }
}

fn counts(decoded: &Decoded) -> Vec<Recount> {
    let count = |source: &crate::DecodedSource| Recount {
        accepted: source.accepted,
        quarantined: source.quarantined,
        skipped: source.skipped.clone(),
    };
    decoded.sources.iter().map(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The same text gives the same bytes, wherever chunks are cut, however much was looked at to
    /// guess types, however many threads work.
    #[test]
    fn bytes_depend_on_the_text_alone(
        text in prop_oneof![table(), messy_table()],
        comment in prop::sample::select(vec![None, Some("#".to_owned()), Some("none".to_owned())]),
        chunk in 1_usize..200,
        sample in 1_usize..200,
        patience in prop::sample::select(vec![1, 1 << 30]),
        threads in 1_usize..4,
        judged in any::<bool>(),
    ) {
        let mut bench = Bench::new();
        bench.options = DecodeOptions { comment, ..lenient() };
        bench.check = judged.then(NotNull::check);
        let whole = bench.decode(text.as_bytes());
        bench.tuning = tuning(chunk, sample, patience);
        bench.threads = threads;
        match (whole, bench.decode(text.as_bytes())) {
            (Ok(whole), Ok(parts)) => {
                prop_assert_eq!(&whole.schema, &parts.schema);
                prop_assert_eq!(&whole.sources, &parts.sources);
                prop_assert_eq!(digests(&whole.tables), digests(&parts.tables));
                prop_assert_eq!(&whole.profile, &parts.profile);
                prop_assert_eq!(&whole.profile, &Some(profile_of(&whole)));
                prop_assert_eq!(digests(&whole.quarantine), digests(&parts.quarantine));
                prop_assert_eq!(&whole.rules, &parts.rules);
            }
            (Err(whole), Err(parts)) => {
                prop_assert_eq!(whole.to_string(), parts.to_string());
                prop_assert_eq!((whole.code, &whole.hint), (parts.code, &parts.hint));
                prop_assert_eq!(digests(&whole.quarantine), digests(&parts.quarantine));
            }
            (whole, parts) => prop_assert_eq!(whole.map(drop), parts.map(drop)),
        }
    }

    /// P6: bad rows are kept byte by byte where they were; with the accepted and the skipped they
    /// are the source; and counting again gives the same.
    #[test]
    fn no_byte_disappears(
        bytes in prop_oneof![
            table().prop_map(String::into_bytes),
            messy_table().prop_map(String::into_bytes),
            prop::collection::vec(prop::sample::select(b"a,\"\n\r1.#\xff\xc3".to_vec()), 1..200),
        ],
        comment in prop::sample::select(vec![None, Some("#".to_owned()), Some("none".to_owned())]),
        skip_lines in prop::sample::select(vec![None, Some(0), Some(1), Some(3)]),
        chunk in 1_usize..100,
        judged in any::<bool>(),
    ) {
        let mut bench = Bench::new();
        bench.options = DecodeOptions { comment, skip_lines, ..lenient() };
        bench.check = judged.then(NotNull::check);
        bench.options.format = Some(lakebed_core::FormatName::Csv);
        bench.tuning = tuning(chunk, 50, 1 << 30);
        let source = bench.source("a.csv", &bytes);
        let Ok(decoded) = bench.decode_all(std::slice::from_ref(&source)) else { return Ok(()) };
        let counted = &decoded.sources[0];
        check_accounts(&decoded, &bytes, |place| crate::chunks::line_ends(&bytes[..place]))?;
        let again = recount_with(&source, &counted.decode, bench.check.as_ref(), tuning(chunk * 2, 1, 1), 2);
        prop_assert_eq!(again.map(|again| vec![again]), Ok(counts(&decoded)));
    }

    /// The schema is what all cells of accepted rows say together; and a plan says the same.
    #[test]
    fn types_are_those_of_all_cells(text in table(), sample in 1_usize..100) {
        let mut bench = Bench::new();
        bench.options = lenient();
        bench.tuning = tuning(64, sample, 1 << 30);
        let source = bench.source("a.csv", text.as_bytes());
        let Ok(decoded) = bench.decode_all(std::slice::from_ref(&source)) else { return Ok(()) };
        let width = decoded.schema.fields.len();
        let mut evidence = vec![Evidence::default(); width];
        // The table begins behind what stands above it.
        let Decode::Csv(csv) = &decoded.sources[0].decode else { panic!("no CSV") };
        let text = behind_lines(text.trim_start_matches('\u{feff}').as_bytes(), csv.skip_lines);
        let rows = rows_of(text, width);
        // A row of several columns that repeats the header is none: a quote that goes wrong may leave one.
        for record in rows.iter().skip(1).filter(|record| width == 1 || **record != rows[0]) {
            for (evidence, field) in evidence.iter_mut().zip(record) {
                match (field.text.is_empty(), field.quoted) {
                    (false, _) => evidence.add(&field.text),
                    (true, true) => evidence.add_silent(),
                    (true, false) => {}
                }
            }
        }
        let expected: Vec<_> = evidence.iter().map(|e| e.verdict().data_type()).collect();
        let found: Vec<_> = decoded.schema.fields.iter().map(|f| f.data_type.clone()).collect();
        prop_assert_eq!(found, expected);
        let sources = [source];
        let plan = plan_with(bench.request(&sources), bench.tuning).expect("a plan");
        prop_assert_eq!(plan.schema, decoded.schema);
        prop_assert_eq!(&plan.sources[0].decode, &decoded.sources[0].decode);
        prop_assert_eq!(plan.sources[0].accepted, decoded.sources[0].accepted);
        prop_assert_eq!(plan.sources[0].quarantined, decoded.sources[0].quarantined);
    }

    /// Reading the same text into the schema it gave is the same ingest, and gives the same bytes.
    #[test]
    fn a_second_time_changes_nothing(text in table()) {
        let mut bench = Bench::new();
        bench.options = lenient();
        let source = bench.source("a.csv", text.as_bytes());
        let Ok(first) = bench.decode_all(std::slice::from_ref(&source)) else { return Ok(()) };
        bench.schema = Some(first.schema.clone());
        let resolved = resolve(std::slice::from_ref(&source), &bench.options, None, bench.schema.as_ref());
        let decodes: Vec<Decode> = first.sources.iter().map(|source| source.decode.clone()).collect();
        prop_assert_eq!(resolved, Ok(Some(decodes)));
        let second = bench.decode_all(&[source]).expect("it was taken once");
        prop_assert_eq!(digests(&first.tables), digests(&second.tables));
        prop_assert_eq!(digests(&first.quarantine), digests(&second.quarantine));
        prop_assert_eq!(second.changes, vec![]);
    }

    /// Appending is replacing with the concatenation, where both have one schema.
    #[test]
    fn an_append_is_a_longer_table(lines in prop::collection::vec("[a-z]{0,3},[0-9]{1,5}", 2..40), split in 1_usize..39) {
        let split = split.min(lines.len() - 1);
        let text = |lines: &[String]| format!("name,n\nx,1\n{}\n", lines.join("\n"));
        let mut bench = Bench::new();
        let first = bench.decode(text(&lines[..split]).as_bytes()).expect("a table");
        let (head, tail) = (&lines[..split], &lines[split..]);
        bench.base = Some(Base { tail: paths(&first.tables), ..Base::default() });
        bench.schema = Some(first.schema);
        let appended = bench.decode(text(tail).as_bytes()).expect("a longer table");
        bench.base = None;
        let all: Vec<String> = [head, &["x,1".to_owned()], tail].concat();
        let replaced = bench.decode(text(&all).as_bytes()).expect("the same table");
        prop_assert_eq!(digests(&appended.tables), digests(&replaced.tables));
        prop_assert_eq!(appended.profile, replaced.profile);
    }
}

/// The profile of files that are there.
fn profile_of(decoded: &Decoded) -> Profile {
    let mut profiler = TableProfiler::new(&decoded.schema);
    for path in paths(&decoded.tables) {
        profiler.add(&path, &|| true).expect("a table file");
    }
    profiler.finish()
}

/// The records that have `width` fields, the header first.
fn rows_of(text: &[u8], width: usize) -> Vec<Vec<reference::Field>> {
    use crate::text::{RowShape, Tokeniser, tokens::fields_of};
    let mut tokens = Tokeniser::new(text, CSV);
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    while let Ok(Some(record)) = tokens.next(&mut ends, u32::MAX) {
        tokens.judge_by(Some(RowShape { width: width as u32, longest: 4096 }));
        if record.fields as usize == width && !record.odd && !record.blank && !record.torn {
            rows.push(fields_of(text, record, &ends).into_iter().map(owned).collect());
        }
        ends.clear();
    }
    rows
}

/// What comes after so many lines.
fn behind_lines(text: &[u8], lines: u64) -> &[u8] {
    let is_behind = |at: &usize| {
        let splits_an_end = text[..*at].ends_with(b"\r") && text[*at..].starts_with(b"\n");
        crate::chunks::line_ends(&text[..*at]) == lines && !splits_an_end
    };
    let at = (0..=text.len()).find(is_behind).expect("so many lines are there");
    &text[at..]
}

fn owned(field: crate::text::RawField<'_>) -> reference::Field {
    let mut text = Vec::new();
    field.unescape_into(b'"', &mut text);
    reference::Field { text, quoted: field.quoted }
}

const CSV: crate::text::Dialect = crate::text::Dialect { delimiter: b',', quote: b'"' };

/// A reader of delimited text as one would write it first, byte by byte, to compare with.
pub(crate) mod reference {
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub(crate) struct Field {
        pub(crate) text: Vec<u8>,
        pub(crate) quoted: bool,
    }

    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub(crate) struct Record {
        pub(crate) fields: Vec<Field>,
        pub(crate) odd: bool,
        pub(crate) bytes: usize,
    }

    /// Records of comma-separated text, without blank lines; stops at an unclosed quote.
    pub(crate) fn records(text: &[u8]) -> Vec<Record> {
        let (mut records, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let start = at;
            let mut record = Record::default();
            loop {
                let mut field = Field::default();
                if text.get(at) == Some(&b'"') {
                    field.quoted = true;
                    at += 1;
                    loop {
                        match (text.get(at), text.get(at + 1)) {
                            (None, _) => return records,
                            (Some(b'"'), Some(b'"')) => {
                                field.text.push(b'"');
                                at += 2;
                            }
                            (Some(b'"'), _) => {
                                at += 1;
                                break;
                            }
                            (Some(byte), _) => {
                                field.text.push(*byte);
                                at += 1;
                            }
                        }
                    }
                }
                while let Some(byte) = text.get(at).filter(|byte| !b",\n\r".contains(byte)) {
                    record.odd |= field.quoted;
                    field.text.push(*byte);
                    at += 1;
                }
                record.fields.push(field);
                match text.get(at) {
                    Some(b',') => at += 1,
                    Some(b'\r') if text.get(at + 1) == Some(&b'\n') => {
                        at += 2;
                        break;
                    }
                    Some(_) => {
                        at += 1;
                        break;
                    }
                    None => break,
                }
            }
            record.bytes = at - start;
            let blank = record.fields.len() == 1 && record.fields[0] == Field::default();
            if !(blank && record.bytes > 0) {
                records.push(record);
            }
        }
        records
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The tokeniser reads what the plain reader reads.
    #[test]
    fn the_tokeniser_is_the_plain_reader(
        text in prop::collection::vec(prop::sample::select(b"ab,,\"\"\n\r".to_vec()), 0..200),
    ) {
        use crate::text::{Tokeniser, tokens::fields_of};
        let mut tokens = Tokeniser::new(&text, CSV);
        let (mut found, mut ends) = (Vec::new(), Vec::new());
        while let Ok(Some(record)) = tokens.next(&mut ends, u32::MAX) {
            if !record.blank {
                let fields = fields_of(&text, record, &ends).into_iter().map(owned);
                let bytes = record.range().len();
                found.push(reference::Record { fields: fields.collect(), odd: record.odd, bytes });
            }
            ends.clear();
        }
        let expected = reference::records(&text);
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            prop_assert_eq!((found.odd, found.bytes), (expected.odd, expected.bytes));
            // Within odd records fields are nobody's business but their count.
            prop_assert_eq!(found.fields.len(), expected.fields.len());
            prop_assert!(found.odd || found.fields == expected.fields);
        }
    }
}

/// The longest record is taken and the next longer one refused, wherever chunks are cut.
#[test]
fn the_limit_of_a_record_is_exact() {
    let text = |length: usize| format!("a,b\n1,2\n3,{}\n5,6\n", "4".repeat(length));
    for chunk in [1, 7, 64, 4096, 1 << 20] {
        let mut bench = Bench::new();
        bench.options.types.insert("b".to_owned(), lakebed_core::DataType::String);
        bench.tuning = tuning(chunk, 64, 1 << 30);
        // `3,`, the digits, and the line end.
        let longest = bench.decode(text(4096 - 3).as_bytes());
        assert_eq!(longest.expect("taken").sources[0].accepted.rows, 3, "chunks of {chunk}");
        let longer = bench.decode(text(4096 - 2).as_bytes()).expect_err("refused");
        assert_eq!(longer.code, "record-too-long", "chunks of {chunk}");
        assert!(longer.message.starts_with("line 3 "), "chunks of {chunk}: {longer}");
    }
}

/// A table of more than a file's rows shares every full file with a longer one; its profile goes on
/// from what was noted of them.
#[test]
fn a_longer_table_shares_all_full_files() {
    let bench = Bench::new();
    let lines = |count: u32| -> String {
        (0..count).fold("n\n".to_owned(), |text, n| text + if n % 2 == 0 { "1\n" } else { "22\n" })
    };
    let full = 1 << 19;
    let short = bench.decode(lines(full + 10).as_bytes()).expect("a table");
    let long = bench.decode(lines(full + 5000).as_bytes()).expect("a longer table");
    let (short_digests, long_digests) = (digests(&short.tables), digests(&long.tables));
    assert_eq!(
        short.tables.iter().map(|file| file.row_count).collect::<Vec<_>>(),
        [full.into(), 10]
    );
    assert_eq!(short_digests[0], long_digests[0]);
    assert_ne!(short_digests[1], long_digests[1]);

    let noted = short.profile.as_ref().expect("a profile").first(full.into());
    assert!(noted.is_some(), "of the full file alone");
    let base = |profile| {
        let tail = paths(&short.tables[1..]);
        Some(Base { start_row: full.into(), tail, profile })
    };
    let mut bench = Bench::new();
    bench.schema = Some(short.schema.clone());
    let more = lines(full + 5000).split_off(lines(full + 10).len());
    let more = format!("n\n{more}");
    bench.base = base(None);
    assert_eq!(bench.decode(more.as_bytes()).expect("an append").profile, None, "not half of it");
    bench.base = base(noted);
    let appended = bench.decode(more.as_bytes()).expect("an append");
    assert_eq!(digests(&appended.tables)[..], long_digests[1..]);
    assert_eq!(appended.profile, long.profile);
    assert_eq!(long.profile, Some(profile_of(&long)));
}

/// A golden file: if this digest changes, so do the names of everyone's data. Then the writer's
/// version in `created_by` and the decoder's version count up, and this test keeps both.
#[test]
fn the_bytes_of_a_table_are_pinned() {
    let mut bench = Bench::new();
    bench.options.null_tokens = vec!["NA".to_owned()];
    let lines: String = (0..3000)
        .map(|n| {
            let temp = if n % 7 == 0 { "NA".to_owned() } else { format!("{}.25", n % 40) };
            let day = n % 28 + 1;
            let flag = n % 3 == 0;
            format!(
                "{n},{temp},{}.5e1,2024-02-{day:02},2024-02-{day:02} 10:00:00,{flag},row {n},k{}\n",
                n % 9,
                n % 5
            )
        })
        .collect();
    let text = format!("id,temp,x,day,at,flag,name,key\n{lines}1,2\n");
    let decoded = bench.decode(text.as_bytes()).expect("a table");
    insta::assert_snapshot!(schema_text(&decoded.schema), @"id long, temp decimal(18,2), x double, day date, at timestamp, flag boolean, name string, key string");
    insta::assert_snapshot!(digests(&decoded.tables)[0], @"22b4e33631e57804079a6168ec80e156cd2b520c9668ba02ed991019201f4c70");
    let profile = decoded.profile.as_ref().expect("a profile").to_bytes();
    insta::assert_snapshot!(blake3::hash(&profile).to_hex().as_str(), @"bc77ba46bb9be0f5eeadb769f4591b7e6806b55afe53cb21b98b96dd7b89a26b");
    insta::assert_snapshot!(digests(&decoded.quarantine)[0], @"d3aa81ea3dc261595555ddf87fcfb6d362f31cf44106e1d527fed76ad07d0999");
    insta::assert_snapshot!(text_of_first(&decoded), @r"
    0|∅|5.0|2024-02-01|2024-02-01T10:00:00|true|row 0|k0
    1|1.25|15.0|2024-02-02|2024-02-02T10:00:00|false|row 1|k1
    a.csv|3002|192882|4|312c320a|[{code: missing-cell, column: , rule: 8 fields, severity: error}]
    ");
}

fn text_of_first(decoded: &Decoded) -> String {
    let first = &rows(&decoded.tables)[..2];
    format!("{}\n{}", text(first), text(&rows(&decoded.quarantine)))
}

/// What is skipped is said by kind.
#[test]
fn ranges_without_rows_are_named() {
    let bench = Bench::new();
    let decoded = bench.decode("\u{feff}\n\na,b\n1,2\n\n3,4\n".as_bytes()).expect("a table");
    let skipped = decoded.sources[0].skipped.clone();
    let kinds: Vec<_> = skipped.iter().map(|s| (s.what, s.ranges, s.bytes)).collect();
    assert_eq!(kinds, [(SkipKind::Bom, 1, 3), (SkipKind::Header, 1, 4), (SkipKind::Blank, 3, 3)]);
}
