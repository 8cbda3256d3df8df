//! Long work that nobody has to wait for: accepted, queued, run, followed, cancelled.
//!
//! A job is a row that every server of the lake can read. One server runs it, for as long as it holds
//! a lease of its own; whoever finds that lease over takes the job over. Running a job twice does no
//! harm: its commit carries the job's key, so the second one finds what the first one made (D-51).
//!
//! What a job *does* is its [`JobRunner`]'s business: here request and outcome are text.

pub(crate) mod identity;

pub(crate) use identity::asker;
pub use identity::{StoredAsker, StoredStanding};

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use lakebed_catalog::{JobRecord, JobState, UnfinishedJob};
use lakebed_core::Timestamp;
use tokio::{sync::watch, task::AbortHandle};
use tracing::Instrument as _;

use crate::{
    Ctx, Error, Lake, Progress, ProgressSink, Result, Ticket, access::is_as_much,
    admission::Admission, ingest::key_reused, lake::random_id,
};

/// How often servers run one job before it counts as what kills them.
const MOST_ATTEMPTS: u64 = 5;
/// Waits between tries of a job whose store or database did not answer.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(15),
];
/// How long the end of a job is remembered.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How often a follower looks at a job that another server runs.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The least time between two tellings of one follower.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// How long a cancellation is waited for.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);
/// How often what is over is swept away.
const SWEPT_EVERY: Duration = Duration::from_secs(600);
/// The most jobs that are listed.
const MOST_LISTED: u32 = 1000;

/// What jobs of one kind do.
#[async_trait]
pub trait JobRunner: Send + Sync + std::fmt::Debug {
    /// Where they wait for their turn.
    fn queue(&self) -> JobQueue;

    /// Does the work of a job when it is the ticket's turn. Asks `progress` whether it should stop.
    async fn run(&self, job: JobRun) -> JobOutcome;

    /// The outcome of a job that no server survived, or that panicked.
    fn lost(&self, why: &str) -> String;
}

/// What the jobs of a server do, by kind.
pub type JobRunners = BTreeMap<&'static str, Arc<dyn JobRunner>>;

/// A queue of work. What is a job waits in the same one as what somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobQueue {
    /// That of ingests.
    Ingests,
    /// That of statements.
    Statements,
}

/// One try at a job.
pub struct JobRun {
    /// The job.
    pub id: String,
    /// The try, among those of all servers: a later one has a greater name, of digits and `-`.
    pub run: String,
    /// For whom; its idempotency key is the job's.
    pub ctx: Ctx,
    /// Its place in the queue.
    pub ticket: Ticket,
    /// What was asked.
    pub request: String,
    /// Hears how far it is, and tells it to stop.
    pub progress: Arc<dyn ProgressSink>,
}

/// What came of one try at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// It is done, with this result.
    Done(String),
    /// It cannot be done, and this is why.
    Failed(String),
    /// Something did not answer, and this is what: trying again may help.
    Again(String),
    /// It was asked to stop, and left nothing.
    Cancelled,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What kind of work.
    pub kind: String,
    /// What to do.
    pub request: String,
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// What is recorded.
    pub record: JobRecord,
    /// How far it is.
    pub progress: Option<Progress>,
}

/// How fast servers notice each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobTimes {
    /// How often a server says that it lives, and looks after others' jobs.
    pub beat: Duration,
    /// How long a server may be silent before its jobs are taken over; several beats.
    pub dead_after: Duration,
}

impl Default for JobTimes {
    fn default() -> Self {
        Self { beat: Duration::from_secs(2), dead_after: Duration::from_secs(10) }
    }
}

/// The jobs of one server. Cheap to clone; all clones are one server.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Server>);

#[derive(Debug)]
struct Server {
    lake: Lake,
    runners: JobRunners,
    /// This server, among those of the lake; another one after each start.
    id: String,
    times: JobTimes,
    live: Mutex<HashMap<String, Live>>,
    is_leased: tokio::sync::OnceCell<()>,
    closing: watch::Sender<bool>,
}

/// A job that runs here.
#[derive(Debug)]
struct Live {
    sink: Arc<Sink>,
    task: Option<AbortHandle>,
}

/// Hears how far a job is, and tells it to stop.
#[derive(Debug)]
struct Sink {
    progress: watch::Sender<Option<Progress>>,
    is_cancelled: AtomicBool,
    /// Whether there is something to write down.
    is_news: AtomicBool,
}

impl ProgressSink for Sink {
    fn report(&self, progress: Progress) {
        self.is_news.store(true, Ordering::Relaxed);
        self.progress.send_replace(Some(progress));
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

impl Jobs {
    /// The jobs of a server that has just started. [`Self::tend`] keeps it alive.
    ///
    /// # Errors
    /// [`Error::Internal`] without randomness.
    pub fn new(lake: Lake, runners: JobRunners, times: JobTimes) -> Result<Self> {
        let id = random_id()?;
        Ok(Self(Arc::new(Server {
            lake,
            runners,
            id,
            times,
            live: Mutex::default(),
            is_leased: tokio::sync::OnceCell::new(),
            closing: watch::Sender::new(false),
        })))
    }

    /// How fast it notices dead servers.
    #[must_use]
    pub fn times(&self) -> JobTimes {
        self.0.times
    }

    /// Accepts a job, or finds the one that was asked for under the same key.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already; [`Error::Invalid`] when the key was used for
    /// another job.
    pub async fn submit(&self, ctx: &Ctx, new: NewJob) -> Result<JobStatus> {
        let server = &self.0;
        if let Some(same) = self.find_same(ctx, &new).await? {
            return Ok(same);
        }
        if *server.closing.borrow() {
            return Err(going_away());
        }
        let runner = server.runners.get(new.kind.as_str()).ok_or_else(|| unknown(&new.kind))?;
        let ticket = server.queue_of(runner.as_ref()).enter(ctx.actor())?;
        server.is_leased.get_or_try_init(|| server.live_on()).await?;
        let now = server.now();
        let record = JobRecord {
            id: random_id()?,
            principal: ctx.actor().to_owned(),
            identity: identity::to_text(ctx),
            idempotency_key: ctx.idempotency_key.clone(),
            kind: new.kind.clone(),
            request: new.request.clone(),
            state: JobState::Queued,
            progress: None,
            outcome: None,
            server: Some(server.id.clone()),
            attempt: 1,
            cancel_asked: false,
            revision: 0,
            created_at: now,
            updated_at: now,
        };
        match server.lake.inner.catalog.create_job(&record).await? {
            Some(existing) => self.same(ctx, existing, &new),
            None => {
                self.start(record.clone(), Arc::clone(runner), ticket, false);
                Ok(self.status(record))
            }
        }
    }

    async fn find_same(&self, ctx: &Ctx, new: &NewJob) -> Result<Option<JobStatus>> {
        let Some(key) = &ctx.idempotency_key else { return Ok(None) };
        let found = self.0.lake.inner.catalog.find_job_by_key(ctx.actor(), key).await?;
        found.map(|record| self.same(ctx, record, new)).transpose()
    }

    fn same(&self, ctx: &Ctx, record: JobRecord, new: &NewJob) -> Result<JobStatus> {
        let is_same = (&record.kind, &record.request) == (&new.kind, &new.request);
        match is_same && is_for(ctx, &record) {
            true => Ok(self.status(record)),
            false => Err(key_reused()),
        }
    }

    /// One of the caller's jobs. What was asked for with a larger scope than that of the credential shown
    /// is somebody else's to it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's.
    pub async fn get(&self, ctx: &Ctx, id: &str) -> Result<JobStatus> {
        let found = self.0.lake.inner.catalog.find_job(ctx.actor(), id).await?;
        let found = found.filter(|record| is_for(ctx, record));
        found.map(|record| self.status(record)).ok_or_else(|| Error::NotFound {
            message: "no such job of yours".to_owned(),
            hint: Some("jobs are forgotten a week after their end".to_owned()),
        })
    }

    /// The caller's newest jobs, at most `limit` and at most 1,000.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn list(&self, ctx: &Ctx, limit: u32) -> Result<Vec<JobStatus>> {
        // Which of them are for a credential with a scope is known when they are read.
        let read = if ctx.identity.scope.is_some() { MOST_LISTED } else { limit.min(MOST_LISTED) };
        let records = self.0.lake.inner.catalog.jobs(ctx.actor(), read).await?;
        let records = records.into_iter().filter(|record| is_for(ctx, record));
        Ok(records.take(limit as usize).map(|record| self.status(record)).collect())
    }

    /// One of the caller's jobs when it is final, or as it is after so long.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn wait(&self, ctx: &Ctx, id: &str, patience: Duration) -> Result<JobStatus> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut closing = self.0.closing.subscribe();
        loop {
            let live = self.0.live().get(id).map(|live| live.sink.progress.subscribe());
            let status = self.get(ctx, id).await?;
            if status.record.state.is_final() {
                return Ok(status);
            }
            tokio::select! {
                () = news(live) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = tokio::time::sleep_until(deadline) => return Ok(status),
                _ = closing.wait_for(|closing| *closing) => return Ok(status),
            }
        }
    }

    /// Asks one of the caller's jobs to stop, and waits a little for it. What is committed already
    /// stays: then the job is done, not cancelled.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn cancel(&self, ctx: &Ctx, id: &str) -> Result<JobStatus> {
        let status = self.get(ctx, id).await?;
        let now = self.0.now();
        if status.record.state.is_final()
            || !self.0.lake.inner.catalog.ask_to_cancel(ctx.actor(), id, now).await?
        {
            return self.get(ctx, id).await;
        }
        if let Some(live) = self.0.live().get(id) {
            live.sink.is_cancelled.store(true, Ordering::Relaxed);
        }
        let deadline = Instant::now() + CANCEL_PATIENCE;
        loop {
            let status = self.get(ctx, id).await?;
            if status.record.state.is_final() || Instant::now() > deadline {
                return Ok(status);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A job now, if it is not what `seen` says, and then whenever it changes, until it is final or
    /// this server goes away.
    pub fn follow(
        &self,
        ctx: Ctx,
        id: String,
        seen: Option<u64>,
    ) -> impl Stream<Item = Result<JobStatus>> + Send + use<> {
        let start = Following { jobs: self.clone(), ctx, id, seen, told: None, is_over: false };
        stream::unfold(start, |mut following| async move {
            if following.is_over {
                return None;
            }
            let next = following.next().await.transpose()?;
            following.is_over = match &next {
                Ok(status) => status.record.state.is_final(),
                Err(_) => true,
            };
            Some((next, following))
        })
        .fuse()
    }

    /// Keeps this server alive among the others, writes progress down, takes over what dead servers
    /// left, and sweeps. Never ends; whoever drops it is taken for dead after a while.
    pub async fn tend(&self) {
        let mut swept_at = None;
        loop {
            if let Err(error) = self.tend_once(&mut swept_at).await {
                tracing::warn!(%error, "could not look after the jobs");
            }
            tokio::time::sleep(self.0.times.beat).await;
        }
    }

    /// Followers are sent away, and no job is accepted any more.
    pub fn begin_close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Stops the jobs that run here; another server, or this one after its restart, goes on with
    /// them.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; then the others notice by themselves.
    pub async fn close(&self) -> Result<()> {
        self.begin_close();
        let ended: Vec<Live> = self.0.live().drain().map(|(_, live)| live).collect();
        for task in ended.iter().filter_map(|live| live.task.as_ref()) {
            task.abort();
        }
        if self.0.is_leased.initialized() {
            self.0.lake.inner.catalog.release_jobs(&self.0.id).await?;
        }
        Ok(())
    }

    /// With what is known here and not written down yet.
    fn status(&self, mut record: JobRecord) -> JobStatus {
        let live = match record.state.is_final() {
            true => None,
            false => {
                self.0.live().get(&record.id).and_then(|live| live.sink.progress.borrow().clone())
            }
        };
        let written = || serde_json::from_str(record.progress.as_deref()?).ok();
        let progress: Option<Progress> = live.or_else(written);
        if record.state == JobState::Queued && progress.as_ref().is_some_and(is_under_way) {
            record.state = JobState::Running;
        }
        JobStatus { record, progress }
    }

    fn start(
        &self,
        record: JobRecord,
        runner: Arc<dyn JobRunner>,
        ticket: Ticket,
        is_cancelled: bool,
    ) {
        let sink = Arc::new(Sink {
            progress: watch::Sender::new(None),
            is_cancelled: AtomicBool::new(is_cancelled || record.cancel_asked),
            is_news: AtomicBool::new(false),
        });
        let live = Live { sink: Arc::clone(&sink), task: None };
        self.0.live().insert(record.id.clone(), live);
        let (server, id) = (Arc::clone(&self.0), record.id.clone());
        let task = tokio::spawn(async move {
            let outcome = server.run(&record, runner.as_ref(), ticket, &sink).await;
            server.finish(&record.id, outcome).await;
            server.live().remove(&record.id);
            // Followers look once more, and see the end.
            sink.progress.send_replace(None);
        });
        if let Some(live) = self.0.live().get_mut(&id) {
            live.task = Some(task.abort_handle());
        }
    }

    async fn tend_once(&self, swept_at: &mut Option<Instant>) -> Result<()> {
        let (server, catalog) = (&self.0, &self.0.lake.inner.catalog);
        if *server.closing.borrow() {
            return Ok(());
        }
        server.live_on().await?;
        server.is_leased.get_or_init(|| async {}).await;
        server.write_progress().await?;
        let unfinished = catalog.unfinished_jobs().await?;
        self.heed(&unfinished);
        let mut servers: BTreeMap<Option<&str>, Vec<&UnfinishedJob>> = BTreeMap::new();
        for job in &unfinished {
            servers.entry(job.server.as_deref()).or_default().push(job);
        }
        for (other, jobs) in servers {
            self.take_over_from(other, &jobs).await?;
        }
        if swept_at.is_none_or(|at| at.elapsed() >= SWEPT_EVERY) {
            *swept_at = Some(Instant::now());
            let before = server.now().as_micros() - REMEMBERED.as_micros() as i64;
            catalog.delete_jobs(Timestamp::from_micros(before)).await?;
            server.lake.sweep_uploads().await?;
            server.lake.sweep_results().await?;
        }
        Ok(())
    }

    /// Takes over the jobs of a server, if it is dead; those of nobody; and our own that do not run.
    async fn take_over_from(&self, other: Option<&str>, jobs: &[&UnfinishedJob]) -> Result<()> {
        let (server, catalog) = (&self.0, &self.0.lake.inner.catalog);
        let lease = match other {
            Some(other) if *other != server.id => {
                // Only a lease that is over can be had.
                let patience = server.times.dead_after;
                match catalog.take_lease(&lease_of(other), &server.id, patience).await? {
                    Some(lease) => Some(lease),
                    None => return Ok(()),
                }
            }
            _ => None,
        };
        for job in jobs {
            if !server.live().contains_key(&job.id) {
                self.take_over(job).await?;
            }
        }
        match lease {
            Some(lease) => Ok(catalog.release_lease(&lease).await?),
            None => Ok(()),
        }
    }

    /// Tells jobs that run here what others wrote down about them.
    fn heed(&self, unfinished: &[UnfinishedJob]) {
        let mine: HashMap<&str, &UnfinishedJob> = unfinished
            .iter()
            .filter(|job| job.server.as_ref() == Some(&self.0.id))
            .map(|job| (job.id.as_str(), job))
            .collect();
        for (id, live) in self.0.live().iter() {
            // A job that is not ours any more runs elsewhere: we were taken for dead.
            if mine.get(id.as_str()).is_none_or(|job| job.cancel_asked) {
                live.sink.is_cancelled.store(true, Ordering::Relaxed);
            }
        }
    }

    async fn take_over(&self, job: &UnfinishedJob) -> Result<()> {
        let (server, catalog) = (&self.0, &self.0.lake.inner.catalog);
        // A newer build's: it is left to those who know what to do.
        let Some(runner) = server.runners.get(job.kind.as_str()) else { return Ok(()) };
        let from = job.server.as_deref();
        if !catalog.take_job(&job.id, from, &server.id, server.now()).await? {
            return Ok(());
        }
        tracing::info!(job = job.id, attempt = job.attempt + 1, "taking over a job");
        let Some(record) = catalog.find_job(&job.principal, &job.id).await? else { return Ok(()) };
        if job.attempt >= MOST_ATTEMPTS {
            let why = format!("{} servers began it, and none ended it", job.attempt);
            let outcome = JobOutcome::Failed(runner.lost(&why));
            server.finish(&job.id, outcome).await;
            return Ok(());
        }
        let ticket = server.queue_of(runner.as_ref()).enter_anyhow(&record.principal);
        self.start(record, Arc::clone(runner), ticket, job.cancel_asked);
        Ok(())
    }
}

impl Server {
    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.lake.inner.clock.now()
    }

    fn queue_of(&self, runner: &dyn JobRunner) -> &Admission {
        match runner.queue() {
            JobQueue::Ingests => &self.lake.inner.ingests,
            JobQueue::Statements => &self.lake.inner.statements,
        }
    }

    /// Says that it lives.
    async fn live_on(&self) -> Result<()> {
        let (name, patience) = (lease_of(&self.id), self.times.dead_after);
        if self.lake.inner.catalog.take_lease(&name, &self.id, patience).await?.is_none() {
            tracing::warn!("this server was taken for dead, and its jobs are being taken over");
        }
        Ok(())
    }

    /// Runs a job until it is done or cannot be.
    async fn run(
        &self,
        record: &JobRecord,
        runner: &dyn JobRunner,
        ticket: Ticket,
        sink: &Arc<Sink>,
    ) -> JobOutcome {
        let Some(mut ctx) = identity::from_text(&record.identity) else {
            return JobOutcome::Failed(runner.lost("its owner cannot be read"));
        };
        // The log knows the request that asked for the job; to its owner it is the job's.
        let span = tracing::info_span!("job", request_id = ctx.request_id, job = record.id);
        ctx.request_id.clone_from(&record.id);
        // The commit carries a key in any case, so that running it again finds what was done.
        let own_key = || format!("job:{}", record.id);
        ctx.idempotency_key = Some(record.idempotency_key.clone().unwrap_or_else(own_key));
        let mut ticket = Some(ticket);
        let mut pauses = PAUSES.iter();
        let mut number = 0;
        loop {
            let enter = || self.queue_of(runner).enter_anyhow(&record.principal);
            let work = runner.run(JobRun {
                id: record.id.clone(),
                run: format!("{:03}-{number:02}", record.attempt),
                ctx: ctx.clone(),
                ticket: ticket.take().unwrap_or_else(enter),
                request: record.request.clone(),
                progress: Arc::clone(sink) as Arc<dyn ProgressSink>,
            });
            let work = AssertUnwindSafe(work.instrument(span.clone()));
            let outcome = match work.catch_unwind().await {
                Ok(outcome) => outcome,
                Err(_panic) => return JobOutcome::Failed(runner.lost("it panicked")),
            };
            match (outcome, pauses.next()) {
                (JobOutcome::Again(_), Some(pause)) if !sink.is_cancelled() => {
                    tokio::time::sleep(*pause).await;
                    number += 1;
                }
                (JobOutcome::Again(why), _) => return JobOutcome::Failed(why),
                (outcome, _) => return outcome,
            }
        }
    }

    /// Writes the end of a job down, as long as the database lets us.
    async fn finish(&self, id: &str, outcome: JobOutcome) {
        let (state, text) = match outcome {
            JobOutcome::Done(result) => (JobState::Done, Some(result)),
            JobOutcome::Failed(why) | JobOutcome::Again(why) => (JobState::Failed, Some(why)),
            JobOutcome::Cancelled => (JobState::Cancelled, None),
        };
        for pause in PAUSES {
            let catalog = &self.lake.inner.catalog;
            match catalog.update_job(id, &self.id, state, text.as_deref(), self.now()).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(job = id, %error, "could not write down how a job ended");
                    tokio::time::sleep(pause).await;
                }
            }
        }
        // It still counts as ours and unfinished: it is taken over, and found to be done.
    }

    async fn write_progress(&self) -> Result<()> {
        let news: Vec<(String, Progress)> = self
            .live()
            .iter()
            .filter(|(_, live)| live.sink.is_news.swap(false, Ordering::Relaxed))
            .filter_map(|(id, live)| Some((id.clone(), live.sink.progress.borrow().clone()?)))
            // How many are before it is of interest to those who follow it here.
            .filter(|(_, progress)| is_under_way(progress))
            .collect();
        for (id, progress) in news {
            let text = serde_json::to_string(&progress).map_err(Error::internal)?;
            let (catalog, state) = (&self.lake.inner.catalog, JobState::Running);
            catalog.update_job(&id, &self.id, state, Some(&text), self.now()).await?;
        }
        Ok(())
    }
}

/// One who follows a job.
struct Following {
    jobs: Jobs,
    ctx: Ctx,
    id: String,
    seen: Option<u64>,
    told: Option<JobStatus>,
    is_over: bool,
}

impl Following {
    /// The next news; none when this server goes away.
    async fn next(&mut self) -> Result<Option<JobStatus>> {
        let mut closing = self.jobs.0.closing.subscribe();
        loop {
            let live = self.jobs.0.live().get(&self.id).map(|live| live.sink.progress.subscribe());
            let status = self.jobs.get(&self.ctx, &self.id).await?;
            let is_known = match &self.told {
                Some(told) => *told == status,
                None => {
                    self.seen == Some(status.record.revision) && !status.record.state.is_final()
                }
            };
            if !is_known {
                if self.told.is_some() {
                    tokio::time::sleep(TELL_EVERY).await;
                }
                self.told = Some(status.clone());
                return Ok(Some(status));
            }
            tokio::select! {
                () = news(live) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = closing.wait_for(|closing| *closing) => return Ok(None),
            }
        }
    }
}

/// Waits until a job that runs here has something to tell.
async fn news(live: Option<watch::Receiver<Option<Progress>>>) {
    match live {
        Some(mut live) => drop(live.changed().await),
        None => std::future::pending().await,
    }
}

/// Whether a job of the caller's is for the credential that was shown.
fn is_for(ctx: &Ctx, record: &JobRecord) -> bool {
    let asked = || identity::from_text(&record.identity);
    ctx.identity.scope.is_none()
        || asked().is_some_and(|asked| is_as_much(ctx, asked.identity.scope.as_ref()))
}

/// The lease that says that a server lives.
fn lease_of(server: &str) -> String {
    format!("jobs of {server}")
}

/// Whether it waits no longer.
fn is_under_way(progress: &Progress) -> bool {
    progress.queued_before.is_none()
}

fn unknown(kind: &str) -> Error {
    Error::Internal { source: format!("there are no jobs of kind `{kind}`").into() }
}

fn going_away() -> Error {
    let message = "this server is about to stop".to_owned();
    Error::Unavailable { source: message.clone().into(), message }
}
