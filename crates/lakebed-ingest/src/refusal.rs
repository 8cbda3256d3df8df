//! Why a source was not taken.
//!
//! Messages name files, columns, lines and counts, and never hold a value of the data.

use std::{fmt, io, path::Path};

use crate::WrittenFile;

/// Nothing was taken, and why.
///
/// `code` is stable and for programs; `message` is one line, lower case, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// One of the codes below.
    pub code: &'static str,
    /// What is wrong, with the thing in backticks.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Quarantine files with the rows that are to blame: all of them, for the caller to keep beside
    /// the sources. Empty where it was not rows that refused the version.
    pub quarantine: Vec<WrittenFile>,
}

/// Codes that speak of the machine or the caller, not of the source.
const NOT_THE_SOURCE: [&str; 3] = [Refusal::CANCELLED, Refusal::IO_FAILED, Refusal::INTERNAL];

impl Refusal {
    /// The source has no bytes.
    pub const EMPTY_SOURCE: &'static str = "empty-source";
    /// What the contract promises of the version as a whole does not hold.
    pub const CONTRACT_BROKEN: &'static str = "contract-broken";
    /// The columns are not those that the contract promises.
    pub const CONTRACT_UNFIT: &'static str = "contract-unfit";
    /// A header, and nothing below it.
    pub const NO_ROWS: &'static str = "no-rows";
    /// Binary, JSON, HTML … but no table that is understood.
    pub const NOT_A_TABLE: &'static str = "not-a-table";
    /// Text, but not UTF-8.
    pub const UNSUPPORTED_ENCODING: &'static str = "unsupported-encoding";
    /// A quote in the first record that no quote closes.
    pub const UNCLOSED_QUOTE: &'static str = "unclosed-quote";
    /// A record above the limit.
    pub const RECORD_TOO_LONG: &'static str = "record-too-long";
    /// Compressed data that ends early.
    pub const TRUNCATED_COMPRESSION: &'static str = "truncated-compression";
    /// Compressed data that is damaged.
    pub const DAMAGED_COMPRESSION: &'static str = "damaged-compression";
    /// JSON that is damaged or cut off.
    pub const DAMAGED_JSON: &'static str = "damaged-json";
    /// A Parquet file that is damaged or cut off.
    pub const DAMAGED_PARQUET: &'static str = "damaged-parquet";
    /// An Excel workbook that is damaged or cut off.
    pub const DAMAGED_WORKBOOK: &'static str = "damaged-workbook";
    /// An Excel workbook that only a password opens.
    pub const ENCRYPTED_WORKBOOK: &'static str = "encrypted-workbook";
    /// An Excel workbook that claims to hold more than it has use for.
    pub const WORKBOOK_TOO_LARGE: &'static str = "workbook-too-large";
    /// An Excel workbook of several sheets, none of which was named.
    pub const SEVERAL_SHEETS: &'static str = "several-sheets";
    /// More columns than a table can have.
    pub const TOO_MANY_COLUMNS: &'static str = "too-many-columns";
    /// A column type that no lake type holds without loss.
    pub const UNSUPPORTED_TYPE: &'static str = "unsupported-type";
    /// The columns are not what the dataset or the other sources have.
    pub const SCHEMA_MISMATCH: &'static str = "schema-mismatch";
    /// An option names a column that no source has.
    pub const UNKNOWN_COLUMN: &'static str = "unknown-column";
    /// Options that contradict each other or the source.
    pub const BAD_OPTION: &'static str = "bad-option";
    /// A column none of whose values could be read.
    pub const ALL_QUARANTINED: &'static str = "all-quarantined";
    /// More rows would be quarantined than the limit allows.
    pub const TOO_MANY_QUARANTINED: &'static str = "too-many-quarantined";
    /// A row breaks a rule that no row may break.
    pub const CRITICAL_RULE: &'static str = "critical-rule";
    /// The source could not be opened or read.
    pub const UNREADABLE: &'static str = "unreadable";
    /// The caller asked to stop.
    pub const CANCELLED: &'static str = "cancelled";
    /// A file of ours could not be written or read back.
    pub const IO_FAILED: &'static str = "io-failed";
    /// A fault of this program.
    pub const INTERNAL: &'static str = "internal";

    /// A refusal without a hint.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, quarantine: Vec::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the source is to blame: only then is "refused" a fact worth keeping about it.
    /// Otherwise the caller cancelled, the machine failed, or this program is wrong.
    #[must_use]
    pub fn is_about_the_source(&self) -> bool {
        !NOT_THE_SOURCE.contains(&self.code)
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(Self::CANCELLED, "cancelled before anything was committed")
    }

    pub(crate) fn unreadable(name: &str, error: &io::Error) -> Self {
        Self::new(Self::UNREADABLE, format!("cannot read `{}`: {error}", shown(name)))
            .hint("check that the file exists and may be read")
    }

    pub(crate) fn io_failed(path: &Path, error: impl fmt::Display) -> Self {
        let path = path.display();
        Self::new(Self::IO_FAILED, format!("cannot write or read back `{path}`: {error}"))
            .hint("check free space and permissions of the lake's folder")
    }

    pub(crate) fn internal(what: impl fmt::Display) -> Self {
        Self::new(Self::INTERNAL, format!("internal fault while decoding: {what}"))
            .hint("nothing was committed; please report this with the command that was run")
    }
}

/// A name from outside, safe to print: control characters escaped, at most 80 characters.
pub(crate) fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(80).flat_map(escaped).collect();
    if name.chars().nth(80).is_some() {
        text.push('…');
    }
    text
}

fn escaped(character: char) -> Vec<char> {
    match character.is_control() {
        true => character.escape_default().collect(),
        false => vec![character],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printed_without_control_characters() {
        assert_eq!(shown("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 81);
    }

    #[test]
    fn only_faults_of_the_source_are_about_the_source() {
        assert!(Refusal::new(Refusal::EMPTY_SOURCE, "x").is_about_the_source());
        assert!(!Refusal::cancelled().is_about_the_source());
    }
}
