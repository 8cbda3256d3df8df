//! The wire format of Lakebed's HTTP API: what is sent and received under `/v1`.
//!
//! Plain types with serde and their OpenAPI schemas; no HTTP library, no service. The conversion
//! from what the service answers is `lakebed-server`'s; making requests is `lakebed-client`'s.
//!
//! | noun | requests and responses | resource |
//! |---|---|---|
//! | lake | [`LakeInfo`], [`Health`] | `/v1/lake`, `/health/live`, `/health/ready` |
//! | dataset | [`DatasetList`], [`DatasetAnswer`] | `/v1/datasets` |
//! | version | [`VersionPage`], [`VersionAnswer`] | `/v1/datasets/{namespace}/{name}/versions`, `/v1/versions` |
//! | profile | [`ProfileAnswer`] | `/v1/profiles` |
//! | difference | [`DiffRequest`], [`DiffAnswer`] | `/v1/diffs` |
//! | reference | [`ResolveRequest`], [`ResolveResponse`] | `/v1/resolve` |
//! | upload | [`Uploaded`], [`UploadState`] | `/v1/uploads`, `/v1/uploads/{id}` |
//! | ingest | [`IngestRequest`], [`IngestPlan`], [`IngestResponse`] | `/v1/ingest-plans`, `/v1/ingests` |
//! | product | [`ProductList`], [`ProductAnswer`] | `/v1/products`, `/v1/products/{namespace}/{name}` |
//! | row | [`RowsPage`] | `/v1/products/{namespace}/{name}/rows` |
//! | build | [`BuildRequest`], [`BuildList`], [`IngestResponse`] | `/v1/products/{namespace}/{name}/builds` |
//! | lineage | [`LineageAnswer`] | `/v1/datasets/{namespace}/{name}/lineage`, `…/openlineage` |
//! | impact | [`ImpactAnswer`] | `/v1/datasets/{namespace}/{name}/impact` |
//! | report | [`LakeReport`] | `/v1/report` |
//! | registered lock | [`LockRequest`], [`LockAnswer`] | `/v1/locks/{name}` |
//! | run | [`RunRequest`], [`Run`], [`RunList`] | `/v1/runs`, `/v1/runs/{id}`, `/v1/runs/{id}/log`, `/v1/runs/{id}/heartbeat` |
//! | end of a run | [`RunCommitRequest`], [`RunCommitAnswer`], [`RunAbortRequest`] | `/v1/runs/{id}/commit`, `/v1/runs/{id}/abort` |
//! | job | [`Job`], [`JobList`] | `/v1/jobs`, `/v1/jobs/{id}`, `/v1/jobs/{id}/events` |
//! | statement | [`SqlRequest`], [`SqlResult`] | `/v1/sql` |
//! | receipt | [`Receipt`], [`Replay`] | `/v1/receipts/{id}`, `/v1/receipts/{id}/replay` |
//! | long statement | [`StatementRequest`], [`Statement`] | `/v1/statements`, `/v1/statements/{id}`, `/v1/statements/{id}/chunks/{n}` |
//! | event | [`EventPage`] | `/v1/events` |
//! | event of lineage | [`LineageEventAnswer`], [`LineageEventPage`] | `/api/v1/lineage`, `/v1/lineage/events` |
//! | catalog | [`CatalogAnswer`], [`CatalogPlan`], [`CatalogApplied`] | `/v1/catalog`, `/v1/catalog/plan`, `/v1/catalog/apply` |
//! | access | [`AccessExplanation`] | `/v1/access/explain` |
//! | promotion | [`PromotionRequest`], [`PromotionAnswer`] | `/v1/promotions` |
//! | review | [`ReviewRequest`], [`ReviewAnswer`], [`ReviewList`] | `/v1/reviews` |
//! | notice | [`DeprecationRequest`], [`RetirementRequest`], [`NoticeAnswer`] | `/v1/deprecations`, `/v1/retirements` |
//! | verification | [`VerifyRequest`], [`VerifyReport`] | `/v1/verifications` |
//! | token | [`TokenRequest`], [`NewToken`], [`TokenList`] | `/v1/tokens` |
//! | caller | [`WhoAmI`] | `/v1/whoami` |
//! | problem | [`Problem`] | every error |
//!
//! On the wire: ids and digests are lower-case hex strings, times are RFC 3339 in UTC with six
//! decimals, counts are whole numbers, sizes are bytes. Requests refuse unknown fields; clients
//! must ignore fields of responses that they do not know.

mod catalog;
mod contract;
mod dataset;
mod diff;
mod event;
mod ingest;
mod job;
mod lake;
mod line;
mod lineage;
pub mod media;
mod openlineage;
mod problem;
mod product;
mod profile;
mod promotion;
mod receipt;
mod resolve;
mod run;
pub mod schemas;
mod sql;
mod statement;
mod token;
mod upload;
mod verify;
mod version;

pub use catalog::{
    AccessExplanation, ActionExplained, AttributeChange, CatalogAnswer, CatalogApplied,
    CatalogApplyRequest, CatalogPlan, CatalogPlanRequest, ContractChange, ContractReason,
    GrantExplained, GroupChange, LadderChange, PolicyChange, PolicyExplained, ProductChange, Reach,
    ReviewedColumn, RightChange, SightChange, TaggedPart,
};
pub use contract::{ContractCheckRequest, ContractReport, FirstBroken, RuleFinding};
pub use dataset::{DatasetAnswer, DatasetList, DatasetSummary, Head};
pub use diff::{
    CellChange, CellCount, ChangedRow, ColumnChange, ColumnDiff, DiffAnswer, DiffRequest, RowDiff,
};
pub use event::{EventEntry, EventPage};
pub use ingest::{
    IngestPlan, IngestRequest, IngestResponse, IngestSource, IngestStatus, PlannedSource,
    SchemaChange, SchemaChangeKind,
};
pub use job::{Job, JobList, JobState};
pub use lake::{Health, LakeInfo, Snapshot};
pub use line::{Line, Progress};
pub use lineage::{
    ColumnEdge, ExternalNode, ImpactAnswer, ImpactLock, ImpactProduct, ImpactReader, LakeFinding,
    LakeReport, LineageAnswer, LineageEdge, LineageVersion, LockAnswer, LockRequest, Original,
    RowsEdge,
};
pub use openlineage::{LineageEvent, LineageEventAnswer, LineageEventNode, LineageEventPage};
pub use problem::{BrokenStream, Problem};
pub use product::{
    BuildList, BuildRequest, Links, LockedReference, ProductAnswer, ProductList, ProductSummary,
    RowsPage,
};
pub use profile::{
    ColumnProfile, DistinctCount, Distribution, FrequentValue, ProfileAnswer, Quantile,
};
pub use promotion::{
    Approval, DeprecationRequest, GateOutcome, Notice, NoticeAnswer, PlannedPromotion,
    PromotionAnswer, PromotionRequest, RetirementRequest, Review, ReviewAnswer, ReviewList,
    ReviewRequest, Verdict, Waiver,
};
pub use receipt::{Receipt, ReceiptColumns, ReceiptOutcome, ReceiptVersion, Replay};
pub use resolve::{FileLink, ResolveRequest, ResolveResponse, ResolvedVersion};
pub use run::{
    GitState, Invocation, NewRunOutput, PinnedInput, Run, RunAbortRequest, RunCommitAnswer,
    RunCommitRequest, RunEnvironment, RunInput, RunList, RunOutput, RunRequest, RunState,
};
pub use sql::{
    ResolvedInput, SqlColumn, SqlLimits, SqlParameters, SqlRequest, SqlResult, decode_resolved,
    encode_resolved, format_snapshot, parse_snapshot,
};
pub use statement::{Statement, StatementChunk, StatementRequest, StatementResult};
pub use token::{NewToken, TokenList, TokenRequest, TokenSummary, WhoAmI};
pub use upload::{UploadState, Uploaded};
pub use verify::{Finding, VerifyReport, VerifyRequest};
pub use version::{InputVersion, SourceFile, VersionAnswer, VersionPage, VersionSummary};
