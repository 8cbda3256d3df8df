//! The use cases of Lakebed: ingest, resolve, query, verify, rebuild, and the order of their
//! writes.
//!
//! Every path walks left to right and visits a component once: an ingest writes the catalog last, a
//! query reads it first and once. This crate knows no HTTP, no command line and no DataFusion; the
//! engine is a port ([`engine::Engine`]), the clock and the actor come in from outside.

mod access;
mod admission;
mod browse;
mod build;
mod cache;
mod contract;
mod ctx;
mod diff;
mod doctor;
pub mod engine;
/// The rules that the use cases follow.
pub use lakebed_govern as govern;
mod error;
mod event;
mod impact;
mod ingest;
mod job;
mod journal;
mod lake;
mod lineage;
mod live;
mod lock;
mod measure;
mod observe;
mod openlineage;
mod people;
mod policy;
mod probe;
mod profile;
mod progress;
mod promotion;
mod query;
mod reads;
mod rebuild;
mod refresh;
mod report;
mod resolve;
mod rows;
mod run;
mod statement;
mod system;
mod token;
mod upload;
mod verify;

pub use access::Seen;
pub use admission::{AdmissionLimits, Ticket};
pub use build::{BUILD, BuildOutcome, BuildRequest, SeenProduct};
pub use contract::{
    ContractCheckError, ContractCheckRequest, ContractFinding, ContractReport, Unreadable,
    VersionReport, check_contract,
};
pub use ctx::{Clock, Ctx, Door, SystemClock};
pub use diff::{CellCount, ColumnChange, ColumnDiff, DiffAnswer, DiffRequest, RowDiff, RowSamples};
pub use doctor::examine;
pub use error::{Error, Result};
pub use event::{EventsSeen, SeenEvent, Sight};
pub use impact::{ImpactAnswer, ImpactLock, ImpactProduct, ImpactReader};
pub use ingest::{
    IngestOutcome, IngestPlan, IngestRequest, IngestStatus, PlannedSource, SourceInput,
};
pub use job::{
    JobOutcome, JobQueue, JobRun, JobRunner, JobRunners, JobStatus, JobTimes, Jobs, NewJob,
    StoredAsker, StoredStanding,
};
pub use journal::{ChainSegment, Link, Segment, SegmentBytes};
pub use lake::{
    Lake, LakeConfig, LakeInfo, LakeParts, OpenMode, WorkLimits, catalog_file, shown_catalog_url,
};
pub use lakebed_catalog::{
    DatasetRecord, Declaration, JobState, LineageFilter, NoticeRecord, PoolState, ReviewRecord,
    Snapshot, StageHead, TokenRecord, VersionRecord,
};
pub use lakebed_contract::consequence_of;
pub use lakebed_ingest::LocalSource;
pub use lineage::{
    ColumnEdge, Direction, ExternalNode, LineageAnswer, LineageEdge, LineageRequest,
    LineageVersion, RowsEdge,
};
pub use observe::{IngestEnded, IngestEnding, Observer, SegmentOrigin};
pub use openlineage::{
    LineageEventsSeen, LineageSink, LineageToTell, MAX_EVENT_BYTES, SeenLineageEvent,
};
pub use people::{AppliedCatalog, ApplyCatalog, DeclaredCatalog};
pub use probe::{NoProbe, Probe};
pub use profile::ProfileAnswer;
pub use progress::{NoProgress, Progress, ProgressSink};
pub use promotion::{
    DeprecateRequest, PromotionAnswer, PromotionRequest, ReviewAnswer, ReviewRequest,
};
pub use query::{QueryAnswer, QueryRequest};
pub use reads::{
    Asked, ReadBody, ReadColumns, ReadEnding, ReadIntent, ReadOutcome, ReadVersion, Receipt,
    ReceiptOutcome, ReceiptVersion, Replay, StoredRead, Verdict,
};
pub use rebuild::{RebuildReport, rebuild, rebuild_replacing};
pub use refresh::Looked;
pub use report::{Report, ReportFinding, ReportKind};
pub use resolve::{Detail, Resolution, ResolvedVersion, VersionDetail};
pub use rows::{
    Age, ProductNotice, ProductShape, QueryOfProduct, RowsPage, RowsRequest, Staleness, has_values,
};
pub use run::{
    AbortRun, BeginRun, CommitRun, RunInput, RunOutcome, RunOutputs, RunStanding, SeenInput,
    SeenRun,
};
pub use statement::{
    Basis, KeptAnswer, KeptChunk, KeptResult, ResultLimits, STATEMENT, StatementRun,
};
pub use token::{
    DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS, ProvedToken, ShownToken, TokenRefusal, TokenRequest,
};
pub use upload::{NewUpload, UploadLimits, UploadState, Uploaded};
pub use verify::{VerifyFinding, VerifyReport};
