//! What is PostgreSQL's own: its address, how a connection is made, and what its errors mean.

use std::time::{Duration, Instant};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Postgres, SqlSafeStr as _,
    Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Error, Result, database::PATIENCE};

/// Connections of one process; a server of PostgreSQL's own making takes 100 from all of them.
pub(crate) const MAX_CONNECTIONS: u32 = 10;
/// How long a request waits for one of them, or for a database that restarts.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that idled so long is asked whether it is still there before it is used.
const IDLE: Duration = Duration::from_secs(1);
/// Who starts together with the database waits for it a little.
const STARTING: Duration = Duration::from_secs(2);
/// The oldest version that its makers still support.
const OLDEST: (u32, &str) = (140_000, "14");

/// Whoever changes the tables holds this until the end of its transaction. The number is "Lake".
pub(crate) const MIGRATION_LOCK: &str =
    "SELECT pg_advisory_xact_lock(1281452901), 0::BIGINT AS nothing";

/// What every connection is told. An acknowledged commit survives a power cut; a writer that waits
/// for another one gives up when SQLite would; and a process that sleeps in the middle of a
/// transaction, or whose machine is gone, holds up nobody for long.
const SESSION: [(&str, &str); 6] = [
    ("synchronous_commit", "on"),
    ("lock_timeout", "15s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
];

/// Parameters of an address that mean something here. Others could hold secrets, or be misspelt.
const PARAMETERS: [&str; 7] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "options"];

/// Whether `url` names a database of PostgreSQL.
pub(crate) fn is_address(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Opens the first connection, which says what is wrong with the address; the others are made as
/// they are needed.
pub(crate) async fn connect(url: &str) -> Result<PgPool> {
    let options = parse_url(url)?;
    let connection = first_connection(&options).await?;
    check_server(&connection)?;
    // Nothing hangs on how it ends.
    let _ = connection.close().await;
    Ok(PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A question per use would double the time of every read.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            Box::pin(async move {
                match about.idle_for < IDLE {
                    true => Ok(true),
                    false => Ok(connection.ping().await.is_ok()),
                }
            })
        })
        .connect_lazy_with(options))
}

/// Begins a transaction that ends when it is dropped, also for whoever goes away while it begins.
///
/// The driver puts a connection back as it is when its `BEGIN` is not waited for, and does not know
/// that a transaction is open there: whoever read next would see the past, for as long as somebody
/// reads. So a `BEGIN` that was sent is always waited for, in a task of its own.
pub(crate) async fn begin(
    pool: &PgPool,
    statement: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let connection = pool.acquire().await?;
    let begun = tokio::spawn(Transaction::begin(connection, Some(statement.into_sql_str())));
    // It did not end by itself: the runtime does.
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// Makes an empty schema beside the one at `url`, in place of what an earlier try left; gives its name, and
/// an address at which it is the schema.
pub(crate) async fn begin_beside(url: &str) -> Result<(String, String)> {
    let mut connection = first_connection(&parse_url(url)?).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query(MIGRATION_LOCK).fetch_all(&mut *transaction).await?;
    let (new,): (String,) = sqlx::query_as(NEW_NAME).fetch_one(&mut *transaction).await?;
    for sql in [
        format!("DROP SCHEMA IF EXISTS {} CASCADE", quoted(&new)),
        format!("CREATE SCHEMA {}", quoted(&new)),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let _ = connection.close().await;
    // Of options that are said twice the last counts.
    let separator = if url.contains('?') { '&' } else { '?' };
    let beside = format!("{url}{separator}options=-c%20search_path%3D{new}");
    Ok((new, beside))
}

/// Moves every table of the schema at `url` into a schema of its own beside it, if there is any, and those
/// of the schema `new` into that at `url`; says where the old ones are. One transaction.
pub(crate) async fn put_in_place(url: &str, new: &str) -> Result<Option<String>> {
    let mut connection = first_connection(&parse_url(url)?).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query(MIGRATION_LOCK).fetch_all(&mut *transaction).await?;
    let (here,): (String,) =
        sqlx::query_as("SELECT current_schema()::TEXT").fetch_one(&mut *transaction).await?;
    let old: Vec<(String,)> =
        sqlx::query_as(TABLES).bind(&here).fetch_all(&mut *transaction).await?;
    let made: Vec<(String,)> =
        sqlx::query_as(TABLES).bind(new).fetch_all(&mut *transaction).await?;
    let mut statements = Vec::new();
    let mut aside = None;
    if !old.is_empty() {
        let (name,): (String,) = sqlx::query_as(FREE_NAME).fetch_one(&mut *transaction).await?;
        statements.push(format!("CREATE SCHEMA {}", quoted(&name)));
        statements.extend(old.iter().map(|(table,)| moved(&here, table, &name)));
        aside = Some(name);
    }
    statements.extend(made.iter().map(|(table,)| moved(new, table, &here)));
    statements.push(format!("DROP SCHEMA {}", quoted(new)));
    for sql in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let _ = connection.close().await;
    Ok(aside)
}

fn moved(from: &str, table: &str, to: &str) -> String {
    let (from, table, to) = (quoted(from), quoted(table), quoted(to));
    format!("ALTER TABLE {from}.{table} SET SCHEMA {to}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of a schema.
const TABLES: &str = "SELECT c.relname::TEXT FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1";

/// What a new schema is called beside the one that unquoted names mean; letters and digits alone.
const NEW_NAME: &str = "SELECT 'lakebed_new_' || substr(md5(current_schema()::TEXT), 1, 8) AS name";

/// The first name that no schema has.
const FREE_NAME: &str = "SELECT name FROM (SELECT 'lakebed_old_' || number AS name, number \
     FROM generate_series(1, 10000) AS number) AS names WHERE name NOT IN \
     (SELECT nspname::TEXT FROM pg_catalog.pg_namespace) ORDER BY number LIMIT 1";

async fn first_connection(options: &PgConnectOptions) -> Result<PgConnection> {
    let started = Instant::now();
    loop {
        match PgConnection::connect_with(options).await {
            Ok(connection) => return Ok(connection),
            Err(error) if is_starting(&error) && started.elapsed() < PATIENCE => {}
            Err(sqlx::Error::Io(_)) if started.elapsed() < STARTING => {}
            Err(error) => return Err(connecting(options, error)),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn check_server(connection: &PgConnection) -> Result<()> {
    check_version(connection.server_version_num().unwrap_or(OLDEST.0))
}

fn check_version(found: u32) -> Result<()> {
    match found < OLDEST.0 {
        false => Ok(()),
        true => Err(Error::Unsuitable {
            found: format!("PostgreSQL {}.{}", found / 10_000, found % 10_000),
            needed: format!("PostgreSQL {} or newer", OLDEST.1),
        }),
    }
}

fn parse_url(url: &str) -> Result<PgConnectOptions> {
    let error = || Error::Address { url: without_secrets(url) };
    let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
    let mut names = parameters.split('&').filter(|one| !one.is_empty());
    if !names.all(|one| PARAMETERS.contains(&one.split('=').next().unwrap_or_default())) {
        return Err(error());
    }
    let options: PgConnectOptions = url.parse().map_err(|_| error())?;
    if options.get_database().is_none() {
        return Err(error());
    }
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("lakebed"),
    };
    // What is worth a line in the log is said by those who know why it was asked.
    Ok(options.options(SESSION).disable_statement_logging())
}

/// All but the password and the parameters.
pub(crate) fn without_secrets(url: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, _)) => (address, "?…"),
        None => (url, ""),
    };
    let (scheme, rest) = address.split_once("://").unwrap_or(("postgres", ""));
    // The last `@` before the path ends the user's name and password, whatever they hold.
    let shown = match rest.rsplit_once('@') {
        Some((user, place)) => {
            let name = user.split(':').next().unwrap_or_default();
            let hidden = if user.contains(':') { ":…" } else { "" };
            format!("{scheme}://{name}{hidden}@{place}{parameters}")
        }
        None => format!("{scheme}://{rest}{parameters}"),
    };
    shown.chars().take(200).flat_map(char::escape_debug).collect()
}

/// Where a server is, for people.
fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

fn is_starting(error: &sqlx::Error) -> bool {
    sqlstate(error).as_deref() == Some("57P03")
}

/// What to say of a connection that could not be made.
fn connecting(options: &PgConnectOptions, error: sqlx::Error) -> Error {
    let place = place(options);
    match sqlstate(&error).as_deref() {
        Some("28P01" | "28000") => Error::LoginRefused {
            place,
            user: options.get_username().to_owned(),
            source: reason(&error).into(),
        },
        Some("3D000") => Error::NoDatabase {
            place,
            database: options.get_database().unwrap_or_default().to_owned(),
        },
        Some(_) => error.into(),
        // A server that asks for a password gets none: the driver says so before the server does.
        None if matches!(error, sqlx::Error::Configuration(_)) => Error::LoginRefused {
            place,
            user: options.get_username().to_owned(),
            source: error.into(),
        },
        None => match error {
            sqlx::Error::Io(error) => Error::Unreachable { place, source: error.into() },
            other => Error::Unreachable { place, source: other.into() },
        },
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// What the server says, without the driver's words around it.
fn reason(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    }
}

/// What to do about a code: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(crate) fn meaning(code: &str, source: sqlx::Error) -> Error {
    match code {
        "55P03" => Error::Locked,
        "25006" => Error::ReadOnly { source: reason(&source).into() },
        "53100" => Error::Full { source: reason(&source).into() },
        "42501" => Error::NotPermitted { source: reason(&source).into() },
        _ if code.starts_with("23") => Error::damaged("a constraint does not hold", source),
        _ if code.starts_with("42") => {
            Error::damaged("its tables are not what this build wrote", source)
        }
        _ if code.starts_with("XX") => Error::damaged("its files are corrupt", source),
        _ => Error::Unavailable { source: source.into() },
    }
}

/// Whether the cause is over in a moment: a lost connection, a database that stops or starts, two
/// transactions in each other's way.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::BeginFailed => true,
        sqlx::Error::Database(_) => sqlstate(error).is_some_and(|code| {
            code.starts_with("08")
                || matches!(
                    code.as_str(),
                    "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "40001" | "40P01" | "53300"
                )
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_secrets() {
        for (url, shown) in [
            ("postgres://lake@db.example/lake", "postgres://lake@db.example/lake"),
            ("postgres://lake:hunter2@db:5433/lake", "postgres://lake:…@db:5433/lake"),
            ("postgresql://u:p%40ss@h@db/lake", "postgresql://u:…@db/lake"),
            ("postgres://u:hunter2:x@db/lake?sslkey=x", "postgres://u:…@db/lake?…"),
            ("postgres://db/lake", "postgres://db/lake"),
            ("postgres://u:\u{1b}@db/x\n", "postgres://u:…@db/x\\n"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn addresses_that_name_no_database_or_unknown_parameters_are_refused() {
        for url in [
            "postgres://lake:hunter2@db/lake?passwd=hunter2",
            "postgres://lake:hunter2@db/lake?sslmode=sometimes",
            "postgres://lake:hunter2@db:port/lake",
            "postgres://lake:hunter2@",
        ] {
            let error = parse_url(url).expect_err(url);
            assert!(matches!(error, Error::Address { .. }), "{url}: {error:?}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        for url in ["postgres://lake@db/lake?sslmode=require", "postgresql://l@h/d?host=/run/pg"] {
            assert!(parse_url(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_server_that_is_too_old_says_which_it_is_and_which_is_needed() {
        let error = check_version(130_023).expect_err("it has reached its end");
        assert_eq!(
            error.to_string(),
            "the catalog database is PostgreSQL 13.23: needed is PostgreSQL 14 or newer"
        );
        assert!(check_version(140_000).is_ok() && check_version(190_001).is_ok());
    }
}
