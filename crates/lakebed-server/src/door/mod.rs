//! The sockets under HTTP: who may connect, how slowly a peer may speak and listen, and what a peer
//! is told when it may not.
//!
//! Nothing here knows a resource. What a request may be, once it is one, is `front.rs`'s business.

mod acceptor;
mod connection;
mod pace;
mod refusal;
mod slots;
mod wire;

pub use acceptor::{Acceptor, Plain, Stream};

pub(crate) use connection::Connections;
pub(crate) use pace::Pace;
pub(crate) use refusal::{head_too_large, uri_too_long};
pub(crate) use slots::peer_of;
