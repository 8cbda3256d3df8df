//! What makes two ingests the same ingest.

use serde::{Deserialize, Serialize};

use crate::{DatasetName, Decode, ObjectId};

/// Counts up when the same source and options would decode to other rows or other bytes.
pub const DECODER_VERSION: u32 = 2;

/// What a new version is, seen from its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IngestMode {
    /// Exactly the sources given.
    #[default]
    Replace,
    /// The parent's rows and then the sources'.
    Append,
}

/// The digest of everything that decides what an ingest makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IngestKey(ObjectId);

#[derive(Serialize)]
struct KeyParts<'a> {
    format: u32,
    dataset: &'a DatasetName,
    mode: IngestMode,
    sources: &'a [(String, ObjectId, Option<Decode>)],
    contract: Option<ObjectId>,
    decoder: u32,
    again: Option<&'a str>,
}

#[derive(Serialize)]
struct BuildParts<'a> {
    format: u32,
    dataset: &'a DatasetName,
    derivation: ObjectId,
    contract: Option<ObjectId>,
}

#[derive(Serialize)]
struct LiveParts<'a> {
    format: u32,
    dataset: &'a DatasetName,
    live: ObjectId,
    contract: Option<ObjectId>,
}

#[derive(Serialize)]
struct RunParts<'a> {
    format: u32,
    dataset: &'a DatasetName,
    program: ObjectId,
    sources: &'a [(String, ObjectId, Option<Decode>)],
    contract: Option<ObjectId>,
    decoder: u32,
}

impl IngestKey {
    /// The key of reading `sources` (name, bytes, resolved options) into `dataset`.
    ///
    /// `again` is the caller's own word for "once more, on purpose".
    #[must_use]
    pub fn new(
        dataset: &DatasetName,
        mode: IngestMode,
        sources: &[(String, ObjectId, Option<Decode>)],
        contract: Option<ObjectId>,
        again: Option<&str>,
    ) -> Self {
        let decoder = DECODER_VERSION;
        let parts = KeyParts { format: 1, dataset, mode, sources, contract, decoder, again };
        let bytes = serde_json::to_vec(&parts).expect("plain values always serialise");
        Self(ObjectId::of(&bytes))
    }

    /// The key of computing `dataset` by `derivation`, under what else decides: `contract`.
    #[must_use]
    pub fn of_build(
        dataset: &DatasetName,
        derivation: ObjectId,
        contract: Option<ObjectId>,
    ) -> Self {
        let parts = BuildParts { format: 1, dataset, derivation, contract };
        let bytes = serde_json::to_vec(&parts).expect("plain values always serialise");
        Self(ObjectId::of(&bytes))
    }

    /// The key of a version of `dataset` whose rows are computed by `derivation` whenever they are
    /// asked for, under `contract`.
    #[must_use]
    pub fn of_live(
        dataset: &DatasetName,
        derivation: ObjectId,
        contract: Option<ObjectId>,
    ) -> Self {
        let parts = LiveParts { format: 1, dataset, live: derivation, contract };
        let bytes = serde_json::to_vec(&parts).expect("plain values always serialise");
        Self(ObjectId::of(&bytes))
    }

    /// The key of reading `sources`, which `program` made, into `dataset`. A program may do what it
    /// likes, so what came of it decides as well.
    #[must_use]
    pub fn of_run(
        dataset: &DatasetName,
        program: ObjectId,
        sources: &[(String, ObjectId, Option<Decode>)],
        contract: Option<ObjectId>,
    ) -> Self {
        let decoder = DECODER_VERSION;
        let parts = RunParts { format: 1, dataset, program, sources, contract, decoder };
        let bytes = serde_json::to_vec(&parts).expect("plain values always serialise");
        Self(ObjectId::of(&bytes))
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> ObjectId {
        self.0
    }
}

impl std::str::FromStr for IngestKey {
    type Err = crate::id::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
