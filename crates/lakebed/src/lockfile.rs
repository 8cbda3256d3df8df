//! `lakebed.lock` on disk. Its text is `lakebed_core::Lock`'s business.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use lakebed_core::{LakeId, Lock, LockedInput};

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

    /// Makes of the file at `path` what `change` makes of what it holds: nobody else changes it between the
    /// two, and readers see the one or the other. Blocking.
    pub(crate) fn change<T>(
        path: &Path,
        mut change: impl FnMut(&Self) -> Result<(Lock, T)>,
    ) -> Result<T> {
        loop {
            let held = hold(path)?;
            let file = Self::open(path)?;
            if held.is_some() != file.lock.is_some() {
                continue;
            }
            let (lock, told) = change(&file)?;
            let text = lock.to_toml();
            let is_done = match held {
                Some(_) if file.lock.as_ref() == Some(&lock) => true,
                Some(_) => atomic::replace(path, text.as_bytes()).map(|()| true)?,
                // Who is first makes it, and the others change what that one made.
                None => atomic::create(path, text.as_bytes())?,
            };
            if is_done {
                return Ok(told);
            }
        }
    }
}

/// The file at `path`, held against others that change it; none if there is none. Who waited for it may
/// hold what was replaced meanwhile, and waits again.
fn hold(path: &Path) -> Result<Option<File>> {
    use std::os::unix::fs::MetadataExt as _;
    let failed = |error: io::Error| Problem::io("read", path, &error);
    loop {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        file.lock().map_err(failed)?;
        let held = file.metadata().map_err(failed)?;
        let is_still = |now: std::fs::Metadata| (now.dev(), now.ino()) == (held.dev(), held.ino());
        if std::fs::metadata(path).is_ok_and(is_still) {
            return Ok(Some(file));
        }
    }
}

/// What is wrong with a pin when the lake answered `problem` to the ids of `inputs`, if one of them is the
/// reason: then the file at `path` is what is to be mended.
pub(crate) fn explain(path: &Path, inputs: &[LockedInput], problem: Problem) -> Problem {
    let is_named = |input: &&LockedInput| {
        let (dataset, id) = (input.dataset().to_string(), input.version_id.to_string());
        problem.message.contains(&dataset) && problem.message.contains(&id)
    };
    match inputs.iter().find(is_named).filter(|_| problem.exit == Exit::NotFound) {
        None => problem,
        Some(input) => {
            let (dataset, short) = (input.dataset(), input.version_id.object().short());
            let place = place_of(path, input);
            let message = format!("{place}: `{dataset}` has no version with the id `b3:{short}`");
            Problem::not_found(message).hint(mend(input))
        }
    }
}

/// A pin's number and its id are of one version.
///
/// # Errors
/// Exit code 4 when the lake says that the id is another version's, `found`.
pub(crate) fn check_number(path: &Path, input: &LockedInput, found: u64) -> Result<()> {
    if input.version == found {
        return Ok(());
    }
    let (place, version) = (place_of(path, input), input.version);
    let (reference, short) = (&input.reference, input.version_id.object().short());
    let message = format!(
        "{place}: the id `b3:{short}` of `{reference}` is that of v{found}, not v{version}"
    );
    Err(Problem::refused("bad-lock", message).hint(mend(input)))
}

fn mend(input: &LockedInput) -> String {
    let reference = &input.reference;
    format!(
        "restore the file from version control, or pin it anew with `lakebed lock --update {reference}`"
    )
}

/// Where a pin's id is, for people.
fn place_of(path: &Path, input: &LockedInput) -> String {
    let (reference, id) = (format!("\"{}\"", input.reference), input.version_id.to_string());
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.contains(&reference));
    match lines.find(|(_, line)| line.contains(&id)) {
        Some((index, _)) => format!("`{}`, line {}", path.display(), index + 1),
        None => format!("`{}`", path.display()),
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

    fn pin(reference: &str) -> LockedInput {
        let id = lakebed_core::ObjectId::of(reference.as_bytes());
        let reference = reference.parse().expect("a reference");
        LockedInput { reference, version: 1, version_id: lakebed_core::VersionId::new(id) }
    }

    /// Each adds one, at once, to a file that is not there yet.
    #[test]
    fn whoever_adds_a_pin_keeps_those_of_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE);
        let lake = LakeId::from_bytes([7; 16]);
        std::thread::scope(|scope| {
            for number in 0..16 {
                let path = &path;
                scope.spawn(move || {
                    let mine = pin(&format!("a.b{number}"));
                    LockFile::change(path, |file| {
                        let before = file.lock.iter().flat_map(Lock::inputs).cloned();
                        Ok((Lock::new(lake, before.chain([mine.clone()])), ()))
                    })
                    .expect("written");
                });
            }
        });
        let lock = LockFile::open(&path).expect("readable").existing().expect("there");
        assert_eq!(lock.inputs().len(), 16);
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[test]
    fn a_false_pin_is_told_by_file_and_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE);
        let lock = Lock::new(LakeId::from_bytes([7; 16]), [pin("a.b"), pin("a.c")]);
        std::fs::write(&path, lock.to_toml()).expect("writable");
        let problem = check_number(&path, &lock.inputs()[1], 2).expect_err("another version's");
        assert!(problem.message.contains("lakebed.lock`, line 13: "), "{}", problem.message);
        let told = format!("`a.c` has no version `b3:{}`", lock.inputs()[1].version_id);
        let problem = explain(&path, lock.inputs(), Problem::not_found(told));
        assert!(problem.message.contains("line 13: `a.c` has no version"), "{}", problem.message);
        let other = Problem::not_found("`a.d` is not there");
        assert_eq!(explain(&path, lock.inputs(), other.clone()), other);
    }

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
