//! The shape of the tables: which migrations a database has, and which it lacks.
//!
//! The migrations are files under `migrations/`, the same numbers and names for every database.
//! They expand first and contract later (D-36): servers of two builds may work on one database.

use std::sync::LazyLock;

use sqlx::migrate::{Migration, Migrator};

use crate::{
    Error, Result,
    connection::{Connection, Engine},
    statement::query,
};

static SQLITE: LazyLock<Migrator> =
    LazyLock::new(|| without_locking(sqlx::migrate!("../../migrations/sqlite")));
static POSTGRES: LazyLock<Migrator> =
    LazyLock::new(|| without_locking(sqlx::migrate!("../../migrations/postgres")));

/// Our own lock is held until the end of the transaction; the driver's would end before, or, after
/// an error, not at all.
fn without_locking(mut migrator: Migrator) -> Migrator {
    migrator.set_locking(false);
    migrator
}

/// "Lake", in the header of every database file of ours.
const APPLICATION_ID: u64 = 0x4c61_6b65;

/// What there is in the schema that our tables are to be in.
const INVENTORY: &str = "SELECT current_setting('server_encoding') AS encoding, \
     current_schema()::TEXT AS schema, \
     (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
     ON n.oid = c.relnamespace WHERE n.nspname = current_schema() \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) AS table_count, \
     (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
     ON n.oid = c.relnamespace WHERE n.nspname = current_schema() \
     AND c.relname IN ('_sqlx_migrations', 'meta', 'events')) AS ours_count";

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
    let (is_ours, migrator) = match connection.engine() {
        Engine::Sqlite(_) => (is_our_file(connection).await?, &*SQLITE),
        Engine::Postgres(_) => (is_our_schema(connection).await?, &*POSTGRES),
    };
    if !is_ours {
        return Ok(SchemaState::Behind);
    }
    let rows = query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in &rows {
        applied.push((row.number("version")?.cast_signed(), row.bytes("checksum")?));
    }
    let known = migrator.iter().map(|migration| migration.version).max().unwrap_or_default();
    if let Some((found, _)) = applied.last().filter(|(version, _)| *version > known) {
        return Err(Error::TooNew { found: *found, known });
    }
    let is_applied = |migration: &Migration| {
        applied.iter().any(|(version, checksum)| {
            *version == migration.version && checksum.as_slice() == &*migration.checksum
        })
    };
    match migrator.iter().all(is_applied) {
        true => Ok(SchemaState::UpToDate),
        false => Ok(SchemaState::Behind),
    }
}

/// Applies what is missing, in the caller's transaction.
pub(crate) async fn migrate(connection: &mut Connection) -> Result<()> {
    // `Migrator::run` makes a future that is not `Send`; this is what it calls.
    match connection.engine() {
        Engine::Sqlite(connection) => SQLITE.run_direct(None, connection, false).await?,
        Engine::Postgres(connection) => POSTGRES.run_direct(None, connection, false).await?,
    }
    Ok(())
}

/// A file that is not marked as ours must have nothing in it.
async fn is_our_file(connection: &mut Connection) -> Result<bool> {
    let row = query("PRAGMA application_id").fetch_one(connection).await?;
    if row.number("application_id")? == APPLICATION_ID {
        return Ok(true);
    }
    let row = query("SELECT count(*) AS n FROM sqlite_master").fetch_one(connection).await?;
    match row.number("n")? {
        0 => Ok(false),
        _ => Err(foreign()),
    }
}

/// A schema without our tables must have nothing in it.
async fn is_our_schema(connection: &mut Connection) -> Result<bool> {
    let row = query(INVENTORY).fetch_one(connection).await?;
    let encoding = row.text("encoding")?;
    if encoding != "UTF8" {
        let found = format!("in the encoding `{encoding}`");
        return Err(Error::Unsuitable { found, needed: "`UTF8`".to_owned() });
    }
    if row.optional_text("schema")?.is_none() {
        let source = "there is no schema in the search path that it may use";
        return Err(Error::NotPermitted { source: source.into() });
    }
    match (row.number("table_count")?, row.number("ours_count")?) {
        (0, _) => Ok(false),
        (_, 3) => Ok(true),
        _ => Err(foreign()),
    }
}

fn foreign() -> Error {
    Error::Damaged { what: "it is another program's database".into(), source: None }
}
