//! From references to versions, and to the files that hold them.

use lakebed_core::{DatasetRef, LakeId, ObjectId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Snapshot, SourceFile, VersionSummary, schemas::ReferenceSchema};

/// Which references to resolve, all against one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// References, `namespace.dataset[@selector]`; 1 to 1,000.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<ReferenceSchema>)]
    pub refs: Vec<String>,
    /// Whether the answer names files and sources too.
    #[serde(default)]
    pub files: bool,
    /// For lakes in an object store: how many seconds the files' URLs are good for; 900 when unsaid.
    /// With 0 they are paths on this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800)]
    pub url_seconds: Option<u32>,
}

/// What the references resolved to: all of them, or the request is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolveResponse {
    /// The lake that was asked: 32 lower-case hex digits.
    #[schema(value_type = String)]
    pub lake: LakeId,
    /// What was read.
    pub snapshot: Snapshot,
    /// One entry a reference, in the order they were given.
    pub versions: Vec<ResolvedVersion>,
}

/// A reference and the version it resolved to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedVersion {
    /// What was asked for.
    #[schema(value_type = String, example = "sales.orders@product")]
    pub reference: DatasetRef,
    /// The version.
    #[serde(flatten)]
    pub version: VersionSummary,
    /// The number of the dataset's newest version; larger than `version` when a newer one exists.
    #[schema(minimum = 1)]
    pub newest: u64,
    /// The files that are the version, in row order: Parquet for a table, the originals for kind
    /// `files`. Given when files were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<FileLink>>,
    /// The originals it was made from, in the order they were read. Given when files were asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<SourceFile>>,
}

/// Where to read a file, and how to know that it is the right one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileLink {
    /// Where its bytes are: `file://…` in process; for a lake in an object store a signed URL that
    /// reads this one file for a while, and is nobody else's business; else a path on this server,
    /// `/v1/objects/…`.
    pub url: String,
    /// The BLAKE3 of its bytes: 64 lower-case hex digits.
    #[schema(value_type = String)]
    pub object: ObjectId,
    /// Its length.
    pub size_bytes: u64,
    /// Its rows; none for an original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    /// The name it came with; none for a table file. `/` between parts, never absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
