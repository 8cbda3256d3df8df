//! A client of Lakebed's HTTP API, over a socket or in process.
//!
//! One method a resource, typed with [`lakebed_api`]. In process the client is given the service
//! that answers (the server's router), so it knows neither the server nor the lake. It verifies no
//! bytes: whoever keeps an object hashes it.
//!
//! Requests that may be lost are sent again where nothing can double: reads, parts of uploads, and
//! what carries an idempotency key. Jobs are followed over as many connections as it takes.

mod client;
mod coding;
mod error;
mod job;
mod lines;
mod object;
mod request;
mod retry;
mod run;
mod signed;
mod sql;
mod token;
mod transport;
mod upload;
mod work;

pub use client::Client;
pub use error::ClientError;
pub use object::ObjectBytes;
pub use signed::{is_signed, read_signed};
pub use sql::SqlResponse;
pub use transport::{BoxError, ByteStream, ClientBody};
pub use upload::UploadSource;
