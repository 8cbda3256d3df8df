//! Where the lakes of tests live: which database, which store (P10).
//!
//! `LAKEBED_TEST_BACKEND` chooses for a whole run; `cargo xtask test` runs the suites that use a
//! lake once for each. A test that is about a file of SQLite or a folder by nature says so, by
//! asking for [`TestBackend::SqliteFolder`].

use std::path::{Path, PathBuf};

use lakebed_service::{LakeConfig, OpenMode};
use lakebed_store::{Root, StoreOptions};
use tempfile::TempDir;
use url::Url;

use crate::{POSTGRES, TestDatabase, s3};

/// Chooses for a whole run.
pub const BACKEND: &str = "LAKEBED_TEST_BACKEND";

/// A database and a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestBackend {
    /// A file in the lake's folder: what a laptop has.
    SqliteFolder,
    /// A server's database, and a folder.
    PostgresFolder,
    /// A server's database, and a bucket: what a deployment has.
    PostgresS3,
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
            "postgres+s3" => Self::PostgresS3,
            other => panic!("{BACKEND} is `{other}`, which is no combination"),
        };
        let has_postgres = std::env::var_os(POSTGRES).is_some();
        assert!(backend == Self::SqliteFolder || has_postgres, "{word} needs {POSTGRES}");
        let has_s3 = backend != Self::PostgresS3 || s3::endpoint().is_some();
        assert!(has_s3, "{word} needs {}", s3::ENDPOINT_VARIABLE);
        backend
    }
}

/// A place for one lake, empty at first, gone when dropped.
#[derive(Debug)]
pub struct TestPlace {
    folder: TempDir,
    database: Option<TestDatabase>,
    bucket: Option<Bucket>,
}

/// An empty prefix of the S3 server's bucket. What is left there goes with the server.
#[derive(Debug)]
struct Bucket {
    url: Url,
    endpoint: String,
}

impl Bucket {
    fn fresh() -> Self {
        let endpoint = s3::endpoint().expect("the run names a server");
        let url = s3::fresh_url_now(&endpoint);
        Self { url, endpoint }
    }
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
            TestBackend::PostgresFolder | TestBackend::PostgresS3 => {
                Some(TestDatabase::create_schema().expect("the run names a cluster"))
            }
        };
        let bucket = (backend == TestBackend::PostgresS3).then(Bucket::fresh);
        Self { folder, database, bucket }
    }

    /// A place that several servers can share: the run's, if it is one, else a database of the
    /// cluster and a folder. None without a cluster, which is said aloud.
    #[must_use]
    pub fn shared() -> Option<Self> {
        match TestBackend::of_run() {
            TestBackend::SqliteFolder => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                TestDatabase::create_schema().map(|database| Self {
                    folder,
                    database: Some(database),
                    bucket: None,
                })
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
        match &self.bucket {
            Some(bucket) => Root::Url(bucket.url.clone()),
            None => Root::Folder(self.root_folder()),
        }
    }

    /// Whether the lake is a folder, whose files a test can look at.
    #[must_use]
    pub const fn is_folder(&self) -> bool {
        self.bucket.is_none()
    }

    /// What the command line is told of this place, beside the folder that it is run in.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = Vec::new();
        variables.extend(self.catalog_url().map(|url| ("LAKEBED_CATALOG", url)));
        if let Some(bucket) = &self.bucket {
            variables.extend([
                ("LAKEBED_LAKE", bucket.url.to_string()),
                ("LAKEBED_S3_ENDPOINT", bucket.endpoint.clone()),
                ("LAKEBED_S3_REGION", s3::REGION.to_owned()),
                ("LAKEBED_S3_ACCESS_KEY_ID", s3::WRITER.id.to_owned()),
                ("LAKEBED_S3_SECRET_ACCESS_KEY", s3::WRITER.secret.to_owned()),
            ]);
        }
        variables
    }

    /// The lake's folder, if it is one.
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
        LakeConfig {
            root: self.root(),
            store: self.store_options(),
            catalog_url: self.catalog_url(),
            open,
        }
    }
}

impl TestPlace {
    fn store_options(&self) -> StoreOptions {
        match &self.bucket {
            Some(bucket) => s3::options(&bucket.endpoint, s3::WRITER),
            None => StoreOptions::default(),
        }
    }
}

impl Default for TestPlace {
    fn default() -> Self {
        Self::new()
    }
}
