//! What comes in with every request: who, when, and under which id.

use lakebed_core::{Identity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ShownToken;

/// Who asks, and how the request is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctx {
    /// Who asks, as proved to the door that let them in.
    pub identity: Identity,
    /// The request's id, the same through all tiers.
    pub request_id: String,
    /// The API token that proved it, where one did.
    pub token: Option<ShownToken>,
    /// The caller's own key for a change: the same key is the same change.
    pub idempotency_key: Option<String>,
    /// By which door it came.
    pub door: Door,
}

/// The ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// From this very process.
    #[default]
    Local,
    /// Through a socket, by HTTP.
    Http,
}

impl Door {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Http => "http",
        }
    }
}

impl Ctx {
    /// A request of `identity` without an idempotency key.
    #[must_use]
    pub fn new(identity: Identity, request_id: impl Into<String>) -> Self {
        Self {
            identity,
            request_id: request_id.into(),
            idempotency_key: None,
            token: None,
            door: Door::Local,
        }
    }

    /// Who asks, as events name them: `local:alice`.
    #[must_use]
    pub fn actor(&self) -> &str {
        self.identity.principal.as_str()
    }
}

/// Tells the time. Nothing else in the library asks for it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
    }
}
