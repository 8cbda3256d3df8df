//! How many connections there are, in all and of each peer.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use crate::Limits;

/// The connections under way.
#[derive(Debug)]
pub(crate) struct Slots {
    most: u32,
    most_per_peer: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    /// Only peers that have a connection.
    by_peer: HashMap<IpAddr, u32>,
}

/// A place for one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    peer: IpAddr,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            most: limits.connections,
            most_per_peer: limits.connections_per_peer,
            taken: Mutex::default(),
        })
    }

    /// A place for a connection of `address`; none when all are taken.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let peer = peer_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peer = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.all >= self.most || of_peer >= self.most_per_peer {
            return None;
        }
        taken.all += 1;
        taken.by_peer.insert(peer, of_peer + 1);
        Some(Slot { slots: Arc::clone(self), peer })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        match taken.by_peer.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.by_peer.remove(&self.peer);
            }
        }
    }
}

/// Who counts as one peer: whoever has an IPv6 address has the /64 around it.
pub(crate) fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots() -> Arc<Slots> {
        Slots::new(&Limits { connections: 3, connections_per_peer: 2, ..Limits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_peer_cannot_take_all() {
        let slots = slots();
        let held = [slots.take(address("192.0.2.1")), slots.take(address("::ffff:192.0.2.1"))];
        assert!(held.iter().all(Option::is_some));
        assert!(slots.take(address("192.0.2.1")).is_none());
        let other = slots.take(address("192.0.2.2"));
        assert!(other.is_some());
        assert!(slots.take(address("192.0.2.3")).is_none(), "three are taken");
        drop(held);
        assert!(slots.take(address("192.0.2.1")).is_some());
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_peer() {
        let slots = slots();
        let _held = [slots.take(address("2001:db8::1")), slots.take(address("2001:db8::2:1"))];
        assert!(slots.take(address("2001:db8::3")).is_none());
        assert!(slots.take(address("2001:db8:0:1::3")).is_some());
    }

    #[test]
    fn nothing_is_remembered_of_peers_that_left() {
        let slots = slots();
        for last in 0..=255 {
            drop(slots.take(address(&format!("192.0.2.{last}"))).unwrap());
        }
        assert!(slots.taken.lock().unwrap().by_peer.is_empty());
    }
}
