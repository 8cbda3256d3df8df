//! Who may do what, where: actions, targets and grants.
//!
//! Plain values; what they add up to for somebody is decided in `lakebed-govern`.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    DatasetName, GroupName, NamespaceName, PrincipalName, StageName, Timestamp,
    name::printable,
    principal::{GROUP_PREFIX, PrincipalError},
    serde_text::serde_as_text,
};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Know that it exists: its name, kind and version numbers, and what happened to it when.
    Discover,
    /// See its rows, and everything computed from them: digests, counts, files, quarantine.
    Read,
    /// Make versions.
    Ingest,
    /// Say what it is and who may see what of it.
    Steward,
    /// Consent to a promotion.
    Approve,
    /// See what happened, everywhere; no sight of data.
    Audit,
    /// Say who may do what; no sight of data.
    Admin,
}

/// A word that is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no action: use `discover`, `read`, `ingest`, `steward`, `approve`, `audit` or \
     `admin`"
)]
pub struct ActionError {
    /// What was given, shortened and escaped.
    given: String,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Discover,
        Self::Read,
        Self::Ingest,
        Self::Steward,
        Self::Approve,
        Self::Audit,
        Self::Admin,
    ];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Steward => "steward",
            Self::Approve => "approve",
            Self::Audit => "audit",
            Self::Admin => "admin",
        }
    }

    /// Whether being allowed `self` is being allowed `other`.
    ///
    /// Whoever may read, ingest, steward or approve something knows that it exists; `audit` and
    /// `admin` give no sight of data, and so not of its names either (D-41).
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        match (self, other) {
            (Self::Read | Self::Ingest | Self::Steward | Self::Approve, Self::Discover) => true,
            (given, asked) => given as u8 == asked as u8,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        let known = Self::ALL.into_iter().find(|action| action.as_str() == text);
        known.ok_or_else(|| ActionError { given: printable(text) })
    }
}

/// Where something can be done. As text: `lake`, `crm.*`, `crm.customers`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The lake: everything in it, now and later.
    Lake,
    /// Every dataset of a namespace, now and later.
    Namespace(NamespaceName),
    /// One dataset.
    Dataset(DatasetName),
}

/// A text that is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no target: use `lake`, a namespace as in `crm.*`, or a dataset")]
pub struct TargetError {
    /// What was given, shortened and escaped.
    given: String,
}

impl Target {
    /// Whether `other` lies within it; each target covers itself.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lake, _) => true,
            (Self::Namespace(outer), Self::Namespace(inner)) => outer == inner,
            (Self::Namespace(outer), Self::Dataset(inner)) => outer.as_str() == inner.namespace(),
            (Self::Dataset(outer), Self::Dataset(inner)) => outer == inner,
            (Self::Namespace(_) | Self::Dataset(_), _) => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lake => f.write_str("lake"),
            Self::Namespace(namespace) => write!(f, "{namespace}.*"),
            Self::Dataset(dataset) => write!(f, "{dataset}"),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let error = || TargetError { given: printable(text) };
        if text == "lake" {
            return Ok(Self::Lake);
        }
        if let Some(namespace) = text.strip_suffix(".*") {
            return namespace.parse().map(Self::Namespace).map_err(|_| error());
        }
        text.parse().map(Self::Dataset).map_err(|_| error())
    }
}

/// To whom something is granted. As text: `alice`, `group:analysts`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// One principal.
    Principal(PrincipalName),
    /// All members of a group.
    Group(GroupName),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(principal) => write!(f, "{principal}"),
            Self::Group(group) => write!(f, "{GROUP_PREFIX}{group}"),
        }
    }
}

impl FromStr for Grantee {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        match text.strip_prefix(GROUP_PREFIX) {
            Some(group) => group.parse().map(Self::Group),
            None => text.parse().map(Self::Principal),
        }
    }
}

serde_as_text!(Grantee);

/// One permission. Grants add up; none takes anything away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// To whom.
    pub to: Grantee,
    /// What they may do; at least one action.
    pub may: BTreeSet<Action>,
    /// Where.
    pub on: Target,
    /// From which stage up: versions that have not reached it are not meant.
    pub from_stage: StageName,
    /// The last moment at which it gives something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values_are_inverse() {
        for action in Action::ALL {
            assert_eq!(action.to_string().parse(), Ok(action));
        }
        for text in ["lake", "crm.*", "crm.customers"] {
            assert_eq!(text.parse::<Target>().map(|target| target.to_string()), Ok(text.into()));
        }
        for text in ["alice", "group:analysts"] {
            assert_eq!(text.parse::<Grantee>().map(|to| to.to_string()), Ok(text.into()));
        }
        for bad in ["", "crm", "*", "lake.*.*", "system.*", "crm.customers@v1"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_covers_what_lies_within() {
        let target = |text: &str| text.parse::<Target>().expect(text);
        let (lake, crm, customers) = (target("lake"), target("crm.*"), target("crm.customers"));
        for (outer, inner) in [(&lake, &crm), (&lake, &customers), (&crm, &customers)] {
            assert!(outer.covers(inner) && outer.covers(outer) && inner.covers(inner));
            assert!(!inner.covers(outer));
        }
        assert!(!crm.covers(&target("crm2.customers")));
        assert!(!crm.covers(&target("crm2.*")));
        assert!(!customers.covers(&target("crm.orders")));
    }

    #[test]
    fn sight_of_data_comes_with_no_office() {
        for office in [Action::Audit, Action::Admin] {
            let included = Action::ALL.into_iter().filter(|other| office.includes(*other));
            assert_eq!(included.collect::<Vec<_>>(), [office]);
        }
        for hand in [Action::Read, Action::Ingest, Action::Steward, Action::Approve] {
            assert!(hand.includes(Action::Discover) && !Action::Discover.includes(hand));
        }
    }

    #[test]
    fn a_grant_has_one_spelling_in_json() {
        let grant = Grant {
            to: "group:analysts".parse().expect("a group"),
            may: BTreeSet::from([Action::Read, Action::Discover]),
            on: "crm.*".parse().expect("a namespace"),
            from_stage: StageName::raw(),
            until: None,
        };
        let json = serde_json::to_string(&grant).expect("plain values");
        insta::assert_snapshot!(
            json,
            @r#"{"to":"group:analysts","may":["discover","read"],"on":{"namespace":"crm"},"from_stage":"raw"}"#
        );
        assert_eq!(serde_json::from_str::<Grant>(&json).ok(), Some(grant));
    }
}
