//! From where may be fetched, and how much: what whoever runs the server decided.

use std::{fmt, str::FromStr};

use url::Host;

use crate::{Error, Location, Reach, Result};

/// From where may be fetched, and how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// From where.
    pub hosts: Hosts,
    /// Bytes of one source.
    pub max_bytes: u64,
    /// The time one source may take as a whole.
    pub timeout_ms: u64,
    /// The time in which a byte has to come, and a connection has to be made.
    pub stall_timeout_ms: u64,
    /// The least rate, measured from the beginning once a stall's time has passed.
    pub min_bytes_per_second: u32,
    /// How often in a row a source may lead elsewhere.
    pub redirects: u32,
}

impl Policy {
    /// These hosts, and the usual bounds: 64 GiB, six hours, 30 s without a byte, 500 bytes a
    /// second, five redirects.
    #[must_use]
    pub const fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            max_bytes: 64 << 30,
            timeout_ms: 6 * 3_600_000,
            stall_timeout_ms: 30_000,
            min_bytes_per_second: 500,
            redirects: 5,
        }
    }

    /// How far a fetch from `location` may reach.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub(crate) fn check(&self, location: &Location) -> Result<Reach> {
        self.hosts.reach(location).ok_or(Error::NotAllowed)
    }
}

/// From where may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// From hosts that a rule names: a server's way.
    Listed(Vec<HostRule>),
    /// From all that is public, by https on its usual port, and from hosts that a rule names: the
    /// way of a person who fetches for themselves.
    Public(Vec<HostRule>),
}

impl Hosts {
    fn reach(&self, location: &Location) -> Option<Reach> {
        let (rules, others) = match self {
            Self::Listed(rules) => (rules, None),
            Self::Public(rules) => (rules, Some(Reach::Public)),
        };
        let of_rules = rules.iter().filter(|rule| rule.names(location)).map(|rule| rule.reach);
        let widest = of_rules.max_by_key(|reach| match reach {
            Reach::Public => 0,
            Reach::Private => 1,
            Reach::Never => 2,
        });
        let usual = location.is_https() && location.port() == 443;
        widest.or(others.filter(|_| usual))
    }
}

/// A host, or all hosts below a domain: `[http://]HOST[:PORT]`, where `HOST` is `data.example.org`
/// or `.example.org` (everything below it, but not itself).
///
/// Without `http://` it is fetched from by https alone; without a port, on the scheme's usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    host: String,
    is_suffix: bool,
    allows_http: bool,
    port: Option<u16>,
    /// What its addresses may be: those nearer than this are refused.
    reach: Reach,
}

/// Why a text is no [`HostRule`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a host such as `data.example.org`, `.example.org` or `http://files.lan:8080`")]
pub struct RuleError;

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.allows_http { "http://" } else { "" };
        let dot = if self.is_suffix { "." } else { "" };
        write!(f, "{scheme}{dot}{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl FromStr for HostRule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (allows_http, rest) = match text.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("https://").unwrap_or(text)),
        };
        let (is_suffix, rest) = match rest.strip_prefix('.') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        // Read like the URL of the very host: what could be in one has the same form in both.
        let url = format!("http://{rest}");
        let location = Location::parse(&url).map_err(|_| RuleError)?;
        let is_host_alone =
            location.url().path() == "/" && !rest.contains(['/', '?', '#', '\\', '*']);
        let is_domain = matches!(location.url().host(), Some(Host::Domain(_)));
        if !is_host_alone || (is_suffix && !is_domain) {
            return Err(RuleError);
        }
        let port = rest.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let host = location.host().to_owned();
        Ok(Self { host, is_suffix, allows_http, port, reach: Reach::Public })
    }
}

impl HostRule {
    /// The same host, whose addresses may be of a private network. Never loopback, link-local or a
    /// cloud's metadata.
    ///
    /// # Errors
    /// For a domain: whoever controls one name below it could choose any address.
    pub fn private(mut self) -> Result<Self, RuleError> {
        if self.is_suffix {
            return Err(RuleError);
        }
        self.reach = Reach::Private;
        Ok(self)
    }

    /// The same host wherever it is, this machine included. For tests, whose servers are on
    /// loopback; nothing that is read from a file or a request makes such a rule.
    #[must_use]
    pub const fn anywhere(mut self) -> Self {
        self.reach = Reach::Never;
        self
    }

    fn names(&self, location: &Location) -> bool {
        let host = location.host();
        let is_named = match self.is_suffix {
            false => host == self.host,
            true => host.strip_suffix(&self.host).is_some_and(|label| label.ends_with('.')),
        };
        let usual = if location.is_https() { 443 } else { 80 };
        is_named
            && (location.is_https() || self.allows_http)
            && location.port() == self.port.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(hosts: &Hosts, url: &str) -> Option<Reach> {
        hosts.reach(&Location::parse(url).unwrap())
    }

    fn listed(rules: &[&str]) -> Hosts {
        Hosts::Listed(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    }

    #[test]
    fn a_rule_names_a_host_and_no_other() {
        let hosts = listed(&["data.example.org"]);
        for good in [
            "https://data.example.org/x",
            "https://DATA.example.org./x",
            "https://data.example.org:443/x",
        ] {
            assert_eq!(reach(&hosts, good), Some(Reach::Public), "{good}");
        }
        for bad in [
            "http://data.example.org/x",
            "https://data.example.org:8443/x",
            "https://data.example.org:80/x",
            "https://example.org/x",
            "https://x.data.example.org/x",
            "https://data.example.org.evil.example/x",
            "https://evildata.example.org/x",
            "https://93.184.216.34/x",
        ] {
            assert_eq!(reach(&hosts, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_domain_names_what_is_below_it() {
        let hosts = listed(&[".example.org"]);
        for good in ["https://a.example.org/", "https://a.b.example.org/"] {
            assert_eq!(reach(&hosts, good), Some(Reach::Public), "{good}");
        }
        for bad in ["https://example.org/", "https://evilexample.org/", "https://example.org.x/"] {
            assert_eq!(reach(&hosts, bad), None, "{bad}");
        }
    }

    #[test]
    fn a_scheme_and_a_port_are_said_to_be_had() {
        let hosts = listed(&["http://files.lan:8080", "bücher.example"]);
        assert_eq!(reach(&hosts, "http://files.lan:8080/"), Some(Reach::Public));
        assert_eq!(reach(&hosts, "https://files.lan:8080/"), Some(Reach::Public));
        assert_eq!(reach(&hosts, "http://files.lan/"), None);
        assert_eq!(reach(&hosts, "https://xn--bcher-kva.example/"), Some(Reach::Public));
    }

    #[test]
    fn for_oneself_everything_public_may_be_fetched_by_https() {
        let hosts = Hosts::Public(vec!["http://old.example".parse().unwrap()]);
        assert_eq!(reach(&hosts, "https://anything.example/"), Some(Reach::Public));
        assert_eq!(reach(&hosts, "http://old.example/"), Some(Reach::Public));
        assert_eq!(reach(&hosts, "http://anything.example/"), None);
        assert_eq!(reach(&hosts, "https://anything.example:22/"), None);
    }

    #[test]
    fn only_one_host_may_be_private_and_no_domain() {
        let rule = |text: &str| text.parse::<HostRule>().unwrap().private();
        let hosts = Hosts::Listed(vec![rule("files.lan").unwrap()]);
        assert_eq!(reach(&hosts, "https://files.lan/"), Some(Reach::Private));
        assert!(rule(".lan").is_err());
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in ["data.example.org", ".example.org", "http://files.lan:8080", "[::1]:8443"] {
            assert_eq!(text.parse::<HostRule>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_host_is_no_rule() {
        for bad in [
            "",
            ".",
            "*",
            "*.example.org",
            "example.org/path",
            "example.org?x",
            "user@example.org",
            "ftp://example.org",
            "http://",
            ".10.0.0.1",
            "a b",
            "example.org:port",
        ] {
            assert!(bad.parse::<HostRule>().is_err(), "{bad}");
        }
    }
}
