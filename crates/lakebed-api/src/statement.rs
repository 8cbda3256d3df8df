//! Statements that take long: asked for, waited for, fetched in chunks.

use lakebed_core::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    JobState, Problem, Progress, ResolvedInput, Snapshot, SqlColumn, SqlLimits, SqlParameters,
};

/// One statement whose rows are to be fetched later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatementRequest {
    /// The statement: `SELECT`, `EXPLAIN SELECT`, `DESCRIBE`, `SHOW TABLES`.
    #[schema(
        min_length = 1,
        example = "SELECT count(*) FROM sales.\"orders@v12\" WHERE price > $1"
    )]
    pub sql: String,
    /// Values for its placeholders.
    #[serde(default)]
    pub params: SqlParameters,
    /// What it may use.
    #[serde(default)]
    pub limits: SqlLimits,
    /// How many milliseconds to wait for its end before answering; 10,000 when unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 30_000)]
    pub wait_ms: Option<u64>,
}

/// A statement, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// Its name: `/v1/statements/{id}`. It is a job, too: `/v1/jobs/{id}`.
    pub id: String,
    /// How far it is.
    pub state: JobState,
    /// The key it was asked for with: the same key is the same statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// How far it is, more precisely, until it is final: how many rows there are so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// Whether its owner wants it to end.
    pub cancel_asked: bool,
    /// What it answers, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<StatementResult>,
    /// Why it could not be answered, once it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Once it is final: when what came of it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// What a statement answers: all but its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementResult {
    /// Names the statement in the logs, as the header `Lakebed-Statement-Id` does.
    pub statement_id: String,
    /// What was read.
    pub snapshot: Snapshot,
    /// The versions that were read, in order of appearance.
    pub resolved: Vec<ResolvedInput>,
    /// The columns, in order.
    pub columns: Vec<SqlColumn>,
    /// How many rows, in all chunks together.
    pub row_count: u64,
    /// The rows: one chunk after the other is the answer. There is at least one.
    pub chunks: Vec<StatementChunk>,
}

/// Some of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementChunk {
    /// Where they are, in each format of `/v1/sql`.
    #[schema(example = "/v1/statements/4fe1044e6d478b07f5901e975f95c1bc/chunks/0")]
    pub url: String,
    /// How many.
    pub row_count: u64,
    /// How many bytes they are as they wait; in another format they are more or fewer.
    pub size_bytes: u64,
}
