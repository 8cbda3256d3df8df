//! The database behind a catalog: opening, connections, transactions.
//!
//! What is SQLite's own is here, in `schema.rs`, and, its result codes, in `error.rs`. A write transaction holds
//! the only write lock from its first statement, so that what it checks stays true until it ends.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use lakebed_core::LakeId;
use sqlx::{
    ConnectOptions as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    Error, Result, meta,
    schema::{self, SchemaState},
};

/// The connection that queries run on.
pub(crate) type Connection = SqliteConnection;
/// A database transaction; dropping it leaves nothing behind.
pub(crate) type DatabaseTransaction = Transaction<'static, Sqlite>;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(15);
/// 16 MiB of pages per connection, taken as needed: keys are digests, so a large catalog is read and
/// written all over.
const CACHE_SIZE: &str = "-16384";
/// Readers at the same time; WAL lets them run beside the writer.
const MAX_CONNECTIONS: u32 = 8;

/// The record of one lake. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: SqlitePool,
    /// Writers of this process queue here, in order, instead of polling the file lock.
    turn: Arc<Semaphore>,
    lake: LakeId,
}

impl Catalog {
    /// Opens the catalog of `lake` at `url`, `sqlite:///absolute/path/lakebed.db`; creates it where
    /// nothing is, and brings an older one up to date, each in one transaction. With `?mode=ro`
    /// nothing is created or written.
    ///
    /// # Errors
    /// [`Error::WrongLake`] if it is another lake's, [`Error::TooNew`] if a newer build wrote it,
    /// [`Error::CannotOpen`], [`Error::ReadOnly`], [`Error::Address`], [`Error::Damaged`].
    pub async fn open(url: &str, lake: LakeId) -> Result<Self> {
        let options = parse_url(url)?;
        let pool = connect(&options).await?;
        let catalog = Self { pool, turn: Arc::new(Semaphore::new(1)), lake };
        match catalog.prepare().await {
            Ok(()) => Ok(catalog),
            Err(error) => {
                catalog.close().await;
                Err(error)
            }
        }
    }

    /// The same for a file, whatever characters its path has.
    ///
    /// # Errors
    /// As [`Catalog::open`].
    pub async fn open_file(path: &Path, lake: LakeId) -> Result<Self> {
        Self::open(&Self::url_of_file(path)?, lake).await
    }

    /// The address of a database file: `%`, `?`, `#` and control characters are escaped.
    ///
    /// # Errors
    /// [`Error::Address`] if the path is not Unicode.
    pub fn url_of_file(path: &Path) -> Result<String> {
        let Some(text) = path.to_str() else {
            return Err(Error::Address { url: path.display().to_string() });
        };
        let mut url = String::from("sqlite://");
        for character in text.chars() {
            match character {
                '%' | '?' | '#' => url.push_str(&format!("%{:02X}", u32::from(character))),
                other if other.is_ascii_control() => {
                    url.push_str(&format!("%{:02X}", u32::from(other)));
                }
                other => url.push(other),
            }
        }
        Ok(url)
    }

    /// Which lake it is the catalog of.
    #[must_use]
    pub const fn lake(&self) -> LakeId {
        self.lake
    }

    /// Closes all connections and waits for them. Clones can no longer be used.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection for one statement that is a snapshot by itself.
    pub(crate) async fn connection(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>> {
        Ok(self.pool.acquire().await?)
    }

    /// A read transaction: all its statements see one state.
    pub(crate) async fn begin_read(&self) -> Result<DatabaseTransaction> {
        Ok(self.pool.begin().await?)
    }

    /// A write transaction; the only one in the database until it ends.
    pub(crate) async fn begin_write(&self) -> Result<WriteTransaction> {
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(closed)) => return Err(Error::Unavailable { source: closed.into() }),
            Err(_elapsed) => return Err(Error::Locked),
        };
        let transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(WriteTransaction { transaction, _turn: turn })
    }

    /// Makes sure that the database is a catalog, of this lake, in today's shape.
    async fn prepare(&self) -> Result<()> {
        // One snapshot: another process may be creating it between two of our questions.
        let mut read = self.begin_read().await?;
        let ready = schema::state(&mut read).await? == SchemaState::UpToDate;
        if ready && let Some(found) = meta::find_lake(&mut read).await? {
            return self.check_lake(found);
        }
        drop(read);
        self.migrate().await
    }

    async fn migrate(&self) -> Result<()> {
        let mut write = self.begin_write().await?;
        // Asked again under the lock: another process may have been first.
        if schema::state(write.connection()).await? == SchemaState::Behind {
            schema::migrate(write.connection()).await?;
        }
        match meta::find_lake(write.connection()).await? {
            Some(found) => self.check_lake(found)?,
            None => meta::insert(write.connection(), self.lake).await?,
        }
        write.commit().await
    }

    fn check_lake(&self, found: LakeId) -> Result<()> {
        match found == self.lake {
            true => Ok(()),
            false => Err(Error::WrongLake { expected: self.lake, found }),
        }
    }
}

/// See [`Catalog::begin_write`]. Dropping it leaves nothing behind.
pub(crate) struct WriteTransaction {
    // Before the turn, so that the rollback is under way when the next writer starts.
    transaction: DatabaseTransaction,
    _turn: OwnedSemaphorePermit,
}

impl WriteTransaction {
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Makes everything durable and visible, or nothing.
    pub(crate) async fn commit(self) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }
}

fn parse_url(url: &str) -> Result<SqliteConnectOptions> {
    let error = || Error::Address { url: without_secrets(url) };
    let parameters = url.split_once('?').map(|(_, parameters)| parameters);
    if !url.starts_with("sqlite:///") || !matches!(parameters, None | Some("mode=ro")) {
        return Err(error());
    }
    let options: SqliteConnectOptions = url.parse().map_err(|_| error())?;
    Ok(options
        .create_if_missing(parameters.is_none())
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .pragma("cache_size", CACHE_SIZE)
        // What is worth a line in the log is said by those who know why it was asked.
        .disable_statement_logging())
}

/// What may be shown of an address: all of a path, only the scheme where a password may follow.
fn without_secrets(url: &str) -> String {
    let shown = match url.split_once("://") {
        Some((scheme, _)) if url.contains(['@', '?']) => format!("{scheme}://…"),
        _ => url.to_owned(),
    };
    shown.chars().take(200).flat_map(char::escape_debug).collect()
}

/// Opens the first connection. Switching a new file to WAL does not wait for the lock by itself, so
/// two processes that create it at once would trip over each other: we wait for them here.
async fn connect(options: &SqliteConnectOptions) -> Result<SqlitePool> {
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(PATIENCE * 2)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options.clone());
    let started = Instant::now();
    loop {
        match pool.acquire().await.map_err(|error| opening(options, error)) {
            Ok(_connection) => return Ok(pool),
            Err(Error::Locked) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// SQLite says "unable to open database file" for every reason; the file system says which.
fn opening(options: &SqliteConnectOptions, error: sqlx::Error) -> Error {
    let is_cannot_open = error
        .as_database_error()
        .and_then(|error| error.code())
        .and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| code & 0xff == 14);
    if !is_cannot_open {
        return error.into();
    }
    let path: PathBuf = options.get_filename().to_owned();
    let source = reason(&path).map_or_else(|| error.into(), Into::into);
    Error::CannotOpen { path, source }
}

/// What the file system says to opening `path`, or to creating a file beside it.
fn reason(path: &Path) -> Option<std::io::Error> {
    if path.try_exists().ok()? {
        return std::fs::OpenOptions::new().read(true).write(true).open(path).err();
    }
    let mut probe = path.as_os_str().to_owned();
    probe.push(".probe");
    let created = std::fs::File::create(&probe).err();
    // It is ours and empty; if it stays behind, it says nothing and harms nobody.
    let _ = std::fs::remove_file(&probe);
    created
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An acknowledged commit survives a power cut, whichever connection made it, and a row that
    /// refers to nothing is refused.
    #[tokio::test]
    async fn every_connection_syncs_and_checks_references() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("lakebed.db");
        let lake = LakeId::from_bytes([7; 16]);
        let catalog = Catalog::open_file(&path, lake).await.expect("a new catalog");
        let mut connections = Vec::new();
        for _ in 0..MAX_CONNECTIONS {
            connections.push(catalog.connection().await.expect("a connection is free"));
        }
        for connection in &mut connections {
            for (pragma, full) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1)] {
                let (found,): (i64,) = sqlx::query_as(pragma)
                    .fetch_one(&mut **connection)
                    .await
                    .expect("a setting can be read");
                assert_eq!(found, full, "{pragma}");
            }
        }
    }
}
