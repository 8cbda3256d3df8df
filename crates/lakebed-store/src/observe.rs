//! Telling somebody how the back end does: what it was asked, how long that took, how it ended.
//!
//! Nobody listens unless told to; what is done with the numbers is the listener's business.

use std::{
    fmt::Debug,
    future::Future,
    ops::Range,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use crate::{Backend, Content, Created, Error, Listed, Result, Trace};

/// What a back end is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Create what is not there.
    Create,
    /// Put bytes where others are.
    Replace,
    /// Read something whole.
    Read,
    /// Read a part.
    ReadRange,
    /// Say how long something is.
    Size,
    /// Name what there is.
    List,
    /// Remove what waited.
    Remove,
}

impl Operation {
    /// Its name, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Read => "read",
            Self::ReadRange => "read_range",
            Self::Size => "size",
            Self::List => "list",
            Self::Remove => "remove",
        }
    }
}

/// Hears how the store does. Called from any thread, and waited for: only counts.
pub trait Observer: Debug + Send + Sync {
    /// The back end did, or failed to do, what it was asked.
    fn operation(&self, operation: Operation, is_done: bool, elapsed: Duration);

    /// An object was read whose bytes are not what its name says.
    fn corrupt_read(&self);
}

/// Whoever listens, once somebody does. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listener(Arc<OnceLock<Arc<dyn Observer>>>);

impl Listener {
    /// The first one to listen stays.
    pub(crate) fn listen(&self, observer: Arc<dyn Observer>) {
        let _ = self.0.set(observer);
    }

    /// Takes note of a read that found other bytes than it should.
    pub(crate) fn note<T>(&self, read: &Result<T>) {
        if let (Err(Error::Corrupt { .. }), Some(observer)) = (read, self.0.get()) {
            observer.corrupt_read();
        }
    }

    async fn time<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let Some(observer) = self.0.get() else { return work.await };
        let started = Instant::now();
        let done = work.await;
        observer.operation(operation, done.is_ok(), started.elapsed());
        done
    }
}

/// A back end that is listened to.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) listener: Listener,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Observed {
    async fn create(&self, key: &str, content: &Content) -> Result<Created> {
        self.listener.time(Operation::Create, self.backend.create(key, content)).await
    }

    async fn replace(&self, key: &str, content: &Content) -> Result<()> {
        self.listener.time(Operation::Replace, self.backend.replace(key, content)).await
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        self.listener.time(Operation::Read, self.backend.read(key)).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.listener.time(Operation::ReadRange, self.backend.read_range(key, range)).await
    }

    async fn read_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        self.listener.time(Operation::ReadRange, self.backend.read_ranges(key, ranges)).await
    }

    fn trace(&self, key: &str) -> Option<Trace> {
        self.backend.trace(key)
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.listener.time(Operation::Size, self.backend.size(key)).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        self.listener.time(Operation::List, self.backend.list(folder)).await
    }

    async fn create_waiting(&self, key: &str, content: &Content) -> Result<Created> {
        self.listener.time(Operation::Create, self.backend.create_waiting(key, content)).await
    }

    async fn read_waiting(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.listener.time(Operation::ReadRange, self.backend.read_waiting(key, range)).await
    }

    async fn list_waiting(&self, folder: &str) -> Result<Vec<Listed>> {
        self.listener.time(Operation::List, self.backend.list_waiting(folder)).await
    }

    async fn remove_waiting(&self, key: &str) -> Result<()> {
        self.listener.time(Operation::Remove, self.backend.remove_waiting(key)).await
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        self.backend.local_path(key)
    }

    fn worthwhile_gap(&self) -> u64 {
        self.backend.worthwhile_gap()
    }

    async fn holds_anything(&self) -> Result<bool> {
        self.listener.time(Operation::List, self.backend.holds_anything()).await
    }

    /// Asks nobody: not counted, as is what an examination does.
    async fn presign(&self, key: &str, lifetime: Duration) -> Result<Option<Url>> {
        self.backend.presign(key, lifetime).await
    }

    async fn remove_probe(&self, key: &str) -> Result<()> {
        self.backend.remove_probe(key).await
    }

    async fn accepts_damage(&self, folder: &str) -> Result<Option<bool>> {
        self.backend.accepts_damage(folder).await
    }

    fn clock_ahead_ms(&self) -> Option<i64> {
        self.backend.clock_ahead_ms()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.backend.free_bytes()
    }
}
