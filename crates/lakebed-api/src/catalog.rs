//! The declared catalog: what it says, what another would change, and applying it.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    Action, AttributeName, AttributeValue, DatasetName, Declared, Grant, Grantee, GroupName,
    Ladder, ObjectId, PrincipalName, Product, Target, Timestamp,
    policy::{Policy, PolicyName, PolicyTarget},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas::{
    ActionSchema, AttributeValueSchema, DeclaredSchema, GrantSchema, LadderSchema, PolicySchema,
    PolicyTargetSchema, ProductSchema, ReachSchema, TargetSchema,
};

/// What is declared now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogAnswer {
    /// The digest of the value; none before the first apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<ObjectId>,
    /// The event that applied it; none before the first apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// The value.
    #[schema(value_type = DeclaredSchema)]
    pub declared: Declared,
}

/// A catalog, to see what it would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogPlanRequest {
    /// The value.
    #[schema(value_type = DeclaredSchema)]
    pub declared: Declared,
}

/// A catalog, to replace the one it was planned against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogApplyRequest {
    /// The value.
    #[schema(value_type = DeclaredSchema)]
    pub declared: Declared,
    /// `before` of the plan: the digest of the catalog that this one replaces; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub expected: Option<ObjectId>,
    /// Apply it even though nobody would be left who may admin the lake.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_admin: bool,
}

/// What applying did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogApplied {
    /// The place of its event; none when the same was declared already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// What it changed.
    pub plan: CatalogPlan,
}

/// The difference between what is declared and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogPlan {
    /// The digest of what is declared; none before the first apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub before: Option<ObjectId>,
    /// The digest of the value.
    #[schema(value_type = String)]
    pub after: ObjectId,
    /// Whether it is any different.
    pub is_change: bool,
    /// Whether nobody would be left who may admin the lake, where somebody may now.
    pub loses_last_admin: bool,
    /// Groups whose members change, by name.
    pub groups: Vec<GroupChange>,
    /// Groups that the identity provider may fill from now on.
    #[schema(value_type = Vec<String>)]
    pub claimed_groups_added: BTreeSet<GroupName>,
    /// Groups that it may not fill any more.
    #[schema(value_type = Vec<String>)]
    pub claimed_groups_removed: BTreeSet<GroupName>,
    /// Attributes that change, by principal and name.
    pub attributes: Vec<AttributeChange>,
    /// Grants that are new.
    #[schema(value_type = Vec<GrantSchema>)]
    pub grants_added: BTreeSet<Grant>,
    /// Grants that go.
    #[schema(value_type = Vec<GrantSchema>)]
    pub grants_removed: BTreeSet<Grant>,
    /// Who gains or loses what, by target and action.
    pub rights: Vec<RightChange>,
    /// Contracts that are new, go or change, by dataset.
    #[serde(default)]
    pub contracts: Vec<ContractChange>,
    /// Policies that appear, go or change, by name.
    #[serde(default)]
    pub policies: Vec<PolicyChange>,
    /// Products that appear, go or change, by name.
    #[serde(default)]
    pub products: Vec<ProductChange>,
    /// Columns that count as looked at from now on.
    #[serde(default)]
    pub reviewed_added: Vec<ReviewedColumn>,
    /// Columns that do so no more: they are hidden from whoever is restricted.
    #[serde(default)]
    pub reviewed_removed: Vec<ReviewedColumn>,
    /// Who gains or loses sight of what they may read.
    #[serde(default)]
    pub sights: Vec<SightChange>,
    /// The stages, if they or their gates change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<LadderChange>,
    /// What may not do what its author thinks, for people: a policy on a tag that no contract has.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Stages and gates, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LadderChange {
    /// As they are now.
    #[schema(value_type = LadderSchema)]
    pub before: Ladder,
    /// As they would be.
    #[schema(value_type = LadderSchema)]
    pub after: Ladder,
}

/// A contract that is new, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractChange {
    /// Whose.
    #[schema(value_type = String)]
    pub dataset: DatasetName,
    /// The version in force, in the producer's words; none where there is no contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The version that would be; none where the contract goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// What the change asks of consumers: `none`, `patch`, `minor` or `major`; none where a contract
    /// begins or ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// What makes it so, the gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ContractReason>,
    /// Why the new version does not say what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_flaw: Option<String>,
}

/// One thing that is promised otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContractReason {
    /// `patch`, `minor` or `major`.
    pub level: String,
    /// A column, rule or key of the contract.
    pub element: String,
    /// What happened to it.
    pub what: String,
    /// Why that is of this level.
    pub why: String,
}

/// A policy that appears, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyChange {
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PolicySchema>)]
    pub before: Option<Policy>,
    /// As it would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PolicySchema>)]
    pub after: Option<Policy>,
}

/// A product that appears, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductChange {
    /// Its name.
    #[schema(value_type = String)]
    pub product: DatasetName,
    /// As it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProductSchema>)]
    pub before: Option<Product>,
    /// As it would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProductSchema>)]
    pub after: Option<Product>,
}

/// A column that somebody has looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReviewedColumn {
    /// Its dataset.
    #[schema(value_type = String)]
    pub dataset: DatasetName,
    /// Its name.
    pub column: String,
}

/// A restriction that some come under, or are under no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SightChange {
    /// Whether it goes: a gain; a loss if not.
    pub is_gain: bool,
    /// Who: principals, and groups that the identity provider fills.
    #[schema(value_type = Vec<String>)]
    pub who: BTreeSet<Grantee>,
    /// Where; of a policy on a tag, a dataset that carries it.
    #[schema(value_type = TargetSchema)]
    pub on: Target,
    /// What the restriction is, for people.
    #[schema(example = "email as redact")]
    pub restriction: String,
}

/// Who enters and leaves a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupChange {
    /// The group.
    #[schema(value_type = String)]
    pub group: GroupName,
    /// Its new members.
    #[schema(value_type = Vec<String>)]
    pub joined: BTreeSet<PrincipalName>,
    /// Those who are members no more.
    #[schema(value_type = Vec<String>)]
    pub left: BTreeSet<PrincipalName>,
}

/// An attribute that appears, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttributeChange {
    /// Whose.
    #[schema(value_type = String)]
    pub principal: PrincipalName,
    /// Which.
    #[schema(value_type = String)]
    pub attribute: AttributeName,
    /// Its value now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AttributeValueSchema>)]
    pub before: Option<AttributeValue>,
    /// Its value then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<AttributeValueSchema>)]
    pub after: Option<AttributeValue>,
}

/// Something that some may do from now on, or no more, or for another time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RightChange {
    /// Whether it is a gain; a loss if not.
    pub is_gain: bool,
    /// Who: principals, and groups that the identity provider fills.
    #[schema(value_type = Vec<String>)]
    pub who: BTreeSet<Grantee>,
    /// What.
    #[schema(value_type = ActionSchema)]
    pub action: Action,
    /// Where.
    #[schema(value_type = TargetSchema)]
    pub on: Target,
    /// How long now: `never`, `always`, or until a time.
    #[schema(value_type = ReachSchema)]
    pub before: Reach,
    /// How long then: `never`, `always`, or until a time.
    #[schema(value_type = ReachSchema)]
    pub after: Reach,
}

/// How long something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Not at all.
    Never,
    /// To this moment.
    Until(Timestamp),
    /// As long as it is declared.
    Always,
}

/// What somebody may do with a target, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessExplanation {
    /// Who.
    #[schema(value_type = String)]
    pub principal: PrincipalName,
    /// `ordinary`; `first-admin` for the token of the lake's first start; `owner` for whoever runs
    /// Lakebed in the own process.
    pub standing: String,
    /// Their groups, declared and claimed.
    #[schema(value_type = Vec<String>)]
    pub groups: BTreeSet<GroupName>,
    /// Their attributes, declared and claimed.
    #[schema(value_type = BTreeMap<String, AttributeValueSchema>)]
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
    /// Where.
    #[schema(value_type = TargetSchema)]
    pub target: Target,
    /// Every action.
    pub actions: Vec<ActionExplained>,
    /// The grants, those that apply first. Those of others only for whoever may admin the target.
    pub grants: Vec<GrantExplained>,
    /// The policies about the target, those that take something away first; those about parts of it
    /// only for whoever may admin it.
    #[serde(default)]
    pub policies: Vec<PolicyExplained>,
}

/// A policy, and why it takes nothing away if it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyExplained {
    /// Its name.
    #[schema(value_type = String)]
    pub name: PolicyName,
    /// What it is about.
    #[schema(value_type = PolicyTargetSchema)]
    pub on: PolicyTarget,
    /// `rows`, `mask` or `hide`.
    pub kind: String,
    /// What it takes away, for people; only for whoever may admin the target, since it names columns
    /// and values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "only rows where region = principal.region")]
    pub restriction: Option<String>,
    /// Whether it takes something away.
    pub applies: bool,
    /// Why not: `excepted`, `owner`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// What carries its tag there, by dataset; only for whoever may admin the target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tagged: Vec<TaggedPart>,
}

/// What carries a tag in a dataset, by its contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaggedPart {
    /// The dataset.
    #[schema(value_type = String)]
    pub dataset: DatasetName,
    /// Its columns that carry it; absent where the dataset itself does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub columns: Option<BTreeSet<String>>,
}

/// Whether an action is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionExplained {
    /// The action.
    #[schema(value_type = ActionSchema)]
    pub action: Action,
    /// Whether it is allowed.
    pub is_allowed: bool,
    /// Whether only the scope of the credential stands against it.
    pub is_out_of_scope: bool,
}

/// A grant, and why it does not apply if it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantExplained {
    /// The grant.
    #[schema(value_type = GrantSchema)]
    pub grant: Grant,
    /// Whether it applies.
    pub applies: bool,
    /// Why not: `over`, `stage-not-reached`, `elsewhere`, `to-others`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}
