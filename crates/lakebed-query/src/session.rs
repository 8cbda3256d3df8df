//! A session per statement: functions and settings are the same for all, the runtime (memory,
//! scratch, objects) is the statement's own.
//!
//! Planning wants the functions and no runtime, running wants a runtime and no functions. So what
//! plans is used again for one statement after another, and what runs is made for each.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use datafusion::{
    common::Result,
    config::{ConfigNonZeroUsize, SpillCompression},
    execution::{
        SessionStateDefaults, SpillFile, TaskContext, TempFileFactory,
        cache::{
            cache_manager::{CacheManagerConfig, FileMetadataCache},
            default_cache::DefaultCache,
        },
        disk_manager::{DiskManager, DiskManagerBuilder, DiskManagerMode},
        memory_pool::TrackConsumersPool,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
        session_state::{SessionState, SessionStateBuilder},
    },
    optimizer::Analyzer,
    prelude::SessionConfig,
};
use lakebed_core::Timestamp;
use lakebed_service::engine::QueryLimits;

use crate::{
    functions::{FunctionNames, Functions, GovernFunctions},
    memory::StatementMemory,
    objects::{Nowhere, OnlyOurs},
    orders::KeysOnce,
    plans::Plans,
    pushdown,
    statements::Statements,
    times::TextsBesideTimes,
    yielding::YieldAfterJoins,
};

/// What a sort holds back for merging what it spilled, where memory is not small: 10 MiB.
const USUAL_RESERVATION: usize = 10 << 20;
/// The rows of a batch, where memory is not small.
const USUAL_ROWS: usize = 8_192;
/// The fewest rows of a batch.
const LEAST_ROWS: usize = 512;
/// A row is allowed that much of a share of memory before batches get smaller: 8 KiB.
const ROW_BYTES: usize = 8 << 10;
/// One more spilled file is merged at a time for so much of a share: 8 MiB. Without a bound one
/// part's merge takes what the others' sorts need.
const FAN_BYTES: usize = 8 << 20;

/// As many planners wait for the next statement, at most.
const IDLE_PLANNERS: usize = 16;

/// What every session starts from.
#[derive(Debug)]
pub(crate) struct Template {
    state: SessionState,
    idle: Mutex<Vec<SessionState>>,
    /// The footers of Parquet files, shared by all statements. Keyed by the object's name, filled
    /// with verified bytes alone.
    footers: Arc<FileMetadataCache>,
    footer_bytes: usize,
    pub(crate) statements: Statements,
    pub(crate) plans: Plans,
}

/// Where a table finds its bytes; part of a planner's configuration.
#[derive(Debug)]
pub(crate) struct Readers {
    pub(crate) objects: OnlyOurs,
    pub(crate) footers: Arc<FileMetadataCache>,
    /// What runs the statements of tables that are computed, below a barrier.
    pub(crate) below: Option<Arc<TaskContext>>,
}

impl Template {
    pub(crate) fn new(target_partitions: usize, footer_bytes: usize) -> Result<Self> {
        let functions = Functions::load();
        let statements = Statements::new(FunctionNames::of(&functions));
        let govern = Arc::new(GovernFunctions::new(&functions));
        let table_functions = SessionStateDefaults::default_table_functions();
        let mut analyzer = Analyzer::new().rules;
        analyzer.insert(0, Arc::new(TextsBesideTimes));
        // Nothing runs in it.
        let nowhere = RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(Nowhere));
        let state = SessionStateBuilder::new()
            .with_config(config(target_partitions))
            .with_runtime_env(nowhere.build_arc()?)
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(functions.scalar)
            .with_aggregate_functions(functions.aggregate)
            .with_window_functions(functions.window)
            .with_table_function_list(table_functions)
            .with_analyzer_rules(analyzer)
            .with_analyzer_rule(govern)
            .with_optimizer_rule(Arc::new(KeysOnce))
            .with_physical_optimizer_rules(pushdown::rules())
            .with_physical_optimizer_rule(Arc::new(YieldAfterJoins))
            .build();
        let footers: Arc<FileMetadataCache> = Arc::new(DefaultCache::new(footer_bytes));
        let (idle, plans) = (Mutex::default(), Plans::default());
        Ok(Self { state, idle, footers, footer_bytes, statements, plans })
    }

    /// What plans one statement: its limits, its time; to run in so many parts, if that is said.
    pub(crate) fn planner(
        &self,
        limits: &QueryLimits,
        now: Timestamp,
        parts: Option<usize>,
    ) -> Result<Planner<'_>> {
        let idle = self.idle().pop();
        let mut state = idle.unwrap_or_else(|| self.state.clone());
        let config = self.config(limits, parts)?;
        let options = Arc::clone(config.options());
        *state.config_mut() = config;
        let execution = state.execution_props_mut();
        execution.mark_start_execution(options);
        execution.query_execution_start_time = Some(now.to_datetime());
        Ok(Planner { template: self, state: Some(state) })
    }

    /// What runs a statement that `planner` planned: its limits, its scratch folder, its objects.
    pub(crate) fn context(
        &self,
        planner: &Planner<'_>,
        limits: &QueryLimits,
        scratch: &Path,
        objects: OnlyOurs,
    ) -> Result<Arc<TaskContext>> {
        let runtime = self.runtime(limits, scratch, objects)?;
        Ok(task(planner.session_id(), planner.config().clone(), runtime))
    }

    /// What runs whatever lies below a barrier: within limits of its own, so that those of a statement
    /// tell nothing of what is there.
    pub(crate) fn context_below(
        &self,
        scratch: &Path,
        objects: OnlyOurs,
    ) -> Result<Arc<TaskContext>> {
        let limits = QueryLimits::default();
        let runtime = self.runtime(&limits, scratch, objects)?;
        Ok(task("below", self.config(&limits, None)?, runtime))
    }

    /// The settings of a statement with these limits, that runs in so many parts.
    fn config(&self, limits: &QueryLimits, parts: Option<usize>) -> Result<SessionConfig> {
        let share = self.share(limits);
        let mut config = self.state.config().clone();
        let options = config.options_mut();
        if let Some(parts) = parts {
            options.execution.target_partitions = parts;
        }
        options.execution.sort_spill_reservation_bytes = self.reservation(limits);
        let rows = (share / ROW_BYTES).clamp(LEAST_ROWS, USUAL_ROWS);
        options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
        Ok(config)
    }

    /// The memory that one part of a statement has, if all take the same.
    fn share(&self, limits: &QueryLimits) -> usize {
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        memory / self.state.config().target_partitions().max(1)
    }

    /// What a sort holds back for merging what it spilled.
    fn reservation(&self, limits: &QueryLimits) -> usize {
        (self.share(limits) / 3).min(USUAL_RESERVATION)
    }

    fn runtime(
        &self,
        limits: &QueryLimits,
        scratch: &Path,
        objects: OnlyOurs,
    ) -> Result<Arc<RuntimeEnv>> {
        const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).expect("5 is not 0");
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let kept = self.reservation(limits) * self.state.config().target_partitions();
        let pool = TrackConsumersPool::new(StatementMemory::new(memory, kept), NAMED_CONSUMERS);
        let fan_in = (self.share(limits) / FAN_BYTES).clamp(2, 64);
        let spill = SpillFolder {
            folder: scratch.to_owned(),
            limit_bytes: limits.spill_bytes,
            files: Mutex::default(),
        };
        let disk = DiskManagerBuilder::default()
            .with_temp_file_factory(Arc::new(spill))
            .with_max_spill_merge_fan_in(fan_in);
        let caches = CacheManagerConfig::default()
            .with_file_metadata_cache(Some(Arc::clone(&self.footers)))
            .with_metadata_cache_limit(self.footer_bytes);
        RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(objects))
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk)
            .with_cache_manager(caches)
            .build_arc()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SessionState>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a plan runs with. It holds the functions that it calls.
fn task(session: &str, config: SessionConfig, runtime: Arc<RuntimeEnv>) -> Arc<TaskContext> {
    let (session, scalar, higher) = (session.to_owned(), HashMap::new(), HashMap::new());
    let (aggregate, window) = (HashMap::new(), HashMap::new());
    Arc::new(TaskContext::new(None, session, config, scalar, higher, aggregate, window, runtime))
}

/// What plans one statement; given back when dropped, without the statement's objects.
pub(crate) struct Planner<'a> {
    template: &'a Template,
    /// There until it is dropped.
    state: Option<SessionState>,
}

impl Planner<'_> {
    /// The statements that were admitted lately.
    pub(crate) fn statements(&self) -> &Statements {
        &self.template.statements
    }

    /// The same planner; scans that it plans find their bytes among `objects`, and run by `below` what
    /// lies below a barrier.
    pub(crate) fn reading(mut self, objects: &OnlyOurs, below: Option<Arc<TaskContext>>) -> Self {
        let footers = Arc::clone(&self.template.footers);
        let readers = Readers { objects: objects.clone(), footers, below };
        if let Some(state) = &mut self.state {
            state.config_mut().set_extension(Arc::new(readers));
        }
        self
    }
}

impl Deref for Planner<'_> {
    type Target = SessionState;

    fn deref(&self) -> &SessionState {
        self.state.as_ref().unwrap_or(&self.template.state)
    }
}

impl Drop for Planner<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        *state.config_mut() = self.template.state.config().clone();
        let mut idle = self.template.idle();
        if idle.len() < IDLE_PLANNERS {
            idle.push(state);
        }
    }
}

/// Files of a statement that spills, in a folder of their own that is made with the first.
struct SpillFolder {
    folder: PathBuf,
    limit_bytes: u64,
    files: Mutex<Option<Arc<DiskManager>>>,
}

impl TempFileFactory for SpillFolder {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match files.as_ref() {
            Some(files) => files,
            None => {
                let made = DiskManagerBuilder::default()
                    .with_mode(DiskManagerMode::Directories(vec![self.folder.clone()]))
                    .with_max_temp_directory_size(self.limit_bytes)
                    .build()?;
                files.insert(Arc::new(made))
            }
        };
        files.create_tmp_file(description)
    }
}

/// Settings that decide what a statement means are fixed here; none can be changed by SQL.
fn config(target_partitions: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .with_target_partitions(target_partitions)
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".to_owned());
    options.execution.spill_compression = SpillCompression::Lz4Frame;
    options.execution.enable_recursive_ctes = false;
    options.optimizer.skip_failed_rules = false;
    // It takes every NaN for another value, and panics.
    options.optimizer.enable_topk_aggregation = false;
    config
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use lakebed_store::{LocalBackend, Scratch, Store};

    use super::*;
    use crate::objects::Fault;

    fn objects(folder: &Path) -> OnlyOurs {
        let scratch = Scratch::in_root(folder).unwrap();
        let backend = LocalBackend::new(folder.to_owned(), &scratch);
        let store = Store::new(Arc::new(backend), scratch);
        OnlyOurs::new(store.reader([]), Fault::default())
    }

    /// What planned one statement plans the next by its own limits and time, and keeps nothing of the
    /// one before.
    #[test]
    fn planners_remember_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let objects = objects(folder.path());
        let template = Template::new(2, 1 << 20).unwrap();
        let little = QueryLimits { memory_bytes: 8 << 20, ..QueryLimits::default() };
        for (limits, rows, now) in [(little, 512, 7), (QueryLimits::default(), 8_192, 9)] {
            let now = Timestamp::from_micros(now);
            let planner = template.planner(&limits, now, None).unwrap().reading(&objects, None);
            assert!(template.idle().is_empty(), "it is at work");
            assert_eq!(planner.config().batch_size(), rows);
            assert_eq!(
                planner.execution_props().query_execution_start_time,
                Some(now.to_datetime())
            );
            assert!(planner.config().get_extension::<Readers>().is_some());
            drop(planner);
            let idle = template.idle();
            assert_eq!(idle.len(), 1, "the same one again");
            assert!(idle[0].config().get_extension::<Readers>().is_none());
        }
    }

    /// Not even our own place can be reached from what plans: reading is for what runs.
    #[test]
    fn planners_reach_no_object_store() {
        let folder = tempfile::tempdir().unwrap();
        let template = Template::new(2, 1 << 20).unwrap();
        let now = Timestamp::from_micros(0);
        let objects = objects(folder.path());
        let planner =
            template.planner(&QueryLimits::default(), now, None).unwrap().reading(&objects, None);
        for place in ["file:///etc", "lakebed://objects"] {
            let place = url::Url::parse(place).unwrap();
            assert!(planner.runtime_env().object_store_registry.get_store(&place).is_err());
        }
    }
}
