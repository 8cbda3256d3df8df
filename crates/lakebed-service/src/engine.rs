//! The port a query engine implements.
//!
//! The engine names the references a statement reads, is handed one serialisable value that holds
//! everything it may know ([`QueryJob`]), and returns an Arrow stream. It never sees the catalog.

use std::ops::Range;

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use async_trait::async_trait;
use futures::stream::BoxStream;
pub use lakebed_core::policy::Restriction;
use lakebed_core::{
    DatasetName, DatasetRef, FileEntry, TablePart, TableRef, TableSchema, Timestamp, VersionId,
    lineage::Lineage,
};
use lakebed_store::Store;
use serde::{Deserialize, Serialize};

use crate::reads::ReadColumns;

/// A statement that was parsed and admitted, and what it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// What kind of statement it is.
    pub kind: StatementKind,
    /// Every reference it names, without repetitions, in order of appearance.
    pub references: Vec<TableRef>,
    /// Every table of the system that it names, without repetitions.
    pub system: Vec<SystemTable>,
    /// Its placeholders, each name once.
    pub placeholders: Vec<Placeholder>,
}

/// A placeholder of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// Its name: `name` for `$name`, `1` for `$1`.
    pub name: String,
    /// The bytes of the statement where it stands for a value of its own, in order. Elsewhere, as behind
    /// `DATE` or `INTERVAL`, the grammar takes a literal alone.
    pub places: Vec<Range<usize>>,
}

/// Tables that the lake makes of itself, for whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SystemTable {
    /// `system.queries`: reads on record.
    Queries,
    /// `system.events`: changes on record.
    Events,
    /// `system.versions`: every version of every dataset.
    Versions,
    /// `information_schema.schemata`: namespaces.
    Schemata,
    /// `information_schema.tables`: datasets.
    Tables,
    /// `information_schema.columns`: columns of their newest versions.
    Columns,
}

impl SystemTable {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queries, Self::Events, Self::Versions, Self::Schemata, Self::Tables, Self::Columns];

    /// Its name in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queries => "system.queries",
            Self::Events => "system.events",
            Self::Versions => "system.versions",
            Self::Schemata => "information_schema.schemata",
            Self::Tables => "information_schema.tables",
            Self::Columns => "information_schema.columns",
        }
    }

    /// The table of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// A table of the system as it is for one asker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SystemRows {
    /// Which.
    pub table: SystemTable,
    /// Its rows.
    #[serde(with = "ipc")]
    pub rows: RecordBatch,
}

/// Rows as bytes of an Arrow stream.
mod ipc {
    use arrow::{
        array::RecordBatch,
        compute::concat_batches,
        ipc::{reader::StreamReader, writer::StreamWriter},
    };
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(
        rows: &RecordBatch,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let write = || {
            let mut writer = StreamWriter::try_new(Vec::new(), &rows.schema())?;
            writer.write(rows)?;
            writer.into_inner()
        };
        write().map_err(ser::Error::custom)?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RecordBatch, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        let read = || {
            let reader = StreamReader::try_new(bytes.as_slice(), None)?;
            let schema = reader.schema();
            concat_batches(&schema, &reader.collect::<Result<Vec<_>, _>>()?)
        };
        read().map_err(de::Error::custom)
    }
}

/// The statements that are admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// `SELECT …`, `VALUES …`, `WITH … SELECT …`.
    Query,
    /// `EXPLAIN SELECT …`: the logical plan, in our own words, down to the governed scans.
    Explain,
    /// `DESCRIBE ref`, `SHOW COLUMNS FROM ref`: columns and types of one reference.
    Describe,
    /// `SHOW TABLES`: the service answers from [`QueryJob::listing`].
    ShowTables,
}

/// Everything an engine may know to answer one statement. A plain value: it can cross a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryJob {
    /// The statement as the user wrote it.
    pub sql: String,
    /// Values for `$1` … (by position) or `$name` (by name).
    pub parameters: Parameters,
    /// One entry per reference of [`Prepared::references`].
    pub tables: Vec<BoundTable>,
    /// The datasets that exist for this reader; given for [`StatementKind::ShowTables`] alone.
    pub listing: Vec<ListedTable>,
    /// One entry per table of [`Prepared::system`].
    pub system: Vec<SystemRows>,
    /// What the statement may use.
    pub limits: QueryLimits,
    /// The time that `now()` means in this statement.
    pub now: Timestamp,
    /// If the answer has to be the same for ever: the same rows in the same order, whatever machine
    /// computes it and whenever. What depends on the time or on chance is refused then.
    #[serde(default)]
    pub fixed: Option<FixedOrder>,
}

impl QueryJob {
    /// A statement over `tables` and nothing else, without parameters, under the usual limits.
    #[must_use]
    pub fn over(tables: Vec<BoundTable>, sql: impl Into<String>, now: Timestamp) -> Self {
        Self {
            sql: sql.into(),
            parameters: Parameters::default(),
            tables,
            listing: Vec::new(),
            system: Vec::new(),
            limits: QueryLimits::default(),
            now,
            fixed: None,
        }
    }
}

/// An order of rows that leaves nothing open: by these columns, then by all others from left to right;
/// ascending, nulls first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FixedOrder {
    /// What they are ordered by first.
    pub by: Vec<String>,
}

/// Values bound to a statement's placeholders: JSON null, booleans, numbers and strings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameters {
    /// For `$1`, `$2` …
    Positional(Vec<serde_json::Value>),
    /// For `$name`.
    Named(serde_json::Map<String, serde_json::Value>),
}

impl BoundTable {
    /// What the statement calls it.
    #[must_use]
    pub fn name(&self) -> TableRef {
        TableRef { reference: self.reference.clone(), part: self.part }
    }

    /// Every file that its rows come from, also by way of others.
    pub fn all_files(&self) -> Box<dyn Iterator<Item = &FileEntry> + '_> {
        let below = self.computed.iter().flat_map(|computed| &computed.tables);
        Box::new(self.files.iter().chain(below.flat_map(Self::all_files)))
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

/// A reference, resolved and pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoundTable {
    /// As the statement wrote it (parsed): `sales.orders@v12`.
    pub reference: DatasetRef,
    /// Which rows of the version it is.
    pub part: TablePart,
    /// The dataset.
    pub dataset: DatasetName,
    /// The version number it resolved to.
    pub version: u64,
    /// The version id it resolved to.
    pub version_id: VersionId,
    /// Its columns.
    pub schema: TableSchema,
    /// Its Parquet files, in row order; older ones may lack columns added later or hold a narrower
    /// type. None of what is computed.
    pub files: Vec<FileEntry>,
    /// What computes its rows, where they are in no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<Box<ComputedTable>>,
    /// What of it this reader may not see.
    pub restriction: Restriction,
}

/// Rows that are the answer to another statement: all of it, as whoever answers for it sees it.
///
/// What a reader may not see of the tables below is kept from them by the restriction of the table
/// above: where there is one, nothing of a statement gets below it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComputedTable {
    /// The statement: a query without parameters, whose columns are those of the table, by name. It
    /// says nothing of time or chance.
    pub sql: String,
    /// One entry per reference that it names, none of them restricted.
    pub tables: Vec<BoundTable>,
}

/// One line of `SHOW TABLES`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTable {
    /// The dataset.
    pub dataset: DatasetName,
    /// `table` or `files`.
    pub kind: lakebed_core::DatasetKind,
    /// Its newest version.
    pub newest: Option<u64>,
    /// The rows of its newest version.
    pub row_count: Option<u64>,
}

/// What one statement may use. Zero never means "no limit".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryLimits {
    /// Rows of the answer; one more row is an error that says so.
    pub max_rows: Option<u64>,
    /// Bytes of the answer's values, before any format: a text or bytes count their length and 4, a
    /// list its items and 4, a boolean 1, everything else its width in Arrow; a value that is null
    /// counts what an empty one does. One more byte is an error that says so.
    pub max_bytes: Option<u64>,
    /// Wall clock from start to last row.
    pub timeout_ms: Option<u64>,
    /// Memory the operators may reserve; they spill beyond it.
    pub memory_bytes: u64,
    /// Scratch the operators may spill to.
    pub spill_bytes: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            max_rows: None,
            max_bytes: None,
            timeout_ms: None,
            memory_bytes: 2 * GIB,
            spill_bytes: 64 * GIB,
        }
    }
}

/// An answer: its columns, and its rows as they come.
pub struct QueryStream {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows. After an error nothing follows; dropping the stream cancels the statement.
    pub batches: BoxStream<'static, Result<RecordBatch, EngineError>>,
    /// The columns that are read of each table.
    pub columns: Vec<ReadColumns>,
    /// Why the same statement on the same versions may have another answer; nothing if it may not.
    pub unstable: Vec<String>,
}

impl std::fmt::Debug for QueryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// What an answer would be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The columns it would have.
    pub schema: SchemaRef,
    /// Where each of them comes from, in the same order.
    pub lineage: Lineage,
}

/// Why a statement was not answered.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It is not SQL, or names what does not exist: the author can mend it.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// It is SQL, but not of the kind that is admitted here.
    #[error("{message}")]
    NotAllowed {
        /// What is not admitted.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A value could not be computed: division by zero, a failed cast.
    #[error("{message}")]
    Failed {
        /// What failed.
        message: String,
    },
    /// It needs more than it may use.
    #[error("{message}")]
    Exhausted {
        /// Which limit, and how large it is.
        message: String,
    },
    /// The bytes of a table are not what their name says.
    #[error(transparent)]
    Store(#[from] lakebed_store::Error),
    /// The engine is broken; the cause is for the log.
    #[error("the query engine failed")]
    Internal {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    /// A stable word for the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "sql-invalid",
            Self::NotAllowed { .. } => "sql-not-allowed",
            Self::Failed { .. } => "sql-failed",
            Self::Exhausted { .. } => "sql-exhausted",
            Self::Store(_) => "corrupt",
            Self::Internal { .. } => "internal",
        }
    }
}

/// A query engine.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug {
    /// Parses and admits `sql`, and names what it reads. Pure: touches neither disk nor network.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] or [`EngineError::NotAllowed`].
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError>;

    /// Plans `job` and starts it. Reads table bytes from `store` alone, verified; nothing is read
    /// before the first batch is asked for, and no call is made to the store while planning.
    ///
    /// # Errors
    /// [`EngineError`]; once the stream has begun, errors come through it.
    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError>;

    /// What the answer to `job` would be made of, by what the statement says: nothing is run, read or
    /// optimised away. What a restriction leaves of a table is taken for the table: a masked column
    /// counts as the column, and what a row filter looks at is not told.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] as when it is run; [`EngineError::NotAllowed`] if it is no query, reads
    /// a table of the system, which has no versions, or does something of which no lineage is known;
    /// [`EngineError::Exhausted`] beyond [`Lineage::MOST_EDGES`].
    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError>;
}
