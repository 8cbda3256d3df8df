//! A session per statement, from one template: functions and settings are the same for all, the
//! runtime (memory, scratch, objects) is the statement's own.

use std::{num::NonZeroUsize, path::Path, sync::Arc};

use datafusion::{
    common::Result,
    config::{ConfigNonZeroUsize, SpillCompression},
    execution::{
        SessionStateDefaults,
        cache::{
            cache_manager::{CacheManagerConfig, FileMetadataCache},
            default_cache::DefaultCache,
        },
        disk_manager::{DiskManagerBuilder, DiskManagerMode},
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
        session_state::{SessionState, SessionStateBuilder},
    },
    prelude::SessionConfig,
};
use lakebed_core::Timestamp;
use lakebed_service::engine::QueryLimits;

use crate::{
    functions::{FunctionNames, Functions, GovernFunctions},
    objects::OnlyOurs,
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

/// What every session starts from.
#[derive(Debug)]
pub(crate) struct Template {
    state: SessionState,
    /// The footers of Parquet files, shared by all statements. Keyed by the object's name, filled
    /// with verified bytes alone.
    footers: Arc<FileMetadataCache>,
    footer_bytes: usize,
    /// The names that calls may have.
    pub(crate) names: FunctionNames,
}

impl Template {
    pub(crate) fn new(target_partitions: usize, footer_bytes: usize) -> Self {
        let functions = Functions::load();
        let names = FunctionNames::of(&functions);
        let govern = Arc::new(GovernFunctions::new(&functions));
        let table_functions = SessionStateDefaults::default_table_functions();
        let state = SessionStateBuilder::new()
            .with_config(config(target_partitions))
            .with_expr_planners(SessionStateDefaults::default_expr_planners())
            .with_scalar_functions(functions.scalar)
            .with_aggregate_functions(functions.aggregate)
            .with_window_functions(functions.window)
            .with_table_function_list(table_functions)
            .with_analyzer_rule(govern)
            .with_physical_optimizer_rule(Arc::new(YieldAfterJoins))
            .build();
        let footers: Arc<FileMetadataCache> = Arc::new(DefaultCache::new(footer_bytes));
        Self { state, footers, footer_bytes, names }
    }

    /// A session for one statement: its limits, its scratch folder, its objects, its time.
    pub(crate) fn session(
        &self,
        limits: &QueryLimits,
        scratch: &Path,
        objects: OnlyOurs,
        now: Timestamp,
    ) -> Result<SessionState> {
        let runtime = self.runtime(limits, scratch, objects)?;
        let mut state = SessionStateBuilder::new_from_existing(self.state.clone())
            .with_runtime_env(runtime)
            .build();
        let share = self.share(limits);
        let options = state.config_mut().options_mut();
        options.execution.sort_spill_reservation_bytes = (share / 3).min(USUAL_RESERVATION);
        let rows = (share / ROW_BYTES).clamp(LEAST_ROWS, USUAL_ROWS);
        options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
        let options = Arc::clone(state.config_options());
        let execution = state.execution_props_mut();
        execution.mark_start_execution(options);
        execution.query_execution_start_time = Some(now.to_datetime());
        Ok(state)
    }

    /// The memory that one part of a statement has, if all take the same.
    fn share(&self, limits: &QueryLimits) -> usize {
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        memory / self.state.config().target_partitions().max(1)
    }

    fn runtime(
        &self,
        limits: &QueryLimits,
        scratch: &Path,
        objects: OnlyOurs,
    ) -> Result<Arc<RuntimeEnv>> {
        const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(5).expect("5 is not 0");
        let memory = usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX);
        let pool = TrackConsumersPool::new(FairSpillPool::new(memory), NAMED_CONSUMERS);
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![scratch.to_owned()]))
            .with_max_temp_directory_size(limits.spill_bytes)
            .with_max_spill_merge_fan_in((self.share(limits) / FAN_BYTES).clamp(2, 64));
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
    config
}
