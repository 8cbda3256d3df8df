//! Finding the delimiter and the quote.
//!
//! A delimiter is the one that cuts the first records into equally many fields. `'` is taken for
//! the quote only where `"` quotes nothing and `'` stands around whole fields and nowhere else.

use lakebed_core::DecodeOptions;

use super::{Detected, HeadRecord, Quotes, lead, records_in};
use crate::{LocalSource, Refusal, text::Dialect};

const CANDIDATES: [u8; 4] = [b',', b'\t', b';', b'|'];
const QUOTE: u8 = b'"';
/// Records that are compared.
const LOOK: usize = 100;

pub(crate) fn choose(
    source: &LocalSource,
    options: &DecodeOptions,
    text: &[u8],
    whole: bool,
) -> Result<(Dialect, Detected), Refusal> {
    let detected = Detected {
        delimiter: options.delimiter.is_none(),
        quote: options.quote.is_none(),
        ..Detected::default()
    };
    let quote = options.quote.map(|quote| checked(quote, "quote")).transpose()?;
    let delimiter = match options.delimiter {
        Some(delimiter) => checked(delimiter, "delimiter")?,
        None => detect_delimiter(source, text, whole, quote.unwrap_or(QUOTE)),
    };
    let quote = match quote {
        Some(quote) => quote,
        None => detect_quote(text, whole, delimiter),
    };
    match delimiter == quote {
        true => {
            Err(Refusal::new(Refusal::BAD_OPTION, "delimiter and quote are the same character")
                .hint("give them different characters"))
        }
        false => Ok((Dialect { delimiter, quote }, detected)),
    }
}

/// A character that can have a meaning: one byte, and none that ends a line.
pub(crate) fn checked(character: char, what: &str) -> Result<u8, Refusal> {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Ok(byte),
        _ => Err(Refusal::new(
            Refusal::BAD_OPTION,
            format!("the {what} `{}` cannot be used", character.escape_debug()),
        )
        .hint("it must be one ASCII character, and no line end")),
    }
}

fn detect_delimiter(source: &LocalSource, text: &[u8], whole: bool, quote: u8) -> u8 {
    let name = source.name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    let rank = |delimiter: &u8| {
        let tab = *delimiter == b'\t' && (name.ends_with(".tsv") || name.ends_with(".tab"));
        score(text, whole, Dialect { delimiter: *delimiter, quote }).map(|score| (tab, score))
    };
    // The first of equals: `max_by_key` would take the last.
    let best = CANDIDATES
        .iter()
        .rev()
        .filter(|delimiter| rank(delimiter).is_some())
        .max_by_key(|d| rank(d));
    // Titles and remarks before a table hold no delimiters, or others.
    let below = || {
        CANDIDATES.iter().find(|delimiter| {
            let dialect = Dialect { delimiter: **delimiter, quote };
            lead::stands_before(&records_in(text, whole, dialect, Quotes::Judged))
        })
    };
    best.or_else(below).copied().unwrap_or(if name.ends_with(".tsv") { b'\t' } else { b',' })
}

/// How well a delimiter cuts: how many records of a hundred have as many fields as the most, then
/// whether fields look like decimals with a comma, then how many fields. None if it cuts nothing.
fn score(text: &[u8], whole: bool, dialect: Dialect) -> Option<(usize, bool, usize)> {
    let records = records_in(text, whole, dialect, Quotes::Judged);
    let widths: Vec<usize> = records.iter().take(LOOK).map(|record| record.fields.len()).collect();
    let most = |width: &usize| (widths.iter().filter(|other| *other == width).count(), *width);
    let (count, width) = widths.iter().map(most).max()?;
    if width < 2 {
        return None;
    }
    let agreement = count * 100 / widths.len();
    // A header that falls out of line speaks against the delimiter.
    let header_fits = widths[0] == width || widths.len() == 1;
    let agreement = if header_fits { agreement } else { agreement / 2 };
    (agreement >= 30).then(|| (agreement, has_decimal_commas(&records, dialect), width))
}

/// Whether some fields are numbers like `1,5` and every field with a comma is one.
fn has_decimal_commas(records: &[HeadRecord<'_>], dialect: Dialect) -> bool {
    let fields = records.iter().take(LOOK).skip(1).flat_map(|record| &record.fields);
    let mut commas = fields.filter(|field| !field.quoted && field.bytes.contains(&b',')).peekable();
    let is_decimal = |bytes: &[u8]| {
        let mut parts = bytes.strip_prefix(b"-").unwrap_or(bytes).split(|byte| *byte == b',');
        parts.clone().count() == 2
            && parts.all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    };
    dialect.delimiter != b','
        && commas.peek().is_some()
        && commas.all(|field| is_decimal(field.bytes))
}

fn detect_quote(text: &[u8], whole: bool, delimiter: u8) -> u8 {
    const SINGLE: u8 = b'\'';
    let as_double = records_in(text, whole, Dialect { delimiter, quote: QUOTE }, Quotes::Judged);
    let starts = |record: &HeadRecord<'_>| record.fields.iter().any(|field| field.quoted);
    if as_double.iter().any(starts) {
        return QUOTE;
    }
    let fields = || as_double.iter().flat_map(|record| &record.fields);
    let around =
        |bytes: &[u8]| bytes.len() >= 2 && bytes[0] == SINGLE && bytes.ends_with(&[SINGLE]);
    let beside = |bytes: &[u8]| bytes.starts_with(&[SINGLE]) != bytes.ends_with(&[SINGLE]);
    let quoted = fields().filter(|field| around(field.bytes)).count();
    let half = fields().any(|field| beside(field.bytes) || field.bytes == [SINGLE]);
    if quoted == 0 {
        return QUOTE;
    }
    if !half {
        return SINGLE;
    }
    // Delimiters within single quotes cut fields in half: it is the quote if reading it as one
    // leaves no halves and all records equally wide.
    let as_single = records_in(text, whole, Dialect { delimiter, quote: SINGLE }, Quotes::Judged);
    let widths = |records: &[HeadRecord<'_>]| {
        records.windows(2).filter(|pair| pair[0].fields.len() != pair[1].fields.len()).count()
    };
    let tidy = !as_single.is_empty()
        && as_single.len() >= as_double.len() / 2
        && widths(&as_single) < widths(&as_double)
        && as_single.iter().flat_map(|record| &record.fields).all(|f| f.quoted || !beside(f.bytes));
    if tidy { SINGLE } else { QUOTE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(text: &str) -> (char, char) {
        let source = LocalSource { name: "x.csv".into(), path: "x.csv".into() };
        let options = DecodeOptions::default();
        let (dialect, _) = choose(&source, &options, text.as_bytes(), true).expect("a dialect");
        (dialect.delimiter.into(), dialect.quote.into())
    }

    #[test]
    fn the_delimiter_that_cuts_evenly_wins() {
        assert_eq!(detect("a,b,c\n1,2,3\n"), (',', '"'));
        assert_eq!(detect("a;b\n1,5;2,5\n"), (';', '"'));
        assert_eq!(detect("1,5;2,5\n3,5;4,5\n"), (';', '"'));
        assert_eq!(detect("a\tb\n1,2\t3\n"), ('\t', '"'));
        assert_eq!(detect("a|b|c\n1|2|3\n"), ('|', '"'));
        assert_eq!(detect("id,pos\n1,10;20\n2,5;6\n"), (',', '"'));
        assert_eq!(detect("name\nx\ny\n"), (',', '"'));
        assert_eq!(detect("a,b\n\"x;y;z\",1\n\"x;y;z\",2\n"), (',', '"'));
    }

    #[test]
    fn single_quotes_are_the_quote_only_around_fields() {
        assert_eq!(detect("a,b\n'x',1\n'y',2\n"), (',', '\''));
        assert_eq!(detect("a,b\n'x, z',1\n'y',2\n"), (',', '\''));
        assert_eq!(detect("a,b\n'tis,1\nit's,2\n"), (',', '"'));
        assert_eq!(detect("a,b\n'x',\"1\"\n"), (',', '"'));
    }
}
