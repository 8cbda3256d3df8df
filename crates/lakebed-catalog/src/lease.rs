//! Leases: who does a piece of background work just now, so that not everyone does it.
//!
//! A lease saves work; it keeps nobody safe. Its holder may sleep through its end and go on: what
//! it then does has to be harmless by itself, or carry the fence to whoever can refuse an old one
//! (D-38). The database's clock counts, so that the machines' clocks need not agree.

use std::time::Duration;

use crate::{Catalog, Result, connection::Engine, statement::query};

/// A piece of work that somebody has taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The work.
    pub name: String,
    /// Who does it.
    pub holder: String,
    /// Larger than that of every earlier lease of this name.
    pub fence: u64,
}

/// One statement, so that it needs no transaction: the row is taken when it is free, over, or the
/// holder's own. Asking again does no more than asking once.
macro_rules! take_sql {
    ($now:literal) => {
        concat!(
            "INSERT INTO leases (name, holder, fence, expires_at_micros) \
             VALUES ($1, $2, ",
            $now,
            ", ",
            $now,
            " + $3) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
             fence = CASE WHEN leases.holder = excluded.holder AND leases.expires_at_micros > ",
            $now,
            " THEN leases.fence WHEN leases.fence < excluded.fence THEN excluded.fence \
             ELSE leases.fence + 1 END, expires_at_micros = excluded.expires_at_micros \
             WHERE leases.holder = excluded.holder OR leases.expires_at_micros <= ",
            $now,
            " RETURNING fence"
        )
    };
}

const TAKE_SQLITE: &str = take_sql!("CAST(unixepoch('subsec') * 1000000 AS INTEGER)");
const TAKE_POSTGRES: &str =
    take_sql!("CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)");

/// The row stays, so that its fence only ever grows.
const RELEASE: &str =
    "UPDATE leases SET expires_at_micros = 0 WHERE name = $1 AND holder = $2 AND fence = $3";

impl Catalog {
    /// Takes `name` on for `holder` until `duration` from now by the database's clock, or longer if
    /// it is the holder's already. None while somebody else has it.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable), [`Error::Locked`](crate::Error::Locked).
    pub async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        duration: Duration,
    ) -> Result<Option<Lease>> {
        let mut connection = self.connection().await?;
        let sql = match connection.engine() {
            Engine::Sqlite(_) => TAKE_SQLITE,
            Engine::Postgres(_) => TAKE_POSTGRES,
        };
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
        let row = query(sql).bind(name).bind(holder).bind(micros).fetch_optional(&mut connection);
        let Some(row) = row.await? else { return Ok(None) };
        let fence = row.number("fence")?;
        Ok(Some(Lease { name: name.to_owned(), holder: holder.to_owned(), fence }))
    }

    /// Ends `lease` before its time, if it is still that one.
    ///
    /// # Errors
    /// As [`Catalog::take_lease`].
    pub async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let fence = i64::try_from(lease.fence).unwrap_or(i64::MAX);
        let mut connection = self.connection().await?;
        let release = query(RELEASE).bind(&lease.name).bind(&lease.holder).bind(fence);
        release.execute(&mut connection).await?;
        Ok(())
    }
}
