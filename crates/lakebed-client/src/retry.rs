//! When a request is sent again: only where nothing can double, and with growing pauses.
//!
//! A client that never had an answer gives up after half a second: most likely the address is wrong.
//! One that had is patient: a server restarts, or another one takes over.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::ClientError;

/// Waits of a client that never had an answer.
const FIRST_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// Who waits for longer is told why.
const WORTH_TELLING: Duration = Duration::from_secs(3);
/// No server makes us wait longer.
const MOST_ASKED: Duration = Duration::from_secs(60);

/// How long one client goes on trying. Clones share what they know of the server.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    total: Duration,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    was_answered: AtomicBool,
    /// Until when the server wants to be left alone.
    quiet_until: Mutex<Option<Instant>>,
}

impl Default for Patience {
    fn default() -> Self {
        Self { total: Duration::from_secs(120), known: Arc::default() }
    }
}

impl Patience {
    pub(crate) fn lasting(&self, total: Duration) -> Self {
        Self { total, known: Arc::clone(&self.known) }
    }

    /// One of ours answers there, and perhaps says when to come back.
    pub(crate) fn note_answer(&self, headers: &HeaderMap) {
        self.known.was_answered.store(true, Ordering::Relaxed);
        let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let asked = asked.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        *self.quiet_until() = asked.map(|asked| Instant::now() + asked.min(MOST_ASKED));
    }

    fn quiet_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.known.quiet_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tries of one piece of work.
#[derive(Debug)]
pub(crate) struct Tries {
    patience: Patience,
    count: u32,
    since: Option<Instant>,
    /// Whether it was said that this takes long.
    is_told: bool,
}

impl Tries {
    pub(crate) const fn new(patience: Patience) -> Self {
        Self { patience, count: 0, since: None, is_told: false }
    }

    /// Something went on: patience starts anew.
    pub(crate) const fn reset(&mut self) {
        self.count = 0;
        self.since = None;
        self.is_told = false;
    }

    /// Whether to try again; waits first if so, at least for as long as the server asked.
    pub(crate) async fn again(&mut self) -> bool {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let pause = match self.patience.known.was_answered.load(Ordering::Relaxed) {
            false => match FIRST_PAUSES.get(self.count as usize) {
                Some(pause) => *pause,
                None => return false,
            },
            true => jittered(SHORTEST.saturating_mul(1 << self.count.min(10)).min(LONGEST)),
        };
        let quiet = *self.patience.quiet_until();
        let until = (now + pause).max(quiet.unwrap_or(now));
        if until.duration_since(since) > self.patience.total {
            return false;
        }
        if !self.is_told && now.duration_since(since) >= WORTH_TELLING {
            self.is_told = true;
            let left = self.patience.total.saturating_sub(now.duration_since(since)).as_secs();
            tracing::warn!("the lake does not answer; trying for {left} more seconds");
        }
        self.count += 1;
        tokio::time::sleep_until(until).await;
        true
    }
}

/// From half of it to all of it, so that many clients do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0);
    pause.mul_f64(0.5 + (random % 1000) as f64 / 2000.0)
}

/// Whether the same request may be answered otherwise in a moment.
pub(crate) fn is_passing_status(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

/// The same of an error; what somebody has to mend first is not passing.
pub(crate) fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Problem(problem) => {
            let is_lasting = matches!(problem.code.as_str(), "stopped" | "no-lake" | "not-ready");
            let status = StatusCode::from_u16(problem.status).unwrap_or_default();
            // What broke off on its way to the server, as the server tells it.
            (is_passing_status(status) && !is_lasting) || problem.code == "broke-off"
        }
        ClientError::Unreachable { .. } | ClientError::Broken { .. } => true,
        ClientError::Protocol { .. }
        | ClientError::Source { .. }
        | ClientError::Insecure { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many tries there are, and how long they take.
    async fn tries(patience: &Patience) -> (u32, Duration) {
        let started = Instant::now();
        let mut tries = Tries::new(patience.clone());
        while tries.again().await {}
        (tries.count, started.elapsed())
    }

    fn answer(retry_after: Option<&'static str>) -> HeaderMap {
        let value = retry_after.map(http::HeaderValue::from_static);
        value.map(|value| (header::RETRY_AFTER, value)).into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_had_an_answer_gives_up_soon() {
        assert_eq!(tries(&Patience::default()).await, (2, Duration::from_millis(500)));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_vary_and_end() {
        let patience = Patience::default();
        patience.note_answer(&answer(None));
        let (count, waited) = tries(&patience).await;
        assert!((24..60).contains(&count), "{count}");
        assert!(waited > Duration::from_secs(100) && waited <= patience.total, "{waited:?}");
        let many: std::collections::HashSet<_> = (0..20).map(|_| jittered(LONGEST)).collect();
        assert!(many.len() > 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_wish_is_heeded_as_far_as_patience_goes() {
        let patience = Patience::default().lasting(Duration::from_secs(3));
        patience.note_answer(&answer(Some("2")));
        let started = Instant::now();
        let mut tries = Tries::new(patience.clone());
        assert!(tries.again().await);
        assert_eq!(started.elapsed(), Duration::from_secs(2));
        patience.note_answer(&answer(Some("10")));
        assert!(!tries.again().await);
        patience.note_answer(&answer(None));
        assert!(tries.again().await, "an answer without a wish ends it");
    }
}
