//! Which encoding a source is in: what was declared, what its byte order mark says, UTF-8 if it is
//! that, else what its bytes look like.
//!
//! A damaged row in a text of UTF-8 must not turn the text into something else: then every row would
//! be read wrong, and none would look it. So another encoding is believed only where lines that are no
//! UTF-8 are more than a few, and more than those that are UTF-8 beyond ASCII.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};
use lakebed_core::DecodeOptions;

use super::Charset;
use crate::Refusal;

/// What was found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// None is UTF-8.
    pub(crate) charset: Option<Charset>,
    /// Whether that was found out, not told.
    pub(crate) detected: bool,
    /// What the lines look like that are no UTF-8, though the text is.
    pub(crate) proposed: Option<Charset>,
}

/// Chooses the encoding of a text that begins with `head`; `whole` says that this is all of it.
pub(crate) fn choose(options: &DecodeOptions, head: &[u8], whole: bool) -> Result<Found, Refusal> {
    if let Some(label) = &options.encoding {
        let charset = Charset::of_label(label)?;
        return Ok(Found { charset, ..Found::default() });
    }
    Ok(detect(head, whole))
}

fn detect(head: &[u8], whole: bool) -> Found {
    let nothing = Found { detected: true, ..Found::default() };
    if head.starts_with(b"\xef\xbb\xbf") {
        return nothing;
    }
    if let Some(charset) = utf16(head) {
        return Found { charset: Some(charset), ..nothing };
    }
    let head = if whole { head } else { whole_lines(head) };
    if simdutf8::basic::from_utf8(head).is_ok() {
        return nothing;
    }
    let lines = Lines::of(head);
    let Some(charset) = guess(head).filter(|_| lines.foreign > 0) else { return nothing };
    let believed = lines.foreign > lines.beyond_ascii && lines.foreign * 100 >= lines.all;
    match believed {
        true => Found { charset: Some(charset), ..nothing },
        false => Found { proposed: Some(charset), ..nothing },
    }
}

/// Marked as UTF-16, or with a zero in nearly every other byte and hardly any between.
fn utf16(head: &[u8]) -> Option<Charset> {
    let nulls =
        |parity: usize| head.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let half = head.len() / 2;
    let (even, odd) = (nulls(0), nulls(1));
    let alternates = half >= 4 && even.max(odd) * 10 > half * 8 && even.min(odd) * 10 < half;
    let encoding = match head {
        [0xff, 0xfe, ..] => UTF_16LE,
        [0xfe, 0xff, ..] => UTF_16BE,
        _ if alternates && odd > even => UTF_16LE,
        _ if alternates => UTF_16BE,
        _ => return None,
    };
    Charset::of(encoding)
}

/// The head up to its last line end, or all of it.
fn whole_lines(head: &[u8]) -> &[u8] {
    match memchr::memrchr2(b'\n', b'\r', head) {
        Some(place) => &head[..=place],
        None => head,
    }
}

/// Lines by what they are.
#[derive(Debug, Default)]
struct Lines {
    all: usize,
    /// No UTF-8.
    foreign: usize,
    /// UTF-8 beyond ASCII.
    beyond_ascii: usize,
}

impl Lines {
    fn of(head: &[u8]) -> Self {
        let mut lines = Self::default();
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        for line in head.split(is_end).filter(|line| !line.is_empty()) {
            lines.all += 1;
            match std::str::from_utf8(line) {
                Ok(_) => lines.beyond_ascii += usize::from(!line.is_ascii()),
                Err(_) => lines.foreign += 1,
            }
        }
        lines
    }
}

/// What the bytes look like, if they look like text at all.
fn guess(head: &[u8]) -> Option<Charset> {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(head, true);
    let charset = Charset::of(detector.guess(None, Utf8Detection::Deny))?;
    is_plausible(charset, head).then_some(charset)
}

/// Whether `head` decodes to text: nothing that the encoding lacks, no control characters but those
/// of ASCII, some ASCII (every table has delimiters or line ends), and not just the one or two letters
/// that stand where bytes were filled with ones.
fn is_plausible(charset: Charset, head: &[u8]) -> bool {
    let ascii = head.iter().filter(|byte| byte.is_ascii()).count();
    if ascii * 50 < head.len() || !head.iter().any(|byte| (0x80..0xfe).contains(byte)) {
        return false;
    }
    let mut decoder = charset.0.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(head.len());
    let mut text = vec![0; room.unwrap_or(0)];
    let (result, _, written) = decoder.decode_to_utf8_without_replacement(head, &mut text, true);
    let text = String::from_utf8_lossy(&text[..written]);
    let odd = |character: char| ('\u{80}'..='\u{9f}').contains(&character);
    result == DecoderResult::InputEmpty && !text.chars().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(head: &[u8]) -> (String, Option<String>) {
        let found = detect(head, true);
        let name = |charset: Charset| charset.name();
        (found.charset.map_or_else(|| "utf-8".to_owned(), name), found.proposed.map(name))
    }

    fn name(head: &[u8]) -> String {
        found(head).0
    }

    fn encoded(label: &str, text: &str) -> Vec<u8> {
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).expect("a label");
        encoding.encode(text).0.into_owned()
    }

    #[test]
    fn marks_and_zeros_tell_utf16() {
        assert_eq!(name(b"\xff\xfea\0,\0b\0\n\0"), "utf-16le");
        assert_eq!(name(b"\xfe\xff\0a\0,\0b\0\n"), "utf-16be");
        assert_eq!(name(b"a\0,\0b\0\n\0c\0d\0"), "utf-16le");
        assert_eq!(name(b"\0a\0,\0b\0\n\0c\0d"), "utf-16be");
        assert_eq!(name(b"\xef\xbb\xbfa,b\n"), "utf-8");
    }

    #[test]
    fn text_in_other_encodings_is_recognised() {
        let german = "Name;Straße;Ort\nMüller;Hauptstraße 5;Köln\nGroß;Am Bühl 7;Düsseldorf\n";
        assert_eq!(name(&encoded("windows-1252", german)), "windows-1252");
        let russian = "имя,город\nИван,Москва\nПётр,Санкт-Петербург\nОльга,Новосибирск\n";
        assert_eq!(name(&encoded("windows-1251", russian)), "windows-1251");
        assert_eq!(name(&encoded("koi8-r", russian)), "koi8-u", "of which it is the same here");
        let japanese = "名前,都市\n山田太郎,東京都千代田区\nさとう,おおさか\nカタカナ,テスト\n";
        assert_eq!(name(&encoded("shift_jis", japanese)), "shift_jis");
        assert_eq!(name(&encoded("euc-jp", japanese)), "euc-jp");
        let chinese = "姓名,城市\n张三,北京市朝阳区\n李四,上海市浦东新区\n王五,广州\n";
        assert_eq!(name(&encoded("gbk", chinese)), "gbk");
        assert_eq!(name(german.as_bytes()), "utf-8");
    }

    /// One bad row does not turn the others into something else; what it looks like is proposed.
    #[test]
    fn a_damaged_row_is_no_encoding() {
        let mut text = "id,city\n".to_owned();
        (0..500).for_each(|n| text.push_str(&format!("{n},Lyon\n")));
        let ascii = [text.as_bytes(), b"500,Besan\xe7on\n"].concat();
        assert_eq!(found(&ascii), ("utf-8".to_owned(), Some("windows-1252".to_owned())));
        let mixed = "id,city\n1,Köln\n2,Düren\n".as_bytes();
        let mixed = [mixed, b"3,M\xfcnster\n"].concat();
        assert_eq!(name(&mixed), "utf-8");
        assert_eq!(found(b"id,city\n1,\xff\n2,\xff\xfe\n"), ("utf-8".to_owned(), None));
        assert_eq!(name(b"id,city\n1,M\xfcnster\n2,K\xf6ln\n"), "windows-1252");
    }

    #[test]
    fn bytes_are_no_text() {
        assert_eq!(name(&[0x9f; 100]), "utf-8");
        let noise: Vec<u8> =
            (0_u32..4000).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert_eq!(name(&noise), "utf-8");
    }

    #[test]
    fn labels_are_those_of_the_web() {
        let name = |label: &str| super::super::encoding_name(label);
        assert_eq!(name("Latin1").as_deref(), Some("windows-1252"));
        assert_eq!(name("UTF8").as_deref(), Some("utf-8"));
        assert_eq!(name("sjis").as_deref(), Some("shift_jis"));
        assert_eq!((name("iso-2022-jp"), name("klingon"), name("iso-2022-kr")), (None, None, None));
    }
}
