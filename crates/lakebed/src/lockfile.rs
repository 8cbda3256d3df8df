//! `lakebed.lock` on disk. Its text is `lakebed_core::Lock`'s business.

use std::{
    io,
    path::{Path, PathBuf},
};

use lakebed_core::{LakeId, Lock};

use crate::{
    atomic,
    problem::{Exit, Problem, Result},
};

/// Where it is when nobody says.
pub(crate) const FILE: &str = "lakebed.lock";

/// A lock file that may not be there yet.
#[derive(Debug)]
pub(crate) struct LockFile {
    pub(crate) path: PathBuf,
    pub(crate) lock: Option<Lock>,
}

impl LockFile {
    /// Reads `path`; a missing file is no lock.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path: path.to_owned(), lock: None });
            }
            Err(error) => return Err(Problem::io("read", path, &error)),
        };
        match Lock::from_toml(&text) {
            Ok(lock) => Ok(Self { path: path.to_owned(), lock: Some(lock) }),
            Err(error) => {
                let mut lines = error.to_string();
                lines.truncate(lines.trim_end().len());
                let problem =
                    Problem::refused("bad-lock", format!("`{}`: {lines}", path.display()));
                Err(problem
                    .hint("restore it from version control, or write it anew with `lakebed lock`"))
            }
        }
    }

    /// The lock.
    ///
    /// # Errors
    /// Exit code 3 when there is no file.
    pub(crate) fn existing(self) -> Result<Lock> {
        let missing = || {
            Problem::not_found(format!("there is no lock file `{}`", self.path.display()))
                .hint("write one with `lakebed lock <reference>…`, or name another with `--lock`")
        };
        self.lock.ok_or_else(missing)
    }

    /// Replaces the file; atomic.
    pub(crate) fn write(&self, lock: &Lock) -> Result<()> {
        atomic::replace(&self.path, lock.to_toml().as_bytes())
    }
}

/// A lock of another lake is about other data, whatever its references say.
///
/// # Errors
/// Exit code 5 when `lake` is not the lake that was locked.
pub(crate) fn check_lake(lock: &Lock, path: &Path, lake: LakeId) -> Result<()> {
    if lock.lake == lake {
        return Ok(());
    }
    let message = format!("`{}` locks another lake", path.display());
    Err(Problem::new(Exit::Conflict, "other-lake", message)
        .detail(format!("locked: lake {}", lock.lake))
        .detail(format!("this:   lake {lake}"))
        .hint("point `--lake` at the lake that was locked, or write another file with `--lock`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_lock_file_says_where() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, "format = 1\nlake = 7\n").expect("writable");
        let problem = LockFile::open(&path).expect_err("a number is no lake");
        assert_eq!(problem.exit, Exit::Refused);
        assert!(problem.message.contains("line 2"), "{}", problem.message);
        let missing = LockFile::open(&folder.path().join("x")).expect("no file is no error");
        assert_eq!(missing.existing().expect_err("no file").exit, Exit::NotFound);
    }
}
