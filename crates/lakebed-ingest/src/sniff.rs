//! Finding out what a source is, from its first bytes.
//!
//! What is found depends on those bytes, the source's name and the options, and never on the
//! dataset: the same file is always seen the same way.

use std::{
    io::{self, Read},
    sync::Arc,
};

use lakebed_core::{Compression, DecodeOptions, FormatName, Header};

use crate::{
    LocalSource, Refusal,
    account::Account,
    encoding::{self, Charset, Found, Transcoder},
    input,
    json_in::{self, Json},
    names::{self, Names},
    refusal::shown,
    text::{
        Dialect, RawField, RowShape, Tokeniser,
        torn::{Verdict, judge},
    },
    xlsx_in::{self, Sheet},
};

mod binary;
mod dialect;
mod header;

/// How much of a source is looked at, unless its first record is longer.
const HEAD_BYTES: usize = 256 * 1024;
/// The longest header that is taken.
const LONGEST_HEADER: usize = 16 << 20;
/// What workbooks of before 2007 begin with, and encrypted ones.
const OLD_WORKBOOK: &[u8] = b"\xd0\xcf\x11\xe0";
const UNCLOSED_HINT: &str =
    "repair that line, or name another quote character if `\"` is ordinary text here";
/// How many records are compared.
const RECORDS: usize = 1000;

/// What a source is.
#[derive(Debug, Clone)]
pub(crate) enum Sniffed {
    Text(Text),
    /// Keys and types are still to be found out.
    Json(Json),
    Parquet,
}

/// A delimited text.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) compression: Option<Compression>,
    /// None is UTF-8.
    pub(crate) charset: Option<Charset>,
    /// The sheet that it is the text of, if it is one's.
    pub(crate) sheet: Option<Arc<Sheet>>,
    /// What lines look like that are no UTF-8, though the text is.
    pub(crate) proposed: Option<Charset>,
    pub(crate) dialect: Dialect,
    pub(crate) header: Header,
    /// Whether delimiter and header were detected, not told.
    pub(crate) detected: Detected,
    pub(crate) names: Names,
    pub(crate) preamble: Preamble,
    /// The bytes of the preamble as UTF-8.
    pub(crate) skip: u64,
}

impl Text {
    /// An account of its rows, of which there are none yet.
    pub(crate) fn account(&self, width: usize) -> Account {
        match self.sheet.is_some() {
            true => Account::of_made_text(self.preamble, width),
            false => Account::new(self.preamble, width),
        }
    }
}

/// What was not told and had to be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Detected {
    pub(crate) encoding: bool,
    pub(crate) delimiter: bool,
    pub(crate) quote: bool,
    pub(crate) header: bool,
}

/// The bytes before the first data record, in the source's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Preamble {
    /// A byte order mark, or 0.
    pub(crate) bom: u64,
    /// Blank lines before the header, and their bytes.
    pub(crate) blank_lines: u64,
    pub(crate) blank_bytes: u64,
    /// The header with its line end; 0 without one.
    pub(crate) header_bytes: u64,
    /// Line ends in all of it.
    pub(crate) lines: u64,
}

impl Preamble {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bom + self.blank_bytes + self.header_bytes
    }
}

/// Looks at the head of `source`.
pub(crate) fn sniff(source: &LocalSource, options: &DecodeOptions) -> Result<Sniffed, Refusal> {
    let raw = read_head(source, &Wrapping::default(), HEAD_BYTES)?;
    if raw.bytes.is_empty() {
        return Err(empty(source));
    }
    if let Some(text) = sniff_workbook(source, options, &raw)? {
        return Ok(Sniffed::Text(text));
    }
    if raw.bytes.starts_with(b"PAR1") {
        return match options.format {
            None | Some(FormatName::Parquet) => Ok(Sniffed::Parquet),
            Some(_) => Err(not_csv_but_parquet(source)),
        };
    }
    if options.format == Some(FormatName::Parquet) {
        let message = format!("`{}` is no Parquet file", shown(&source.name));
        return Err(Refusal::new(Refusal::DAMAGED_PARQUET, message)
            .hint("leave the format out to have it detected"));
    }
    let compression = input::compression_of(&raw.bytes);
    let head = match compression {
        None => raw,
        Some(_) => read_head(source, &Wrapping { compression, ..Wrapping::default() }, HEAD_BYTES)?,
    };
    if let Some(form) = json_in::recognise(&source.name, options.format, &head.bytes) {
        check_json(source, options, &head)?;
        let bom = json_in::bom(&head.bytes);
        return Ok(Sniffed::Json(Json::new(compression, form, bom)));
    }
    let found = encoding::choose(options, &head.bytes, head.whole)?;
    let wrapping = Wrapping { compression, charset: found.charset, sheet: None };
    let head = match found.charset {
        None => head,
        Some(_) => read_head(source, &wrapping, HEAD_BYTES)?,
    };
    sniff_text(source, options, wrapping, found, head).map(Sniffed::Text)
}

/// The sheet of a workbook as text; none if the source is no workbook.
fn sniff_workbook(
    source: &LocalSource,
    options: &DecodeOptions,
    raw: &Head,
) -> Result<Option<Text>, Refusal> {
    let is_asked = options.format == Some(FormatName::Xlsx);
    if raw.bytes.starts_with(OLD_WORKBOOK) && (is_asked || options.format.is_none()) {
        let what = "an old Excel workbook (.xls), or one with a password";
        return Err(xlsx_in::of_another_kind(&source.name, what));
    }
    let sheet = match raw.bytes.starts_with(b"PK\x03\x04") {
        true if is_asked || options.format.is_none() => xlsx_in::find(source, options)?,
        _ => None,
    };
    let Some(sheet) = sheet.map(Arc::new) else {
        return match is_asked || options.sheet.is_some() || options.range.is_some() {
            true => Err(not_a_workbook(source)),
            false => Ok(None),
        };
    };
    let wrapping = Wrapping { sheet: Some(sheet), ..Wrapping::default() };
    let head = read_head(source, &wrapping, HEAD_BYTES)?;
    sniff_text(source, options, wrapping, Found::default(), head).map(Some)
}

fn not_a_workbook(source: &LocalSource) -> Refusal {
    let message = format!("`{}` is no Excel workbook (.xlsx)", shown(&source.name));
    Refusal::new(Refusal::BAD_OPTION, message)
        .hint("leave `--as`, `--sheet` and `--range` out to have the format detected")
}

/// The dialect of those two characters.
pub(crate) fn dialect_of(delimiter: char, quote: char) -> Result<Dialect, Refusal> {
    Ok(Dialect {
        delimiter: dialect::checked(delimiter, "delimiter")?,
        quote: dialect::checked(quote, "quote")?,
    })
}

/// The preamble of a source that was decoded before, and its bytes as UTF-8: dialect and header are
/// known.
pub(crate) fn preamble_of(
    source: &LocalSource,
    wrapping: &Wrapping,
    dialect: Dialect,
    header: Header,
) -> Result<(Preamble, u64), Refusal> {
    let head = read_head(source, wrapping, HEAD_BYTES)?;
    let (preamble, _) = first_record(source, wrapping, dialect, head)?;
    let preamble = match header {
        Header::Present => preamble,
        Header::Absent => without_header(preamble),
    };
    Ok((original_of(source, wrapping, preamble)?, preamble.bytes()))
}

/// What lies around a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wrapping {
    pub(crate) compression: Option<Compression>,
    /// None is UTF-8.
    pub(crate) charset: Option<Charset>,
    /// The sheet of a workbook, if it is one.
    pub(crate) sheet: Option<Arc<Sheet>>,
}

impl Wrapping {
    /// The bytes inside, in their own encoding.
    fn open(&self, source: &LocalSource) -> Result<Box<dyn Read + Send>, Refusal> {
        match &self.sheet {
            None => input::open(&source.path, self.compression, None)
                .map_err(|error| Refusal::unreadable(&source.name, &error)),
            Some(sheet) => {
                sheet.open(&source.path, None).map_err(|error| self.refuse(source, &error))
            }
        }
    }

    fn refuse(&self, source: &LocalSource, error: &io::Error) -> Refusal {
        input::refuse(&source.name, self.compression, error)
    }
}

/// The preamble in the source's encoding, given what it is as UTF-8.
fn original_of(
    source: &LocalSource,
    wrapping: &Wrapping,
    preamble: Preamble,
) -> Result<Preamble, Refusal> {
    let Some(charset) = wrapping.charset else { return Ok(preamble) };
    let refuse = |error| wrapping.refuse(source, &error);
    let mut input = Transcoder::new(wrapping.open(source)?, charset);
    io::copy(&mut input.by_ref().take(preamble.bytes()), &mut io::sink()).map_err(refuse)?;
    let length = usize::try_from(preamble.bytes()).map_err(Refusal::internal)?;
    let original = input
        .take_original(length)
        .ok_or_else(|| Refusal::internal("the preamble ends within a line"))?;
    let bom = if preamble.bom > 0 { charset.mark().len() as u64 } else { 0 };
    let blank_bytes = preamble.blank_bytes * original.unit as u64;
    let header_bytes = original.bytes.len() as u64 - bom - blank_bytes;
    Ok(Preamble { bom, blank_bytes, header_bytes, ..preamble })
}

/// JSON is UTF-8 (RFC 8259, section 8.1).
fn check_json(source: &LocalSource, options: &DecodeOptions, head: &Head) -> Result<(), Refusal> {
    let told = options.encoding.as_deref().map(Charset::of_label).transpose()?.flatten();
    let looks_other = head.bytes.iter().take(4).any(|byte| *byte == 0)
        || head.bytes.starts_with(b"\xff\xfe")
        || head.bytes.starts_with(b"\xfe\xff");
    match told.is_some() || looks_other {
        false => Ok(()),
        true => {
            let message =
                format!("`{}` is JSON in another encoding than UTF-8", shown(&source.name));
            Err(Refusal::new(Refusal::UNSUPPORTED_ENCODING, message)
                .hint("convert it first, as in `iconv -f UTF-16 -t UTF-8 in.json > out.json`"))
        }
    }
}

struct Head {
    bytes: Vec<u8>,
    /// Whether that is all there is.
    whole: bool,
}

fn read_head(source: &LocalSource, wrapping: &Wrapping, limit: usize) -> Result<Head, Refusal> {
    let refuse = |error| wrapping.refuse(source, &error);
    let reader = wrapping.open(source)?;
    let reader: Box<dyn Read + Send> = match wrapping.charset {
        None => reader,
        Some(charset) => Box::new(Transcoder::new(reader, charset)),
    };
    let mut bytes = Vec::new();
    reader.take(limit as u64).read_to_end(&mut bytes).map_err(refuse)?;
    Ok(Head { whole: bytes.len() < limit, bytes })
}

fn empty(source: &LocalSource) -> Refusal {
    Refusal::new(Refusal::EMPTY_SOURCE, format!("`{}` is empty", shown(&source.name)))
        .hint("check that the file was written completely")
}

fn not_csv_but_parquet(source: &LocalSource) -> Refusal {
    let message = format!("`{}` is a Parquet file, not delimited text", shown(&source.name));
    Refusal::new(Refusal::BAD_OPTION, message).hint("leave the format out to have it detected")
}

fn sniff_text(
    source: &LocalSource,
    options: &DecodeOptions,
    wrapping: Wrapping,
    found: Found,
    head: Head,
) -> Result<Text, Refusal> {
    if head.bytes.is_empty() {
        return Err(empty(source));
    }
    let is_sheet = wrapping.sheet.is_some();
    if !is_sheet {
        let told = options.format == Some(FormatName::Csv);
        binary::check(&source.name, &head.bytes, told)?;
    }
    let bom = bom_of(&head.bytes);
    let (dialect, mut detected) = match is_sheet {
        false => dialect::choose(source, options, &head.bytes[bom..], head.whole)?,
        true => (Dialect { delimiter: b',', quote: b'"' }, Detected::default()),
    };
    let (preamble, head) = first_record(source, &wrapping, dialect, head)?;
    let records = match is_sheet {
        false => {
            check_first(source, &head, preamble, dialect)?;
            records_of(&head, bom, dialect)
        }
        true => records_in(&head.bytes, head.whole, dialect, Quotes::Believed),
    };
    let first = records.first().ok_or_else(|| no_rows(source))?;
    let header = match options.header {
        Some(header) => header,
        None => header::detect(&records),
    };
    detected.header = options.header.is_none();
    detected.encoding = found.detected;
    let (names, preamble) = match header {
        Header::Present => (names::usable(names_in(source, first, dialect)?), preamble),
        Header::Absent => {
            let names = names::usable(names::numbered(first.fields.len()));
            (names, without_header(preamble))
        }
    };
    let skip = preamble.bytes();
    let preamble = original_of(source, &wrapping, preamble)?;
    let (Wrapping { compression, charset, sheet }, proposed) = (wrapping, found.proposed);
    Ok(Text {
        compression,
        charset,
        sheet,
        proposed,
        dialect,
        header,
        detected,
        names,
        preamble,
        skip,
    })
}

const fn without_header(preamble: Preamble) -> Preamble {
    // Blank lines before the first data record are the decoder's to count.
    Preamble { bom: preamble.bom, blank_lines: 0, blank_bytes: 0, header_bytes: 0, lines: 0 }
}

fn bom_of(head: &[u8]) -> usize {
    if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

fn no_rows(source: &LocalSource) -> Refusal {
    Refusal::new(Refusal::NO_ROWS, format!("`{}` has no rows", shown(&source.name)))
        .hint("it holds nothing but blank lines")
}

/// Finds the first record, reading on where the head does not hold all of it.
fn first_record(
    source: &LocalSource,
    wrapping: &Wrapping,
    dialect: Dialect,
    mut head: Head,
) -> Result<(Preamble, Head), Refusal> {
    loop {
        let bom = bom_of(&head.bytes);
        if let Some(preamble) = preamble_in(&head, bom, dialect) {
            return Ok((preamble, head));
        }
        if head.whole {
            return Err(unclosed_or_empty(source, &head, bom, dialect));
        }
        if head.bytes.len() >= LONGEST_HEADER {
            let message =
                format!("the first record of `{}` is longer than 16 MiB", shown(&source.name));
            return Err(Refusal::new(Refusal::RECORD_TOO_LONG, message)
                .hint("is it delimited text, and are its quotes closed?"));
        }
        let longer = (head.bytes.len() * 8).min(LONGEST_HEADER);
        head = read_head(source, wrapping, longer)?;
    }
}

/// Refuses a first record whose quotes went wrong: nothing else says what a row looks like.
fn check_first(
    source: &LocalSource,
    head: &Head,
    preamble: Preamble,
    dialect: Dialect,
) -> Result<(), Refusal> {
    let (start, stop) = ((preamble.bom + preamble.blank_bytes) as usize, preamble.bytes() as usize);
    let text = &head.bytes[..stop];
    let record = Tokeniser::new(&text[start..], dialect).next(&mut Vec::new(), 0);
    let Ok(Some(record)) = record else { return Ok(()) };
    let shape = RowShape { width: record.fields, longest: LONGEST_HEADER };
    let last_line = preamble.lines - u64::from(text.ends_with(b"\n") || text.ends_with(b"\r"));
    let is_one_line = last_line == preamble.blank_lines;
    match is_one_line || !matches!(judge(text, start, dialect, shape, true), Verdict::Torn { .. }) {
        true => Ok(()),
        false => {
            let (name, line) = (shown(&source.name), preamble.blank_lines + 1);
            let message = format!(
                "the first record of `{name}` has quotes that open on line {line} and go wrong before line {}",
                last_line + 2
            );
            Err(Refusal::new(Refusal::UNCLOSED_QUOTE, message).hint(UNCLOSED_HINT))
        }
    }
}

fn unclosed_or_empty(source: &LocalSource, head: &Head, bom: usize, dialect: Dialect) -> Refusal {
    let mut tokens = Tokeniser::new(&head.bytes[bom..], dialect);
    loop {
        match tokens.next(&mut Vec::new(), 0) {
            Ok(Some(_)) => {}
            Ok(None) => return no_rows(source),
            Err(unclosed) => return unclosed_quote(&source.name, u64::from(unclosed.line) + 1),
        }
    }
}

/// The refusal for a quote on `line` that nothing closes.
pub(crate) fn unclosed_quote(name: &str, line: u64) -> Refusal {
    let message = format!(
        "`{}` ends within quotes: the quote that opens on line {line} is never closed",
        shown(name)
    );
    Refusal::new(Refusal::UNCLOSED_QUOTE, message).hint(UNCLOSED_HINT)
}

fn preamble_in(head: &Head, bom: usize, dialect: Dialect) -> Option<Preamble> {
    let text = &head.bytes[bom..];
    let mut tokens = Tokeniser::new(text, dialect);
    let mut preamble = Preamble { bom: bom as u64, ..Preamble::default() };
    loop {
        let record = tokens.next(&mut Vec::new(), 0).ok()??;
        let length = u64::from(record.stop - record.start);
        if record.stop as usize == text.len() && !head.whole {
            return None;
        }
        preamble.lines = u64::from(tokens.line());
        if !record.blank {
            preamble.header_bytes = length;
            return Some(preamble);
        }
        preamble.blank_lines += 1;
        preamble.blank_bytes += length;
    }
}

/// A record of the head.
pub(crate) struct HeadRecord<'t> {
    pub(crate) fields: Vec<RawField<'t>>,
}

/// The first records of the head, without blank lines and without one that may be cut off.
fn records_of(head: &Head, bom: usize, dialect: Dialect) -> Vec<HeadRecord<'_>> {
    records_in(&head.bytes[bom..], head.whole, dialect, Quotes::Judged)
}

/// Whether quotes that hold line ends may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Judged,
    Believed,
}

fn records_in(text: &[u8], whole: bool, dialect: Dialect, quotes: Quotes) -> Vec<HeadRecord<'_>> {
    let mut tokens = Tokeniser::new(text, dialect);
    let mut records = Vec::new();
    let mut ends = Vec::new();
    while records.len() < RECORDS {
        ends.clear();
        let Ok(Some(record)) = tokens.next(&mut ends, u32::MAX) else { break };
        if record.torn && tokens.is_torn_to_the_end() && !whole {
            // A cell of several lines, perhaps, of which the head holds the first ones only.
            break;
        }
        let cut_off = record.stop as usize == text.len() && !whole;
        if record.blank || record.torn || cut_off {
            continue;
        }
        let fields = crate::text::tokens::fields_of(text, record, &ends);
        records.push(HeadRecord { fields });
        if records.len() == 1 && quotes == Quotes::Judged {
            tokens.judge_by(Some(RowShape { width: record.fields, longest: LONGEST_HEADER }));
        }
    }
    records
}

fn names_in(
    source: &LocalSource,
    first: &HeadRecord<'_>,
    dialect: Dialect,
) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for field in &first.fields {
        let mut name = Vec::new();
        field.unescape_into(dialect.quote, &mut name);
        names.push(String::from_utf8(name).map_err(|_| binary::not_utf8(&source.name))?);
    }
    Ok(names)
}
