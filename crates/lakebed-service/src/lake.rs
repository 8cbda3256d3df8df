//! A lake, opened: its store, its catalog, its journal and its engine, in one place.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use lakebed_catalog::{Catalog, JournalState, PoolState};
use lakebed_core::{LakeFile, LakeId, StageName, Timestamp};
use lakebed_store::{Created, Root, Store, StoreOptions};

use crate::{
    AdmissionLimits, Clock, Ctx, Error, NoProbe, Probe, Result, ResultLimits, UploadLimits,
    admission::Admission,
    cache::Cache,
    engine::Engine,
    journal::{Events, Journal, Reads},
    observe::Listener,
    reads::ReadLog,
    statement::Results,
    upload::Uploads,
};

/// How often [`Lake::tend`] looks; what it finds twice is nobody's.
const TENDED_EVERY: Duration = Duration::from_secs(2);

/// Where a lake is and how to open it. Printing it shows no password.
#[derive(Clone)]
pub struct LakeConfig {
    /// The root of its bytes.
    pub root: Root,
    /// How to reach a root that is no folder.
    pub store: StoreOptions,
    /// The database; a folder lake keeps its own in the folder when unsaid.
    pub catalog_url: Option<String>,
    /// Whether to create what is not there.
    pub open: OpenMode,
}

impl fmt::Debug for LakeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let catalog_url = self.catalog_url.as_deref().map(shown_catalog_url);
        f.debug_struct("LakeConfig")
            .field("root", &self.root)
            .field("catalog_url", &catalog_url)
            .field("open", &self.open)
            .finish()
    }
}

/// Whether a lake must be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// It must.
    Existing,
    /// It is created in an absent or empty folder.
    CreateIfMissing,
}

/// How much is done at once in this process, how much waits for it, and how much lies beside the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkLimits {
    /// Ingests.
    pub ingests: AdmissionLimits,
    /// Statements.
    pub statements: AdmissionLimits,
    /// Uploads that wait for an ingest.
    pub uploads: UploadLimits,
    /// Results of statements that wait to be fetched.
    pub results: ResultLimits,
}

impl Default for WorkLimits {
    /// Four ingests, each of which uses all processors; 32 statements.
    fn default() -> Self {
        Self {
            ingests: AdmissionLimits { at_once: 4, queued: 10_000, queued_per_principal: 2_000 },
            statements: AdmissionLimits { at_once: 32, queued: 1_000, queued_per_principal: 200 },
            uploads: UploadLimits::default(),
            results: ResultLimits::default(),
        }
    }
}

/// What a lake is made of; tests put their own parts in.
#[derive(Debug)]
pub struct LakeParts {
    /// The lake's own file.
    pub file: LakeFile,
    /// How the root is called, for people.
    pub root: String,
    /// The bytes.
    pub store: Store,
    /// The record.
    pub catalog: Catalog,
    /// Answers SQL.
    pub engine: Arc<dyn Engine>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where tests stand.
    pub probe: Arc<dyn Probe>,
}

/// A lake, opened. Cheap to clone; all clones are one lake.
#[derive(Debug, Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) file: LakeFile,
    pub(crate) root: String,
    pub(crate) store: Store,
    pub(crate) catalog: Catalog,
    pub(crate) journal: Journal,
    pub(crate) reads: Arc<ReadLog>,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) uploads: Uploads,
    pub(crate) results: Results,
    pub(crate) ingests: Admission,
    pub(crate) statements: Admission,
    pub(crate) cache: Cache,
    pub(crate) listener: Listener,
    pub(crate) default_stage: StageName,
    /// Whether the last try to publish what others left failed.
    cannot_publish: AtomicBool,
}

/// What a lake says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeInfo {
    /// Which lake it is.
    pub lake: LakeId,
    /// Where its bytes are.
    pub root: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The newest event anyone can see.
    pub seq: u64,
    /// How many datasets there are for the asker.
    pub datasets: u64,
}

impl Lake {
    /// Opens the lake of `config`, creating it where that is asked for.
    ///
    /// Finishes what a crash left committed but unpublished.
    ///
    /// # Errors
    /// [`Error::NoLake`] where there is none, [`Error::Stopped`] when journal and database do not
    /// belong together, [`Error::Unavailable`] when either cannot be reached.
    pub async fn open(
        config: LakeConfig,
        engine: Arc<dyn Engine>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let (store, file) = open_store(&config, clock.as_ref()).await?;
        let catalog = open_catalog(&config, file.lake).await?;
        let root = config.root.to_string();
        let probe = Arc::new(NoProbe);
        Self::assemble(LakeParts { file, root, store, catalog, engine, clock, probe }).await
    }

    /// Puts a lake together from its parts, and checks that journal and database belong together.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn assemble(parts: LakeParts) -> Result<Self> {
        let LakeParts { file, root, store, catalog, engine, clock, probe } = parts;
        let listener = Listener::default();
        let holder = LakeId::from_bytes(random_bytes()?).to_string();
        let journal = Journal::<Events>::new(
            file.lake,
            store.clone(),
            catalog.clone(),
            Arc::clone(&probe),
            listener.clone(),
            holder.clone(),
        );
        // Whoever counts segments counts those of events.
        let silent = Listener::default();
        let reads = Journal::<Reads>::new(
            file.lake,
            store.clone(),
            catalog.clone(),
            Arc::clone(&probe),
            silent,
            holder,
        );
        let reads = ReadLog::new(store.clone(), catalog.clone(), Arc::clone(&clock), reads);
        journal.check().await?;
        let limits = WorkLimits::default();
        let inner = Inner {
            file,
            root,
            store,
            catalog,
            journal,
            reads: Arc::new(reads),
            engine,
            clock,
            probe,
            uploads: Uploads::default(),
            results: Results::default(),
            ingests: Admission::new("ingests", limits.ingests),
            statements: Admission::new("statements", limits.statements),
            cache: Cache::default(),
            listener,
            default_stage: StageName::raw(),
            cannot_publish: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// From now on these limits hold.
    pub fn limit_work(&self, limits: &WorkLimits) {
        self.inner.ingests.limit(limits.ingests);
        self.inner.statements.limit(limits.statements);
        self.inner.uploads.limit(limits.uploads);
        self.inner.results.limit(limits.results);
    }

    /// Waits for whoever publishes, and for the database to be closed in order.
    pub async fn close(&self) {
        self.inner.reads.close().await;
        self.inner.journal.close().await;
        self.inner.catalog.close().await;
    }

    /// Does now and then, for as long as it is polled, what no request does: publishes what a
    /// server committed and did not live to publish, and writes segments of what was read. Any number
    /// of servers may do it at once.
    pub async fn tend(&self) {
        let mut seen = None;
        loop {
            tokio::time::sleep(TENDED_EVERY).await;
            let published = self.inner.journal.publish_leftovers(seen).await;
            self.inner.cannot_publish.store(published.is_err(), Ordering::Relaxed);
            seen = published.unwrap_or_else(|error| {
                tracing::warn!(%error, "what is committed could not be published");
                // Until that is over, it is tried at every look.
                seen
            });
            if let Err(error) = self.inner.reads.publish().await {
                tracing::warn!(%error, "what was read could not be put into a segment");
            }
        }
    }

    /// Which lake it is.
    #[must_use]
    pub fn id(&self) -> LakeId {
        self.inner.file.lake
    }

    /// The time now, by the lake's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Its bytes.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Its record.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// Whether requests can be answered: one small read of the catalog, and one of the store.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn check_catalog(&self) -> Result<()> {
        self.journal_state().await.map(drop)
    }

    /// Whether what is committed gets into the journal, as far as [`Lake::tend`] has seen. As long as it
    /// does not, nothing that is committed becomes visible.
    #[must_use]
    pub fn publishes(&self) -> bool {
        !self.inner.cannot_publish.load(Ordering::Relaxed)
    }

    /// How busy the database's connections are.
    #[must_use]
    pub fn pool_state(&self) -> PoolState {
        self.inner.catalog.pool_state()
    }

    /// How far events are committed, and how far they are in the journal.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn journal_state(&self) -> Result<JournalState> {
        Ok(self.inner.catalog.journal_state().await?)
    }

    /// Whether the store answers, and still holds this lake: one small read.
    ///
    /// # Errors
    /// When the lake's file cannot be read, or is another lake's.
    pub async fn check_store(&self) -> Result<()> {
        let no_lake = || Error::NoLake { root: self.inner.root.clone() };
        let bytes = self.inner.store.read(LakeFile::KEY).await?.ok_or_else(no_lake)?;
        let file = LakeFile::from_bytes(&bytes).ok();
        file.filter(|file| file.lake == self.id()).map(drop).ok_or_else(no_lake)
    }

    /// What the lake says of itself.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn info(&self, ctx: &Ctx) -> Result<LakeInfo> {
        let (snapshot, datasets) = self.datasets(ctx, None).await?;
        Ok(LakeInfo {
            lake: self.id(),
            root: self.inner.root.clone(),
            created_at: self.inner.file.created_at,
            seq: snapshot.seq,
            datasets: datasets.len() as u64,
        })
    }
}

/// Where a folder lake keeps its database.
#[must_use]
pub fn catalog_file(folder: &Path) -> PathBuf {
    folder.join("lakebed.db")
}

/// What may be shown of a catalog's address: never a password.
#[must_use]
pub fn shown_catalog_url(url: &str) -> String {
    Catalog::shown_url(url)
}

/// Opens the database that `config` names, or the folder lake's own.
pub(crate) async fn open_catalog(config: &LakeConfig, lake: LakeId) -> Result<Catalog> {
    Ok(Catalog::open(&catalog_url(config)?, lake).await?)
}

/// The address of the database that `config` names, or of the folder lake's own.
pub(crate) fn catalog_url(config: &LakeConfig) -> Result<String> {
    match (&config.catalog_url, &config.root) {
        (Some(url), _) => Ok(url.clone()),
        (None, Root::Folder(folder)) => {
            let file = catalog_file(folder);
            let file = std::path::absolute(&file).map_err(|error| Error::io(&file, error))?;
            Ok(Catalog::url_of_file(&file)?)
        }
        (None, root) => Err(Error::Invalid {
            code: "catalog-needed",
            message: format!("the lake `{root}` is no folder, so its database must be named"),
            hint: Some("give it with `--catalog postgres://user@host/database`, or `sqlite:///path/lakebed.db`".to_owned()),
        }),
    }
}

pub(crate) async fn open_store(
    config: &LakeConfig,
    clock: &dyn Clock,
) -> Result<(Store, LakeFile)> {
    if let Root::Folder(folder) = &config.root {
        prepare_folder(folder, config.open)?;
    }
    let store = Store::open_with(&config.root, &config.store).await?;
    if let Some(file) = open_lake_file(&store, &config.root).await? {
        return Ok((store, file));
    }
    if config.open == OpenMode::Existing {
        return Err(Error::NoLake { root: config.root.to_string() });
    }
    if matches!(config.root, Root::Url(_)) && store.holds_anything().await? {
        // Another process may have created it since we looked.
        if let Some(file) = open_lake_file(&store, &config.root).await? {
            return Ok((store, file));
        }
        return Err(Error::Invalid {
            code: "folder-not-empty",
            message: format!("`{}` holds files but no lake", config.root),
            hint: Some("name a bucket or a prefix that is empty for a new lake".to_owned()),
        });
    }
    let file = LakeFile::new(draw_lake_id()?, clock.now());
    match store.create(LakeFile::KEY, Bytes::from(file.to_bytes())).await? {
        Created::New => Ok((store, file)),
        Created::Existed => match open_lake_file(&store, &config.root).await? {
            Some(theirs) => Ok((store, theirs)),
            None => Err(Error::NoLake { root: config.root.to_string() }),
        },
    }
}

pub(crate) async fn open_lake_file(store: &Store, root: &Root) -> Result<Option<LakeFile>> {
    let Some(bytes) = store.read(LakeFile::KEY).await? else { return Ok(None) };
    LakeFile::from_bytes(&bytes).map(Some).map_err(|error| Error::Stopped {
        message: format!("`lakebed.json` of `{root}` cannot be read: {error}"),
        hint: "restore it from a backup, or use the build that wrote it".to_owned(),
    })
}

/// A new lake goes into an absent or empty folder: nobody's files become part of a lake by mistake.
fn prepare_folder(folder: &Path, open: OpenMode) -> Result<()> {
    let no_lake = || Error::NoLake { root: folder.display().to_string() };
    let entries = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if open == OpenMode::Existing {
                return Err(no_lake());
            }
            return std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error));
        }
        Err(error) => return Err(Error::io(folder, error)),
    };
    let is_lake = folder.join(LakeFile::KEY).is_file();
    // Another process may be between creating its scratch folder and the lake's file.
    let is_beginning = only_scratch(folder);
    match (open, is_lake || is_beginning) {
        (_, true) => Ok(()),
        (OpenMode::Existing, false) => Err(no_lake()),
        (OpenMode::CreateIfMissing, false) if entries => Err(Error::Invalid {
            code: "folder-not-empty",
            message: format!("`{}` holds files but no lake", folder.display()),
            hint: Some("name an absent or empty folder for a new lake".to_owned()),
        }),
        (OpenMode::CreateIfMissing, false) => Ok(()),
    }
}

fn only_scratch(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().all(|entry| entry.file_name() == "tmp")
}

fn draw_lake_id() -> Result<LakeId> {
    random_bytes().map(LakeId::from_bytes)
}

/// 128 random bits in hex.
pub(crate) fn random_id() -> Result<String> {
    Ok(random_bytes()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Sixteen bytes from the system's generator.
pub(crate) fn random_bytes() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal { source: Box::new(error) })?;
    Ok(bytes)
}
