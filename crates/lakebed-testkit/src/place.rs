//! Where the lakes of tests live: which database, which store (P10).
//!
//! `LAKEBED_TEST_BACKEND` chooses for a whole run; `cargo xtask test` runs the suites that use a
//! lake once for each. A test that is about a file of SQLite or a folder by nature says so, by
//! asking for [`TestBackend::SqliteFolder`].

use std::path::{Path, PathBuf};

use lakebed_service::{LakeConfig, OpenMode};
use lakebed_store::Root;
use tempfile::TempDir;

use crate::{POSTGRES, TestDatabase};

/// Chooses for a whole run.
pub const BACKEND: &str = "LAKEBED_TEST_BACKEND";

/// A database and a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestBackend {
    /// A file in the lake's folder: what a laptop has.
    SqliteFolder,
    /// A server's database, and a folder.
    PostgresFolder,
}

impl TestBackend {
    /// What the run is to use; SQLite and a folder when nobody said.
    ///
    /// # Panics
    /// When the word is unknown, or the servers it needs were not named.
    #[must_use]
    pub fn of_run() -> Self {
        let word = std::env::var(BACKEND).unwrap_or_default();
        let backend = match word.as_str() {
            "" | "sqlite+folder" => Self::SqliteFolder,
            "postgres+folder" => Self::PostgresFolder,
            other => panic!("{BACKEND} is `{other}`, which is no combination"),
        };
        let has_postgres = std::env::var_os(POSTGRES).is_some();
        assert!(backend == Self::SqliteFolder || has_postgres, "{word} needs {POSTGRES}");
        backend
    }
}

/// A place for one lake, empty at first, gone when dropped.
#[derive(Debug)]
pub struct TestPlace {
    folder: TempDir,
    database: Option<TestDatabase>,
}

impl TestPlace {
    /// A place of the run's kind.
    #[must_use]
    pub fn new() -> Self {
        Self::on(TestBackend::of_run())
    }

    /// A place of this kind, whatever the run's is.
    ///
    /// # Panics
    /// When there is no room for it.
    #[must_use]
    pub fn on(backend: TestBackend) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = match backend {
            TestBackend::SqliteFolder => None,
            TestBackend::PostgresFolder => {
                Some(TestDatabase::create_schema().expect("the run names a cluster"))
            }
        };
        Self { folder, database }
    }

    /// A place that several servers can share: the run's, if it is one, else a database of the
    /// cluster and a folder. None without a cluster, which is said aloud.
    #[must_use]
    pub fn shared() -> Option<Self> {
        match TestBackend::of_run() {
            TestBackend::SqliteFolder => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                TestDatabase::create_schema()
                    .map(|database| Self { folder, database: Some(database) })
            }
            other => Some(Self::on(other)),
        }
    }

    /// Runs one statement in its database, as its owner.
    ///
    /// # Panics
    /// When it is a file.
    pub fn execute(&self, sql: &str) {
        self.database.as_ref().expect("a server's database").execute(sql);
    }

    /// The folder beside the lake, for the user's files.
    #[must_use]
    pub fn outside(&self) -> &Path {
        self.folder.path()
    }

    /// Where the lake is.
    #[must_use]
    pub fn root(&self) -> Root {
        Root::Folder(self.root_folder())
    }

    /// The lake's folder.
    #[must_use]
    pub fn root_folder(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// The address of its database; none when it is the one in the lake's folder.
    #[must_use]
    pub fn catalog_url(&self) -> Option<String> {
        self.database.as_ref().map(TestDatabase::url)
    }

    /// The address of another database of the same kind, empty at first, for a second catalog of
    /// the same lake.
    #[must_use]
    pub fn second_catalog_url(&self, name: &str) -> String {
        match &self.database {
            Some(database) => database.schema_url(name),
            None => format!("sqlite://{}", self.folder.path().join(format!("{name}.db")).display()),
        }
    }

    /// How the service opens it.
    #[must_use]
    pub fn config(&self, open: OpenMode) -> LakeConfig {
        LakeConfig { root: self.root(), catalog_url: self.catalog_url(), open }
    }
}

impl Default for TestPlace {
    fn default() -> Self {
        Self::new()
    }
}
