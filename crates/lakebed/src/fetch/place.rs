//! The folder that is fetched into: what is there, and putting files into their places.
//!
//! Below it no symbolic link is followed and nothing that differs is overwritten unasked. Unfinished
//! files wait in `.lakebed-fetch/`, named by digest, so that the next fetch goes on with them.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use lakebed_core::ObjectId;

use crate::problem::{Problem, Result};

/// Where unfinished files wait.
const SCRATCH: &str = ".lakebed-fetch";

/// What to do with other content in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Refuse.
    Keep,
    /// Replace it, and remove what is no part of the version.
    Replace,
}

/// The folder, held against other fetches until dropped.
#[derive(Debug)]
pub(crate) struct Destination {
    root: PathBuf,
    scratch: PathBuf,
    _held: File,
}

/// Holds a folder for as long as the file lives; none while somebody else does. A file system without locks
/// holds nothing.
pub(crate) fn hold(folder: &Path) -> Result<Option<File>> {
    let held = File::open(folder).map_err(|error| Problem::io("open folder", folder, &error))?;
    Ok(match held.try_lock() {
        Err(fs::TryLockError::WouldBlock) => None,
        _ => Some(held),
    })
}

impl Destination {
    /// Creates the folder if need be and holds it. Where it is there, nothing is written.
    ///
    /// # Errors
    /// Exit code 5 while another fetch holds it.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| Problem::io("create folder", root, &error))?;
        let held = hold(root)?.ok_or_else(|| {
            let message = format!("another fetch into `{}` is at work", root.display());
            Problem::conflict(message).hint("wait until it is done, then run this again")
        })?;
        Ok(Self { root: root.to_owned(), scratch: root.join(SCRATCH), _held: held })
    }

    /// Creates the place for unfinished files.
    pub(crate) fn make_scratch(&self) -> Result<()> {
        make_folder(&self.scratch)
    }

    /// Where the unfinished file of `object` is, once there is a place for them.
    pub(crate) fn unfinished(&self, object: ObjectId) -> PathBuf {
        self.scratch.join(format!("{object}.part"))
    }

    /// Creates the folders `parts`, one below the other, and returns the last.
    pub(crate) fn folder<'a>(
        &self,
        parts: impl IntoIterator<Item = &'a String>,
    ) -> Result<PathBuf> {
        make_folders(&self.root, parts)
    }

    /// Moves a finished, verified file into its place.
    pub(crate) fn place(&self, finished: &Path, target: &Path) -> Result<()> {
        match fs::symlink_metadata(target) {
            Ok(found) if found.is_dir() => Err(in_the_way(target, "it is not a file")),
            _ => fs::rename(finished, target).map_err(|error| Problem::io("write", target, &error)),
        }
    }
}

/// Everything below `folder` that is no folder, as paths below it, in order: links and all, and none is
/// followed. Blocking.
pub(crate) fn present(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let path = folder.join(&below);
        let failed = |error: &io::Error| Problem::io("read folder", &path, error);
        for entry in fs::read_dir(&path).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let is_folder = entry.file_type().map_err(|error| failed(&error))?.is_dir();
            let name = below.join(entry.file_name());
            if is_folder { folders.push(name) } else { found.push(name) }
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the file `below` from `folder`, and folders that are empty then. Blocking.
pub(crate) fn remove(folder: &Path, below: &Path) -> Result<()> {
    let path = folder.join(below);
    fs::remove_file(&path).map_err(|error| Problem::io("remove", &path, &error))?;
    for above in below.ancestors().skip(1).filter(|above| *above != Path::new("")) {
        if fs::remove_dir(folder.join(above)).is_err() {
            break;
        }
    }
    Ok(())
}

impl Drop for Destination {
    /// Unfinished files stay, for the next fetch; an empty folder goes.
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.scratch);
    }
}

/// Creates the folders `parts` below `root`, one below the other, and returns the last.
pub(crate) fn make_folders<'a>(
    root: &Path,
    parts: impl IntoIterator<Item = &'a String>,
) -> Result<PathBuf> {
    let mut path = root.to_owned();
    for part in parts {
        path.push(part);
        make_folder(&path)?;
    }
    Ok(path)
}

fn make_folder(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(in_the_way(path, "it is not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Problem::io("create folder", path, &error))
            }
            _ => Ok(()),
        },
        Err(error) => Err(Problem::io("look at", path, &error)),
    }
}

fn in_the_way(path: &Path, why: &str) -> Problem {
    Problem::conflict(format!("`{}` is in the way: {why}", path.display()))
        .hint("move it away, or fetch into another folder with `--into`")
}

/// What is in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// Exactly these bytes.
    Same,
    Other,
}

/// Whether the file `path` holds one of `objects`. Blocking.
pub(crate) fn is_one_of(path: &Path, objects: &[ObjectId]) -> Result<bool> {
    let metadata =
        fs::symlink_metadata(path).map_err(|error| Problem::io("look at", path, &error))?;
    if objects.is_empty() || !metadata.is_file() {
        return Ok(false);
    }
    let mut hasher = blake3::Hasher::new();
    hash_file(path, &mut hasher)?;
    Ok(objects.contains(&ObjectId::from_bytes(*hasher.finalize().as_bytes())))
}

/// Looks at `target`, and hashes it when its length is right. Blocking.
pub(crate) fn look(target: &Path, object: ObjectId, size_bytes: u64) -> Result<Found> {
    match fs::symlink_metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(Problem::io("look at", target, &error)),
        Ok(metadata) if !metadata.is_file() => Err(in_the_way(target, "it is not a file")),
        Ok(metadata) if metadata.len() != size_bytes => Ok(Found::Other),
        Ok(_) => {
            let mut hasher = blake3::Hasher::new();
            hash_file(target, &mut hasher)?;
            let found = ObjectId::from_bytes(*hasher.finalize().as_bytes());
            Ok(if found == object { Found::Same } else { Found::Other })
        }
    }
}

/// How much is read at a time.
pub(crate) const BUFFER: usize = 1 << 22;

/// Hashes with all cores what is worth it.
pub(crate) fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    match bytes.len() {
        ..0x10_0000 => hasher.update(bytes),
        _ => hasher.update_rayon(bytes),
    };
}

/// Adds the bytes of `path` to `hasher` and returns how many. Blocking.
pub(crate) fn hash_file(path: &Path, hasher: &mut blake3::Hasher) -> Result<u64> {
    let failed = |error: &io::Error| Problem::io("read", path, error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let mut buffer = vec![0; BUFFER];
    let mut total = 0;
    loop {
        let length = file.read(&mut buffer).map_err(|error| failed(&error))?;
        if length == 0 {
            return Ok(total);
        }
        update(hasher, &buffer[..length]);
        total += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn no_link_below_the_destination_is_followed() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let inside = tempfile::tempdir().expect("a temporary folder");
        std::os::unix::fs::symlink(outside.path(), inside.path().join("ns")).expect("a link");
        let destination = Destination::open(inside.path()).expect("writable");
        let parts = ["ns".to_owned(), "table".to_owned()];
        let problem = destination.folder(&parts).expect_err("a link is in the way");
        assert!(problem.message.ends_with("is in the way: it is not a folder"));
        assert_eq!(fs::read_dir(outside.path()).expect("readable").count(), 0);

        let target = inside.path().join("x.csv");
        std::os::unix::fs::symlink(outside.path().join("y"), &target).expect("a link");
        look(&target, ObjectId::of(b""), 0).expect_err("a link is no file");
    }

    #[test]
    fn one_fetch_at_a_time() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = Destination::open(folder.path()).expect("writable");
        assert_eq!(Destination::open(folder.path()).expect_err("held").code, "conflict");
        drop(first);
        Destination::open(folder.path()).expect("free again");
    }

    #[test]
    fn what_is_removed_leaves_no_empty_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("a/b")).expect("writable");
        for name in ["a/b/x", "a/y", "z"] {
            fs::write(folder.path().join(name), "").expect("writable");
        }
        remove(folder.path(), Path::new("a/b/x")).expect("removed");
        assert!(!folder.path().join("a/b").exists());
        remove(folder.path(), Path::new("z")).expect("removed");
        assert_eq!(present(folder.path()), Ok(vec![PathBuf::from("a/y")]));
    }
}
