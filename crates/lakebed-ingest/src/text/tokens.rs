//! The tokeniser: one exact state machine over delimited text.
//!
//! * A record ends with LF, CRLF, a lone CR, or the end of the text.
//! * A quote is special only as the first byte of a field; within a quoted field two quotes are one,
//!   and delimiters and line ends are text.
//! * Bytes between a closing quote and the next delimiter or line end make the record *odd*; it
//!   still ends where a reader who takes those bytes literally would end it.
//! * A line without a byte is blank, and no record.
//! * Told what a row looks like, it believes quotes that hold line ends only after a
//!   [judgement](super::torn); otherwise the record is *torn*, and ends with its line.
//!
//! Fields are positions into the text; nothing is copied here.

use std::ops::Range;

use super::{
    mask::{Finder, Needles},
    torn::{RowShape, Verdict, behind, judge},
};

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
    /// How many fields it has; if it is torn, how many there are before the quote that opened.
    pub(crate) fields: u32,
    /// Whether text follows a closing quote.
    pub(crate) odd: bool,
    /// Whether it is a line without a byte.
    pub(crate) blank: bool,
    /// Whether quotes that opened on its line went wrong.
    pub(crate) torn: bool,
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

/// Reading stopped within quotes: at a line end that was not to be passed, or at the text's end.
struct InQuotes {
    opened: Unclosed,
    /// Fields before the one that is open.
    fields: u32,
}

/// Records of several lines whose lines could be rows as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Doubts {
    pub(crate) records: u64,
    /// Line ends before the first of them.
    pub(crate) first: Option<u64>,
}

/// Reads a text record by record.
pub(crate) struct Tokeniser<'t> {
    text: &'t [u8],
    dialect: Dialect,
    finder: Finder<'t>,
    at: usize,
    line: u32,
    /// What a row looks like; quotes are always believed when that is not known.
    shape: Option<RowShape>,
    /// Lines that begin before this place are read each by itself.
    alone_until: usize,
    doubts: Doubts,
}

impl<'t> Tokeniser<'t> {
    /// `text` is at most [`LONGEST_TEXT`] bytes and begins with a record.
    pub(crate) fn new(text: &'t [u8], dialect: Dialect) -> Self {
        assert!(text.len() <= LONGEST_TEXT, "positions have 30 bits");
        let finder = Finder::new(text, dialect.needles(), 0);
        let doubts = Doubts::default();
        Self { text, dialect, finder, at: 0, line: 0, shape: None, alone_until: 0, doubts }
    }

    /// From here on quotes that hold line ends are judged by what a row looks like.
    pub(crate) const fn judge_by(&mut self, shape: Option<RowShape>) {
        self.shape = shape;
    }

    /// Whether quotes are open, for all that is known, where the text ends.
    pub(crate) const fn is_torn_to_the_end(&self) -> bool {
        self.alone_until >= self.text.len()
    }

    /// Records so far that were believed and perhaps should not be.
    pub(crate) const fn doubts(&self) -> Doubts {
        self.doubts
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
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let (start, line, kept) = (self.at, self.line, ends.len());
        match (self.read(ends, keep, self.shape.is_none()), self.shape) {
            (Ok(record), _) => Ok(Some(record)),
            (Err(stopped), None) => Err(stopped.opened),
            (Err(stopped), Some(shape)) => {
                ends.truncate(kept);
                self.line = line;
                Ok(Some(self.several_lines(start, stopped, shape, ends, keep)))
            }
        }
    }

    /// Reads the record that begins here; stops at the first line end within quotes unless it may
    /// go `across`.
    #[inline(always)]
    fn read(&mut self, ends: &mut Vec<u32>, keep: u32, across: bool) -> Result<Record, InQuotes> {
        let text = self.text;
        let (start, line) = (self.at, self.line);
        let mut record = Record {
            start: start as u32,
            stop: text.len() as u32,
            line,
            fields: 0,
            odd: false,
            blank: false,
            torn: false,
        };
        let mut field_start = start;
        let mut flags = 0;
        loop {
            let place = self.finder.next();
            let byte = place.map(|place| text[place]);
            let end = place.unwrap_or(text.len());
            if byte == Some(self.dialect.quote) {
                if end == field_start {
                    flags = self.quoted(&mut record, across)?;
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
            return Ok(record);
        }
    }

    /// The record that begins at `start`, where reading stopped within quotes.
    #[cold]
    fn several_lines(
        &mut self,
        start: usize,
        stopped: InQuotes,
        shape: RowShape,
        ends: &mut Vec<u32>,
        keep: u32,
    ) -> Record {
        if start >= self.alone_until {
            match judge(self.text, start, self.dialect, shape, true) {
                Verdict::Whole { doubtful, .. } => {
                    let (line, kept) = (self.line, ends.len());
                    self.go_to(start);
                    if let Ok(record) = self.read(ends, keep, true) {
                        self.doubts.records += u64::from(doubtful);
                        if doubtful {
                            self.doubts.first.get_or_insert(u64::from(line));
                        }
                        return record;
                    }
                    debug_assert!(false, "what is whole can be read");
                    ends.truncate(kept);
                    self.line = line;
                }
                Verdict::Torn { resume } => self.alone_until = resume,
                // A line that is too long is refused for that.
                Verdict::Open | Verdict::TooLong => {}
            }
        }
        self.first_line(start, stopped.fields)
    }

    /// The line at `start` as a torn record.
    fn first_line(&mut self, start: usize, fields: u32) -> Record {
        let line_end = memchr::memchr2(b'\n', b'\r', &self.text[start..]);
        let stop = line_end.map_or(self.text.len(), |length| behind(self.text, start + length));
        let line = self.line;
        self.line += u32::from(line_end.is_some());
        self.go_to(stop);
        let (start, stop) = (start as u32, stop as u32);
        Record { start, stop, line, fields, odd: false, blank: false, torn: true }
    }

    fn go_to(&mut self, place: usize) {
        self.at = place;
        self.finder = Finder::new(self.text, self.dialect.needles(), place);
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
    fn quoted(&mut self, record: &mut Record, across: bool) -> Result<u32, InQuotes> {
        let stopped = InQuotes { opened: Unclosed { line: self.line }, fields: record.fields };
        let mut flags = QUOTED;
        loop {
            let Some(place) = self.finder.next() else { return Err(stopped) };
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
                if !across {
                    return Err(stopped);
                }
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
            let is_sound_line = !record.odd && !record.blank && !record.torn;
            let fits = record.fields as usize == self.width && is_sound_line;
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
