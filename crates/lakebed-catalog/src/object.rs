//! The objects that events named: name, length and hash tree.
//!
//! Whether their bytes are there is the store's business.

use lakebed_core::{ObjectId, StoredObject};

use crate::{
    Catalog, Error, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::{Flaw, to_i64},
    statement::{Statement, query},
};

/// Objects per statement: well below the databases' limits on bound values.
const CHUNK: usize = 500;

/// The mark bounds the same index entry, so that it stays one seek however many have that size.
pub(crate) const OF_SIZE: &str = "SELECT o.seq FROM meta m JOIN objects o ON o.size_bytes = $1 \
     AND o.seq <= m.journaled_seq WHERE m.id = 1 LIMIT 1";

impl Catalog {
    /// The object of this name, if an event at or below the journaled mark named it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_object(&self, id: ObjectId) -> Result<Option<StoredObject>> {
        Ok(self.find_objects(&[id]).await?.pop())
    }

    /// Those of `ids` that an event at or below the journaled mark named, sorted by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_objects(&self, ids: &[ObjectId]) -> Result<Vec<StoredObject>> {
        // One statement is a snapshot by itself.
        let mut connection = match ids.len() <= CHUNK {
            true => self.connection().await?,
            false => self.begin_read().await?,
        };
        let mut objects = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            objects.extend(select(&mut connection, chunk, Scope::Journaled).await?);
        }
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }

    /// Whether an event at or below the journaled mark named an object of exactly this length:
    /// if not, bytes of that length are new, and need not be hashed to know it.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn has_object_of_size(&self, size_bytes: u64) -> Result<bool> {
        let mut connection = self.connection().await?;
        let found =
            query(OF_SIZE).bind(saturate(size_bytes)).fetch_optional(&mut connection).await?;
        Ok(found.is_some())
    }
}

/// Which objects a statement may see.
#[derive(Debug, Clone, Copy)]
enum Scope {
    Journaled,
    All,
}

async fn select(
    connection: &mut Connection,
    ids: &[ObjectId],
    scope: Scope,
) -> Result<Vec<StoredObject>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query =
        Statement::one_off("SELECT o.id, o.size_bytes, o.tree FROM objects o WHERE o.id IN (");
    for (index, id) in ids.iter().enumerate() {
        query.push(if index == 0 { "" } else { ", " }).push_bind(*id);
    }
    query.push(")");
    if let Scope::Journaled = scope {
        query.push(" AND o.seq <= (SELECT m.journaled_seq FROM meta m WHERE m.id = 1)");
    }
    query.is_kept = ids.len() == 1;
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(from_row).collect()
}

pub(crate) fn from_row(row: &Row) -> Result<StoredObject> {
    Ok(StoredObject {
        id: row.digest("id")?,
        size_bytes: row.number("size_bytes")?,
        tree: row.optional_digest("tree")?,
    })
}

/// Whether any event named it, above the mark too.
pub(crate) async fn is_recorded(connection: &mut Connection, id: ObjectId) -> Result<bool> {
    Ok(!select(connection, &[id], Scope::All).await?.is_empty())
}

/// Records those of `objects` that no earlier event named. Naming one again is no error, as long as
/// its size and hash tree are the same.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    objects: &[StoredObject],
) -> Result<()> {
    for chunk in objects.chunks(CHUNK) {
        let inserted = insert_chunk(connection, seq, chunk).await?;
        if inserted < chunk.len() as u64 {
            check_same(connection, seq, chunk).await?;
        }
    }
    Ok(())
}

async fn insert_chunk(
    connection: &mut Connection,
    seq: u64,
    objects: &[StoredObject],
) -> Result<u64> {
    let mut query = Statement::one_off("INSERT INTO objects (id, size_bytes, tree, seq) VALUES ");
    for (index, object) in objects.iter().enumerate() {
        let size_bytes = to_i64("the size of an object", object.size_bytes)
            .map_err(|flaw| Error::invalid(seq, flaw))?;
        query.push(if index == 0 { "(" } else { ", (" }).push_bind(object.id);
        query.push(", ").push_bind(size_bytes);
        query.push(", ").push_bind(object.tree);
        query.push(", ").push_bind(saturate(seq)).push(")");
    }
    query.push(" ON CONFLICT (id) DO NOTHING");
    query.execute(connection).await
}

async fn check_same(connection: &mut Connection, seq: u64, objects: &[StoredObject]) -> Result<()> {
    let ids: Vec<ObjectId> = objects.iter().map(|object| object.id).collect();
    let mut recorded = select(connection, &ids, Scope::All).await?;
    recorded.sort_unstable();
    for object in objects {
        if recorded.binary_search(object).is_err() {
            return Err(Error::invalid(seq, Flaw::ObjectDiffers { object: object.id }));
        }
    }
    Ok(())
}
