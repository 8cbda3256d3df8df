//! What a place for bytes must be able to do, and what it need not know.
//!
//! A back end stores and reads what it is told under keys it is told. It knows no digests: that the
//! bytes are right is [`crate::Store`]'s business.

use std::{fmt::Debug, ops::Range, path::PathBuf};

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// A place for bytes: a folder, or an object store.
#[async_trait]
pub trait Backend: Debug + Send + Sync + 'static {
    /// Creates `key` if there is nothing, durably, and whole or not at all.
    ///
    /// Of several creators at most one is told [`Created::New`]; for content of more than
    /// [`ONE_PUT_BYTES`] in an object store it may be more than one. [`Created::Existed`] says
    /// nothing about what is there, but that it is as durable as if we had written it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] if it is not known whether it was created.
    async fn create(&self, key: &str, content: &Content) -> Result<Created>;

    /// Puts `content` where other content may be, durably; readers see the one or the other, whole.
    async fn replace(&self, key: &str, content: &Content) -> Result<()>;

    /// Everything at `key`; nothing if there is nothing.
    async fn read(&self, key: &str) -> Result<Option<Bytes>>;

    /// The bytes of `range` that are there: fewer where the content ends before, none where it ends
    /// before the range starts. Nothing if there is nothing at `key`.
    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>>;

    /// How long the content is; nothing if there is nothing.
    async fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Every key below `folder` (no `/` at its end; empty for all), by name.
    async fn list(&self, folder: &str) -> Result<Vec<Listed>>;

    /// The file that holds `key`, if it is a file; whether or not it exists.
    fn local_path(&self, key: &str) -> Option<PathBuf>;

    /// How far apart two ranges may be for one read of both to be better than two, in bytes.
    fn worthwhile_gap(&self) -> u64;
}

/// Content of at most this many bytes goes to an object store in one create-only request: 64 MiB.
pub const ONE_PUT_BYTES: u64 = 64 * 1024 * 1024;

/// What is to be stored.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file in scratch. It stays there, and must not change from now on: where the file system
    /// can, what is stored is the same file under a second name.
    File {
        /// Where it is.
        path: PathBuf,
        /// How long it is.
        size_bytes: u64,
    },
}

impl Content {
    /// How long it is.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size_bytes, .. } => *size_bytes,
        }
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

/// Who created what is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// We did.
    New,
    /// It was there before; it need not be what we wanted to create.
    Existed,
}

/// A key, and the length of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The key.
    pub key: String,
    /// The length.
    pub size_bytes: u64,
}
