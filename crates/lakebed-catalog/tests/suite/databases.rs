//! Fresh databases of one engine; opening one again is a second handle on the same database.

use lakebed_catalog::Catalog;
use lakebed_core::LakeId;

/// See the module.
pub(crate) struct Databases {
    folder: tempfile::TempDir,
}

impl Databases {
    pub(crate) fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The lake that all of them belong to.
    pub(crate) fn lake() -> LakeId {
        LakeId::from_bytes([0x1a; 16])
    }

    pub(crate) fn url(&self, name: &str) -> String {
        Catalog::url_of_file(&self.folder.path().join(name)).unwrap()
    }

    pub(crate) async fn open(&self, name: &str) -> Catalog {
        Catalog::open(&self.url(name), Self::lake()).await.unwrap()
    }
}
