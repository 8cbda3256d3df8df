//! Bytes on their way into the lake.

use lakebed_core::ObjectId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes that were received and stored; name them in an ingest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Uploaded {
    /// The BLAKE3 of the bytes: 64 lower-case hex digits.
    #[schema(value_type = String)]
    pub upload: ObjectId,
    /// How many bytes.
    pub size_bytes: u64,
    /// The name they were sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
