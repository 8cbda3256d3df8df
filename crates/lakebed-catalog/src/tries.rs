//! Asking again, where nothing can double.
//!
//! A database that restarts, fails over or drops a connection is back in a moment. Whoever uses
//! [`Tries`] has made sure that asking twice does no more than asking once.

use std::time::{Duration, Instant};

use crate::Error;

/// From the first failure on; a request must not hang on a database that stays away.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often and how long something was tried.
#[derive(Debug)]
pub(crate) struct Tries {
    failed_first: Option<Instant>,
    pause: Duration,
}

impl Tries {
    pub(crate) const fn new() -> Self {
        Self { failed_first: None, pause: FIRST_PAUSE }
    }

    /// Whether to try again after `error`; waits a little if so.
    pub(crate) async fn again(&mut self, error: &Error) -> bool {
        let since = *self.failed_first.get_or_insert_with(Instant::now);
        if !error.is_passing() || since.elapsed() + self.pause > PATIENCE {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}
