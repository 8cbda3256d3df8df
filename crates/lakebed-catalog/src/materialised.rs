//! Live versions whose rows are in files as well, because somebody needed files.

use lakebed_core::{DatasetName, ListRef, VersionMaterialised};

use crate::{
    Catalog, Entity, Error, Result,
    connection::Connection,
    event::saturate,
    flaw::{Flaw, to_i64},
    object, object_dataset,
    projection::{get_dataset, require_object},
    statement::query,
};

/// The files of a live version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaterialisedRecord {
    /// The list of them, with their rows.
    pub tables: ListRef,
    /// Their bytes.
    pub size_bytes: u64,
}

/// The files of version `$3` of dataset `$1.$2`, as readers may see them.
pub(crate) const OF_VERSION: &str = "SELECT x.entry_count, x.row_count, x.size_bytes AS files_size_bytes, \
     o.id, o.size_bytes, o.tree \
     FROM meta m JOIN datasets d ON d.namespace = $1 AND d.name = $2 \
     JOIN materialised x ON x.dataset_id = d.id AND x.number = $3 AND x.seq <= m.journaled_seq \
     JOIN objects o ON o.id = x.list_id WHERE m.id = 1";

impl Catalog {
    /// The files of a live version; none where nobody needed them yet, or it is not live or not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn materialised(
        &self,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Option<MaterialisedRecord>> {
        let mut connection = self.connection().await?;
        let row = query(OF_VERSION)
            .bind(dataset.namespace())
            .bind(dataset.name())
            .bind(saturate(number))
            .fetch_optional(&mut connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let tables = ListRef {
            object: object::from_row(&row)?,
            entry_count: row.number("entry_count")?,
            row_count: row.number("row_count")?,
        };
        Ok(Some(MaterialisedRecord { tables, size_bytes: row.number("files_size_bytes")? }))
    }
}

/// Records the files of a live version: once, and whoever comes second is told so.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    materialised: &VersionMaterialised,
) -> Result<()> {
    let VersionMaterialised { dataset, number, tables, size_bytes, objects, shared } = materialised;
    let dataset_id = get_dataset(connection, dataset).await?;
    let version = query("SELECT live FROM versions WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(saturate(*number))
        .fetch_optional(connection)
        .await?;
    let entity = Entity::Version(dataset.clone(), *number);
    match version {
        None => return Err(Error::NotFound { entity }),
        Some(version) if version.number("live")? == 0 => {
            return Err(Error::invalid(seq, Flaw::NotLive { number: *number }));
        }
        Some(_) => {}
    }
    let before = query("SELECT seq FROM materialised WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(saturate(*number))
        .fetch_optional(connection)
        .await?;
    if before.is_some() {
        let (expected, found) = ("no files".to_owned(), "files".to_owned());
        return Err(Error::Conflict { entity, expected, found });
    }
    object::insert(connection, seq, objects).await?;
    object_dataset::require(connection, seq, shared).await?;
    let named = objects.iter().map(|object| object.id).chain(shared.iter().copied());
    object_dataset::insert(connection, seq, dataset, named).await?;
    require_object(connection, seq, tables.object.id).await?;
    let int = |what, value| to_i64(what, value).map_err(|flaw| Error::invalid(seq, flaw));
    query(
        "INSERT INTO materialised (dataset_id, number, list_id, entry_count, row_count, size_bytes, \
         seq) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(dataset_id)
    .bind(saturate(*number))
    .bind(tables.object.id)
    .bind(int("entry_count", tables.entry_count)?)
    .bind(int("row_count", tables.row_count)?)
    .bind(int("size_bytes", *size_bytes)?)
    .bind(saturate(seq))
    .execute(connection)
    .await?;
    Ok(())
}
