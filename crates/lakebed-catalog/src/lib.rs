//! The record of what happened: events, in order, and what they add up to.
//!
//! One [`Catalog`] is one database. [`Catalog::commit`] writes events and the tables projected from
//! them in one transaction; [`Catalog::replay`] puts a journal's events into an empty database
//! through the same projection, so that a rebuilt catalog is equal by construction
//! ([`Catalog::export`] compares them). Readers see the state as of the *journaled mark* and nothing
//! above it: what was shown can never be lost with the database.
//!
//! It knows no rules: whether a change is allowed is decided above. It never reads the clock, and
//! it never touches an object or the journal; the service moves those, and the mark.
//!
//! | table | it is | changes |
//! |---|---|---|
//! | `meta` | one row: lake, last `seq` and time, journaled mark | updated by each commit and mark |
//! | `events` | the changes themselves | insert only |
//! | `datasets`, `versions`, `objects` | what the events made | insert only |
//! | `declarations` | the catalogs that people applied | insert only |
//! | `materialised` | which live versions are in files as well | insert only |
//! | `object_datasets` | which datasets name an object | insert only |
//! | `derivations`, `version_inputs` | which datasets, and versions, others were computed from | insert only |
//! | `locks` | what people registered that they count on | insert only |
//! | `lineage_events`, `lineage_names`, `lineage_datasets` | what pipelines elsewhere told, and which datasets it names | insert only |
//! | `findings` | which contracts were measured on which versions | insert only |
//! | `reviews`, `notices` | what people said of promotions, and of the end of datasets | insert only |
//! | `committed_runs` | programs that made versions, or failed to | insert only |
//! | `head_moves` | every head a stage ever had | insert only |
//! | `tokens`, `token_revocations` | API tokens, and which were taken back | insert only |
//! | `heads` | the heads now, above the mark too: for compare-and-swap | updated |
//! | `lineage_told` | how far our own events were told to whom; no part of the record | updated |
//! | `leases` | who does which background work; no part of the record | updated |
//! | `reads`, `read_log` | who read what, and how far that is in segments; no part of the events | insert; updated |
//! | `uploads`, `jobs`, `runs` | what is under way; no event speaks of it, no rebuild brings it back | all |
//!
//! SQLite or PostgreSQL, through the same statements (`statement.rs`): they keep to what both
//! understand (`$1` placeholders, `ON CONFLICT`, no function whose type differs). What is one
//! engine's own is in `sqlite.rs`, `postgres.rs` and `schema.rs`.

mod beside;
mod commit;
mod connection;
mod database;
mod dataset;
mod declaration;
mod derivation;
mod error;
mod event;
mod examine;
mod export;
mod findings;
mod flaw;
mod job;
mod journal;
mod lease;
mod lock;
mod materialised;
mod meta;
mod object;
mod object_dataset;
mod openlineage;
mod pool;
mod postgres;
mod projection;
mod promotion;
#[cfg(test)]
mod query_plans;
mod read;
mod resolve;
mod row;
mod run;
mod schema;
mod sqlite;
mod statement;
mod token;
mod tries;
mod upload;
mod version;

pub use beside::{Aside, Beside};
pub use commit::{Commit, Committed};
pub use database::Catalog;
pub use dataset::{DatasetFilter, DatasetRecord, NewestState, StageHead};
pub use declaration::Declaration;
pub use error::{BoxError, Entity, Error, Result};
pub use findings::FindingsRecord;
pub use job::{JobOutline, JobRecord, JobState, UnfinishedJob};
pub use journal::{JournalMark, JournalState};
pub use lease::Lease;
pub use lock::LockRecord;
pub use materialised::MaterialisedRecord;
pub use meta::Snapshot;
pub use openlineage::LineageFilter;
pub use pool::PoolState;
pub use promotion::{
    HeadRecord, NoticeRecord, PromotionState, ReachedVersion, ReviewRecord, VersionState,
};
pub use read::{NewReadRecord, ReadPart, ReadRecord};
pub use resolve::{Candidate, NotFound, Resolution, ResolveOutcome, Resolved};
pub use run::{BegunRun, RunState};
pub use token::TokenRecord;
pub use upload::{UploadRecord, UploadUsage};
pub use version::VersionRecord;
