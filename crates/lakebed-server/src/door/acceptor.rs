//! From an accepted socket to the bytes of HTTP: as they are, or through TLS.

use std::{fmt, io};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// What HTTP is spoken on.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Turns a socket into a [`Stream`]. The time this may take is limited by whoever calls it.
pub trait Acceptor: fmt::Debug + Send + Sync {
    /// Shakes hands, where there is anything to agree on.
    ///
    /// # Errors
    /// When the peer speaks something else; the socket is closed then.
    fn accept(&self, socket: TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>>;
}

/// HTTP without TLS.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Acceptor for Plain {
    fn accept(&self, socket: TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        Box::pin(std::future::ready(Ok(Box::new(socket) as Box<dyn Stream>)))
    }
}
