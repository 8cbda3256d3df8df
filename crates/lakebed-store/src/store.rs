//! The store: objects by digest and small files by key, on any back end.
//!
//! Here are opening, small files and staging. Making objects is in `publish.rs` and reading them in
//! `read.rs`, so that it is seen at a glance that the one never overwrites and the other verifies.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use lakebed_core::ObjectId;
use tokio::sync::mpsc;
use url::Url;

use crate::{
    Backend, BoxError, Content, Created, Error, Listed, LocalBackend, Observer, Result, Root,
    Scratch, Staged, StoreOptions,
    cloud::open_url,
    error::blocking,
    kept::KeptBytes,
    key::{check_key, check_prefix},
    observe::{Listener, Observed},
    spool::Source,
    staged::ScratchFile,
    tree::TreeHasher,
    trees::ProvedTrees,
};

/// Pieces of a stream that wait to be written.
const PIECES_WAITING: usize = 8;

/// The bytes of one lake. Cheap to clone; clones share scratch and what was proved.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) trees: Arc<ProvedTrees>,
    pub(crate) kept: Arc<KeptBytes>,
    pub(crate) listener: Listener,
    scratch: Arc<Scratch>,
}

impl Store {
    /// Opens the root, and makes a scratch folder for this process. Creates nothing else: whether
    /// it is a lake is the caller's to find out.
    ///
    /// A folder that cannot be written to, or is full, is opened for reading, with scratch where the
    /// system keeps temporary files.
    ///
    /// # Errors
    /// [`Error::Root`] if there is no such folder, or the kind of store is not built in.
    pub async fn open(root: &Root) -> Result<Self> {
        Self::open_with(root, &StoreOptions::default()).await
    }

    /// As [`Self::open`], with options for roots that are no folder. Asks no object store anything:
    /// what is wrong with a bucket shows with the first request.
    ///
    /// # Errors
    /// [`Error::Root`] if root and options cannot be meant like that.
    pub async fn open_with(root: &Root, options: &StoreOptions) -> Result<Self> {
        match root {
            Root::Folder(path) => {
                let path = path.clone();
                blocking(move || Self::open_folder(&path)).await
            }
            Root::Url(url) => {
                let backend = open_url(url, options)?;
                let options = options.scratch.clone();
                let scratch = blocking(move || {
                    match &options.folder {
                        Some(folder) => Scratch::below(folder),
                        None => Scratch::in_system(),
                    }
                    .map(|scratch| scratch.limited(options.limit_bytes))
                });
                Ok(Self::new(Arc::new(backend), scratch.await?))
            }
        }
    }

    /// A store on a back end of the caller's making.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, scratch: Scratch) -> Self {
        let listener = Listener::default();
        let backend = Arc::new(Observed { backend, listener: listener.clone() });
        let (trees, kept) = (Arc::default(), Arc::default());
        Self { backend, trees, kept, listener, scratch: Arc::new(scratch) }
    }

    /// Lets `observer` hear how the back end does, whichever clone is used. The first one stays.
    pub fn observe(&self, observer: Arc<dyn Observer>) {
        self.listener.listen(observer);
    }

    fn open_folder(path: &Path) -> Result<Self> {
        let error = |reason: &str| Error::Root {
            root: path.display().to_string(),
            reason: reason.to_owned(),
        };
        match path.canonicalize() {
            Ok(root) if root.is_dir() => {
                let scratch = match Scratch::in_root(&root) {
                    Err(Error::Denied { .. } | Error::Full { .. }) => Scratch::in_system(),
                    other => other,
                }?;
                let backend = LocalBackend::new(root, &scratch);
                Ok(Self::new(Arc::new(backend), scratch))
            }
            Ok(_) => Err(error("it is not a folder")),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Err(error("there is no such folder"))
            }
            Err(cause) => Err(Error::io("open", path, cause)),
        }
    }

    /// The folder for files that are not stored yet: private to this process, gone with it.
    #[must_use]
    pub fn scratch_dir(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn scratch(&self) -> &Arc<Scratch> {
        &self.scratch
    }

    /// Creates a small file, durably, if there is none of that name.
    ///
    /// Atomic: of several creators of different bytes exactly one gets [`Created::New`]. When a
    /// request breaks off, what is there is compared: our bytes are [`Created::New`], others
    /// [`Created::Existed`].
    ///
    /// # Errors
    /// [`Error::Key`] for a key that would leave the lake; [`Error::Unavailable`] if it is not known
    /// whether the file was created.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<Created> {
        check_key(key)?;
        let content = Content::from(bytes.clone());
        let broke_off = match self.backend.create(key, &content).await {
            Err(error @ Error::Unavailable { .. }) => error,
            other => return other,
        };
        match self.backend.read(key).await {
            Ok(Some(found)) if found == bytes => Ok(Created::New),
            Ok(Some(_)) => Ok(Created::Existed),
            Ok(None) | Err(_) => Err(broke_off),
        }
    }

    /// Reads a small file whole. Nothing says what its bytes should be: the caller checks them.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        check_key(key)?;
        self.backend.read(key).await
    }

    /// Puts `bytes` where the torn file `torn` is, atomically. Only for what is known to be torn.
    ///
    /// It looks once more first: an answer may have been cut off on its way, and then nothing is
    /// torn.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if something else is there now; else as [`Self::create`].
    pub async fn replace_torn(&self, key: &str, torn: &Bytes, bytes: Bytes) -> Result<()> {
        check_key(key)?;
        let is_still_there = self.backend.size(key).await? == Some(torn.len() as u64)
            && self.backend.read(key).await?.as_ref() == Some(torn);
        match is_still_there {
            true => self.backend.replace(key, &bytes.into()).await,
            false => {
                let source = format!("`{key}` was read cut off, and is not").into();
                Err(Error::Unavailable { source })
            }
        }
    }

    /// A URL at which anyone can read an object for as long as `lifetime`; nothing where the place
    /// has no such thing. Its bytes are not verified by us: their reader knows their digest.
    ///
    /// # Errors
    /// [`Error::Bucket`] if there are no credentials to sign with.
    pub async fn presign(&self, id: ObjectId, lifetime: Duration) -> Result<Option<Url>> {
        self.backend.presign(&id.key(), lifetime).await
    }

    /// Whether anything is stored here, a lake's or somebody else's.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn holds_anything(&self) -> Result<bool> {
        self.backend.holds_anything().await
    }

    /// What is stored below a folder such as `journal`, or everywhere if it is empty; by name.
    ///
    /// # Errors
    /// [`Error::Key`] if `prefix` is not a folder of keys.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        self.backend.list(check_prefix(prefix)?).await
    }

    /// Copies a file into scratch and hashes it in the same pass. Blocks.
    ///
    /// The original is never linked to: its owner can go on changing it. What was copied is what
    /// was hashed, even if the file changes meanwhile. `on_bytes` is told of progress, from several
    /// threads.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotAFile`], [`Error::Denied`] about the source,
    /// [`Error::Changed`] if it became shorter, [`Error::Full`] about scratch.
    pub fn stage_path(&self, path: &Path, on_bytes: &(dyn Fn(u64) + Sync)) -> Result<Staged> {
        Staged::copy(&self.scratch, path, on_bytes)
    }

    /// Takes over a finished file below [`Self::scratch_dir`], and hashes it. Blocks.
    ///
    /// # Errors
    /// [`Error::NotOurs`] if the file is elsewhere, or has a second name.
    pub fn adopt(&self, path: PathBuf) -> Result<Staged> {
        Staged::adopt(&self.scratch, path)
    }

    /// Hashes a file without copying it. Blocks.
    ///
    /// # Errors
    /// As [`Self::stage_path`] about the source.
    pub fn hash_path(&self, path: &Path) -> Result<(ObjectId, u64)> {
        let digest = Source::open(path)?.hash(&|_| ())?;
        Ok((digest.id, digest.size_bytes))
    }

    /// Writes a stream into scratch and hashes it on the way.
    ///
    /// Memory use is some pieces of the stream, whatever its length.
    ///
    /// # Errors
    /// [`Error::BrokeOff`] if the stream fails, [`Error::Full`] if scratch does; nothing is left.
    pub async fn stage_stream(
        &self,
        stream: impl Stream<Item = Result<Bytes, BoxError>> + Send,
    ) -> Result<Staged> {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        let scratch = Arc::clone(&self.scratch);
        let writer = tokio::spawn(blocking(move || write_pieces(&scratch, receiver)));
        let mut stream = std::pin::pin!(stream);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|source| Error::BrokeOff { source })?;
            // A writer that is gone has failed, and says so below.
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        drop(sender);
        writer.await.unwrap_or_else(|error| Err(Error::Unavailable { source: error.into() }))
    }

    /// The file that holds an object, in lakes that are folders. It need not exist, and its bytes
    /// are not verified.
    #[must_use]
    pub fn local_path(&self, id: ObjectId) -> Option<PathBuf> {
        self.backend.local_path(&id.key())
    }
}

fn write_pieces(scratch: &Arc<Scratch>, mut pieces: mpsc::Receiver<Bytes>) -> Result<Staged> {
    use std::io::Write as _;
    let (mut file, mut sink) = ScratchFile::create(scratch)?;
    let mut hasher = TreeHasher::default();
    while let Some(piece) = pieces.blocking_recv() {
        file.grow(piece.len() as u64)?;
        sink.write_all(&piece).map_err(|error| Error::io("write", file.path(), error))?;
        hasher.update(&piece);
    }
    Ok(Staged::new(file, hasher.finish()))
}
