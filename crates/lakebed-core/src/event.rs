//! One append-only change of the catalog.
//!
//! The catalog's state is a function of its events and nothing else: that is why it can be rebuilt
//! from the journal.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    DatasetDeprecated, DatasetKind, DatasetName, Declared, EndedRun, FileEntry, IngestKey,
    InputVersion, ListRef, ObjectId, PrincipalName, Promotion, PromotionReviewed, RunCommitted,
    RunFailed, StageName, StoredObject, Timestamp, TokenHash, TokenId, TokenScope, VersionId,
    lineage::LineageReceived, policy::MaskKey,
};

/// A change, in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the order; counts from 1 without gaps.
    pub seq: u64,
    /// When it was committed; never decreases with `seq`.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// The caller's key: the same key from the same actor is the same change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// What changed.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// A dataset exists from now on.
    DatasetCreated {
        /// Its name.
        dataset: DatasetName,
        /// What its versions are made of.
        kind: DatasetKind,
    },
    /// A version exists from now on, and is the head of stage `raw`.
    VersionCommitted(VersionCommitted),
    /// The rows of a live version are in files as well from now on.
    VersionMaterialised(VersionMaterialised),
    /// A stage has another version.
    HeadMoved(HeadMoved),
    /// Somebody said yes or no to a promotion, or waived a gate.
    PromotionReviewed(PromotionReviewed),
    /// A dataset will end.
    DatasetDeprecated(DatasetDeprecated),
    /// A dataset has ended: it is read as before, and promoted no more.
    DatasetRetired {
        /// Its name.
        dataset: DatasetName,
    },
    /// Sources were kept, but made no version; or a product could not be computed.
    IngestRefused(IngestRefused),
    /// A contract was measured on a version.
    ContractMeasured(ContractMeasured),
    /// A program ran, and its outputs are versions.
    RunCommitted(RunCommitted),
    /// A program ran, or was about to, and nothing came of it.
    RunFailed(RunFailed),
    /// Another catalog is declared.
    CatalogApplied(CatalogApplied),
    /// Somebody can prove who they are with a new API token.
    TokenCreated(TokenCreated),
    /// An API token proves nothing any more.
    TokenRevoked(TokenRevoked),
    /// Whoever did it counts on these versions, under a name of their own, in place of what they
    /// registered under it before.
    LockRegistered(LockRegistered),
    /// Whoever did it counts on nothing under that name any more.
    LockRemoved {
        /// The name.
        name: String,
    },
    /// Another pipeline told what it reads and makes.
    LineageReceived(LineageReceived),
}

impl EventBody {
    /// The word in its `type`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::DatasetCreated { .. } => "dataset_created",
            Self::VersionCommitted(_) => "version_committed",
            Self::VersionMaterialised(_) => "version_materialised",
            Self::HeadMoved(_) => "head_moved",
            Self::PromotionReviewed(_) => "promotion_reviewed",
            Self::DatasetDeprecated(_) => "dataset_deprecated",
            Self::DatasetRetired { .. } => "dataset_retired",
            Self::IngestRefused(_) => "ingest_refused",
            Self::ContractMeasured(_) => "contract_measured",
            Self::RunCommitted(_) => "run_committed",
            Self::RunFailed(_) => "run_failed",
            Self::CatalogApplied(_) => "catalog_applied",
            Self::TokenCreated(_) => "token_created",
            Self::TokenRevoked(_) => "token_revoked",
            Self::LockRegistered(_) => "lock_registered",
            Self::LockRemoved { .. } => "lock_removed",
            Self::LineageReceived(_) => "lineage_received",
        }
    }

    /// The run that it ends; none where it ends none.
    #[must_use]
    pub const fn ended_run(&self) -> Option<EndedRun<'_>> {
        match self {
            Self::RunCommitted(run) => Some(EndedRun::Committed(run)),
            Self::RunFailed(run) => Some(EndedRun::Failed(run)),
            _ => None,
        }
    }

    /// The dataset it concerns; none where it concerns the lake.
    #[must_use]
    pub const fn dataset(&self) -> Option<&DatasetName> {
        match self {
            Self::DatasetCreated { dataset, .. } | Self::DatasetRetired { dataset } => {
                Some(dataset)
            }
            Self::VersionCommitted(version) => Some(&version.dataset),
            Self::VersionMaterialised(materialised) => Some(&materialised.dataset),
            Self::HeadMoved(moved) => Some(&moved.dataset),
            Self::PromotionReviewed(review) => Some(&review.dataset),
            Self::DatasetDeprecated(deprecated) => Some(&deprecated.dataset),
            Self::IngestRefused(refused) => Some(&refused.dataset),
            Self::ContractMeasured(measured) => Some(&measured.dataset),
            Self::RunCommitted(_)
            | Self::RunFailed(_)
            | Self::CatalogApplied(_)
            | Self::TokenCreated(_)
            | Self::TokenRevoked(_)
            | Self::LineageReceived(_)
            | Self::LockRegistered(_)
            | Self::LockRemoved { .. } => None,
        }
    }
}

/// See [`EventBody::VersionCommitted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCommitted {
    /// The dataset.
    pub dataset: DatasetName,
    /// Counts from 1 within the dataset, without gaps.
    pub number: u64,
    /// The manifest.
    pub version_id: VersionId,
    /// The version before.
    pub parent: Option<VersionId>,
    /// Equal ids mean equal data.
    pub content_id: ObjectId,
    /// What would make the same version again.
    pub ingest_key: IngestKey,
    /// Accepted rows; files for kind `files`.
    pub row_count: u64,
    /// Quarantined rows.
    pub quarantined_count: u64,
    /// Bytes of its table files, or of its files.
    pub size_bytes: u64,
    /// Every object that this version names and no earlier event named: originals, table files,
    /// quarantine, lists and the manifest itself; hash trees are named by their objects. Sorted.
    pub objects: Vec<StoredObject>,
    /// Objects that this version names and no earlier event of this dataset named, though one of
    /// another dataset did: who may read this dataset may read them. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<ObjectId>,
    /// The versions that it was computed from, where it was; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<InputVersion>,
    /// Whether its rows are in no files, but computed when they are asked for: nobody has counted
    /// them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

/// See [`EventBody::VersionMaterialised`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionMaterialised {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number; it is live.
    pub number: u64,
    /// The files: a [`crate::TableList`].
    pub tables: ListRef,
    /// Bytes of the files.
    pub size_bytes: u64,
    /// Every object that this event names and no earlier event named: the list and the files. Sorted.
    pub objects: Vec<StoredObject>,
    /// Objects that it names and no earlier event of this dataset named, though one of another dataset
    /// did. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared: Vec<ObjectId>,
}

/// See [`EventBody::HeadMoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadMoved {
    /// The dataset.
    pub dataset: DatasetName,
    /// The stage; never `raw`, whose head follows the versions.
    pub stage: StageName,
    /// The version number it had.
    pub from: Option<u64>,
    /// The version number it has now.
    pub to: u64,
    /// Why it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promotion: Option<Box<Promotion>>,
    /// Every object that this event names and no earlier event named: the contract. Sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<StoredObject>,
}

/// See [`EventBody::IngestRefused`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestRefused {
    /// The dataset they were meant for; it may not exist.
    pub dataset: DatasetName,
    /// The originals, kept; none of a product whose statement could not be computed.
    pub sources: Vec<KeptSource>,
    /// The versions that it was to be computed from, where it was; sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived_from: Vec<InputVersion>,
    /// A stable word for the reason.
    pub code: String,
    /// The reason, for people; no values of the data.
    pub message: String,
    /// The rows that are to blame, as quarantine files; none where it was not rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantine: Vec<FileEntry>,
    /// Every object that this event names and no earlier event named. Sorted.
    pub objects: Vec<StoredObject>,
}

/// See [`EventBody::ContractMeasured`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractMeasured {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The contract, by the digest of its canonical text.
    pub contract: ObjectId,
    /// The rule engine that measured.
    pub engine: u32,
    /// What it found: [`crate::contract::Findings`].
    pub findings: StoredObject,
    /// Every object that this event names and no earlier event named: the findings and, if it is
    /// new, the contract. Sorted.
    pub objects: Vec<StoredObject>,
}

/// See [`EventBody::CatalogApplied`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogApplied {
    /// The digest of what was declared before; none when nothing was.
    pub previous: Option<ObjectId>,
    /// The digest of `declared`.
    pub digest: ObjectId,
    /// All that is declared now.
    pub declared: Declared,
    /// The columns that each dataset had when it came under a policy, by field id, with the names
    /// they had then and at every apply since. Others are new, and hidden from the restricted until
    /// somebody has reviewed them; a policy means a column by any of these names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_fields: BTreeMap<DatasetName, KnownFields>,
    /// The key of masks that hash: made when the first of them is declared, and kept from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_key: Option<MaskKey>,
}

/// Field ids of columns, and the names under which they were known: one pair for each name.
pub type KnownFields = BTreeSet<(u32, String)>;

/// An original that made no version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSource {
    /// The name it came with.
    pub name: String,
    /// Its bytes.
    #[serde(flatten)]
    pub object: StoredObject,
}

/// See [`EventBody::TokenCreated`]. The secret is nowhere: not here, and not in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// The token's public part.
    pub token: TokenId,
    /// Who holds it.
    pub principal: PrincipalName,
    /// What its maker calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The digest of its secret.
    pub hash: TokenHash,
    /// It is good before this time.
    pub expires_at: Timestamp,
    /// What it is good for, at most; none does not narrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<TokenScope>,
    /// The token with which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_with: Option<TokenId>,
    /// Its holder may `admin` the lake, whatever is declared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_admin: bool,
}

/// See [`EventBody::TokenRevoked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// The token's public part.
    pub token: TokenId,
    /// Every token that was made with it, or with one of those, goes with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub and_made_with_it: bool,
}

/// See [`EventBody::LockRegistered`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRegistered {
    /// What whoever registers calls it.
    pub name: String,
    /// What is counted on; sorted.
    pub inputs: Vec<LockedVersion>,
}

/// A version that somebody counts on. By number: whoever sees such events need not be able to read the
/// dataset, and digests are data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedVersion {
    /// Its dataset.
    pub dataset: DatasetName,
    /// Its number.
    pub version: u64,
}
