//! The query engine, made when the first statement comes: commands that ask nothing in SQL start
//! without it.

use std::sync::OnceLock;

use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_service::engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream};
use lakebed_store::Store;

/// Stands in for the engine until it is needed.
#[derive(Debug, Default)]
pub(crate) struct LazyEngine(OnceLock<DataFusionEngine>);

impl LazyEngine {
    fn engine(&self) -> Result<&DataFusionEngine, EngineError> {
        if let Some(engine) = self.0.get() {
            return Ok(engine);
        }
        let engine = DataFusionEngine::new(EngineOptions::default())
            .map_err(|source| EngineError::Internal { source: Box::new(source) })?;
        Ok(self.0.get_or_init(|| engine))
    }
}

#[async_trait::async_trait]
impl Engine for LazyEngine {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        self.engine()?.prepare(sql)
    }

    async fn run(&self, job: QueryJob, store: &Store) -> Result<QueryStream, EngineError> {
        self.engine()?.run(job, store).await
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        self.engine()?.lineage(job).await
    }
}
