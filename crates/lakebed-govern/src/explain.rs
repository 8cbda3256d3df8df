//! Why somebody may do something, or may not: every grant that applies, and every one that does
//! not, with the reason.
//!
//! The answer is that of [`authorize`](crate::authorize), told at length. It names grants of
//! others too; who may see it is decided above.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    Action, AttributeName, AttributeValue, DatasetName, Declared, Grant, GroupName, Identity,
    PrincipalName, Standing, Target, Timestamp,
    policy::{Policy, PolicyTarget},
};

use crate::{
    Reader, Rights, Tagged,
    about::{places, tagged},
    rights::{is_over, is_theirs, reaches_every_version},
};

/// What somebody may do with one target, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who.
    pub principal: PrincipalName,
    /// What is known of them besides grants.
    pub standing: Standing,
    /// Their groups, declared and claimed.
    pub groups: BTreeSet<GroupName>,
    /// Their attributes; what is declared outranks what is claimed.
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
    /// Where.
    pub target: Target,
    /// Every action, in the order of [`Action::ALL`].
    pub actions: Vec<ActionExplained>,
    /// Every grant, those that apply first.
    pub grants: Vec<GrantExplained>,
    /// Every policy about the target or a part of it, those that take something away first.
    pub policies: Vec<PolicyExplained>,
    /// Whether what the policies say in detail is for the asker, too: rules name columns and values
    /// that they may not see.
    pub tells_policies: bool,
}

/// A policy, and why it takes nothing away if it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyExplained {
    /// The policy.
    pub policy: Policy,
    /// None when it takes something away.
    pub why_not: Option<WhySpared>,
    /// Whether it is about all of the target, and not only about something that lies within.
    pub is_about_all: bool,
    /// What carries the tag there that it is on, by dataset; empty if it is on none.
    pub tagged: BTreeMap<DatasetName, Tagged>,
}

/// Why a policy takes nothing away from somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhySpared {
    /// They, or a group of theirs, are excepted.
    Excepted,
    /// They own the lake.
    Owner,
}

impl WhySpared {
    /// A stable word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Excepted => "excepted",
            Self::Owner => "owner",
        }
    }
}

/// Whether one action is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionExplained {
    /// The action.
    pub action: Action,
    /// Whether it is allowed.
    pub is_allowed: bool,
    /// Whether it would be, were it not for the scope of the credential.
    pub is_out_of_scope: bool,
}

/// A grant, and why it does not apply if it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantExplained {
    /// The grant.
    pub grant: Grant,
    /// None when it applies.
    pub why_not: Option<WhyNot>,
}

/// Why a grant does not apply; the ones that come closest to it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyNot {
    /// It has ended.
    Over,
    /// It is about versions at a higher stage.
    StageNotReached,
    /// It is about another target.
    Elsewhere,
    /// It is made to another principal, or to a group they do not belong to.
    ToOthers,
}

impl WhyNot {
    /// A stable word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Over => "over",
            Self::Elsewhere => "elsewhere",
            Self::StageNotReached => "stage-not-reached",
            Self::ToOthers => "to-others",
        }
    }
}

/// Explains what `identity` may do with `target` at `now`, when this is declared.
#[must_use]
pub fn explain(
    identity: &Identity,
    declared: &Declared,
    target: &Target,
    now: Timestamp,
) -> Explanation {
    let groups = declared.groups_of(&identity.principal, &identity.groups);
    let reader = Reader::of(identity, declared);
    let rights = Rights::of(identity, declared, now);
    let unscoped = Rights::of(&Identity { scope: None, ..identity.clone() }, declared, now);
    let actions = Action::ALL.into_iter().map(|action| {
        let is_allowed = rights.allows(action, target);
        let is_out_of_scope = !is_allowed && unscoped.allows(action, target);
        ActionExplained { action, is_allowed, is_out_of_scope }
    });
    let why_not = |grant: &Grant| match grant {
        _ if !is_theirs(grant, &identity.principal, &groups) => Some(WhyNot::ToOthers),
        _ if !grant.on.covers(target) => Some(WhyNot::Elsewhere),
        _ if !reaches_every_version(grant) => Some(WhyNot::StageNotReached),
        _ if is_over(grant, now) => Some(WhyNot::Over),
        _ => None,
    };
    let explained =
        |grant: &Grant| GrantExplained { grant: grant.clone(), why_not: why_not(grant) };
    let mut grants: Vec<_> = declared.grants.iter().map(explained).collect();
    grants.sort_by_key(|explained| explained.why_not);
    Explanation {
        principal: identity.principal.clone(),
        standing: identity.standing,
        attributes: reader.attributes().clone(),
        groups: reader.groups().clone(),
        target: target.clone(),
        actions: actions.collect(),
        grants,
        policies: policies_about(target, &reader, identity, declared),
        tells_policies: true,
    }
}

/// Those that are about a place that meets the target.
fn policies_about(
    target: &Target,
    reader: &Reader,
    identity: &Identity,
    declared: &Declared,
) -> Vec<PolicyExplained> {
    let explained = |policy: &Policy| {
        let mut meeting = places([&policy.on], declared);
        meeting.retain(|place| place.covers(target) || target.covers(place));
        if meeting.is_empty() {
            return None;
        }
        let tagged = |place: &Target| match (&policy.on, place) {
            (PolicyTarget::Tag(tag), Target::Dataset(dataset)) => {
                Some((dataset.clone(), tagged(tag, declared, dataset)?))
            }
            _ => None,
        };
        Some(PolicyExplained {
            policy: policy.clone(),
            why_not: match policy {
                _ if identity.is_owner() => Some(WhySpared::Owner),
                policy if reader.is_excepted(policy) => Some(WhySpared::Excepted),
                _ => None,
            },
            is_about_all: meeting.iter().any(|place| place.covers(target)),
            tagged: meeting.iter().filter_map(tagged).collect(),
        })
    };
    let mut policies: Vec<_> = declared.policies.values().filter_map(explained).collect();
    policies.sort_by_key(|explained| explained.why_not);
    policies
}
