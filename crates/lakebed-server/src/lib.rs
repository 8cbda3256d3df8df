//! The HTTP door of a lake: `/v1` on axum, problem+json for every error, OpenAPI 3.1 of it all.
//!
//! Handlers parse, call [`lakebed_service::Lake`] and convert; no rule is decided here. Which
//! status an error has is decided in `problem.rs` alone, what an address may be in `host.rs`. The
//! crate reads no configuration and no environment, and never speaks to store, catalog or engine.
//!
//! The same [`router`] serves a socket ([`serve`], [`Access::Remote`]) and the command line in its
//! own process ([`Access::Local`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod accept;
mod admission;
mod class;
mod context;
mod convert;
mod door;
mod encode;
mod extract;
mod front;
mod host;
mod limits;
mod lines;
mod links;
mod problem;
mod range;
mod rates;
mod router;
mod routes;
mod serve;
mod state;

pub use door::{Acceptor, Plain, Stream};
pub use limits::Limits;
pub use router::{openapi, router};
pub use serve::{NotLoopback, Server, ensure_loopback, serve};
pub use state::{Access, AppState};
