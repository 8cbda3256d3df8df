//! The database behind a catalog: opening, connections, transactions.
//!
//! What only one engine does is in `sqlite.rs` and `postgres.rs`. A write transaction is the only
//! one in the database from its first statement, so that what it checks stays true until it ends,
//! and commits follow each other in the order of `seq`.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use lakebed_core::LakeId;
use sqlx::{PgPool, SqlitePool};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use crate::{
    Error, PoolState, Result,
    connection::Connection,
    meta,
    pool::Waits,
    postgres,
    schema::{self, SchemaState},
    sqlite,
    statement::query,
    tries::Tries,
};

/// How long a writer waits for another one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The record of one lake. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: Pool,
    /// Writers of this process queue here, in order, instead of each waiting in the database.
    turn: Arc<Semaphore>,
    waits: Arc<Waits>,
    lake: LakeId,
    /// Where records of reads are: a file beside that of the catalog, opened when it is needed.
    read_file: Option<String>,
    read_log: Arc<OnceCell<Box<Self>>>,
}

/// The connections, kept open.
#[derive(Debug, Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Catalog {
    /// Opens the catalog of `lake` at `url`: `sqlite:///absolute/path/lakebed.db`, or
    /// `postgres://user@host/database`. Creates it where nothing is (a file; in PostgreSQL the
    /// tables of an empty database), and brings an older one up to date, each in one transaction.
    /// With `?mode=ro` a file is neither created nor written.
    ///
    /// # Errors
    /// [`Error::WrongLake`] if it is another lake's, [`Error::TooNew`] if a newer build wrote it,
    /// [`Error::CannotOpen`], [`Error::ReadOnly`], [`Error::Address`], [`Error::Damaged`]; of a
    /// server, [`Error::Unreachable`], [`Error::LoginRefused`], [`Error::NoDatabase`],
    /// [`Error::NotPermitted`], [`Error::Unsuitable`].
    pub async fn open(url: &str, lake: LakeId) -> Result<Self> {
        let pool = match postgres::is_address(url) {
            true => Pool::Postgres(postgres::connect(url).await?),
            false => Pool::Sqlite(sqlite::connect(url).await?),
        };
        let read_file = match pool {
            Pool::Sqlite(_) => Some(sqlite::read_file(url)),
            Pool::Postgres(_) => None,
        };
        let catalog = Self { read_file, ..Self::of(pool, lake) };
        match catalog.prepare().await {
            Ok(()) => Ok(catalog),
            Err(error) => {
                catalog.close().await;
                Err(error)
            }
        }
    }

    fn of(pool: Pool, lake: LakeId) -> Self {
        Self {
            pool,
            turn: Arc::new(Semaphore::new(1)),
            waits: Arc::default(),
            lake,
            read_file: None,
            read_log: Arc::default(),
        }
    }

    /// The database that holds the records of reads. A file of its own has all tables, and uses
    /// those alone; a server has one database, and writers of records queue among themselves.
    pub(crate) async fn read_log(&self) -> Result<&Self> {
        let open = async || -> Result<Box<Self>> {
            Ok(Box::new(match &self.read_file {
                None => Self::of(self.pool.clone(), self.lake),
                // Its own records of reads would be its own business: there are none.
                Some(url) => Box::pin(Self::open(url, self.lake)).await?,
            }))
        };
        self.read_log.get_or_try_init(open).await.map(Box::as_ref)
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
        sqlite::url_of_file(path)
    }

    /// What may be shown of an address: never a password.
    #[must_use]
    pub fn shown_url(url: &str) -> String {
        match postgres::is_address(url) {
            true => postgres::without_secrets(url),
            false => sqlite::without_secrets(url),
        }
    }

    /// Which lake it is the catalog of.
    #[must_use]
    pub const fn lake(&self) -> LakeId {
        self.lake
    }

    /// Whether other machines can use this catalog at the same time.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.pool, Pool::Postgres(_))
    }

    /// How busy its connections are.
    #[must_use]
    pub fn pool_state(&self) -> PoolState {
        match &self.pool {
            Pool::Sqlite(pool) => {
                let most = pool.options().get_max_connections();
                self.waits.state(pool.size(), pool.num_idle(), most)
            }
            Pool::Postgres(pool) => {
                let most = pool.options().get_max_connections();
                self.waits.state(pool.size(), pool.num_idle(), most)
            }
        }
    }

    /// Closes all connections and waits for them. Clones can no longer be used.
    pub async fn close(&self) {
        if let Some(log) = self.read_log.get().filter(|_| self.read_file.is_some()) {
            Box::pin(log.close()).await;
        }
        match &self.pool {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }

    /// A connection for one reading statement, which is a snapshot by itself.
    pub(crate) async fn connection(&self) -> Result<Connection> {
        let started = Instant::now();
        let mut tries = Tries::new();
        loop {
            let connection = match &self.pool {
                Pool::Sqlite(pool) => pool.acquire().await.map(Connection::Sqlite),
                Pool::Postgres(pool) => {
                    pool.acquire().await.map(|c| Connection::Postgres(pool.clone(), c))
                }
            };
            match connection.map_err(Error::from) {
                Err(error) if tries.again(&error).await => {}
                done => {
                    self.waits.note(started);
                    return done;
                }
            }
        }
    }

    /// A read transaction: all its statements see one state.
    pub(crate) async fn begin_read(&self) -> Result<Connection> {
        self.begin("BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// A write transaction; the only one in the database until it ends.
    pub(crate) async fn begin_write(&self) -> Result<WriteTransaction> {
        self.begin_alone("SELECT m.last_seq FROM meta m WHERE m.id = 1 FOR UPDATE").await
    }

    /// A transaction in which the tables themselves are made; the only one of its kind, too.
    async fn begin_migration(&self) -> Result<WriteTransaction> {
        self.begin_alone(postgres::MIGRATION_LOCK).await
    }

    /// SQLite has one lock, for the whole file; in PostgreSQL `lock` takes it, in a transaction
    /// whose every statement sees what was committed before it.
    pub(crate) async fn begin_alone(&self, lock: &'static str) -> Result<WriteTransaction> {
        let turn = Arc::clone(&self.turn).acquire_owned();
        let turn = match tokio::time::timeout(PATIENCE, turn).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(closed)) => return Err(Error::Unavailable { source: closed.into() }),
            Err(_elapsed) => return Err(Error::Locked),
        };
        let mut tries = Tries::new();
        loop {
            match self.try_begin_alone(lock).await {
                // Nothing was written yet.
                Err(error) if tries.again(&error).await => {}
                Err(error) => return Err(error),
                Ok(transaction) => return Ok(WriteTransaction { transaction, _turn: turn }),
            }
        }
    }

    async fn try_begin_alone(&self, lock: &'static str) -> Result<Connection> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        let mut transaction = self.begin("BEGIN IMMEDIATE", begin).await?;
        if self.is_shared() {
            query(lock).fetch_all(&mut transaction).await?;
        }
        Ok(transaction)
    }

    async fn begin(&self, sqlite: &'static str, postgres: &'static str) -> Result<Connection> {
        let started = Instant::now();
        let mut tries = Tries::new();
        loop {
            let begun = match &self.pool {
                Pool::Sqlite(pool) => {
                    pool.begin_with(sqlite).await.map(Connection::SqliteTransaction)
                }
                Pool::Postgres(pool) => {
                    postgres::begin(pool, postgres).await.map(Connection::PostgresTransaction)
                }
            };
            match begun.map_err(Error::from) {
                Err(error) if tries.again(&error).await => {}
                done => {
                    self.waits.note(started);
                    return done;
                }
            }
        }
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
        let mut write = self.begin_migration().await?;
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
    transaction: Connection,
    _turn: OwnedSemaphorePermit,
}

impl WriteTransaction {
    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.transaction
    }

    /// Makes everything durable and visible, or nothing. When the connection is lost on the way it
    /// is not known which: whoever asks again has to look first.
    pub(crate) async fn commit(self) -> Result<()> {
        self.transaction.commit().await
    }
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
        for _ in 0..sqlite::MAX_CONNECTIONS {
            connections.push(catalog.connection().await.expect("a connection is free"));
        }
        for connection in &mut connections {
            for (pragma, column, full) in [
                ("PRAGMA synchronous", "synchronous", 2),
                ("PRAGMA foreign_keys", "foreign_keys", 1),
            ] {
                let row = query(pragma).fetch_one(connection).await.expect("it can be read");
                assert_eq!(row.number(column).expect("a number"), full, "{pragma}");
            }
        }
    }
}
