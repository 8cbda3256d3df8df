//! An OpenID Connect issuer that is trusted: how it is configured, and what its tokens prove.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lakebed_core::{AttributeName, AttributeValue, GroupName, Identity, PrincipalName, Timestamp};

use super::{
    jwks::{KeyPace, KeySource, Keys},
    jwt::{Algorithm, MAX_SKEW, NotProved, Proved, Refusal, Rules, Unproved},
};

/// An issuer whose tokens prove who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// The `iss` of its tokens, exactly.
    pub issuer: String,
    /// Every audience of a token must be one of these.
    pub audiences: Vec<String>,
    /// Its public keys.
    pub keys: KeySource,
    /// When its keys are asked for again.
    pub pace: KeyPace,
    /// The signatures that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock may be from ours: at most 60 s.
    pub skew: Duration,
    /// The claim that names the principal, or a JSON pointer to it.
    pub principal_claim: String,
    /// What goes before that name, to keep the principals of several issuers apart.
    pub principal_prefix: String,
    /// The claim that lists groups, or a JSON pointer to it; none are taken when unsaid.
    pub groups_claim: Option<String>,
    /// Attributes of the principal, and the claims they are taken from.
    pub attributes: BTreeMap<AttributeName, String>,
}

impl OidcConfig {
    /// An issuer whose principals are its subjects: `sub` is the one claim that an issuer never
    /// gives to somebody else, as it may a mail address or a user name.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, keys: KeySource) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: vec![audience.to_owned()],
            pace: KeyPace::of(&keys),
            keys,
            algorithms: Algorithm::ALL.to_vec(),
            skew: Duration::from_secs(30),
            principal_claim: "sub".to_owned(),
            principal_prefix: String::new(),
            groups_claim: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// A configuration that would not prove anything, or not safely.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the issuer `{issuer}` cannot be used: {why}")]
pub struct OidcError {
    /// Which issuer.
    pub issuer: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A configured issuer and its keys.
#[derive(Debug)]
pub(super) struct Issuer {
    rules: Rules,
    prefix: String,
    attributes: BTreeMap<String, AttributeName>,
    keys: Keys,
}

/// Why a token of an issuer proved nothing.
#[derive(Debug)]
pub(super) enum IssuerError {
    Refused(Refusal),
    /// The issuer's keys were never there: nobody can tell.
    NoKeys,
}

impl Issuer {
    pub(super) fn new(config: OidcConfig) -> Result<Self, OidcError> {
        check(&config).map_err(|why| OidcError { issuer: config.issuer.clone(), why })?;
        let OidcConfig { issuer, audiences, keys, pace, algorithms, skew, .. } = config;
        let keys =
            Keys::new(keys, pace).map_err(|why| OidcError { issuer: issuer.clone(), why })?;
        let names = config.attributes.keys();
        Ok(Self {
            attributes: names.map(|name| (name.to_string(), name.clone())).collect(),
            rules: Rules {
                issuer,
                audiences,
                algorithms,
                skew_seconds: i64::try_from(skew.as_secs()).unwrap_or(0),
                principal_claim: config.principal_claim,
                groups_claim: config.groups_claim,
                attributes: config
                    .attributes
                    .into_iter()
                    .map(|(name, claim)| (name.to_string(), claim))
                    .collect(),
            },
            prefix: config.principal_prefix,
            keys,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.rules.issuer
    }

    /// Who the token speaks of, and until when.
    pub(super) async fn prove(
        &self,
        token: &Unproved<'_>,
        now: i64,
    ) -> Result<(Identity, Timestamp), IssuerError> {
        let known = self.keys.current().await.ok_or(IssuerError::NoKeys)?;
        let proved = match token.prove(&known, &self.rules, now) {
            // The issuer may have new keys by now.
            Err(NotProved::NoSuchKey) => match self.keys.newer_than(&known).await {
                Some(newer) => token.prove(&newer, &self.rules, now),
                None => Err(NotProved::NoSuchKey),
            },
            other => other,
        };
        match proved {
            Ok(proved) => self.identity(proved).map_err(IssuerError::Refused),
            Err(NotProved::Refused(refusal)) => Err(IssuerError::Refused(refusal)),
            Err(NotProved::NoSuchKey) => {
                Err(IssuerError::Refused(Refusal("its issuer has no such key")))
            }
        }
    }

    /// Names that cannot be groups here are left out: what is missing gives nobody anything.
    fn identity(&self, proved: Proved) -> Result<(Identity, Timestamp), Refusal> {
        let name = format!("{}{}", self.prefix, proved.principal);
        let principal: PrincipalName =
            name.parse().map_err(|_| Refusal("its principal has no name that can be one here"))?;
        if is_ours(&principal) {
            return Err(Refusal("its principal has a name that only this lake gives"));
        }
        let mut identity = Identity::of(principal);
        let groups = proved.groups.iter().filter_map(|group| group.parse::<GroupName>().ok());
        identity.groups = groups.collect::<BTreeSet<_>>();
        for (name, value) in proved.attributes {
            let value: Option<AttributeValue> = serde_json::from_value(value).ok();
            if let (Some(name), Some(value)) = (self.attributes.get(&name), value) {
                identity.attributes.insert(name.clone(), value);
            }
        }
        Ok((identity, Timestamp::from_micros(proved.expires_at.saturating_mul(1_000_000))))
    }
}

/// Principals that this lake itself names: no issuer speaks for them.
fn is_ours(principal: &PrincipalName) -> bool {
    let name = principal.as_str();
    matches!(name, "admin" | "local" | "anonymous@loopback") || name.starts_with("local:")
}

fn check(config: &OidcConfig) -> Result<(), &'static str> {
    let is_empty = |texts: &[String]| texts.is_empty() || texts.iter().any(String::is_empty);
    if config.issuer.is_empty() {
        return Err("its name is empty");
    }
    if is_empty(&config.audiences) {
        return Err("it needs an audience, so that tokens for others are not taken");
    }
    if config.algorithms.is_empty() {
        return Err("it needs an algorithm");
    }
    if config.skew > Duration::from_secs(MAX_SKEW.unsigned_abs()) {
        return Err("its skew is more than 60 seconds");
    }
    if config.principal_claim.is_empty() || config.groups_claim.as_deref() == Some("") {
        return Err("a claim's name is empty");
    }
    let prefix = &config.principal_prefix;
    if !prefix.is_empty() && prefix.parse::<PrincipalName>().is_err() {
        return Err("its prefix cannot begin a principal's name");
    }
    Ok(())
}

/// Two issuers that name principals alike could speak for each other's.
pub(super) fn check_together(issuers: &[OidcConfig]) -> Result<(), OidcError> {
    for (index, config) in issuers.iter().enumerate() {
        let error = |why| Err(OidcError { issuer: config.issuer.clone(), why });
        for other in &issuers[..index] {
            if other.issuer == config.issuer {
                return error("it is configured twice");
            }
            let (one, two) = (&other.principal_prefix, &config.principal_prefix);
            if one.starts_with(two.as_str()) || two.starts_with(one.as_str()) {
                return error(
                    "with several issuers each needs a prefix for its principals, none of which \
                     begins with another",
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config(issuer: &str, prefix: &str) -> OidcConfig {
        let keys = KeySource::File(PathBuf::from("keys.json"));
        let principal_prefix = prefix.to_owned();
        OidcConfig { principal_prefix, ..OidcConfig::new(issuer, "lakebed", keys) }
    }

    fn identity(principal: &str) -> Result<(Identity, Timestamp), Refusal> {
        let proved = Proved {
            principal: principal.to_owned(),
            groups: vec!["analysts".into(), "two words".into()],
            attributes: BTreeMap::new(),
            expires_at: 7,
        };
        Issuer::new(config("https://id.example", "")).unwrap().identity(proved)
    }

    #[test]
    fn an_issuer_cannot_speak_for_the_lakes_own_principals() {
        for bad in ["admin", "local", "local:root", "anonymous@loopback", "", "a b", "group:x"] {
            assert!(identity(bad).is_err(), "{bad}");
        }
        let (identity, expires_at) = identity("alice@example.com").unwrap();
        assert_eq!(identity.principal.as_str(), "alice@example.com");
        assert_eq!(identity.groups.iter().map(GroupName::as_str).collect::<Vec<_>>(), ["analysts"]);
        assert_eq!(expires_at.to_string(), "1970-01-01T00:00:07.000000Z");
    }

    #[test]
    fn two_issuers_cannot_name_the_same_principal() {
        let check = |one: &str, two: &str| check_together(&[config("a", one), config("b", two)]);
        assert!(check("", "").is_err());
        assert!(check("", "b:").is_err(), "the first could name `b:alice` itself");
        assert!(check("b", "b:").is_err());
        assert_eq!(check("a:", "b:"), Ok(()));
        assert!(check_together(&[config("a", "a:"), config("a", "b:")]).is_err());
    }

    #[test]
    fn a_configuration_that_proves_nothing_is_refused() {
        let good = config("https://id.example", "");
        assert!(Issuer::new(good.clone()).is_ok());
        for bad in [
            OidcConfig { issuer: String::new(), ..good.clone() },
            OidcConfig { audiences: Vec::new(), ..good.clone() },
            OidcConfig { audiences: vec![String::new()], ..good.clone() },
            OidcConfig { algorithms: Vec::new(), ..good.clone() },
            OidcConfig { skew: Duration::from_secs(61), ..good.clone() },
            OidcConfig { principal_claim: String::new(), ..good.clone() },
            OidcConfig { principal_prefix: "no good".into(), ..good.clone() },
            OidcConfig { keys: KeySource::Url("http://id.example/keys".parse().unwrap()), ..good },
        ] {
            assert!(Issuer::new(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
