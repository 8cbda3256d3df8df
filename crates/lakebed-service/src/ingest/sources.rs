//! The sources of one ingest: identified by digest, copied into scratch when that is needed.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use lakebed_core::{DatasetKind, IngestMode, ObjectId};
use lakebed_ingest::LocalSource;
use lakebed_store::Staged;

use crate::{
    Ctx, Error, IngestRequest, Lake, Result, SourceInput, ingest::target::kind_of, progress::Meter,
};

/// The longest name of a source, in bytes.
const MAX_NAME: usize = 1024;

/// The sources of one ingest, in order.
pub(crate) struct Sources {
    items: Vec<Item>,
}

struct Item {
    name: String,
    /// Where the user keeps it; none for uploads.
    path: Option<PathBuf>,
    size_bytes: u64,
    /// Its digest, once it was hashed; what is staged decides in the end.
    id: Option<ObjectId>,
    staged: Option<Arc<Staged>>,
}

/// A source whose bytes are ours: they cannot change any more.
#[derive(Clone)]
pub(crate) struct StagedSource {
    pub(crate) name: String,
    pub(crate) staged: Arc<Staged>,
}

impl Sources {
    /// Finds all sources, and hashes those that may be in the lake already: they have the size of
    /// an object that is. Time stamps are never trusted.
    pub(crate) async fn identify(
        lake: &Lake,
        ctx: &Ctx,
        request: &IngestRequest,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let mut items = Vec::with_capacity(request.sources.len());
        let objects: Vec<ObjectId> =
            request.sources.iter().filter_map(SourceInput::object).collect();
        let uploads = lake.staged_uploads(ctx, &objects).await?;
        for source in &request.sources {
            items.push(match source {
                SourceInput::Path { name, path } => Item::of_path(name, path)?,
                SourceInput::Upload { name, object } => Item::of_upload(&uploads, name, *object)?,
            });
        }
        let mut sources = Self { items };
        if sources.may_be_known(lake).await? {
            sources.hash(lake, meter).await?;
        }
        Ok(sources)
    }

    /// Only when every source has the size of a known object can the ingest be a repetition.
    async fn may_be_known(&self, lake: &Lake) -> Result<bool> {
        for item in &self.items {
            if !lake.inner.catalog.has_object_of_size(item.size_bytes).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn hash(&mut self, lake: &Lake, meter: &Arc<Meter>) -> Result<()> {
        meter.begin("hashing", Some(self.size_bytes()));
        for item in &mut self.items {
            let Some(path) = item.path.clone() else { continue };
            let (store, size_bytes) = (lake.inner.store.clone(), item.size_bytes);
            let (id, _) = blocking(move || Ok(store.hash_path(&path)?)).await?;
            meter.add_bytes(size_bytes);
            item.id = Some(id);
        }
        Ok(())
    }

    /// Copies into scratch what is not there yet; says whether that was anything. From here on
    /// nobody can change the bytes.
    pub(crate) async fn stage(&mut self, lake: &Lake, meter: &Arc<Meter>) -> Result<bool> {
        if self.items.iter().all(|item| item.staged.is_some()) {
            return Ok(false);
        }
        meter.begin("hashing", Some(self.size_bytes()));
        for item in &mut self.items {
            let (None, Some(path)) = (&item.staged, item.path.clone()) else { continue };
            meter.check_cancelled()?;
            let (store, heard) = (lake.inner.store.clone(), Arc::clone(meter));
            let staged =
                blocking(move || Ok(store.stage_path(&path, &|count| heard.add_bytes(count))?))
                    .await?;
            item.id = Some(staged.id());
            item.size_bytes = staged.size_bytes();
            item.staged = Some(Arc::new(staged));
        }
        Ok(true)
    }

    /// Names and digests, when all are known.
    pub(crate) fn identities(&self) -> Option<Vec<(String, ObjectId)>> {
        self.items.iter().map(|item| Some((item.name.clone(), item.id?))).collect()
    }

    /// Where the decoder can read them: our own copies once there are any.
    pub(crate) fn local(&self) -> Vec<LocalSource> {
        let path = |item: &Item| match (&item.staged, &item.path) {
            (Some(staged), _) => staged.path().to_owned(),
            (None, path) => path.clone().unwrap_or_default(),
        };
        self.items
            .iter()
            .map(|item| LocalSource { name: item.name.clone(), path: path(item) })
            .collect()
    }

    /// All sources, staged.
    pub(crate) fn staged(&self) -> Vec<StagedSource> {
        let staged = |item: &Item| {
            let staged = item.staged.as_ref().map(Arc::clone)?;
            Some(StagedSource { name: item.name.clone(), staged })
        };
        self.items.iter().filter_map(staged).collect()
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.items.iter().map(|item| item.size_bytes).sum()
    }
}

impl Item {
    fn of_path(name: &str, path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound {
                message: format!("there is no file `{}`", path.display()),
                hint: Some("check the path".to_owned()),
            },
            _ => Error::io(path, error),
        })?;
        if !metadata.is_file() {
            return Err(Error::Invalid {
                code: "not-a-file",
                message: format!("`{}` is not a regular file", path.display()),
                hint: Some("name a file, or pipe it in with `-`".to_owned()),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            path: Some(path.to_owned()),
            size_bytes: metadata.len(),
            id: None,
            staged: None,
        })
    }

    fn of_upload(
        uploads: &BTreeMap<ObjectId, Arc<Staged>>,
        name: &str,
        object: ObjectId,
    ) -> Result<Self> {
        let staged = uploads.get(&object).map(Arc::clone).ok_or_else(|| Error::NotFound {
            message: format!("no upload `{object}` of yours is waiting"),
            hint: Some("upload the bytes first, then ingest them within a day".to_owned()),
        })?;
        Ok(Self {
            name: name.to_owned(),
            path: None,
            size_bytes: staged.size_bytes(),
            id: Some(object),
            staged: Some(staged),
        })
    }
}

/// Refuses names that could leave a folder they are fetched into, and names given twice.
pub(crate) fn check_names(request: &IngestRequest) -> Result<()> {
    let invalid = |code, message, hint: &str| {
        Err(Error::Invalid { code, message, hint: Some(hint.to_owned()) })
    };
    if request.sources.is_empty() {
        return invalid("no-sources", "there is nothing to ingest".to_owned(), "name a file");
    }
    if !request.options.evolve.is_empty() {
        if request.mode == IngestMode::Append {
            return invalid(
                "evolve-append",
                "an append keeps the parent's files, and their schema with them".to_owned(),
                "ingest all rows in the new shape, without `--append`",
            );
        }
        if kind_of(request) == DatasetKind::Files {
            let message = "files have no schema to change".to_owned();
            return invalid("evolve-files", message, "leave the declared changes out");
        }
    }
    let mut seen = HashSet::new();
    for source in &request.sources {
        let name = source.name();
        if !is_plain_path(name) {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            return invalid(
                "bad-source-name",
                format!("`{shown}` cannot be the name of a source"),
                "use a relative path without `..`, control characters or empty parts",
            );
        }
        if !seen.insert(name) {
            return invalid(
                "name-twice",
                format!("two sources are named `{name}`"),
                "ingest the folder that holds both, so that their paths differ",
            );
        }
    }
    Ok(())
}

fn is_plain_path(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.len() <= MAX_NAME
        && !name.chars().any(|c| c.is_control() || c == '\\')
        && name.split('/').all(plain)
}

/// Runs work that waits for disks off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(Error::internal)?
}
