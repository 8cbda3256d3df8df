//! What a folder holds that was fetched into, written down in it: so that it can be verified, and used,
//! where no lake can be reached.
//!
//! The digests are those that the lake told. They are no secret in this folder: the bytes are beside them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

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
    /// Whether they are what a table was made of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    originals: bool,
    pub(crate) files: Vec<NotedFile>,
    /// Files of versions before that may still be there: a fetch has begun and not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<NotedFile>,
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

/// The files that were written for a reference, below its folder, and what they were then.
pub(crate) type Written = BTreeMap<PathBuf, Vec<ObjectId>>;

/// What is noted in `into`, of whichever lake. Blocking.
pub(crate) fn known(into: &Path) -> Result<Vec<Noted>> {
    Ok(read(into)?.map(|note| note.fetched).unwrap_or_default())
}

/// What of `known` was written for `reference`, of whichever version.
pub(crate) fn written(known: &[Noted], reference: &DatasetRef) -> Written {
    let mut written = Written::new();
    for noted in known.iter().filter(|noted| noted.reference == *reference) {
        for file in noted.files.iter().chain(&noted.former) {
            // We write nothing under a name that is none.
            let Ok(parts) = safe_parts(&file.path) else { continue };
            written.entry(parts.iter().collect()).or_default().push(file.object);
        }
    }
    written
}

/// Notes that `folders` of `lake` are about to be filled. What was written for their references before is
/// still known for ours, whatever becomes of this fetch. The caller holds the folder. Blocking.
pub(crate) fn begin(into: &Path, lake: LakeId, folders: &[Folder]) -> Result<()> {
    let before = known(into)?;
    let former = |reference: &DatasetRef| {
        let of = before.iter().filter(|noted| noted.reference == *reference);
        let mut former: Vec<NotedFile> =
            of.flat_map(|noted| noted.files.iter().chain(&noted.former)).cloned().collect();
        former.sort_by(|a, b| (&a.path, a.object).cmp(&(&b.path, b.object)));
        former.dedup();
        former
    };
    write(into, lake, folders, former)
}

/// Notes that `folders` of `lake` are below `into`, and nothing of before; of equal references the last
/// counts. The caller holds the folder. Blocking.
pub(crate) fn note(into: &Path, lake: LakeId, folders: &[Folder]) -> Result<()> {
    write(into, lake, folders, |_| Vec::new())
}

fn write(
    into: &Path,
    lake: LakeId,
    folders: &[Folder],
    former: impl Fn(&DatasetRef) -> Vec<NotedFile>,
) -> Result<()> {
    let before = read(into)?;
    let kept = before.clone().filter(|note| note.lake == lake);
    let mut fetched = kept.map(|note| note.fetched).unwrap_or_default();
    fetched.retain(|noted| folders.iter().all(|folder| folder.reference != noted.reference));
    fetched.extend(folders.iter().filter_map(|folder| Noted::of(folder, &former)));
    fetched.sort_by_key(|noted| noted.reference.to_string());
    let note = Note { format: FORMAT, lake, fetched };
    if before.as_ref() == Some(&note) {
        return Ok(());
    }
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
        let is_version = noted.version_id == input.version_id && !noted.originals;
        noted.reference == input.reference && is_version
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
    fn of(folder: &Folder, former: impl Fn(&DatasetRef) -> Vec<NotedFile>) -> Option<Self> {
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
            originals: folder.originals,
            files: folder.files.iter().map(file).collect(),
            former: former(&folder.reference),
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
            originals: self.originals,
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
            originals: false,
            former: Vec::new(),
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
        let mut noted = Noted::of(&folder("a.b", "1"), |_| Vec::new()).expect("its id is known");
        noted.files[0].path = "../x".to_owned();
        noted.folder().expect_err("it would leave");
    }
}
