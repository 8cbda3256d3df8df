//! The engine: admits statements, plans them, and hands out their rows.
//!
//! Parsing, planning and running happen on threads of its own, with deep stacks; the caller's
//! threads only pass batches on.

use std::{io, num::NonZeroUsize, sync::Arc, thread};

use async_trait::async_trait;
use datafusion::{execution::session_state::SessionState, physical_plan::ExecutionPlan};
use lakebed_service::engine::{
    Engine, EngineError, Prepared, QueryJob, QueryStream, StatementKind,
};
use lakebed_store::Store;

use crate::{
    answers, drive,
    errors::{from_datafusion, internal},
    governed,
    guard::{self, Admitted},
    objects::{Fault, OnlyOurs},
    parameters,
    plan::{self, Provider},
    session::Template,
    stacks::{self, EngineThreads},
};

/// How much of the machine an engine may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineOptions {
    /// How many parts of a statement run at once; also the number of the engine's threads.
    pub target_partitions: NonZeroUsize,
    /// How much memory the footers of Parquet files may take up between statements.
    pub footer_cache_bytes: usize,
}

impl Default for EngineOptions {
    /// As many partitions as there are cores, at most 8; 64 MiB of footers.
    fn default() -> Self {
        const MOST: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { target_partitions: cores.min(MOST), footer_cache_bytes: 64 << 20 }
    }
}

/// [`Engine`] by DataFusion, in this process.
#[derive(Debug)]
pub struct DataFusionEngine {
    template: Arc<Template>,
    threads: Arc<EngineThreads>,
    provider: Provider,
}

impl DataFusionEngine {
    /// Starts the engine's threads.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(options: EngineOptions) -> io::Result<Self> {
        let partitions = options.target_partitions.get();
        let template = Arc::new(Template::new(partitions, options.footer_cache_bytes));
        // One more than partitions, so that a plan that hogs them does not stop the others' start.
        let threads = Arc::new(EngineThreads::start(partitions + 1)?);
        Ok(Self { template, threads, provider: governed::provider })
    }

    /// The same engine with other tables under their names: what the proof of the right ones needs.
    #[cfg(test)]
    pub(crate) fn with_provider(self, provider: Provider) -> Self {
        Self { provider, ..self }
    }

    /// Runs `job`, and shows the plan that it runs by.
    #[cfg(test)]
    pub(crate) async fn run_and_show(
        &self,
        job: QueryJob,
        store: &Store,
    ) -> Result<(QueryStream, String), EngineError> {
        let limits = job.limits;
        let (template, store, provider) =
            (Arc::clone(&self.template), store.clone(), self.provider);
        let (sender, shown) = std::sync::mpsc::channel();
        let work = move || {
            let planned = plan_job(&template, job, &store, provider)?;
            if let Planned::Plan { physical, .. } = &planned {
                let plan = datafusion::physical_plan::displayable(physical.as_ref());
                sender.send(plan.indent(true).to_string()).map_err(internal)?;
            }
            Ok(planned)
        };
        let stream = drive::start(Arc::clone(&self.threads), work, limits).await?;
        Ok((stream, shown.recv().unwrap_or_default()))
    }

    /// How many statements, and parts of statements, are at work or waiting for their reader.
    #[must_use]
    pub fn alive_tasks(&self) -> usize {
        self.threads.handle().metrics().num_alive_tasks()
    }
}

#[async_trait]
impl Engine for DataFusionEngine {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        let names = &self.template.names;
        stacks::on_deep_stack(|| guard::admit(sql, names).map(|admitted| admitted.prepared))
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        let limits = job.limits;
        let template = Arc::clone(&self.template);
        let store = store.clone();
        let provider = self.provider;
        let work = move || plan_job(&template, job, &store, provider);
        drive::start(Arc::clone(&self.threads), work, limits).await
    }
}

/// What is left to do for an answer.
pub(crate) enum Planned {
    /// Nothing.
    Answer(arrow::array::RecordBatch),
    /// To run this.
    Plan {
        /// What to run.
        physical: Arc<dyn ExecutionPlan>,
        /// In which session.
        state: Box<SessionState>,
        /// Where to look for what is wrong with bytes.
        fault: Fault,
    },
}

/// Plans `job`. No call to the store; much computing: call it where blocking is fine and stacks are
/// deep.
pub(crate) fn plan_job(
    template: &Template,
    job: QueryJob,
    store: &Store,
    provider: Provider,
) -> Result<Planned, EngineError> {
    let Admitted { prepared, query } = guard::admit(&job.sql, &template.names)?;
    let Some(mut query) = query else {
        return match prepared.kind {
            StatementKind::ShowTables => answers::listed(&job.listing).map(Planned::Answer),
            _ => described(&job).map(Planned::Answer),
        };
    };
    parameters::bind(&mut query, &job.parameters)?;
    let fault = Fault::default();
    let files = job.tables.iter().flat_map(|table| &table.files);
    let objects = store.reader(files.map(|file| file.object));
    let objects = OnlyOurs::new(objects, fault.clone());
    let state = template
        .session(&job.limits, store.scratch_dir(), objects, job.now)
        .map_err(from_datafusion)?;
    let logical = plan::logical(query, &state, &job.tables, provider)?;
    if prepared.kind == StatementKind::Explain {
        let logical = state.optimize(&logical).map_err(from_datafusion)?;
        return answers::explained(&logical).map(Planned::Answer);
    }
    let logical = plan::limited(logical, job.limits.max_rows)?;
    let physical = tokio::runtime::Handle::current()
        .block_on(state.create_physical_plan(&logical))
        .map_err(from_datafusion)?;
    Ok(Planned::Plan { physical, state: Box::new(state), fault })
}

fn described(job: &QueryJob) -> Result<arrow::array::RecordBatch, EngineError> {
    match job.tables.as_slice() {
        [table] => answers::described(&governed::visible_schema(table)),
        _ => Err(internal("DESCRIBE was not given the one table it names")),
    }
}
