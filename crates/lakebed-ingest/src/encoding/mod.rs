//! Text that is not UTF-8: finding out its encoding, and reading it as UTF-8 without losing sight
//! of the original's bytes.
//!
//! | file | does |
//! |---|---|
//! | `detect` | which encoding a source is in, from its head |
//! | `transcode` | original bytes into UTF-8, remembering where each line ends in both |
//! | `passage` | whole records as UTF-8, and what they were in the original |
//!
//! Everything behind this module works on UTF-8. Positions, lengths and raw bytes that leave the
//! crate are the original's (P6): a record begins and ends where lines do, and there the place in the
//! original is known. What the encoding does not have becomes a byte that UTF-8 does not have, so that
//! one check finds both kinds of damage.

mod detect;
#[cfg(test)]
mod laws;
mod passage;
mod transcode;

use encoding_rs::{Encoding, GB18030, GBK, UTF_8, UTF_16BE, UTF_16LE};

use crate::Refusal;

pub(crate) use detect::{Found, choose};
pub(crate) use passage::{Passage, Passages};
pub(crate) use transcode::Transcoder;

/// An encoding other than UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Charset(&'static Encoding);

impl Charset {
    /// What UTF-8 is called.
    pub(crate) const UTF_8: &'static str = "utf-8";

    fn of(encoding: &'static Encoding) -> Option<Self> {
        (encoding != UTF_8).then_some(Self(encoding))
    }

    /// The encoding of that label; none for UTF-8.
    ///
    /// # Errors
    /// When nobody knows the label, or the encoding keeps state beyond the end of a line, so that a
    /// row cannot be read by itself.
    pub(crate) fn of_label(label: &str) -> Result<Option<Self>, Refusal> {
        let encoding = Encoding::for_label_no_replacement(label.as_bytes());
        let stateful = encoding == Some(encoding_rs::ISO_2022_JP);
        match encoding.filter(|_| !stateful && encoding != Some(encoding_rs::X_USER_DEFINED)) {
            Some(encoding) => Ok(Self::of(encoding)),
            None => Err(unknown(label, stateful)),
        }
    }

    /// Its name, in lower case.
    pub(crate) fn name(self) -> String {
        self.0.name().to_ascii_lowercase()
    }

    /// How many bytes a line feed has in it.
    fn unit(self) -> usize {
        if self.is_utf16() { 2 } else { 1 }
    }

    fn is_utf16(self) -> bool {
        [UTF_16LE, UTF_16BE].contains(&self.0)
    }

    /// The bytes of its byte order mark, where it has one.
    pub(crate) fn mark(self) -> &'static [u8] {
        match self.0 {
            encoding if encoding == UTF_16LE => b"\xff\xfe",
            encoding if encoding == UTF_16BE => b"\xfe\xff",
            encoding if encoding == GB18030 || encoding == GBK => b"\x84\x31\x95\x33",
            _ => b"",
        }
    }
}

/// The name of the encoding that `label` means, `utf-8` included; none if nobody knows it or it
/// cannot be read.
#[must_use]
pub fn encoding_name(label: &str) -> Option<String> {
    let charset = Charset::of_label(label).ok()?;
    Some(charset.map_or_else(|| Charset::UTF_8.to_owned(), Charset::name))
}

fn unknown(label: &str, stateful: bool) -> Refusal {
    let label = crate::refusal::shown(label);
    if stateful {
        let message = format!(
            "text in `{label}` cannot be read row by row: it shifts between character sets"
        );
        return Refusal::new(Refusal::UNSUPPORTED_ENCODING, message)
            .hint(format!("convert it first, as in `iconv -f {label} -t UTF-8 in.csv > out.csv`"));
    }
    Refusal::new(Refusal::BAD_OPTION, format!("`{label}` is no encoding that is known"))
        .hint("use a name such as utf-8, utf-16le, windows-1252, iso-8859-15, shift_jis, gb18030")
}
