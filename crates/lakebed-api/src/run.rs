//! Runs: programs outside of the lake that read pinned versions and make new ones.

use std::collections::BTreeMap;

use lakebed_core::{DatasetName, DatasetRef, DecodeOptions, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    IngestResponse, IngestSource,
    schemas::{DatasetNameSchema, DecodeOptionsSchema, ReferenceSchema},
};

/// A run that begins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// What it reads; at most 1,000.
    #[serde(default)]
    #[schema(max_items = 1000)]
    pub inputs: Vec<RunInput>,
    /// The datasets of which it will make versions, as far as that is known: what may not be made is
    /// refused now rather than in the end. At most 100.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<DatasetNameSchema>)]
    pub outputs: Vec<DatasetName>,
    /// The command and its arguments. This and what follows is on record: no secrets.
    #[serde(default)]
    #[schema(example = json!(["python", "train.py"]))]
    pub command: Vec<String>,
    /// What else the program is told.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The state of its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// What it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<RunEnvironment>,
    /// How long it may be silent before it counts as abandoned; 600 when unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 10, maximum = 86_400)]
    pub patience_seconds: Option<u32>,
}

/// A reference that a run reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInput {
    /// The reference, `namespace.dataset[@selector]`.
    #[serde(rename = "ref")]
    #[schema(value_type = ReferenceSchema)]
    pub reference: String,
    /// The version that it means, as a lock pins it; what it means now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version_id: Option<VersionId>,
}

/// What is known of a program, and decides with its inputs whether it would make the same again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Invocation {
    /// The command and its arguments.
    #[serde(default)]
    #[schema(example = json!(["python", "train.py"]))]
    pub command: Vec<String>,
    /// What else it was told.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// The state of its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// What it runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<RunEnvironment>,
}

/// Where a working copy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitState {
    /// The commit, by its whole name.
    pub commit: String,
    /// Whether files differ from it, or are not in it and not ignored.
    pub dirty: bool,
}

/// What a program runs in; never the values of environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunEnvironment {
    /// The digest of the file that is started, or of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The digests of the files that pin what it loads (`uv.lock` …), by name.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub run: String,
    /// How far it is.
    pub state: RunState,
    /// Whose it is.
    pub actor: String,
    /// What it reads: resolved once, when it was begun.
    pub inputs: Vec<PinnedInput>,
    /// What came of it.
    pub outputs: Vec<RunOutput>,
    /// What is known of the program; none in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Invocation>,
    /// The digest of what it runs in, where that is known: of `environment` as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_digest: Option<String>,
    /// When the program began; in lists of runs that ended, when they did. RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// While it is under way, when it was heard of last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub heard_at: Option<Timestamp>,
    /// While it is under way, how long it may be silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_seconds: Option<u64>,
    /// What the program ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long its log is, which `/v1/runs/{id}/log` has; none where there is none for you.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// The event that says how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It is under way.
    Running,
    /// It was not heard of for longer than it said.
    Abandoned,
    /// It was given up, and nothing came of it.
    Aborted,
    /// Its outputs are versions.
    Committed,
}

/// A reference, and the version that it means in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PinnedInput {
    /// The reference.
    #[serde(rename = "ref")]
    #[schema(value_type = String, example = "sales.orders@product")]
    pub reference: DatasetRef,
    /// The version's number.
    #[schema(minimum = 1)]
    pub version: u64,
    /// Its id, for those who may read all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version_id: Option<VersionId>,
}

/// A version that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunOutput {
    /// The dataset.
    #[schema(value_type = String, example = "ml.scores")]
    pub dataset: DatasetName,
    /// The version's number.
    #[schema(minimum = 1)]
    pub version: u64,
    /// It was there, and is exactly this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

/// The newest runs that are yours, or of which you may read all inputs and outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunList {
    /// Those that have not ended first, each newest first.
    pub runs: Vec<Run>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunCommitRequest {
    /// One for each dataset; 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub outputs: Vec<NewRunOutput>,
    /// What the program ended with: 0, for what failed is not committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When the program began, RFC 3339; when the run was begun if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What it printed, uploaded as a source is; at most 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<IngestSource>,
}

/// What becomes the next version of a dataset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRunOutput {
    /// The dataset; it is created with its first version.
    #[schema(value_type = DatasetNameSchema)]
    pub dataset: String,
    /// The sources, in the order they are read; at least one. No URLs.
    #[schema(min_items = 1)]
    pub sources: Vec<IngestSource>,
    /// How to read them; what is unsaid is detected. With `format` `files` they are kept as they are.
    #[serde(default)]
    #[schema(value_type = DecodeOptionsSchema)]
    pub options: DecodeOptions,
}

/// What the commit of a run did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RunCommitAnswer {
    /// The run.
    pub run: Run,
    /// One for each output.
    pub outputs: Vec<IngestResponse>,
}

/// Why a run is given up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunAbortRequest {
    /// What the program ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why, for people; at most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
    /// When the program began, RFC 3339; when the run was begun if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ended; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// What it printed, uploaded as a source is; at most 16 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<IngestSource>,
}
