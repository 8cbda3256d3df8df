//! Statements as values: SQL text with `$1` placeholders, and what is bound to them.
//!
//! The same text runs on every engine, so it keeps to what SQLite and PostgreSQL both understand
//! (D-35). What an engine does with a statement is `connection.rs`'s business.

use std::borrow::Cow;

use lakebed_core::{ObjectId, Timestamp};

use crate::{
    Error, Result,
    connection::{Connection, Row},
};

/// A value for a placeholder. Each knows its type also when it is null: PostgreSQL wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
}

/// One SQL statement, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) values: Vec<Value>,
    /// Whether the connection keeps it prepared. One-off texts would push the others out.
    pub(crate) is_kept: bool,
}

/// A statement that is always the same text.
pub(crate) const fn query(sql: &'static str) -> Statement {
    Statement { sql: Cow::Borrowed(sql), values: Vec::new(), is_kept: true }
}

impl Statement {
    /// A text that is put together as it is bound, from constants, numbers and placeholders alone.
    pub(crate) fn one_off(start: &'static str) -> Self {
        Self { sql: Cow::Owned(start.to_owned()), values: Vec::new(), is_kept: false }
    }

    /// Binds the next placeholder: the first call is `$1`.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends constant text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        self.sql.to_mut().push_str(text);
        self
    }

    /// Appends a number as it is.
    pub(crate) fn push_number(&mut self, number: i64) -> &mut Self {
        self.sql.to_mut().push_str(&number.to_string());
        self
    }

    /// Appends a placeholder and binds it.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.push_bound(self.values.len())
    }

    /// Appends a placeholder that was bound before, the first being 1. SQLite looks for each among all
    /// there are, so many of them take long.
    pub(crate) fn push_bound(&mut self, place: usize) -> &mut Self {
        let placeholder = format!("${place}");
        self.sql.to_mut().push_str(&placeholder);
        self
    }

    /// Runs it, and says how many rows it changed.
    pub(crate) async fn execute(self, connection: &mut Connection) -> Result<u64> {
        connection.execute(self).await
    }

    /// All rows of the answer.
    pub(crate) async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>> {
        connection.fetch_all(self).await
    }

    /// The answer's first row, if it has one.
    pub(crate) async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<Row>> {
        Ok(self.fetch_all(connection).await?.into_iter().next())
    }

    /// The answer's first row.
    pub(crate) async fn fetch_one(self, connection: &mut Connection) -> Result<Row> {
        let no_row = || Error::Damaged { what: "a row is missing".into(), source: None };
        self.fetch_optional(connection).await?.ok_or_else(no_row)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Number(Some(at.as_micros()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl From<ObjectId> for Value {
    fn from(id: ObjectId) -> Self {
        Self::Bytes(Some(id.as_bytes().to_vec()))
    }
}

impl From<Option<ObjectId>> for Value {
    fn from(id: Option<ObjectId>) -> Self {
        Self::Bytes(id.map(|id| id.as_bytes().to_vec()))
    }
}
