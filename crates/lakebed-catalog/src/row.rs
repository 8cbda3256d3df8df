//! Reading columns as our own types. What does not fit is damage, never a panic.

use std::{fmt::Display, str::FromStr};

use lakebed_core::{DatasetKind, ObjectId, Timestamp, VersionId};
use sqlx::{Column as _, Row as _};

use crate::{Error, Result, connection::Row};

/// Columns by name, as our own types.
impl Row {
    /// A count or a place; never negative.
    pub(crate) fn number(&self, column: &str) -> Result<u64> {
        self.optional_number(column)?.ok_or_else(|| unexpected(column, "no number"))
    }

    /// The same, or nothing.
    pub(crate) fn optional_number(&self, column: &str) -> Result<Option<u64>> {
        let checked = self.optional_i64(column)?.map(u64::try_from).transpose();
        checked.map_err(|error| Error::damaged(format!("column `{column}`"), error))
    }

    /// A digest.
    pub(crate) fn digest(&self, column: &str) -> Result<ObjectId> {
        self.optional_digest(column)?.ok_or_else(|| unexpected(column, "no digest"))
    }

    /// A digest, or nothing.
    pub(crate) fn optional_digest(&self, column: &str) -> Result<Option<ObjectId>> {
        let Some(bytes) = self.bytes_ref(column)? else { return Ok(None) };
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| unexpected(column, "no digest"))?;
        Ok(Some(ObjectId::from_bytes(bytes)))
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        self.bytes_ref(column)?.map(<[u8]>::to_vec).ok_or_else(|| unexpected(column, "no bytes"))
    }

    /// A point in time, stored as microseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        let micros = self.optional_i64(column)?.ok_or_else(|| unexpected(column, "no time"))?;
        Ok(Timestamp::from_micros(micros))
    }

    /// Text as it is.
    pub(crate) fn text(&self, column: &str) -> Result<String> {
        self.text_ref(column)?.map(str::to_owned).ok_or_else(|| unexpected(column, "no text"))
    }

    /// Text as it is, or nothing.
    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.text_ref(column)?.map(str::to_owned))
    }

    /// Text with a meaning.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, column: &str) -> Result<T> {
        let text = self.text_ref(column)?.ok_or_else(|| unexpected(column, "no text"))?;
        text.parse().map_err(|error: T::Err| unexpected(column, &error.to_string()))
    }

    /// What a dataset's versions are made of.
    pub(crate) fn kind(&self, column: &str) -> Result<DatasetKind> {
        match self.text_ref(column)? {
            Some("table") => Ok(DatasetKind::Table),
            Some("files") => Ok(DatasetKind::Files),
            _ => Err(unexpected(column, "no kind")),
        }
    }

    /// The id of a version.
    pub(crate) fn version_id(&self, column: &str) -> Result<VersionId> {
        self.digest(column).map(VersionId::new)
    }

    /// Every column with its name: numbers and text as themselves, bytes as hex.
    pub(crate) fn values(&self) -> Result<Vec<(String, serde_json::Value)>> {
        let names: Vec<String> = match self {
            Self::Sqlite(row) => row.columns().iter().map(|c| c.name().to_owned()).collect(),
            Self::Postgres(row) => row.columns().iter().map(|c| c.name().to_owned()).collect(),
        };
        names.into_iter().map(|name| Ok((name.clone(), self.value(&name)?))).collect()
    }

    fn value(&self, column: &str) -> Result<serde_json::Value> {
        let value = match self.type_name(column)?.as_str() {
            "NULL" => None,
            "INTEGER" | "INT8" => self.optional_i64(column)?.map(Into::into),
            "TEXT" => self.text_ref(column)?.map(Into::into),
            "BLOB" | "BYTEA" => self.optional_hex(column)?.map(Into::into),
            other => return Err(unexpected(column, &format!("a value of type `{other}`"))),
        };
        Ok(value.unwrap_or_default())
    }

    fn type_name(&self, column: &str) -> Result<String> {
        use sqlx::{TypeInfo as _, ValueRef as _};
        Ok(match self {
            Self::Sqlite(row) => row.try_get_raw(column)?.type_info().name().to_owned(),
            Self::Postgres(row) => row.try_get_raw(column)?.type_info().name().to_owned(),
        })
    }

    fn optional_hex(&self, column: &str) -> Result<Option<String>> {
        let bytes = self.bytes_ref(column)?;
        Ok(bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    fn optional_i64(&self, column: &str) -> Result<Option<i64>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    fn bytes_ref(&self, column: &str) -> Result<Option<&[u8]>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    fn text_ref(&self, column: &str) -> Result<Option<&str>> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }
}

/// A column that holds something no build of ours wrote.
fn unexpected(column: &str, why: &str) -> Error {
    Error::Damaged { what: format!("column `{column}`: {why}"), source: None }
}
