//! Who asks: principals, groups, attributes, and what a credential proves of its holder.
//!
//! What somebody may do is not here: grants are in `grant.rs`, the decision in `lakebed-govern`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{Action, Target, name::printable, serde_text::text_name};

/// The longest name of a principal or group, in bytes: what an event's actor may be.
const MAX_NAME: usize = 255;
/// The longest name of an attribute, in bytes.
const MAX_ATTRIBUTE: usize = 63;
/// What stands before the name of a group where principals are named, too.
pub(crate) const GROUP_PREFIX: &str = "group:";

/// A text that cannot name a principal, group or attribute; says which rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` cannot be the name of {what}: {why}")]
pub struct PrincipalError {
    /// What was given, shortened and escaped.
    given: String,
    what: &'static str,
    why: &'static str,
}

fn check_name(text: &str, what: &'static str) -> Result<(), PrincipalError> {
    let error = |why| Err(PrincipalError { given: printable(text), what, why });
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@:/+|=~-".contains(&byte);
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !starts_well || !text.bytes().all(plain) {
        return error(
            "use ASCII letters, digits and `. _ @ : / + | = ~ -`, starting with a letter or digit",
        );
    }
    if text.len() > MAX_NAME {
        return error("it is longer than 255 bytes");
    }
    if text.starts_with(GROUP_PREFIX) {
        return error("`group:` stands before the name of a group");
    }
    Ok(())
}

text_name! {
    /// A user or a service: `alice`, `alice@example.com`, `svc:nightly`, `local:alice`.
    ///
    /// Case matters; two spellings are two principals.
    PrincipalName, PrincipalError, |text| check_name(text, "a principal")
}

text_name! {
    /// Some principals: `analysts`. Where principals are named as well it is `group:analysts`.
    GroupName, PrincipalError, |text| check_name(text, "a group")
}

/// What the name of a service begins with.
const SERVICE_PREFIX: &str = "svc:";

impl PrincipalName {
    /// Whether it names a service, which asks and works but consents to nothing.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.as_str().starts_with(SERVICE_PREFIX)
    }
}

text_name! {
    /// A property of a principal: `region`. 1 to 63 lower-case letters, digits and `_`.
    AttributeName, PrincipalError, check_attribute
}

fn check_attribute(text: &str) -> Result<(), PrincipalError> {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if starts_well && text.len() <= MAX_ATTRIBUTE && text.bytes().all(rest) {
        return Ok(());
    }
    let why = "use 1 to 63 lower-case letters, digits and `_`, starting with a letter";
    Err(PrincipalError { given: printable(text), what: "an attribute", why })
}

/// The value of an attribute. Values of different types are never equal: `"1"` is not `1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged, expecting = "an attribute is a text, a whole number, `true` or `false`")]
pub enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number of 64 bits.
    Integer(i64),
    /// Any text.
    Text(String),
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

/// What a credential may be used for, at most: never more than its holder may do.
///
/// An action is in scope if one of the entries names it on a target that covers the one asked for.
/// An empty list is good for nothing; a credential without a scope is an [`Identity`] whose scope
/// is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenScope(pub Vec<ScopeEntry>);

/// Some actions on one target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeEntry {
    /// What may be done; each implies what it implies in a grant ([`Action::includes`]).
    pub may: BTreeSet<Action>,
    /// Where.
    pub on: Target,
}

impl TokenScope {
    /// Whether `action` on `target` is in scope.
    #[must_use]
    pub fn allows(&self, action: Action, target: &Target) -> bool {
        self.0.iter().any(|entry| {
            entry.on.covers(target) && entry.may.iter().any(|given| given.includes(action))
        })
    }

    /// Whether all that is in the scope `other` is in this one.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_within =
            |entry: &ScopeEntry| entry.may.iter().all(|action| self.allows(*action, &entry.on));
        other.0.iter().all(is_within)
    }
}

/// What is known of an asker besides the grants of the declared catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Standing {
    /// Nothing: the grants decide.
    #[default]
    Ordinary,
    /// Holds the token that the lake's first start printed: may `admin` the lake, whatever is
    /// declared, so that somebody can declare something.
    FirstAdmin,
    /// Owns the lake: runs Lakebed in its own process and could read the bytes without it. May
    /// do everything.
    Owner,
}

/// Who asks, as a credential proves it.
///
/// Groups and attributes are those of the credential's claims; what the declared catalog says of
/// the principal is added where it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who.
    pub principal: PrincipalName,
    /// Groups that the identity provider names.
    pub groups: BTreeSet<GroupName>,
    /// Attributes that the identity provider states.
    pub attributes: BTreeMap<AttributeName, AttributeValue>,
    /// What the credential may be used for; `None` does not narrow.
    pub scope: Option<TokenScope>,
    /// What is known of the asker besides.
    pub standing: Standing,
}

impl Identity {
    /// `principal`, without claims, scope or standing.
    #[must_use]
    pub const fn of(principal: PrincipalName) -> Self {
        Self {
            principal,
            groups: BTreeSet::new(),
            attributes: BTreeMap::new(),
            scope: None,
            standing: Standing::Ordinary,
        }
    }

    /// `principal`, who owns the lake.
    #[must_use]
    pub const fn owner(principal: PrincipalName) -> Self {
        let mut identity = Self::of(principal);
        identity.standing = Standing::Owner;
        identity
    }

    /// The same, with a credential that is good for `scope` alone.
    #[must_use]
    pub fn with_scope(mut self, scope: TokenScope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Whether the asker owns the lake.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.standing == Standing::Owner
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn users_services_and_mail_addresses_are_principals() {
        for good in ["alice", "alice@example.com", "svc:nightly", "local:alice", "auth0|5f7c", "7"]
        {
            assert_eq!(good.parse::<PrincipalName>().map(|name| name.to_string()), Ok(good.into()));
        }
    }

    #[test]
    fn what_names_no_principal_says_why() {
        let long = "x".repeat(256);
        for bad in ["", "group:analysts", "two words", "-v", "a\"b", "a\nb", "ä", "a,b", &long] {
            let error = bad.parse::<PrincipalName>().expect_err(bad).to_string();
            assert!(error.contains("cannot be the name of a principal: "), "{error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
        }
    }

    #[test]
    fn attributes_are_typed() {
        let read = |json: &str| serde_json::from_str::<AttributeValue>(json);
        assert_eq!(read("true").ok(), Some(AttributeValue::Boolean(true)));
        assert_eq!(read("1").ok(), Some(AttributeValue::Integer(1)));
        assert_eq!(read("\"1\"").ok(), Some(AttributeValue::Text("1".into())));
        for bad in ["1.5", "null", "[1]", "{}", "99999999999999999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Whatever is a name is one word for a shell, a header, a log and an event.
        #[test]
        fn a_name_is_one_printable_word(text in any::<String>()) {
            if let Ok(name) = text.parse::<PrincipalName>() {
                prop_assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!((1..=255).contains(&name.as_str().len()));
            }
        }
    }
}
