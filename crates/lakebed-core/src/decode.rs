//! How a source was read: what was asked for, what was resolved, and why a row could not be taken.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{DataType, Evolution, contract::Severity};

/// What the user said about how to read the sources; everything unsaid is detected or defaulted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeOptions {
    /// The format; by the sources' names and first bytes when unsaid.
    pub format: Option<FormatName>,
    /// The encoding of text, by any of its names on the web (`windows-1252`, `latin1`, `utf-16le` …);
    /// by byte order mark and content when unsaid.
    pub encoding: Option<String>,
    /// The byte between fields (CSV); detected among `,` tab `;` `|` when unsaid.
    pub delimiter: Option<char>,
    /// The quote character (CSV); `"` when unsaid.
    pub quote: Option<char>,
    /// Whether the first record names the columns (CSV); detected when unsaid.
    pub header: Option<Header>,
    /// Texts that mean "no value", besides the empty unquoted field (CSV).
    pub null_tokens: Vec<String>,
    /// Lines before the table (CSV) or rows before it (Excel); detected when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_lines: Option<u64>,
    /// The character that comment lines begin with (CSV), or `none`; detected when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What becomes of rows that repeat the header; skipped when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeated_headers: Option<RepeatedHeaders>,
    /// How numbers and dates are written; as in `1234.5` and `2024-12-31` when unsaid.
    #[serde(skip_serializing_if = "Spelling::is_plain")]
    pub spelling: Spelling,
    /// The sheet of an Excel workbook; the only one that holds something when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The cells of the sheet, as in `A1:F100`; all when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Declared types by column name.
    pub types: BTreeMap<String, DataType>,
    /// Declared changes of the dataset's schema, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evolve: Vec<Evolution>,
    /// The largest part of rows that may be quarantined, 0.0 to 1.0; see `lakebed-ingest`'s default.
    pub max_quarantined: Option<f64>,
    /// The most rows that may be quarantined; where both are given, both hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_quarantined_rows: Option<u64>,
}

/// A format sources can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatName {
    /// Delimited text: comma, tab, semicolon, pipe …
    Csv,
    /// Apache Parquet.
    Parquet,
    /// JSON: objects in an array, or one after the other.
    Json,
    /// JSON: an object on each line.
    Ndjson,
    /// An Excel workbook.
    Xlsx,
    /// No table: kept as it is.
    Files,
}

/// Whether the first record of a delimited text names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// It does.
    Present,
    /// It is data; columns are named `column_1`, `column_2` …
    Absent,
}

/// What becomes of rows that repeat the header, as in files that were joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepeatedHeaders {
    /// They are rows.
    #[default]
    Kept,
    /// They are no rows.
    Skipped,
}

impl RepeatedHeaders {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn are_kept(&self) -> bool {
        *self == Self::Kept
    }
}

/// The lines of a text that are comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    /// What they begin with (ASCII).
    pub begin: char,
    /// Whether a line that begins with it is a row all the same if it has a row's fields: so where
    /// comments were detected, and not declared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub except_rows: bool,
}

/// How numbers and dates are written, where not as in `1234.5` and `2024-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spelling {
    /// What stands before the fraction of a number; a point when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// What stands between groups of three digits; nothing when unsaid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// The order of day, month and year, apart from ISO 8601's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<DateOrder>,
}

impl Spelling {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The order of day, month and year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DateOrder {
    /// `31/12/2024`.
    Dmy,
    /// `12/31/2024`.
    Mdy,
    /// `2024/12/31`.
    Ymd,
}

/// Compression around a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952; several members are one text.
    Gzip,
    /// RFC 8878; several frames are one text.
    Zstd,
}

/// Everything needed to decode a source again and get the same rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum Decode {
    /// Delimited text.
    Csv(CsvDecode),
    /// JSON.
    Json(JsonDecode),
    /// A sheet of an Excel workbook.
    Xlsx(XlsxDecode),
    /// Apache Parquet; `columns` in the source's order.
    Parquet {
        /// The columns and the types they were read as.
        columns: Vec<Column>,
    },
}

impl Decode {
    /// The columns in the source's order and the types they were read as.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::Csv(csv) => &csv.columns,
            Self::Json(json) => &json.columns,
            Self::Xlsx(xlsx) => &xlsx.columns,
            Self::Parquet { columns } => columns,
        }
    }
}

/// Resolved options of a delimited text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvDecode {
    /// The compression around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// The encoding, by its name in lower case; UTF-8 when unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The byte between fields (ASCII).
    pub delimiter: char,
    /// The quote (ASCII).
    pub quote: char,
    /// Whether the first record names the columns.
    pub header: Header,
    /// Lines before the header, or before the first row, that are no part of the table.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_lines: u64,
    /// Lines that are comments, if any are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Comment>,
    /// What became of rows that repeat the header.
    #[serde(default, skip_serializing_if = "RepeatedHeaders::are_kept")]
    pub repeated_headers: RepeatedHeaders,
    /// How numbers and dates are written.
    #[serde(default, skip_serializing_if = "Spelling::is_plain")]
    pub spelling: Spelling,
    /// The rules by which records are told apart: [`CsvDecode::READER`], or those of a build before.
    #[serde(default = "first_reader", skip_serializing_if = "is_first_reader")]
    pub reader: u32,
    /// Texts that mean "no value", besides the empty unquoted field; sorted, no duplicates.
    pub null_tokens: Vec<String>,
    /// The columns in the source's order and the types they were read as.
    pub columns: Vec<Column>,
}

impl CsvDecode {
    /// The rules this build reads by: quotes that hold line ends are judged (ARCHITECTURE.md, D-80).
    /// 1, of builds before, always believed them.
    pub const READER: u32 = 2;
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

const fn first_reader() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_first_reader(reader: &u32) -> bool {
    *reader == 1
}

/// Resolved options of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonDecode {
    /// The compression around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// How records follow each other.
    pub form: JsonForm,
    /// Texts that mean "no value", besides null; sorted, no duplicates.
    pub null_tokens: Vec<String>,
    /// The keys of the columns, where some are not the columns' names; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// The columns in the order their keys first appear, and the types they were read as.
    pub columns: Vec<Column>,
}

/// How the records of JSON follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonForm {
    /// One on each line.
    Lines,
    /// As the elements of one array.
    Array,
    /// One after the other, on as many lines as they take.
    Values,
}

/// Resolved options of a sheet of an Excel workbook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XlsxDecode {
    /// The sheet's name.
    pub sheet: String,
    /// The cells that were read, as in `A1:F100`.
    pub range: String,
    /// Rows before the header, or before the first row of data, that are no part of the table.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_rows: u64,
    /// Whether the first row names the columns.
    pub header: Header,
    /// What became of rows that repeat the header.
    #[serde(default, skip_serializing_if = "RepeatedHeaders::are_kept")]
    pub repeated_headers: RepeatedHeaders,
    /// How numbers and dates in texts are written.
    #[serde(default, skip_serializing_if = "Spelling::is_plain")]
    pub spelling: Spelling,
    /// Texts that mean "no value", besides the empty cell; sorted, no duplicates.
    pub null_tokens: Vec<String>,
    /// The columns in the sheet's order and the types they were read as.
    pub columns: Vec<Column>,
}

/// A column of a source and the type it was read as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column of the dataset.
    pub name: String,
    /// The type its text was read as.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// Whether the user declared the type: text is then read leniently (`+44`, `007`, spaces
    /// around a number), where an inferred or inherited type takes only what it loses nothing of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
}

/// Why a row was quarantined: one entry per defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What is wrong, in the vocabulary of frictionless.
    pub code: ReasonCode,
    /// The column, where one is to blame.
    pub column: Option<String>,
    /// The rule that was broken, without the value: `type long`, `16 fields`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
}

/// What is wrong with a row; frictionless' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    /// A field cannot be read as the column's type.
    TypeError,
    /// The row has more fields than columns.
    ExtraCell,
    /// The row has fewer fields than columns.
    MissingCell,
    /// The row holds bytes that the encoding does not have.
    EncodingError,
    /// A quote stands where none may stand.
    SourceError,
    /// A quote opens that does not close where a row could end: what it would swallow was read on
    /// line by line. Frictionless has no name for it.
    UnclosedQuote,
    /// A value breaks a rule of its column or its row.
    ConstraintError,
    /// A value stands in another row, too, and must not.
    UniqueError,
    /// A primary key is missing or stands in another row, too.
    PrimaryKey,
    /// A value refers to a row of another dataset that is not there.
    ForeignKey,
}

impl ReasonCode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TypeError,
        Self::ExtraCell,
        Self::MissingCell,
        Self::EncodingError,
        Self::SourceError,
        Self::UnclosedQuote,
        Self::ConstraintError,
        Self::UniqueError,
        Self::PrimaryKey,
        Self::ForeignKey,
    ];

    /// The code of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The name stored in a quarantine table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TypeError => "type-error",
            Self::ExtraCell => "extra-cell",
            Self::MissingCell => "missing-cell",
            Self::EncodingError => "encoding-error",
            Self::SourceError => "source-error",
            Self::UnclosedQuote => "unclosed-quote",
            Self::ConstraintError => "constraint-error",
            Self::UniqueError => "unique-error",
            Self::PrimaryKey => "primary-key",
            Self::ForeignKey => "foreign-key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that an older build read says nothing of rules, and is counted by those of then.
    #[test]
    fn the_first_rules_are_those_nobody_names() {
        let text = r#"{"format":"csv","delimiter":",","quote":"\"","header":"present","null_tokens":[],"columns":[]}"#;
        let decode: Decode = serde_json::from_str(text).expect("a decode");
        let Decode::Csv(csv) = &decode else { panic!("{decode:?}") };
        assert_eq!(csv.reader, 1);
        assert_eq!(serde_json::to_string(&decode).expect("JSON"), text);
        let newer = Decode::Csv(CsvDecode { reader: CsvDecode::READER, ..csv.clone() });
        let text = text.replace(r#""null"#, r#""reader":2,"null"#);
        assert_eq!(serde_json::to_string(&newer).expect("JSON"), text);
    }
}
