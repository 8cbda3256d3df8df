//! Versions: one line in a history, and everything about one of them.

use lakebed_core::{
    DatasetKind, DatasetName, Decode, ObjectId, Skipped, StageName, TableSchema, Tally, Timestamp,
    VersionId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ContractReport, FileLink, Head, Links, Notice, ResolvedVersion, Snapshot,
    schemas::{DatasetKindSchema, DecodeSchema, SkippedSchema, TableSchemaSchema, TallySchema},
};

/// One version, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionSummary {
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// What it is made of.
    #[schema(value_type = DatasetKindSchema)]
    pub kind: DatasetKind,
    /// Its number: counts from 1 within the dataset, without gaps.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Its id: the digest of its manifest. Like what follows up to `size_bytes`, only for those who
    /// may read the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version_id: Option<VersionId>,
    /// The id of the version before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<VersionId>,
    /// Equal ids mean equal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub content_id: Option<ObjectId>,
    /// Accepted rows; for kind `files` the number of files. None of a live version that nobody has
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_count: Option<u64>,
    /// Quarantined rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined_count: Option<u64>,
    /// Bytes of its table files, or of its files. None of a live version that is in no files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Whether its rows are computed when they are asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub live: bool,
    /// The place of the event that committed it.
    pub seq: u64,
    /// When it was committed, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
    /// Who committed it.
    pub actor: String,
}

/// A part of a dataset's history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionPage {
    /// Versions, newest first.
    pub versions: Vec<VersionSummary>,
    /// Give this as `before` to read on; none when the first version is among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
    /// Which version each stage has, of all the dataset's, `raw` included. Sorted by stage.
    #[serde(default)]
    pub heads: Vec<Head>,
}

/// Everything about one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionAnswer {
    /// What was read.
    pub snapshot: Snapshot,
    /// The reference and what it resolved to, with its files and sources.
    pub version: ResolvedVersion,
    /// The columns; none for kind `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TableSchemaSchema>)]
    pub schema: Option<TableSchema>,
    /// The Parquet files that hold the quarantined rows, in source order.
    pub quarantine: Vec<FileLink>,
    /// The contract in force, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub contract: Option<ObjectId>,
    /// What that contract says of the version; none where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ContractReport>,
    /// The stages it is head of, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub stages: Vec<StageName>,
    /// The same, with how it came there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
    /// That its dataset ends, or has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// The versions it was computed from, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputVersion>,
    /// What belongs to it: `self`, `dataset`, `profile`. Its originals have
    /// their own in `version.sources`, the versions that it was computed from in `inputs`.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// A version that another was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputVersion {
    /// Its dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// Its id.
    #[schema(value_type = String)]
    pub version_id: VersionId,
    /// `version`: all about it.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub links: Links,
}

/// An original, and what became of its rows.
///
/// For text, `accepted.bytes`, `quarantined.bytes` and the skipped bytes add up to the whole
/// (decompressed) source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceFile {
    /// The original's bytes, under the name they came with.
    #[serde(flatten)]
    pub file: FileLink,
    /// How it was read; none for kind `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DecodeSchema>)]
    pub decode: Option<Decode>,
    /// What was accepted.
    #[schema(value_type = TallySchema)]
    pub accepted: Tally,
    /// What was quarantined.
    #[schema(value_type = TallySchema)]
    pub quarantined: Tally,
    /// What is no row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<SkippedSchema>)]
    pub skipped: Vec<Skipped>,
}
