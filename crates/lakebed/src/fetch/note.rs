//! What a folder holds that was fetched into, written down in it: so that it can be verified, and used,
//! where no lake can be reached.
//!
//! The digests are those that the lake told. They are no secret in this folder: the bytes are beside them.

use std::{fs::File, io, path::Path};

use lakebed_api::FileLink;
use lakebed_core::{DatasetRef, LakeId, Lock, LockedInput, ObjectId, VersionId};
use serde::{Deserialize, Serialize};

use super::layout::{Folder, Wanted, folder_parts, safe_parts};
use crate::{
    atomic,
    lockfile::check_lake,
    problem::{Problem, Result},
};

/// Its name in the folder.
const FILE: &str = ".lakebed-fetched.json";
/// The format that this build writes.
const FORMAT: u32 = 1;

/// What was fetched into a folder, of one lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    format: u32,
    lake: LakeId,
    fetched: Vec<Noted>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Noted {
    pub(crate) reference: DatasetRef,
    pub(crate) version: u64,
    pub(crate) version_id: VersionId,
    is_table: bool,
    pub(crate) files: Vec<NotedFile>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotedFile {
    /// Below the folder of its reference; `/` between parts.
    path: String,
    pub(crate) object: ObjectId,
    size_bytes: u64,
}

/// Notes that `folders` of `lake` are below `into`; of equal references the last counts. Blocking.
pub(crate) fn note(into: &Path, lake: LakeId, folders: &[Folder]) -> Result<()> {
    let failed = |error: &io::Error| Problem::io("open folder", into, error);
    let folder = File::open(into).map_err(|error| failed(&error))?;
    // Another fetch may be about to do the same.
    folder.lock().map_err(|error| failed(&error))?;
    let before = read(into)?.filter(|note| note.lake == lake);
    let mut fetched = before.map(|note| note.fetched).unwrap_or_default();
    fetched.retain(|noted| folders.iter().all(|folder| folder.reference != noted.reference));
    fetched.extend(folders.iter().filter_map(Noted::of));
    fetched.sort_by_key(|noted| noted.reference.to_string());
    let note = Note { format: FORMAT, lake, fetched };
    let text = serde_json::to_string_pretty(&note)
        .map_err(|error| Problem::internal(error.to_string()))?;
    atomic::replace(&into.join(FILE), format!("{text}\n").as_bytes())
}

/// What of `lock`, which is at `path`, was fetched into `into`: all of it, in the lock's order.
///
/// # Errors
/// Exit code 3 when one of its versions was not, 5 when that is of another lake.
pub(crate) fn find(into: &Path, lock: &Lock, path: &Path) -> Result<Vec<Noted>> {
    let Some(note) = read(into)? else {
        let message = format!("nothing was fetched into `{}`", into.display());
        return Err(Problem::not_found(message).hint(fetch_it(into, path)));
    };
    check_lake(lock, path, note.lake)?;
    let is = |noted: &Noted, input: &LockedInput| {
        noted.reference == input.reference && noted.version_id == input.version_id
    };
    let found = |input: &LockedInput| {
        note.fetched.iter().find(|noted| is(noted, input)).cloned().ok_or_else(|| {
            let (reference, version) = (&input.reference, input.version);
            let message =
                format!("`{reference}`, v{version}, was not fetched into `{}`", into.display());
            Problem::not_found(message).hint(fetch_it(into, path))
        })
    };
    lock.inputs().iter().map(found).collect()
}

fn fetch_it(into: &Path, lock: &Path) -> String {
    let (into, lock) = (into.display(), lock.display());
    format!("`lakebed fetch --lock {lock} --into {into}`, while the lake can be reached")
}

fn read(into: &Path) -> Result<Option<Note>> {
    let path = into.join(FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::io("read", &path, &error)),
    };
    let bad = |why: String| {
        let message = format!("`{}` is not what `lakebed fetch` wrote: {why}", path.display());
        Problem::refused("bad-note", message).hint("remove it, and fetch again")
    };
    let note: Note = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    match note.format {
        FORMAT => Ok(Some(note)),
        newer => Err(bad(format!("its format is {newer}, and this build knows {FORMAT}"))),
    }
}

impl Noted {
    fn of(folder: &Folder) -> Option<Self> {
        let file = |wanted: &Wanted| NotedFile {
            path: wanted.parts.join("/"),
            object: wanted.link.object,
            size_bytes: wanted.link.size_bytes,
        };
        Some(Self {
            reference: folder.reference.clone(),
            version: folder.version,
            version_id: folder.version_id?,
            is_table: folder.is_table,
            files: folder.files.iter().map(file).collect(),
        })
    }

    /// What is to be there.
    ///
    /// # Errors
    /// When a name in it could leave its folder.
    pub(crate) fn folder(&self) -> Result<Folder> {
        let wanted = |file: &NotedFile| {
            let link = FileLink {
                url: String::new(),
                object: file.object,
                size_bytes: file.size_bytes,
                row_count: None,
                name: None,
            };
            Ok(Wanted { parts: safe_parts(&file.path)?, link })
        };
        Ok(Folder {
            reference: self.reference.clone(),
            version: self.version,
            version_id: Some(self.version_id),
            parts: folder_parts(&self.reference),
            files: self.files.iter().map(wanted).collect::<Result<_>>()?,
            is_table: self.is_table,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Exit;

    fn folder(reference: &str, bytes: &str) -> Folder {
        let object = ObjectId::of(bytes.as_bytes());
        let noted = Noted {
            reference: reference.parse().expect("a reference"),
            version: 1,
            version_id: VersionId::new(object),
            is_table: false,
            files: vec![NotedFile { path: "a/b.csv".to_owned(), object, size_bytes: 1 }],
        };
        noted.folder().expect("safe names")
    }

    fn locked(reference: &str, bytes: &str) -> LockedInput {
        LockedInput {
            reference: reference.parse().expect("a reference"),
            version: 1,
            version_id: VersionId::new(ObjectId::of(bytes.as_bytes())),
        }
    }

    #[test]
    fn what_was_fetched_is_found_by_what_a_lock_pins() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let (lake, other) = (LakeId::from_bytes([1; 16]), LakeId::from_bytes([2; 16]));
        let find = |lake, inputs: &[LockedInput]| {
            find(into.path(), &Lock::new(lake, inputs.iter().cloned()), Path::new("x.lock"))
                .map(|found| found.len())
                .map_err(|problem| problem.exit)
        };
        assert_eq!(find(lake, &[]), Err(Exit::NotFound));
        note(into.path(), lake, &[folder("a.b", "1"), folder("a.c", "1")]).expect("noted");
        note(into.path(), lake, &[folder("a.b", "2")]).expect("noted");
        assert_eq!(find(lake, &[locked("a.b", "2"), locked("a.c", "1")]), Ok(2));
        assert_eq!(find(lake, &[locked("a.b", "1")]), Err(Exit::NotFound));
        assert_eq!(find(other, &[locked("a.b", "2")]), Err(Exit::Conflict));
        // What is of another lake is not kept beside it.
        note(into.path(), other, &[folder("a.d", "1")]).expect("noted");
        assert_eq!(find(other, &[locked("a.c", "1")]), Err(Exit::NotFound));
    }

    #[test]
    fn a_note_cannot_lead_out_of_its_folder() {
        let mut noted = Noted::of(&folder("a.b", "1")).expect("its id is known");
        noted.files[0].path = "../x".to_owned();
        noted.folder().expect_err("it would leave");
    }
}
