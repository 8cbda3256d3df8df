//! From which address a client asks, when a proxy stands between.
//!
//! `X-Forwarded-For` is a list that every proxy appends to, and that a client may begin with
//! whatever it likes. Read from its end, it can be trusted as far as the proxies can: the client is
//! the first address, counted from the end, that is no trusted proxy. What an untrusted peer sends
//! is ignored.

use std::net::IpAddr;

use http::HeaderMap;

/// From where a request came, as far as is known; in the extensions of requests from a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Who is believed when they say on whose behalf they ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// A text that is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither an address nor a network such as `10.0.0.0/8`")]
pub struct NotANetwork {
    text: String,
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    /// Reads addresses and networks.
    ///
    /// # Errors
    /// [`NotANetwork`] for the first text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, NotANetwork> {
        texts.iter().map(|text| Network::parse(text)).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The address of the client behind `peer`.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            if !self.trusts(client) {
                break;
            }
            // A trusted proxy that writes no address knows no more: it is the client.
            let Some(address) = parse_hop(hop.trim()) else { break };
            client = address;
        }
        ClientAddress(client)
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()));
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    address.or_else(bare).map(|address: IpAddr| address.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork { text: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) => {
                digits.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?
            }
            None => bits,
        };
        Ok(Self { address, prefix })
    }

    fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let texts: Vec<String> = trusted.iter().map(ToString::to_string).collect();
        let trusted = TrustedProxies::parse(&texts).unwrap();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        trusted.client(peer.parse().unwrap(), &headers).0.to_string()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(client(&[], "203.0.113.9", &["192.0.2.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["192.0.2.1"]), "203.0.113.9");
    }

    /// What the client itself wrote stands before what the proxies wrote, and does not count.
    #[test]
    fn the_last_address_that_is_no_proxy_is_the_client() {
        let trusted = ["10.0.0.0/8", "::1"];
        assert_eq!(client(&trusted, "10.1.2.3", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&trusted, "10.1.2.3", &["127.0.0.1, 192.0.2.1, 10.9.9.9"]), "192.0.2.1");
        assert_eq!(client(&trusted, "10.1.2.3", &["1.1.1.1, 192.0.2.1", "10.9.9.9"]), "192.0.2.1");
        assert_eq!(client(&trusted, "::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client(&trusted, "::ffff:10.0.0.1", &["192.0.2.1:80"]), "192.0.2.1");
        assert_eq!(client(&trusted, "10.1.2.3", &["192.0.2.1, unknown"]), "10.1.2.3");
        assert_eq!(client(&trusted, "10.1.2.3", &[]), "10.1.2.3");
        assert_eq!(client(&trusted, "10.1.2.3", &["10.0.0.7"]), "10.0.0.7");
    }

    #[test]
    fn networks_are_compared_by_their_first_bits() {
        let everyone = ["0.0.0.0/0", "::/0"];
        assert_eq!(client(&everyone, "203.0.113.9", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["203.0.113.8/31"], "203.0.113.9", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&["203.0.113.8"], "203.0.113.9", &["192.0.2.1"]), "203.0.113.9");
        assert_eq!(client(&["2001:db8::/32"], "2001:db8:1::1", &["192.0.2.1"]), "192.0.2.1");
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "proxy.example", "10.0.0.0/8/8"] {
            assert!(TrustedProxies::parse(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
