//! Bringing the bytes of versions into a folder: verified, resumable, several at a time.
//!
//! [`layout`] decides names, [`place`] keeps to the folder, [`transfer`] moves and verifies bytes.

pub(crate) mod layout;
pub(crate) mod place;
pub(crate) mod transfer;

use std::path::{Path, PathBuf};

use futures::{TryStreamExt as _, stream};
use serde::Serialize;

use self::{
    layout::{Folder, Wanted},
    place::{Destination, Existing, Found},
    transfer::Origin,
};
use crate::problem::{Problem, Result};

/// What became of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Fetched {
    pub(crate) reference: lakebed_core::DatasetRef,
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
/// Every place is looked at before the first byte moves, so that a refusal changes nothing. A file
/// appears complete and verified or not at all; after an error some may be there, and the next
/// fetch goes on.
pub(crate) async fn fetch(
    origin: &impl Origin,
    into: &Path,
    folders: Vec<Folder>,
    existing: Existing,
    jobs: usize,
    on_bytes: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Fetched>> {
    let survey = tokio::task::block_in_place(|| survey(into, &folders, existing, on_bytes))?;
    let Survey { destination, missing, same } = survey;
    let mut by_object: std::collections::BTreeMap<_, Vec<&Missing<'_>>> = Default::default();
    for file in &missing {
        by_object.entry(file.wanted.link.object).or_default().push(file);
    }
    stream::iter(by_object.into_values().map(Ok::<_, Problem>))
        .try_for_each_concurrent(jobs, |places| bring_all(origin, &destination, places, on_bytes))
        .await?;
    let fetched = folders.iter().zip(same).map(|(folder, kept_count)| {
        let path = folder.parts.iter().fold(into.to_owned(), |path, part| path.join(part));
        Fetched {
            reference: folder.reference.clone(),
            version: folder.version,
            folder: path,
            files: folder.files.iter().map(|wanted| wanted.parts.join("/")).collect(),
            size_bytes: folder.files.iter().map(|wanted| wanted.link.size_bytes).sum(),
            kept_count,
        }
    });
    Ok(fetched.collect())
}

/// What has to be brought.
struct Survey<'a> {
    destination: Destination,
    missing: Vec<Missing<'a>>,
    /// Per folder, how many files are there already.
    same: Vec<u64>,
}

struct Missing<'a> {
    wanted: &'a Wanted,
    target: PathBuf,
}

/// Looks at every place and creates the folders. Blocking.
fn survey<'a>(
    into: &Path,
    folders: &'a [Folder],
    existing: Existing,
    on_bytes: &(dyn Fn(u64) + Sync),
) -> Result<Survey<'a>> {
    let destination = Destination::open(into)?;
    let mut in_the_way = Vec::new();
    let mut missing = Vec::new();
    let mut same = Vec::with_capacity(folders.len());
    for folder in folders {
        let base = destination.folder(&folder.parts)?;
        let mut kept = 0;
        for wanted in &folder.files {
            let (name, above) = wanted.parts.split_last().expect("a name has at least one part");
            let target = destination.folder(folder.parts.iter().chain(above))?.join(name);
            match place::look(&target, wanted.link.object, wanted.link.size_bytes)? {
                Found::Same => {
                    kept += 1;
                    on_bytes(wanted.link.size_bytes);
                }
                Found::Nothing => missing.push(Missing { wanted, target }),
                Found::Other => {
                    in_the_way.push(target.clone());
                    missing.push(Missing { wanted, target });
                }
            }
        }
        debug_assert!(base.is_dir());
        in_the_way.extend(destination.left_overs(folder)?);
        same.push(kept);
    }
    clear_the_way(&in_the_way, existing)?;
    Ok(Survey { destination, missing, same })
}

/// Removes what is in the way, when that is wanted.
fn clear_the_way(paths: &[PathBuf], existing: Existing) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    if existing == Existing::Keep {
        const SHOWN: usize = 10;
        let mut problem = Problem::conflict("files in the folder are not those of this version");
        for path in paths.iter().take(SHOWN) {
            problem = problem.detail(path.display().to_string());
        }
        if paths.len() > SHOWN {
            problem = problem.detail(format!("and {} more", paths.len() - SHOWN));
        }
        return Err(problem.hint("fetch into another folder, or replace them with `--force`"));
    }
    for path in paths {
        std::fs::remove_file(path).map_err(|error| Problem::io("remove", path, &error))?;
    }
    Ok(())
}

/// Brings one object and puts it in all its places.
async fn bring_all(
    origin: &impl Origin,
    destination: &Destination,
    places: Vec<&Missing<'_>>,
    on_bytes: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    for place in places {
        let link = &place.wanted.link;
        let unfinished = destination.unfinished(link.object);
        transfer::bring(origin, link, &unfinished, on_bytes).await?;
        destination.place(&unfinished, &place.target)?;
    }
    Ok(())
}
