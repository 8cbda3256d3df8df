//! The engine: admits statements, plans them, and hands out their rows.
//!
//! Parsing, planning and running happen on threads of its own, with deep stacks; the caller's
//! threads only pass batches on.

use std::{io, num::NonZeroUsize, sync::Arc, thread};

use async_trait::async_trait;
use datafusion::{
    execution::TaskContext, physical_plan::ExecutionPlan, sql::sqlparser::ast::Query,
};
use lakebed_service::engine::{
    BoundTable, Described, Engine, EngineError, Prepared, QueryJob, QueryStream, StatementKind,
};
use lakebed_store::Store;

use crate::{
    answers, drive,
    errors::{from_datafusion, internal, not_allowed},
    facts::{self, Facts},
    governed, lineage,
    objects::{Fault, OnlyOurs},
    output::plain_schema,
    parameters,
    plan::{self, Logical, Over, Provider},
    plans::Optimised,
    session::{Planner, Template},
    stacks,
    threads::EngineThreads,
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
        let template = Template::new(partitions, options.footer_cache_bytes);
        let template = Arc::new(template.map_err(io::Error::other)?);
        let threads = Arc::new(EngineThreads::start(partitions)?);
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
        self.threads.alive_tasks()
    }
}

#[async_trait]
impl Engine for DataFusionEngine {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        let statements = &self.template.statements;
        match statements.find(sql) {
            Some(admitted) => Ok(admitted.prepared.clone()),
            None => stacks::on_deep_stack(|| {
                statements.admit(sql).map(|admitted| admitted.prepared.clone())
            }),
        }
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        let limits = job.limits;
        let template = Arc::clone(&self.template);
        let store = store.clone();
        let provider = self.provider;
        let work = move || plan_job(&template, job, &store, provider);
        drive::start(Arc::clone(&self.threads), work, limits).await
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        let limits = job.limits;
        let template = Arc::clone(&self.template);
        let provider = self.provider;
        let work = move || derive_job(&template, &job, provider);
        drive::compute(&self.threads, work, &limits).await
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
        /// With what.
        context: Arc<TaskContext>,
        /// Where to look for what is wrong with bytes.
        fault: Fault,
        /// What there is to say of it.
        facts: Facts,
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
    let admitted = template.statements.admit(&job.sql)?;
    let kind = &admitted.prepared.kind;
    let Some(query) = &admitted.query else {
        parameters::none(&job.parameters)?;
        return match kind {
            StatementKind::ShowTables => answers::listed(&job.listing).map(Planned::Answer),
            _ => described(&job).map(Planned::Answer),
        };
    };
    let fault = Fault::default();
    let files = job.tables.iter().flat_map(BoundTable::all_files);
    let objects = store.reader(files.map(|file| file.object));
    let objects = OnlyOurs::new(objects, fault.clone());
    let below = match job.tables.iter().any(|table| table.computed.is_some()) {
        false => None,
        true => {
            let below = template.context_below(store.scratch_dir(), objects.clone());
            Some(below.map_err(from_datafusion)?)
        }
    };
    let parts = job.fixed.as_ref().map(|_| 1);
    let planner = template.planner(&job.limits, job.now, parts).map_err(from_datafusion)?;
    let planner = planner.reading(&objects, below);
    if *kind == StatementKind::Explain {
        let logical = logical_plan(query.clone(), &planner, &job, provider)?.plan;
        let logical = planner.optimize(&logical).map_err(from_datafusion)?;
        return answers::explained(&logical).map(Planned::Answer);
    }
    let optimised =
        template.plans.find_or_make(&job, || optimised(query.clone(), &planner, &job, provider))?;
    let physical = tokio::runtime::Handle::current()
        .block_on(planner.query_planner().create_physical_plan(&optimised.plan, &*planner))
        .map_err(from_datafusion)?;
    let context = template.context(&planner, &job.limits, store.scratch_dir(), objects);
    let context = context.map_err(from_datafusion)?;
    Ok(Planned::Plan { physical, context, fault, facts: optimised.facts.clone() })
}

/// The plan of `job`, its parameters bound, in the order that it asks for.
fn logical_plan(
    mut query: Box<Query>,
    planner: &Planner<'_>,
    job: &QueryJob,
    provider: Provider,
) -> Result<Logical, EngineError> {
    parameters::bind(&mut query, &job.parameters)?;
    let logical = plan::logical(query, planner, Over::of(job), provider)?;
    Ok(match &job.fixed {
        Some(order) => Logical { plan: plan::fixed(logical.plan, order)?, ..logical },
        None => logical,
    })
}

/// What [`create_physical_plan`](datafusion::execution::context::SessionState::create_physical_plan)
/// does before it plans how to run.
fn optimised(
    query: Box<Query>,
    planner: &Planner<'_>,
    job: &QueryJob,
    provider: Provider,
) -> Result<Optimised, EngineError> {
    let Logical { plan, has_table_functions, unstable_below } =
        logical_plan(query, planner, job, provider)?;
    let logical = plan::limited(plan, job.limits.max_rows)?;
    let mut unstable = facts::unstable(&logical).map_err(from_datafusion)?;
    unstable.extend(unstable_below);
    let changing = facts::changing(&logical).map_err(from_datafusion)?;
    let plan = planner.optimize(&logical).map_err(from_datafusion)?;
    let columns = facts::columns(&plan).map_err(from_datafusion)?;
    let is_lasting = changing.is_empty() && !has_table_functions;
    Ok(Optimised { plan, facts: Facts { columns, unstable }, is_lasting })
}

/// What the answer to `job` would be made of. Touches no store; call it where [`plan_job`] is called.
fn derive_job(
    template: &Template,
    job: &QueryJob,
    provider: Provider,
) -> Result<Described, EngineError> {
    let admitted = template.statements.admit(&job.sql)?;
    let (StatementKind::Query, Some(mut query)) = (&admitted.prepared.kind, admitted.query.clone())
    else {
        let hint = "write `SELECT …`".to_owned();
        return Err(not_allowed("only queries have a lineage", Some(hint)));
    };
    parameters::bind(&mut query, &job.parameters)?;
    let planner = template.planner(&job.limits, job.now, None).map_err(from_datafusion)?;
    let logical = plan::logical(query, &planner, Over::of(job), provider)?;
    if let Some(order) = &job.fixed {
        plan::fixed(logical.plan.clone(), order)?;
    }
    let analysed = plan::analysed(logical.plan, &planner)?;
    let lineage = lineage::of(&analysed, &job.tables)?;
    Ok(Described { schema: plain_schema(analysed.schema().as_arrow()), lineage })
}

fn described(job: &QueryJob) -> Result<arrow::array::RecordBatch, EngineError> {
    match job.tables.as_slice() {
        [table] => answers::described(&table.restriction.visible(&table.schema)),
        [] if !job.system.is_empty() => answers::described_system(&job.system[0].rows.schema()),
        _ => Err(internal("DESCRIBE was not given the one table it names")),
    }
}
