//! A client of Lakebed's HTTP API, over a socket or in process.
//!
//! One method a resource, typed with [`lakebed_api`]. In process the client is given the service
//! that answers (the server's router), so it knows neither the server nor the lake. It verifies no
//! bytes: whoever keeps an object hashes it.
//!
//! Requests that change nothing and cannot reach the server are tried again, at most twice.

mod client;
mod error;
mod lines;
mod object;
mod request;
mod signed;
mod sql;
mod token;
mod transport;
mod work;

pub use client::Client;
pub use error::ClientError;
pub use object::ObjectBytes;
pub use signed::{is_signed, read_signed};
pub use sql::SqlResponse;
pub use transport::{BoxError, ByteStream, ClientBody};
