//! Originals from URLs: fetched by a server for a client, without being led astray.
//!
//! A server stands where its clients do not: behind a firewall, beside a metadata service. So a URL
//! is checked by itself ([`Policy`]), its name is resolved once, every address of it is judged
//! ([`reach_of`]), and the connection goes to exactly the addresses that were judged. Each redirect
//! is a URL like the first. What comes is bounded in size and time, and taken as it is.
//!
//! Knows no lake and no HTTP API; what becomes of the bytes is the caller's affair. ARCHITECTURE.md,
//! D-62.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod address;
mod error;
mod fetch;
mod location;
mod policy;
mod resolve;

pub use address::{Reach, reach_of};
pub use error::{Error, Result};
pub use fetch::{Fetched, Fetcher};
pub use location::Location;
pub use policy::{HostRule, Hosts, Policy, RuleError};
pub use resolve::{Resolver, SystemResolver};
