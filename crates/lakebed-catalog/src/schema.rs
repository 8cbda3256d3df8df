//! The shape of the tables: which migrations a database has, and which it lacks.
//!
//! The migrations are files under `migrations/`, the same numbers and names for every database.

use sqlx::migrate::Migrator;

use crate::{Error, Result, database::Connection};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// "Lake", in the header of every database of ours.
const APPLICATION_ID: i64 = 0x4c61_6b65;

/// The database's schema, seen from this build.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SchemaState {
    /// Every migration is in place.
    UpToDate,
    /// Empty, or of an older build.
    Behind,
}

/// Compares the database's migrations with this build's, without writing.
pub(crate) async fn state(connection: &mut Connection) -> Result<SchemaState> {
    let (application_id,): (i64,) =
        sqlx::query_as("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if application_id != APPLICATION_ID {
        return foreign_or_empty(connection).await;
    }
    let applied: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
            .fetch_all(connection)
            .await?;
    let known = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some((found, _)) = applied.last().filter(|(version, _)| *version > known) {
        return Err(Error::TooNew { found: *found, known });
    }
    let is_applied = |migration: &sqlx::migrate::Migration| {
        applied.iter().any(|(version, checksum)| {
            *version == migration.version && checksum.as_slice() == &*migration.checksum
        })
    };
    match MIGRATOR.iter().all(is_applied) {
        true => Ok(SchemaState::UpToDate),
        false => Ok(SchemaState::Behind),
    }
}

/// Applies what is missing, in the caller's transaction.
pub(crate) async fn migrate(connection: &mut Connection) -> Result<()> {
    // `Migrator::run` makes a future that is not `Send`; this is what it calls.
    Ok(MIGRATOR.run_direct(None, connection, false).await?)
}

/// A database that is not marked as ours must have nothing in it.
async fn foreign_or_empty(connection: &mut Connection) -> Result<SchemaState> {
    let (table_count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM sqlite_master").fetch_one(connection).await?;
    match table_count {
        0 => Ok(SchemaState::Behind),
        _ => Err(Error::Damaged { what: "it is another program's database".into(), source: None }),
    }
}
