//! An engine for tests that run no SQL.

use async_trait::async_trait;
use lakebed_service::engine::{Described, Engine, EngineError, Prepared, QueryJob, QueryStream};
use lakebed_store::Store;

/// Admits no statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEngine;

fn no_sql() -> EngineError {
    EngineError::NotAllowed { message: "this lake has no engine".to_owned(), hint: None }
}

#[async_trait]
impl Engine for NoEngine {
    fn prepare(&self, _sql: &str) -> Result<Prepared, EngineError> {
        Err(no_sql())
    }

    async fn run(&self, _job: QueryJob, _store: &Store) -> Result<QueryStream, EngineError> {
        Err(no_sql())
    }

    async fn lineage(&self, _job: QueryJob) -> Result<Described, EngineError> {
        Err(no_sql())
    }
}
