//! How sources are to be read: options that every command takes that reads some.

use std::{collections::BTreeMap, str::FromStr};

use clap::{Args, ValueEnum};
use lakebed_core::{
    DataType, DateOrder, DecodeOptions, FormatName, Header, RepeatedHeaders, Spelling,
};

use crate::problem::{Problem, Result};

/// What is not said is detected.
#[derive(Debug, Args)]
pub(crate) struct ReadingArgs {
    /// The format; detected when unsaid. `files` keeps what is no table
    #[arg(long = "as", value_name = "FORMAT")]
    format: Option<Format>,
    /// The encoding of text, as in windows-1252, latin1 or utf-16le; detected when unsaid
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The character between fields; `tab` for tabs
    #[arg(long, value_name = "CHAR", value_parser = parse_character)]
    delimiter: Option<char>,
    /// The character around fields that hold delimiters or line ends
    #[arg(long, value_name = "CHAR", value_parser = parse_character)]
    quote: Option<char>,
    /// Whether the first record names the columns
    #[arg(long, value_name = "WHICH", conflicts_with = "no_header")]
    header: Option<HeaderArg>,
    /// The same as `--header absent`
    #[arg(long)]
    no_header: bool,
    /// Lines before the table that are no part of it; detected when unsaid
    #[arg(long, value_name = "N")]
    skip_lines: Option<u64>,
    /// The character that lines of comment begin with, or `none`; detected when unsaid
    #[arg(long, value_name = "CHAR")]
    comment: Option<String>,
    /// Whether rows that repeat the header are rows; they are skipped when unsaid
    #[arg(long, value_name = "WHICH")]
    repeated_headers: Option<RepeatedArg>,
    /// What stands before the fraction of numbers, where no point does
    #[arg(long, value_name = "CHAR", value_parser = parse_separator)]
    decimal: Option<char>,
    /// What stands between groups of three digits, where anything does
    #[arg(long, value_name = "CHAR", value_parser = parse_separator)]
    thousands: Option<char>,
    /// The order of day, month and year in dates that are not written YYYY-MM-DD
    #[arg(long, value_name = "ORDER")]
    dates: Option<DatesArg>,
    /// The sheet of an Excel workbook; needed where several hold something
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// The cells of the sheet, as in A1:F100 or A:F
    #[arg(long, value_name = "CELLS")]
    range: Option<String>,
    /// A text that means "no value", besides the empty field; may be given again
    #[arg(long = "null", value_name = "TOKEN")]
    null_tokens: Vec<String>,
    /// The type of a column: boolean, int, long, float, double, decimal(p,s), date, time, timestamp,
    /// timestamptz, string, binary; may be given again
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = parse_type)]
    types: Vec<(String, DataType)>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Parquet,
    Json,
    Ndjson,
    Xlsx,
    Files,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum HeaderArg {
    Present,
    Absent,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RepeatedArg {
    Kept,
    Skipped,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DatesArg {
    Dmy,
    Mdy,
    Ymd,
}

fn parse_separator(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Ok(character),
        _ => Err("expected one character".to_owned()),
    }
}

fn parse_character(text: &str) -> Result<char, String> {
    if matches!(text, "tab" | "\\t") {
        return Ok('\t');
    }
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) if character.is_ascii() => Ok(character),
        _ => Err("expected one ASCII character, or `tab`".to_owned()),
    }
}

/// The last `=` divides: column names may hold one, types do not.
fn parse_type(text: &str) -> Result<(String, DataType), String> {
    let (column, data_type) =
        text.rsplit_once('=').ok_or("expected COLUMN=TYPE, as in `id=string`")?;
    let data_type = DataType::from_str(data_type).map_err(|error| error.to_string())?;
    Ok((column.to_owned(), data_type))
}

impl ReadingArgs {
    /// Whether they are kept as files, whatever is in them.
    pub(crate) const fn is_files(&self) -> bool {
        matches!(self.format, Some(Format::Files))
    }

    /// The options as the lake takes them.
    pub(crate) fn options(&self) -> Result<DecodeOptions> {
        let header = match (self.header, self.no_header) {
            (Some(HeaderArg::Absent), _) | (_, true) => Some(Header::Absent),
            (Some(HeaderArg::Present), _) => Some(Header::Present),
            (None, false) => None,
        };
        let mut types = BTreeMap::new();
        for (column, data_type) in &self.types {
            if types.insert(column.clone(), data_type.clone()).is_some() {
                return Err(Problem::usage(format!("column `{column}` is given two types")));
            }
        }
        Ok(DecodeOptions {
            format: self.format.map(|format| match format {
                Format::Csv => FormatName::Csv,
                Format::Parquet => FormatName::Parquet,
                Format::Json => FormatName::Json,
                Format::Ndjson => FormatName::Ndjson,
                Format::Xlsx => FormatName::Xlsx,
                Format::Files => FormatName::Files,
            }),
            encoding: self.encoding.clone(),
            delimiter: self.delimiter,
            quote: self.quote,
            header,
            null_tokens: self.null_tokens.clone(),
            skip_lines: self.skip_lines,
            comment: self.comment.clone(),
            repeated_headers: self.repeated_headers.map(|which| match which {
                RepeatedArg::Kept => RepeatedHeaders::Kept,
                RepeatedArg::Skipped => RepeatedHeaders::Skipped,
            }),
            spelling: Spelling {
                decimal: self.decimal,
                thousands: self.thousands,
                dates: self.dates.map(|order| match order {
                    DatesArg::Dmy => DateOrder::Dmy,
                    DatesArg::Mdy => DateOrder::Mdy,
                    DatesArg::Ymd => DateOrder::Ymd,
                }),
            },
            sheet: self.sheet.clone(),
            range: self.range.clone(),
            types,
            max_quarantined: None,
            max_quarantined_rows: None,
            evolve: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_people_write_them() {
        assert_eq!(parse_character("tab"), Ok('\t'));
        assert_eq!(parse_character(";"), Ok(';'));
        assert!(parse_character("").is_err() && parse_character("ab").is_err());
        assert!(parse_character("é").is_err());
        assert_eq!(parse_type("a=b=long"), Ok(("a=b".to_owned(), DataType::Long)));
        assert!(parse_type("a=quick").expect_err("no type").contains("is not a type"));
        assert!(parse_type("a").is_err());
    }
}
