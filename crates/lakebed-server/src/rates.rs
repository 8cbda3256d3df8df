//! How often one principal may ask: a bucket for each kind of request.
//!
//! Who is not known counts as their peer. Nothing here knows how long a request takes: fair shares
//! of long work are the service's affair. Memory is bounded, however many ask. ARCHITECTURE.md,
//! D-61.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    Limits,
    class::Class,
    door::peer_of,
    problem::{Failure, Result},
};

/// Who is asking, as far as rates go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// Somebody who proved it.
    Principal(Arc<str>),
    /// Whoever is at this address.
    Peer(IpAddr),
    /// All who came when there was no more room to tell them apart.
    Others,
}

impl Who {
    pub(crate) fn peer(address: IpAddr) -> Self {
        Self::Peer(peer_of(address))
    }
}

/// The buckets of everyone who asked lately.
#[derive(Debug)]
pub(crate) struct Rates {
    /// By [`Kind`].
    rules: [Option<Rule>; 4],
    most: usize,
    /// The zero of all times below.
    began: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// For each kind the time, in nanoseconds, at which its bucket is full again.
    full_at: HashMap<Who, [u64; 4]>,
    swept_at: u64,
}

/// Which bucket.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    Statement,
    Write,
    Failure,
}

impl From<Class> for Kind {
    fn from(class: Class) -> Self {
        match class {
            Class::Read => Self::Read,
            Class::Statement => Self::Statement,
            Class::Write | Class::Upload | Class::Event => Self::Write,
        }
    }
}

/// A bucket's size and how fast it fills, as times.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// From one request to the next.
    pause: u64,
    /// From empty to full.
    whole: u64,
}

impl Rule {
    /// None where the rate is 0: no limit.
    fn new(count: u32, of: Duration, burst: u32) -> Option<Self> {
        let of = u64::try_from(of.as_nanos()).unwrap_or(u64::MAX);
        let pause = of.checked_div(u64::from(count))?;
        Some(Self { pause, whole: pause.saturating_mul(u64::from(burst.max(1))) })
    }

    /// How long it takes until one more request fits.
    const fn wait(self, full_at: u64, now: u64) -> u64 {
        let taken = full_at.saturating_sub(now);
        (taken + self.pause).saturating_sub(self.whole)
    }
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            rules: [
                Rule::new(limits.reads_per_second, SECOND, limits.reads_burst),
                Rule::new(limits.statements_per_second, SECOND, limits.statements_burst),
                Rule::new(limits.writes_per_second, SECOND, limits.writes_burst),
                Rule::new(limits.failures_per_minute, MINUTE, limits.failures_burst),
            ],
            most: limits.rate_buckets as usize,
            began: Instant::now(),
            book: Mutex::default(),
        }
    }

    /// Takes one request out of a bucket.
    ///
    /// # Errors
    /// 429 when it is empty; nothing is taken then.
    pub(crate) fn take(&self, who: &Who, class: Class) -> Result<()> {
        let kind = Kind::from(class);
        self.with(who, kind, |rule, full_at, now| match rule.wait(*full_at, now) {
            0 => {
                *full_at = (*full_at).max(now) + rule.pause;
                Ok(())
            }
            wait => Err(too_many(kind, wait)),
        })
    }

    /// Whether somebody at `peer` may try to prove who they are.
    ///
    /// # Errors
    /// 429 after too many [failures](Self::failed).
    pub(crate) fn may_try(&self, peer: IpAddr) -> Result<()> {
        let kind = Kind::Failure;
        self.with(&Who::peer(peer), kind, |rule, full_at, now| match rule.wait(*full_at, now) {
            0 => Ok(()),
            wait => Err(too_many(kind, wait)),
        })
    }

    /// Somebody at `peer` could not prove who they are.
    pub(crate) fn failed(&self, peer: IpAddr) {
        let counted = self.with(&Who::peer(peer), Kind::Failure, |rule, full_at, now| {
            let most = now + rule.whole;
            *full_at = ((*full_at).max(now) + rule.pause).min(most);
            Ok(())
        });
        debug_assert!(counted.is_ok(), "counting refuses nothing");
    }

    fn with(
        &self,
        who: &Who,
        kind: Kind,
        act: impl FnOnce(Rule, &mut u64, u64) -> Result<()>,
    ) -> Result<()> {
        let Some(rule) = self.rules[kind as usize] else { return Ok(()) };
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let buckets = book.buckets(who, now, self.most);
        act(rule, &mut buckets[kind as usize], now)
    }
}

impl Book {
    /// The buckets of `who`. When there is no room, those that are full are forgotten first, which
    /// changes nothing; then all newcomers share one.
    fn buckets(&mut self, who: &Who, now: u64, most: usize) -> &mut [u64; 4] {
        const PAUSE: u64 = 1_000_000_000;
        let is_new = !self.full_at.contains_key(who);
        if is_new && self.full_at.len() >= most && now >= self.swept_at + PAUSE {
            self.full_at.retain(|_, full_at| full_at.iter().any(|full_at| *full_at > now));
            self.swept_at = now;
        }
        let has_room = !is_new || self.full_at.len() < most;
        self.full_at.entry(if has_room { who.clone() } else { Who::Others }).or_default()
    }
}

fn too_many(kind: Kind, wait: u64) -> Failure {
    let what = match kind {
        Kind::Read => "reads",
        Kind::Statement => "statements",
        Kind::Write => "changes",
        Kind::Failure => "failed attempts to say who asks",
    };
    let detail = format!("more {what} than this server takes from one principal");
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        .hint("wait as long as `retry-after` says")
        .retry_after(Duration::from_nanos(wait).as_secs() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(most: u32) -> Rates {
        Rates::new(&Limits {
            reads_per_second: 10,
            reads_burst: 5,
            statements_per_second: 1,
            statements_burst: 1,
            writes_per_second: 0,
            failures_per_minute: 60,
            failures_burst: 3,
            rate_buckets: most,
            ..Limits::default()
        })
    }

    fn peer(last: u8) -> Who {
        Who::peer([192, 0, 2, last].into())
    }

    fn reads(rates: &Rates, who: &Who, count: usize) -> usize {
        (0..count).filter(|_| rates.take(who, Class::Read).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills_again() {
        let rates = rates(100);
        assert_eq!(reads(&rates, &peer(1), 20), 5);
        tokio::time::advance(Duration::from_millis(350)).await;
        assert_eq!(reads(&rates, &peer(1), 20), 3);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(reads(&rates, &peer(1), 20), 5, "never more than its size");
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_and_principals_have_buckets_of_their_own() {
        let rates = rates(100);
        assert_eq!(reads(&rates, &peer(1), 20), 5);
        assert_eq!(reads(&rates, &peer(2), 20), 5);
        assert_eq!(reads(&rates, &Who::Principal("alice".into()), 20), 5);
        assert!(rates.take(&peer(1), Class::Statement).is_ok());
        let refused = rates.take(&peer(1), Class::Statement).unwrap_err();
        assert_eq!(refused.code(), "too-many-requests");
        assert!(
            refused.headers().iter().any(|(name, value)| name == "retry-after" && value == "2")
        );
        assert!((0..1000).all(|_| rates.take(&peer(1), Class::Write).is_ok()), "0 is no limit");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_and_successes_do_not() {
        let rates = rates(100);
        let address = [192, 0, 2, 1].into();
        for _ in 0..100 {
            rates.may_try(address).unwrap();
        }
        for _ in 0..100 {
            rates.failed(address);
        }
        assert!(rates.may_try(address).is_err());
        assert!(rates.may_try([192, 0, 2, 2].into()).is_ok());
        tokio::time::advance(Duration::from_millis(1100)).await;
        assert!(rates.may_try(address).is_ok(), "a hundred failures are forgiven like three");
    }

    /// A hundred thousand peers take as much memory as the book has room, and who was there before
    /// keeps a bucket of their own.
    #[tokio::test(start_paused = true)]
    async fn many_peers_do_not_fill_the_memory() {
        let rates = rates(1000);
        assert_eq!(reads(&rates, &peer(1), 3), 3);
        for number in 0..100_000_u32 {
            let who = Who::peer(IpAddr::V4((0x0a00_0000 + number).into()));
            let _ = rates.take(&who, Class::Read);
        }
        assert!(rates.book.lock().unwrap().full_at.len() <= 1001);
        assert_eq!(reads(&rates, &peer(1), 9), 2, "kept");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(reads(&rates, &peer(9), 9), 5, "there is room again");
        assert!(rates.book.lock().unwrap().full_at.len() <= 2);
    }
}
