//! Running a plan: lazily, with a deadline, until the last row or the first error.
//!
//! One task per statement lives on the engine's threads, plans there, waits until someone asks for
//! rows, and only then starts the plan. Dropping the stream ends the task, and with it whatever the
//! plan started, its memory and its scratch files.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    execution::session_state::SessionState,
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::{FutureExt as _, StreamExt as _, stream};
use lakebed_service::engine::{EngineError, QueryLimits, QueryStream};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinError},
    time::{Instant, timeout_at},
};

use tracing::Instrument as _;

use crate::{
    engine::Planned,
    errors::{NO_MEMORY, NO_SCRATCH, exhausted, from_datafusion, from_panic, internal},
    facts::Facts,
    objects::Fault,
    output::{plain_batches, plain_schema},
    stacks::EngineThreads,
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
    let (planned_sender, planned_receiver) = oneshot::channel();
    let (go_sender, go_receiver) = oneshot::channel();
    let (sender, receiver) = mpsc::channel(1);
    let deadline = Deadline::new(&limits);
    let task = async move {
        let planned = deadline.plan(plan).await;
        let known = planned.as_ref().map(|planned| (schema_of(planned), facts_of(planned))).ok();
        let _ = match (planned, known) {
            (Ok(planned), Some((schema, facts))) => {
                if planned_sender.send(Ok((Arc::clone(&schema), facts))).is_err() {
                    return;
                }
                if go_receiver.await.is_err() {
                    return;
                }
                let run = run(planned, &schema, &sender, &limits);
                let last = match deadline.meet(run).await {
                    Ok(Ok(())) => Message::Done,
                    Ok(Err(error)) | Err(error) => Message::Failed(error),
                };
                sender.send(last).await.map_err(|_| ())
            }
            (Err(error), _) => planned_sender.send(Err(error)).map_err(|_| ()),
            (Ok(_), None) => Ok(()),
        };
    };
    let guard = Running {
        task: threads.handle().spawn(task.in_current_span()).abort_handle(),
        _threads: threads,
    };
    let (schema, Facts { columns, unstable }) = planned_receiver.await.map_err(internal)??;
    let batches = batches(guard, go_sender, receiver);
    Ok(QueryStream { schema, batches, columns, unstable })
}

/// The stream of a statement: asks for rows when it is asked for rows.
fn batches(
    guard: Running,
    go: oneshot::Sender<()>,
    receiver: mpsc::Receiver<Message>,
) -> stream::BoxStream<'static, Result<RecordBatch, EngineError>> {
    stream::unfold(Some((guard, Some(go), receiver)), |state| async {
        let (guard, go, mut receiver) = state?;
        if let Some(go) = go {
            // A task that is gone is noticed below.
            let _ = go.send(());
        }
        match receiver.recv().await {
            Some(Message::Rows(batch)) => Some((Ok(batch), Some((guard, None, receiver)))),
            Some(Message::Failed(error)) => Some((Err(error), None)),
            Some(Message::Done) => None,
            None => Some((Err(internal("the statement's task ended without a word")), None)),
        }
    })
    .boxed()
}

/// Ends the task when dropped.
struct Running {
    task: AbortHandle,
    /// The threads outlive the statements on them.
    _threads: Arc<EngineThreads>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
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
        Planned::Plan { physical, state, fault, facts: _ } => {
            run_plan(physical, &state, schema, &mut rows, &fault)
                .await
                .map_err(|error| fault.take().map_or(error, EngineError::Store))
                .map_err(|error| with_limits(error, limits))
        }
    }
}

async fn run_plan(
    physical: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    schema: &SchemaRef,
    rows: &mut Rows<'_>,
    fault: &Fault,
) -> Result<(), EngineError> {
    let mut batches = execute_stream(physical, state.task_ctx()).map_err(from_datafusion)?;
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
        timeout_at(at, work).await.map_err(|_| {
            exhausted(format!("the statement took longer than the {} ms it has", self.allowed_ms))
        })
    }

    /// Planning cannot be interrupted, only no longer waited for.
    async fn plan(
        self,
        plan: impl FnOnce() -> Result<Planned, EngineError> + Send + 'static,
    ) -> Result<Planned, EngineError> {
        let span = tracing::Span::current();
        let planned = self.meet(tokio::task::spawn_blocking(move || span.in_scope(plan))).await?;
        planned.map_err(from_join)?
    }
}

fn from_join(error: JoinError) -> EngineError {
    match error.try_into_panic() {
        Ok(panic) => from_panic(&*panic),
        Err(error) => internal(error),
    }
}
