//! What is on record of a read: what was about to be read, and what came of it.
//!
//! A stored format: `audit/` keeps these records for ever.

use lakebed_catalog::{NewReadRecord, ReadPart, ReadRecord};
use lakebed_core::{
    DatasetName, ObjectId, Timestamp, VersionId,
    policy::{Restriction, Sight},
};
use serde::{Deserialize, Serialize};

use crate::{
    Ctx, Error, ResolvedVersion, Result,
    engine::Parameters,
    job::{StoredAsker, asker},
};

/// One record, as segments of `audit/` hold it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRead {
    /// Its place among all records of reads, from 1.
    pub seq: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The read: a statement's id, or another's, 128 random bits in hex.
    pub read: String,
    /// Who read.
    pub principal: String,
    /// What it says.
    pub body: ReadBody,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadBody {
    /// What was about to be read; durable before the first row.
    Intent(Box<ReadIntent>),
    /// What came of it.
    Outcome(Box<ReadOutcome>),
}

/// What was about to be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadIntent {
    /// Who asked: principal, groups, attributes, scope, token, request id, door.
    pub asker: StoredAsker,
    /// What was asked.
    pub asked: Asked,
    /// The snapshot its references were resolved against; none where nothing was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_seq: Option<u64>,
    /// The versions that it reads, in order of appearance.
    pub versions: Vec<ReadVersion>,
    /// The digest of what was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ObjectId>,
    /// The build that answers.
    pub engine: String,
    /// What `now()` means in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Asked {
    /// Rows, by SQL.
    Statement {
        /// The statement.
        sql: String,
        /// Values for its placeholders.
        parameters: Parameters,
    },
    /// The bytes of an object.
    Object {
        /// Which.
        object: ObjectId,
    },
    /// What the rows of a version look like.
    Profile {
        /// The reference.
        reference: String,
    },
    /// What differs between two versions.
    Diff {
        /// The earlier one.
        from: String,
        /// The later one.
        to: String,
    },
    /// Where to read the files of versions, by links or paths that work without us.
    Files {
        /// The references.
        references: Vec<String>,
    },
    /// What a version was computed from, down to the originals, or what from it.
    Lineage {
        /// The reference.
        reference: String,
    },
}

impl Asked {
    /// Its word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Statement { .. } => "statement",
            Self::Object { .. } => "object",
            Self::Profile { .. } => "profile",
            Self::Diff { .. } => "diff",
            Self::Files { .. } => "files",
            Self::Lineage { .. } => "lineage",
        }
    }
}

/// A version that is read, and what of it could be seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadVersion {
    /// As the statement named it.
    pub reference: String,
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub version: u64,
    /// The version's id.
    pub version_id: VersionId,
    /// What of it could be seen. The key of masks that hash is not written down here.
    pub restriction: Restriction,
}

impl ReadVersion {
    /// All of a version.
    pub(crate) fn whole(resolved: &ResolvedVersion) -> Self {
        Self {
            reference: resolved.reference.to_string(),
            dataset: resolved.version.dataset.clone(),
            version: resolved.version.number,
            version_id: resolved.version.version_id,
            restriction: Restriction::Unrestricted,
        }
    }
}

/// What came of a read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOutcome {
    /// How it ended.
    pub ending: ReadEnding,
    /// The stable code of what was in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The columns that were read, by reference.
    pub columns: Vec<ReadColumns>,
    /// Rows that were handed out.
    pub rows: u64,
    /// Their bytes, as the digest counts them.
    pub bytes: u64,
    /// From the request to the end.
    pub duration_us: u64,
    /// The digest of the answer, in whatever order its rows came; for an answer that is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ObjectId>,
    /// Why the same statement on the same versions may have another answer; nothing if it may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstable: Vec<String>,
}

/// Columns of one table that a statement read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadColumns {
    /// As the statement named the table.
    pub reference: String,
    /// Names of columns.
    pub columns: Vec<String>,
}

/// How a read ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadEnding {
    /// All of the answer was handed out.
    Allowed,
    /// It was not for the asker, or not there for them.
    Denied,
    /// It could not be answered.
    Failed,
    /// The asker went away, or took it back.
    Cancelled,
}

impl ReadEnding {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ReadIntent {
    /// That nothing but `asked` is known yet.
    pub(crate) fn of(ctx: &Ctx, asked: Asked) -> Self {
        Self {
            asker: asker(ctx),
            asked,
            snapshot_seq: None,
            versions: Vec::new(),
            policy: None,
            engine: engine_build(),
            now: None,
        }
    }
}

/// The build that answers: another one may compute other rows from the same bytes.
pub(crate) fn engine_build() -> String {
    format!("lakebed {}", env!("CARGO_PKG_VERSION"))
}

/// The restriction as it is written down.
pub(crate) fn without_key(restriction: &Restriction) -> Restriction {
    match restriction {
        Restriction::Unrestricted => Restriction::Unrestricted,
        Restriction::Restricted(sight) => {
            Restriction::Restricted(Sight { mask_key: None, ..sight.clone() })
        }
    }
}

impl StoredRead {
    pub(crate) fn from_record(record: &ReadRecord) -> Result<Self> {
        let ReadRecord { number, record: NewReadRecord { at, read, part: _, principal, body } } =
            record;
        let body = serde_json::from_str(body).map_err(|error| Error::Stopped {
            message: format!("record {number} of reads cannot be read: {error}"),
            hint: "use the build that wrote it, or a newer one".to_owned(),
        })?;
        Ok(Self { seq: *number, at: *at, read: read.clone(), principal: principal.clone(), body })
    }

    pub(crate) fn to_record(&self) -> ReadRecord {
        let record = NewReadRecord {
            at: self.at,
            read: self.read.clone(),
            part: self.body.part(),
            principal: self.principal.clone(),
            body: self.body.to_json(),
        };
        ReadRecord { number: self.seq, record }
    }
}

impl ReadBody {
    pub(crate) const fn part(&self) -> ReadPart {
        match self {
            Self::Intent(_) => ReadPart::Intent,
            Self::Outcome(_) => ReadPart::Outcome,
        }
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain values always serialise")
    }
}
