//! From sources to a version.
//!
//! Sources into the store, then decode, then table files, quarantine, lists and manifest into the
//! store, then **one** catalog commit, then the journal. Before the commit nothing is visible; after
//! the journal everything is. Whoever loses a race plans again on what the winner left.

mod attempt;
mod lists;
mod plan;
mod promise;
mod replay;
mod sources;
mod target;

use std::{path::PathBuf, sync::Arc};

pub(crate) use attempt::{Attempt, Computed, Prepared, Ran, not_the_source, record_of};
pub(crate) use promise::{Known, Promise, key_of};
pub(crate) use replay::key_reused;
pub(crate) use sources::{Sources, blocking, check_names};
pub(crate) use target::Target;

use lakebed_core::{
    DatasetName, DatasetRef, Decode, DecodeOptions, IngestMode, ObjectId, SchemaChange,
    SourceEntry, TableSchema, Tally,
};

use crate::{
    ContractFinding, Ctx, Error, Lake, ProgressSink, Result, Ticket, VersionRecord, progress::Meter,
};

/// How often a lost race is planned again.
const ATTEMPTS: u32 = 100;

/// What to ingest, into what, and how.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    /// The dataset; created with its first version.
    pub dataset: DatasetName,
    /// Exactly these sources, or added to the newest version.
    pub mode: IngestMode,
    /// The caller's word for "once more, on purpose".
    pub again: Option<String>,
    /// The version whose quarantined rows the sources hold, corrected: the new version cites it.
    pub repairs: Option<DatasetRef>,
    /// The sources, in order; at least one.
    pub sources: Vec<SourceInput>,
    /// How to read them.
    pub options: DecodeOptions,
}

/// Where a source's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceInput {
    /// A file of this machine. Only the in-process mount accepts these.
    Path {
        /// The name it is kept under.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// What the same actor uploaded.
    Upload {
        /// The name it is kept under.
        name: String,
        /// The digest of its bytes.
        object: ObjectId,
    },
}

impl SourceInput {
    /// The name it is kept under.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Path { name, .. } | Self::Upload { name, .. } => name,
        }
    }

    /// What the same principal uploaded.
    pub(crate) const fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Upload { object, .. } => Some(*object),
            Self::Path { .. } => None,
        }
    }
}

/// Whether an ingest made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestStatus {
    /// It did.
    Committed,
    /// The newest version is exactly this already; nothing was stored.
    Unchanged,
}

/// What an ingest did.
#[derive(Debug, Clone)]
pub struct IngestOutcome {
    /// Whether it made a version.
    pub status: IngestStatus,
    /// That version.
    pub version: VersionRecord,
    /// How the schema changed from the version before.
    pub changes: Vec<SchemaChange>,
    /// What was detected and what could be said better, for people.
    pub notes: Vec<String>,
    /// The sources of this ingest, and what became of their rows; empty when unchanged.
    pub sources: Vec<SourceEntry>,
    /// What the contract in force promises and the version keeps, or not: every rule, in the
    /// contract's order; empty without a contract, and when unchanged.
    pub findings: Vec<ContractFinding>,
    /// Bytes that were not in the lake before.
    pub new_bytes: u64,
    /// Whether the asker may read all of the lake. If not, `new_bytes` is not for them: it says what
    /// others have.
    pub sees_lake: bool,
    /// Whether the asker may read the dataset. If not, digests and counts of the version are not
    /// for them.
    pub is_readable: bool,
}

/// What an ingest would do.
#[derive(Debug, Clone)]
pub struct IngestPlan {
    /// Every source and what would become of it.
    pub sources: Vec<PlannedSource>,
    /// The schema the version would have; from a sample where it is inferred.
    pub schema: Option<TableSchema>,
    /// How it differs from the newest version's.
    pub changes: Vec<SchemaChange>,
    /// The names of the sample's columns.
    pub sample_columns: Vec<String>,
    /// The first rows of the first source, as text; none for null.
    pub sample: Vec<Vec<Option<String>>>,
    /// What was detected and what could be said better, for people.
    pub notes: Vec<String>,
}

/// A source, looked through.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSource {
    /// The name it would be kept under.
    pub name: String,
    /// How it would be read; none for kind `files`.
    pub decode: Option<Decode>,
    /// What would be accepted.
    pub accepted: Tally,
    /// What would be quarantined.
    pub quarantined: Tally,
}

impl Lake {
    /// Makes a version of `request.sources`, or finds that the newest version is exactly that.
    ///
    /// Atomic: the version is visible whole when this returns, or not at all. Two that ingest the
    /// same at once make one version.
    ///
    /// # Errors
    /// [`Error::Refused`] when the sources were kept but make no version; [`Error::Invalid`] when
    /// the request cannot be meant like that; [`Error::Forbidden`] or [`Error::NotFound`] for those
    /// who may not ingest into the dataset, whether it exists or not.
    pub async fn ingest(
        &self,
        ctx: &Ctx,
        request: IngestRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<IngestOutcome> {
        let ticket = self.admit_ingest(ctx)?;
        self.ingest_in_turn(ctx, ticket, request, progress).await
    }

    /// A place in the queue of those who ingest; principals take turns.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already.
    pub fn admit_ingest(&self, ctx: &Ctx) -> Result<Ticket> {
        self.inner.ingests.enter(ctx.actor())
    }

    /// As [`Self::ingest`], once it is the ticket's turn.
    ///
    /// # Errors
    /// As [`Self::ingest`]; [`Error::Cancelled`] when `progress` says so before the commit.
    pub async fn ingest_in_turn(
        &self,
        ctx: &Ctx,
        ticket: Ticket,
        request: IngestRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<IngestOutcome> {
        let watch = self.inner.listener.ingest_begins();
        let outcome = self.ingest_unwatched(ctx, ticket, request, progress).await;
        watch.end(&outcome);
        outcome
    }

    #[tracing::instrument(level = "debug", name = "ingest", skip_all)]
    async fn ingest_unwatched(
        &self,
        ctx: &Ctx,
        ticket: Ticket,
        request: IngestRequest,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<IngestOutcome> {
        self.authorize_ingest(ctx, &request.dataset).await?;
        check_names(&request)?;
        self.refuse_product(&request.dataset).await?;
        let meter = Arc::new(Meter::new(progress));
        let _stop_workers = meter.cancel_on_drop();
        let _permit = ticket.admitted(|before| meter.queued(before)).await?;
        if let Some(outcome) = self.replayed(ctx, &request).await? {
            self.forget_uploads_of(ctx, &request).await;
            return Ok(outcome);
        }
        let mut sources = Sources::identify(self, ctx, &request, &meter).await?;
        let mut attempt = Attempt::new(self, ctx, &request, &meter);
        for _ in 0..ATTEMPTS {
            let target = self.ingest_target(ctx, &request).await?;
            let mut unchanged = attempt.is_unchanged(&target, &sources).await?;
            if unchanged.is_none() && sources.stage(self, &meter).await? {
                // Only now are all digests known, and somebody may have been faster.
                unchanged = attempt.is_unchanged(&target, &sources).await?;
            }
            if let Some(version) = unchanged {
                let outcome = self.unchanged(ctx, version).await?;
                self.forget_uploads_of(ctx, &request).await;
                return Ok(outcome);
            }
            match attempt.make_version(&target, &mut sources).await {
                Err(Error::Conflict { .. }) => {
                    tracing::debug!(dataset = %request.dataset, "planning again");
                }
                Err(error) => return Err(error),
                Ok(outcome) => {
                    self.forget_uploads_of(ctx, &request).await;
                    return Ok(outcome);
                }
            }
        }
        Err(Error::Conflict {
            message: format!(
                "`{}` moved {ATTEMPTS} times while this ingest was under way",
                request.dataset
            ),
        })
    }

    /// What is computed is not ingested.
    pub(crate) async fn refuse_product(&self, dataset: &DatasetName) -> Result<()> {
        let in_force = self.newest_in_force().await?.1.unwrap_or_default();
        match in_force.declared.products.contains_key(dataset) {
            false => Ok(()),
            true => Err(Error::Invalid {
                code: "is-a-product",
                message: format!("`{dataset}` is a product: it is built, not ingested"),
                hint: Some(format!("`lakebed build {dataset}`")),
            }),
        }
    }

    /// What became objects waits no longer. What cannot be removed now expires.
    pub(crate) async fn forget_uploads_of(&self, ctx: &Ctx, request: &IngestRequest) {
        let objects: Vec<ObjectId> =
            request.sources.iter().filter_map(SourceInput::object).collect();
        if objects.is_empty() {
            return;
        }
        if let Err(error) = self.forget_uploads(ctx, &objects).await {
            tracing::warn!(%error, "could not remove uploads that were ingested");
        }
    }

    pub(crate) async fn unchanged(
        &self,
        ctx: &Ctx,
        version: VersionRecord,
    ) -> Result<IngestOutcome> {
        self.inner.journal.publish_through(version.seq).await?;
        let rights = self.rights(ctx).await?;
        Ok(IngestOutcome {
            status: IngestStatus::Unchanged,
            is_readable: rights.reads(&version.dataset),
            version,
            changes: Vec::new(),
            notes: Vec::new(),
            sources: Vec::new(),
            findings: Vec::new(),
            new_bytes: 0,
            sees_lake: rights.reads_everything(),
        })
    }
}
