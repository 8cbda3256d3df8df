//! Listening on a socket, and stopping in order.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    Auth, Limits,
    door::{Acceptor, Connections, Plain},
};

/// How long requests under way may go on once the server is to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// An address that others than this machine could reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot listen on `{address}`: it can be reached from other machines, and not everybody would be asked who they are"
)]
pub struct NotLoopback {
    address: SocketAddr,
}

/// Refuses addresses that other machines could reach.
///
/// # Errors
/// [`NotLoopback`], also for `0.0.0.0` and `[::]`, which are every address of the machine.
pub const fn ensure_loopback(address: SocketAddr) -> Result<(), NotLoopback> {
    match address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(NotLoopback { address }),
    }
}

/// Refuses addresses that other machines could reach, unless every caller is asked who they are.
///
/// # Errors
/// [`NotLoopback`].
pub fn ensure_may_listen(address: SocketAddr, auth: &Auth) -> Result<(), NotLoopback> {
    match auth.always_asks() {
        true => Ok(()),
        false => ensure_loopback(address),
    }
}

/// Answers requests on `listener` until `shutdown` completes; then takes no new ones and waits up
/// to 30 s for those under way. Plain HTTP, default limits; see [`Server`] for more.
///
/// # Errors
/// When the listener is reachable from other machines and not everybody is asked, or breaks.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    auth: &Auth,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    ensure_may_listen(listener.local_addr()?, auth).map_err(io::Error::other)?;
    Server::new(listener, router).run(shutdown).await
}

/// A router on a listener.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    router: Router,
    acceptor: Arc<dyn Acceptor>,
    limits: Arc<Limits>,
    drain: Duration,
}

impl Server {
    /// Plain HTTP, default limits. Who may reach the listener is the caller's to decide.
    #[must_use]
    pub fn new(listener: TcpListener, router: Router) -> Self {
        let limits = Arc::new(Limits::default());
        Self { listener, router, acceptor: Arc::new(Plain), limits, drain: DRAIN }
    }

    /// The same with another way from sockets to bytes.
    #[must_use]
    pub fn with_acceptor(mut self, acceptor: Arc<dyn Acceptor>) -> Self {
        self.acceptor = acceptor;
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = Arc::new(limits);
        self
    }

    /// The same with another time for requests under way, once the server is to stop.
    #[must_use]
    pub const fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Answers requests until `shutdown` completes. Then no connection is taken any more, idle ones
    /// end, requests under way have the drain time; what is left after it is cut.
    ///
    /// # Errors
    /// None today: a failed accept is logged and tried again.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let Self { listener, router, acceptor, limits, drain } = self;
        let (stop, stopping) = watch::channel(false);
        let connections = Connections::new(router, acceptor, limits, stopping);
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, peer)) => {
                        tasks.spawn(connections.clone().serve(socket, peer));
                    }
                    Err(error) => cannot_accept(&error).await,
                },
                Some(ended) = tasks.join_next() => report(ended),
                () = &mut shutdown => break,
            }
        }
        drop(listener);
        tracing::info!("stopping: no new requests, waiting for those under way");
        stop.send_replace(true);
        let ended = async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        };
        if tokio::time::timeout(drain, ended).await.is_err() {
            tracing::warn!(
                "requests were still under way after {} s: they are cut",
                drain.as_secs()
            );
        }
        Ok(())
    }
}

/// A connection that ended before it was taken is nothing; no file handles left is a reason to
/// wait for some.
async fn cannot_accept(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot take a connection: trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Asks;

    #[test]
    fn only_loopback_may_be_listened_on_unless_everybody_is_asked() {
        let auth = |asks| Auth::new(asks, Vec::new()).unwrap();
        let may = |text: &str, asks| ensure_may_listen(text.parse().unwrap(), &auth(asks)).is_ok();
        for good in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(may(good, Asks::Never) && may(good, Asks::OncePeopleAreKnown), "{good}");
        }
        for bad in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "10.0.0.1:80", "[fe80::1]:80"] {
            assert!(!may(bad, Asks::Never) && !may(bad, Asks::OncePeopleAreKnown), "{bad}");
            assert!(may(bad, Asks::Always), "{bad}");
        }
    }
}
