//! What a program wrote where no lake could be reached, kept with what is known of how it came to be, until
//! `lakebed runs commit` makes versions of it.
//!
//! Beside the outputs, in their folder: the record, and the log.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use lakebed_api::RunRequest;
use lakebed_core::{DatasetName, LakeId, LockedInput, ObjectId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    atomic,
    fetch::{
        note::Noted,
        place::{self, Found},
    },
    problem::{Problem, Result},
    sources::{Bytes, Source},
};

/// The names of the record and of the log.
pub(crate) const FILE: &str = "lakebed-run.json";
const LOG: &str = "lakebed-run.log";
/// The format that this build writes.
const FORMAT: u32 = 1;

/// A program that ended well, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    format: u32,
    /// Whose versions it read; none where it read none.
    pub(crate) lake: Option<LakeId>,
    /// Makes committing it twice harmless.
    pub(crate) key: String,
    /// What the run is begun with.
    pub(crate) request: RunRequest,
    pub(crate) inputs: Vec<KeptInput>,
    pub(crate) outputs: Vec<KeptOutput>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
}

/// A version that it read, with the bytes that were there for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptInput {
    pub(crate) input: LockedInput,
    pub(crate) objects: Vec<ObjectId>,
}

/// What is to become a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptOutput {
    pub(crate) dataset: DatasetName,
    /// Whether it is kept as files, whatever they are called.
    pub(crate) as_files: bool,
    files: Vec<KeptFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    /// The name that it is kept under.
    name: String,
    /// Relative to the folder of the record, where it is below that.
    path: PathBuf,
    object: ObjectId,
    size_bytes: u64,
}

impl From<Noted> for KeptInput {
    fn from(noted: Noted) -> Self {
        let Noted { reference, version, version_id, files, .. } = noted;
        Self {
            input: LockedInput { reference, version, version_id },
            objects: files.into_iter().map(|file| file.object).collect(),
        }
    }
}

impl KeptOutput {
    /// Notes what an output is. Blocking.
    pub(crate) fn of(
        dataset: &DatasetName,
        as_files: bool,
        sources: &[Source],
        folder: &Path,
    ) -> Result<Self> {
        let file = |source: &Source| {
            let Bytes::File(path, _) = &source.bytes else {
                return Err(Problem::refused(
                    "not-a-file",
                    format!("`{}` is no file", source.name),
                ));
            };
            let mut hasher = blake3::Hasher::new();
            let size_bytes = place::hash_file(path, &mut hasher)?;
            let object = ObjectId::from_bytes(*hasher.finalize().as_bytes());
            let path = path.strip_prefix(folder).unwrap_or(path).to_owned();
            Ok(KeptFile { name: source.name.clone(), path, object, size_bytes })
        };
        let files = sources.iter().map(file).collect::<Result<_>>()?;
        Ok(Self { dataset: dataset.clone(), as_files, files })
    }

    /// Its files below `folder`, which are what the program wrote. Blocking.
    ///
    /// # Errors
    /// When somebody changed or removed one.
    pub(crate) fn sources(&self, folder: &Path) -> Result<Vec<Source>> {
        let source = |file: &KeptFile| {
            let path = folder.join(&file.path);
            let path =
                std::path::absolute(&path).map_err(|error| Problem::io("find", &path, &error))?;
            let why = match place::look(&path, file.object, file.size_bytes)? {
                Found::Same => {
                    let bytes = Bytes::File(path, file.size_bytes);
                    return Ok(Source { name: file.name.clone(), bytes });
                }
                Found::Nothing => "is gone",
                Found::Other => "was changed",
            };
            let message = format!("`{}` {why} since the program wrote it", path.display());
            Err(Problem::refused("output-changed", message)
                .hint("what comes of a run is what its program wrote: run it again"))
        };
        self.files.iter().map(source).collect()
    }
}

/// What is known once the program has ended.
pub(crate) struct Ended {
    pub(crate) lake: Option<LakeId>,
    pub(crate) key: String,
    pub(crate) request: RunRequest,
    pub(crate) inputs: Vec<KeptInput>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Timestamp,
}

/// Keeps a run in `folder`. Blocking.
pub(crate) fn keep(
    folder: &Path,
    ended: Ended,
    outputs: Vec<KeptOutput>,
    log: &[u8],
) -> Result<()> {
    let Ended { lake, key, request, inputs, started_at, ended_at } = ended;
    let kept = Kept { format: FORMAT, lake, key, request, inputs, outputs, started_at, ended_at };
    atomic::replace(&folder.join(LOG), log)?;
    kept.write(folder)
}

/// Holds a folder of outputs for as long as the file lives. Blocking.
///
/// # Errors
/// Exit code 5 while another run holds it.
pub(crate) fn hold(folder: &Path) -> Result<File> {
    place::hold(folder)?.ok_or_else(|| {
        let message = format!("another run is at work in `{}`", folder.display());
        Problem::conflict(message).hint("wait until it is done, or name another folder")
    })
}

impl Kept {
    /// Replaces the record in `folder`. Blocking.
    fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Problem::internal(error.to_string()))?;
        atomic::replace(&folder.join(FILE), format!("{text}\n").as_bytes())
    }
}

/// The run that is kept in `folder`, and what it printed. Blocking.
///
/// # Errors
/// Exit code 3 when there is none.
pub(crate) fn open(folder: &Path) -> Result<(Kept, Vec<u8>)> {
    let path = folder.join(FILE);
    let text = std::fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("no run is kept in `{}`", folder.display());
            Problem::not_found(message)
                .hint("`lakebed run --offline --outputs FOLDER` keeps one there")
        }
        _ => Problem::io("read", &path, &error),
    })?;
    let bad = |why: String| {
        let message = format!("`{}` is not what `lakebed run` wrote: {why}", path.display());
        Problem::refused("bad-run", message).hint("run the program again")
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if kept.format != FORMAT {
        return Err(bad(format!("its format is {}, and this build knows {FORMAT}", kept.format)));
    }
    let path = folder.join(LOG);
    let log = std::fs::read(&path).map_err(|error| Problem::io("read", &path, &error))?;
    Ok((kept, log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Exit;

    fn ended() -> Ended {
        Ended {
            lake: None,
            key: "key".to_owned(),
            request: RunRequest::default(),
            inputs: Vec::new(),
            started_at: Timestamp::from_micros(1),
            ended_at: Timestamp::from_micros(2),
        }
    }

    #[test]
    fn what_is_kept_is_what_was_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").expect("a file");
        let sources = [Source { name: "a.csv".to_owned(), bytes: Bytes::File(path.clone(), 4) }];
        let dataset: DatasetName = "ml.a".parse().expect("a name");
        let output = KeptOutput::of(&dataset, false, &sources, folder.path()).expect("readable");
        keep(folder.path(), ended(), vec![output], b"printed").expect("kept");
        let (kept, log) = open(folder.path()).expect("there");
        assert_eq!((kept.key.as_str(), &log[..]), ("key", &b"printed"[..]));
        assert_eq!(kept.outputs[0].files[0].path, Path::new("a.csv"));
        assert_eq!(kept.outputs[0].sources(folder.path()).expect("unchanged"), sources);
        std::fs::write(&path, "a\n2\n").expect("a file");
        let changed = kept.outputs[0].sources(folder.path()).expect_err("changed");
        assert_eq!(changed.code, "output-changed");
        let nothing = open(&folder.path().join("x")).expect_err("there is none");
        assert_eq!(nothing.exit, Exit::NotFound);
    }
}
