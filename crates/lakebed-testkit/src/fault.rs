//! A back end that fails where a test says: before a write, after it, in the middle of it.
//!
//! Every write is a *point* with a name. A test runs once to learn the points, and then once per
//! point and kind of failure; after a *crash* nothing works any more until [`FaultBackend::revive`],
//! as after the death of a process. Bits can be flipped under the reader's eyes.

use std::{
    collections::HashMap,
    ops::Range,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use lakebed_core::ObjectId;
use lakebed_store::{Backend, Content, Created, Error, Listed, Result, Trace};
use url::Url;

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written, and the caller is told so.
    Before,
    /// It is written, and the caller is told that it may not have been.
    After,
    /// The first half is written under the final name, and the caller is told that it may not have
    /// been. No back end of ours does that; a copy by hand, or a disk that lies, does.
    Torn,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Before, Self::After, Self::Torn];
}

/// A back end around another. Clones share everything.
#[derive(Debug, Clone)]
pub struct FaultBackend {
    inner: Arc<dyn Backend>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    points: Vec<String>,
    armed: Option<Armed>,
    crashed: bool,
    flipped: HashMap<String, u64>,
    read_count: u64,
}

#[derive(Debug, Clone, Copy)]
struct Armed {
    point: usize,
    fault: Fault,
    crash: bool,
}

impl FaultBackend {
    /// Passes everything on to `inner` until told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// The writes so far, tried or done, such as `create journal/000000000001.json`.
    #[must_use]
    pub fn points(&self) -> Vec<String> {
        self.state().points.clone()
    }

    /// How many times anything was read, measured or listed.
    #[must_use]
    pub fn read_count(&self) -> u64 {
        self.state().read_count
    }

    /// Makes the write at `point` (from 0) fail; those after it work.
    pub fn fail_at(&self, point: usize, fault: Fault) {
        self.state().armed = Some(Armed { point, fault, crash: false });
    }

    /// Makes the write at `point` (from 0) fail, and everything after it.
    pub fn crash_at(&self, point: usize, fault: Fault) {
        self.state().armed = Some(Armed { point, fault, crash: true });
    }

    /// Whether the crash has happened.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.state().crashed
    }

    /// Everything works again; points are counted from 0. Flipped bits stay flipped.
    pub fn revive(&self) {
        let mut state = self.state();
        state.armed = None;
        state.crashed = false;
        state.points.clear();
    }

    /// From now on `object` is read with this bit of it flipped: bit 0 is the least of byte 0.
    pub fn flip_bit(&self, object: ObjectId, bit: u64) {
        self.state().flipped.insert(object.key(), bit);
    }

    /// Reads are right again.
    pub fn unflip(&self) {
        self.state().flipped.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a write, and says what is to become of it.
    fn reach(&self, verb: &str, key: &str) -> Result<Option<Fault>> {
        let mut state = self.state();
        if state.crashed {
            return Err(crashed());
        }
        let point = state.points.len();
        state.points.push(format!("{verb} {key}"));
        match state.armed {
            Some(armed) if armed.point == point => {
                state.armed = None;
                state.crashed = armed.crash;
                Ok(Some(armed.fault))
            }
            _ => Ok(None),
        }
    }

    fn reach_read(&self) -> Result<()> {
        let mut state = self.state();
        state.read_count += 1;
        if state.crashed { Err(crashed()) } else { Ok(()) }
    }

    /// Flips the bit in bytes that start at `start`, if it lies in them.
    fn flip(&self, key: &str, start: u64, bytes: Option<Bytes>) -> Option<Bytes> {
        let bytes = bytes?;
        let Some(bit) = self.state().flipped.get(key).copied() else { return Some(bytes) };
        let index = (bit / 8).checked_sub(start).and_then(|index| usize::try_from(index).ok());
        let mut flipped = bytes.to_vec();
        if let Some(byte) = index.and_then(|index| flipped.get_mut(index)) {
            *byte ^= 1 << (bit % 8);
        }
        Some(flipped.into())
    }
}

#[async_trait]
impl Backend for FaultBackend {
    async fn create(&self, key: &str, content: &Content) -> Result<Created> {
        match self.reach("create", key)? {
            None => return self.inner.create(key, content).await,
            Some(Fault::Before) => {}
            Some(Fault::After) => drop(self.inner.create(key, content).await?),
            Some(Fault::Torn) => drop(self.inner.create(key, &half(content)).await?),
        }
        Err(broke_off(key))
    }

    async fn replace(&self, key: &str, content: &Content) -> Result<()> {
        match self.reach("replace", key)? {
            None => return self.inner.replace(key, content).await,
            Some(Fault::Before) => {}
            Some(Fault::After) => self.inner.replace(key, content).await?,
            Some(Fault::Torn) => self.inner.replace(key, &half(content)).await?,
        }
        Err(broke_off(key))
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        self.reach_read()?;
        Ok(self.flip(key, 0, self.inner.read(key).await?))
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.reach_read()?;
        let start = range.start;
        Ok(self.flip(key, start, self.inner.read_range(key, range).await?))
    }

    /// None while bits are flipped: what was read before would be handed out without us.
    fn trace(&self, key: &str) -> Option<Trace> {
        match self.state().flipped.is_empty() {
            true => self.inner.trace(key),
            false => None,
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.reach_read()?;
        self.inner.size(key).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        self.reach_read()?;
        self.inner.list(folder).await
    }

    async fn create_waiting(&self, key: &str, content: &Content) -> Result<Created> {
        match self.reach("create", key)? {
            None => return self.inner.create_waiting(key, content).await,
            Some(Fault::Before) => {}
            Some(Fault::After) => drop(self.inner.create_waiting(key, content).await?),
            Some(Fault::Torn) => drop(self.inner.create_waiting(key, &half(content)).await?),
        }
        Err(broke_off(key))
    }

    async fn read_waiting(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.reach_read()?;
        let start = range.start;
        Ok(self.flip(key, start, self.inner.read_waiting(key, range).await?))
    }

    async fn list_waiting(&self, folder: &str) -> Result<Vec<Listed>> {
        self.reach_read()?;
        self.inner.list_waiting(folder).await
    }

    async fn remove_waiting(&self, key: &str) -> Result<()> {
        match self.reach("remove", key)? {
            None => return self.inner.remove_waiting(key).await,
            Some(Fault::After) => self.inner.remove_waiting(key).await?,
            Some(Fault::Before | Fault::Torn) => {}
        }
        Err(broke_off(key))
    }

    /// None while bits are flipped: a file would be read without us.
    fn local_path(&self, key: &str) -> Option<PathBuf> {
        match self.state().flipped.is_empty() {
            true => self.inner.local_path(key),
            false => None,
        }
    }

    fn worthwhile_gap(&self) -> u64 {
        self.inner.worthwhile_gap()
    }

    async fn presign(&self, key: &str, lifetime: Duration) -> Result<Option<Url>> {
        self.reach_read()?;
        self.inner.presign(key, lifetime).await
    }

    async fn remove_probe(&self, key: &str) -> Result<()> {
        self.inner.remove_probe(key).await
    }

    async fn accepts_damage(&self, folder: &str) -> Result<Option<bool>> {
        self.inner.accepts_damage(folder).await
    }

    fn clock_ahead_ms(&self) -> Option<i64> {
        self.inner.clock_ahead_ms()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }
}

fn half(content: &Content) -> Content {
    let bytes = match content {
        Content::Bytes(bytes) => bytes.clone(),
        Content::File { path, .. } => {
            std::fs::read(path).expect("a staged file stays until it is dropped").into()
        }
    };
    bytes.slice(..bytes.len() / 2).into()
}

fn broke_off(key: &str) -> Error {
    Error::Unavailable { source: format!("the request for `{key}` broke off").into() }
}

fn crashed() -> Error {
    Error::Unavailable { source: "the process has crashed".into() }
}
