//! Names people choose: datasets, stages, columns.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::serde_text::serde_as_text;

/// The longest namespace, dataset or stage name, in bytes.
const MAX_NAME: usize = 63;
/// The longest column name, in bytes.
const MAX_COLUMN: usize = 255;
/// Namespaces that SQL or Lakebed itself speaks for.
const RESERVED: [&str; 4] = ["information_schema", "pg_catalog", "system", "lakebed"];

/// A name that breaks the rules; says which rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `namespace.dataset`.
    #[error("`{given}` is not a dataset name: expected `namespace.dataset`, as in `sales.orders`")]
    NotQualified {
        /// What was given, shortened and escaped.
        given: String,
    },
    /// A part that is not an identifier.
    #[error(
        "`{given}` is not a valid {what}: use 1 to 63 lower-case letters, digits and `_`, \
         starting with a letter"
    )]
    NotIdentifier {
        /// What was given, shortened and escaped.
        given: String,
        /// What it was meant to name.
        what: &'static str,
    },
    /// A name with a meaning of its own.
    #[error("`{given}` cannot be used as a {what}: it is reserved")]
    Reserved {
        /// What was given.
        given: String,
        /// What it was meant to name.
        what: &'static str,
    },
    /// A column name that cannot be stored.
    #[error("column name `{given}` is not usable: {why}")]
    Column {
        /// What was given, shortened and escaped.
        given: String,
        /// The rule it breaks.
        why: &'static str,
    },
}

/// At most 80 characters, control characters escaped: safe to print.
pub(crate) fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn check_identifier(text: &str, what: &'static str) -> Result<(), NameError> {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if starts_well && text.len() <= MAX_NAME && text.bytes().all(rest) {
        return Ok(());
    }
    Err(NameError::NotIdentifier { given: printable(text), what })
}

fn check_namespace(text: &str) -> Result<(), NameError> {
    check_identifier(text, "namespace")?;
    if RESERVED.contains(&text) {
        return Err(NameError::Reserved { given: text.to_owned(), what: "namespace" });
    }
    Ok(())
}

/// `namespace.dataset`: both parts are SQL identifiers that need no quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName {
    namespace: String,
    name: String,
}

impl DatasetName {
    /// Checks both parts.
    ///
    /// # Errors
    /// [`NameError`] says which part breaks which rule.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        check_namespace(namespace)?;
        check_identifier(name, "dataset name")?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The part before the dot.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The part after the dot.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

impl FromStr for DatasetName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('.') {
            Some((namespace, name)) => Self::new(namespace, name),
            None => Err(NameError::NotQualified { given: printable(text) }),
        }
    }
}

/// The part of a dataset's name before the dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NamespaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        check_namespace(text).map(|()| Self(text.to_owned()))
    }
}

/// A rung of the ladder from `raw` to product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageName(String);

impl StageName {
    /// The stage every version enters at; its head is always the newest version.
    #[must_use]
    pub fn raw() -> Self {
        Self("raw".to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for StageName {
    type Err = NameError;

    /// A stage may not look like another selector: `latest`, `v12`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        check_identifier(text, "stage name")?;
        let looks_numbered = text
            .strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        if text == "latest" || looks_numbered {
            return Err(NameError::Reserved { given: text.to_owned(), what: "stage name" });
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a column, as its producer wrote it: any Unicode but control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnName(String);

impl ColumnName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ColumnName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = |why| NameError::Column { given: printable(text), why };
        if text.is_empty() {
            return Err(error("it is empty"));
        }
        if text.len() > MAX_COLUMN {
            return Err(error("it is longer than 255 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(error("it contains a control character"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What a dataset's versions are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DatasetKind {
    /// Rows and columns, stored as Parquet.
    Table,
    /// Originals that are no table: models, images, documents.
    Files,
}

impl fmt::Display for DatasetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Files => "files",
        })
    }
}

serde_as_text!(DatasetName, NamespaceName, StageName, ColumnName, crate::DatasetRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_need_quotes_or_leave_the_folder_are_refused() {
        for bad in [
            "orders",
            "Sales.orders",
            "sales.Orders",
            "../etc.passwd",
            "a.b.c",
            "a.",
            ".b",
            "a.b/c",
            "a.b\n",
            "a.b@v1",
            "1a.b",
            "a.é",
            "system.events",
            "information_schema.tables",
        ] {
            assert!(bad.parse::<DatasetName>().is_err(), "{bad:?} was accepted");
        }
        assert!("sales.orders_2024".parse::<DatasetName>().is_ok());
    }

    #[test]
    fn a_stage_cannot_look_like_another_selector() {
        for bad in ["latest", "v1", "v12", "b3:12345678", "2026-11-01", "", "Raw"] {
            assert!(bad.parse::<StageName>().is_err(), "{bad:?} was accepted");
        }
        for good in ["raw", "validated", "product", "v", "vetted", "v1_done"] {
            assert!(good.parse::<StageName>().is_ok(), "{good:?} was refused");
        }
    }
}
