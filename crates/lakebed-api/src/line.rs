//! Long work, told line by line (`application/x-ndjson`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Problem;

/// One line of a long answer: any number of `progress` lines, then exactly one `done` or `problem`.
///
/// A body that ends without its last line broke off; the work may or may not have been finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Line<T> {
    /// How far it is; at most about ten lines a second, the latest state each time.
    Progress(Progress),
    /// The last line: it is done, and this came of it.
    Done(T),
    /// The last line: it was not done, and this is why.
    Problem(Problem),
}

/// How far long work is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What is being done: `queued`, `hashing`, `reading`, `writing`, `committing`, `verifying`,
    /// `answering`.
    #[schema(example = "reading")]
    pub phase: String,
    /// Bytes of this phase that are behind us.
    pub bytes_done: u64,
    /// Bytes of this phase in all; none when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    /// Rows of this phase that are behind us.
    pub rows_done: u64,
    /// While it is queued: how many are admitted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued_before: Option<u64>,
}
