//! Bringing the bytes of versions into a folder: verified, resumable, several at a time.
//!
//! [`layout`] decides names, [`place`] keeps to the folder, [`transfer`] moves and verifies bytes,
//! [`note`] remembers what they were.

pub(crate) mod layout;
pub(crate) mod note;
pub(crate) mod place;
pub(crate) mod transfer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{TryStreamExt as _, stream};
use lakebed_core::{DatasetRef, ObjectId};
use serde::Serialize;

use self::{
    layout::{Folder, Wanted},
    place::{Destination, Existing, Found},
    transfer::{OnBytes, Origin},
};
use crate::problem::{Problem, Result};

/// What became of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fetched {
    pub(crate) reference: DatasetRef,
    pub(crate) version: u64,
    pub(crate) folder: PathBuf,
    /// Relative to the folder, in the version's order.
    pub(crate) files: Vec<String>,
    pub(crate) size_bytes: u64,
    /// Files that were there already, verified.
    pub(crate) kept_count: u64,
}

/// Fills `folders` below `into`, `jobs` files at a time.
///
/// Every place is looked at before the first byte moves, so that a refusal replaces nothing. A file
/// appears complete and verified or not at all; after an error some may be there, and the next
/// fetch goes on. `on_bytes` hears of bytes that are brought or found.
pub(crate) async fn fetch(
    origin: &impl Origin,
    into: &Path,
    folders: &[Folder],
    existing: Existing,
    jobs: usize,
    on_bytes: &OnBytes,
) -> Result<Vec<Fetched>> {
    let survey = tokio::task::block_in_place(|| survey(into, folders, on_bytes))?;
    survey.check(existing)?;
    let mut by_object: BTreeMap<ObjectId, Vec<&Missing<'_>>> = BTreeMap::new();
    for file in &survey.missing {
        by_object.entry(file.wanted.link.object).or_default().push(file);
    }
    let destination = &survey.destination;
    stream::iter(by_object.into_values().map(Ok))
        .try_for_each_concurrent(jobs, |places| bring_all(origin, destination, places, on_bytes))
        .await?;
    for path in &survey.left_overs {
        std::fs::remove_file(path).map_err(|error| Problem::io("remove", path, &error))?;
    }
    Ok(folders.iter().zip(survey.kept).map(|(folder, kept)| fetched(into, folder, kept)).collect())
}

/// Finds what was brought below `into` before: every file is there, is what it was, and no part of another
/// version is beside it. Blocking.
///
/// # Errors
/// Exit code 3 when a file is missing, 6 when it is another by now.
pub(crate) fn find(into: &Path, folders: &[Folder]) -> Result<Vec<Fetched>> {
    let nobody: OnBytes = Arc::new(|_| {});
    let survey = survey(into, folders, &nobody)?;
    if let Some(path) = survey.other.iter().chain(&survey.left_overs).next() {
        let message = format!("`{}` is not what was fetched", path.display());
        return Err(Problem::damaged(message)
            .hint("fetch it again with `--force` while the lake can be reached"));
    }
    if let Some(missing) = survey.missing.first() {
        let message = format!("there is no `{}`, which was fetched", missing.target.display());
        return Err(
            Problem::not_found(message).hint("fetch it again while the lake can be reached")
        );
    }
    Ok(folders.iter().zip(survey.kept).map(|(folder, kept)| fetched(into, folder, kept)).collect())
}

fn fetched(into: &Path, folder: &Folder, kept_count: u64) -> Fetched {
    Fetched {
        reference: folder.reference.clone(),
        version: folder.version,
        folder: folder.parts.iter().fold(into.to_owned(), |path, part| path.join(part)),
        files: folder.files.iter().map(|wanted| wanted.parts.join("/")).collect(),
        size_bytes: folder.files.iter().map(|wanted| wanted.link.size_bytes).sum(),
        kept_count,
    }
}

/// What is there and what has to be brought.
struct Survey<'a> {
    destination: Destination,
    missing: Vec<Missing<'a>>,
    /// Files with other content where ours belong.
    other: Vec<PathBuf>,
    /// Parts of another version's table beside ours.
    left_overs: Vec<PathBuf>,
    /// Per folder, how many files are there already.
    kept: Vec<u64>,
}

struct Missing<'a> {
    wanted: &'a Wanted,
    target: PathBuf,
}

/// Looks at every place and creates the folders. Blocking.
fn survey<'a>(into: &Path, folders: &'a [Folder], on_bytes: &OnBytes) -> Result<Survey<'a>> {
    let destination = Destination::open(into)?;
    let (missing, other, left_overs, kept) = Default::default();
    let mut survey = Survey { destination, missing, other, left_overs, kept };
    for folder in folders {
        survey.destination.folder(&folder.parts)?;
        let mut kept = 0;
        for wanted in &folder.files {
            let (name, above) = wanted.parts.split_last().expect("a name has at least one part");
            let above = survey.destination.folder(folder.parts.iter().chain(above))?;
            let target = above.join(name);
            let found = place::look(&target, wanted.link.object, wanted.link.size_bytes)?;
            if found == Found::Same {
                kept += 1;
                on_bytes(wanted.link.size_bytes);
                continue;
            }
            if found == Found::Other {
                survey.other.push(target.clone());
            }
            survey.missing.push(Missing { wanted, target });
        }
        survey.left_overs.extend(survey.destination.left_overs(folder)?);
        survey.kept.push(kept);
    }
    Ok(survey)
}

impl Survey<'_> {
    /// Refuses to touch what is not of these versions, unless that is wanted.
    fn check(&self, existing: Existing) -> Result<()> {
        const SHOWN: usize = 10;
        let count = self.other.len() + self.left_overs.len();
        if count == 0 || existing == Existing::Replace {
            return Ok(());
        }
        let mut problem = Problem::conflict("files in the folder are not those of this version");
        for path in self.other.iter().chain(&self.left_overs).take(SHOWN) {
            problem = problem.detail(path.display().to_string());
        }
        if count > SHOWN {
            problem = problem.detail(format!("and {} more", count - SHOWN));
        }
        Err(problem.hint("fetch into another folder, or replace them with `--force`"))
    }
}

/// Brings one object and puts it in all its places.
async fn bring_all(
    origin: &impl Origin,
    destination: &Destination,
    places: Vec<&Missing<'_>>,
    on_bytes: &OnBytes,
) -> Result<()> {
    for place in places {
        let link = &place.wanted.link;
        let unfinished = destination.unfinished(link.object);
        transfer::bring(origin, link, &unfinished, on_bytes).await?;
        destination.place(&unfinished, &place.target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, sync::Mutex};

    use bytes::Bytes;
    use futures::{StreamExt as _, stream::BoxStream};
    use lakebed_api::FileLink;

    use super::*;

    /// Serves objects from memory and counts what it was asked for.
    #[derive(Default)]
    struct Memory {
        objects: HashMap<ObjectId, Vec<u8>>,
        asked: Mutex<usize>,
    }

    impl Origin for Memory {
        fn local(&self, _link: &FileLink) -> Option<PathBuf> {
            None
        }

        async fn read_from(
            &self,
            link: &FileLink,
            offset: u64,
        ) -> Result<BoxStream<'static, Result<Bytes>>> {
            *self.asked.lock().expect("no test panicked") += 1;
            let bytes =
                self.objects[&link.object][usize::try_from(offset).expect("small")..].to_vec();
            Ok(stream::iter([Ok(bytes.into())]).boxed())
        }
    }

    impl Memory {
        fn asked(&self) -> usize {
            std::mem::take(&mut *self.asked.lock().expect("no test panicked"))
        }

        /// A table whose files hold `contents`.
        fn table(&mut self, contents: &[&str]) -> Vec<Folder> {
            let wanted = |(index, text): (usize, &&str)| {
                let object = ObjectId::of(text.as_bytes());
                self.objects.insert(object, text.as_bytes().to_vec());
                let size_bytes = text.len() as u64;
                let (url, row_count) = (String::new(), Some(1));
                Wanted {
                    parts: vec![format!("part-{index:05}.parquet")],
                    link: FileLink { url, object, size_bytes, row_count, name: None },
                }
            };
            vec![Folder {
                reference: "ns.table".parse().expect("a reference"),
                version: 1,
                version_id: None,
                parts: vec!["ns".to_owned(), "table".to_owned()],
                files: contents.iter().enumerate().map(wanted).collect(),
                is_table: true,
            }]
        }
    }

    async fn get(
        origin: &Memory,
        into: &Path,
        folders: &[Folder],
        existing: Existing,
    ) -> Result<Vec<Fetched>> {
        fetch(origin, into, folders, existing, 3, &(Arc::new(|_| {}) as OnBytes)).await
    }

    fn texts(into: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(into.join("ns/table"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| {
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, fs::read_to_string(path).expect("text"))
            })
            .collect();
        files.sort();
        files
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_there_is_verified_and_not_brought_again() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let folders = origin.table(&["one", "two", "one", ""]);
        get(&origin, into.path(), &folders, Existing::Keep).await.expect("fetched");
        assert_eq!(origin.asked(), 3, "the same object has two places; an empty one needs nothing");
        let again = get(&origin, into.path(), &folders, Existing::Keep).await.expect("kept");
        assert_eq!((origin.asked(), again[0].kept_count), (0, 4));
        assert!(!into.path().join(".lakebed-fetch").exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn other_content_is_refused_and_nothing_is_touched() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let long = origin.table(&["one", "two", "three"]);
        get(&origin, into.path(), &long, Existing::Keep).await.expect("fetched");
        let before = texts(into.path());
        let short = origin.table(&["one", "owt"]);
        let problem = get(&origin, into.path(), &short, Existing::Keep)
            .await
            .expect_err("not ours to replace");
        assert_eq!((problem.code.as_str(), problem.details.len()), ("conflict", 2));
        assert_eq!(texts(into.path()), before);
    }

    /// A reader of `*.parquet` must not see parts of two versions.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_shorter_version_leaves_no_part_of_the_longer_one() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let long = origin.table(&["one", "two", "three"]);
        get(&origin, into.path(), &long, Existing::Keep).await.expect("fetched");
        fs::write(into.path().join("ns/table/notes.txt"), "mine").expect("writable");
        let short = origin.table(&["one", "owt"]);
        get(&origin, into.path(), &short, Existing::Replace).await.expect("replaced");
        let names: Vec<String> = texts(into.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["notes.txt", "part-00000.parquet", "part-00001.parquet"]);
    }
}
