//! Fresh databases of one engine; opening one again is a second handle on the same database.

use lakebed_catalog::Catalog;
use lakebed_core::LakeId;
use lakebed_testkit::TestDatabase;

/// See the module.
pub(crate) enum Databases {
    /// Files in a folder.
    Sqlite(tempfile::TempDir),
    /// Schemas of a database.
    Postgres(TestDatabase),
}

impl Databases {
    pub(crate) fn sqlite() -> Option<Self> {
        Some(Self::Sqlite(tempfile::tempdir().unwrap()))
    }

    /// None without a cluster; that is said aloud.
    pub(crate) fn postgres() -> Option<Self> {
        TestDatabase::create_schema().map(Self::Postgres)
    }

    /// The lake that all of them belong to.
    pub(crate) fn lake() -> LakeId {
        LakeId::from_bytes([0x1a; 16])
    }

    pub(crate) fn url(&self, name: &str) -> String {
        match self {
            Self::Sqlite(folder) => Catalog::url_of_file(&folder.path().join(name)).unwrap(),
            Self::Postgres(database) => database.schema_url(name),
        }
    }

    pub(crate) async fn open(&self, name: &str) -> Catalog {
        Catalog::open(&self.url(name), Self::lake()).await.unwrap()
    }
}
