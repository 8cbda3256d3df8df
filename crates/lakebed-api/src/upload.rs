//! Bytes on their way into the lake.

use lakebed_core::{ObjectId, Timestamp};
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

/// How far an upload is that comes in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadState {
    /// Its name: `/v1/uploads/{id}`.
    pub id: String,
    /// The name it was declared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How many bytes are here; the next one belongs there.
    pub offset: u64,
    /// How long it is in all, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The BLAKE3 of the bytes, once all are here: name it in an ingest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub upload: Option<ObjectId>,
    /// When it is forgotten unless more of it comes.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}
