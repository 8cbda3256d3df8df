//! Who may ask a server, and what a client shows it: `auth`, `[[oidc]]`, `LAKEBED_OIDC_*`, tokens.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use lakebed_core::AttributeName;
use lakebed_server::{Asks, KeyPace, KeySource, OidcConfig};
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::Environment;
use crate::problem::{Exit, Problem, Result};

/// Whether a server asks its callers who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// Off loopback, with an issuer, and from the lake's first token or declared catalog on.
    #[default]
    Auto,
    /// Always.
    Required,
    /// Never; on loopback alone.
    None,
}

impl AuthMode {
    /// The rule of D-47: nobody who could be elsewhere is let in unasked.
    ///
    /// # Errors
    /// Exit code 4 for `none` off loopback.
    pub(crate) fn asks(self, on_loopback: bool) -> Result<Asks> {
        match (self, on_loopback) {
            (Self::Required, _) | (Self::Auto, false) => Ok(Asks::Always),
            (Self::Auto, true) => Ok(Asks::OncePeopleAreKnown),
            (Self::None, true) => Ok(Asks::Never),
            (Self::None, false) => Err(Problem::refused(
                "off-loopback",
                "a server that other machines can reach asks its callers who they are",
            )
            .hint("leave `auth` out, or listen on 127.0.0.1")),
        }
    }
}

impl fmt::Display for AuthMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Required => "required",
            Self::None => "none",
        })
    }
}

/// A text that is not printed by mistake.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One `[[oidc]]` of `lakebed.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcTable {
    pub(super) issuer: Spanned<String>,
    audience: Audience,
    /// An `https://` address, or a file relative to this one.
    keys: String,
    algorithms: Option<Vec<String>>,
    skew_seconds: Option<u64>,
    principal: Option<String>,
    prefix: Option<String>,
    groups: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<AttributeName, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl OidcTable {
    /// # Errors
    /// Says what in it means nothing.
    pub(super) fn read(&self, folder: &Path) -> Result<OidcConfig, String> {
        let mut config = OidcConfig::new(self.issuer.get_ref(), "", keys_of(&self.keys, folder)?);
        config.audiences = match &self.audience {
            Audience::One(audience) => vec![audience.clone()],
            Audience::Several(audiences) => audiences.clone(),
        };
        if let Some(names) = &self.algorithms {
            let parse = |name: &String| {
                name.parse().map_err(|error| format!("the algorithm `{name}` is {error}"))
            };
            config.algorithms = names.iter().map(parse).collect::<Result<_, _>>()?;
        }
        if let Some(seconds) = self.skew_seconds {
            config.skew = Duration::from_secs(seconds);
        }
        if let Some(claim) = &self.principal {
            config.principal_claim.clone_from(claim);
        }
        if let Some(prefix) = &self.prefix {
            config.principal_prefix.clone_from(prefix);
        }
        config.groups_claim.clone_from(&self.groups);
        config.attributes.clone_from(&self.attributes);
        Ok(config)
    }
}

fn keys_of(text: &str, folder: &Path) -> Result<KeySource, String> {
    if !text.contains("://") {
        return Ok(KeySource::File(folder.join(text)));
    }
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    Ok(KeySource::Url(url))
}

pub(super) const OIDC_ISSUER: &str = "LAKEBED_OIDC_ISSUER";
pub(super) const OIDC_AUDIENCE: &str = "LAKEBED_OIDC_AUDIENCE";
pub(super) const OIDC_KEYS: &str = "LAKEBED_OIDC_KEYS";
pub(super) const OIDC_PRINCIPAL: &str = "LAKEBED_OIDC_PRINCIPAL";
pub(super) const OIDC_GROUPS: &str = "LAKEBED_OIDC_GROUPS";

/// The issuer that the environment names: it takes the place of those in the file.
pub(super) fn issuer_of(environment: &Environment, current: &Path) -> Result<Option<OidcConfig>> {
    let get = |name| environment.get(name).filter(|value: &&String| !value.is_empty());
    let needed = [OIDC_ISSUER, OIDC_AUDIENCE, OIDC_KEYS];
    let [Some(issuer), Some(audience), Some(keys)] = needed.map(get) else {
        let all = [OIDC_ISSUER, OIDC_AUDIENCE, OIDC_KEYS, OIDC_PRINCIPAL, OIDC_GROUPS];
        return match all.into_iter().find(|name| get(name).is_some()) {
            None => Ok(None),
            Some(found) => {
                let missing = needed.into_iter().find(|name| get(name).is_none());
                let missing = missing.unwrap_or(OIDC_ISSUER);
                let message = format!("{found} is set, but {missing} is not");
                Err(configuration(message).hint(format!("set {}", needed.join(", "))))
            }
        };
    };
    let keys = keys_of(keys, current)
        .map_err(|why| configuration(format!("{OIDC_KEYS} cannot be used: {why}")))?;
    let mut config =
        OidcConfig { pace: KeyPace::of(&keys), ..OidcConfig::new(issuer, audience, keys) };
    if let Some(claim) = get(OIDC_PRINCIPAL) {
        config.principal_claim.clone_from(claim);
    }
    config.groups_claim = get(OIDC_GROUPS).cloned();
    Ok(Some(config))
}

pub(super) fn configuration(message: String) -> Problem {
    Problem::new(Exit::Usage, "configuration", message)
}

/// Where the user's own configuration is: `$XDG_CONFIG_HOME`, else `~/.config`.
pub(super) fn user_folder(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(environment.get(name)?);
        path.is_absolute().then_some(path)
    };
    absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<OidcConfig, String> {
        let table: OidcTable = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        table.read(Path::new("/etc/lakebed"))
    }

    #[test]
    fn an_issuer_is_three_lines_and_more_where_wanted() {
        let short =
            "issuer = \"https://id.example\"\naudience = \"lakebed\"\nkeys = \"keys.json\"\n";
        let config = read(short).expect("valid");
        assert_eq!(config.keys, KeySource::File("/etc/lakebed/keys.json".into()));
        assert_eq!((config.principal_claim.as_str(), config.groups_claim), ("sub", None));
        let long = "issuer = \"https://id.example\"\naudience = [\"a\", \"b\"]\n\
            keys = \"https://id.example/jwks\"\nalgorithms = [\"ES256\"]\nskew_seconds = 5\n\
            principal = \"email\"\nprefix = \"corp:\"\ngroups = \"/realm_access/roles\"\n\
            attributes = { region = \"region\" }\n";
        let config = read(long).expect("valid");
        assert_eq!(config.audiences, ["a", "b"]);
        assert_eq!(config.algorithms, [lakebed_server::Algorithm::Es256]);
        assert_eq!(config.groups_claim.as_deref(), Some("/realm_access/roles"));
        assert_eq!(config.attributes.len(), 1);
        for bad in ["none", "HS256", "rs256"] {
            let text = format!("{short}algorithms = [\"{bad}\"]\n");
            assert!(read(&text).expect_err(bad).contains("never accepted"), "{bad}");
        }
        assert!(read(&format!("{short}jku = \"x\"\n")).expect_err("unknown").contains("jku"));
    }

    #[test]
    fn half_an_issuer_in_the_environment_says_what_is_missing() {
        let mut environment = Environment::new();
        let issuer = |environment: &Environment| issuer_of(environment, Path::new("/"));
        assert!(issuer(&environment).expect("none").is_none());
        environment.insert(OIDC_ISSUER.into(), "https://id.example".into());
        let problem = issuer(&environment).expect_err("half");
        assert!(problem.message.contains(OIDC_AUDIENCE), "{problem:?}");
        environment.insert(OIDC_AUDIENCE.into(), "lakebed".into());
        environment.insert(OIDC_KEYS.into(), "keys.json".into());
        let config = issuer(&environment).expect("whole").expect("one");
        assert_eq!(config.keys, KeySource::File("/keys.json".into()));
    }

    /// D-47, as a table.
    #[test]
    fn nobody_elsewhere_is_let_in_unasked() {
        let asks = |mode: AuthMode, on_loopback| mode.asks(on_loopback).ok();
        assert_eq!(asks(AuthMode::Auto, true), Some(Asks::OncePeopleAreKnown));
        assert_eq!(asks(AuthMode::Auto, false), Some(Asks::Always));
        assert_eq!(asks(AuthMode::Required, true), Some(Asks::Always));
        assert_eq!(asks(AuthMode::Required, false), Some(Asks::Always));
        assert_eq!(asks(AuthMode::None, true), Some(Asks::Never));
        assert_eq!(asks(AuthMode::None, false), None);
    }

    #[test]
    fn a_secret_is_not_printed_by_mistake() {
        assert!(!format!("{:?}", Secret::new("s3cret")).contains("s3cret"));
    }
}
