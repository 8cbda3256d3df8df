//! Files that appear whole or not at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::problem::{Problem, Result};

/// A file being written beside its place. Dropped before [`Self::publish`], it leaves nothing.
#[derive(Debug)]
pub(crate) struct Draft {
    file: tempfile::NamedTempFile,
    target: PathBuf,
}

impl Draft {
    /// Begins a file that is to become `target`, in the same folder.
    pub(crate) fn beside(target: &Path) -> Result<Self> {
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        if target.is_dir() {
            let error = io::ErrorKind::IsADirectory.into();
            return Err(Problem::io("write", target, &error));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".lakebed-").suffix(".part");
        readable_by_others(&mut builder);
        let file =
            builder.tempfile_in(folder).map_err(|error| Problem::io("write", target, &error))?;
        Ok(Self { file, target: target.to_owned() })
    }

    /// Makes it durable and puts it in its place, replacing what was there.
    pub(crate) fn publish(self) -> Result<()> {
        let failed = |error: &io::Error| Problem::io("write", &self.target, error);
        self.file.as_file().sync_all().map_err(|error| failed(&error))?;
        match self.file.persist(&self.target) {
            Ok(_) => Ok(()),
            Err(error) => Err(Problem::io("write", &self.target, &error.error)),
        }
    }

    /// The same, unless something is there by now; says whether it did.
    fn publish_new(self) -> Result<bool> {
        let failed = |error: &io::Error| Problem::io("write", &self.target, error);
        self.file.as_file().sync_all().map_err(|error| failed(&error))?;
        match self.file.persist_noclobber(&self.target) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Problem::io("write", &self.target, &error.error)),
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Makes `target` of `bytes` unless there is something of that name; says whether it did.
pub(crate) fn create(target: &Path, bytes: &[u8]) -> Result<bool> {
    let mut draft = Draft::beside(target)?;
    draft.write_all(bytes).map_err(|error| Problem::io("write", target, &error))?;
    draft.publish_new()
}

/// As any other program would create it: by the umask, not for its owner alone.
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    #[cfg(not(unix))]
    let _ = builder;
}

/// Replaces `target` by `bytes`.
pub(crate) fn replace(target: &Path, bytes: &[u8]) -> Result<()> {
    let mut draft = Draft::beside(target)?;
    draft.write_all(bytes).map_err(|error| Problem::io("write", target, &error))?;
    draft.publish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("utf-8"))
            .collect()
    }

    #[test]
    fn an_abandoned_draft_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("out.csv");
        replace(&target, b"old").expect("writable");
        let mut draft = Draft::beside(&target).expect("writable");
        draft.write_all(b"half").expect("writable");
        drop(draft);
        assert_eq!(std::fs::read(&target).expect("there"), b"old");
        assert_eq!(names(folder.path()), ["out.csv"]);
    }

    #[test]
    fn a_folder_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let problem = Draft::beside(folder.path()).expect_err("a folder");
        assert!(problem.message.ends_with("it is a folder"), "{}", problem.message);
    }
}
