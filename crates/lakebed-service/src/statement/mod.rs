//! Statements that take long: run into chunks that wait beside the lake, handed out one by one.
//!
//! A statement is a job like any other ([`crate::Jobs`]); what it leaves is a result, which waits
//! for an hour after its end. Rows that were computed are rows that somebody was allowed to see
//! *then*. They are handed out later only if nothing that decided about them has changed
//! ([`Basis`]): else the statement is to be run again (P7).

mod chunks;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use futures::{StreamExt as _, stream::BoxStream};
use lakebed_catalog::{JobOutline, JobState};
use lakebed_core::{DatasetName, DatasetRef, ObjectId, Timestamp};
use lakebed_govern::Rights;
use lakebed_store::WaitingResult;
use serde::{Deserialize, Serialize};

use self::chunks::{Cut, Cutter, blocking};
use crate::{
    Ctx, Error, Lake, ProgressSink, QueryRequest, ResolvedVersion, Result, Snapshot, Ticket,
    engine::{EngineError, QueryStream},
    job::identity,
    progress::Meter,
};

/// The kind of jobs that are statements.
pub const STATEMENT: &str = "statement";

/// The most chunks that one result may have: 2³¹ rows, or 32 GiB before they are compressed.
const MOST_CHUNKS: usize = 4096;
/// How often it is told how far a statement is, while it gives no rows.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// When to come back if there is no room.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Rows as they come.
type Batches = BoxStream<'static, Result<RecordBatch, EngineError>>;

/// How much of results may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultLimits {
    /// Bytes of one result, as they are stored.
    pub result_bytes: u64,
    /// Bytes of all results together; half of them may be one principal's.
    pub total_bytes: u64,
    /// How long a result waits after the end of its statement.
    pub kept: Duration,
}

impl Default for ResultLimits {
    /// 4 GiB, 64 GiB, an hour.
    fn default() -> Self {
        Self { result_bytes: 4 << 30, total_bytes: 64 << 30, kept: Duration::from_secs(3600) }
    }
}

/// The limits in force.
#[derive(Debug, Default)]
pub(crate) struct Results(Mutex<ResultLimits>);

impl Results {
    pub(crate) fn limit(&self, limits: ResultLimits) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    fn limits(&self) -> ResultLimits {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What decided about the rows of a statement, besides who asked: which catalog was declared, which of
/// its grants had not ended, and what the columns were called that its policies are about. Noted before
/// the statement is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The event that declared the catalog; none where nothing was declared, and for owners, who are
    /// under nothing.
    declared_by: Option<u64>,
    /// When it was noted.
    at: Timestamp,
    /// A digest of the newest names of the columns of each dataset that a policy keeps a part of from
    /// the asker.
    columns: BTreeMap<DatasetName, ObjectId>,
}

/// One run of a statement.
pub struct StatementRun {
    /// The statement: its result has this name.
    pub id: String,
    /// The run: a later one has a greater name.
    pub run: String,
    /// Its place in the queue.
    pub ticket: Ticket,
    /// Hears how far it is, and tells it to stop.
    pub progress: Arc<dyn ProgressSink>,
}

/// An answer whose rows wait.
#[derive(Debug)]
pub struct KeptAnswer {
    /// As [`crate::QueryAnswer::statement_id`].
    pub statement_id: String,
    /// The snapshot its references were resolved against.
    pub snapshot: Snapshot,
    /// What every reference resolved to, in order of appearance.
    pub resolved: Vec<ResolvedVersion>,
    /// The columns.
    pub schema: SchemaRef,
    /// Where the rows are.
    pub kept: KeptResult,
}

/// Rows that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResult {
    /// The run that computed them.
    run: String,
    /// The chunks, in order; at least one.
    pub chunks: Vec<KeptChunk>,
}

/// Some of them. Written as a short list: there may be thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, ObjectId)", into = "(u64, u64, ObjectId)")]
pub struct KeptChunk {
    /// How many rows.
    pub row_count: u64,
    /// How many bytes wait.
    pub size_bytes: u64,
    /// What they hash to.
    digest: ObjectId,
}

impl From<(u64, u64, ObjectId)> for KeptChunk {
    fn from((row_count, size_bytes, digest): (u64, u64, ObjectId)) -> Self {
        Self { row_count, size_bytes, digest }
    }
}

impl From<KeptChunk> for (u64, u64, ObjectId) {
    fn from(chunk: KeptChunk) -> Self {
        (chunk.row_count, chunk.size_bytes, chunk.digest)
    }
}

impl KeptResult {
    /// How many rows in all.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.row_count).sum()
    }
}

impl Lake {
    /// Whether a statement can be meant like that, and may be asked: for doors that accept it now
    /// and run it later.
    ///
    /// # Errors
    /// As [`Lake::query`], as far as that is known before it is run.
    pub async fn check_statement(&self, ctx: &Ctx, sql: &str) -> Result<()> {
        let prepared = self.inner.engine.prepare(sql)?;
        let references: Vec<DatasetRef> =
            prepared.references.into_iter().map(|named| named.reference).collect();
        self.resolve_rows(ctx, &references).await.map(drop)
    }

    /// What decides now about the rows of a statement of the asker.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn basis(&self, ctx: &Ctx, sql: &str) -> Result<Basis> {
        let at = self.inner.clock.now();
        let mut basis = Basis { declared_by: None, at, columns: BTreeMap::new() };
        if ctx.identity.is_owner() {
            return Ok(basis);
        }
        // First of all: should another be declared before the next look, this one is outdated.
        let declaration = self.inner.catalog.declaration().await?;
        basis.declared_by = declaration.map(|declaration| declaration.seq);
        let rights = self.rights(ctx).await?;
        for named in self.inner.engine.prepare(sql)?.references {
            let dataset = named.reference.dataset;
            if rights.is_restricted(&dataset) && !basis.columns.contains_key(&dataset) {
                let names = self.newest_names_digest(&dataset).await?;
                basis.columns.insert(dataset, names);
            }
        }
        Ok(basis)
    }

    async fn newest_names_digest(&self, dataset: &DatasetName) -> Result<ObjectId> {
        let names = self.newest_names(dataset).await?;
        let text = serde_json::to_vec(&names).map_err(Error::internal)?;
        Ok(ObjectId::of(&text))
    }

    /// Runs a statement, and lets its rows wait. What earlier runs left is removed first; of a run
    /// that fails nothing is left.
    ///
    /// `basis` was noted before: should anything have been declared since, the statement fails as
    /// its result would when somebody came for it.
    ///
    /// # Errors
    /// As [`Lake::query`]; [`Error::Cancelled`]; [`Error::ResultTooLarge`], [`Error::NoRoom`] and
    /// [`Error::Busy`] when there is no room for the result; [`Error::Gone`]; [`Error::Forbidden`]
    /// when the token was revoked.
    pub async fn run_statement(
        &self,
        ctx: &Ctx,
        request: QueryRequest,
        run: StatementRun,
        basis: &Basis,
    ) -> Result<KeptAnswer> {
        let StatementRun { id, run, ticket, progress } = run;
        let meter = Meter::new(progress);
        let kept = self.run_into_chunks(ctx, request, ticket, &meter, (&id, &run), basis).await;
        if kept.is_err()
            && let Err(error) = self.inner.store.forget_runs(&id, &run).await
        {
            tracing::warn!(statement = id, %error, "what a statement left will be swept later");
        }
        kept
    }

    async fn run_into_chunks(
        &self,
        ctx: &Ctx,
        request: QueryRequest,
        ticket: Ticket,
        meter: &Meter,
        (id, run): (&str, &str),
        basis: &Basis,
    ) -> Result<KeptAnswer> {
        self.inner.store.forget_runs(id, run).await?;
        self.check_still_holds(ctx, basis).await?;
        self.check_room(ctx).await?;
        let turn = || Ok(ticket);
        let answer = self.query_in_turn(ctx, request, turn, |before| meter.queued(before));
        let answer = meter.unless_cancelled(answer).await?;
        meter.begin("answering", None);
        let QueryStream { schema, mut batches, .. } = answer.stream;
        let mut cutter = Cutter::new(&schema);
        let mut kept = KeptResult { run: run.to_owned(), chunks: Vec::new() };
        // Only waiting is broken off: nothing is written once it was forgotten.
        while let Some(batch) = meter.unless_cancelled(next(&mut batches, meter)).await? {
            meter.add_rows(batch.num_rows() as u64);
            let push = move || cutter.push(batch).map(|full| (full, cutter));
            let full;
            (full, cutter) = blocking(push).await?;
            for chunk in full {
                self.keep(ctx, id, &mut kept, chunk, basis).await?;
            }
        }
        for chunk in blocking(move || cutter.finish()).await? {
            self.keep(ctx, id, &mut kept, chunk, basis).await?;
        }
        meter.check_cancelled()?;
        Ok(KeptAnswer {
            statement_id: answer.statement_id,
            snapshot: answer.snapshot,
            resolved: answer.resolved,
            schema,
            kept,
        })
    }

    /// Lets a chunk wait, if there is room for it and its reader may still see it: what nobody would
    /// get needs no computing.
    async fn keep(
        &self,
        ctx: &Ctx,
        id: &str,
        kept: &mut KeptResult,
        chunk: Cut,
        basis: &Basis,
    ) -> Result<()> {
        self.check_still_holds(ctx, basis).await?;
        let Cut { row_count, digest, bytes } = chunk;
        let size_bytes = bytes.len() as u64;
        let all: u64 = kept.chunks.iter().map(|chunk| chunk.size_bytes).sum::<u64>() + size_bytes;
        let most = self.inner.results.limits().result_bytes;
        if all > most || kept.chunks.len() >= MOST_CHUNKS {
            return Err(too_large(most));
        }
        let number = kept.chunks.len() as u64;
        self.inner.store.keep_chunk(id, &kept.run, number, bytes).await?;
        kept.chunks.push(KeptChunk { row_count, size_bytes, digest });
        Ok(())
    }

    /// Whether there is room for another result of the asker.
    async fn check_room(&self, ctx: &Ctx) -> Result<()> {
        let total_bytes = self.inner.results.limits().total_bytes;
        let own_bytes = total_bytes / 2;
        let waiting = self.inner.store.waiting_results().await?;
        let all: u64 = waiting.iter().map(|result| result.size_bytes).sum();
        if all >= total_bytes {
            return Err(Error::NoRoom {
                message: "the room for results is taken".to_owned(),
                hint: "try again when others have fetched theirs; `POST /v1/sql` needs no room"
                    .to_owned(),
                retry_after: RETRY_AFTER,
            });
        }
        if all < own_bytes {
            return Ok(());
        }
        let known = self.known_results(&waiting).await?;
        let is_own = |result: &&WaitingResult| {
            known.iter().any(|job| job.id == result.result && job.principal == ctx.actor())
        };
        let own: u64 = waiting.iter().filter(is_own).map(|result| result.size_bytes).sum();
        match own >= own_bytes {
            false => Ok(()),
            true => Err(Error::Busy {
                code: "too-many-results",
                message: format!("{own} bytes of results of yours wait, of at most {own_bytes}"),
                hint: "`DELETE /v1/statements/{id}` forgets one; `POST /v1/sql` needs no room"
                    .to_owned(),
                retry_after: RETRY_AFTER,
            }),
        }
    }

    async fn known_results(&self, waiting: &[WaitingResult]) -> Result<Vec<JobOutline>> {
        let ids: Vec<String> = waiting.iter().map(|result| result.result.clone()).collect();
        Ok(self.inner.catalog.jobs_among(&ids).await?)
    }

    /// Whether what a statement told may be told to the asker now. It was asked for by `asked_by`
    /// ([`crate::JobStatus`]'s record has it), and run on `basis`.
    ///
    /// The asker must be who asked then: with the same groups and attributes, which policies and
    /// grants go by, and with a credential of the same scope. And the credential that was shown then
    /// must still be good: who takes it back takes back what was asked with it.
    ///
    /// # Errors
    /// [`Error::Gone`] when it may not.
    pub async fn check_told(&self, ctx: &Ctx, asked_by: &str, basis: &Basis) -> Result<()> {
        let asked = identity::from_text(asked_by).ok_or_else(outdated)?;
        if asked.identity != ctx.identity {
            return Err(outdated());
        }
        match self.check_still_holds(&asked, basis).await {
            // A revoked token is no news to tell to who holds another.
            Err(Error::Forbidden { .. }) => Err(outdated()),
            checked => checked,
        }
    }

    /// Whether nothing has changed since `basis` was noted that decides about rows: not what is
    /// declared, not which grants are in force, not which columns policies mean, not whether the token
    /// that was shown is good.
    async fn check_still_holds(&self, ctx: &Ctx, basis: &Basis) -> Result<()> {
        self.check_token(ctx).await?;
        let now = self.inner.clock.now();
        if ctx.token.is_some_and(|token| token.expires_at <= now) {
            return Err(outdated());
        }
        if ctx.identity.is_owner() {
            return Ok(());
        }
        let declaration = self.inner.catalog.declaration().await?;
        if declaration.map(|declaration| declaration.seq) != basis.declared_by {
            return Err(outdated());
        }
        let in_force = match declaration {
            None => Arc::default(),
            Some(found) => self.inner.cache.in_force(&self.inner.catalog, found).await?,
        };
        // What is declared is the same, so rights differ only by the grants that ended.
        let rights = |at| Rights::of(&ctx.identity, &in_force.declared, at);
        if rights(basis.at) != rights(now) {
            return Err(outdated());
        }
        for (dataset, names) in &basis.columns {
            if self.newest_names_digest(dataset).await? != *names {
                return Err(outdated());
            }
        }
        Ok(())
    }

    /// The rows of one chunk of the statement `id`, verified; nothing if there is no such chunk.
    /// Whether they may be handed out is [`Lake::check_told`]'s business.
    ///
    /// # Errors
    /// [`Error::ResultDamaged`].
    pub async fn read_chunk(
        &self,
        id: &str,
        kept: &KeptResult,
        number: usize,
    ) -> Result<Option<QueryStream>> {
        use lakebed_store::Error as Store;
        let Some(KeptChunk { size_bytes, digest, .. }) = kept.chunks.get(number).cloned() else {
            return Ok(None);
        };
        let place = number as u64;
        let read = self.inner.store.read_chunk(id, &kept.run, place, size_bytes, digest).await;
        match read {
            Ok(bytes) => chunks::read(bytes).await.map(Some),
            Err(error @ (Store::Corrupt { .. } | Store::NotFound { .. })) => {
                tracing::error!(statement = id, chunk = number, %error, "a result is damaged");
                Err(Error::ResultDamaged { chunk: place })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// When the result of a statement that ended at `ended_at` goes.
    #[must_use]
    pub fn result_goes_at(&self, ended_at: Timestamp) -> Timestamp {
        let kept = i64::try_from(self.inner.results.limits().kept.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(ended_at.as_micros().saturating_add(kept))
    }

    /// Forgets what came of a statement of the asker that has ended, and not that it was.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; what is left then goes later.
    pub async fn forget_result(&self, ctx: &Ctx, id: &str) -> Result<()> {
        // In this order: what nobody knows of any more is swept.
        self.inner.catalog.forget_outcome(ctx.actor(), id).await?;
        Ok(self.inner.store.forget_result(id).await?)
    }

    /// Forgets results whose time is over, and removes chunks that belong to none.
    pub(crate) async fn sweep_results(&self) -> Result<()> {
        let (catalog, store) = (&self.inner.catalog, &self.inner.store);
        let kept = i64::try_from(self.inner.results.limits().kept.as_micros()).unwrap_or(i64::MAX);
        let until = self.inner.clock.now().as_micros().saturating_sub(kept);
        catalog.forget_outcomes(STATEMENT, Timestamp::from_micros(until)).await?;
        let waiting = store.waiting_results().await?;
        let known = self.known_results(&waiting).await?;
        let is_wanted = |result: &WaitingResult| {
            known.iter().any(|job| job.id == result.result && may_have_result(job))
        };
        for WaitingResult { result, .. } in waiting.iter().filter(|result| !is_wanted(result)) {
            tracing::info!(statement = result, "removing a result whose time is over");
            store.forget_result(result).await?;
        }
        Ok(())
    }
}

/// Whether chunks of it may be wanted.
const fn may_have_result(job: &JobOutline) -> bool {
    match job.state {
        JobState::Queued | JobState::Running => true,
        JobState::Done => job.has_outcome,
        JobState::Failed | JobState::Cancelled => false,
    }
}

/// The next rows. Those that came before are told also while none come.
async fn next(batches: &mut Batches, meter: &Meter) -> Result<Option<RecordBatch>> {
    loop {
        tokio::select! {
            batch = batches.next() => return Ok(batch.transpose()?),
            () = tokio::time::sleep(LOOK_EVERY) => meter.add_rows(0),
        }
    }
}

fn too_large(most: u64) -> Error {
    Error::ResultTooLarge {
        message: format!(
            "the result is larger than may wait: {most} bytes as they are stored, {MOST_CHUNKS} chunks"
        ),
    }
}

/// Says no more than that: what has changed may be nobody's business.
fn outdated() -> Error {
    Error::Gone {
        code: "statement-outdated",
        message: "what you may see may have changed since this statement was asked for, so what \
                  came of it is not told any more"
            .to_owned(),
        hint: "run it again".to_owned(),
    }
}
