//! A file in scratch whose name is known: ready to be published, or dropped without a trace.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use lakebed_core::{ObjectId, StoredObject};

use crate::{
    Error, Result, Scratch,
    backend::Content,
    spool::Source,
    tree::{Digest, HashTree},
};

/// A file in scratch, hashed. Removed on drop, published or not; readable until then.
pub struct Staged {
    file: ScratchFile,
    digest: Digest,
}

impl Staged {
    /// The file. It is read-only: once published, it may be the lake's own under a second name.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Its digest.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        self.digest.id
    }

    /// Its length.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.digest.size_bytes
    }

    /// What it will be once it is published.
    #[must_use]
    pub fn object(&self) -> StoredObject {
        self.digest.object()
    }

    pub(crate) fn tree(&self) -> Option<&HashTree> {
        self.digest.tree.as_ref()
    }

    pub(crate) fn content(&self) -> Content {
        Content::File { path: self.path().to_owned(), size_bytes: self.size_bytes() }
    }

    pub(crate) fn new(file: ScratchFile, digest: Digest) -> Self {
        Self { file, digest }
    }

    /// Copies a file into scratch.
    pub(crate) fn copy(
        scratch: &Arc<Scratch>,
        path: &Path,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Self> {
        let source = Source::open(path)?;
        let (mut file, sink) = ScratchFile::create(scratch)?;
        file.grow(source.size_bytes())?;
        let digest = source.copy_to(&sink, file.path(), on_bytes)?;
        Ok(Self { file, digest })
    }

    /// Takes over a file that was written in scratch.
    pub(crate) fn adopt(scratch: &Arc<Scratch>, path: PathBuf) -> Result<Self> {
        if !scratch.contains(&path) {
            return Err(Error::NotOurs { path });
        }
        let metadata = fs::symlink_metadata(&path).map_err(|e| Error::io("read", &path, e))?;
        if !metadata.is_file() || metadata.nlink() != 1 {
            return Err(Error::NotOurs { path });
        }
        let mut file = ScratchFile { scratch: Arc::clone(scratch), path, size_bytes: 0 };
        file.grow(metadata.len())?;
        file.make_read_only(&metadata)?;
        let digest = Source::open(file.path())?.hash(&|_| ())?;
        Ok(Self { file, digest })
    }
}

impl fmt::Debug for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged").field("path", &self.path()).field("id", &self.id()).finish()
    }
}

/// A file in scratch that is unlinked on drop; keeps the scratch folder alive.
pub(crate) struct ScratchFile {
    scratch: Arc<Scratch>,
    path: PathBuf,
    size_bytes: u64,
}

impl ScratchFile {
    /// Creates an empty file, which only the returned handle can write to.
    pub(crate) fn create(scratch: &Arc<Scratch>) -> Result<(Self, File)> {
        let path = scratch.fresh_path();
        let file = create_read_only(&path)?;
        Ok((Self { scratch: Arc::clone(scratch), path, size_bytes: 0 }, file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Counts bytes that are about to be written.
    ///
    /// # Errors
    /// [`Error::Full`] if scratch may not hold that many.
    pub(crate) fn grow(&mut self, size_bytes: u64) -> Result<()> {
        self.scratch.take(size_bytes)?;
        self.size_bytes += size_bytes;
        Ok(())
    }

    fn make_read_only(&self, metadata: &fs::Metadata) -> Result<()> {
        let readable = fs::Permissions::from_mode(metadata.mode() & 0o444);
        fs::set_permissions(&self.path, readable)
            .map_err(|error| Error::io("make read-only", &self.path, error))
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        self.scratch.give_back(self.size_bytes);
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "a scratch file was gone already");
        }
    }
}

/// Creates a file that nobody can open for writing again, so that an accidental edit fails.
pub(crate) fn create_read_only(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(0o444).open(path);
    created.map_err(|error| Error::io("create", path, error))
}
