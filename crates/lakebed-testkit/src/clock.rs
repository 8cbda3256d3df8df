//! A clock that moves only when it is asked, by one second each time.

use std::sync::atomic::{AtomicI64, Ordering};

use lakebed_core::Timestamp;
use lakebed_service::Clock;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const SECOND: i64 = 1_000_000;

/// Starts at 2026-01-01T00:00:00Z; every question moves it one second on.
#[derive(Debug)]
pub struct FrozenClock(AtomicI64);

impl Default for FrozenClock {
    fn default() -> Self {
        Self(AtomicI64::new(START))
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(SECOND, Ordering::Relaxed))
    }
}
