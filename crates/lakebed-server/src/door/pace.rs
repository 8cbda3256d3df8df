//! How slow a peer may be: a least number of bytes for each stretch of waiting.
//!
//! Only the time that we wait for the peer counts, never the time it waits for us.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;

/// Measures one direction of one connection, or one body.
#[derive(Debug)]
pub(crate) struct Pace {
    window: Duration,
    /// Bytes that a window of waiting must bring.
    least: u64,
    bytes: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
    /// Made when we first wait: most peers never let us.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate = u64::from(limits.min_bytes_per_second);
        let least = rate.saturating_mul(limits.stall_timeout_ms) / 1000;
        Self {
            window: limits.stall_timeout(),
            least: least.max(1),
            bytes: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            alarm: None,
        }
    }

    /// Bytes went through.
    pub(crate) fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes >= self.least {
            (self.bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    /// We wait for the peer. Ready when it is too slow; else the task is woken when it will be.
    pub(crate) fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.window.saturating_sub(self.waited);
        let is_new = self.waiting_since.is_none();
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(left)));
        if is_new {
            alarm.as_mut().reset(since + left);
        }
        alarm.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn pace() -> Pace {
        let limits =
            Limits { stall_timeout_ms: 10_000, min_bytes_per_second: 100, ..Limits::default() };
        Pace::new(&limits)
    }

    /// Whether the peer is found too slow while we wait for it this long.
    async fn waits(pace: &mut Pace, seconds: f64) -> bool {
        let slow = poll_fn(|cx| pace.poll_too_slow(cx));
        tokio::time::timeout(Duration::from_secs_f64(seconds), slow).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_nothing_is_too_slow_after_a_window() {
        let mut pace = pace();
        assert!(!waits(&mut pace, 9.0).await);
        assert!(waits(&mut pace, 2.0).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_help() {
        let mut pace = pace();
        for _ in 0..3 {
            assert!(!waits(&mut pace, 3.0).await);
            pace.moved(1);
        }
        assert!(waits(&mut pace, 3.0).await, "three bytes in ten seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_keeps_the_rate_goes_on_for_ever() {
        let mut pace = pace();
        for _ in 0..100 {
            assert!(!waits(&mut pace, 9.0).await);
            pace.moved(1000);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_the_peer_waits_for_us_does_not_count() {
        let mut pace = pace();
        for _ in 0..10 {
            assert!(!waits(&mut pace, 0.5).await);
            pace.moved(1);
            sleep(Duration::from_secs(60)).await;
        }
    }
}
