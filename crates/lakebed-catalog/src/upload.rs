//! Uploads that wait: who sends them, how far they are, and what they turned out to be.
//!
//! The bytes are the store's. No event speaks of an upload, and a rebuild brings none back.

use lakebed_core::{ObjectId, Timestamp};

use crate::{
    Catalog, Result,
    connection::{Connection, Row},
    event::saturate,
    statement::{Statement, query},
};

const COLUMNS: &str = "SELECT id, principal, name, length_bytes, digest, received_bytes, object, \
     touched_at_micros FROM uploads WHERE ";

/// Digests per statement.
const CHUNK: usize = 500;

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRecord {
    /// Its name in addresses: letters and digits.
    pub id: String,
    /// Whose it is; for everyone else there is no such upload.
    pub principal: String,
    /// What its sender calls it.
    pub name: Option<String>,
    /// How long it is to be, where that was declared.
    pub length_bytes: Option<u64>,
    /// What it is to hash to, where that was declared.
    pub digest: Option<ObjectId>,
    /// How many of its bytes are here.
    pub received_bytes: u64,
    /// What it hashes to, once all of it is here.
    pub object: Option<ObjectId>,
    /// When the last bytes came.
    pub touched_at: Timestamp,
}

impl UploadRecord {
    /// The room that is kept for it.
    #[must_use]
    pub fn reserved_bytes(&self) -> u64 {
        self.received_bytes.max(self.length_bytes.unwrap_or(0))
    }
}

/// How much waits: counts and reserved bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UploadUsage {
    /// Bytes of all principals together.
    pub all_bytes: u64,
    /// Bytes of the one principal.
    pub own_bytes: u64,
    /// Uploads of the one principal.
    pub own_count: u64,
}

impl Catalog {
    /// Records an upload if `fits` says so of what waits already; gives what waits already.
    ///
    /// Atomic: of two that would fit alone but not together one is recorded.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`], [`crate::Error::Full`].
    pub async fn create_upload(
        &self,
        upload: &UploadRecord,
        fits: impl FnOnce(UploadUsage) -> bool + Send,
    ) -> Result<(UploadUsage, bool)> {
        let mut write = self.begin_write().await?;
        let usage = usage(write.connection(), &upload.principal).await?;
        if !fits(usage) {
            return Ok((usage, false));
        }
        query(
            "INSERT INTO uploads (id, principal, name, length_bytes, digest, received_bytes, \
             object, touched_at_micros) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&upload.id)
        .bind(&upload.principal)
        .bind(&upload.name)
        .bind(upload.length_bytes.map(saturate))
        .bind(upload.digest)
        .bind(saturate(upload.received_bytes))
        .bind(upload.object)
        .bind(upload.touched_at)
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok((usage, true))
    }

    /// How much waits, of all and of `principal`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn upload_usage(&self, principal: &str) -> Result<UploadUsage> {
        usage(&mut self.connection().await?, principal).await
    }

    /// The upload `id` of `principal`; somebody else's is not found.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn find_upload(&self, principal: &str, id: &str) -> Result<Option<UploadRecord>> {
        let mut statement = Statement::one_off(COLUMNS);
        statement.push("id = ").push_bind(id).push(" AND principal = ").push_bind(principal);
        let row = statement.fetch_optional(&mut self.connection().await?).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// Uploads of `principal` that are complete and hash to one of `objects`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn find_uploaded(
        &self,
        principal: &str,
        objects: &[ObjectId],
    ) -> Result<Vec<UploadRecord>> {
        let mut connection = self.connection().await?;
        let mut found = Vec::new();
        for chunk in objects.chunks(CHUNK) {
            let mut statement = Statement::one_off(COLUMNS);
            statement.push("principal = ").push_bind(principal).push(" AND object IN (");
            for (index, object) in chunk.iter().enumerate() {
                statement.push(if index == 0 { "" } else { ", " }).push_bind(*object);
            }
            statement.push(") ORDER BY touched_at_micros");
            let rows = statement.fetch_all(&mut connection).await?;
            found.extend(rows.iter().map(from_row).collect::<Result<Vec<_>>>()?);
        }
        Ok(found)
    }

    /// Notes that bytes `from..to` came; not, if the upload is not where `from` says.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn advance_upload(
        &self,
        id: &str,
        from: u64,
        to: u64,
        at: Timestamp,
    ) -> Result<bool> {
        let advance = query(
            "UPDATE uploads SET received_bytes = $1, touched_at_micros = $2 \
             WHERE id = $3 AND received_bytes = $4 AND object IS NULL",
        );
        self.change(advance.bind(saturate(to)).bind(at).bind(id).bind(saturate(from))).await
    }

    /// Notes what the upload hashes to, now that all its `size_bytes` are here; not, if it is gone
    /// or has another length by now.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn complete_upload(
        &self,
        id: &str,
        size_bytes: u64,
        object: ObjectId,
        at: Timestamp,
    ) -> Result<bool> {
        let complete = query(
            "UPDATE uploads SET object = $1, length_bytes = $2, touched_at_micros = $3 \
             WHERE id = $4 AND received_bytes = $5",
        );
        let size_bytes = saturate(size_bytes);
        self.change(complete.bind(object).bind(size_bytes).bind(at).bind(id).bind(size_bytes)).await
    }

    /// Uploads that nothing came for since `before`, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn stale_uploads(&self, before: Timestamp, limit: u32) -> Result<Vec<String>> {
        let stale = query(
            "SELECT id FROM uploads WHERE touched_at_micros < $1 \
             ORDER BY touched_at_micros LIMIT $2",
        );
        let stale = stale.bind(before).bind(i64::from(limit));
        let rows = stale.fetch_all(&mut self.connection().await?).await?;
        rows.iter().map(|row| row.text("id")).collect()
    }

    /// Those of `ids` that are recorded.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn known_uploads(&self, ids: &[String]) -> Result<Vec<String>> {
        let mut connection = self.connection().await?;
        let mut known = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let mut statement = Statement::one_off("SELECT id FROM uploads WHERE id IN (");
            for (index, id) in chunk.iter().enumerate() {
                statement.push(if index == 0 { "" } else { ", " }).push_bind(id);
            }
            statement.push(")");
            for row in statement.fetch_all(&mut connection).await? {
                known.push(row.text("id")?);
            }
        }
        Ok(known)
    }

    /// Forgets uploads. One that is not there is forgotten already.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn delete_uploads(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut write = self.begin_write().await?;
        for chunk in ids.chunks(CHUNK) {
            let mut statement = Statement::one_off("DELETE FROM uploads WHERE id IN (");
            for (index, id) in chunk.iter().enumerate() {
                statement.push(if index == 0 { "" } else { ", " }).push_bind(id);
            }
            statement.push(")");
            statement.execute(write.connection()).await?;
        }
        write.commit().await
    }

    /// Runs one change in a transaction of its own; says whether it changed anything.
    pub(crate) async fn change(&self, statement: Statement) -> Result<bool> {
        let mut write = self.begin_write().await?;
        let changed = statement.execute(write.connection()).await?;
        write.commit().await?;
        Ok(changed > 0)
    }
}

async fn usage(connection: &mut Connection, principal: &str) -> Result<UploadUsage> {
    // Sums of 64-bit numbers have a type of their own in PostgreSQL.
    let sums = query(
        "SELECT CAST(COALESCE(SUM(r.bytes), 0) AS BIGINT) AS all_bytes, \
         CAST(COALESCE(SUM(CASE WHEN r.principal = $1 THEN r.bytes ELSE 0 END), 0) AS BIGINT) \
         AS own_bytes, \
         CAST(COALESCE(SUM(CASE WHEN r.principal = $1 THEN 1 ELSE 0 END), 0) AS BIGINT) \
         AS own_count \
         FROM (SELECT u.principal, CASE WHEN u.length_bytes > u.received_bytes \
         THEN u.length_bytes ELSE u.received_bytes END AS bytes FROM uploads u) r",
    );
    let row = sums.bind(principal).fetch_one(connection).await?;
    Ok(UploadUsage {
        all_bytes: row.number("all_bytes")?,
        own_bytes: row.number("own_bytes")?,
        own_count: row.number("own_count")?,
    })
}

fn from_row(row: &Row) -> Result<UploadRecord> {
    Ok(UploadRecord {
        id: row.text("id")?,
        principal: row.text("principal")?,
        name: row.optional_text("name")?,
        length_bytes: row.optional_number("length_bytes")?,
        digest: row.optional_digest("digest")?,
        received_bytes: row.number("received_bytes")?,
        object: row.optional_digest("object")?,
        touched_at: row.time("touched_at_micros")?,
    })
}
