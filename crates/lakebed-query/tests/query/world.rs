//! A store with tables in it, and an engine.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arrow::{array::RecordBatch, util::pretty::pretty_format_batches};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use lakebed_core::{
    DataType, DatasetKind, Field, FileEntry, ObjectId, TableRef, TableSchema, Timestamp, VersionId,
};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::engine::{
    BoundTable, ComputedTable, Engine as _, EngineError, ListedTable, Parameters, QueryJob,
    QueryLimits, QueryStream, Restriction,
};
use lakebed_store::{
    Backend, Content, Created, Listed, LocalBackend, Result as StoreResult, Scratch, Store, Trust,
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use tempfile::TempDir;

/// A lake's store in a new folder, some tables, and an engine.
pub(crate) struct World {
    pub(crate) engine: DataFusionEngine,
    pub(crate) store: Store,
    pub(crate) calls: Arc<AtomicU64>,
    tables: BTreeMap<String, BoundTable>,
    _root: TempDir,
}

/// How to run one statement.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) parameters: Parameters,
    pub(crate) limits: QueryLimits,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::in_parts(2)
    }

    /// A world whose engine runs statements in so many parts.
    pub(crate) fn in_parts(parts: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::in_root(root.path()).unwrap();
        let calls = Arc::new(AtomicU64::new(0));
        let backend = LocalBackend::new(root.path().to_owned(), &scratch);
        let backend = Counting { inner: backend, calls: Arc::clone(&calls) };
        let store = Store::new(Arc::new(backend), scratch);
        let options = EngineOptions {
            target_partitions: NonZeroUsize::new(parts).unwrap(),
            ..EngineOptions::default()
        };
        let engine = DataFusionEngine::new(options).unwrap();
        Self { engine, store, calls, tables: BTreeMap::new(), _root: root }
    }

    /// Makes `reference` a table of these files; each batch has its own schema, as old files do.
    pub(crate) async fn table(
        &mut self,
        reference: &str,
        schema: &TableSchema,
        files: &[RecordBatch],
    ) {
        let mut entries = Vec::new();
        for batch in files {
            entries.push(self.put(batch, 131_072).await);
        }
        self.bind(reference, schema, entries);
    }

    pub(crate) async fn put(&self, batch: &RecordBatch, group_rows: usize) -> FileEntry {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group_rows));
        let mut bytes = Vec::new();
        let mut writer =
            ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        let length = bytes.len();
        let footer = u32::from_le_bytes(bytes[length - 8..length - 4].try_into().unwrap());
        let object = self.store.put(Bytes::from(bytes), Trust::Unnamed).await.unwrap();
        let (row_count, footer_bytes) = (batch.num_rows() as u64, u64::from(footer) + 8);
        FileEntry { object, row_count, footer_bytes }
    }

    pub(crate) fn bind(&mut self, reference: &str, schema: &TableSchema, files: Vec<FileEntry>) {
        let TableRef { reference: parsed, part } = reference.parse().unwrap();
        let table = BoundTable {
            dataset: parsed.dataset.clone(),
            reference: parsed,
            part,
            version: 1,
            version_id: VersionId::new(ObjectId::of(reference.as_bytes())),
            schema: schema.clone(),
            files,
            computed: None,
            restriction: Restriction::Unrestricted,
        };
        self.tables.insert(reference.to_owned(), table);
    }

    /// From now on the reader of `reference` is under this restriction.
    pub(crate) fn restrict(&mut self, reference: &str, restriction: Restriction) {
        self.tables.get_mut(reference).unwrap().restriction = restriction;
    }

    /// Makes `reference` a table whose rows are the answer to `sql`, over all of what that names.
    pub(crate) fn compute(&mut self, reference: &str, schema: &TableSchema, sql: &str) {
        let named = self.engine.prepare(sql).unwrap().references.into_iter();
        let whole = |named: TableRef| BoundTable {
            restriction: Restriction::Unrestricted,
            ..self.tables[&named.to_string()].clone()
        };
        let computed = ComputedTable { sql: sql.to_owned(), tables: named.map(whole).collect() };
        self.bind(reference, schema, Vec::new());
        let table = self.tables.get_mut(reference).unwrap();
        table.computed = Some(Box::new(computed));
    }

    pub(crate) fn files(&self, reference: &str) -> &[FileEntry] {
        &self.tables[reference].files
    }

    pub(crate) fn path_of(&self, id: ObjectId) -> PathBuf {
        self.store.local_path(id).unwrap()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// What a service would hand to the engine for `sql`.
    pub(crate) fn job(&self, sql: &str, asked: Asked) -> Result<QueryJob, EngineError> {
        let prepared = self.engine.prepare(sql)?;
        let bound = prepared.references.iter().map(|reference| {
            self.tables.get(&reference.to_string()).cloned().ok_or_else(|| EngineError::Invalid {
                message: format!("`{reference}` not found"),
                hint: None,
            })
        });
        let job = QueryJob {
            sql: sql.to_owned(),
            parameters: asked.parameters,
            tables: bound.collect::<Result<_, _>>()?,
            listing: self.listing(),
            system: Vec::new(),
            limits: asked.limits,
            now: Timestamp::from_micros(1_762_000_000_000_000),
            fixed: None,
        };
        // A job is a plain value: it crosses to another process and back unchanged.
        let line = serde_json::to_string(&job).unwrap();
        Ok(serde_json::from_str(&line).unwrap())
    }

    fn listing(&self) -> Vec<ListedTable> {
        let listed = |table: &BoundTable| ListedTable {
            dataset: table.dataset.clone(),
            kind: DatasetKind::Table,
            newest: Some(table.version),
            row_count: Some(table.files.iter().map(|file| file.row_count).sum()),
        };
        self.tables.values().map(listed).collect()
    }

    pub(crate) async fn stream(&self, sql: &str, asked: Asked) -> Result<QueryStream, EngineError> {
        let job = self.job(sql, asked)?;
        self.engine.run(job, &self.store).await
    }

    pub(crate) async fn rows(
        &self,
        sql: &str,
        asked: Asked,
    ) -> Result<Vec<RecordBatch>, EngineError> {
        let stream = self.stream(sql, asked).await?;
        let schema = Arc::clone(&stream.schema);
        let batches: Vec<_> = stream.batches.try_collect().await?;
        assert!(
            batches.iter().all(|batch| batch.schema() == schema),
            "all batches are as promised"
        );
        Ok(batches)
    }

    /// The answer as a table of text, or the error with its hint.
    pub(crate) async fn show(&self, sql: &str) -> String {
        self.show_with(sql, Asked::default()).await
    }

    pub(crate) async fn show_with(&self, sql: &str, asked: Asked) -> String {
        match self.rows(sql, asked).await {
            Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
            Err(error) => show_error(&error),
        }
    }

    /// The rows that came before the error, if one came.
    pub(crate) async fn until_error(
        &self,
        sql: &str,
        asked: Asked,
    ) -> (Vec<RecordBatch>, Option<EngineError>) {
        let mut stream = match self.stream(sql, asked).await {
            Ok(stream) => stream,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let mut batches = Vec::new();
        while let Some(next) = stream.batches.next().await {
            match next {
                Ok(batch) => batches.push(batch),
                Err(error) => {
                    assert!(stream.batches.next().await.is_none(), "nothing follows an error");
                    return (batches, Some(error));
                }
            }
        }
        (batches, None)
    }
}

/// One line an error, one line a hint.
pub(crate) fn show_error(error: &EngineError) -> String {
    let (kind, hint) = match error {
        EngineError::Invalid { hint, .. } => ("invalid", hint.as_deref()),
        EngineError::NotAllowed { hint, .. } => ("not allowed", hint.as_deref()),
        EngineError::Failed { .. } => ("failed", None),
        EngineError::Exhausted { .. } => ("exhausted", None),
        EngineError::Store(_) => ("store", None),
        EngineError::Internal { .. } => ("internal", None),
    };
    let mut text = format!("{kind}: {error}");
    if let Some(source) = std::error::Error::source(error) {
        text += &format!("\ncause: {source}");
    }
    if let Some(hint) = hint {
        text += &format!("\nhint: {hint}");
    }
    text
}

/// A schema of nullable columns.
pub(crate) fn schema(columns: &[(&str, DataType)]) -> TableSchema {
    let fields = columns.iter().map(|(name, kind)| Field::optional(*name, kind.clone()));
    TableSchema::first(fields.collect()).unwrap()
}

/// Counts every call that reaches the folder.
#[derive(Debug)]
struct Counting {
    inner: LocalBackend,
    calls: Arc<AtomicU64>,
}

impl Counting {
    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Backend for Counting {
    async fn create(&self, key: &str, content: &Content) -> StoreResult<Created> {
        self.count();
        self.inner.create(key, content).await
    }

    async fn replace(&self, key: &str, content: &Content) -> StoreResult<()> {
        self.count();
        self.inner.replace(key, content).await
    }

    async fn read(&self, key: &str) -> StoreResult<Option<Bytes>> {
        self.count();
        self.inner.read(key).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> StoreResult<Option<Bytes>> {
        self.count();
        self.inner.read_range(key, range).await
    }

    async fn size(&self, key: &str) -> StoreResult<Option<u64>> {
        self.count();
        self.inner.size(key).await
    }

    async fn list(&self, folder: &str) -> StoreResult<Vec<Listed>> {
        self.count();
        self.inner.list(folder).await
    }

    async fn create_waiting(&self, key: &str, content: &Content) -> StoreResult<Created> {
        self.inner.create_waiting(key, content).await
    }

    async fn read_waiting(&self, key: &str, range: Range<u64>) -> StoreResult<Option<Bytes>> {
        self.inner.read_waiting(key, range).await
    }

    async fn list_waiting(&self, folder: &str) -> StoreResult<Vec<Listed>> {
        self.inner.list_waiting(folder).await
    }

    async fn remove_waiting(&self, key: &str) -> StoreResult<()> {
        self.inner.remove_waiting(key).await
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        self.inner.local_path(key)
    }

    fn worthwhile_gap(&self) -> u64 {
        self.inner.worthwhile_gap()
    }
}
