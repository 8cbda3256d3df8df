//! Room for files that are not stored yet: private to one process, gone with it.
//!
//! `<root>/tmp/<32 hex digits>/`, on the lake's own file system so that publishing is a link. The
//! folder belongs to whoever holds the lock on the file `lock` in it; folders whose lock is free
//! were left behind by a process that died, and the next one to open the lake removes them.
//!
//! Making a folder and locking it are two steps, and so are finding it unlocked and removing it. A
//! remover therefore takes the lock and then *moves* the folder away before it deletes anything,
//! and a maker that has the lock looks whether the file it locked is still the one at its path.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::OFlags;

use crate::{Error, Result, key::SCRATCH};

/// The file whose lock says that the folder is in use.
const LOCK: &str = "lock";

/// What a folder is called while it is deleted.
const REMOVING: &str = "removing-";

/// A folder of scratch files, removed on drop.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    next_file: AtomicU64,
    owner: Owner,
    /// What the files of this process may hold together.
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

/// What keeps others away from the folder.
#[derive(Debug)]
enum Owner {
    /// Our lock on the lock file, held as long as this is open.
    Lock { _held: File },
    /// The system's folder for temporary files, which has its own rules about left-overs.
    System,
}

impl Scratch {
    /// Makes a folder below `<root>/tmp`, and removes those that dead processes left there.
    ///
    /// # Errors
    /// [`Error::Denied`] if the root cannot be written to, [`Error::Full`] if there is no space.
    pub fn in_root(root: &Path) -> Result<Self> {
        let parent = root.join(SCRATCH);
        fs::create_dir_all(&parent).map_err(|error| Error::io("create", &parent, error))?;
        Self::in_parent(&parent)
    }

    /// Makes a folder below `parent`, for lakes that are no folder, and removes those that dead
    /// processes left there. `parent` is made when it is missing.
    ///
    /// # Errors
    /// As [`Self::in_root`]; [`Error::Denied`] also if others could change what lies there, because
    /// what has been hashed must stay as it is until it is stored.
    pub fn below(parent: &Path) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|error| Error::io("create", parent, error))?;
        let metadata = fs::metadata(parent).map_err(|error| Error::io("read", parent, error))?;
        let is_sticky = metadata.mode() & 0o1000 != 0;
        let is_ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if is_sticky || (is_ours && metadata.mode() & 0o022 == 0) {
            return Self::in_parent(parent);
        }
        let source = "others may change what lies there: choose a folder of your own".into();
        Err(Error::Denied { path: parent.to_owned(), source })
    }

    fn in_parent(parent: &Path) -> Result<Self> {
        let (path, held) = make_locked(parent)?;
        remove_leftovers(parent)?;
        Ok(Self::new(path, Owner::Lock { _held: held }))
    }

    const fn new(path: PathBuf, owner: Owner) -> Self {
        let (next_file, used_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { path, next_file, owner, limit_bytes: u64::MAX, used_bytes }
    }

    /// Lets staged files hold at most so many bytes together. What is written into the folder by
    /// path counts from when it is adopted.
    #[must_use]
    pub fn limited(mut self, limit_bytes: Option<u64>) -> Self {
        self.limit_bytes = limit_bytes.unwrap_or(u64::MAX);
        self
    }

    /// Makes a folder where the system keeps temporary files, for lakes without a folder of theirs.
    ///
    /// # Errors
    /// [`Error::Denied`] or [`Error::Full`], naming the system's folder.
    pub fn in_system() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("lakebed-")
            .tempdir()
            .map_err(|error| Error::io("create a folder in", &std::env::temp_dir(), error))?;
        Ok(Self::new(folder.keep(), Owner::System))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder that nothing has had yet.
    pub(crate) fn fresh_path(&self) -> PathBuf {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!("spool-{number}"))
    }

    /// Takes so many bytes of what is allowed; [`Self::give_back`] ends that.
    pub(crate) fn take(&self, size_bytes: u64) -> Result<()> {
        let more =
            |used: u64| used.checked_add(size_bytes).filter(|used| *used <= self.limit_bytes);
        match self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(()),
            Err(_) => {
                let limit = self.limit_bytes;
                let source = format!("scratch may hold {limit} bytes at a time").into();
                Err(Error::Full { path: self.path.clone(), source })
            }
        }
    }

    /// The bytes are free again.
    pub(crate) fn give_back(&self, size_bytes: u64) {
        self.used_bytes.fetch_sub(size_bytes, Ordering::Relaxed);
    }

    /// Whether `path` lies in the folder, as far as its text says.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        let is_plain = !path.components().any(|part| part == Component::ParentDir);
        is_plain && path.starts_with(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            let held = matches!(self.owner, Owner::Lock { .. });
            tracing::warn!(%path, %error, held, "could not remove the scratch folder");
        }
    }
}

/// Makes a folder that nobody else has, and its lock.
fn make_locked(parent: &Path) -> Result<(PathBuf, File)> {
    loop {
        let path = parent.join(random_name()?);
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| Error::io("create", &path, error))?;
        if let Some(held) = lock(&path)? {
            return Ok((path, held));
        }
    }
}

/// Takes the lock of a folder; nothing if another has it or the folder is going away.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = match options.custom_flags(flags.bits() as i32).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("lock", &path, error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(is_still_at(&file, &path).then_some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", &path, error)),
    }
}

fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(theirs)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())
}

/// Removes the folders of dead processes. What cannot be removed is left, and said in the log.
fn remove_leftovers(parent: &Path) -> Result<()> {
    let entries = fs::read_dir(parent).map_err(|error| Error::io("list", parent, error))?;
    for entry in entries.flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let removed = match name.strip_prefix(REMOVING) {
            _ if !is_folder => Ok(()),
            Some(rest) if is_random_name(rest) => remove_moved(&entry.path()),
            None if is_random_name(&name) => remove_if_free(&entry.path()),
            _ => Ok(()),
        };
        if let Err(error) = removed {
            let path = entry.path().display().to_string();
            tracing::warn!(path, %error, "could not remove what a dead process left behind");
        }
    }
    Ok(())
}

/// Moves a folder away while holding its lock, then deletes it.
fn remove_if_free(folder: &Path) -> Result<()> {
    let Some(_held) = lock(folder)? else { return Ok(()) };
    let moved = folder.with_file_name(format!("{REMOVING}{}", random_name()?));
    fs::rename(folder, &moved).map_err(|error| Error::io("move away", folder, error))?;
    remove_moved(&moved)
}

/// Several processes may be deleting the same folder.
fn remove_moved(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", folder, error))
        }
        _ => Ok(()),
    }
}

fn random_name() -> Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::Io {
        doing: "draw a random name from",
        path: PathBuf::from("getrandom"),
        source: io::Error::other(error),
    })?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bits)))
}

fn is_random_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn folders(root: &Path) -> usize {
        fs::read_dir(root.join(SCRATCH)).unwrap().count()
    }

    #[test]
    fn scratch_is_private_and_gone_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_root(root.path()).unwrap();
        let mode = fs::metadata(scratch.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(scratch.fresh_path(), "x").unwrap();
        drop(scratch);
        assert_eq!(folders(root.path()), 0);
    }

    #[test]
    fn system_scratch_is_gone_afterwards() {
        let scratch = Scratch::in_system().unwrap();
        let path = scratch.path().to_owned();
        fs::write(scratch.fresh_path(), "x").unwrap();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }

    /// What a dead process left goes; what a live one holds, and what is not ours, stays.
    #[test]
    fn only_leftovers_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let live = Scratch::in_root(root.path()).unwrap();
        let tmp = root.path().join(SCRATCH);
        let dead = tmp.join("0".repeat(32));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("spool-0"), "left").unwrap();
        let unlocked = tmp.join("1".repeat(32));
        fs::create_dir(&unlocked).unwrap();
        let half_removed = tmp.join(format!("{REMOVING}{}", "2".repeat(32)));
        fs::create_dir(&half_removed).unwrap();
        let photos = tmp.join("photos");
        fs::create_dir(&photos).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), tmp.join("3".repeat(32))).unwrap();

        let other = Scratch::in_root(root.path()).unwrap();
        assert!(live.path().is_dir() && other.path().is_dir());
        assert!(photos.is_dir() && elsewhere.path().is_dir());
        for gone in [dead, unlocked, half_removed] {
            assert!(!gone.exists(), "{}", gone.display());
        }
    }

    /// Many openers at once, each removing left-overs: nobody's live folder is ever removed.
    #[test]
    fn openers_do_not_remove_each_other() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..60 {
                        let scratch = Scratch::in_root(root.path()).unwrap();
                        let file = scratch.fresh_path();
                        fs::write(&file, "ours").unwrap();
                        std::thread::yield_now();
                        assert_eq!(fs::read(&file).unwrap(), b"ours");
                    }
                });
            }
        });
        assert_eq!(folders(root.path()), 0);
    }

    /// Who gets the lock of a folder that another is removing gets all of the folder, or nothing.
    #[test]
    fn a_folder_is_never_half_removed_under_its_owner() {
        let root = tempfile::tempdir().unwrap();
        for round in 0..40 {
            let folder = root.path().join(format!("{round:032}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(LOCK), "").unwrap();
            (0..300).for_each(|file| fs::write(folder.join(file.to_string()), "").unwrap());
            let held = std::thread::scope(|scope| {
                let remover = scope.spawn(|| remove_if_free(&folder).unwrap());
                while !remover.is_finished() {
                    if let Some(held) = lock(&folder).unwrap() {
                        return Some(held);
                    }
                }
                None
            });
            let files = fs::read_dir(&folder).map_or(0, Iterator::count);
            assert_eq!(files, if held.is_some() { 301 } else { 0 }, "round {round}");
        }
    }

    #[test]
    fn scratch_of_a_lake_that_is_no_folder_is_healed_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("made/when/missing");
        drop(Scratch::below(&parent).unwrap());
        let dead = parent.join("0".repeat(32));
        fs::create_dir(&dead).unwrap();
        let scratch = Scratch::below(&parent).unwrap();
        assert!(!dead.exists() && scratch.path().starts_with(&parent));

        let shared = folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
        let refused = Scratch::below(&shared);
        assert!(matches!(refused, Err(Error::Denied { .. })), "{refused:?}");
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(Scratch::below(&shared).is_ok(), "as the system's own folder is");
    }

    #[test]
    fn scratch_is_bounded() {
        let scratch = Scratch::in_system().unwrap().limited(Some(100));
        scratch.take(60).unwrap();
        assert!(matches!(scratch.take(41), Err(Error::Full { .. })));
        scratch.take(40).unwrap();
        scratch.give_back(60);
        scratch.take(60).unwrap();
        assert!(matches!(scratch.take(u64::MAX), Err(Error::Full { .. })));
    }

    #[test]
    fn only_plain_paths_are_inside() {
        let scratch = Scratch::in_system().unwrap();
        assert!(scratch.contains(&scratch.path().join("a/b")));
        assert!(!scratch.contains(&scratch.path().join("../b")));
        assert!(!scratch.contains(Path::new("/etc/passwd")));
    }
}
