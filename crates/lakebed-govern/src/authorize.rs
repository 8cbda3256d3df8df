//! May somebody do something? Yes, with a proof, or no, and whether they may know that it exists.
//!
//! Default deny: what no grant gives is refused (D-40). What the answer becomes outside (a status,
//! a text) is decided by the callers; this is only the decision.

use lakebed_core::{Action, Declared, Identity, PrincipalName, Target, Timestamp};

use crate::Rights;

/// Decides whether `identity` may do `action` on `target` at `now`, when this is declared.
///
/// Grants add up, in any order. One whose `until` is past is as if it were not there. The scope of
/// a credential only narrows. `admin` and `audit` are no reason to see data.
pub fn authorize(
    identity: &Identity,
    declared: &Declared,
    action: Action,
    target: &Target,
    now: Timestamp,
) -> Verdict {
    Rights::of(identity, declared, now).verdict(action, target)
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is allowed.
    Granted(Granted),
    /// It is not.
    Denied(Denied),
}

impl Verdict {
    /// The proof that it is allowed.
    ///
    /// # Errors
    /// [`Denied`] otherwise.
    pub fn granted(self) -> Result<Granted, Denied> {
        match self {
            Self::Granted(granted) => Ok(granted),
            Self::Denied(denied) => Err(denied),
        }
    }

    /// Whether it is allowed.
    #[must_use]
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(_))
    }
}

/// The proof that a principal may do something somewhere. Only a favourable [`Verdict`] holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    principal: PrincipalName,
    action: Action,
    target: Target,
}

impl Granted {
    pub(crate) const fn new(principal: PrincipalName, action: Action, target: Target) -> Self {
        Self { principal, action, target }
    }

    /// Who may.
    #[must_use]
    pub const fn principal(&self) -> &PrincipalName {
        &self.principal
    }

    /// Do what.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Where.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who asked.
    pub principal: PrincipalName,
    /// To do what.
    pub action: Action,
    /// Where.
    pub target: Target,
    /// Whether they may know that the target exists. If not, it does not exist for them: the answer
    /// is that of a thing that is not there, word for word.
    pub is_discoverable: bool,
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { principal, action, target, .. } = self;
        match target {
            Target::Lake => write!(f, "`{principal}` may not {action} this lake"),
            _ => write!(f, "`{principal}` may not {action} `{target}`"),
        }
    }
}
