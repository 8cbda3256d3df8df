//! Listening on a socket, and stopping in order.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use axum::{Router, serve::ListenerExt as _};
use tokio::{net::TcpListener, sync::oneshot};

/// How long requests under way may go on once the server is to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// An address that others than this machine could reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot listen on `{address}`: it can be reached from other machines, and nobody would be asked who they are"
)]
pub struct NotLoopback {
    address: SocketAddr,
}

/// Refuses addresses that other machines could reach: callers cannot prove yet who they are.
///
/// # Errors
/// [`NotLoopback`], also for `0.0.0.0` and `[::]`, which are every address of the machine.
pub const fn ensure_loopback(address: SocketAddr) -> Result<(), NotLoopback> {
    match address.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err(NotLoopback { address }),
    }
}

/// Answers requests on `listener` until `shutdown` completes; then takes no new ones and waits up
/// to 30 s for those under way.
///
/// # Errors
/// When the listener is reachable from other machines, or breaks.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    ensure_loopback(listener.local_addr()?).map_err(io::Error::other)?;
    let listener = listener.tap_io(|stream| {
        // Only delays small answers when it fails.
        let _ = stream.set_nodelay(true);
    });
    let (stopping, stopped) = oneshot::channel();
    let shutdown = async move {
        shutdown.await;
        tracing::info!("stopping: no new requests, waiting for those under way");
        let _ = stopping.send(());
    };
    let too_long = async move {
        match stopped.await {
            Ok(()) => tokio::time::sleep(DRAIN).await,
            // Never told to stop: the server ended by itself, and is heard below.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = axum::serve(listener, router).with_graceful_shutdown(shutdown) => result,
        () = too_long => {
            tracing::warn!("requests were still under way after {} s: they are cut", DRAIN.as_secs());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_be_listened_on() {
        for good in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(ensure_loopback(good.parse().unwrap()), Ok(()), "{good}");
        }
        for bad in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "10.0.0.1:80", "[fe80::1]:80"] {
            assert!(ensure_loopback(bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
