//! What is SQLite's own: the address of a file, how it is opened, and what its errors mean.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, Result, database::PATIENCE};

/// 16 MiB of pages per connection, taken as needed: keys are digests, so a large catalog is read and
/// written all over.
const CACHE_SIZE: &str = "-16384";
/// Readers at the same time; WAL lets them run beside the writer.
pub(crate) const MAX_CONNECTIONS: u32 = 8;

/// Opens the first connection. Switching a new file to WAL does not wait for the lock by itself, so
/// two processes that create it at once would trip over each other: we wait for them here.
pub(crate) async fn connect(url: &str) -> Result<SqlitePool> {
    let options = parse_url(url)?;
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(PATIENCE * 2)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options.clone());
    let started = Instant::now();
    loop {
        match pool.acquire().await.map_err(|error| opening(&options, error)) {
            Ok(_connection) => return Ok(pool),
            Err(Error::Locked) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error),
        }
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

/// The address of the file with the records of reads, beside that of the catalog at `url`:
/// `lakebed.db` has `lakebed-reads.db`.
pub(crate) fn read_file(url: &str) -> String {
    let (path, parameters) = match url.split_once('?') {
        Some((path, parameters)) => (path, format!("?{parameters}")),
        None => (url, String::new()),
    };
    match path.strip_suffix(".db") {
        Some(stem) => format!("{stem}-reads.db{parameters}"),
        None => format!("{path}-reads{parameters}"),
    }
}

/// The file at an address.
pub(crate) fn file_of(url: &str) -> Result<PathBuf> {
    Ok(parse_url(url)?.get_filename().to_owned())
}

/// Lets SQLite take the log of the database at `path` into it, if that can be done: it does when the last
/// connection is closed.
pub(crate) async fn settle(path: &Path) {
    if !path.is_file() {
        return;
    }
    let Ok(url) = url_of_file(path) else { return };
    match connect(&url).await {
        Ok(pool) => pool.close().await,
        Err(error) => tracing::info!(%error, "the old database is kept with its log"),
    }
}

/// See [`crate::Catalog::url_of_file`].
pub(crate) fn url_of_file(path: &Path) -> Result<String> {
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

/// What may be shown of an address that may be anything: all of a path, only the scheme where a
/// password may follow.
pub(crate) fn without_secrets(url: &str) -> String {
    let shown = match url.split_once("://") {
        Some((scheme, _)) if url.contains(['@', '?']) => format!("{scheme}://…"),
        _ => url.to_owned(),
    };
    shown.chars().take(200).flat_map(char::escape_debug).collect()
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

/// The low byte of SQLite's extended result code says what to do: <https://sqlite.org/rescode.html>.
pub(crate) fn meaning(code: i32, source: sqlx::Error) -> Error {
    match code & 0xff {
        5 | 6 => Error::Locked,
        3 | 8 | 23 => Error::ReadOnly { source: source.into() },
        13 => Error::Full { source: source.into() },
        11 | 26 => Error::damaged("its database file is corrupt or no database", source),
        19 => Error::damaged("a constraint does not hold", source),
        1 => Error::damaged("its tables are not what this build wrote", source),
        _ => Error::Unavailable { source: source.into() },
    }
}
