//! Finding out what a source is, from its first bytes.
//!
//! What is found depends on those bytes, the source's name and the options, and never on the
//! dataset: the same file is always seen the same way.

use std::{
    io::{self, Read},
    sync::Arc,
};

use lakebed_core::{
    Compression, DecodeOptions, FormatName, Header, RepeatedHeaders, SkipKind, Spelling, Tally,
};

use crate::{
    LocalSource, Refusal,
    account::Account,
    chunks::line_ends,
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
mod lead;

pub(crate) use lead::Lead;

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
    pub(crate) lead: Lead,
    /// The header as UTF-8, without its line end, where rows that repeat it are none.
    pub(crate) header_text: Option<Arc<[u8]>>,
    pub(crate) spelling: Spelling,
}

impl Text {
    pub(crate) const fn repeated_headers(&self) -> RepeatedHeaders {
        match self.header_text {
            Some(_) => RepeatedHeaders::Skipped,
            None => RepeatedHeaders::Kept,
        }
    }

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
    /// Whether the row below the header looks like one, too: units, or a name's second line.
    pub(crate) second_header: bool,
}

/// The bytes before the first data record, in the source's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Preamble {
    /// A byte order mark, or 0.
    pub(crate) bom: u64,
    /// Blank lines before the header, and their bytes.
    pub(crate) blank: Tally,
    /// The same of comments.
    pub(crate) comment: Tally,
    /// The same of other lines that are no part of the table.
    pub(crate) lead: Tally,
    /// The header with its line end; 0 without one.
    pub(crate) header_bytes: u64,
    /// Line ends in all of it.
    pub(crate) lines: u64,
}

impl Preamble {
    pub(crate) const fn bytes(&self) -> u64 {
        self.bom + self.blank.bytes + self.comment.bytes + self.lead.bytes + self.header_bytes
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
    if options.format.is_none() {
        binary::check_name(&source.name, &raw.bytes, compression.is_some())?;
    }
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

/// The preamble of a source that was decoded before, its bytes as UTF-8, and its header: dialect and
/// what stands before the table are known.
pub(crate) fn preamble_of(
    source: &LocalSource,
    wrapping: &Wrapping,
    dialect: Dialect,
    header: Header,
    lead: Lead,
) -> Result<(Preamble, u64, Vec<u8>), Refusal> {
    let head = read_head(source, wrapping, HEAD_BYTES)?;
    let (opening, head) = first_record(source, wrapping, dialect, lead, head)?;
    let skip = opening.preamble(header).bytes();
    let header_text = opening.header_text(&head.bytes).to_vec();
    Ok((original_of(source, wrapping, &opening, header)?, skip, header_text))
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

/// The preamble in the source's encoding.
fn original_of(
    source: &LocalSource,
    wrapping: &Wrapping,
    opening: &Opening,
    header: Header,
) -> Result<Preamble, Refusal> {
    let preamble = opening.preamble(header);
    let Some(charset) = wrapping.charset else { return Ok(preamble) };
    let refuse = |error| wrapping.refuse(source, &error);
    let mut input = Transcoder::new(wrapping.open(source)?, charset);
    io::copy(&mut input.by_ref().take(preamble.bytes()), &mut io::sink()).map_err(refuse)?;
    let mut length_of = |bytes: u64| {
        let original = input.take_original(bytes as usize);
        let lost = || Refusal::internal("the preamble ends within a line");
        original.map(|original| original.bytes.len() as u64).ok_or_else(lost)
    };
    let mut original = Opening { bom: length_of(opening.bom)?, ..opening.clone() };
    let count = opening.lines_of(header).len();
    for (_, bytes) in &mut original.lines[..count] {
        *bytes = length_of(*bytes)?;
    }
    if header == Header::Present {
        original.header = length_of(opening.header)?;
    }
    Ok(original.preamble(header))
}

/// The lines that a text begins with, up to its first record.
#[derive(Debug, Clone, Default)]
struct Opening {
    bom: u64,
    /// Lines before the first record: what they are, and their bytes.
    lines: Vec<(SkipKind, u64)>,
    /// How many of them are there whether or not the first record is a header.
    lead: usize,
    /// Line ends within them, as rows of a sheet may have.
    inner_lines: u64,
    /// The bytes of the first record, and its line ends.
    header: u64,
    header_lines: u64,
}

impl Opening {
    /// The lines that belong to the preamble. Without a header, blank lines and comments before the
    /// first row are the decoder's to count.
    fn lines_of(&self, header: Header) -> &[(SkipKind, u64)] {
        match header {
            Header::Present => &self.lines,
            Header::Absent => &self.lines[..self.lead],
        }
    }

    fn preamble(&self, header: Header) -> Preamble {
        let lines = self.lines_of(header);
        let tally = |kind: SkipKind| {
            let of_kind = lines.iter().filter(|(other, _)| *other == kind);
            let (rows, bytes) = of_kind.fold((0, 0), |(n, sum), (_, bytes)| (n + 1, sum + bytes));
            Tally { rows, bytes }
        };
        let (header_bytes, header_lines) = match header {
            Header::Present => (self.header, self.header_lines),
            Header::Absent => (0, 0),
        };
        Preamble {
            bom: self.bom,
            blank: tally(SkipKind::Blank),
            comment: tally(SkipKind::Comment),
            lead: tally(SkipKind::Preamble),
            header_bytes,
            lines: lines.len() as u64 + self.inner_lines + header_lines,
        }
    }

    /// Where the first record begins.
    fn start(&self) -> usize {
        (self.bom + self.lines.iter().map(|(_, bytes)| bytes).sum::<u64>()) as usize
    }

    /// The first record without its line end.
    fn header_text<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        let start = self.start();
        without_line_end(&head[start..start + self.header as usize])
    }
}

pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
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
    let quotes = if is_sheet { Quotes::Believed } else { Quotes::Judged };
    let looked_at = records_in(&head.bytes[bom..], head.whole, dialect, quotes);
    let lead = lead::choose(options, &looked_at, is_sheet)?;
    let (opening, head) = first_record(source, &wrapping, dialect, lead, head)?;
    if !is_sheet {
        check_first(source, &head, &opening, dialect)?;
    }
    let mut records = records_in(&head.bytes[opening.start()..], head.whole, dialect, quotes);
    let width = records.first().ok_or_else(|| no_rows(source))?.fields.len();
    records.retain(|record| {
        lead.comment.is_none_or(|comment| {
            !record.begins_with(comment.begin as u8)
                || (comment.except_rows && record.fields.len() == width)
        })
    });
    let first = records.first().ok_or_else(|| no_rows(source))?;
    let header = match options.header {
        Some(header) => header,
        None => header::detect(&records),
    };
    detected.header = options.header.is_none();
    detected.encoding = found.detected;
    let below: Vec<&HeadRecord<'_>> = records.iter().skip(1).collect();
    detected.second_header =
        header == Header::Present && below.len() > 2 && header::names_values(&below);
    let names = match header {
        Header::Present => names::usable(names_in(source, first, dialect)?),
        Header::Absent => names::usable(names::numbered(width)),
    };
    let skips =
        options.repeated_headers.unwrap_or(RepeatedHeaders::Skipped) == RepeatedHeaders::Skipped;
    let header_text = (skips && header == Header::Present && width > 1)
        .then(|| opening.header_text(&head.bytes).into());
    let skip = opening.preamble(header).bytes();
    let preamble = original_of(source, &wrapping, &opening, header)?;
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
        lead,
        header_text,
        spelling: options.spelling,
    })
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
    lead: Lead,
    mut head: Head,
) -> Result<(Opening, Head), Refusal> {
    loop {
        let bom = bom_of(&head.bytes);
        let is_sheet = wrapping.sheet.is_some();
        if let Some(opening) = opening_in(&head, bom, dialect, lead, is_sheet) {
            return Ok((opening, head));
        }
        if head.whole {
            return Err(match lead.skip_lines {
                0 => unclosed_or_empty(source, &head, bom, dialect),
                _ => no_rows(source),
            });
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
    opening: &Opening,
    dialect: Dialect,
) -> Result<(), Refusal> {
    let start = opening.start();
    let text = &head.bytes[..start + opening.header as usize];
    let record = Tokeniser::new(&text[start..], dialect).next(&mut Vec::new(), 0);
    let Ok(Some(record)) = record else { return Ok(()) };
    let shape = RowShape { width: record.fields, longest: LONGEST_HEADER };
    let inner = opening.header_lines - u64::from(text.ends_with(b"\n") || text.ends_with(b"\r"));
    let is_one_line = inner == 0;
    match is_one_line || !matches!(judge(text, start, dialect, shape, true), Verdict::Torn { .. }) {
        true => Ok(()),
        false => {
            let (name, line) = (shown(&source.name), opening.lines.len() as u64 + 1);
            let message = format!(
                "the first record of `{name}` has quotes that open on line {line} and go wrong before line {}",
                line + inner + 1
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

/// The lines up to the first record, and that; none where the head does not hold all of it.
fn opening_in(
    head: &Head,
    bom: usize,
    dialect: Dialect,
    lead: Lead,
    is_sheet: bool,
) -> Option<Opening> {
    let text = &head.bytes[bom..];
    let mut opening = Opening { bom: bom as u64, ..Opening::default() };
    let comment = lead.comment.map(|comment| comment.begin as u8);
    let mut at = 0;
    while (opening.lines.len() as u64) < lead.skip_lines {
        // A row of a sheet may be several lines.
        let line = match is_sheet {
            true => row_at(text, at, dialect, head.whole)?,
            false => line_at(text, at, head.whole)?,
        };
        let kind = match line {
            line if without_line_end(line).is_empty() => SkipKind::Blank,
            line if line.first().copied() == comment => SkipKind::Comment,
            _ => SkipKind::Preamble,
        };
        opening.inner_lines += line_ends(line).saturating_sub(1);
        opening.lines.push((kind, line.len() as u64));
        at += line.len();
    }
    opening.lead = opening.lines.len();
    // Comments that were detected stand before the lines that were skipped.
    let comment = comment.filter(|_| lead.comment.is_some_and(|comment| !comment.except_rows));
    loop {
        let line = line_at(text, at, head.whole)?;
        let kind = match line {
            line if without_line_end(line).is_empty() => SkipKind::Blank,
            line if comment.is_some() && line.first().copied() == comment => SkipKind::Comment,
            _ => break,
        };
        opening.lines.push((kind, line.len() as u64));
        at += line.len();
    }
    let mut tokens = Tokeniser::new(&text[at..], dialect);
    let record = tokens.next(&mut Vec::new(), 0).ok()??;
    if at + record.stop as usize == text.len() && !head.whole {
        return None;
    }
    opening.header = u64::from(record.stop);
    opening.header_lines = u64::from(tokens.line());
    Some(opening)
}

/// The record that begins at `at`; none at the end, or where it may go on.
fn row_at(text: &[u8], at: usize, dialect: Dialect, whole: bool) -> Option<&[u8]> {
    let record = Tokeniser::new(&text[at..], dialect).next(&mut Vec::new(), 0).ok()??;
    let stop = at + record.stop as usize;
    (whole || stop < text.len()).then(|| &text[at..stop])
}

/// The line that begins at `at`, with its end; none at the end, or where it may go on.
fn line_at(text: &[u8], at: usize, whole: bool) -> Option<&[u8]> {
    let rest = &text[at..];
    let end = match memchr::memchr2(b'\n', b'\r', rest) {
        Some(end) if rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n') => end + 2,
        Some(end) if rest[end] == b'\r' && end + 1 == rest.len() && !whole => return None,
        Some(end) => end + 1,
        None if whole && !rest.is_empty() => rest.len(),
        None => return None,
    };
    Some(&rest[..end])
}

/// A record of the head.
pub(crate) struct HeadRecord<'t> {
    pub(crate) fields: Vec<RawField<'t>>,
    /// Line ends before it, and before what follows it.
    pub(crate) line: u32,
    pub(crate) next_line: u32,
    /// Records before it, blank lines included.
    pub(crate) row: u32,
}

impl HeadRecord<'_> {
    /// Whether it holds the same fields.
    fn is_like(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self.fields.iter().zip(&other.fields).all(|(one, other)| one.bytes == other.bytes)
    }

    /// Whether its line begins with that byte, and not with a quote.
    fn begins_with(&self, byte: u8) -> bool {
        self.fields.first().is_some_and(|field| !field.quoted && field.bytes.first() == Some(&byte))
    }
}

/// Whether quotes that hold line ends may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Judged,
    Believed,
}

/// The first records of a text, without blank lines and without one that may be cut off.
fn records_in(text: &[u8], whole: bool, dialect: Dialect, quotes: Quotes) -> Vec<HeadRecord<'_>> {
    let mut tokens = Tokeniser::new(text, dialect);
    let mut records = Vec::new();
    let (mut ends, mut next_row) = (Vec::new(), 0);
    while records.len() < RECORDS {
        ends.clear();
        let Ok(Some(record)) = tokens.next(&mut ends, u32::MAX) else { break };
        let row = next_row;
        next_row += 1;
        if record.torn && tokens.is_torn_to_the_end() && !whole {
            // A cell of several lines, perhaps, of which the head holds the first ones only.
            break;
        }
        let cut_off = record.stop as usize == text.len() && !whole;
        if record.blank || record.torn || cut_off {
            continue;
        }
        let fields = crate::text::tokens::fields_of(text, record, &ends);
        records.push(HeadRecord { fields, line: record.line, next_line: tokens.line(), row });
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
