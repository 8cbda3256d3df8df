//! Everything in the catalog as text, to compare two of them.

use std::fmt::Write as _;

use crate::{Catalog, Result, connection::Connection, statement::query};

/// Every table with all its columns, in the order of its key.
const TABLES: [(&str, &str); 22] = [
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
         quarantined_count, size_bytes, seq, live FROM versions ORDER BY dataset_id, number",
    ),
    (
        "materialised",
        "SELECT dataset_id, number, list_id, entry_count, row_count, size_bytes, seq \
         FROM materialised ORDER BY dataset_id, number",
    ),
    (
        "head_moves",
        "SELECT dataset_id, stage, seq, number FROM head_moves ORDER BY dataset_id, stage, seq",
    ),
    (
        "findings",
        "SELECT dataset_id, number, contract, engine, object_id, seq FROM findings \
         ORDER BY dataset_id, number, contract, engine",
    ),
    (
        "derivations",
        "SELECT dataset_id, input_id, seq FROM derivations ORDER BY dataset_id, input_id",
    ),
    (
        "version_inputs",
        "SELECT dataset_id, number, input_id, input_number, seq FROM version_inputs \
         ORDER BY dataset_id, number, input_id, input_number",
    ),
    ("locks", "SELECT seq, actor, name, inputs FROM locks ORDER BY seq"),
    (
        "reviews",
        "SELECT seq, dataset_id, number, stage, verdict, gate, evidence, reason FROM reviews \
         ORDER BY seq",
    ),
    (
        "notices",
        "SELECT seq, dataset_id, state, sunset_at_micros, successor FROM notices ORDER BY seq",
    ),
    ("committed_runs", "SELECT seq, run FROM committed_runs ORDER BY seq"),
    ("lineage_events", "SELECT seq, object_id, run_id FROM lineage_events ORDER BY seq"),
    (
        "lineage_names",
        "SELECT namespace, name, seq FROM lineage_names ORDER BY seq, namespace, name",
    ),
    (
        "lineage_datasets",
        "SELECT namespace, name, seq FROM lineage_datasets ORDER BY seq, namespace, name",
    ),
    ("declarations", "SELECT seq, digest FROM declarations ORDER BY seq"),
    (
        "object_datasets",
        "SELECT object_id, namespace, name, seq FROM object_datasets \
         ORDER BY object_id, namespace, name",
    ),
    (
        "tokens",
        "SELECT id, principal, label, hash, expires_at_micros, scope, made_with, first_admin, seq \
         FROM tokens ORDER BY id",
    ),
    ("token_revocations", "SELECT token, seq FROM token_revocations ORDER BY token"),
    ("heads", "SELECT dataset_id, stage, number FROM heads ORDER BY dataset_id, stage"),
];

impl Catalog {
    /// Every row of every table, one JSON object a line, tables and rows in a fixed order: equal
    /// exactly when the catalogs are. It is as large as the catalog.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
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
    for row in query(sql).fetch_all(connection).await? {
        let _ = write!(text, "{{\"table\":\"{table}\"");
        for (column, value) in row.values()? {
            let _ = write!(text, ",\"{column}\":{value}");
        }
        text.push_str("}\n");
    }
    Ok(())
}
