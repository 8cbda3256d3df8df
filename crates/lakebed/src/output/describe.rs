//! How a source was read, in a few words.

use lakebed_core::{
    Compression, CsvDecode, DateOrder, Decode, Header, JsonDecode, JsonForm, Spelling, XlsxDecode,
};

/// `csv, gzip, fields between tabs, no header, NA is no value`.
pub(crate) fn decode(decode: Option<&Decode>) -> String {
    match decode {
        None => "kept as it is".to_owned(),
        Some(Decode::Parquet { .. }) => "parquet".to_owned(),
        Some(Decode::Json(json)) => json_words(json),
        Some(Decode::Xlsx(xlsx)) => xlsx_words(xlsx),
        Some(Decode::Csv(csv)) => csv_words(csv),
    }
}

fn csv_words(csv: &CsvDecode) -> String {
    let mut words = vec!["csv".to_owned()];
    words.extend(csv.compression.map(|compression| match compression {
        Compression::Gzip => "gzip".to_owned(),
        Compression::Zstd => "zstd".to_owned(),
    }));
    words.extend(csv.encoding.clone());
    words.push(match csv.delimiter {
        '\t' => "fields between tabs".to_owned(),
        delimiter => format!("fields between `{delimiter}`"),
    });
    if csv.quote != '"' {
        words.push(format!("quoted by `{}`", csv.quote));
    }
    words.push(match csv.header {
        Header::Present => "with header".to_owned(),
        Header::Absent => "no header".to_owned(),
    });
    if !csv.null_tokens.is_empty() {
        words.push(format!("no value: {}", quoted(&csv.null_tokens)));
    }
    words.extend(count(csv.skip_lines, "lines before the table"));
    words.extend(csv.comment.map(|comment| format!("comments after `{}`", comment.begin)));
    words.extend(spelling(csv.spelling));
    words.join(", ")
}

fn count(count: u64, what: &str) -> Option<String> {
    (count > 0).then(|| format!("{count} {what}"))
}

/// `decimal ,`, `thousands .`, `dates dmy`.
fn spelling(spelling: Spelling) -> Vec<String> {
    let dates = spelling.dates.map(|order| match order {
        DateOrder::Dmy => "dates dmy".to_owned(),
        DateOrder::Mdy => "dates mdy".to_owned(),
        DateOrder::Ymd => "dates ymd".to_owned(),
    });
    let of = |what: &str, character: Option<char>| {
        character.map(|character| format!("{what} `{}`", character.escape_debug()))
    };
    let all = [of("decimal", spelling.decimal), of("thousands", spelling.thousands), dates];
    all.into_iter().flatten().collect()
}

fn json_words(json: &JsonDecode) -> String {
    let mut words = vec!["json".to_owned()];
    words.extend(json.compression.map(|compression| match compression {
        Compression::Gzip => "gzip".to_owned(),
        Compression::Zstd => "zstd".to_owned(),
    }));
    words.push(match json.form {
        JsonForm::Lines => "an object on each line".to_owned(),
        JsonForm::Array => "objects in an array".to_owned(),
        JsonForm::Values => "objects one after the other".to_owned(),
    });
    if !json.null_tokens.is_empty() {
        words.push(format!("no value: {}", quoted(&json.null_tokens)));
    }
    words.join(", ")
}

fn xlsx_words(xlsx: &XlsxDecode) -> String {
    let sheet = xlsx.sheet.escape_debug();
    let mut words = vec!["xlsx".to_owned(), format!("sheet `{sheet}`"), xlsx.range.clone()];
    words.extend(count(xlsx.skip_rows, "rows before the table"));
    words.extend(spelling(xlsx.spelling));
    if xlsx.header == Header::Absent {
        words.push("no header".to_owned());
    }
    if !xlsx.null_tokens.is_empty() {
        words.push(format!("no value: {}", quoted(&xlsx.null_tokens)));
    }
    words.join(", ")
}

fn quoted(tokens: &[String]) -> String {
    tokens.iter().map(|token| format!("`{token}`")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use lakebed_core::{Comment, RepeatedHeaders};

    use super::*;

    #[test]
    fn every_option_that_was_resolved_is_said() {
        let csv = CsvDecode {
            compression: Some(Compression::Gzip),
            encoding: Some("windows-1252".to_owned()),
            delimiter: '\t',
            quote: '\'',
            header: Header::Absent,
            skip_lines: 3,
            comment: Some(Comment { begin: '#', except_rows: false }),
            repeated_headers: RepeatedHeaders::Skipped,
            spelling: Spelling {
                decimal: Some(','),
                thousands: Some('.'),
                dates: Some(DateOrder::Dmy),
            },
            reader: CsvDecode::READER,
            null_tokens: vec!["NA".to_owned(), "-".to_owned()],
            columns: Vec::new(),
        };
        assert_eq!(
            decode(Some(&Decode::Csv(csv))),
            "csv, gzip, windows-1252, fields between tabs, quoted by `'`, no header, no value: `NA` `-`, 3 lines before the table, comments after `#`, decimal `,`, thousands `.`, dates dmy"
        );
        assert_eq!(decode(None), "kept as it is");
    }
}
