//! `namespace.dataset[@selector]`: one syntax everywhere, parsed once at the edge.

use std::{fmt, str::FromStr};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{DatasetName, NameError, StageName, Timestamp, name::printable};

/// Shortest digest prefix that a reference may give, in hex digits.
const MIN_PREFIX: usize = 8;

/// Which version of a dataset is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// No selector: the head of the default stage.
    Default,
    /// `@latest`: the newest version, whatever its stage.
    Latest,
    /// `@v12`.
    Number(u64),
    /// `@product`.
    Stage(StageName),
    /// `@b3:9f2c61d0`: the version whose id starts so; 8 to 64 lower-case hex digits.
    Digest(String),
    /// `@2026-11-01` (the end of that day, UTC): what the bare name resolved to then.
    Date(NaiveDate),
    /// `@2026-11-01T12:00:00Z`: what the bare name resolved to then.
    Time(Timestamp),
}

/// A dataset and which version of it is meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DatasetRef {
    /// The dataset.
    pub dataset: DatasetName,
    /// Which version.
    pub selector: Selector,
}

impl DatasetRef {
    /// The reference that pins `number` of `dataset`.
    #[must_use]
    pub const fn pinned(dataset: DatasetName, number: u64) -> Self {
        Self { dataset, selector: Selector::Number(number) }
    }
}

/// A text that is no reference; says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefError {
    /// The part before `@`.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The part after `@`.
    #[error(
        "`@{given}` is not a selector: {why} (use `@latest`, `@v12`, a stage as in `@product`, \
         `@b3:9f2c61d0`, a date as in `@2026-11-01`, or an RFC 3339 time)"
    )]
    Selector {
        /// What was given, shortened and escaped.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl FromStr for DatasetRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        match text.split_once('@') {
            None => Ok(Self { dataset: text.parse()?, selector: Selector::Default }),
            Some((dataset, selector)) => {
                Ok(Self { dataset: dataset.parse()?, selector: selector.parse()? })
            }
        }
    }
}

/// What SQL may name: the rows of a version, or those that were set aside.
///
/// Written `namespace.dataset[@selector][!quarantine]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableRef {
    /// The version.
    pub reference: DatasetRef,
    /// Its accepted rows, or its quarantine.
    pub part: TablePart,
}

/// Which rows of a version are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TablePart {
    /// Those that were accepted.
    Rows,
    /// Those that were set aside.
    Quarantine,
}

/// Behind the reference, where a quarantine is meant.
const QUARANTINE: &str = "!quarantine";

impl FromStr for TableRef {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let (reference, part) = match text.strip_suffix(QUARANTINE) {
            Some(reference) => (reference, TablePart::Quarantine),
            None => (text, TablePart::Rows),
        };
        Ok(Self { reference: reference.parse()?, part })
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.fmt(f)?;
        match self.part {
            TablePart::Rows => Ok(()),
            TablePart::Quarantine => f.write_str(QUARANTINE),
        }
    }
}

impl From<DatasetRef> for TableRef {
    fn from(reference: DatasetRef) -> Self {
        Self { reference, part: TablePart::Rows }
    }
}

impl FromStr for Selector {
    type Err = RefError;

    fn from_str(text: &str) -> Result<Self, RefError> {
        let error = |why| RefError::Selector { given: printable(text), why };
        if text == "latest" {
            return Ok(Self::Latest);
        }
        if let Some(prefix) = text.strip_prefix("b3:") {
            return parse_digest(prefix).map_err(error);
        }
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return parse_time(text).ok_or_else(|| error("it is neither a date nor a time"));
        }
        let digits = text.strip_prefix('v').unwrap_or_default();
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return parse_number(digits).map_err(error);
        }
        text.parse().map(Self::Stage).map_err(|_| error("no stage can have that name"))
    }
}

fn parse_digest(prefix: &str) -> Result<Selector, &'static str> {
    if prefix.len() < MIN_PREFIX {
        return Err("a digest needs 8 hex digits or more");
    }
    if prefix.len() > 64 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err("a digest is at most 64 lower-case hex digits");
    }
    Ok(Selector::Digest(prefix.to_owned()))
}

/// One version has one spelling: no leading zeros, and the first is `v1`.
fn parse_number(digits: &str) -> Result<Selector, &'static str> {
    if digits.starts_with('0') {
        return Err("versions count from `v1`, without leading zeros");
    }
    match digits.parse::<i64>() {
        Ok(number) => Ok(Selector::Number(number.unsigned_abs())),
        Err(_) => Err("the version number is too large"),
    }
}

fn parse_time(text: &str) -> Option<Selector> {
    let bytes = text.as_bytes();
    let looks_dated = bytes.len() == 10 && bytes[0].is_ascii_digit() && bytes[4] == b'-';
    if looks_dated && let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(Selector::Date(date));
    }
    text.parse().ok().map(Selector::Time)
}

impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dataset, self.selector)
    }
}

/// With its `@`; nothing for [`Selector::Default`].
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::Latest => f.write_str("@latest"),
            Self::Number(number) => write!(f, "@v{number}"),
            Self::Stage(stage) => write!(f, "@{stage}"),
            Self::Digest(prefix) => write!(f, "@b3:{prefix}"),
            Self::Date(date) => write!(f, "@{}", date.format("%Y-%m-%d")),
            Self::Time(time) => write!(f, "@{time}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_of_the_design_parses() {
        let selector = |text: &str| text.parse::<DatasetRef>().map(|parsed| parsed.selector);
        assert_eq!(selector("sales.orders"), Ok(Selector::Default));
        assert_eq!(selector("sales.orders@latest"), Ok(Selector::Latest));
        assert_eq!(selector("sales.orders@v12"), Ok(Selector::Number(12)));
        assert!(matches!(selector("sales.orders@product"), Ok(Selector::Stage(_))));
        assert!(matches!(selector("sales.orders@b3:9f2c61d0"), Ok(Selector::Digest(_))));
        assert!(matches!(selector("sales.orders@2026-11-01"), Ok(Selector::Date(_))));
        assert!(matches!(
            selector("sales.orders@2026-11-01T08:00:00+02:00"),
            Ok(Selector::Time(_))
        ));
    }

    #[test]
    fn what_is_no_reference_says_why() {
        for bad in [
            "orders",
            "sales.orders@",
            "sales.orders@v0",
            "sales.orders@v01",
            "sales.orders@b3:12",
            "sales.orders@b3:9F2C61D0",
            "sales.orders@2026-13-01",
            "sales.orders@@v1",
            "sales.orders@v99999999999999999999",
            "sales.orders@../x",
            "sales.orders@\u{7}",
        ] {
            let error = bad.parse::<DatasetRef>().expect_err(bad).to_string();
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
    }

    proptest! {
        /// Whatever parses prints as something that parses to the same value.
        #[test]
        fn printing_is_the_inverse_of_parsing(text in r"[a-z]{1,3}\.[a-z_0-9]{1,4}(@[a-z0-9:_TZ+.-]{0,30})?") {
            if let Ok(parsed) = text.parse::<DatasetRef>() {
                prop_assert_eq!(parsed.to_string().parse::<DatasetRef>(), Ok(parsed));
            }
        }

        /// No text makes the parser panic, and nothing unprintable comes back in its message.
        #[test]
        fn any_text_is_a_reference_or_one_clear_line(text in any::<String>()) {
            if let Err(error) = text.parse::<DatasetRef>() {
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }

        /// A quarantine is named by its version's reference and one word behind it.
        #[test]
        fn a_quarantine_is_named_behind_its_version(text in r"[a-z]{1,3}\.[a-z_0-9]{1,4}(@v[1-9])?(!quarantine)?!?") {
            if let Ok(parsed) = text.parse::<TableRef>() {
                prop_assert_eq!(parsed.to_string(), text.clone());
                prop_assert_eq!(parsed.part == TablePart::Quarantine, text.ends_with("!quarantine"));
            } else {
                prop_assert!(text.ends_with('!') || text.trim_end_matches("!quarantine").parse::<DatasetRef>().is_err());
            }
        }

        #[test]
        fn numbers_have_one_spelling(number in 1..=i64::MAX) {
            let text = format!("a.b@v{number}");
            prop_assert_eq!(text.parse::<DatasetRef>().map(|parsed| parsed.to_string()), Ok(text));
        }
    }
}
