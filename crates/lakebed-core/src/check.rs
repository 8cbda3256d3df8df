//! What an examination of a deployment finds, one line at a time.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A stable word for it.
    pub name: &'static str,
    /// How it is.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How something is that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As it must be.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// A promise does not hold here.
    Failed,
}

impl Check {
    /// It is as it must be.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Ok, detail: detail.into(), hint: None }
    }

    /// It works, and `hint` would make it better.
    pub fn warning(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let (outcome, hint) = (Outcome::Warning, Some(hint.into()));
        Self { name, outcome, detail: detail.into(), hint }
    }

    /// A promise does not hold here until somebody does what `hint` says.
    pub fn failed(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let (outcome, hint) = (Outcome::Failed, Some(hint.into()));
        Self { name, outcome, detail: detail.into(), hint }
    }
}
