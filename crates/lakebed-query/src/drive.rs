//! Running a plan: lazily, with a deadline, until the last row or the first error.
//!
//! A statement is planned on the engine's threads at once. Only when someone asks for rows, a task on
//! these threads starts the plan. Dropping the stream ends the task, and with it whatever the plan
//! started, its memory and its scratch files.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    execution::TaskContext,
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use lakebed_service::engine::{EngineError, QueryLimits, QueryStream};
use tokio::{
    sync::mpsc,
    task::JoinError,
    time::{Instant, timeout_at},
};
use tracing::{Instrument as _, Span};

use crate::{
    engine::Planned,
    errors::{NO_MEMORY, NO_SCRATCH, exhausted, from_datafusion, from_panic, internal},
    facts::Facts,
    objects::Fault,
    output::{plain_batches, plain_schema},
    threads::{EngineThreads, Running},
    weight::weight,
};

/// What the task sends to its stream.
enum Message {
    Rows(RecordBatch),
    Failed(EngineError),
    /// All rows were sent. A task that ends without a word was not well.
    Done,
}

/// Starts a statement: `plan` runs at once on a thread where it may block, the rest when rows are
/// asked for.
pub(crate) async fn start(
    threads: Arc<EngineThreads>,
    plan: impl FnOnce() -> Result<Planned, EngineError> + Send + 'static,
    limits: QueryLimits,
) -> Result<QueryStream, EngineError> {
    let deadline = Deadline::new(&limits);
    let owner = Arc::clone(&threads);
    let plan = move || Ok(Ready { planned: Some(plan()?), threads: owner });
    let ready = deadline.compute(&threads, plan).await?;
    let schema = schema_of(ready.planned());
    let Facts { columns, unstable } = facts_of(ready.planned());
    let waiting = Waiting { ready, schema: Arc::clone(&schema), limits, deadline };
    let batches = batches(waiting, Span::current());
    Ok(QueryStream { schema, batches, columns, unstable })
}

/// What `work` gives, on a thread where it may block and stacks are deep, if it is done in time.
pub(crate) async fn compute<T: Send + 'static>(
    threads: &EngineThreads,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    limits: &QueryLimits,
) -> Result<T, EngineError> {
    Deadline::new(limits).compute(threads, work).await
}

/// A plan that nobody asked to run yet. It may be as deep as a statement, so it is dropped where stacks
/// are.
struct Ready {
    /// Taken when it runs, and when it is dropped.
    planned: Option<Planned>,
    threads: Arc<EngineThreads>,
}

impl Ready {
    fn planned(&self) -> &Planned {
        self.planned.as_ref().expect("it is there until it runs")
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        if let Some(planned) = self.planned.take() {
            self.threads.handle().spawn_blocking(|| drop(planned));
        }
    }
}

/// A statement before its first row is asked for.
struct Waiting {
    ready: Ready,
    schema: SchemaRef,
    limits: QueryLimits,
    deadline: Deadline,
}

impl Waiting {
    async fn run(mut self, span: Span) -> Begun {
        let (sender, receiver) = mpsc::channel(1);
        let threads = Arc::clone(&self.ready.threads);
        let planned = self.ready.planned.take();
        let Self { schema, limits, deadline, .. } = self;
        let task = async move {
            let Some(planned) = planned else { return };
            let run = run(planned, &schema, &sender, &limits);
            let last = match deadline.meet(run).await {
                Ok(Ok(())) => Message::Done,
                Ok(Err(error)) | Err(error) => Message::Failed(error),
            };
            // Nobody may be left to hear it.
            let _ = sender.send(last).await;
        };
        let running = threads.spawn(task.instrument(span)).await;
        Begun { _running: running, receiver, deadline, threads }
    }
}

/// A statement that gives rows; ends when dropped.
struct Begun {
    _running: Running,
    receiver: mpsc::Receiver<Message>,
    deadline: Deadline,
    /// They outlive the statements on them.
    threads: Arc<EngineThreads>,
}

impl Begun {
    /// What comes next, if it comes in time.
    async fn next(&mut self) -> Message {
        match self.deadline.wait(&self.threads, self.receiver.recv()).await {
            Ok(Some(message)) => message,
            Ok(None) => Message::Failed(internal("the statement's task ended without a word")),
            Err(error) => Message::Failed(error),
        }
    }
}

/// The stream of a statement: runs it when it is asked for rows.
fn batches(
    waiting: Waiting,
    span: Span,
) -> stream::BoxStream<'static, Result<RecordBatch, EngineError>> {
    enum State {
        Waiting(Waiting, Span),
        Running(Begun),
        Over,
    }
    stream::unfold(State::Waiting(waiting, span), |state| async {
        let mut running = match state {
            State::Waiting(waiting, span) => waiting.run(span).await,
            State::Running(running) => running,
            State::Over => return None,
        };
        match running.next().await {
            Message::Rows(batch) => Some((Ok(batch), State::Running(running))),
            Message::Failed(error) => Some((Err(error), State::Over)),
            Message::Done => None,
        }
    })
    .boxed()
}

fn schema_of(planned: &Planned) -> SchemaRef {
    match planned {
        Planned::Answer(batch) => batch.schema(),
        Planned::Plan { physical, .. } => plain_schema(&physical.schema()),
    }
}

fn facts_of(planned: &Planned) -> Facts {
    match planned {
        Planned::Answer(_) => Facts::default(),
        Planned::Plan { facts, .. } => facts.clone(),
    }
}

async fn run(
    planned: Planned,
    schema: &SchemaRef,
    sender: &mpsc::Sender<Message>,
    limits: &QueryLimits,
) -> Result<(), EngineError> {
    let rows = Budget::new(limits.max_rows, "rows");
    let bytes = Budget::new(limits.max_bytes, "bytes of values");
    let mut rows = Rows { sender, rows, bytes };
    match planned {
        Planned::Answer(batch) => rows.send(batch).await,
        Planned::Plan { physical, context, fault, facts: _ } => {
            run_plan(physical, context, schema, &mut rows, &fault)
                .await
                .map_err(|error| fault.take().map_or(error, EngineError::Store))
                .map_err(|error| with_limits(error, limits))
        }
    }
}

async fn run_plan(
    physical: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    schema: &SchemaRef,
    rows: &mut Rows<'_>,
    fault: &Fault,
) -> Result<(), EngineError> {
    let mut batches = execute_stream(physical, context).map_err(from_datafusion)?;
    loop {
        let next = AssertUnwindSafe(batches.next()).catch_unwind().await;
        // Whatever became of it on the way: bytes were wrong, so nothing more is sent.
        if let Some(error) = fault.take() {
            return Err(EngineError::Store(error));
        }
        match next.map_err(|panic| from_panic(&*panic))? {
            None => return Ok(()),
            Some(batch) => {
                for batch in plain_batches(&batch.map_err(from_datafusion)?, schema)? {
                    rows.send(batch).await?;
                }
            }
        }
    }
}

/// Counts rows, and what their values take up, on their way out.
struct Rows<'a> {
    sender: &'a mpsc::Sender<Message>,
    rows: Budget,
    bytes: Budget,
}

impl Rows<'_> {
    /// Sends `batch`, or nothing of it when that would be too much: what is refused at once is told
    /// before an answer begins, and a part of a broken answer is of no use.
    async fn send(&mut self, batch: RecordBatch) -> Result<(), EngineError> {
        self.rows.spend(batch.num_rows() as u64)?;
        if self.bytes.most.is_some() {
            self.bytes.spend(weight(&batch))?;
        }
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let sent = self.sender.send(Message::Rows(batch)).await;
        sent.map_err(|_| internal("nobody takes the rows any more"))
    }
}

/// How much of an answer may be sent, of one kind.
struct Budget {
    most: Option<u64>,
    spent: u64,
    unit: &'static str,
}

impl Budget {
    const fn new(most: Option<u64>, unit: &'static str) -> Self {
        Self { most, spent: 0, unit }
    }

    fn spend(&mut self, amount: u64) -> Result<(), EngineError> {
        self.spent += amount;
        match self.most {
            Some(most) if self.spent > most => Err(exhausted(format!(
                "the answer has more than the {most} {} that are allowed",
                self.unit
            ))),
            _ => Ok(()),
        }
    }
}

/// Names the limit that was met.
fn with_limits(error: EngineError, limits: &QueryLimits) -> EngineError {
    match error {
        EngineError::Exhausted { message } if message == NO_MEMORY => {
            exhausted(format!("{NO_MEMORY}: {} bytes", limits.memory_bytes))
        }
        EngineError::Exhausted { message } if message == NO_SCRATCH => {
            exhausted(format!("{NO_SCRATCH}: {} bytes", limits.spill_bytes))
        }
        other => other,
    }
}

/// When a statement must be done.
#[derive(Clone, Copy)]
struct Deadline {
    at: Option<Instant>,
    allowed_ms: u64,
}

impl Deadline {
    fn new(limits: &QueryLimits) -> Self {
        let allowed_ms = limits.timeout_ms.unwrap_or(0);
        // A time that no clock reaches is no deadline.
        let at = limits
            .timeout_ms
            .and_then(|allowed| Instant::now().checked_add(Duration::from_millis(allowed)));
        Self { at, allowed_ms }
    }

    async fn meet<T>(self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        let Some(at) = self.at else { return Ok(work.await) };
        timeout_at(at, work).await.map_err(|_| self.missed())
    }

    fn missed(self) -> EngineError {
        exhausted(format!("the statement took longer than the {} ms it has", self.allowed_ms))
    }

    /// As [`Self::meet`], by the engine's clock: whoever waits may have none, and who works may not
    /// look at it.
    async fn wait<T>(
        self,
        threads: &EngineThreads,
        work: impl Future<Output = T>,
    ) -> Result<T, EngineError> {
        let Some(at) = self.at else { return Ok(work.await) };
        threads.by(at, work).await.ok_or_else(|| self.missed())
    }

    /// Computing cannot be interrupted, only no longer waited for.
    async fn compute<T: Send + 'static>(
        self,
        threads: &EngineThreads,
        work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let span = Span::current();
        let work = threads.handle().spawn_blocking(move || span.in_scope(work));
        let computed = self.wait(threads, work).await?;
        computed.map_err(from_join)?
    }
}

fn from_join(error: JoinError) -> EngineError {
    match error.try_into_panic() {
        Ok(panic) => from_panic(&*panic),
        Err(error) => internal(error),
    }
}
