//! What a place for bytes must be able to do, and what it need not know.
//!
//! A back end stores and reads what it is told under keys it is told. It knows no digests: that the
//! bytes are right is [`crate::Store`]'s business.

use std::{fmt::Debug, ops::Range, path::PathBuf, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use url::Url;

use crate::{Error, Result};

/// Requests for parts of one object that are on their way at the same time.
pub(crate) const READS_AT_ONCE: usize = 4;

/// What a file system knows of a file: where two are equal, nobody wrote to it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace {
    pub(crate) file: u64,
    pub(crate) size_bytes: u64,
    pub(crate) changed_at: (i64, i64),
}

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

    /// What [`Self::read_range`] gives for each range, in order; in one go where the place can.
    async fn read_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let reads = stream::iter(ranges.to_vec()).map(|range| self.read_range(key, range));
        let read: Vec<Option<Bytes>> = reads.buffered(READS_AT_ONCE).try_collect().await?;
        Ok(read.into_iter().collect())
    }

    /// What is otherwise once the content was touched, found without reading it and at once; nothing if
    /// there is nothing. Places that cannot be asked at once have the same for everything.
    fn trace(&self, _key: &str) -> Option<Trace> {
        Some(Trace::default())
    }

    /// How long the content is; nothing if there is nothing.
    async fn size(&self, key: &str) -> Result<Option<u64>>;

    /// Every key below `folder` (no `/` at its end; empty for all), by name.
    async fn list(&self, folder: &str) -> Result<Vec<Listed>>;

    /// Whether anything is stored, but for what [`PROBES`] holds.
    async fn holds_anything(&self) -> Result<bool> {
        let listed = self.list("").await?;
        Ok(listed.iter().any(|listed| check_probe(&listed.key).is_err()))
    }

    /// Creates a file that waits (a key below `tmp/uploads` or `tmp/results`) if there is nothing,
    /// whole or not at all. It need not survive a power cut: whoever reads it hashes it.
    async fn create_waiting(&self, key: &str, content: &Content) -> Result<Created>;

    /// The bytes of `range` that are there of a file that waits; nothing if there is none.
    async fn read_waiting(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>>;

    /// Every file that waits, below a folder that is `tmp/uploads` or `tmp/results` or below one of
    /// them; by name.
    async fn list_waiting(&self, folder: &str) -> Result<Vec<Listed>>;

    /// Removes a file that waits. That there is none is success.
    async fn remove_waiting(&self, key: &str) -> Result<()>;

    /// The file that holds `key`, if it is a file; whether or not it exists.
    fn local_path(&self, key: &str) -> Option<PathBuf>;

    /// How far apart two ranges may be for one read of both to be better than two, in bytes.
    fn worthwhile_gap(&self) -> u64;

    /// A URL at which anyone can read `key` for as long as `lifetime`, and do nothing else; nothing
    /// where the place has no such thing. Whoever has it needs no other permission: it belongs into
    /// an answer, and into no log.
    async fn presign(&self, _key: &str, _lifetime: Duration) -> Result<Option<Url>> {
        Ok(None)
    }

    /// Removes what an examination left below [`PROBES`]: nothing else is ever removed. A key at
    /// which nothing is is fine.
    ///
    /// # Errors
    /// [`crate::Error::Key`] for any other key, and where nothing can be removed.
    async fn remove_probe(&self, key: &str) -> Result<()> {
        Err(Error::Key { key: key.to_owned() })
    }

    /// Whether bytes that were changed on their way are accepted, tried below `folder` of
    /// [`PROBES`]; nothing where bytes go no way.
    async fn accepts_damage(&self, _folder: &str) -> Result<Option<bool>> {
        Ok(None)
    }

    /// How far this machine's clock is ahead of the place's, as of its last answer.
    fn clock_ahead_ms(&self) -> Option<i64> {
        None
    }

    /// How many bytes there is room for, where that is known.
    fn free_bytes(&self) -> Option<u64> {
        None
    }
}

/// The folder that examinations try things in. No part of a lake.
pub const PROBES: &str = "doctor";

/// Accepts keys below [`PROBES`].
pub(crate) fn check_probe(key: &str) -> Result<()> {
    match key.strip_prefix(PROBES).is_some_and(|rest| rest.starts_with('/')) {
        true => crate::key::check_key(key),
        false => Err(Error::Key { key: key.to_owned() }),
    }
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
