//! A URL that could be fetched: http or https, a host, no secrets of the user in it.

use std::{fmt, net::IpAddr};

use url::{Host, Url};

use crate::{Error, Result};

/// The longest URL.
const MOST_BYTES: usize = 4096;

/// A URL in its one normal form: `http://127.1`, `http://0x7f000001` and `http://2130706433` are all
/// `http://127.0.0.1`, hosts are lower case and ASCII, no dot ends them, no fragment is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    url: Url,
    host: String,
    port: u16,
}

/// Not its query: that may hold a secret.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Location").field(&self.source_name()).finish()
    }
}

impl Location {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MOST_BYTES {
            return Err(invalid("it is longer than 4096 bytes"));
        }
        let url = Url::parse(text).map_err(|_| invalid("it is not a URL"))?;
        Self::of_url(url)
    }

    /// Where a redirect leads that is found here.
    pub(crate) fn join(&self, target: &str) -> Result<Self> {
        if target.len() > MOST_BYTES {
            return Err(invalid("it is longer than 4096 bytes"));
        }
        let url = self.url.join(target).map_err(|_| invalid("it is not a URL"))?;
        Self::of_url(url)
    }

    fn of_url(mut url: Url) -> Result<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("it begins neither with `https://` nor with `http://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("it holds a user's name or password"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Some(_) => url.host_str().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let is_whole = |label: &str| !label.is_empty();
        if !host.starts_with('[') && !host.split('.').all(is_whole) {
            return Err(invalid("it has no host"));
        }
        url.set_host(Some(&host)).map_err(|_| invalid("it has no host"))?;
        url.set_fragment(None);
        let port = url.port_or_known_default().ok_or_else(|| invalid("it has no port"))?;
        Ok(Self { url, host, port })
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The address, where the host is one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self.url.host() {
            Some(Host::Ipv4(v4)) => Some(v4.into()),
            Some(Host::Ipv6(v6)) => Some(v6.into()),
            _ => None,
        }
    }

    /// The name a source from here is kept under: host and path. Not the query, which may hold a
    /// secret and changes while the file does not.
    #[must_use]
    pub fn source_name(&self) -> String {
        let host = match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        };
        let parts = self.url.path().split('/').filter(|part| !part.is_empty());
        std::iter::once(host.as_str()).chain(parts).collect::<Vec<_>>().join("/")
    }
}

const fn invalid(why: &'static str) -> Error {
    Error::Invalid { why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_normal_form_however_it_is_written() {
        for text in [
            "http://127.1/",
            "http://127.0.1/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://１２７.０.０.１/",
            "http:127.0.0.1",
            "http:\\\\127.0.0.1\\",
            "\thttp://127.0.0.1\n",
        ] {
            let location = Location::parse(text).unwrap();
            assert_eq!(location.address(), Some("127.0.0.1".parse().unwrap()), "{text}");
        }
        let mapped = Location::parse("http://[::ffff:127.0.0.1]/").unwrap();
        assert_eq!(mapped.address(), Some("::ffff:127.0.0.1".parse().unwrap()));
        let host = |text: &str| Location::parse(text).unwrap().host().to_owned();
        assert_eq!(host("https://DATA.Example.ORG./x"), "data.example.org");
        assert_eq!(host("https://bücher.example/x"), "xn--bcher-kva.example");
        assert_eq!(host("https://ｅxample.org/x"), "example.org");
    }

    #[test]
    fn what_is_no_file_on_the_web_is_refused() {
        for text in [
            "",
            "data.csv",
            "/etc/passwd",
            "//example.org/x",
            "file:///etc/passwd",
            "ftp://example.org/x",
            "gopher://example.org/x",
            "data:text/csv,a",
            "javascript:1",
            "https://",
            "https:///",
            "https://./x",
            "https://a..b/x",
            "https://example.org../x",
            "https://user@example.org/x",
            "https://user:word@example.org/x",
            "https://:word@example.org/x",
            "https://example.org%00.evil/x",
            "https://exa mple.org/x",
            "https://example.org:99999/x",
            "http://256.256.256.256/",
            "http://1.2.3.4.5/",
            "http://[::1%25eth0]/",
            "http://[::1",
        ] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
        let long = format!("https://example.org/{}", "x".repeat(5000));
        assert!(Location::parse(&long).is_err());
        assert!(Location::parse("https://example.org/").unwrap().join(&long).is_err());
    }

    #[test]
    fn a_source_is_named_without_secrets() {
        let name = |text: &str| Location::parse(text).unwrap().source_name();
        assert_eq!(name("https://example.org/a/b.csv?token=secret#part"), "example.org/a/b.csv");
        assert_eq!(name("https://example.org"), "example.org");
        assert_eq!(name("https://example.org//a//../b%20c.csv"), "example.org/a/b%20c.csv");
        assert_eq!(name("https://example.org:8443/a/%2e%2e/b.csv"), "example.org:8443/b.csv");
        let location = Location::parse("https://example.org/a.csv?token=secret").unwrap();
        assert!(!format!("{location:?}").contains("secret"));
    }
}
