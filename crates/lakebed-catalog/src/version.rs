//! Versions as the catalog knows them.

use lakebed_core::{
    DatasetKind, DatasetName, IngestKey, ObjectId, StoredObject, Timestamp, VersionId,
};

use crate::{Catalog, Entity, Error, Result, connection::Row, event::saturate, statement::query};

/// A committed version, with the event that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRecord {
    /// The dataset.
    pub dataset: DatasetName,
    /// What the dataset's versions are made of.
    pub kind: DatasetKind,
    /// Counts from 1 within the dataset.
    pub number: u64,
    /// The manifest's digest.
    pub version_id: VersionId,
    /// The version before.
    pub parent: Option<VersionId>,
    /// Equal ids mean equal data.
    pub content_id: ObjectId,
    /// What would make the same version again.
    pub ingest_key: IngestKey,
    /// Accepted rows; files for kind `files`. 0 of a live version, whose rows nobody counted.
    pub row_count: u64,
    /// Quarantined rows.
    pub quarantined_count: u64,
    /// Bytes of its table files, or of its files.
    pub size_bytes: u64,
    /// The manifest, ready to be read and verified.
    pub manifest: StoredObject,
    /// The event's place.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// Who committed it.
    pub actor: String,
    /// Whether its rows are computed when they are asked for.
    pub live: bool,
    /// Whether rows and bytes are counted: those of live versions are not, here.
    pub is_counted: bool,
}

impl VersionRecord {
    /// How many rows or files it has, as far as somebody counted them.
    #[must_use]
    pub fn counted(&self) -> Option<u64> {
        self.is_counted.then_some(self.row_count)
    }
}

/// The columns that [`from_row`] reads, from `versions v`, `datasets d`, `objects o`, `events e`.
macro_rules! version_columns {
    () => {
        "d.namespace, d.name, d.kind, v.number, v.version_id, v.parent, v.content_id, \
         v.ingest_key, v.row_count, v.quarantined_count, v.size_bytes, v.seq, v.live, \
         o.size_bytes AS manifest_size_bytes, o.tree AS manifest_tree, e.at_micros, e.actor"
    };
}
pub(crate) use version_columns;

/// What belongs to a version `v`.
macro_rules! version_joins {
    () => {
        "LEFT JOIN objects o ON o.id = v.version_id LEFT JOIN events e ON e.seq = v.seq"
    };
}
pub(crate) use version_joins;

/// Reads one version. Its columns must not be null.
pub(crate) fn from_row(row: &Row) -> Result<VersionRecord> {
    let version_id = row.version_id("version_id")?;
    Ok(VersionRecord {
        dataset: dataset_name(row)?,
        kind: row.kind("kind")?,
        number: row.number("number")?,
        version_id,
        parent: row.optional_digest("parent")?.map(VersionId::new),
        content_id: row.digest("content_id")?,
        ingest_key: ingest_key(row)?,
        row_count: row.number("row_count")?,
        quarantined_count: row.number("quarantined_count")?,
        size_bytes: row.number("size_bytes")?,
        manifest: StoredObject {
            id: version_id.object(),
            size_bytes: row.number("manifest_size_bytes")?,
            tree: row.optional_digest("manifest_tree")?,
        },
        seq: row.number("seq")?,
        at: row.time("at_micros")?,
        actor: row.text("actor")?,
        live: row.number("live")? == 1,
        is_counted: row.number("live")? == 0,
    })
}

fn ingest_key(row: &Row) -> Result<IngestKey> {
    let digest = row.digest("ingest_key")?.to_string();
    digest.parse().map_err(|error| Error::damaged("column `ingest_key`", error))
}

/// Reads one version where there may be none.
pub(crate) fn optional_from_row(row: &Row) -> Result<Option<VersionRecord>> {
    match row.optional_number("number")? {
        Some(_) => from_row(row).map(Some),
        None => Ok(None),
    }
}

/// The dataset's name, from its two columns.
pub(crate) fn dataset_name(row: &Row) -> Result<DatasetName> {
    DatasetName::new(&row.text("namespace")?, &row.text("name")?)
        .map_err(|error| Error::damaged("the name of a dataset", error))
}

pub(crate) const HISTORY: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM meta m \
     JOIN datasets d ON d.namespace = $1 AND d.name = $2 AND d.id <= m.journaled_seq \
     LEFT JOIN versions v ON v.dataset_id = d.id AND v.number < $3 AND v.seq <= m.journaled_seq ",
    version_joins!(),
    " WHERE m.id = 1 ORDER BY v.number DESC LIMIT $4"
);

impl Catalog {
    /// Up to `limit` versions below number `before` (or all), newest first.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such dataset.
    pub async fn history(
        &self,
        name: &DatasetName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>> {
        let mut connection = self.connection().await?;
        let rows = query(HISTORY)
            .bind(name.namespace())
            .bind(name.name())
            .bind(before.map_or(i64::MAX, saturate))
            .bind(i64::from(limit.max(1)))
            .fetch_all(&mut connection)
            .await?;
        if rows.is_empty() {
            return Err(Error::NotFound { entity: Entity::Dataset(name.clone()) });
        }
        let versions = rows.iter().filter_map(|row| optional_from_row(row).transpose());
        versions.take(limit as usize).collect()
    }
}
