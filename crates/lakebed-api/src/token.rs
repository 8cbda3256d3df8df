//! API tokens, and who a credential speaks for.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, GroupName, PrincipalName, Timestamp, TokenId, TokenScope,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas::ScopeEntrySchema;

/// A token to make. What is unsaid is the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Who is to hold it; others than the caller take `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "svc:nightly")]
    pub principal: Option<PrincipalName>,
    /// What to call it, for people: 1 to 255 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "nightly load", min_length = 1, max_length = 255)]
    pub label: Option<String>,
    /// For how many days; 30 when unsaid. Never longer than the token that is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 366)]
    pub days: Option<u32>,
    /// What it is good for, at most; as much as the caller's own when unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ScopeEntrySchema>>)]
    pub scope: Option<TokenScope>,
    /// Whether its holder may `admin` the lake, whatever is declared: for who owns the lake, or
    /// shows such a token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub first_admin: bool,
}

/// A new token. This is the only time that its secret is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token itself: `lkb_` and three groups of hex digits.
    pub secret: String,
    /// What is kept of it.
    pub token: TokenSummary,
}

impl std::fmt::Debug for NewToken {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken").field("token", &self.token).finish_non_exhaustive()
    }
}

/// What is known of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenSummary {
    /// Its public part: 16 lower-case hex digits, the first group of the token.
    #[schema(value_type = String, example = "9f2c61d07a5b4c3e")]
    pub id: TokenId,
    /// Who holds it.
    #[schema(value_type = String, example = "alice")]
    pub principal: PrincipalName,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// `good`, `expired` or `revoked`.
    #[schema(example = "good")]
    pub state: String,
    /// When it was made, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// It is good before this time, RFC 3339, UTC.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// What it is good for, at most; absent when it is not narrowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ScopeEntrySchema>>)]
    pub scope: Option<TokenScope>,
    /// The token with which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub made_with: Option<TokenId>,
    /// Whether its holder may `admin` the lake, whatever is declared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub first_admin: bool,
    /// When it was revoked, RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

/// Tokens, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The tokens, expired and revoked ones too.
    pub tokens: Vec<TokenSummary>,
}

/// Who asks, as the credential proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// Who.
    #[schema(value_type = String, example = "alice")]
    pub principal: PrincipalName,
    /// Groups that the credential states.
    #[schema(value_type = BTreeSet<String>)]
    pub groups: BTreeSet<GroupName>,
    /// Attributes that the credential states: texts, whole numbers, truth values.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
    /// `ordinary`, `first_admin` or `owner`.
    #[schema(example = "ordinary")]
    pub standing: String,
    /// What proved it: `token`, `oidc`, or `presence` where callers are not asked.
    #[schema(example = "token")]
    pub credential: String,
    /// The token that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub token: Option<TokenId>,
    /// Who issued the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The credential is good before this time, RFC 3339, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// What the credential is good for, at most; absent when it is not narrowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ScopeEntrySchema>>)]
    pub scope: Option<TokenScope>,
}
