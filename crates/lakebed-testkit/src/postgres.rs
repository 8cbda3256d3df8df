//! Databases of PostgreSQL for tests, each new and gone when dropped.

use std::{
    io::Write as _,
    sync::{
        Once, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Names the cluster: the address of its maintenance database. `cargo xtask test` starts one.
pub const POSTGRES: &str = "LAKEBED_TEST_POSTGRES";

/// Whether there is a cluster; that there is none is said once, aloud.
#[must_use]
pub fn is_postgres_there() -> bool {
    maintenance().is_some()
}

fn maintenance() -> Option<String> {
    let maintenance = std::env::var(POSTGRES).ok().filter(|url| !url.is_empty());
    if maintenance.is_none() {
        say_what_is_left_out();
    }
    maintenance
}

/// A database of its own in the test cluster, or a schema of its own in the process' database:
/// for a catalog these are alike, and a schema is made much faster.
#[derive(Debug)]
pub struct TestDatabase {
    maintenance: String,
    name: String,
    schema: Option<String>,
}

impl TestDatabase {
    /// An empty database; none when there is no cluster, which is said once, aloud.
    ///
    /// # Panics
    /// When the cluster does not make one.
    #[must_use]
    pub fn create() -> Option<Self> {
        let maintenance = maintenance()?;
        let name = fresh_name();
        run_at(&maintenance, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        Some(Self { maintenance, name, schema: None })
    }

    /// An empty schema of its own in a database that all tests of this process share; none when
    /// there is no cluster, which is said once, aloud.
    ///
    /// # Panics
    /// When the cluster does not make one.
    #[must_use]
    pub fn create_schema() -> Option<Self> {
        static SHARED: OnceLock<String> = OnceLock::new();
        let maintenance = maintenance()?;
        let name = SHARED.get_or_init(|| {
            let name = fresh_name();
            run_at(&maintenance, &format!("CREATE DATABASE {name} TEMPLATE template0"));
            name
        });
        let database = Self { maintenance, name: name.clone(), schema: Some(fresh_name()) };
        database.execute(&format!("CREATE SCHEMA {}", database.schema.as_deref().unwrap_or("x")));
        Some(database)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.schema {
            None => self.database_url(),
            Some(schema) => self.url_in(schema),
        }
    }

    /// The address of another schema beside it, which is made here.
    #[must_use]
    pub fn schema_url(&self, name: &str) -> String {
        let schema = match &self.schema {
            None => name.to_owned(),
            Some(own) => format!("{own}_{name}"),
        };
        run_at(&self.database_url(), &format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""));
        self.url_in(&schema)
    }

    /// Runs statements in it, as its owner.
    pub fn execute(&self, sql: &str) {
        run_at(&self.url(), sql);
    }

    fn url_in(&self, schema: &str) -> String {
        format!("{}?options=-csearch_path%3D{schema}", self.database_url())
    }

    fn database_url(&self) -> String {
        let base = self.maintenance.rsplit_once('/').expect("an address with a database").0;
        format!("{base}/{}", self.name)
    }
}

impl Drop for TestDatabase {
    /// As well as can be: the cluster is a temporary one. Connections that are in the middle of a
    /// transaction are ended: the runtime that would roll it back may be waiting for us.
    fn drop(&mut self) {
        let _ = match &self.schema {
            None => try_run_at(
                &self.maintenance,
                &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
            ),
            Some(schema) => try_run_at(
                &self.database_url(),
                &format!(
                    "DO $$ DECLARE s TEXT; BEGIN SET LOCAL lock_timeout = '5s'; \
                     SET LOCAL client_min_messages = 'error'; \
                     PERFORM pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l \
                     JOIN pg_catalog.pg_class c ON c.oid = l.relation \
                     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     JOIN pg_catalog.pg_database d ON d.oid = l.database \
                     WHERE d.datname = current_database() \
                     AND starts_with(n.nspname::TEXT, '{schema}') \
                     AND l.pid <> pg_backend_pid(); \
                     FOR s IN SELECT nspname FROM pg_catalog.pg_namespace \
                     WHERE starts_with(nspname::TEXT, '{schema}') LOOP \
                     EXECUTE format('DROP SCHEMA %I CASCADE', s); END LOOP; END $$"
                ),
            ),
        };
    }
}

fn fresh_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    // Ends in a letter, so that no name begins with another.
    format!("t_{}_{number}_{}e", std::process::id(), since.subsec_nanos())
}

/// On a thread and a runtime of its own: tests of either kind call it, and so does `drop`.
fn run_at(url: &str, sql: &str) {
    try_run_at(url, sql).expect("the test cluster does as it is told");
}

fn try_run_at(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let (url, sql) = (url.to_owned(), sql.to_owned());
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await
        })
    });
    done.join().expect("no panic")
}

/// Past the harness, which shows what passing tests print to nobody.
fn say_what_is_left_out() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let line = "PostgreSQL is left out: `cargo xtask test` starts one for these tests\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
    });
}
