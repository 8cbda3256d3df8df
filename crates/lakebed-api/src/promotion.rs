//! Promotions: what they take, what people say of them, and the end of datasets.

use lakebed_core::{DatasetName, Gate, GateName, ObjectId, StageName, Timestamp, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas::{DatasetNameSchema, GateNameSchema, ReferenceSchema, StageNameSchema};

/// What is to come to which stage, together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromotionRequest {
    /// References, `namespace.dataset[@selector]`, of a dataset each; 1 to 100.
    #[schema(min_items = 1, max_items = 100, value_type = Vec<ReferenceSchema>)]
    pub refs: Vec<String>,
    /// The stage.
    #[schema(value_type = StageNameSchema)]
    pub to: StageName,
    /// Only say what it takes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What promoting takes, or took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PromotionAnswer {
    /// The stage.
    #[schema(value_type = String, example = "product")]
    pub to: StageName,
    /// Whether nothing holds any of them back.
    pub is_ready: bool,
    /// The last event that moved a head; none where none moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// One per reference, in the order they were given.
    pub promotions: Vec<PlannedPromotion>,
}

/// What the promotion of one version takes, or took. What was found is for those who may read all of
/// its dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlannedPromotion {
    /// The dataset.
    #[schema(value_type = String, example = "sales.orders")]
    pub dataset: DatasetName,
    /// The version's number.
    #[schema(minimum = 1)]
    pub version: u64,
    /// The version's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version_id: Option<VersionId>,
    /// The number of the version that is, or was, head there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Whether it moves the head.
    pub is_change: bool,
    /// Whether it is older than the head.
    pub goes_back: bool,
    /// Whether nothing holds it back.
    pub is_ready: bool,
    /// Why it cannot come there whatever the gates say.
    pub refusals: Vec<String>,
    /// Every gate of the stage.
    pub gates: Vec<GateOutcome>,
    /// Who consents.
    pub approvals: Vec<Approval>,
    /// Whether whoever made it or asks for it is needed to approve it.
    pub self_approved: bool,
    /// What approvals are bound to: the digest of what the gates found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub evidence: Option<ObjectId>,
    /// The contract in force, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub contract: Option<ObjectId>,
}

/// How a gate came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateOutcome {
    /// The gate, as it is declared.
    #[schema(value_type = String, example = "lineage(validated)")]
    pub gate: Gate,
    /// Whether it holds.
    pub holds: bool,
    /// What was found, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Who waived it, where it does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// A gate that may be passed although it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waiver {
    /// By whom.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The event that says so.
    pub event: u64,
}

/// Somebody's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Approval {
    /// Whose.
    pub by: String,
    /// The event that says so; none where asking is consenting, in a lake of one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// What somebody says of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They consent.
    Approved,
    /// They do not.
    Rejected,
    /// A gate may be passed although it does not hold.
    Waived,
}

/// A word on promotions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewRequest {
    /// References, `namespace.dataset[@selector]`, of a dataset each; 1 to 100.
    #[schema(min_items = 1, max_items = 100, value_type = Vec<ReferenceSchema>)]
    pub refs: Vec<String>,
    /// The stage they are meant for.
    #[schema(value_type = StageNameSchema)]
    pub to: StageName,
    /// The word.
    pub verdict: Verdict,
    /// The gate to waive; with `waived` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GateNameSchema>)]
    pub gate: Option<GateName>,
    /// Why, in at most 255 bytes; a waiver needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    pub reason: Option<String>,
    /// The evidence that was looked at, where one version is meant: if it is other by now, the answer
    /// is 409.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub evidence: Option<ObjectId>,
}

/// What was said, and where the promotion stands then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewAnswer {
    /// The last event; none where all of it was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// What the promotion takes now, if somebody else asks for it.
    pub promotion: PromotionAnswer,
}

/// What was said of a version, for any stage, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewList {
    /// The words.
    pub reviews: Vec<Review>,
}

/// What somebody said. Reasons and evidence are for those who may read all of the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Review {
    /// The event.
    pub event: u64,
    /// When, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// For which stage.
    #[schema(value_type = String)]
    pub stage: StageName,
    /// What.
    pub verdict: Verdict,
    /// The gate that was waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gate: Option<GateName>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of which evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub evidence: Option<ObjectId>,
}

/// The end of a dataset, said ahead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeprecationRequest {
    /// The dataset.
    #[schema(value_type = DatasetNameSchema)]
    pub dataset: DatasetName,
    /// When it ends, RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    pub sunset_at: Timestamp,
    /// What to read instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DatasetNameSchema>)]
    pub successor: Option<DatasetName>,
}

/// A dataset that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetirementRequest {
    /// The dataset.
    #[schema(value_type = DatasetNameSchema)]
    pub dataset: DatasetName,
}

/// That a notice was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeAnswer {
    /// The event; none where it was said before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
}

/// That a dataset ends, or has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// When it was said, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it ends; none where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sunset_at: Option<Timestamp>,
    /// What to read instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub successor: Option<DatasetName>,
}
