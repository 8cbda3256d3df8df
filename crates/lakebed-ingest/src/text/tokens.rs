//! The tokeniser: one exact state machine over delimited text.
//!
//! * A record ends with LF, CRLF, a lone CR, or the end of the text.
//! * A quote is special only as the first byte of a field; within a quoted field two quotes are one,
//!   and delimiters and line ends are text.
//! * Bytes between a closing quote and the next delimiter or line end make the record *odd*; it
//!   still ends where a reader who takes those bytes literally would end it.
//! * A line without a byte is blank, and no record.
//!
//! Fields are positions into the text; nothing is copied here.

use std::ops::Range;

use super::mask::{Finder, Needles};

/// The field's text stands between quotes.
const QUOTED: u32 = 1 << 31;
/// The field's text holds doubled quotes.
const ESCAPED: u32 = 1 << 30;
/// Where the field ends; texts are shorter than this.
const PLACE: u32 = ESCAPED - 1;

/// The longest text that positions can name.
pub(crate) const LONGEST_TEXT: usize = PLACE as usize;

/// The bytes with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
}

impl Dialect {
    pub(crate) const fn needles(self) -> Needles {
        Needles([self.delimiter, self.quote, b'\n', b'\r'])
    }

    /// Whether a field begins after this byte.
    pub(crate) const fn ends_field(self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }
}

/// One record: where it is and what is wrong with its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its first byte.
    pub(crate) start: u32,
    /// Behind its line end.
    pub(crate) stop: u32,
    /// Line ends before it in the text.
    pub(crate) line: u32,
    /// How many fields it has.
    pub(crate) fields: u32,
    /// Whether text follows a closing quote.
    pub(crate) odd: bool,
    /// Whether it is a line without a byte.
    pub(crate) blank: bool,
}

impl Record {
    pub(crate) const fn range(&self) -> Range<usize> {
        self.start as usize..self.stop as usize
    }
}

/// The text ends within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unclosed {
    /// Line ends before the quote that opened.
    pub(crate) line: u32,
}

/// Reads a text record by record.
pub(crate) struct Tokeniser<'t> {
    text: &'t [u8],
    dialect: Dialect,
    finder: Finder<'t>,
    at: usize,
    line: u32,
}

impl<'t> Tokeniser<'t> {
    /// `text` is at most [`LONGEST_TEXT`] bytes and begins with a record.
    pub(crate) fn new(text: &'t [u8], dialect: Dialect) -> Self {
        assert!(text.len() <= LONGEST_TEXT, "positions have 30 bits");
        Self { text, dialect, finder: Finder::new(text, dialect.needles(), 0), at: 0, line: 0 }
    }

    /// Line ends passed so far.
    pub(crate) const fn line(&self) -> u32 {
        self.line
    }

    /// The next record, its first `keep` fields appended to `ends`; none at the end of the text.
    #[inline(always)]
    pub(crate) fn next(
        &mut self,
        ends: &mut Vec<u32>,
        keep: u32,
    ) -> Result<Option<Record>, Unclosed> {
        let text = self.text;
        let (start, line) = (self.at, self.line);
        if start >= text.len() {
            return Ok(None);
        }
        let mut record = Record {
            start: start as u32,
            stop: text.len() as u32,
            line,
            fields: 0,
            odd: false,
            blank: false,
        };
        let mut field_start = start;
        let mut flags = 0;
        loop {
            let place = self.finder.next();
            let byte = place.map(|place| text[place]);
            let end = place.unwrap_or(text.len());
            if byte == Some(self.dialect.quote) {
                if end == field_start {
                    flags = self.quoted(&mut record)?;
                }
                continue;
            }
            if record.fields < keep {
                ends.push(end as u32 | flags);
            }
            record.fields += 1;
            if byte == Some(self.dialect.delimiter) {
                field_start = end + 1;
                flags = 0;
                continue;
            }
            self.at = end;
            if let Some(byte) = byte {
                record.blank = end == start;
                self.pass_line_end(byte, end);
            }
            record.stop = self.at as u32;
            return Ok(Some(record));
        }
    }

    #[inline(always)]
    fn pass_line_end(&mut self, byte: u8, place: usize) {
        self.at = place + 1;
        if byte == b'\r' && self.text.get(self.at) == Some(&b'\n') {
            self.finder.next();
            self.at += 1;
        }
        self.line += 1;
    }

    /// Passes a quoted field whose opening quote was just found; returns the field's flags.
    #[inline(always)]
    fn quoted(&mut self, record: &mut Record) -> Result<u32, Unclosed> {
        let opened = Unclosed { line: self.line };
        let mut flags = QUOTED;
        loop {
            let place = self.finder.next().ok_or(opened)?;
            let byte = self.text[place];
            let next = self.text.get(place + 1).copied();
            if byte == self.dialect.quote {
                match next {
                    Some(next) if next == byte => {
                        self.finder.next();
                        flags |= ESCAPED;
                    }
                    Some(next) if !self.dialect.ends_field(next) => {
                        record.odd = true;
                        return Ok(flags);
                    }
                    _ => return Ok(flags),
                }
            } else if byte == b'\n' || (byte == b'\r' && next != Some(b'\n')) {
                self.line += 1;
            }
        }
    }
}

/// A field as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawField<'t> {
    /// Its text, without surrounding quotes.
    pub(crate) bytes: &'t [u8],
    /// Whether quotes stood around it.
    pub(crate) quoted: bool,
    /// Whether two quotes in it stand for one.
    pub(crate) escaped: bool,
}

impl RawField<'_> {
    /// Appends the field's text, two quotes made one.
    pub(crate) fn unescape_into(&self, quote: u8, out: &mut Vec<u8>) {
        let mut rest = self.bytes;
        while self.escaped
            && let Some(place) = memchr::memchr(quote, rest)
        {
            out.extend_from_slice(&rest[..=place]);
            rest = &rest[(place + 2).min(rest.len())..];
        }
        out.extend_from_slice(rest);
    }
}

/// Some records of equal width, for reading column by column.
#[derive(Debug, Default)]
pub(crate) struct RowBlock {
    width: usize,
    ends: Vec<u32>,
    pub(crate) rows: Vec<Record>,
}

impl RowBlock {
    /// An empty block for records of `width` fields.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, ends: Vec::new(), rows: Vec::new() }
    }

    /// Fills the block with the next records of the right shape that are sound, at most `rows` of
    /// them. Hands the others, blank lines included, to `misfit`. False when the text has ended.
    #[inline(always)]
    pub(crate) fn fill(
        &mut self,
        tokens: &mut Tokeniser<'_>,
        rows: usize,
        is_sound: impl Fn(&Record) -> bool,
        mut misfit: impl FnMut(Record),
    ) -> Result<bool, Unclosed> {
        self.ends.clear();
        self.rows.clear();
        while self.rows.len() < rows {
            let length = self.ends.len();
            let Some(record) = tokens.next(&mut self.ends, self.width as u32)? else {
                return Ok(false);
            };
            let fits = record.fields as usize == self.width && !record.odd && !record.blank;
            if fits && is_sound(&record) {
                self.rows.push(record);
            } else {
                self.ends.truncate(length);
                misfit(record);
            }
        }
        Ok(true)
    }

    /// The field of a row and column of this block; `text` is what the tokeniser read.
    #[inline(always)]
    pub(crate) fn field<'t>(&self, text: &'t [u8], row: usize, column: usize) -> RawField<'t> {
        let place = row * self.width + column;
        let start = match column {
            0 => self.rows[row].start as usize,
            _ => (self.ends[place - 1] & PLACE) as usize + 1,
        };
        raw_field(text, start, self.ends[place])
    }
}

#[inline(always)]
fn raw_field(text: &[u8], start: usize, end: u32) -> RawField<'_> {
    let stop = (end & PLACE) as usize;
    if end & QUOTED == 0 {
        return RawField { bytes: &text[start..stop], quoted: false, escaped: false };
    }
    let bytes = &text[start + 1..stop - 1];
    RawField { bytes, quoted: true, escaped: end & ESCAPED != 0 }
}

/// The fields of one record, given the ends that [`Tokeniser::next`] appended for it.
pub(crate) fn fields_of<'t>(text: &'t [u8], record: Record, ends: &[u32]) -> Vec<RawField<'t>> {
    let mut start = record.start as usize;
    let mut fields = Vec::with_capacity(ends.len());
    for &end in ends {
        fields.push(raw_field(text, start, end));
        start = (end & PLACE) as usize + 1;
    }
    fields
}
