//! Reading columns as our own types. What does not fit is damage, never a panic.

use std::{fmt::Display, str::FromStr};

use lakebed_core::{DatasetKind, ObjectId, Timestamp, VersionId};
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::{Error, Result};

/// Columns by name, as our own types.
pub(crate) trait Columns {
    /// A count or a place; never negative.
    fn number(&self, column: &str) -> Result<u64>;
    /// The same, or nothing.
    fn optional_number(&self, column: &str) -> Result<Option<u64>>;
    /// A digest.
    fn digest(&self, column: &str) -> Result<ObjectId>;
    /// A digest, or nothing.
    fn optional_digest(&self, column: &str) -> Result<Option<ObjectId>>;
    /// A point in time, stored as microseconds.
    fn time(&self, column: &str) -> Result<Timestamp>;
    /// Text as it is.
    fn text(&self, column: &str) -> Result<String>;
    /// Text with a meaning.
    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T>;

    /// What a dataset's versions are made of.
    fn kind(&self, column: &str) -> Result<DatasetKind> {
        match self.text(column)?.as_str() {
            "table" => Ok(DatasetKind::Table),
            "files" => Ok(DatasetKind::Files),
            _ => Err(unexpected(column, "no kind")),
        }
    }

    /// The id of a version.
    fn version_id(&self, column: &str) -> Result<VersionId> {
        self.digest(column).map(VersionId::new)
    }
}

impl Columns for SqliteRow {
    fn number(&self, column: &str) -> Result<u64> {
        self.optional_number(column)?.ok_or_else(|| unexpected(column, "no number"))
    }

    fn optional_number(&self, column: &str) -> Result<Option<u64>> {
        let value: Option<i64> = self.try_get(column)?;
        let checked = value.map(u64::try_from).transpose();
        checked.map_err(|error| Error::damaged(format!("column `{column}`"), error))
    }

    fn digest(&self, column: &str) -> Result<ObjectId> {
        self.optional_digest(column)?.ok_or_else(|| unexpected(column, "no digest"))
    }

    fn optional_digest(&self, column: &str) -> Result<Option<ObjectId>> {
        let Some(bytes) = self.try_get::<Option<&[u8]>, _>(column)? else {
            return Ok(None);
        };
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| unexpected(column, "no digest"))?;
        Ok(Some(ObjectId::from_bytes(bytes)))
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp::from_micros(self.try_get(column)?))
    }

    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        let text: &str = self.try_get(column)?;
        text.parse().map_err(|error: T::Err| unexpected(column, &error.to_string()))
    }
}

/// A column that holds something no build of ours wrote.
fn unexpected(column: &str, why: &str) -> Error {
    Error::Damaged { what: format!("column `{column}`: {why}"), source: None }
}
