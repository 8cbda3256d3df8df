//! Who asked, as it is kept: whoever takes a job over acts for the same principal, with the same claims,
//! and with no more than the credential was good for; a read is on record with all of it.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, GroupName, Identity, PrincipalName, Standing, Timestamp,
    TokenScope,
};
use serde::{Deserialize, Serialize};

use crate::{Ctx, Door, ShownToken};

/// Who asked, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAsker {
    /// Who.
    pub principal: PrincipalName,
    /// Groups that the identity provider named.
    pub groups: BTreeSet<GroupName>,
    /// Attributes that the identity provider stated.
    pub attributes: BTreeMap<String, AttributeValue>,
    /// What the credential was good for.
    pub scope: Option<TokenScope>,
    /// What was known of them besides.
    pub standing: StoredStanding,
    /// The public part of the token that proved it, and until when it is good.
    pub token: Option<(String, Timestamp)>,
    /// The request that asked.
    pub request_id: String,
    /// By which door it came.
    #[serde(default)]
    pub door: Door,
}

/// [`Standing`], as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredStanding {
    /// Nothing.
    Ordinary,
    /// Whose token was the first of the lake.
    FirstAdmin,
    /// They own the lake.
    Owner,
}

/// Who asks, to be kept.
pub(crate) fn asker(ctx: &Ctx) -> StoredAsker {
    let identity = &ctx.identity;
    let attributes = identity.attributes.iter();
    StoredAsker {
        principal: identity.principal.clone(),
        groups: identity.groups.clone(),
        attributes: attributes.map(|(name, value)| (name.to_string(), value.clone())).collect(),
        scope: identity.scope.clone(),
        standing: match identity.standing {
            Standing::Ordinary => StoredStanding::Ordinary,
            Standing::FirstAdmin => StoredStanding::FirstAdmin,
            Standing::Owner => StoredStanding::Owner,
        },
        token: ctx.token.as_ref().map(|token| (token.id.to_string(), token.expires_at)),
        request_id: ctx.request_id.clone(),
        door: ctx.door,
    }
}

/// Who asks, as one line of JSON.
pub(super) fn to_text(ctx: &Ctx) -> String {
    serde_json::to_string(&asker(ctx)).expect("names, numbers and texts always serialise")
}

/// What [`to_text`] wrote; nothing if it is something else.
pub(crate) fn from_text(text: &str) -> Option<Ctx> {
    let stored: StoredAsker = serde_json::from_str(text).ok()?;
    let token = match stored.token {
        Some((id, expires_at)) => Some(ShownToken { id: id.parse().ok()?, expires_at }),
        None => None,
    };
    let attribute = |(name, value): (String, AttributeValue)| {
        Some((name.parse::<AttributeName>().ok()?, value))
    };
    let identity = Identity {
        principal: stored.principal,
        groups: stored.groups,
        attributes: stored.attributes.into_iter().map(attribute).collect::<Option<_>>()?,
        scope: stored.scope,
        standing: match stored.standing {
            StoredStanding::Ordinary => Standing::Ordinary,
            StoredStanding::FirstAdmin => Standing::FirstAdmin,
            StoredStanding::Owner => Standing::Owner,
        },
    };
    Some(Ctx { token, door: stored.door, ..Ctx::new(identity, stored.request_id) })
}
