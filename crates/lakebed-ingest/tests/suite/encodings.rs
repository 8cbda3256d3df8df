//! Text that is not UTF-8: found out and said, recorded, overridable; damage is quarantined as the
//! original has it.

use std::io::Write;

use lakebed_core::{Decode, Header};
use lakebed_ingest::{Decoded, LocalSource, recount};

use crate::bench::{Bench, refusal_text, schema_text, table};

fn encoding(decoded: &Decoded) -> Option<&str> {
    match &decoded.sources[0].decode {
        Decode::Csv(csv) => csv.encoding.as_deref(),
        other => panic!("{other:?}"),
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// What windows-1252 and ISO 8859-1 have in common.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

#[test]
fn an_encoding_is_found_out_said_and_recorded() {
    let bench = Bench::new();
    let german = "Name;Straße;PLZ\nMüller;Hauptstraße 5;50667\nGroß;Am Bühl 7;40210\n";
    let decoded = bench.text(latin1(german));
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"
    `a.csv`: encoding windows-1252 (detected; `--encoding` names another)
    `a.csv`: delimiter semicolon (detected), quote `"`, the first record names the columns (detected; `--header absent` reads it as data)
    "#);
    insta::assert_snapshot!(table(&decoded.tables), @r#"
    Müller|Hauptstraße 5|50667
    Groß|Am Bühl 7|40210
    "#);
    assert_eq!(encoding(&decoded), Some("windows-1252"));
    let source = &decoded.sources[0];
    assert_eq!(source.accepted.bytes + 16, latin1(german).len() as u64, "bytes are the original's");
    let again = LocalSource { name: "a.csv".into(), path: bench.path().join("a.csv") };
    assert_eq!(recount(&again, &source.decode).unwrap().accepted, source.accepted);
    let utf8 = bench.text(german);
    assert_eq!(encoding(&utf8), None);
    assert_eq!(table(&utf8.tables), table(&decoded.tables));
}

#[test]
fn utf16_is_read_with_and_without_a_mark() {
    let bench = Bench::new();
    for text in [
        "\u{feff}id\tname\r\n1\tJürgen\r\n\r\n2\t東京\r\n",
        "id\tname\r\n1\tJürgen\r\n\r\n2\t東京\r\n",
    ] {
        let decoded = bench.text(utf16(text));
        assert_eq!(schema_text(&decoded.schema), "id long, name string");
        assert_eq!(table(&decoded.tables), "1|Jürgen\n2|東京");
        assert_eq!(encoding(&decoded), Some("utf-16le"));
        let source = &decoded.sources[0];
        let skipped: u64 = source.skipped.iter().map(|skipped| skipped.bytes).sum();
        assert_eq!(source.accepted.bytes + skipped, utf16(text).len() as u64);
    }
}

/// Lines, offsets and bytes of quarantined rows are those of the original, also below gzip.
#[test]
fn quarantined_rows_are_the_originals() {
    let text =
        [utf16("\u{feff}id,name\n1,é\n2,"), vec![0x00, 0xd8], utf16("\n3,x,y\nvier,z\n5,a\n")];
    let bench = Bench::with_type("id", "long");
    let decoded = bench.text(text.concat());
    assert_eq!(table(&decoded.tables), "1|é\n5|a");
    insta::assert_snapshot!(table(&decoded.quarantine), @r#"
    a.csv|3|26|8|32002c0000d80a00|[{code: encoding-error, column: name, rule: utf-16le, severity: error}]
    a.csv|4|34|12|33002c0078002c0079000a00|[{code: extra-cell, column: , rule: 2 fields, severity: error}]
    a.csv|5|46|14|76006900650072002c007a000a00|[{code: type-error, column: id, rule: type long, severity: error}]
    "#);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&text.concat()).unwrap();
    let zipped = bench.text(gzip.finish().unwrap());
    assert_eq!(table(&zipped.quarantine), table(&decoded.quarantine));
}

#[test]
fn a_declared_encoding_wins() {
    let mut bench = Bench::new();
    bench.options.encoding = Some("cp1250".into());
    let decoded = bench.text(b"name\nP\xf8\xedbram\n");
    assert_eq!(
        (encoding(&decoded), table(&decoded.tables).as_str()),
        (Some("windows-1250"), "Příbram")
    );
    bench.options.encoding = Some("UTF-8".into());
    bench.options.header = Some(Header::Present);
    let decoded = bench.text(b"name\nP\xf8\xedbram\nBrno\n");
    assert_eq!((encoding(&decoded), table(&decoded.tables).as_str()), (None, "Brno"));
    bench.options.encoding = Some("klingon".into());
    let klingon = bench.decode(&[bench.source("a.csv", "a\n1\n")]).unwrap_err();
    insta::assert_snapshot!(refusal_text(klingon), @r#"
    bad-option: `klingon` is no encoding that is known
    hint: use a name such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, gb18030
    "#);
    bench.options.encoding = Some("iso-2022-jp".into());
    let stateful = bench.decode(&[bench.source("a.csv", "a\n1\n")]).unwrap_err();
    insta::assert_snapshot!(refusal_text(stateful), @r#"
    unsupported-encoding: text in `iso-2022-jp` cannot be read row by row: it shifts between character sets
    hint: convert it first, as in `iconv -f iso-2022-jp -t UTF-8 in.csv > out.csv`
    "#);
}

/// One damaged row of many does not change how the others are read; the note says what would.
#[test]
fn damage_is_no_encoding() {
    let bench = Bench::new();
    let mut text = b"id,city\n".to_vec();
    (0..997).for_each(|n| text.extend(format!("{n},Lyon\n").into_bytes()));
    text.extend(b"997,Besan\xe7on\n");
    let decoded = bench.text(&text);
    assert_eq!((encoding(&decoded), decoded.sources[0].quarantined.rows), (None, 1));
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"
    `a.csv`: some lines are not UTF-8, and look like windows-1252: `--encoding windows-1252` reads all as that
    `a.csv`: delimiter comma (detected), quote `"`, the first record names the columns (detected; `--header absent` reads it as data)
    "#);
    insta::assert_snapshot!(table(&decoded.quarantine), @r#"
    a.csv|999|8871|13|3939372c426573616ee76f6e0a|[{code: encoding-error, column: city, rule: utf-8, severity: error}]
    "#);
}

/// A vertical bar is the second byte of characters in Shift_JIS, and no delimiter there.
#[test]
fn a_trail_byte_is_no_delimiter() {
    let mut bench = Bench::new();
    bench.options.delimiter = Some('|');
    bench.options.encoding = Some("shift_jis".into());
    let decoded = bench.text(b"a|b\n\x83\x7c\x83\x58\x83\x67|1\n");
    assert_eq!(table(&decoded.tables), "ポスト|1");
}
