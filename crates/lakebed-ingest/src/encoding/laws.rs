//! Laws of reading text that is not UTF-8: for arbitrary bytes in every encoding, however they come
//! in, nothing is lost (P6), and what a UTF-8 file would give is what comes out.

use std::io::Read;

use lakebed_core::{Decode, DecodeOptions, FormatName, Header};
use proptest::prelude::*;

use super::{Charset, Transcoder};
use crate::{
    chunks::{Sizes, line_ends},
    infer::Tuning,
    recount::recount_with,
    testing::{Bench, check_accounts, digests},
};

const LABELS: [&str; 14] = [
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "iso-8859-8",
    "koi8-r",
    "macintosh",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "gbk",
    "gb18030",
    "big5",
    "windows-874",
    "ibm866",
];

fn charset(label: &str) -> Charset {
    Charset::of_label(label).expect("a label").expect("not UTF-8")
}

/// Reads a few bytes at a time.
struct Drops<'b>(&'b [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(self.1).min(buffer.len());
        self.0.read(&mut buffer[..count])
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let any = prop::collection::vec(any::<u8>(), 0..60);
    let mean = prop::collection::vec(
        prop::sample::select(b"\x81\x30\x7c\x00\x0a\x0d,\"a1\xe3\xd8\xdc\xff\xfe".to_vec()),
        0..200,
    );
    prop_oneof![any, mean]
}

fn lenient(label: &str) -> DecodeOptions {
    DecodeOptions {
        format: Some(FormatName::Csv),
        encoding: Some(label.to_owned()),
        max_quarantined: Some(1.0),
        header: Some(Header::Present),
        delimiter: Some(','),
        quote: Some('"'),
        ..DecodeOptions::default()
    }
}

fn tuning(chunk: usize) -> Tuning {
    Tuning { sizes: Sizes { chunk, record: 4096 }, sample: 50, least_sample: 1, patience: 1 << 30 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// The text is what the library makes of the whole, and lines end at the same places.
    #[test]
    fn lines_of_text_are_lines_of_the_original(
        bytes in bytes(), label in prop::sample::select(LABELS.to_vec()), drop in 1_usize..9,
    ) {
        let charset = charset(label);
        let mut transcoder = Transcoder::new(Drops(&bytes, drop), charset);
        let mut text = Vec::new();
        transcoder.read_to_end(&mut text).expect("memory can be read");
        let expected = charset.0.decode_without_bom_handling(&bytes).0;
        let found = String::from_utf8_lossy(&text);
        prop_assert_eq!(found.chars().filter(|c| *c != '\u{fffd}').collect::<String>(),
            expected.chars().filter(|c| *c != '\u{fffd}').collect::<String>());
        let mut original = Vec::new();
        let (mut rest, mut lines) = (text.as_slice(), 0);
        while let Some(place) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let line = transcoder.take_original(place + 1).expect("a line end is a place");
            let alone = charset.0.decode_without_bom_handling(&line.bytes).0;
            prop_assert!(alone.ends_with(['\n', '\r']), "{:?}", line.bytes);
            original.extend(line.bytes);
            rest = &rest[place + 1..];
            lines += 1;
        }
        original.extend(transcoder.take_original(rest.len()).expect("the end is a place").bytes);
        prop_assert_eq!(&original, &bytes);
        prop_assert_eq!(lines, expected.matches(['\n', '\r']).count());
    }

    /// P6, in every encoding: quarantined rows are kept byte by byte where they were; with the
    /// accepted and the skipped they are the source; and counting again gives the same.
    #[test]
    fn no_byte_disappears(
        bytes in bytes(), label in prop::sample::select(LABELS.to_vec()), chunk in 1_usize..100,
    ) {
        let charset = charset(label);
        let header = charset.encoded("a,b\n");
        let bytes = [header, bytes].concat();
        let mut bench = Bench::new();
        bench.options = lenient(label);
        bench.tuning = tuning(chunk);
        let source = bench.source("a.csv", &bytes);
        let decoded = match bench.decode_all(std::slice::from_ref(&source)) {
            Ok(decoded) => decoded,
            Err(refusal) => {
                prop_assert!(refusal.is_about_the_source(), "{}", refusal);
                return Ok(());
            }
        };
        let counted = &decoded.sources[0];
        check_accounts(&decoded, &bytes, |place| {
            let before = charset.0.decode_without_bom_handling(&bytes[..place]).0;
            line_ends(before.as_bytes())
        })?;
        let again = recount_with(&source, &counted.decode, None, tuning(chunk * 2), 2).expect("once more");
        prop_assert_eq!((again.accepted, again.quarantined, &again.skipped),
            (counted.accepted, counted.quarantined, &counted.skipped));
    }

    /// The same text gives the same table, whatever encoding it is in and wherever chunks are cut.
    #[test]
    fn an_encoding_changes_no_row(
        lines in prop::collection::vec("[a-zàéß]{0,4},\"?[0-9é]{1,3}\n{1,2}", 1..20), chunk in 1_usize..60,
    ) {
        let text = format!("nàme,n\n{}x,1\n", lines.concat());
        let mut bench = Bench::new();
        bench.options = lenient("utf-8");
        let Ok(plain) = bench.decode(text.as_bytes()) else { return Ok(()) };
        for label in ["utf-16le", "utf-16be", "windows-1252", "gb18030"] {
            bench.options = lenient(label);
            bench.tuning = tuning(chunk);
            let decoded = bench.decode(&charset(label).encoded(&text)).expect("it was taken as UTF-8");
            prop_assert_eq!(digests(&decoded.tables), digests(&plain.tables), "{}", label);
            let Decode::Csv(csv) = &decoded.sources[0].decode else { panic!("csv") };
            prop_assert_eq!(csv.encoding.as_deref(), Some(label));
        }
    }
}

impl Charset {
    /// `text` in this encoding.
    pub(super) fn encoded(self, text: &str) -> Vec<u8> {
        if !self.is_utf16() {
            return self.0.encode(text).0.into_owned();
        }
        let big = self.0 == encoding_rs::UTF_16BE;
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }
}
