//! What was declared when: each applied catalog, in order. The values themselves are in their
//! events.

use lakebed_core::{CatalogApplied, EventBody, ObjectId};

use crate::{
    Catalog, Entity, Error, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::Flaw,
    statement::query,
};

/// An applied catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declaration {
    /// The event that applied it.
    pub seq: u64,
    /// The digest of the value.
    pub digest: ObjectId,
}

/// The newest one that readers may see.
pub(crate) const NOW: &str = "SELECT d.seq, d.digest FROM meta m JOIN declarations d \
     ON d.seq <= m.journaled_seq WHERE m.id = 1 ORDER BY d.seq DESC LIMIT 1";

impl Catalog {
    /// The catalog that is declared at the journaled mark; none before the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn declaration(&self) -> Result<Option<Declaration>> {
        let mut connection = self.connection().await?;
        let found = query(NOW).fetch_optional(&mut connection).await?;
        found.as_ref().map(from_row).transpose()
    }

    /// The catalog that the next one replaces, above the journaled mark too: for planning.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn newest_declaration(&self) -> Result<Option<Declaration>> {
        newest(&mut self.connection().await?).await
    }

    /// An applied catalog, as its event holds it.
    ///
    /// # Errors
    /// [`Error::Damaged`] when its event holds something else.
    pub async fn get_applied(&self, declaration: Declaration) -> Result<CatalogApplied> {
        let mut connection = self.connection().await?;
        let row = query("SELECT body FROM events WHERE seq = $1")
            .bind(saturate(declaration.seq))
            .fetch_one(&mut connection)
            .await?;
        let body = serde_json::from_str::<EventBody>(&row.text("body")?);
        match body {
            Ok(EventBody::CatalogApplied(applied)) if applied.digest == declaration.digest => {
                Ok(applied)
            }
            _ => Err(Error::Damaged {
                what: format!("event {} holds no such catalog", declaration.seq),
                source: None,
            }),
        }
    }
}

/// Records `applied`, which replaces what it says it does, or someone was first.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    applied: &CatalogApplied,
) -> Result<()> {
    if applied.declared.digest() != applied.digest {
        return Err(Error::invalid(seq, Flaw::DeclaredDiffers));
    }
    let found = newest(connection).await?.map(|declaration| declaration.digest);
    if found != applied.previous {
        let show = |digest: Option<ObjectId>| {
            digest.map_or("none".to_owned(), |digest| format!("`{}`", digest.short()))
        };
        return Err(Error::Conflict {
            entity: Entity::Declared,
            expected: show(applied.previous),
            found: show(found),
        });
    }
    query("INSERT INTO declarations (seq, digest) VALUES ($1, $2)")
        .bind(saturate(seq))
        .bind(applied.digest)
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest one, above the mark too.
pub(crate) async fn newest(connection: &mut Connection) -> Result<Option<Declaration>> {
    let found = query("SELECT seq, digest FROM declarations ORDER BY seq DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    found.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<Declaration> {
    Ok(Declaration { seq: row.number("seq")?, digest: row.digest("digest")? })
}
