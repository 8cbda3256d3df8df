//! What events say of promotions: who moved a head and why they could, who consented, what ends.

use serde::{Deserialize, Serialize};

use crate::{DatasetName, Gate, GateName, ObjectId, StageName, Timestamp, VersionId};

/// Why a version could become the head of a stage; see [`crate::HeadMoved`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The version.
    pub version_id: VersionId,
    /// The contract in force, by digest: what readers of the head may count on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ObjectId>,
    /// What was declared, by digest; none when nothing ever was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<ObjectId>,
    /// The event that made the version before head; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// The newest review of this version for this stage that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_review: Option<u64>,
    /// The newest word on the dataset's end that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notice: Option<u64>,
    /// The digest of what the gates found: approvals are bound to it.
    pub evidence: ObjectId,
    /// Every gate of the stage, and how it came out.
    pub gates: Vec<GateOutcome>,
    /// Who consented, by event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Whoever made the version or asked for its promotion was needed to approve it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub self_approved: bool,
    /// The version is older than the one it replaces.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_back: bool,
}

/// How a gate came out for a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// The gate.
    pub gate: Gate,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, for people; no value of the data. The same facts are the same text, whenever
    /// one asks.
    pub found: String,
    /// Who waived it, where it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

impl GateOutcome {
    /// Whether a version may pass: the gate holds, or was waived.
    #[must_use]
    pub const fn lets_through(&self) -> bool {
        self.holds || self.waiver.is_some()
    }
}

/// A gate that was opened although it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The event that says so.
    pub event: u64,
}

/// Somebody's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub by: String,
    /// The event that says so; none where asking for the promotion was consent enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// Somebody's word on a promotion that is asked for. See [`crate::EventBody::PromotionReviewed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromotionReviewed {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The stage it is meant for.
    pub stage: StageName,
    /// The word.
    pub verdict: ReviewVerdict,
    /// The digest of what it is about: for a waiver what that gate found, else what all found. It
    /// counts for nothing else.
    pub evidence: ObjectId,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What somebody says to a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewVerdict {
    /// They consent.
    Approved,
    /// They do not.
    Rejected,
    /// This gate may be passed although it does not hold.
    Waived(GateName),
}

/// See [`crate::EventBody::DatasetDeprecated`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetDeprecated {
    /// The dataset.
    pub dataset: DatasetName,
    /// When it ends.
    pub sunset_at: Timestamp,
    /// What to read instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<DatasetName>,
}

/// The shape of the document that this build digests.
const FORMAT: u32 = 1;

/// What reviews are bound to: what was found of a version on its way to a stage. Of a waiver it is
/// what the one gate found; of an approval what all of them found but `approvals` itself.
#[derive(Debug, Serialize)]
pub struct Evidence<'a> {
    format: u32,
    dataset: &'a DatasetName,
    version_id: VersionId,
    stage: &'a StageName,
    contract: Option<ObjectId>,
    gates: Vec<&'a GateOutcome>,
}

impl<'a> Evidence<'a> {
    /// What `gates` found of a version that is meant for `stage`, under `contract`.
    pub fn new(
        (dataset, version_id): (&'a DatasetName, VersionId),
        stage: &'a StageName,
        contract: Option<ObjectId>,
        gates: impl IntoIterator<Item = &'a GateOutcome>,
    ) -> Self {
        let gates = gates.into_iter().collect();
        Self { format: FORMAT, dataset, version_id, stage, contract, gates }
    }

    /// Its name: the digest of its canonical text. Layout: ARCHITECTURE.md, "Promotions".
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        let text = serde_json::to_string(self).expect("plain values always serialise");
        ObjectId::of(text.as_bytes())
    }
}
