//! Runs: programs in any language, outside of the lake, that read pinned versions and make new ones.
//!
//! A run is begun: its references are resolved once, for whoever may read all of what they mean. Then it
//! is somebody else's for as long as it is heard of. It ends by being given up, which leaves nothing but
//! an event that says so, or by being committed: all its outputs become versions in one transaction with the event that says
//! what was read, what ran and what it printed. Whatever dies when, all outputs are old or all are new.
//!
//! Versions that a run made know the program and its inputs, not the run: the same program over the
//! same inputs that writes the same bytes makes the same version, and that is there already.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt as _;
use lakebed_catalog::{BegunRun, Commit, RunState};
use lakebed_core::{
    Action, DatasetName, DatasetRef, DecodeOptions, DerivedFrom, EndedRun, Event, EventBody,
    IngestMode, InputVersion, Invocation, LockedInput, ObjectId, Program, RunCommitted, RunFailed,
    RunOutput, RunRecord, Selector, StoredObject, Target, Timestamp, VersionId,
};
use lakebed_govern::Rights;
use lakebed_store::Trust;
use serde::{Deserialize, Serialize};

use crate::{
    Ctx, Detail, Error, IngestOutcome, IngestRequest, IngestStatus, Lake, ProgressSink, Result,
    SourceInput, VersionRecord,
    access::scope_allows,
    cache::unreadable,
    event::reads_run,
    ingest::{Attempt, Prepared, Ran, Sources, blocking, check_names, key_reused, record_of},
    lake::random_id,
    progress::Meter,
};

/// How long a run may be silent when nobody says.
const PATIENCE: Duration = Duration::from_secs(600);
/// The least and the most that somebody may say.
const PATIENCES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(86_400));
/// How long a run is remembered that has not ended.
const REMEMBERED: Duration = Duration::from_secs(7 * 86_400);
/// How often a lost race is planned again.
const ATTEMPTS: u32 = 100;
/// The longest log that is kept.
const MOST_LOG: u64 = 16 << 20;
/// The most outputs of one run.
const MOST_OUTPUTS: usize = 100;
/// How many runs that ended one request looks through, seen or not, and how many at a time.
const LOOKED_THROUGH: usize = 5_000;
const PAGE: u32 = 500;

/// What is begun.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BeginRun {
    /// What is known of the program.
    pub invocation: Invocation,
    /// What it reads: one version each.
    pub inputs: Vec<RunInput>,
    /// What it will make, as far as that is known: refused now rather than in the end.
    pub outputs: Vec<DatasetName>,
    /// How long it may be silent; from ten seconds to a day.
    pub patience: Option<Duration>,
}

/// A reference that a run reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// The reference.
    pub reference: DatasetRef,
    /// What it means, where that was pinned; what it means now otherwise.
    pub version_id: Option<VersionId>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct CommitRun {
    /// One for each dataset.
    pub outputs: Vec<RunOutputs>,
    /// When the program began and ended; when the run was begun, and now, where nobody says.
    pub started_at: Option<Timestamp>,
    /// See `started_at`.
    pub ended_at: Option<Timestamp>,
    /// What it printed.
    pub log: Option<SourceInput>,
}

/// What becomes the next version of a dataset: exactly these sources.
#[derive(Debug, Clone)]
pub struct RunOutputs {
    /// The dataset; created with its first version.
    pub dataset: DatasetName,
    /// The sources, in order; at least one.
    pub sources: Vec<SourceInput>,
    /// How to read them.
    pub options: DecodeOptions,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStanding {
    /// It is under way.
    Running,
    /// It was not heard of for longer than it said.
    Abandoned,
    /// It was given up, and nothing came of it.
    Aborted,
    /// Its outputs are versions.
    Committed,
}

/// Why a run is given up.
#[derive(Debug, Clone, Default)]
pub struct AbortRun {
    /// What the program ended with.
    pub exit_code: Option<i32>,
    /// Why, for people.
    pub reason: Option<String>,
    /// When the program began and ended; when the run was begun, and now, where nobody says.
    pub started_at: Option<Timestamp>,
    /// See `started_at`.
    pub ended_at: Option<Timestamp>,
    /// What it printed.
    pub log: Option<SourceInput>,
}

/// A run as somebody may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRun {
    /// Its id.
    pub run: String,
    /// How far it is.
    pub standing: RunStanding,
    /// Whose it is.
    pub actor: String,
    /// What it reads or read.
    pub inputs: Vec<SeenInput>,
    /// What came of it.
    pub outputs: Vec<RunOutput>,
    /// What is known of the program; none in lists.
    pub invocation: Option<Invocation>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it was heard of last, while it is under way, and how long it may be silent.
    pub heard: Option<(Timestamp, Duration)>,
    /// What the program ended with; none in lists of committed runs.
    pub exit_code: Option<i32>,
    /// Why it was given up.
    pub reason: Option<String>,
    /// What it printed, where the asker may read all that it read.
    pub log: Option<StoredObject>,
    /// The event that says how it ended.
    pub event: Option<u64>,
}

/// A version that a run reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenInput {
    /// The reference.
    pub reference: DatasetRef,
    /// The version's number.
    pub number: u64,
    /// Its id, where the asker may read all of it.
    pub version_id: Option<VersionId>,
}

/// What a commit did.
#[derive(Debug, Clone)]
pub struct RunOutcome {
    /// The run.
    pub run: SeenRun,
    /// One for each output, in the order given; by dataset when the run was committed before.
    pub outputs: Vec<IngestOutcome>,
}

/// What is kept of a run under way.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    asked: BeginRun,
    inputs: Vec<LockedInput>,
}

impl Lake {
    /// Begins a run: resolves its inputs, once.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] for inputs as [`Lake::resolve`] has them, and for
    /// outputs as [`Lake::ingest`] does.
    pub async fn begin_run(&self, ctx: &Ctx, asked: BeginRun) -> Result<SeenRun> {
        let patience = patience_of(&asked)?;
        check_once(&asked.outputs)?;
        if asked.outputs.is_empty() {
            self.authorize_upload(ctx).await?;
        }
        for dataset in &asked.outputs {
            self.authorize_ingest(ctx, dataset).await?;
            self.refuse_product(dataset).await?;
        }
        let id = match &ctx.idempotency_key {
            None => random_id()?,
            Some(key) => {
                if let Some(row) = self.inner.catalog.find_begun_by_key(ctx.actor(), key).await? {
                    match row.state {
                        RunState::Running if row.is_abandoned(self.inner.clock.now()) => {
                            self.fail_abandoned(ctx, &row).await?;
                        }
                        RunState::Running | RunState::Committed => {
                            return self.same_run(ctx, row, &asked).await;
                        }
                        RunState::Aborted => {}
                    }
                }
                match self.next_try(ctx, key, &asked).await? {
                    Try::Committed(run) => return Ok(*run),
                    Try::Next(id) => id,
                }
            }
        };
        self.forget_old_runs().await;
        let inputs = self.pin(ctx, &asked.inputs).await?;
        let now = self.inner.clock.now();
        let begun = Begun { asked, inputs };
        let row = BegunRun {
            id,
            principal: ctx.actor().to_owned(),
            idempotency_key: ctx.idempotency_key.clone(),
            request: serde_json::to_string(&begun).map_err(Error::internal)?,
            state: RunState::Running,
            patience_micros: u64::try_from(patience.as_micros()).unwrap_or(u64::MAX),
            created_at: now,
            heard_at: now,
        };
        match self.inner.catalog.create_run(&row).await? {
            Some(same) => self.same_run(ctx, same, &begun.asked).await,
            None => self.seen_begun(&self.rights(ctx).await?, row),
        }
    }

    /// Says that a run is alive.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's; [`Error::Invalid`] with `run-ended` or
    /// `run-abandoned` when it is too late.
    pub async fn hear_of_run(&self, ctx: &Ctx, id: &str) -> Result<SeenRun> {
        let begun = self.live_run(ctx, id).await?;
        self.seen_begun(&self.rights(ctx).await?, begun)
    }

    /// Gives a run up: nothing comes of it, and why is on record. Giving up what was given up is no error.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for a log that was not uploaded; [`Error::Invalid`] with `run-ended` when
    /// it was committed.
    pub async fn abort_run(&self, ctx: &Ctx, id: &str, why: AbortRun) -> Result<SeenRun> {
        let failed = match self.end_of(ctx, id).await? {
            Some(_) => Ok(()),
            None => self.fail_run(ctx, &self.begun_run(ctx, id).await?, why).await,
        };
        match (failed, self.end_of(ctx, id).await?) {
            (_, Some(seen)) if seen.standing == RunStanding::Committed => {
                Err(ended(id, "was committed"))
            }
            // Somebody else may have been faster.
            (Ok(()) | Err(Error::Conflict { .. }), Some(seen)) => Ok(seen),
            (Err(error), _) => Err(error),
            (Ok(()), None) => Err(no_run()),
        }
    }

    async fn fail_run(&self, ctx: &Ctx, row: &BegunRun, why: AbortRun) -> Result<()> {
        let begun = read_begun(row)?;
        let log = self.keep_log(ctx, why.log.as_ref()).await?;
        let now = self.inner.clock.now();
        let times = times(row, (why.started_at, why.ended_at), now);
        let program = Program::of(&begun.asked.invocation, derived_from(&begun.inputs));
        let record = RunRecord::new(row.id.clone(), program, why.exit_code, times, log);
        let record = self.inner.store.put(Bytes::from(record.to_bytes()), Trust::Unnamed).await?;
        let failed = RunFailed {
            run: row.id.clone(),
            record,
            inputs: begun.inputs,
            outputs: begun.asked.outputs,
            exit_code: why.exit_code,
            reason: why.reason,
            objects: self.not_named(log.into_iter().chain([record])).await?,
        };
        // Last on purpose: before this line nothing is visible.
        self.inner.probe.at("before the catalog commit")?;
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: now,
            idempotency_key: None,
            changes: vec![EventBody::RunFailed(failed)],
        };
        self.inner.catalog.commit(commit).await?;
        self.inner.probe.at("after the catalog commit")?;
        Ok(())
    }

    /// Makes versions of all outputs of a run, in one transaction with the event that says how they
    /// came to be, or of none.
    ///
    /// Needs the right to ingest into every output, and to read all of every input, still. A run is
    /// committed once: asked again, the answer is what came of it. Sources that are refused are kept
    /// as those of an ingest, with an event that says so.
    ///
    /// # Errors
    /// As [`Lake::ingest`], naming the output; [`Error::Invalid`] with `run-ended` or `run-abandoned`.
    #[tracing::instrument(level = "debug", name = "commit_run", skip_all)]
    pub async fn commit_run(
        &self,
        ctx: &Ctx,
        id: &str,
        request: CommitRun,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<RunOutcome> {
        if let Some(done) = self.committed_before(ctx, id).await? {
            return Ok(done);
        }
        self.check_key(ctx).await?;
        let begun = self.live_run(ctx, id).await?;
        let patience = Duration::from_micros(begun.patience_micros);
        let ticket = self.admit_ingest(ctx)?;
        let meter = Arc::new(Meter::new(progress));
        let _stop_workers = meter.cancel_on_drop();
        let work = async {
            let _permit = ticket.admitted(|before| meter.queued(before)).await?;
            self.commit_in_turn(ctx, &begun, &request, &meter).await
        };
        // What takes long is not given up while somebody works on it.
        let alive = async {
            loop {
                tokio::time::sleep(patience / 3).await;
                let now = self.inner.clock.now();
                if let Err(error) = self.inner.catalog.hear_of_run(ctx.actor(), id, now).await {
                    tracing::warn!(%error, run = id, "could not note that a run is alive");
                }
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = alive => unreachable!("it says so for ever"),
        }
    }

    async fn commit_in_turn(
        &self,
        ctx: &Ctx,
        row: &BegunRun,
        request: &CommitRun,
        meter: &Arc<Meter>,
    ) -> Result<RunOutcome> {
        let begun = read_begun(row)?;
        self.check_run(ctx, &begun, request).await?;
        let program = Program::of(&begun.asked.invocation, derived_from(&begun.inputs));
        let ran = Ran { inputs: input_versions(&begun.inputs), program };
        let requests: Vec<IngestRequest> = request.outputs.iter().map(ingest_of).collect();
        let mut outputs = Vec::with_capacity(requests.len());
        for request in &requests {
            let found = Sources::identify(self, ctx, request, meter).await;
            let mut sources = found.map_err(|error| named(&request.dataset, error))?;
            sources.stage(self, meter).await.map_err(|error| named(&request.dataset, error))?;
            outputs.push(Output {
                request,
                sources,
                attempt: Attempt::new(self, ctx, request, meter).ran(&ran),
            });
        }
        let log = self.keep_log(ctx, request.log.as_ref()).await?;
        for _ in 0..ATTEMPTS {
            let stored = Stored { ran: &ran, log, meter };
            let committed = self.commit_once(ctx, (row, &begun), request, stored, &mut outputs);
            match committed.await {
                Err(Error::Conflict { .. }) => {
                    tracing::debug!(run = row.id, "planning again");
                    if let Some(done) = self.committed_before(ctx, &row.id).await? {
                        return Ok(done);
                    }
                    self.live_run(ctx, &row.id).await?;
                }
                Err(error) => return Err(error),
                Ok(outcome) => {
                    for request in &requests {
                        self.forget_uploads_of(ctx, request).await;
                    }
                    return Ok(outcome);
                }
            }
        }
        let message = format!("outputs of run `{}` moved {ATTEMPTS} times meanwhile", row.id);
        Err(Error::Conflict { message })
    }

    /// One try: everything is written quietly, then published once.
    async fn commit_once(
        &self,
        ctx: &Ctx,
        (row, begun): (&BegunRun, &Begun),
        request: &CommitRun,
        stored: Stored<'_>,
        outputs: &mut [Output<'_>],
    ) -> Result<RunOutcome> {
        let Stored { ran, log, meter } = stored;
        let (mut changes, mut made, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        for Output { request, sources, attempt } in outputs.iter_mut() {
            let of_this = |error| named(&request.dataset, error);
            let target = self.ingest_target(ctx, request).await.map_err(of_this)?;
            let unchanged = attempt.is_unchanged(&target, sources).await.map_err(of_this)?;
            let dataset = request.dataset.clone();
            if let Some(version) = unchanged {
                listed.push(RunOutput { dataset, number: version.number, unchanged: true });
                made.push(Made::Before(Box::new(version)));
                continue;
            }
            let prepared = attempt.prepare(&target, sources).await.map_err(of_this)?;
            listed.push(RunOutput { dataset, number: prepared.number, unchanged: false });
            let first = changes.len();
            changes.extend(prepared.changes.iter().cloned());
            made.push(Made::Now(Box::new(prepared), first..changes.len()));
        }
        let now = self.inner.clock.now();
        let times = times(row, (request.started_at, request.ended_at), now);
        let record = RunRecord::new(row.id.clone(), ran.program.clone(), Some(0), times, log);
        let record = self.inner.store.put(Bytes::from(record.to_bytes()), Trust::Unnamed).await?;
        changes.push(EventBody::RunCommitted(RunCommitted {
            run: row.id.clone(),
            record,
            inputs: begun.inputs.clone(),
            outputs: listed,
            objects: self.not_named(log.into_iter().chain([record])).await?,
        }));
        list_once(&mut changes);
        meter.check_cancelled()?;
        // It may have taken hours: what was allowed when it began need not be allowed now.
        self.check_run(ctx, begun, request).await?;
        // Last on purpose: before this line nothing is visible.
        self.inner.probe.at("before the catalog commit")?;
        let commit = Commit {
            actor: ctx.actor().to_owned(),
            at: now,
            idempotency_key: ctx.idempotency_key.clone(),
            changes: changes.clone(),
        };
        let committed = self.inner.catalog.commit(commit).await?;
        self.inner.probe.at("after the catalog commit")?;
        let is_ours = |event: &Event| matches!(&event.body, EventBody::RunCommitted(run) if run.run == row.id);
        let Some(event) = committed.events.iter().find(|event| is_ours(event)) else {
            return Err(key_reused());
        };
        self.inner.journal.publish_through(event.seq).await?;
        let mut outcomes = Vec::with_capacity(made.len());
        for (output, made) in outputs.iter().zip(made) {
            outcomes.push(match made {
                Made::Before(version) => self.unchanged(ctx, *version).await?,
                Made::Now(mut prepared, range) => {
                    prepared.changes = changes[range].to_vec();
                    output.attempt.outcome(*prepared).await?
                }
            });
        }
        let run = self.run(ctx, &row.id).await?;
        Ok(RunOutcome { run, outputs: outcomes })
    }

    /// A run: the asker's, or one of which they may read all inputs and outputs.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where it is not for the asker.
    pub async fn run(&self, ctx: &Ctx, id: &str) -> Result<SeenRun> {
        let ended = self.inner.catalog.find_ended_run(id).await?;
        let rights = self.rights(ctx).await?;
        let Some(event) = ended else {
            let begun = self.begun_run(ctx, id).await?;
            return self.seen_begun(&rights, begun);
        };
        let Some((mut seen, record)) = seen_ended(ctx, &rights, event) else {
            return Err(no_run());
        };
        let record = self.run_record(&record).await?;
        let reads_inputs =
            record.program.inputs.iter().all(|input| rights.reads(&input.reference.dataset));
        seen.log = record.log.filter(|_| reads_inputs);
        seen.started_at = record.started_at;
        seen.ended_at = Some(record.ended_at);
        seen.exit_code = record.exit_code;
        let Program { command, parameters, git, environment, .. } = record.program;
        seen.invocation = Some(Invocation { command, parameters, git, environment });
        Ok(seen)
    }

    /// What a run printed, which may be data: it is on record that it is read.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where nothing was kept or it is not for the asker.
    pub async fn run_log(&self, ctx: &Ctx, id: &str) -> Result<Bytes> {
        match self.run(ctx, id).await?.log {
            Some(log) => {
                let parts = self.read_object(ctx, &log, 0..log.size_bytes);
                let parts: Vec<Bytes> = parts.try_collect().await?;
                Ok(parts.concat().into())
            }
            None => Err(Error::NotFound {
                message: format!("there is no log of run `{id}`"),
                hint: Some("logs are kept of runs that ended with one".to_owned()),
            }),
        }
    }

    /// The newest runs that are the asker's, or of which they may read all inputs and outputs; at most
    /// `limit`, those under way first.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn runs(&self, ctx: &Ctx, limit: u32) -> Result<Vec<SeenRun>> {
        // Which of them are for a credential with a scope is known when they are read.
        let read = if ctx.identity.scope.is_some() { limit.max(PAGE) } else { limit };
        let mut begun = self.inner.catalog.begun_runs(ctx.actor(), read).await?;
        if ctx.identity.scope.is_some() {
            begun.retain(|row| read_begun(row).is_ok_and(|begun| begun.is_in_scope(ctx)));
        }
        let mut events = Vec::new();
        let mut before = None;
        let rights = loop {
            let page = self.inner.catalog.ended_runs(before, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            before = page.last().map(|event| event.seq);
            events.extend(page);
            let rights = self.rights(ctx).await?;
            let seen = events.iter().filter(|event| is_seen(ctx, &rights, event)).count();
            if is_last || events.len() >= LOOKED_THROUGH || seen >= limit as usize {
                break rights;
            }
        };
        let mut runs = Vec::new();
        for row in begun {
            let mut seen = self.seen_begun(&rights, row)?;
            seen.invocation = None;
            runs.push(seen);
        }
        let ended = events.into_iter().filter_map(|event| seen_ended(ctx, &rights, event));
        runs.extend(ended.map(|(seen, _)| seen));
        runs.truncate(limit as usize);
        Ok(runs)
    }

    /// What happened in a run that ended.
    pub(crate) async fn run_record(&self, object: &StoredObject) -> Result<RunRecord> {
        let bytes = self.inner.store.get(object).await?;
        RunRecord::from_bytes(&bytes)
            .map_err(|error| unreadable("record of a run", object.id, error))
    }

    /// The versions that inputs mean, for whoever may read all of them.
    async fn pin(&self, ctx: &Ctx, inputs: &[RunInput]) -> Result<Vec<LockedInput>> {
        let pinned: Vec<DatasetRef> = inputs.iter().map(RunInput::pinned).collect();
        if pinned.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.resolve(ctx, &pinned, Detail::None).await?;
        let locked = inputs.iter().zip(found.versions).map(|(input, found)| {
            let (reference, version) = (input.reference.clone(), found.version.number);
            match reference.selector {
                Selector::Number(meant) if meant != version => Err(Error::Invalid {
                    code: "bad-pin",
                    message: format!("`{reference}` is pinned to v{version}"),
                    hint: Some(format!("`lakebed lock {reference}` pins what it means")),
                }),
                _ => Ok(LockedInput { reference, version, version_id: found.version.version_id }),
            }
        });
        let mut locked = locked.collect::<Result<Vec<LockedInput>>>()?;
        locked.sort_by_key(|input| input.reference.to_string());
        if let Some(twice) = locked.windows(2).find(|pair| pair[0].reference == pair[1].reference) {
            return Err(Error::Invalid {
                code: "input-twice",
                message: format!("`{}` is named twice", twice[0].reference),
                hint: Some("a reference means one version".to_owned()),
            });
        }
        Ok(locked)
    }

    /// Whether the asker may do all of it, now.
    async fn check_run(&self, ctx: &Ctx, begun: &Begun, request: &CommitRun) -> Result<()> {
        let datasets: Vec<DatasetName> =
            request.outputs.iter().map(|output| output.dataset.clone()).collect();
        check_once(&datasets)?;
        if datasets.is_empty() {
            return Err(Error::Invalid {
                code: "no-outputs",
                message: "a run that makes nothing is not committed".to_owned(),
                hint: Some("name outputs, or give the run up".to_owned()),
            });
        }
        for output in &request.outputs {
            self.authorize_ingest(ctx, &output.dataset).await?;
            self.refuse_product(&output.dataset).await?;
            check_names(&ingest_of(output)).map_err(|error| named(&output.dataset, error))?;
        }
        let inputs = begun.inputs.iter().map(|input| RunInput {
            reference: input.reference.clone(),
            version_id: Some(input.version_id),
        });
        self.pin(ctx, &inputs.collect::<Vec<_>>()).await.map(drop)
    }

    /// A key that was used for another change is not one for this.
    async fn check_key(&self, ctx: &Ctx) -> Result<()> {
        let Some(key) = &ctx.idempotency_key else { return Ok(()) };
        match self.inner.catalog.find_commit(ctx.actor(), key).await?.is_empty() {
            true => Ok(()),
            false => Err(key_reused()),
        }
    }

    /// What came of a run of the asker's that is committed already.
    async fn committed_before(&self, ctx: &Ctx, id: &str) -> Result<Option<RunOutcome>> {
        let is_theirs = |event: &Event| {
            event.actor == ctx.actor()
                && matches!(event.body.ended_run(), Some(EndedRun::Committed(_)))
        };
        if !self.publish_end_of(id).await?.as_ref().is_some_and(is_theirs) {
            return Ok(None);
        }
        let run = self.run(ctx, id).await?;
        let mut outputs = Vec::with_capacity(run.outputs.len());
        for output in &run.outputs {
            let version = record_of(self, &output.dataset, output.number).await?;
            let outcome = self.unchanged(ctx, version).await?;
            outputs.push(match output.unchanged {
                true => outcome,
                false => IngestOutcome { status: IngestStatus::Committed, ..outcome },
            });
        }
        Ok(Some(RunOutcome { run, outputs }))
    }

    /// What comes of a key of the asker's that is used for `asked`: what was committed under it is that for
    /// good, and what failed is tried again, mended or not.
    async fn next_try(&self, ctx: &Ctx, key: &str, asked: &BeginRun) -> Result<Try> {
        for number in 0.. {
            let id = id_of(ctx.actor(), key, number)?;
            let Some(event) = self.publish_end_of(&id).await? else { return Ok(Try::Next(id)) };
            let Some(committed @ EndedRun::Committed(_)) = event.body.ended_run() else { continue };
            let run = self.run(ctx, &id).await?;
            return match is_same(&run, committed, asked) {
                true => Ok(Try::Committed(Box::new(run))),
                false => Err(key_reused()),
            };
        }
        unreachable!("numbers do not end")
    }

    /// Puts on record that nothing came of a run that is abandoned, as it is begun once more.
    async fn fail_abandoned(&self, ctx: &Ctx, row: &BegunRun) -> Result<()> {
        if !read_begun(row)?.is_in_scope(ctx) {
            return Err(key_reused());
        }
        let why = AbortRun {
            reason: Some("it was not heard of for too long".to_owned()),
            ended_at: Some(row.heard_at),
            ..AbortRun::default()
        };
        match self.fail_run(ctx, row, why).await {
            // Somebody else was faster.
            Err(Error::Conflict { .. }) => Ok(()),
            failed => failed,
        }
    }

    /// How a run of the asker's ended, if it did.
    async fn end_of(&self, ctx: &Ctx, id: &str) -> Result<Option<SeenRun>> {
        match self.publish_end_of(id).await? {
            Some(event) if event.actor == ctx.actor() => self.run(ctx, id).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The event that ended a run, whoever was to publish it: a server may have died before it could.
    async fn publish_end_of(&self, id: &str) -> Result<Option<Event>> {
        let Some(seq) = self.inner.catalog.place_of_run(id).await? else { return Ok(None) };
        self.inner.journal.publish_through(seq).await?;
        Ok(self.inner.catalog.find_ended_run(id).await?)
    }

    /// A run of the asker's, as far as the credential that was shown is good for what it is about.
    async fn begun_run(&self, ctx: &Ctx, id: &str) -> Result<BegunRun> {
        let found = self.inner.catalog.find_begun(ctx.actor(), id).await?.ok_or_else(no_run)?;
        match read_begun(&found)?.is_in_scope(ctx) {
            true => Ok(found),
            false => Err(no_run()),
        }
    }

    /// A run of the asker's that is under way, and is heard of now.
    async fn live_run(&self, ctx: &Ctx, id: &str) -> Result<BegunRun> {
        if let Err(error) = self.begun_run(ctx, id).await {
            // Its row may be forgotten: how it ended is not.
            return Err(match self.end_of(ctx, id).await? {
                Some(seen) if seen.standing == RunStanding::Committed => ended(id, "was committed"),
                Some(_) => ended(id, "was given up"),
                None => error,
            });
        }
        let now = self.inner.clock.now();
        let is_live = self.inner.catalog.hear_of_run(ctx.actor(), id, now).await?;
        let begun = self.begun_run(ctx, id).await?;
        match (is_live, begun.state) {
            (true, RunState::Running) => Ok(begun),
            (_, RunState::Committed) => Err(ended(id, "was committed")),
            (_, RunState::Aborted) => Err(ended(id, "was given up")),
            (false, RunState::Running) => Err(Error::Invalid {
                code: "run-abandoned",
                message: format!(
                    "run `{id}` was not heard of for too long, and counts as abandoned"
                ),
                hint: Some("begin another; heartbeats keep a run alive".to_owned()),
            }),
        }
    }

    async fn same_run(&self, ctx: &Ctx, row: BegunRun, asked: &BeginRun) -> Result<SeenRun> {
        let begun = read_begun(&row)?;
        match begun.asked == *asked && begun.is_in_scope(ctx) {
            true if row.state != RunState::Running => {
                self.publish_end_of(&row.id).await?;
                self.run(ctx, &row.id).await
            }
            true => self.seen_begun(&self.rights(ctx).await?, row),
            false => Err(key_reused()),
        }
    }

    async fn forget_old_runs(&self) {
        let remembered = i64::try_from(REMEMBERED.as_micros()).unwrap_or(i64::MAX);
        let before = self.inner.clock.now().as_micros().saturating_sub(remembered);
        let forgotten = self.inner.catalog.forget_runs(Timestamp::from_micros(before)).await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "could not forget runs of long ago");
        }
    }

    /// What a run printed, in the store.
    async fn keep_log(&self, ctx: &Ctx, log: Option<&SourceInput>) -> Result<Option<StoredObject>> {
        let Some(log) = log else { return Ok(None) };
        let staged = match log {
            SourceInput::Upload { object, .. } => {
                self.staged_uploads(ctx, &[*object]).await?.remove(object)
            }
            SourceInput::Path { path, .. } => {
                let (store, path): (_, PathBuf) = (self.inner.store.clone(), path.clone());
                let staged = blocking(move || Ok(store.stage_path(&path, &|_| {})?)).await?;
                Some(Arc::new(staged))
            }
        };
        let staged = staged.ok_or_else(|| Error::NotFound {
            message: "no upload of yours is waiting that is the log".to_owned(),
            hint: Some("upload it first, then name it by its digest".to_owned()),
        })?;
        if staged.size_bytes() > MOST_LOG {
            return Err(Error::TooLarge {
                message: format!("a log of {} bytes is more than {MOST_LOG}", staged.size_bytes()),
                hint: "cut it: its beginning and its end say most".to_owned(),
            });
        }
        Ok(Some(self.inner.store.publish(&staged, Trust::Unnamed).await?))
    }

    /// Those of `objects` that no committed event names yet, sorted.
    async fn not_named(
        &self,
        objects: impl Iterator<Item = StoredObject>,
    ) -> Result<Vec<StoredObject>> {
        let objects: BTreeSet<StoredObject> = objects.collect();
        let ids: Vec<ObjectId> = objects.iter().map(|object| object.id).collect();
        let named = self.inner.catalog.find_objects(&ids).await?;
        let is_new = |object: &StoredObject| named.iter().all(|named| named.id != object.id);
        Ok(objects.into_iter().filter(is_new).collect())
    }

    /// A run under way, which is its owner's alone.
    fn seen_begun(&self, rights: &Rights, row: BegunRun) -> Result<SeenRun> {
        let begun = read_begun(&row)?;
        let is_abandoned = row.is_abandoned(self.inner.clock.now());
        let standing = match row.state {
            RunState::Running if is_abandoned => RunStanding::Abandoned,
            RunState::Running => RunStanding::Running,
            RunState::Aborted => RunStanding::Aborted,
            RunState::Committed => RunStanding::Committed,
        };
        let patience = Duration::from_micros(row.patience_micros);
        Ok(SeenRun {
            standing,
            actor: row.principal,
            inputs: seen_inputs(rights, &begun.inputs),
            outputs: Vec::new(),
            invocation: Some(begun.asked.invocation),
            started_at: row.created_at,
            ended_at: None,
            heard: (row.state == RunState::Running).then_some((row.heard_at, patience)),
            exit_code: None,
            reason: None,
            log: None,
            event: None,
            run: row.id,
        })
    }
}

/// What all outputs have in common.
#[derive(Clone, Copy)]
struct Stored<'a> {
    ran: &'a Ran,
    log: Option<StoredObject>,
    meter: &'a Arc<Meter>,
}

/// An output on its way.
struct Output<'a> {
    request: &'a IngestRequest,
    sources: Sources,
    attempt: Attempt<'a>,
}

/// The version of an output.
enum Made {
    /// It was there.
    Before(Box<VersionRecord>),
    /// It is made now, by these of all changes.
    Now(Box<Prepared>, std::ops::Range<usize>),
}

impl Begun {
    fn is_in_scope(&self, ctx: &Ctx) -> bool {
        let inputs = self.inputs.iter().map(LockedInput::dataset);
        is_in_scope(ctx, inputs, self.asked.outputs.iter())
    }
}

/// Whether the credential that was shown is good for reading all that a run reads and for making all that
/// it makes; of one that did not say what it will make, for making something.
fn is_in_scope<'a>(
    ctx: &Ctx,
    mut inputs: impl Iterator<Item = &'a DatasetName>,
    outputs: impl Iterator<Item = &'a DatasetName>,
) -> bool {
    let Some(scope) = &ctx.identity.scope else { return true };
    let may = |action, dataset: &DatasetName| {
        scope_allows(ctx, action, &Target::Dataset(dataset.clone()))
    };
    let mut outputs = outputs.peekable();
    let makes = match outputs.peek() {
        Some(_) => outputs.all(|dataset| may(Action::Ingest, dataset)),
        None => scope.0.iter().any(|entry| entry.may.contains(&Action::Ingest)),
    };
    makes && inputs.all(|dataset| may(Action::Read, dataset))
}

impl RunInput {
    fn pinned(&self) -> DatasetRef {
        let Some(version_id) = self.version_id else { return self.reference.clone() };
        let selector = Selector::Digest(version_id.object().to_string());
        DatasetRef { dataset: self.reference.dataset.clone(), selector }
    }
}

/// What comes of a key.
enum Try {
    /// It was committed.
    Committed(Box<SeenRun>),
    /// It is begun, under this id.
    Next(String),
}

/// The id of the run that somebody begins with a key: the same for as long as the lake knows its events,
/// whatever else is forgotten. `number` counts the tries before that failed.
fn id_of(actor: &str, key: &str, number: u64) -> Result<String> {
    let named = match number {
        0 => serde_json::to_vec(&(actor, key)),
        _ => serde_json::to_vec(&(actor, key, number)),
    };
    let named = named.map_err(Error::internal)?;
    let digest = ObjectId::of(&[b"lakebed run 1\n", &named[..]].concat()).to_string();
    Ok(digest[..32].to_owned())
}

/// Whether `run`, which ended so, is what is begun once more.
fn is_same(run: &SeenRun, ended: EndedRun<'_>, asked: &BeginRun) -> bool {
    let is_read = |input: &RunInput| {
        run.inputs.iter().any(|read| {
            let is_pinned = input.version_id.is_none() || input.version_id == read.version_id;
            read.reference == input.reference && is_pinned
        })
    };
    let made = ended.outputs();
    let is_made = asked.outputs.is_empty()
        || asked.outputs.len() == made.len()
            && made.iter().all(|dataset| asked.outputs.contains(dataset));
    is_made
        && run.invocation.as_ref() == Some(&asked.invocation)
        && run.inputs.len() == asked.inputs.len()
        && asked.inputs.iter().all(is_read)
}

/// When a program began and ended, as far as somebody said.
fn times(
    row: &BegunRun,
    (started_at, ended_at): (Option<Timestamp>, Option<Timestamp>),
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    let started_at = started_at.unwrap_or(row.created_at);
    (started_at, ended_at.unwrap_or(now).max(started_at))
}

fn patience_of(asked: &BeginRun) -> Result<Duration> {
    let patience = asked.patience.unwrap_or(PATIENCE);
    match PATIENCES.0 <= patience && patience <= PATIENCES.1 {
        true => Ok(patience),
        false => Err(Error::Invalid {
            code: "bad-patience",
            message: "a run may be silent for 10 to 86,400 seconds".to_owned(),
            hint: Some("heartbeats keep it alive for as long as it takes".to_owned()),
        }),
    }
}

fn check_once(datasets: &[DatasetName]) -> Result<()> {
    if datasets.len() > MOST_OUTPUTS {
        return Err(Error::Invalid {
            code: "too-many-outputs",
            message: format!("{} outputs: a run has {MOST_OUTPUTS} at most", datasets.len()),
            hint: None,
        });
    }
    let mut seen = BTreeSet::new();
    match datasets.iter().find(|dataset| !seen.insert(*dataset)) {
        None => Ok(()),
        Some(twice) => Err(Error::Invalid {
            code: "dataset-twice",
            message: format!("`{twice}` is named twice"),
            hint: Some("a run makes one version of each dataset".to_owned()),
        }),
    }
}

/// An object that several changes of one commit name is listed by the first of them.
fn list_once(changes: &mut [EventBody]) {
    let mut listed: BTreeSet<ObjectId> = BTreeSet::new();
    for change in changes {
        match change {
            EventBody::VersionCommitted(version) => {
                let again = version.objects.iter().filter(|object| listed.contains(&object.id));
                let again: Vec<ObjectId> = again.map(|object| object.id).collect();
                version.objects.retain(|object| listed.insert(object.id));
                version.shared.extend(again);
                version.shared.sort_unstable();
                version.shared.dedup();
            }
            EventBody::ContractMeasured(measured) => {
                measured.objects.retain(|object| listed.insert(object.id));
            }
            EventBody::RunCommitted(run) => {
                run.objects.retain(|object| listed.insert(object.id));
            }
            _ => {}
        }
    }
}

/// What happened to an output, by its name: there may be several.
fn named(dataset: &DatasetName, error: Error) -> Error {
    let of = |message: String| match message.contains(&format!("`{dataset}`")) {
        true => message,
        false => format!("output `{dataset}`: {message}"),
    };
    match error {
        Error::Refused { code, message, hint, event } => {
            Error::Refused { code, message: of(message), hint, event }
        }
        Error::Invalid { code, message, hint } => {
            Error::Invalid { code, message: of(message), hint }
        }
        Error::NotFound { message, hint } => Error::NotFound { message: of(message), hint },
        other => other,
    }
}

fn ingest_of(output: &RunOutputs) -> IngestRequest {
    IngestRequest {
        dataset: output.dataset.clone(),
        mode: IngestMode::Replace,
        again: None,
        repairs: None,
        sources: output.sources.clone(),
        options: output.options.clone(),
    }
}

fn derived_from(inputs: &[LockedInput]) -> Vec<DerivedFrom> {
    let from = |input: &LockedInput| DerivedFrom {
        reference: input.reference.clone(),
        version_id: input.version_id,
    };
    inputs.iter().map(from).collect()
}

fn input_versions(inputs: &[LockedInput]) -> Vec<InputVersion> {
    let version = |input: &LockedInput| InputVersion {
        dataset: input.dataset().clone(),
        version_id: input.version_id,
    };
    inputs.iter().map(version).collect()
}

fn read_begun(row: &BegunRun) -> Result<Begun> {
    serde_json::from_str(&row.request).map_err(Error::internal)
}

fn is_seen(ctx: &Ctx, rights: &Rights, event: &Event) -> bool {
    let Some(run) = event.body.ended_run() else { return false };
    let inputs = run.inputs().iter().map(LockedInput::dataset);
    let is_theirs =
        event.actor == ctx.actor() && is_in_scope(ctx, inputs, run.outputs().into_iter());
    is_theirs || reads_run(rights, run)
}

/// What the event that ended a run tells the asker, and where the record is; nothing where it is not for
/// them.
fn seen_ended(ctx: &Ctx, rights: &Rights, event: Event) -> Option<(SeenRun, StoredObject)> {
    if !is_seen(ctx, rights, &event) {
        return None;
    }
    let ended = event.body.ended_run()?;
    let (run, record) = (ended.run().to_owned(), ended.record());
    let inputs = seen_inputs(rights, ended.inputs());
    let (standing, outputs, exit_code, reason) = match event.body {
        EventBody::RunCommitted(run) => (RunStanding::Committed, run.outputs, None, None),
        EventBody::RunFailed(run) => (RunStanding::Aborted, Vec::new(), run.exit_code, run.reason),
        _ => return None,
    };
    let seen = SeenRun {
        run,
        standing,
        actor: event.actor,
        inputs,
        outputs,
        invocation: None,
        started_at: event.at,
        ended_at: Some(event.at),
        heard: None,
        exit_code,
        reason,
        log: None,
        event: Some(event.seq),
    };
    Some((seen, record))
}

fn seen_inputs(rights: &Rights, inputs: &[LockedInput]) -> Vec<SeenInput> {
    let seen = |input: &LockedInput| SeenInput {
        reference: input.reference.clone(),
        number: input.version,
        version_id: Some(input.version_id).filter(|_| rights.reads(input.dataset())),
    };
    inputs.iter().map(seen).collect()
}

fn ended(id: &str, how: &str) -> Error {
    Error::Invalid {
        code: "run-ended",
        message: format!("run `{id}` {how}"),
        hint: Some("begin another".to_owned()),
    }
}

fn no_run() -> Error {
    Error::NotFound {
        message: "there is no such run".to_owned(),
        hint: Some("`lakebed runs` lists those that you may see".to_owned()),
    }
}
