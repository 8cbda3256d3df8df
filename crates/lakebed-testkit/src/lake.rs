//! A lake in a place of its own, which proves P9 each time it is dropped.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lakebed_catalog::Catalog;
use lakebed_core::{DatasetName, DecodeOptions, Event, Identity, IngestMode, LakeFile, LakeId};
use lakebed_service::{
    Ctx, IngestOutcome, IngestRequest, Lake, LakeConfig, LakeParts, NoProgress, OpenMode, Probe,
    Result, SourceInput, SystemClock, catalog_file, engine::Engine, rebuild,
};
use lakebed_store::{
    Backend, LocalBackend, ObjectStoreBackend, Root, Scratch, Store, StoreOptions,
};

use crate::{FrozenClock, NoEngine, TestBackend, TestPlace};

/// A lake with a frozen clock, wherever the run has its lakes ([`TestBackend`]).
///
/// When it is dropped, a second database is rebuilt from its journal and must be equal to the
/// first, row by row (P9). A lake that was damaged on purpose says so with [`TestLake::damaged`].
#[derive(Debug)]
pub struct TestLake {
    /// The lake.
    pub lake: Lake,
    /// Where it is.
    pub place: TestPlace,
    rebuild_on_drop: bool,
}

impl TestLake {
    /// An empty lake that answers no SQL.
    pub async fn new() -> Self {
        Self::with_engine(Arc::new(NoEngine)).await
    }

    /// An empty lake with this engine.
    pub async fn with_engine(engine: Arc<dyn Engine>) -> Self {
        Self::in_place(TestPlace::new(), engine).await
    }

    /// An empty lake in a folder with its database inside, whatever the run's kind is: for tests
    /// about those files.
    pub async fn in_folder() -> Self {
        Self::in_place(TestPlace::on(TestBackend::SqliteFolder), Arc::new(NoEngine)).await
    }

    /// An empty lake in this place.
    pub async fn in_place(place: TestPlace, engine: Arc<dyn Engine>) -> Self {
        let config = place.config(OpenMode::CreateIfMissing);
        let clock = Arc::new(FrozenClock::default());
        let lake = Lake::open(config, engine, clock).await.expect("a new lake");
        Self { lake, place, rebuild_on_drop: true }
    }

    /// The lake's folder.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.place.root_folder()
    }

    /// A folder beside the lake, for the user's files.
    #[must_use]
    pub fn outside(&self) -> &Path {
        self.place.outside()
    }

    /// A request of the local test user, who owns the lake.
    ///
    /// # Panics
    /// Never: the name is a principal.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx::new(Identity::owner("local:test".parse().expect("a principal")), "request-1")
    }

    /// Writes a user's file beside the lake.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.place.outside().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    /// Ingests one file of these bytes, replacing.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub async fn ingest(&self, dataset: &str, name: &str, bytes: &str) -> Result<IngestOutcome> {
        self.ingest_with(dataset, name, bytes, IngestMode::Replace, DecodeOptions::default()).await
    }

    /// Ingests one file of these bytes, adding to the newest version.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub async fn append(&self, dataset: &str, name: &str, bytes: &str) -> Result<IngestOutcome> {
        self.ingest_with(dataset, name, bytes, IngestMode::Append, DecodeOptions::default()).await
    }

    /// Ingests one file of these bytes.
    ///
    /// # Errors
    /// As [`Lake::ingest`].
    pub async fn ingest_with(
        &self,
        dataset: &str,
        name: &str,
        bytes: &str,
        mode: IngestMode,
        options: DecodeOptions,
    ) -> Result<IngestOutcome> {
        let path = self.file(name, bytes);
        let request = request_of(dataset, name, &path, mode, options);
        self.lake.ingest(&self.ctx(), request, Arc::new(NoProgress)).await
    }

    /// Events after `after`, at most `limit`, as the owner sees them.
    ///
    /// # Panics
    /// When the catalog cannot be read.
    pub async fn events(&self, after: u64, limit: u32) -> Vec<Event> {
        let seen = self.lake.events(&self.ctx(), after, limit).await.expect("events");
        seen.events.into_iter().map(|seen| seen.event).collect()
    }

    /// The lake is damaged on purpose: dropping it proves nothing.
    pub fn damaged(&mut self) {
        self.rebuild_on_drop = false;
    }

    /// How it is opened once more.
    #[must_use]
    pub fn config(&self) -> LakeConfig {
        self.place.config(OpenMode::Existing)
    }

    /// Opens the same lake once more, as another process would.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn reopen(&self) -> Result<Lake> {
        self.reopen_with(Arc::new(NoEngine)).await
    }

    /// The same with an engine that answers.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn reopen_with(&self, engine: Arc<dyn Engine>) -> Result<Lake> {
        Lake::open(self.config(), engine, Arc::new(FrozenClock::default())).await
    }

    /// A second view of the same lake whose store and use cases can be made to fail.
    ///
    /// # Errors
    /// As [`Lake::assemble`].
    pub async fn failing(
        &self,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
        probe: Arc<dyn Probe>,
    ) -> Result<Lake> {
        self.failing_with(Arc::new(NoEngine), wrap, probe).await
    }

    /// The same with an engine that answers.
    ///
    /// # Errors
    /// As [`Lake::assemble`].
    pub async fn failing_with(
        &self,
        engine: Arc<dyn Engine>,
        wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>,
        probe: Arc<dyn Probe>,
    ) -> Result<Lake> {
        let config = self.config();
        let (backend, scratch): (Arc<dyn Backend>, Scratch) = match &config.root {
            Root::Folder(root) => {
                let scratch = Scratch::in_root(root)?;
                (Arc::new(LocalBackend::new(root.clone(), &scratch)), scratch)
            }
            Root::Url(url) => {
                let backend = ObjectStoreBackend::open(url, &config.store)?;
                (Arc::new(backend), Scratch::in_system()?)
            }
        };
        let file = backend.read(LakeFile::KEY).await?.expect("a lake");
        let file = LakeFile::from_bytes(&file).expect("a lake's file");
        let store = Store::new(wrap(backend), scratch);
        let catalog = open_catalog(&config, file.lake).await?;
        Lake::assemble(LakeParts {
            file,
            root: config.root.to_string(),
            store,
            catalog,
            engine,
            clock: Arc::new(FrozenClock::default()),
            probe,
        })
        .await
    }
}

async fn open_catalog(config: &LakeConfig, lake: LakeId) -> Result<Catalog> {
    match (&config.catalog_url, &config.root) {
        (Some(url), _) => Ok(Catalog::open(url, lake).await?),
        (None, Root::Folder(root)) => Ok(Catalog::open_file(&catalog_file(root), lake).await?),
        (None, root) => panic!("a lake at {root} names its database"),
    }
}

/// The configuration of a folder lake with its database inside.
#[must_use]
pub fn config_of(root: &Path, open: OpenMode) -> LakeConfig {
    let root = Root::Folder(root.to_owned());
    LakeConfig { root, store: StoreOptions::default(), catalog_url: None, open }
}

/// Asks for one file to be ingested.
///
/// # Panics
/// When `dataset` is no dataset name.
#[must_use]
pub fn request_of(
    dataset: &str,
    name: &str,
    path: &Path,
    mode: IngestMode,
    options: DecodeOptions,
) -> IngestRequest {
    let dataset: DatasetName = dataset.parse().expect("a dataset name");
    let source = SourceInput::Path { name: name.to_owned(), path: path.to_owned() };
    IngestRequest { dataset, mode, again: None, repairs: None, sources: vec![source], options }
}

/// Rebuilds the database at `second` from the journal of the lake of `config`; gives the exports of
/// the lake's own and of that one.
///
/// # Panics
/// When either cannot be read.
pub async fn exports(config: &LakeConfig, second: String) -> (String, String) {
    let second = LakeConfig { catalog_url: Some(second), ..config.clone() };
    rebuild(second.clone(), &SystemClock).await.expect("the lake can be rebuilt");
    let mut exports = Vec::new();
    for config in [config, &second] {
        let engine = Arc::new(NoEngine);
        let lake = Lake::open(config.clone(), engine, Arc::new(SystemClock)).await;
        let lake = lake.expect("the lake opens");
        exports.push(lake.catalog().export().await.expect("an export"));
        lake.close().await;
    }
    let rebuilt = exports.pop().expect("two exports");
    (exports.pop().expect("two exports"), rebuilt)
}

impl Drop for TestLake {
    fn drop(&mut self) {
        if std::thread::panicking() || !self.rebuild_on_drop {
            return;
        }
        let (config, second) = (self.config(), self.place.second_catalog_url("rebuilt"));
        let check = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(exports(&config, second))
        });
        let (first, rebuilt) = check.join().expect("the rebuild ran");
        assert_eq!(first, rebuilt, "P9: the rebuilt database differs");
    }
}

/// A probe that fails at the n-th point it meets, and at every one after: a crash.
#[derive(Debug, Default)]
pub struct CrashingProbe {
    points: std::sync::Mutex<Vec<&'static str>>,
    crash_at: Option<usize>,
}

impl CrashingProbe {
    /// Crashes at point `index`, counted from 0; never when none.
    #[must_use]
    pub fn at_point(crash_at: Option<usize>) -> Self {
        Self { points: std::sync::Mutex::default(), crash_at }
    }

    /// The points that were met, in order.
    #[must_use]
    pub fn points(&self) -> Vec<&'static str> {
        self.points.lock().expect("nobody panicked").clone()
    }
}

impl Probe for CrashingProbe {
    fn at(&self, point: &'static str) -> Result<()> {
        let mut points = self.points.lock().expect("nobody panicked");
        let index = points.len();
        points.push(point);
        match self.crash_at {
            Some(crash_at) if index >= crash_at => {
                let source = format!("crashed at: {point}").into();
                Err(lakebed_service::Error::Internal { source })
            }
            _ => Ok(()),
        }
    }
}
