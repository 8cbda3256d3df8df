//! Who asked for a job, as text: whoever takes it over acts for the same principal, with the same
//! claims, and with no more than the credential was good for.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, GroupName, Identity, PrincipalName, Standing, Timestamp,
    TokenScope,
};
use serde::{Deserialize, Serialize};

use crate::{Ctx, ShownToken};

#[derive(Serialize, Deserialize)]
struct Stored {
    principal: PrincipalName,
    groups: BTreeSet<GroupName>,
    attributes: BTreeMap<String, AttributeValue>,
    scope: Option<TokenScope>,
    standing: StoredStanding,
    /// The public part of the token that proved it, and until when it is good.
    token: Option<(String, Timestamp)>,
    /// The request that asked for it.
    request_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredStanding {
    Ordinary,
    FirstAdmin,
    Owner,
}

/// Who asks, as one line of JSON.
pub(super) fn to_text(ctx: &Ctx) -> String {
    let identity = &ctx.identity;
    let attributes = identity.attributes.iter();
    let stored = Stored {
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
    };
    serde_json::to_string(&stored).expect("names, numbers and texts always serialise")
}

/// What [`to_text`] wrote; nothing if it is something else.
pub(crate) fn from_text(text: &str) -> Option<Ctx> {
    let stored: Stored = serde_json::from_str(text).ok()?;
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
    Some(Ctx { token, ..Ctx::new(identity, stored.request_id) })
}
