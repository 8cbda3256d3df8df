//! Which addresses a server may be sent to.
//!
//! What is not known to be public is refused. Sources: the IANA special-purpose registries for IPv4
//! and IPv6, and the addresses at which clouds tell machines their secrets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who can be reached at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anyone on the internet.
    Public,
    /// A network of one's own: only by a rule that says so.
    Private,
    /// This machine, its neighbours, a cloud's metadata, or nobody: never.
    Never,
}

/// Metadata services outside the ranges that are refused anyway.
const METADATA_V4: [Ipv4Addr; 2] = [
    // Alibaba Cloud, within the carriers' shared range.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure's "wire server", a public address.
    Ipv4Addr::new(168, 63, 129, 16),
];
/// The same in IPv6: Amazon's and Google's, both unique local.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Who can be reached at `address`.
#[must_use]
pub fn reach_of(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(v4) => reach_of_v4(v4),
        IpAddr::V6(v6) => reach_of_v6(v6),
    }
}

fn reach_of_v4(address: Ipv4Addr) -> Reach {
    if METADATA_V4.contains(&address) {
        return Reach::Never;
    }
    match address.octets() {
        [10, ..] | [192, 168, ..] => Reach::Private,
        [172, second, ..] if (16..32).contains(&second) => Reach::Private,
        // Carriers' shared range.
        [100, second, ..] if (64..128).contains(&second) => Reach::Private,
        // This network, loopback, link-local, multicast, reserved.
        [0 | 127 | 224.., ..] | [169, 254, ..] => Reach::Never,
        // Protocol assignments, 6to4 relays, documentation, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Reach::Never,
        [198, 51, 100, _] | [203, 0, 113, _] => Reach::Never,
        _ => Reach::Public,
    }
}

/// Only `2000::/3` is handed out at all. Addresses that carry an IPv4 address inside (mapped,
/// compatible, 6to4, NAT64, Teredo) would be a second way to say the first one: none is taken.
fn reach_of_v6(address: Ipv6Addr) -> Reach {
    if METADATA_V6.contains(&address) {
        return Reach::Never;
    }
    match address.segments() {
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private,
        // Protocol assignments with Teredo, and documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => Reach::Never,
        // 6to4, documentation.
        [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Never,
        [first, ..] if first & 0xe000 == 0x2000 => Reach::Public,
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(reach: Reach, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(reach_of(address.parse().unwrap()), reach, "{address}");
        }
    }

    #[test]
    fn what_everyone_can_reach_is_public() {
        all(
            Reach::Public,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.1",
                "169.253.255.255",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.1",
                "192.167.255.255",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2606:4700::1111",
                "2001:4860:4860::8888",
                "2001:200::1",
                "2a00:1450::1",
            ],
        );
    }

    #[test]
    fn networks_of_ones_own_are_private() {
        all(
            Reach::Private,
            &[
                "10.0.0.1",
                "10.255.255.255",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.0.1",
                "100.64.0.1",
                "100.127.255.255",
                "fc00::1",
                "fd12:3456::1",
                "fdff:ffff::1",
            ],
        );
    }

    #[test]
    fn this_machine_its_neighbours_and_metadata_are_never_reached() {
        all(
            Reach::Never,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "127.0.0.1",
                "127.255.255.254",
                "169.254.0.1",
                "169.254.169.254",
                "169.254.170.2",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.1",
                "192.0.0.192",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.7",
                "203.0.113.7",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.1",
                "255.255.255.255",
                "::",
                "::1",
                "fe80::1",
                "febf::1",
                "fec0::1",
                "ff02::1",
                "100::1",
                "5f00::1",
                "2001:db8::1",
                "3fff::1",
                "fd00:ec2::254",
                "fd20:ce::254",
                "4000::1",
            ],
        );
    }

    /// An IPv4 address in the clothes of an IPv6 one is not taken, wherever it leads.
    #[test]
    fn ipv4_inside_ipv6_is_never_reached() {
        all(
            Reach::Never,
            &[
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "::ffff:8.8.8.8",
                "::ffff:0:127.0.0.1",
                "::127.0.0.1",
                "::8.8.8.8",
                "2002:7f00:1::",
                "2002:808:808::",
                "64:ff9b::7f00:1",
                "64:ff9b::808:808",
                "64:ff9b:1::7f00:1",
                "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            ],
        );
    }
}
