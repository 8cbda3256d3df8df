//! Where an issuer's keys come from, and when they are asked for again.
//!
//! They are kept when asking fails: an identity provider that is away does not shut out those who
//! hold good tokens. A name nobody knows leads to one more look, but not more often than the pause
//! allows, so that forged names cannot make us call anybody. What comes is bounded in size and time,
//! and redirects are not followed.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::header;
use tokio::time::Instant;
use url::{Host, Url};

use super::jwt::KeySet;

/// The largest set of keys, in bytes.
const MAX_SET: usize = 512 << 10;
/// How long an answer may take, in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a set of keys (JWKS) is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// At this address: `https`, or `http` on loopback.
    Url(Url),
    /// In this file, which may be replaced at any time.
    File(PathBuf),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// When keys are asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPace {
    /// Older keys are asked for again before they are used: so long does a key that was taken
    /// back live on.
    pub max_age: Duration,
    /// The least time between two questions, whatever happens.
    pub min_pause: Duration,
}

impl KeyPace {
    /// Ten minutes and thirty seconds for an address; ten seconds and one for a file.
    #[must_use]
    pub const fn of(source: &KeySource) -> Self {
        let (max_age, min_pause) = match source {
            KeySource::Url(_) => (600, 30),
            KeySource::File(_) => (10, 1),
        };
        Self { max_age: Duration::from_secs(max_age), min_pause: Duration::from_secs(min_pause) }
    }
}

/// The keys of one issuer, as new as the pace asks.
#[derive(Debug)]
pub(super) struct Keys {
    source: KeySource,
    pace: KeyPace,
    http: reqwest::Client,
    state: Mutex<State>,
    /// Whoever asks the issuer holds it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    set: Option<Arc<KeySet>>,
    loaded_at: Option<Instant>,
    tried_at: Option<Instant>,
}

impl Keys {
    /// # Errors
    /// Says what is wrong with an address that keys are not taken from.
    pub(super) fn new(source: KeySource, pace: KeyPace) -> Result<Self, &'static str> {
        let mut http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(PATIENCE / 2);
        if let KeySource::Url(url) = &source {
            check_address(url)?;
            if is_loopback(url) {
                http = http.no_proxy();
            }
        }
        let http = http.build().map_err(|_| "no HTTP client can be made")?;
        Ok(Self {
            source,
            pace,
            http,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The keys; none when they were never there.
    pub(super) async fn current(&self) -> Option<Arc<KeySet>> {
        let State { set, loaded_at, .. } = self.look();
        let is_fresh = loaded_at.is_some_and(|at| at.elapsed() < self.pace.max_age);
        match set {
            Some(set) if is_fresh => return Some(set),
            // Somebody is asking already: the others go on with what there is.
            Some(set) => match self.turn.try_lock() {
                Ok(_turn) => self.ask().await,
                Err(_) => return Some(set),
            },
            None => {
                let _turn = self.turn.lock().await;
                self.ask().await;
            }
        }
        self.look().set
    }

    /// Other keys than `known`, after a name that those do not have; none when there are none yet.
    pub(super) async fn newer_than(&self, known: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let _turn = self.turn.lock().await;
        let is_other = |set: &Arc<KeySet>| !Arc::ptr_eq(set, known);
        if let Some(set) = self.look().set.filter(is_other) {
            return Some(set);
        }
        self.ask().await;
        self.look().set.filter(is_other)
    }

    /// Loads the keys, unless that was tried a moment ago. The caller has the turn.
    async fn ask(&self) {
        if self.look().tried_at.is_some_and(|at| at.elapsed() < self.pace.min_pause) {
            return;
        }
        let loaded = self.load().await;
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.tried_at = Some(now);
        let source = &self.source;
        match loaded {
            Ok(set) => {
                tracing::debug!(%source, keys = set.len(), "loaded an issuer's keys");
                state.set = Some(Arc::new(set));
                state.loaded_at = Some(now);
            }
            Err(why) => {
                let kept = state.set.as_ref().map_or(0, |set| set.len());
                tracing::warn!(%source, kept, "an issuer's keys cannot be loaded: {why}");
            }
        }
    }

    async fn load(&self) -> Result<KeySet, String> {
        let bytes = match &self.source {
            KeySource::Url(url) => fetch(&self.http, url).await?,
            KeySource::File(path) => read(path.clone()).await?,
        };
        KeySet::parse(&bytes).map_err(str::to_owned)
    }

    fn look(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keys that anybody on the way could replace would prove nothing.
fn check_address(url: &Url) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its keys' address holds a password");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err("its keys' address is not https"),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn fetch(http: &reqwest::Client, url: &Url) -> Result<Vec<u8>, String> {
    let unreachable = |error: reqwest::Error| error.without_url().to_string();
    let accept = "application/jwk-set+json, application/json";
    let request = http.get(url.clone()).header(header::ACCEPT, accept);
    let mut response = request.send().await.map_err(unreachable)?;
    if response.status() != http::StatusCode::OK {
        return Err(format!("the answer is {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&part);
        check_size(bytes.len())?;
    }
    Ok(bytes)
}

async fn read(path: PathBuf) -> Result<Vec<u8>, String> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut some = file.take(MAX_SET as u64 + 1);
    some.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
    check_size(bytes.len())?;
    Ok(bytes)
}

fn check_size(bytes: usize) -> Result<(), String> {
    if bytes > MAX_SET { Err("it is larger than 512 KiB".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        let check = |url: &str| check_address(&Url::parse(url).unwrap());
        for good in [
            "https://id.example/keys",
            "http://127.0.0.1:8000/jwks",
            "http://[::1]:8000/jwks",
            "http://localhost/jwks",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "http://id.example/keys",
            "http://127.0.0.1.evil.example/keys",
            "http://localhost.evil.example/keys",
            "http://10.0.0.1/keys",
            "https://me:secret@id.example/keys",
            "file:///etc/passwd",
            "ftp://id.example/keys",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
