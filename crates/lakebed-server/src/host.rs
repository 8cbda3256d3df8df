//! Who may address a server: nobody who was led there by a page from elsewhere.
//!
//! A name that resolves to 127.0.0.1 (DNS rebinding) makes a browser treat our answers as that
//! name's own, so a server that does not ask who asks answers to loopback's own names only. One that
//! does has names of its own, and no browser sends a token by itself. A page from elsewhere can send simple
//! requests without asking (forms, `text/plain`), so a foreign `Origin` is refused too. There is no
//! CORS.

use http::{HeaderMap, StatusCode, Uri, header, uri::Authority};

use crate::problem::{Failure, Result};

/// Refuses requests that were meant for somebody else, or sent by a page of somebody else.
pub(crate) fn check_loopback(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let authority = authority(uri, headers);
    if !authority.as_ref().is_some_and(|authority| is_loopback(authority.host())) {
        let detail = "this server answers to `localhost`, `127.0.0.1` and `[::1]` only";
        return Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", detail)
            .hint("use one of these names as the address"));
    }
    check_origin(uri, headers)
}

/// Refuses requests that were sent by a page of somebody else.
pub(crate) fn check_origin(uri: &Uri, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let authority = authority(uri, headers);
    if authority.is_some_and(|authority| is_same_origin(origin.as_bytes(), &authority)) {
        return Ok(());
    }
    let detail = "requests from pages of other sites are not answered";
    Err(Failure::new(StatusCode::FORBIDDEN, "cross-origin", detail))
}

fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    if let Some(authority) = uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Authority::try_from(host.as_bytes()).ok(),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]"
}

fn is_same_origin(origin: &[u8], authority: &Authority) -> bool {
    let own = |scheme: &str| format!("{scheme}://{authority}");
    [own("http"), own("https")].iter().any(|own| own.as_bytes().eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(host: &[&'static str], origin: Option<&'static str>) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for host in host {
            headers.append(header::HOST, http::HeaderValue::from_static(host));
        }
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, http::HeaderValue::from_static(origin));
        }
        let checked = check_loopback(&Uri::from_static("/v1/lake"), &headers);
        checked.err().map(|failure| failure.problem(crate::Access::Remote, "").status)
    }

    #[test]
    fn only_loopbacks_own_names_are_answered() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"] {
            assert_eq!(status(&[host], None), None, "{host}");
        }
        let misdirected = Some(421);
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "0.0.0.0:8080",
            "169.254.169.254",
            "",
            "local host",
            "::1",
        ] {
            assert_eq!(status(&[host], None), misdirected, "{host}");
        }
        assert_eq!(status(&[], None), misdirected, "no host at all");
        assert_eq!(status(&["localhost", "evil.example"], None), misdirected, "two hosts");
    }

    #[test]
    fn pages_of_other_sites_are_not_answered() {
        assert_eq!(status(&["localhost:8080"], Some("http://localhost:8080")), None);
        for origin in ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1"] {
            let found = status(&["localhost:8080"], Some(origin));
            assert_eq!(found, Some(403), "{origin}");
        }
    }
}
