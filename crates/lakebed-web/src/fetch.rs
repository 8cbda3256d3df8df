//! Fetching: check, resolve once, judge every address, connect to exactly those, take what comes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use reqwest::{
    Client, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{Error, Location, Policy, Reach, Resolver, Result, SystemResolver, reach_of};

/// Fetches from where a policy allows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolver>,
}

/// The bytes of a source, on their way.
pub struct Fetched {
    /// How many there will be, where the other side says so.
    pub size_bytes: Option<u64>,
    /// The bytes as they are sent, never unpacked. After an error nothing follows.
    pub bytes: BoxStream<'static, Result<Bytes>>,
}

impl Fetcher {
    /// Fetches what `policy` allows, with the system's resolver.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy: Arc::new(policy), resolver: Arc::new(SystemResolver) }
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// A URL that may be fetched, as far as can be told without asking anyone.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::NotAllowed`].
    pub fn check(&self, url: &str) -> Result<Location> {
        let location = Location::parse(url)?;
        self.policy.check(&location)?;
        Ok(location)
    }

    /// The bytes at `location`. Returns when they begin.
    ///
    /// # Errors
    /// Every kind; those of the bytes themselves are in their stream.
    pub async fn fetch(&self, location: &Location) -> Result<Fetched> {
        let deadline = Instant::now() + Duration::from_millis(self.policy.timeout_ms);
        let response = match timeout_at(deadline, self.follow(location.clone())).await {
            Ok(response) => response?,
            Err(_) => return Err(Error::TooSlow),
        };
        check_answer(&response)?;
        let size_bytes = response.content_length();
        if size_bytes.is_some_and(|size| size > self.policy.max_bytes) {
            return Err(Error::TooLarge { most: self.policy.max_bytes });
        }
        let intake = Intake {
            response,
            policy: Arc::clone(&self.policy),
            deadline,
            began: Instant::now(),
            taken: 0,
        };
        let bytes = stream::unfold(Some(intake), |intake| async move {
            let mut intake = intake?;
            match intake.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(intake))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Fetched { size_bytes, bytes: bytes.boxed() })
    }

    /// From hop to hop until somebody answers with something else than where to go.
    async fn follow(&self, mut location: Location) -> Result<Response> {
        for _ in 0..=self.policy.redirects {
            let response = self.ask(&location).await?;
            let Some(target) = target(&response)? else { return Ok(response) };
            location = next_hop(&location, &target)?;
        }
        Err(Error::unavailable("it leads elsewhere too often"))
    }

    /// One request to one place.
    async fn ask(&self, location: &Location) -> Result<Response> {
        let limit = self.policy.check(location)?;
        let addresses = self.addresses(location, limit).await?;
        let client = self.client(addresses.clone())?;
        let request = client
            .get(location.url().clone())
            .header(header::ACCEPT, "*/*")
            // Bytes are kept as they are: nobody shall pack them for the way.
            .header(header::ACCEPT_ENCODING, "identity");
        let asked = timeout(self.stall_timeout(), request.send()).await;
        let response = asked
            .map_err(|_| Error::TooSlow)?
            .map_err(|error| Error::unavailable(chain(&error.without_url())))?;
        match response.remote_addr() {
            Some(peer) if addresses.iter().any(|address| address.ip() == peer.ip()) => Ok(response),
            _ => Err(Error::unavailable("the connection went elsewhere than it was to go")),
        }
    }

    /// The addresses to connect to: all that the host has, if all may be reached.
    ///
    /// A name with one good and one bad address is no honest one, and picking the good one would
    /// let it learn which ones we take.
    async fn addresses(&self, location: &Location, limit: Reach) -> Result<Vec<SocketAddr>> {
        let found = match location.address() {
            Some(address) => vec![address],
            None => {
                let resolving = self.resolver.resolve(location.host());
                let resolved = timeout(self.stall_timeout(), resolving).await;
                let resolved = resolved.map_err(|_| Error::TooSlow)?;
                resolved.map_err(|error| Error::unavailable(format!("no such name: {error}")))?
            }
        };
        if found.is_empty() {
            return Err(Error::unavailable("the name has no address"));
        }
        if let Some(bad) = found.iter().find(|address| !is_within(reach_of(**address), limit)) {
            let reach = reach_of(*bad);
            tracing::warn!(address = %bad, ?reach, "refused to fetch from an address that may not be reached");
            return Err(Error::unavailable("an address of its host may not be reached"));
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, location.port())).collect())
    }

    /// A client that knows these addresses and nothing else: no proxy of the environment, no name
    /// it could look up, no redirect it would follow, no cookie, no packing.
    fn client(&self, addresses: Vec<SocketAddr>) -> Result<Client> {
        Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .dns_resolver(Arc::new(Pinned(addresses)))
            .connect_timeout(self.stall_timeout())
            .pool_max_idle_per_host(0)
            .user_agent(concat!("lakebed/", env!("CARGO_PKG_VERSION")))
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .build()
            .map_err(|error| Error::unavailable(chain(&error)))
    }

    fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.policy.stall_timeout_ms)
    }
}

/// Whether an address of `reach` may be connected to where `limit` is the nearest allowed.
fn is_within(reach: Reach, limit: Reach) -> bool {
    match (limit, reach) {
        (Reach::Never, _) | (_, Reach::Public) => true,
        (limit, reach) => limit == reach,
    }
}

/// Answers every question with the addresses that were judged.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Where an answer leads, if it does.
fn target(response: &Response) -> Result<Option<String>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let target = target.ok_or_else(|| Error::unavailable("it leads to nowhere"))?;
    Ok(Some(target.to_owned()))
}

/// What was asked for by https is not taken from anywhere else.
fn next_hop(from: &Location, target: &str) -> Result<Location> {
    // What the other side wrote is not the asker's mistake, and is not told.
    let to =
        from.join(target).map_err(|error| Error::unavailable(format!("a redirect: {error}")))?;
    if from.is_https() && !to.is_https() {
        return Err(Error::unavailable("it leads from https to http"));
    }
    Ok(to)
}

fn check_answer(response: &Response) -> Result<()> {
    if response.status() != StatusCode::OK {
        return Err(Error::unavailable(format!("it answers {}", response.status().as_u16())));
    }
    let encodings = response.headers().get_all(header::CONTENT_ENCODING).iter();
    for encoding in encodings {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(Error::unavailable("it answers in an encoding that was not asked for"));
        }
    }
    Ok(())
}

/// A body that is being taken.
struct Intake {
    response: Response,
    policy: Arc<Policy>,
    deadline: Instant,
    began: Instant,
    taken: u64,
}

impl Intake {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let stall = Duration::from_millis(self.policy.stall_timeout_ms);
        let until = self.deadline.min(Instant::now() + stall);
        let part = timeout_at(until, self.response.chunk()).await.map_err(|_| Error::TooSlow)?;
        let part = part.map_err(|error| Error::unavailable(chain(&error.without_url())))?;
        let Some(bytes) = part else { return Ok(None) };
        self.taken += bytes.len() as u64;
        if self.taken > self.policy.max_bytes {
            return Err(Error::TooLarge { most: self.policy.max_bytes });
        }
        let elapsed = self.began.elapsed();
        let least = elapsed.as_secs().saturating_mul(u64::from(self.policy.min_bytes_per_second));
        if elapsed > stall && self.taken < least {
            return Err(Error::TooSlow);
        }
        Ok(Some(bytes))
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_is_a_url_like_the_first_and_never_less_safe() {
        let from = Location::parse("https://example.org/a/b?key=secret").unwrap();
        let to = |target: &str| next_hop(&from, target).map(|to| to.url().to_string());
        assert_eq!(to("/c").unwrap(), "https://example.org/c");
        assert_eq!(to("../c?d").unwrap(), "https://example.org/c?d");
        assert_eq!(to("//other.example/c").unwrap(), "https://other.example/c");
        assert_eq!(to("https://other.example/").unwrap(), "https://other.example/");
        for bad in [
            "http://example.org/a",
            "file:///etc/passwd",
            "ftp://example.org/",
            "https://user:word@example.org/",
            "https://",
            "data:text/csv,a",
        ] {
            assert!(matches!(to(bad), Err(Error::Unavailable { .. })), "{bad}");
        }
        let plain = Location::parse("http://example.org/").unwrap();
        assert!(next_hop(&plain, "https://example.org/").is_ok());
        assert!(next_hop(&plain, "http://other.example/").is_ok());
    }

    #[test]
    fn nearer_than_allowed_is_not_within() {
        use Reach::{Never, Private, Public};
        assert!(
            is_within(Public, Public) && !is_within(Private, Public) && !is_within(Never, Public)
        );
        assert!(is_within(Public, Private) && is_within(Private, Private));
        assert!(!is_within(Never, Private));
        assert!(is_within(Never, Never), "tests alone");
    }
}
