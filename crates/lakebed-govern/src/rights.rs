//! What somebody may do: the grants that are theirs, the standing they have, and the scope of
//! their credential.
//!
//! Grants add up and no order matters. The scope only ever takes away. Invariant: nothing here
//! looks at whether a target exists.

use std::collections::BTreeSet;

use lakebed_core::{
    Action, DatasetName, Declared, Grant, Grantee, GroupName, Identity, PrincipalName, StageName,
    Standing, Target, Timestamp, TokenScope,
};

use crate::{Denied, Granted, Reader, Verdict, about::places};

/// What one identity may do at one moment, found once and asked often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    principal: PrincipalName,
    standing: Standing,
    scope: Option<TokenScope>,
    /// Actions and targets of the grants that are theirs and in force.
    given: Vec<(BTreeSet<Action>, Target)>,
    /// What the policies are about that they are not excepted from.
    restricted: BTreeSet<Target>,
}

impl Rights {
    /// What `identity` may do at `now`, when this is declared.
    #[must_use]
    pub fn of(identity: &Identity, declared: &Declared, now: Timestamp) -> Self {
        let groups = declared.groups_of(&identity.principal, &identity.groups);
        let in_force = declared.grants.iter().filter(|grant| {
            is_theirs(grant, &identity.principal, &groups)
                && !is_over(grant, now)
                && reaches_every_version(grant)
        });
        let reader = Reader::of(identity, declared);
        Self {
            principal: identity.principal.clone(),
            standing: identity.standing,
            scope: identity.scope.clone(),
            given: in_force.map(|grant| (grant.may.clone(), grant.on.clone())).collect(),
            restricted: places(reader.policies(declared).map(|policy| &policy.on), declared),
        }
    }

    /// Whether a policy is about anything at all that they are not excepted from.
    #[must_use]
    pub fn is_restricted_somewhere(&self) -> bool {
        !self.restricted.is_empty()
    }

    /// The same, where each first dataset is computed from the second: whoever may not see all of what
    /// a dataset is made of may not see all of it, however far away that is.
    #[must_use]
    pub fn with_derivations(mut self, derivations: &[(DatasetName, DatasetName)]) -> Self {
        loop {
            let found = derivations.iter().filter(|(dataset, input)| {
                self.is_restricted(input) && !self.is_restricted(dataset)
            });
            let found: Vec<Target> =
                found.map(|(dataset, _)| Target::Dataset(dataset.clone())).collect();
            if found.is_empty() {
                return self;
            }
            self.restricted.extend(found);
        }
    }

    /// Whether `action` on `target` is allowed, as a proof or a refusal.
    pub fn verdict(&self, action: Action, target: &Target) -> Verdict {
        let (principal, target) = (self.principal.clone(), target.clone());
        if self.allows(action, &target) {
            return Verdict::Granted(Granted::new(principal, action, target));
        }
        // The lake is no secret: whoever asks has found it.
        let is_discoverable = target == Target::Lake || self.allows(Action::Discover, &target);
        Verdict::Denied(Denied { principal, action, target, is_discoverable })
    }

    /// Whether `action` on `target` is allowed.
    #[must_use]
    pub fn allows(&self, action: Action, target: &Target) -> bool {
        self.holds(action, target)
            && self.scope.as_ref().is_none_or(|scope| scope.allows(action, target))
    }

    /// Whether there is any target on which `action` is allowed.
    #[must_use]
    pub fn allows_somewhere(&self, action: Action) -> bool {
        // Targets are nested or apart: where two meet, one of them is the common part.
        let scopes = self.scope.iter().flat_map(|scope| scope.0.iter().map(|entry| &entry.on));
        let given = self.given.iter().map(|(_, on)| on);
        given.chain(scopes).chain([&Target::Lake]).any(|target| self.allows(action, target))
    }

    /// Whether `dataset` may be discovered.
    #[must_use]
    pub fn discovers(&self, dataset: &DatasetName) -> bool {
        self.allows(Action::Discover, &Target::Dataset(dataset.clone()))
    }

    /// Whether `dataset` may be read, all of it: its files, and everything computed from them.
    ///
    /// Digests are data: whoever a policy keeps from a part of it sees rows through SQL alone,
    /// which [`queries`](Self::queries) is about.
    #[must_use]
    pub fn reads(&self, dataset: &DatasetName) -> bool {
        self.queries(dataset) && !self.is_restricted(dataset)
    }

    /// Whether every dataset may be read, all of it.
    #[must_use]
    pub fn reads_everything(&self) -> bool {
        self.allows(Action::Read, &Target::Lake) && self.restricted.is_empty()
    }

    /// Whether rows of `dataset` may be asked for, as far as policies leave some.
    #[must_use]
    pub fn queries(&self, dataset: &DatasetName) -> bool {
        self.allows(Action::Read, &Target::Dataset(dataset.clone()))
    }

    /// Whether a policy is about `dataset` that they are not excepted from.
    #[must_use]
    pub fn is_restricted(&self, dataset: &DatasetName) -> bool {
        let target = Target::Dataset(dataset.clone());
        // Datasets are last in the order of targets, and there may be many with a tag.
        let mut wider =
            self.restricted.iter().take_while(|place| !matches!(place, Target::Dataset(_)));
        self.restricted.contains(&target) || wider.any(|place| place.covers(&target))
    }

    /// Whatever the credential's scope says.
    fn holds(&self, action: Action, target: &Target) -> bool {
        let by_standing = match self.standing {
            Standing::Owner => true,
            Standing::FirstAdmin => action == Action::Admin,
            Standing::Ordinary => false,
        };
        by_standing || self.given.iter().any(|(may, on)| gives(may, on, action, target))
    }
}

/// Whether a permission for `may` on `on` is one for `action` on `target`.
pub(crate) fn gives(may: &BTreeSet<Action>, on: &Target, action: Action, target: &Target) -> bool {
    on.covers(target) && may.iter().any(|given| given.includes(action))
}

/// Whether `grant` is made to `principal`, or to a group it belongs to.
pub(crate) fn is_theirs(
    grant: &Grant,
    principal: &PrincipalName,
    groups: &BTreeSet<&GroupName>,
) -> bool {
    match &grant.to {
        Grantee::Principal(to) => to == principal,
        Grantee::Group(to) => groups.contains(to),
    }
}

/// Whether the grant has ended: its last moment is past.
pub(crate) fn is_over(grant: &Grant, now: Timestamp) -> bool {
    grant.until.is_some_and(|until| until < now)
}

/// What may be done is decided by dataset, not by version: a grant from a higher stage up reaches
/// none, lest it reach those below.
pub(crate) fn reaches_every_version(grant: &Grant) -> bool {
    grant.from_stage == StageName::raw()
}
