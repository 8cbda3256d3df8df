//! How busy the database's connections are: plain numbers, for whoever measures a server.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Less than this is no wait, only the way to the database.
const NO_WAIT: Duration = Duration::from_millis(2);

/// The connections of one catalog, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolState {
    /// Connections that somebody uses.
    pub in_use: u32,
    /// Connections that wait for somebody.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// How often somebody waited for a connection or its transaction, so far.
    pub waits: u64,
    /// How long they waited, in all.
    pub waited: Duration,
}

/// Who waited, so far.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Waits {
    /// Somebody who asked at `started` has what it wanted, or gives up.
    pub(crate) fn note(&self, started: Instant) {
        let elapsed = started.elapsed();
        if elapsed < NO_WAIT {
            return;
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn state(&self, size: u32, idle: usize, most: u32) -> PoolState {
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(size);
        PoolState {
            in_use: size - idle,
            idle,
            most,
            waits: self.count.load(Ordering::Relaxed),
            waited: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_served_at_once_did_not_wait() {
        let waits = Waits::default();
        waits.note(Instant::now());
        let long_ago = Instant::now().checked_sub(Duration::from_millis(500));
        waits.note(long_ago.expect("the machine runs for longer"));
        let state = waits.state(5, 3, 8);
        assert_eq!((state.in_use, state.idle, state.most, state.waits), (2, 3, 8, 1));
        assert!(state.waited >= Duration::from_millis(500));
    }
}
