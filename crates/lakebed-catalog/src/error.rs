//! What can go wrong, named for what the caller can do about it.
//!
//! The conversion from the database's own errors is here and nowhere else.

use std::{fmt, path::PathBuf};

use lakebed_core::{DatasetName, LakeId, ObjectId, StageName, TokenId};

use crate::{postgres, sqlite};

/// Any error, boxed: the cause behind one of ours.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A thing that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A dataset.
    Dataset(DatasetName),
    /// The newest version of a dataset.
    Newest(DatasetName),
    /// One version of a dataset.
    Version(DatasetName, u64),
    /// The head of a stage.
    Head(DatasetName, StageName),
    /// What was said of a version for a stage.
    Reviews(DatasetName, u64),
    /// Whether a dataset ends.
    Notice(DatasetName),
    /// What is declared.
    Declared,
    /// An API token.
    Token(TokenId),
    /// A run.
    Run(String),
    /// What a pipeline elsewhere told, by its bytes.
    LineageEvent(ObjectId),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataset(dataset) => write!(f, "dataset `{dataset}`"),
            Self::Newest(dataset) => write!(f, "newest version of `{dataset}`"),
            Self::Version(dataset, number) => write!(f, "version `{dataset}@v{number}`"),
            Self::Head(dataset, stage) => write!(f, "head `{dataset}@{stage}`"),
            Self::Reviews(dataset, number) => write!(f, "reviews of `{dataset}@v{number}`"),
            Self::Notice(dataset) => write!(f, "notice on `{dataset}`"),
            Self::Declared => f.write_str("declared catalog"),
            Self::Token(id) => write!(f, "token `{id}`"),
            Self::Run(id) => write!(f, "run `{id}`"),
            Self::LineageEvent(told) => write!(f, "event of lineage `{}`", told.short()),
        }
    }
}

/// Why the catalog could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing.
    #[error("{entity} not found")]
    NotFound {
        /// What was named.
        entity: Entity,
    },
    /// Someone was first: read again, plan again. Nothing was written.
    #[error("{entity} moved: expected {expected}, found {found}")]
    Conflict {
        /// What moved.
        entity: Entity,
        /// What the change was planned on.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The change contradicts itself or the record; sending it again will not help.
    #[error("event {seq} is not valid")]
    Invalid {
        /// The place it has, or would have had.
        seq: u64,
        /// What is wrong with it.
        #[source]
        source: BoxError,
    },
    /// Events do not continue where the record ends: some are missing, or another database's.
    #[error("events do not continue: expected event {expected}, found event {found}")]
    Gap {
        /// The place after the last.
        expected: u64,
        /// The place of the event given.
        found: u64,
    },
    /// A mark in the journal that this database does not reach or has already passed: it is older
    /// than its lake, or was swapped.
    #[error("the journal's mark at event {mark} does not fit: the record ends at event {last_seq}")]
    MarkOutOfReach {
        /// The event the mark names.
        mark: u64,
        /// The last event here.
        last_seq: u64,
    },
    /// The database belongs to another lake; point the catalog elsewhere.
    #[error("the catalog belongs to another lake: expected `{expected}`, found `{found}`")]
    WrongLake {
        /// The lake that was opened.
        expected: LakeId,
        /// The lake in the database.
        found: LakeId,
    },
    /// A newer build has changed the database's shape; use that build.
    #[error("the catalog has schema {found}; this build knows up to {known}")]
    TooNew {
        /// The database's newest migration.
        found: i64,
        /// This build's newest migration.
        known: i64,
    },
    /// Another process is writing and did not finish in time; trying again may help.
    #[error("the catalog is locked by another process")]
    Locked,
    /// The database file cannot be opened; its folder is missing or not ours to use.
    #[error("the catalog database `{}` cannot be opened", path.display())]
    CannotOpen {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The database can be read, but not written.
    #[error("the catalog cannot be written: its file or folder is read-only")]
    ReadOnly {
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The disk is full.
    #[error("the catalog cannot be written: the disk is full")]
    Full {
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The database's server does not answer.
    #[error("the catalog database at `{place}` cannot be reached")]
    Unreachable {
        /// Host and port, or socket.
        place: String,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The database's server does not let this user in.
    #[error("the catalog database at `{place}` refuses user `{user}`")]
    LoginRefused {
        /// Host and port, or socket.
        place: String,
        /// The user's name there.
        user: String,
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The server has no such database.
    #[error("there is no database `{database}` at `{place}`")]
    NoDatabase {
        /// Host and port, or socket.
        place: String,
        /// The database's name.
        database: String,
    },
    /// The user may not do there what a catalog needs.
    #[error("the user of the catalog database lacks a permission")]
    NotPermitted {
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// A database that cannot hold a catalog.
    #[error("the catalog database is {found}: needed is {needed}")]
    Unsuitable {
        /// What it is.
        found: String,
        /// What it has to be.
        needed: String,
    },
    /// The database went away while it was told to commit: the change happened, or it did not.
    #[error("whether the change was recorded is not known: the catalog went away meanwhile")]
    Unknown {
        /// The cause.
        #[source]
        source: BoxError,
    },
    /// The address names no kind of catalog that this build has.
    #[error(
        "`{url}` is not a catalog address: expected `sqlite:///absolute/path/lakebed.db` or \
         `postgres://user@host/database`"
    )]
    Address {
        /// What was given; of what may hold a password only the scheme.
        url: String,
    },
    /// The database is not a catalog, or what it holds contradicts itself. Rebuild it from the
    /// journal.
    #[error("the catalog is damaged: {what}")]
    Damaged {
        /// Where it was noticed.
        what: String,
        /// The cause, where there is one.
        #[source]
        source: Option<BoxError>,
    },
    /// The database did not answer; trying later may help.
    #[error("the catalog is unavailable")]
    Unavailable {
        /// The cause.
        #[source]
        source: BoxError,
    },
}

impl Error {
    /// A value in the database that no build of ours wrote.
    pub(crate) fn damaged(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Damaged { what: what.into(), source: Some(source.into()) }
    }

    /// Whether the cause is over in a moment, so that the same question may get an answer.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { source } => source.downcast_ref().is_some_and(postgres::is_passing),
            _ => false,
        }
    }

    /// Whether a row was there already.
    pub(crate) fn is_unique_violation(&self) -> bool {
        let Self::Damaged { source: Some(source), .. } = self else { return false };
        let source: Option<&sqlx::Error> = source.downcast_ref();
        source
            .and_then(sqlx::Error::as_database_error)
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// A change that no retry can save.
    pub(crate) fn invalid(seq: u64, source: impl Into<BoxError>) -> Self {
        Self::Invalid { seq, source: source.into() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        match &source {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default().into_owned();
                match database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                    Some(_) => sqlite::meaning(code.parse().unwrap_or_default(), source),
                    None => postgres::meaning(&code, source),
                }
            }
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::Decode(_) => Self::damaged("a row is not of the expected shape", source),
            _ => Self::Unavailable { source: source.into() },
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(source: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match source {
            MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                source.into()
            }
            other => Self::damaged("its schema is not one this build wrote", other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

    use super::*;

    async fn connect(folder: &tempfile::TempDir) -> SqliteConnection {
        sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.path().join("x.db"))
            .create_if_missing(true)
            .busy_timeout(Duration::ZERO)
            .connect()
            .await
            .expect("a new file opens")
    }

    async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
        Ok(sqlx::raw_sql(sql).execute(connection).await.map(|_| ())?)
    }

    /// What SQLite says when a writer is in the way becomes the error that says "try again".
    #[tokio::test]
    async fn another_writer_is_locked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut first, mut second) = (connect(&folder).await, connect(&folder).await);
        run(&mut first, "CREATE TABLE t (x); BEGIN IMMEDIATE").await.expect("nobody else writes");
        assert!(matches!(run(&mut second, "BEGIN IMMEDIATE").await, Err(Error::Locked)));
    }

    /// A disk without room is told apart from a database without use.
    #[tokio::test]
    async fn no_room_is_full() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut connection = connect(&folder).await;
        let fill = "PRAGMA max_page_count = 2; CREATE TABLE t (x); \
                    INSERT INTO t VALUES (zeroblob(100000))";
        let error = run(&mut connection, fill).await.expect_err("two pages cannot hold it");
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
    }

    /// A file that cannot be written says so.
    #[tokio::test]
    async fn a_read_only_connection_is_read_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut connection = connect(&folder).await;
        run(&mut connection, "CREATE TABLE t (x); PRAGMA query_only = 1")
            .await
            .expect("still ours");
        let error = run(&mut connection, "INSERT INTO t VALUES (1)").await.expect_err("read only");
        assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
        connection.close().await.expect("nothing is pending");
    }
}
