//! Bytes that wait to become objects: the parts of uploads, shared by all who serve the lake.
//!
//! They lie under `tmp/uploads/<id>/<offset>`, a file for each part, named by the place of its first
//! byte. A part is created once and never changed: of two writers at one place the first one wins,
//! and the other finds out. They are the only files that are removed again, and no part of the lake:
//! whoever gathers them hashes them, and what does not add up counts as lost.

use std::{io::Write as _, ops::Range};

use bytes::Bytes;

use crate::{
    Created, Error, Listed, Result, Staged, Store,
    error::blocking,
    key::WAITING,
    local,
    staged::ScratchFile,
    tree::{Digest, TreeHasher},
};

/// What is read at a time.
const PIECE_BYTES: u64 = 8 * 1024 * 1024;
/// The most that goes to an object store as one part.
const PART_BYTES: u64 = 32 * 1024 * 1024;

/// The name of the file that replaces all parts once they were gathered.
const WHOLE: &str = "whole";

/// How often it is looked for parts that went while they were read.
const LOOKS: usize = 3;

/// One part that waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitingPart {
    /// The place of its first byte.
    pub start: u64,
    /// How long it is.
    pub size_bytes: u64,
    key: String,
}

impl WaitingPart {
    /// The place after its last byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start + self.size_bytes
    }
}

impl Store {
    /// Lets a staged file wait as the part of `upload` that begins at `start`; `upload` is a word of
    /// letters and digits.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Unavailable`]; the part may then be there, whole.
    pub async fn wait(&self, upload: &str, start: u64, staged: &Staged) -> Result<Created> {
        self.backend.create_waiting(&key(upload, start), &staged.content()).await
    }

    /// Lets all of a staged file wait: in one part, or in as many as an object store wants.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn wait_whole(&self, upload: &str, staged: &Staged) -> Result<()> {
        let size_bytes = staged.size_bytes();
        if self.is_folder() || size_bytes <= PART_BYTES {
            return self.wait(upload, 0, staged).await.map(drop);
        }
        for start in (0..size_bytes).step_by(PART_BYTES as usize) {
            let bytes = read_staged(staged, start..(start + PART_BYTES).min(size_bytes)).await?;
            self.backend.create_waiting(&key(upload, start), &bytes.into()).await?;
        }
        Ok(())
    }

    /// The parts of `upload` that follow each other from its first byte on.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn waiting_parts(&self, upload: &str) -> Result<Vec<WaitingPart>> {
        let listed = self.backend.list_waiting(&folder(upload)).await?;
        let part = |listed: Listed| {
            let name = listed.key.rsplit('/').next()?;
            let start = if name == WHOLE { 0 } else { name.parse().ok()? };
            Some(WaitingPart { start, size_bytes: listed.size_bytes, key: listed.key })
        };
        let whole = |listed: &&Listed| listed.key.ends_with(WHOLE);
        if let Some(whole) = listed.iter().find(whole) {
            return Ok(part(whole.clone()).into_iter().collect());
        }
        let mut chain: Vec<WaitingPart> = Vec::new();
        let mut parts: Vec<WaitingPart> = listed.into_iter().filter_map(part).collect();
        parts.sort_unstable();
        for part in parts {
            if part.start == chain.last().map_or(0, WaitingPart::end) && part.size_bytes > 0 {
                chain.push(part);
            }
        }
        Ok(chain)
    }

    /// Whether what waits of `upload` from `start` on is what `staged` begins with, as far as both
    /// go; `parts` are [`Self::waiting_parts`].
    ///
    /// # Errors
    /// [`Error::Unavailable`], also for a part that is gone.
    pub async fn waiting_equals(
        &self,
        parts: &[WaitingPart],
        start: u64,
        staged: &Staged,
    ) -> Result<bool> {
        let end = start + staged.size_bytes();
        for part in parts.iter().filter(|part| part.end() > start && part.start < end) {
            let mut at = part.start.max(start);
            let last = part.end().min(end);
            while at < last {
                let until = (at + PIECE_BYTES).min(last);
                let here = self.read_part(part, at..until).await?;
                if here != read_staged(staged, at - start..until - start).await? {
                    return Ok(false);
                }
                at = until;
            }
        }
        Ok(true)
    }

    /// The bytes of a staged file from `from` on, staged again.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub async fn stage_rest(&self, staged: &Staged, from: u64) -> Result<Staged> {
        let (file, mut sink) = ScratchFile::create(self.scratch())?;
        let mut hasher = TreeHasher::default();
        let mut at = from;
        while at < staged.size_bytes() {
            let until = (at + PIECE_BYTES).min(staged.size_bytes());
            let bytes = read_staged(staged, at..until).await?;
            sink.write_all(&bytes).map_err(|error| Error::io("write", file.path(), error))?;
            hasher.update(&bytes);
            at = until;
        }
        Ok(Staged::new(file, hasher.finish()))
    }

    /// Brings all parts of `upload` together, hashed; nothing if they are not `size_bytes` in all,
    /// or go while they are read: another server gathered them first, and is done with them.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Unavailable`].
    pub async fn gather_waiting(&self, upload: &str, size_bytes: u64) -> Result<Option<Staged>> {
        for _ in 0..LOOKS {
            match self.gather_once(upload, size_bytes).await {
                // Perhaps the whole has taken the place of the parts.
                Err(Error::NotFound { .. }) => {}
                gathered => return gathered,
            }
        }
        Ok(None)
    }

    async fn gather_once(&self, upload: &str, size_bytes: u64) -> Result<Option<Staged>> {
        let parts = self.waiting_parts(upload).await?;
        if parts.last().map_or(0, WaitingPart::end) != size_bytes {
            return Ok(None);
        }
        let (file, sink) = ScratchFile::create(self.scratch())?;
        let mut work = Gathering { sink, hasher: TreeHasher::default() };
        for part in &parts {
            let mut at = part.start;
            while at < part.end() {
                let until = (at + PIECE_BYTES).min(part.end());
                let bytes = self.read_part(part, at..until).await?;
                let path = file.path().to_owned();
                work = blocking(move || match work.take(&bytes) {
                    Ok(()) => Ok(work),
                    Err(error) => Err(Error::io("write", &path, error)),
                })
                .await?;
                at = until;
            }
        }
        Ok(Some(Staged::new(file, work.finish())))
    }

    /// What was gathered takes the place of its parts, where that costs no second copy.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Unavailable`].
    pub async fn settle_waiting(&self, upload: &str, gathered: &Staged) -> Result<()> {
        if !self.is_folder() {
            return Ok(());
        }
        let parts = self.waiting_parts(upload).await?;
        if parts.len() <= 1 {
            return Ok(());
        }
        let whole = format!("{}/{WHOLE}", folder(upload));
        self.backend.create_waiting(&whole, &gathered.content()).await?;
        for part in parts {
            self.backend.remove_waiting(&part.key).await?;
        }
        Ok(())
    }

    fn is_folder(&self) -> bool {
        self.backend.local_path("x").is_some()
    }

    /// Removes everything that waits of `upload`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn forget_waiting(&self, upload: &str) -> Result<()> {
        for listed in self.backend.list_waiting(&folder(upload)).await? {
            self.backend.remove_waiting(&listed.key).await?;
        }
        Ok(())
    }

    /// The uploads of which anything waits, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn waiting_uploads(&self) -> Result<Vec<String>> {
        let listed = self.backend.list_waiting(WAITING).await?;
        let upload = |key: &str| {
            let below = key.strip_prefix(WAITING)?.strip_prefix('/')?;
            Some(below.split('/').next()?.to_owned())
        };
        let mut uploads: Vec<String> =
            listed.iter().filter_map(|listed| upload(&listed.key)).collect();
        uploads.dedup();
        Ok(uploads)
    }

    async fn read_part(&self, part: &WaitingPart, range: Range<u64>) -> Result<Bytes> {
        let within = range.start - part.start..range.end - part.start;
        match self.backend.read_waiting(&part.key, within).await? {
            Some(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
            _ => Err(Error::NotFound { key: part.key.clone() }),
        }
    }
}

struct Gathering {
    sink: std::fs::File,
    hasher: TreeHasher,
}

impl Gathering {
    fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.sink.write_all(bytes)
    }

    fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

async fn read_staged(staged: &Staged, range: Range<u64>) -> Result<Bytes> {
    let path = staged.path().to_owned();
    blocking(move || match local::read_range(&path, range.clone())? {
        Some(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
        _ => Err(Error::Changed { path }),
    })
    .await
}

fn folder(upload: &str) -> String {
    format!("{WAITING}/{upload}")
}

fn key(upload: &str, start: u64) -> String {
    format!("{WAITING}/{upload}/{start:020}")
}
