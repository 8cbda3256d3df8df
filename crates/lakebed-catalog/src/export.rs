//! Everything in the catalog as text, to compare two of them.

use std::fmt::Write as _;

use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use crate::{Catalog, Error, Result, database::Connection};

/// Every table with all its columns, in the order of its key.
const TABLES: [(&str, &str); 7] = [
    (
        "meta",
        "SELECT lake, last_seq, last_at_micros, journaled_seq, segment, segment_digest FROM meta",
    ),
    (
        "events",
        "SELECT seq, at_micros, actor, idempotency_key, part, type, dataset, body FROM events \
         ORDER BY seq",
    ),
    ("datasets", "SELECT id, namespace, name, kind FROM datasets ORDER BY id"),
    ("objects", "SELECT id, size_bytes, tree, seq FROM objects ORDER BY id"),
    (
        "versions",
        "SELECT dataset_id, number, version_id, parent, content_id, ingest_key, row_count, \
         quarantined_count, size_bytes, seq FROM versions ORDER BY dataset_id, number",
    ),
    (
        "head_moves",
        "SELECT dataset_id, stage, seq, number FROM head_moves ORDER BY dataset_id, stage, seq",
    ),
    ("heads", "SELECT dataset_id, stage, number FROM heads ORDER BY dataset_id, stage"),
];

impl Catalog {
    /// Every row of every table, one JSON object a line, tables and rows in a fixed order: equal
    /// exactly when the catalogs are. It is as large as the catalog.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn export(&self) -> Result<String> {
        let mut transaction = self.begin_read().await?;
        let mut text = String::new();
        for (table, sql) in TABLES {
            export_table(&mut transaction, table, sql, &mut text).await?;
        }
        Ok(text)
    }
}

async fn export_table(
    connection: &mut Connection,
    table: &str,
    sql: &'static str,
    text: &mut String,
) -> Result<()> {
    for row in sqlx::query(sql).fetch_all(connection).await? {
        let _ = write!(text, "{{\"table\":\"{table}\"");
        for column in row.columns() {
            let value = value_json(&row, column.ordinal())?;
            let _ = write!(text, ",\"{}\":{value}", column.name());
        }
        text.push_str("}\n");
    }
    Ok(())
}

/// Numbers and text as themselves, digests as hex.
fn value_json(row: &SqliteRow, index: usize) -> Result<serde_json::Value> {
    let raw = row.try_get_raw(index)?;
    if raw.is_null() {
        return Ok(serde_json::Value::Null);
    }
    let kind = raw.type_info().name().to_owned();
    match kind.as_str() {
        "INTEGER" => Ok(row.try_get::<i64, _>(index)?.into()),
        "TEXT" => Ok(row.try_get::<String, _>(index)?.into()),
        "BLOB" => {
            let bytes: Vec<u8> = row.try_get(index)?;
            Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
        }
        other => Err(Error::Damaged { what: format!("a value of type `{other}`"), source: None }),
    }
}
