//! A store to try things on, with a hand behind its back.

use std::sync::Arc;

use bytes::Bytes;
use lakebed_core::{ObjectId, StoredObject};
use lakebed_store::{
    Backend, GROUP_BYTES, LocalBackend, ObjectStoreBackend, Scratch, Store, Trust,
};
use lakebed_testkit::{fault::FaultBackend, s3};
use tempfile::TempDir;

pub(crate) const GROUP: usize = GROUP_BYTES as usize;

/// A store, and ways around it.
pub(crate) struct Lake {
    pub(crate) store: Store,
    pub(crate) faults: FaultBackend,
    /// What is really there: damage is done here.
    pub(crate) below: Arc<dyn Backend>,
    pub(crate) root: TempDir,
    /// The S3 server, if it is on one.
    endpoint: Option<String>,
}

impl Lake {
    pub(crate) fn folder() -> Self {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_root(root.path()).unwrap();
        let below = Arc::new(LocalBackend::new(root.path().to_owned(), &scratch));
        Self::on(below, scratch, root)
    }

    pub(crate) fn memory() -> Self {
        let store = Arc::new(object_store::memory::InMemory::new());
        let below = Arc::new(ObjectStoreBackend::new(store, "some/prefix".into()));
        Self::on(below, Scratch::in_system().unwrap(), tempfile::tempdir().unwrap())
    }

    /// On the S3 server of the tests, if there is one.
    pub(crate) async fn s3() -> Option<Self> {
        let endpoint = s3::endpoint()?;
        let url = s3::fresh_url(&endpoint).await;
        let options = s3::options(&endpoint, s3::WRITER);
        let below = Arc::new(ObjectStoreBackend::open(&url, &options).unwrap());
        let root = tempfile::tempdir().unwrap();
        let lake = Self::on(below, Scratch::in_system().unwrap(), root);
        Some(Self { endpoint: Some(endpoint), ..lake })
    }

    /// An empty lake of the same kind.
    pub(crate) async fn empty_twin(&self) -> Self {
        match (&self.endpoint, self.below.local_path("x")) {
            (Some(_), _) => Self::s3().await.expect("the server was there"),
            (None, Some(_)) => Self::folder(),
            (None, None) => Self::memory(),
        }
    }

    fn on(below: Arc<dyn Backend>, scratch: Scratch, root: TempDir) -> Self {
        let faults = FaultBackend::new(Arc::clone(&below));
        let store = Store::new(Arc::new(faults.clone()), scratch);
        Self { store, faults, below, root, endpoint: None }
    }

    /// A second process that reads the same bytes: nothing is known to it.
    pub(crate) fn newcomer(&self) -> Store {
        Store::new(Arc::new(self.faults.clone()), Scratch::in_system().unwrap())
    }

    pub(crate) async fn put(&self, bytes: &Bytes) -> StoredObject {
        self.store.put(bytes.clone(), Trust::Unnamed).await.unwrap()
    }

    /// Puts other bytes where an object is.
    pub(crate) async fn overwrite(&self, id: ObjectId, bytes: impl Into<Bytes>) {
        self.below.replace(&id.key(), &bytes.into().into()).await.unwrap();
    }

    /// Every key there is.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed = self.below.list("").await.unwrap();
        listed.into_iter().map(|listed| listed.key).collect()
    }

    /// How many files scratch holds, beside its lock.
    pub(crate) fn scratch_files(&self) -> usize {
        let entries = std::fs::read_dir(self.store.scratch_dir()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name() != "lock").count()
    }
}

/// Bytes in which no two groups are equal.
pub(crate) fn bytes(length: usize) -> Bytes {
    let mut state = 0x2545_F491_4F6C_DD1D_u64 ^ length as u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

/// Lengths around every border that matters.
pub(crate) fn lengths() -> Vec<usize> {
    let mut lengths = vec![0, 1, 1024, 255 * 1024, 5 * GROUP + 77];
    for groups in [1, 2, 16, 17] {
        lengths.extend([groups * GROUP - 1, groups * GROUP, groups * GROUP + 1]);
    }
    lengths
}
