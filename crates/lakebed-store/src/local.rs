//! A folder as a back end: files that are whole, durable and created once.
//!
//! A file is written in scratch, synced, and then *linked* to its final name, which fails if there
//! is one: so what has a final name was complete and on the disk before it got it. Then the folder
//! is synced, and the folders that lead to it. The same is done when the name was there already:
//! whoever created it may not have got that far.
//!
//! Layout: ARCHITECTURE.md, "Bytes on disk".

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    ops::Range,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::OFlags;

use crate::{
    Backend, Content, Created, Error, Listed, Result, Scratch, Trace,
    backend::check_probe,
    error::blocking,
    key::{SCRATCH, check_key, check_waiting_key},
    spool::check_regular,
    staged::create_read_only,
};

/// A folder of this machine's file system. Clones share what they know of it.
#[derive(Debug, Clone)]
pub struct LocalBackend(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    scratch: PathBuf,
    next_file: std::sync::atomic::AtomicU64,
    /// Folders that we know to be on the disk with all that leads to them.
    durable: Mutex<HashSet<PathBuf>>,
}

impl LocalBackend {
    /// Stores below `root`, which exists, by way of `scratch`, which is on the same file system.
    #[must_use]
    pub fn new(root: PathBuf, scratch: &Scratch) -> Self {
        let durable = Mutex::new(HashSet::from([root.clone()]));
        let scratch = scratch.path().to_owned();
        Self(Arc::new(Folder { root, scratch, next_file: 0.into(), durable }))
    }

    async fn run_waiting<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Folder, &Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        check_waiting_key(key)?;
        let (folder, path) = (Arc::clone(&self.0), self.0.root.join(key));
        blocking(move || work(&folder, &path)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Folder, &Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        check_key(key)?;
        let (folder, path) = (Arc::clone(&self.0), self.0.root.join(key));
        blocking(move || work(&folder, &path)).await
    }
}

#[async_trait]
impl Backend for LocalBackend {
    async fn create(&self, key: &str, content: &Content) -> Result<Created> {
        let content = content.clone();
        self.run(key, move |folder, path| folder.create(path, &content)).await
    }

    async fn replace(&self, key: &str, content: &Content) -> Result<()> {
        let content = content.clone();
        self.run(key, move |folder, path| folder.replace(path, &content)).await
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        self.run(key, |_, path| read_range(path, 0..u64::MAX)).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.run(key, |_, path| read_range(path, range)).await
    }

    /// One file, opened once, by one thread: waking another costs as much as reading a part.
    async fn read_ranges(&self, key: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let ranges = ranges.to_vec();
        self.run(key, move |_, path| {
            let Some((mut file, size_bytes)) = open(path)? else { return Ok(None) };
            let mut part = |range| read_part(&mut file, size_bytes, range);
            let read: io::Result<Vec<_>> = ranges.into_iter().map(&mut part).collect();
            read.map(Some).map_err(|error| Error::io("read", path, error))
        })
        .await
    }

    fn trace(&self, key: &str) -> Option<Trace> {
        let metadata = fs::metadata(self.local_path(key)?).ok()?;
        let changed_at = (metadata.ctime(), metadata.ctime_nsec());
        Some(Trace { file: metadata.ino(), size_bytes: metadata.len(), changed_at })
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        self.run(key, |_, path| Ok(open(path)?.map(|(_, size_bytes)| size_bytes))).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let (root, below) = (self.0.root.clone(), folder.to_owned());
        blocking(move || list(&root, &below, check_key)).await
    }

    async fn create_waiting(&self, key: &str, content: &Content) -> Result<Created> {
        let content = content.clone();
        self.run_waiting(key, move |folder, path| folder.create_waiting(path, &content)).await
    }

    async fn read_waiting(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        self.run_waiting(key, |_, path| read_range(path, range)).await
    }

    async fn list_waiting(&self, folder: &str) -> Result<Vec<Listed>> {
        let (root, below) = (self.0.root.clone(), folder.to_owned());
        blocking(move || list(&root, &below, check_waiting_key)).await
    }

    async fn remove_waiting(&self, key: &str) -> Result<()> {
        self.run_waiting(key, |_, path| remove_waiting(path)).await
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        check_key(key).ok().map(|()| self.0.root.join(key))
    }

    fn worthwhile_gap(&self) -> u64 {
        0
    }

    async fn remove_probe(&self, key: &str) -> Result<()> {
        check_probe(key)?;
        self.run(key, |folder, path| {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", path, error));
                }
                _ => {}
            }
            // The folders above go with their last file; the lake's own stays.
            let above = path.ancestors().skip(1).take_while(|above| **above != folder.root);
            for above in above {
                if fs::remove_dir(above).is_err() {
                    break;
                }
                folder.durable().remove(above);
            }
            Ok(())
        })
        .await
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.0.root)
    }
}

impl Folder {
    fn create(&self, path: &Path, content: &Content) -> Result<Created> {
        if fs::symlink_metadata(path).is_ok() {
            return self.existed(path);
        }
        let synced = self.synced(content)?;
        self.make_durable(parent(path))?;
        match fs::hard_link(synced.path(), path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return self.existed(path);
            }
            Err(error) => return Err(self.link_error(path, error)),
        }
        sync_folder(parent(path))?;
        Ok(Created::New)
    }

    /// A second name for a file in scratch, or a new file; nothing is synced.
    fn create_waiting(&self, path: &Path, content: &Content) -> Result<Created> {
        let written = match content {
            Content::Bytes(bytes) => Synced::Ours(self.write_unsynced(bytes)?),
            Content::File { path, .. } if !path.starts_with(&self.scratch) => {
                return Err(Error::NotOurs { path: path.clone() });
            }
            Content::File { path, .. } => Synced::Staged(path.clone()),
        };
        // Again when somebody removed the folder as an empty one between the two steps.
        for _ in 0..3 {
            let folder = parent(path);
            fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
            match fs::hard_link(written.path(), path) {
                Ok(()) => return Ok(Created::New),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(Created::Existed);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.link_error(path, error)),
            }
        }
        Err(Error::NotFound { key: path.display().to_string() })
    }

    fn write_unsynced(&self, bytes: &[u8]) -> Result<Temporary> {
        let temporary = Temporary(self.fresh_path());
        let written = create_read_only(&temporary.0)?.write_all(bytes);
        written.map_err(|error| Error::io("write", &temporary.0, error))?;
        Ok(temporary)
    }

    /// Someone else's file, which they may not have synced yet.
    fn existed(&self, path: &Path) -> Result<Created> {
        if let Some((file, _)) = open(path)? {
            file.sync_all().map_err(|error| Error::io("sync", path, error))?;
        }
        self.make_durable(parent(path))?;
        sync_folder(parent(path))?;
        Ok(Created::Existed)
    }

    fn replace(&self, path: &Path, content: &Content) -> Result<()> {
        let synced = self.synced(content)?;
        self.make_durable(parent(path))?;
        // A second name of its own, because renaming takes the name away.
        let second = Temporary(self.fresh_path());
        fs::hard_link(synced.path(), &second.0)
            .map_err(|error| self.link_error(&second.0, error))?;
        fs::rename(&second.0, path).map_err(|error| self.link_error(path, error))?;
        sync_folder(parent(path))
    }

    /// The content as a file in scratch that is on the disk.
    fn synced(&self, content: &Content) -> Result<Synced> {
        match content {
            Content::Bytes(bytes) => self.write(bytes).map(Synced::Ours),
            Content::File { path, .. } if !path.starts_with(&self.scratch) => {
                Err(Error::NotOurs { path: path.clone() })
            }
            Content::File { path, .. } => {
                let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
                file.sync_all().map_err(|error| Error::io("sync", path, error))?;
                Ok(Synced::Staged(path.clone()))
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<Temporary> {
        let temporary = Temporary(self.fresh_path());
        let mut file = create_read_only(&temporary.0)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written.map_err(|error| Error::io("write", &temporary.0, error))?;
        Ok(temporary)
    }

    fn fresh_path(&self) -> PathBuf {
        let number = self.next_file.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.scratch.join(format!("small-{number}"))
    }

    /// Makes the folder and those that lead to it, and syncs each one's entry in its parent.
    ///
    /// A folder that is there may be another process's that has not synced it yet: so we sync every
    /// one once, whoever made it.
    fn make_durable(&self, folder: &Path) -> Result<()> {
        if self.durable().contains(folder) && folder.is_dir() {
            return Ok(());
        }
        let above = parent(folder);
        if folder != self.root {
            self.make_durable(above)?;
        }
        match fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("create", folder, error));
            }
            _ => sync_folder(above)?,
        }
        self.durable().insert(folder.to_owned());
        Ok(())
    }

    /// Scratch is on another file system when there could be none in the root: the reason for that
    /// is what its user must hear.
    fn link_error(&self, path: &Path, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::CrossesDevices => match tempfile::tempfile_in(&self.root) {
                Err(reason) => Error::io("write to", &self.root, reason),
                Ok(_) => Error::io("link", path, error),
            },
            _ => Error::io("link", path, error),
        }
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Content that is on the disk under a name in scratch.
enum Synced {
    Ours(Temporary),
    Staged(PathBuf),
}

impl Synced {
    fn path(&self) -> &Path {
        match self {
            Self::Ours(temporary) => &temporary.0,
            Self::Staged(path) => path,
        }
    }
}

/// A name in scratch, gone on drop.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It is gone already if it was renamed or never made.
        fs::remove_file(&self.0).ok();
    }
}

/// The room that this process may use on the file system of `path`, where that is known.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let system = rustix::fs::statvfs(path).ok()?;
    system.f_bavail.checked_mul(system.f_frsize)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| Error::io("sync", folder, error))
}

/// Opens a file to read, never waiting for the other end of a pipe.
fn open(path: &Path) -> Result<Option<(File, u64)>> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let metadata = file.metadata().map_err(|error| Error::io("read", path, error))?;
    check_regular(path, metadata.file_type())?;
    Ok(Some((file, metadata.len())))
}

pub(crate) fn read_range(path: &Path, range: Range<u64>) -> Result<Option<Bytes>> {
    let Some((mut file, size_bytes)) = open(path)? else { return Ok(None) };
    let read = read_part(&mut file, size_bytes, range);
    read.map(Some).map_err(|error| Error::io("read", path, error))
}

/// The bytes of `range` that are there.
fn read_part(file: &mut File, size_bytes: u64, range: Range<u64>) -> io::Result<Bytes> {
    let wanted = range.end.min(size_bytes).saturating_sub(range.start);
    let mut bytes = Vec::new();
    if wanted > 0 {
        let reserved = bytes.try_reserve_exact(usize::try_from(wanted).unwrap_or(usize::MAX));
        reserved.map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.seek(io::SeekFrom::Start(range.start))?;
        file.take(wanted).read_to_end(&mut bytes)?;
    }
    Ok(bytes.into())
}

/// Walks the folder. What cannot be a key is none of ours, and is left out.
fn list(root: &Path, below: &str, check: impl Fn(&str) -> Result<()>) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io("list", &path, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| Error::io("list", &path, error))?;
            let Some(key) = key_of(&folder, &entry, &check) else { continue };
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(key),
                Ok(metadata) if metadata.is_file() => {
                    listed.push(Listed { key, size_bytes: metadata.len() });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("list", &entry.path(), error)),
            }
        }
    }
    listed.sort();
    Ok(listed)
}

fn key_of(
    folder: &str,
    entry: &fs::DirEntry,
    check: impl Fn(&str) -> Result<()>,
) -> Option<String> {
    let name = entry.file_name().into_string().ok()?;
    let key = match folder {
        "" if name == SCRATCH => return None,
        "" => name,
        folder => format!("{folder}/{name}"),
    };
    check(&key).is_ok().then_some(key)
}

/// Removes a file and, when it was the last one, its folder.
fn remove_waiting(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", path, error));
        }
        _ => {}
    }
    // It stays while there are others, and whoever needs it makes it again.
    fs::remove_dir(parent(path)).ok();
    Ok(())
}
