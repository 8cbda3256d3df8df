//! What is known of a version that is meant for a stage.

use std::{collections::BTreeSet, sync::Arc};

use lakebed_core::{
    DatasetName, ObjectId, PrincipalName, ReviewVerdict, StageName, Timestamp, VersionId,
    contract::{Contract, Finding},
};

/// Who asks for a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// Who; none where it is open who will.
    pub principal: Option<PrincipalName>,
    /// Of which datasets they could approve a promotion that somebody else asks for.
    pub may_approve: BTreeSet<DatasetName>,
}

/// Everything that gates look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotionFacts {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The version.
    pub version_id: VersionId,
    /// Who committed it.
    pub author: String,
    /// Who answers for the product that it is a version of, whoever built it.
    pub owner: Option<PrincipalName>,
    /// The stage's head now.
    pub head: Option<HeadFacts>,
    /// The stages of which it is or was head.
    pub reached: BTreeSet<StageName>,
    /// What was said of it for this stage, by rising event.
    pub reviews: Vec<Review>,
    /// The dataset has ended.
    pub is_retired: bool,
    /// What was read again and is not what its name says; a sentence each.
    pub damage: Vec<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// The contract in force.
    pub contract: Option<ContractFacts>,
    /// The versions it was made of.
    pub inputs: Vec<InputFacts>,
    /// Accepted rows.
    pub accepted: u64,
    /// Quarantined rows.
    pub quarantined: u64,
}

/// The head of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadFacts {
    /// The version's number.
    pub number: u64,
    /// The contract in force when it came there.
    pub contract: Option<Arc<Contract>>,
}

/// A contract, and what it says of the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractFacts {
    /// The contract.
    pub contract: Arc<Contract>,
    /// Its digest.
    pub digest: ObjectId,
    /// What was measured, or why nothing could be.
    pub measured: Result<MeasuredFacts, String>,
}

/// A contract, measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredFacts {
    /// One per rule.
    pub findings: Vec<Finding>,
    /// Whether every row was judged by this very contract when it came, so that those that break it
    /// were set aside.
    pub sets_rows_aside: bool,
    /// One per promise of freshness.
    pub freshness: Vec<FreshnessFacts>,
}

/// How old the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshnessFacts {
    /// The promise.
    pub promise: String,
    /// The greatest age that it allows, in seconds.
    pub max_age_seconds: u64,
    /// What is newest; none where nothing is.
    pub newest: Option<Timestamp>,
    /// Whether that is young enough now.
    pub is_fresh: bool,
    /// Whether it lies in the future, and says nothing of an age.
    pub is_ahead: bool,
}

/// A version that another was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFacts {
    /// Its dataset.
    pub dataset: DatasetName,
    /// The version.
    pub version_id: VersionId,
    /// Its number; none where no event knows the version.
    pub number: Option<u64>,
    /// The stages of which it is or was head.
    pub reached: BTreeSet<StageName>,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The event.
    pub event: u64,
    /// Who.
    pub by: String,
    /// What.
    pub verdict: ReviewVerdict,
    /// Of which evidence.
    pub evidence: ObjectId,
    /// Why.
    pub reason: Option<String>,
}
