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
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{TryStreamExt as _, stream};
use lakebed_core::{DatasetRef, LakeId, ObjectId};
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

/// Fills `folders` of `lake` below `into`, `jobs` files at a time: each holds the files of its version then,
/// and nothing else.
///
/// Every place is looked at before the first byte moves, so that a refusal replaces nothing. What was
/// written here before, of another version, is replaced or removed; what somebody else put here only if
/// `existing` says so. A file appears complete and verified or not at all; after an error some may be
/// there, and the next fetch goes on. `on_bytes` hears of bytes that are brought or found.
pub(crate) async fn fetch(
    origin: &impl Origin,
    (lake, into): (LakeId, &Path),
    folders: &[Folder],
    existing: Existing,
    jobs: usize,
    on_bytes: &OnBytes,
) -> Result<Vec<Fetched>> {
    let survey = tokio::task::block_in_place(|| survey(into, folders, on_bytes))?;
    survey.check(existing)?;
    tokio::task::block_in_place(|| survey.prepare(into, lake, folders))?;
    let mut by_object: BTreeMap<ObjectId, Vec<&Missing<'_>>> = BTreeMap::new();
    for file in &survey.missing {
        by_object.entry(file.wanted.link.object).or_default().push(file);
    }
    let destination = &survey.destination;
    stream::iter(by_object.into_values().map(Ok))
        .try_for_each_concurrent(jobs, |places| bring_all(origin, destination, places, on_bytes))
        .await?;
    tokio::task::block_in_place(|| note::note(into, lake, folders))?;
    Ok(folders.iter().zip(survey.kept).map(|(folder, kept)| fetched(into, folder, kept)).collect())
}

/// Finds what was brought below `into` before: every file is there, is what it was, and no other is beside
/// it. Nothing is written, so that whoever may only read there can. Blocking.
///
/// # Errors
/// Exit code 3 when a file is missing, 5 when one is there that was not fetched, 6 when one is another by now.
pub(crate) fn find(into: &Path, folders: &[Folder]) -> Result<Vec<Fetched>> {
    let gone = |path: &Path| {
        let message = format!("there is no `{}`, which was fetched", path.display());
        Problem::not_found(message).hint("fetch it again while the lake can be reached")
    };
    for folder in folders {
        let path = path_of(into, folder);
        if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(gone(&path));
        }
    }
    let nobody: OnBytes = Arc::new(|_| {});
    let survey = survey(into, folders, &nobody)?;
    let replaced = survey.replaced.iter().map(Stray::path);
    let in_place = survey.other.iter().filter(|stray| stray.is_in_place).map(Stray::path);
    if let Some(path) = replaced.chain(in_place).next() {
        let message = format!("`{}` is not what was fetched", path.display());
        return Err(Problem::damaged(message)
            .hint("fetch it again with `--force` while the lake can be reached"));
    }
    survey.check(Existing::Keep)?;
    if let Some(stray) = survey.stale.first() {
        let message = format!("`{}` is of another version", stray.path().display());
        return Err(Problem::conflict(message).hint("fetch again while the lake can be reached"));
    }
    if let Some(missing) = survey.missing.first() {
        return Err(gone(&missing.folder.join(missing.below())));
    }
    Ok(folders.iter().zip(survey.kept).map(|(folder, kept)| fetched(into, folder, kept)).collect())
}

fn fetched(into: &Path, folder: &Folder, kept_count: u64) -> Fetched {
    Fetched {
        reference: folder.reference.clone(),
        version: folder.version,
        folder: path_of(into, folder),
        files: folder.files.iter().map(|wanted| wanted.parts.join("/")).collect(),
        size_bytes: folder.files.iter().map(|wanted| wanted.link.size_bytes).sum(),
        kept_count,
    }
}

fn path_of(into: &Path, folder: &Folder) -> PathBuf {
    folder.parts.iter().fold(into.to_owned(), |path, part| path.join(part))
}

/// What is there and what has to be brought.
struct Survey<'a> {
    destination: Destination,
    missing: Vec<Missing<'a>>,
    /// Files in the place of others, written here before.
    replaced: Vec<Stray>,
    /// Files that no version has here, written here before.
    stale: Vec<Stray>,
    /// What somebody else put here or changed.
    other: Vec<Stray>,
    /// Per folder, how many files are there already.
    kept: Vec<u64>,
}

struct Missing<'a> {
    wanted: &'a Wanted,
    /// The folder of its reference.
    folder: PathBuf,
}

impl Missing<'_> {
    fn below(&self) -> PathBuf {
        self.wanted.parts.iter().collect()
    }
}

/// A file that is not the version's.
struct Stray {
    folder: PathBuf,
    below: PathBuf,
    /// Whether a file of the version belongs there.
    is_in_place: bool,
}

impl Stray {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.below)
    }
}

/// Looks at every place and creates the folders of the references. Blocking.
fn survey<'a>(into: &Path, folders: &'a [Folder], on_bytes: &OnBytes) -> Result<Survey<'a>> {
    let destination = Destination::open(into)?;
    let known = note::known(into)?;
    let (missing, replaced, stale, other, kept) = Default::default();
    let mut survey = Survey { destination, missing, replaced, stale, other, kept };
    for folder in folders {
        let path = survey.destination.folder(&folder.parts)?;
        let written = note::written(&known, &folder.reference);
        let mut wanted: BTreeMap<PathBuf, &Wanted> =
            folder.files.iter().map(|wanted| (wanted.parts.iter().collect(), wanted)).collect();
        let mut kept = 0;
        for below in place::present(&path)? {
            let found = path.join(&below);
            let in_place = wanted.get(&below);
            if let Some(Wanted { link, .. }) = in_place
                && place::look(&found, link.object, link.size_bytes)? == Found::Same
            {
                kept += 1;
                on_bytes(link.size_bytes);
                wanted.remove(&below);
                continue;
            }
            let objects = written.get(&below).map(Vec::as_slice).unwrap_or_default();
            let is_ours = place::is_one_of(&found, objects)?;
            let stray = Stray { folder: path.clone(), is_in_place: in_place.is_some(), below };
            match (is_ours, stray.is_in_place) {
                (false, _) => survey.other.push(stray),
                (true, true) => survey.replaced.push(stray),
                (true, false) => survey.stale.push(stray),
            }
        }
        let missing = folder.files.iter().filter(|file| {
            let below: PathBuf = file.parts.iter().collect();
            wanted.contains_key(&below)
        });
        survey.missing.extend(missing.map(|wanted| Missing { wanted, folder: path.clone() }));
        survey.kept.push(kept);
    }
    Ok(survey)
}

impl Survey<'_> {
    /// Refuses to touch what is not ours, unless that is wanted: nor is it to be read for a part of
    /// the version.
    fn check(&self, existing: Existing) -> Result<()> {
        const SHOWN: usize = 10;
        let count = self.other.len();
        if count == 0 || existing == Existing::Replace {
            return Ok(());
        }
        let mut problem = Problem::conflict("files in the folder are not those of this version");
        for stray in self.other.iter().take(SHOWN) {
            problem = problem.detail(stray.path().display().to_string());
        }
        if count > SHOWN {
            problem = problem.detail(format!("and {} more", count - SHOWN));
        }
        Err(problem.hint("move them away; `lakebed fetch --force` removes or replaces them"))
    }

    /// Notes what is about to be here, removes what is not to be, and creates folders. Blocking.
    fn prepare(&self, into: &Path, lake: LakeId, folders: &[Folder]) -> Result<()> {
        let goes = self.other.iter().filter(|stray| !stray.is_in_place);
        let goes: Vec<&Stray> = self.stale.iter().chain(goes).collect();
        if self.missing.is_empty() && goes.is_empty() {
            return Ok(());
        }
        self.destination.make_scratch()?;
        note::begin(into, lake, folders)?;
        for stray in goes {
            place::remove(&stray.folder, &stray.below)?;
        }
        for Missing { wanted, folder } in &self.missing {
            let above = &wanted.parts[..wanted.parts.len() - 1];
            place::make_folders(folder, above)?;
        }
        Ok(())
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
        destination.place(&unfinished, &place.folder.join(place.below()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, sync::Mutex};

    use bytes::Bytes;
    use futures::{StreamExt as _, stream::BoxStream};
    use lakebed_api::FileLink;
    use lakebed_core::VersionId;

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
                version_id: Some(VersionId::new(ObjectId::of(contents.concat().as_bytes()))),
                parts: vec!["ns".to_owned(), "table".to_owned()],
                files: contents.iter().enumerate().map(wanted).collect(),
                is_table: true,
                originals: false,
            }]
        }
    }

    async fn get(
        origin: &Memory,
        into: &Path,
        folders: &[Folder],
        existing: Existing,
    ) -> Result<Vec<Fetched>> {
        let lake = LakeId::from_bytes([1; 16]);
        fetch(origin, (lake, into), folders, existing, 3, &(Arc::new(|_| {}) as OnBytes)).await
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
    async fn what_somebody_else_changed_or_put_there_is_refused_and_nothing_is_touched() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let long = origin.table(&["one", "two", "three"]);
        get(&origin, into.path(), &long, Existing::Keep).await.expect("fetched");
        fs::write(into.path().join("ns/table/part-00001.parquet"), "own").expect("writable");
        fs::write(into.path().join("ns/table/notes.txt"), "mine").expect("writable");
        let before = texts(into.path());
        for contents in [&["one", "two", "three"][..], &["four"]] {
            let folders = origin.table(contents);
            let problem = get(&origin, into.path(), &folders, Existing::Keep)
                .await
                .expect_err("not ours to replace");
            assert_eq!((problem.code.as_str(), problem.details.len()), ("conflict", 2));
            assert_eq!(texts(into.path()), before);
        }
        let last = origin.table(&["four"]);
        get(&origin, into.path(), &last, Existing::Replace).await.expect("replaced");
        assert_eq!(texts(into.path()), [("part-00000.parquet".to_owned(), "four".to_owned())]);
    }

    /// Whoever may only read a folder uses what is in it.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_found_is_only_read() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let folders = origin.table(&["one", "two"]);
        get(&origin, into.path(), &folders, Existing::Keep).await.expect("fetched");
        let changed = || fs::metadata(into.path()).expect("a folder").modified().expect("known");
        let before = changed();
        find(into.path(), &folders).expect("all is there");
        get(&origin, into.path(), &folders, Existing::Keep).await.expect("kept");
        assert_eq!(changed(), before);
        fs::remove_dir_all(into.path().join("ns")).expect("writable");
        let before = changed();
        let gone = find(into.path(), &folders).expect_err("it is gone");
        assert!(gone.message.ends_with("ns/table`, which was fetched"), "{}", gone.message);
        assert_eq!(changed(), before);
    }

    /// A reader of `*.parquet` must not see parts of two versions.
    #[tokio::test(flavor = "multi_thread")]
    async fn p3_a_shorter_version_leaves_nothing_of_the_longer_one() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let long = origin.table(&["one", "two", "three"]);
        get(&origin, into.path(), &long, Existing::Keep).await.expect("fetched");
        let short = origin.table(&["one", "owt"]);
        get(&origin, into.path(), &short, Existing::Keep).await.expect("ours to replace");
        let names: Vec<String> = texts(into.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["part-00000.parquet", "part-00001.parquet"]);
    }

    /// A fetch that broke off leaves files of two versions, and all of them are ours.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_broken_fetch_left_is_still_ours() {
        let into = tempfile::tempdir().expect("a temporary folder");
        let mut origin = Memory::default();
        let first = origin.table(&["one", "two", "three"]);
        get(&origin, into.path(), &first, Existing::Keep).await.expect("fetched");
        let mut second = origin.table(&["four", "five"]);
        // The lake cannot send one of them.
        second[0].files[1].link.object = ObjectId::of(b"another");
        origin.objects.insert(ObjectId::of(b"another"), b"five".to_vec());
        get(&origin, into.path(), &second, Existing::Keep).await.expect_err("damaged");
        find(into.path(), &first).expect_err("it is replaced in part");
        let third = origin.table(&["six"]);
        get(&origin, into.path(), &third, Existing::Keep).await.expect("ours to replace");
        assert_eq!(texts(into.path()), [("part-00000.parquet".to_owned(), "six".to_owned())]);
        find(into.path(), &third).expect("it is whole");
    }
}
