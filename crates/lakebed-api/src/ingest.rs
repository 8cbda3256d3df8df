//! Originals in, a version out.

use lakebed_core::{DataType, Decode, DecodeOptions, IngestMode, TableSchema, Tally};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ResolvedInput, RuleFinding, SourceFile, VersionSummary,
    schemas::{
        DataTypeSchema, DatasetNameSchema, DecodeOptionsSchema, DecodeSchema, DigestSchema,
        IngestModeSchema, TableSchemaSchema, TallySchema,
    },
};

/// Which sources become a version of which dataset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestRequest {
    /// The dataset, `namespace.dataset`; it is created with its first version.
    #[schema(value_type = DatasetNameSchema)]
    pub dataset: String,
    /// Whether the version is exactly the sources, or the newest version and then the sources.
    #[serde(default)]
    #[schema(value_type = IngestModeSchema)]
    pub mode: IngestMode,
    /// The caller's own word for "once more, on purpose": the same request with another word makes
    /// another version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<String>,
    /// The version, `namespace.dataset[@selector]`, whose quarantined rows the sources hold,
    /// corrected: the new version cites it. Only with mode `append`, for those who may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "sales.orders@v3")]
    pub repairs: Option<String>,
    /// The sources, in the order they are read; at least one.
    #[schema(min_items = 1)]
    pub sources: Vec<IngestSource>,
    /// How to read them; what is unsaid is detected.
    #[serde(default)]
    #[schema(value_type = DecodeOptionsSchema)]
    pub options: DecodeOptions,
}

/// One source: an upload, a URL that the server fetches or, in process only, a local file. Exactly
/// one of `upload`, `url` and `path`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestSource {
    /// The name it is kept under, `/` between parts; when unsaid, a path's last part, or a URL's host
    /// and path without its query. An upload needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders-2026-11.csv")]
    pub name: Option<String>,
    /// The digest of uploaded bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DigestSchema>)]
    pub upload: Option<String>,
    /// Where the server fetches it from; only from hosts that whoever runs the server has listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://data.example.org/orders.csv", max_length = 4096)]
    pub url: Option<String>,
    /// An absolute path on this machine; refused by a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl IngestSource {
    /// Bytes that were uploaded.
    #[must_use]
    pub fn upload(name: impl Into<String>, upload: lakebed_core::ObjectId) -> Self {
        Self { name: Some(name.into()), upload: Some(upload.to_string()), ..Self::default() }
    }

    /// A file on this machine, for a lake in this process.
    #[must_use]
    pub fn path(name: impl Into<String>, path: impl Into<String>) -> Self {
        Self { name: Some(name.into()), path: Some(path.into()), ..Self::default() }
    }

    /// Bytes that the server fetches.
    #[must_use]
    pub fn url(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: Some(name.into()), url: Some(url.into()), ..Self::default() }
    }
}

/// What an ingest would do; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestPlan {
    /// How each source would be read, in the order given.
    pub sources: Vec<PlannedSource>,
    /// The columns the version would have, from a sample where they are inferred; none for kind
    /// `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TableSchemaSchema>)]
    pub schema: Option<TableSchema>,
    /// How that differs from the dataset's schema now.
    pub changes: Vec<SchemaChange>,
    /// The names of the sample's columns.
    pub sample_columns: Vec<String>,
    /// The first rows of the first source as text, one list a row; null is no value.
    pub sample: Vec<Vec<Option<String>>>,
    /// What a person should know, a line each.
    pub notes: Vec<String>,
}

/// A source and how it would be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedSource {
    /// Its name.
    pub name: String,
    /// How it would be read; none for kind `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DecodeSchema>)]
    pub decode: Option<Decode>,
    /// What would be accepted.
    #[schema(value_type = TallySchema)]
    pub accepted: Tally,
    /// What would be quarantined.
    #[schema(value_type = TallySchema)]
    pub quarantined: Tally,
}

/// What an ingest did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestResponse {
    /// Whether there is a new version.
    pub status: IngestStatus,
    /// The version: the new one, or the one that was there.
    pub version: VersionSummary,
    /// How its schema differs from its parent's; every change is one that readers survive.
    pub changes: Vec<SchemaChange>,
    /// What a person should know, a line each.
    pub notes: Vec<String>,
    /// The sources and what became of their rows, in the order given; empty when unchanged.
    pub sources: Vec<SourceFile>,
    /// What the contract in force promises, and whether it holds: every rule, in the contract's order;
    /// empty without a contract, when unchanged, and for those who may not read the dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<RuleFinding>,
    /// Bytes the lake did not have before; only for those who may read all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_bytes: Option<u64>,
    /// What a product was built from, in the order of its statement; those that you may not know of are
    /// left out. Empty for an ingest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ResolvedInput>,
}

/// Whether an ingest made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IngestStatus {
    /// It did.
    Committed,
    /// The newest version is already exactly this; nothing was stored.
    Unchanged,
}

/// One difference between two schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SchemaChange {
    /// What kind of difference.
    pub kind: SchemaChangeKind,
    /// The column.
    pub column: String,
    /// Its old type, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DataTypeSchema>)]
    pub from: Option<DataType>,
    /// Its new type, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DataTypeSchema>)]
    pub to: Option<DataType>,
    /// The same as one line for people.
    pub text: String,
}

/// What kind of difference between two schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaChangeKind {
    /// A new nullable column: allowed.
    Added,
    /// A type that holds every old value exactly: allowed.
    Widened,
    /// A column is missing: refused.
    Removed,
    /// A new column without nulls, which older rows do not have: refused.
    AddedRequired,
    /// Any other type: refused, unless it is declared.
    Retyped,
    /// Another name: declared.
    Renamed,
    /// A column that is no more: declared.
    Dropped,
}
