//! What went wrong, for programs (`code`) and for people (`detail`, `hint`): RFC 9457.
//!
//! Which error becomes which status is decided in `lakebed-server`; which exit code, in the binary.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as every door of the API tells it (`application/problem+json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:lakebed:problem:<code>`.
    #[serde(rename = "type")]
    #[schema(example = "urn:lakebed:problem:not-found")]
    pub kind: String,
    /// What this kind of problem is, the same for every occurrence.
    #[schema(example = "no such thing, or not for you")]
    pub title: String,
    /// The HTTP status, 400 to 599.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What went wrong this time: one line, lower case, no full stop, never a value of the data.
    #[schema(example = "dataset `sales.orders` not found")]
    pub detail: String,
    /// The request id; the server's log has more under it.
    #[schema(example = "9f2c61d07a5b4c3e8d1f00112233aabb")]
    pub instance: String,
    /// A stable word for programs: kebab case, never reused for another meaning.
    #[schema(example = "not-found")]
    pub code: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "list what there is with `lakebed ls`")]
    pub hint: Option<String>,
    /// The `seq` of the event that names the sources, when an ingest was refused but they were
    /// kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Everything that is in the way, where there may be several things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Problem {
    /// The `type` of all problems with `code`.
    #[must_use]
    pub fn kind_of(code: &str) -> String {
        format!("urn:lakebed:problem:{code}")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

/// A body that broke off after its status was sent, and why.
///
/// It is the error of the body itself: a client in the same process finds it in the error's chain
/// of sources. Over a socket the connection is cut instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenStream(
    /// Why.
    pub Box<Problem>,
);

impl std::fmt::Display for BrokenStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the answer broke off: {}", self.0.detail)
    }
}

impl std::error::Error for BrokenStream {}
