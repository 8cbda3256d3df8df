//! The HTTP door of a lake: `/v1` on axum, problem+json for every error, OpenAPI 3.1 of it all.
//!
//! Handlers parse, call [`lakebed_service::Lake`] and convert; no rule is decided here. Which
//! status an error has is decided in `problem.rs` alone, what an address may be in `host.rs`. The
//! crate reads no configuration and no environment, and never speaks to store, catalog or engine; of the
//! store it only hears, through [`Metrics`], how it does.
//! [`operations`] is a second door, for those who run a server.
//!
//! The same [`router`] serves a socket ([`serve`], [`Access::Remote`]) and the command line in its
//! own process ([`Access::Local`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod accept;
mod admission;
mod auth;
mod class;
mod client_address;
mod coding;
mod compress;
mod context;
mod convert;
mod document;
mod door;
mod encode;
mod extract;
mod front;
mod host;
mod jobs;
mod limits;
mod lines;
mod links;
mod metrics;
mod openlineage;
mod operations;
mod problem;
mod range;
mod rates;
mod readiness;
mod refresh;
mod router;
mod routes;
mod serve;
mod state;
mod statements;
mod tls;
mod urls;

pub use auth::{Algorithm, AlgorithmError, Asks, Auth, KeyPace, KeySource, OidcConfig, OidcError};
pub use client_address::{ClientAddress, NotANetwork, TrustedProxies};
pub use door::{Acceptor, Plain, Stream};
pub use limits::{DescribedLimit, Limits};
pub use metrics::Metrics;
pub use openlineage::{LineageFile, LineageUrl, LineageUrlError};
pub use operations::{Reach, operations};
pub use refresh::refresh_products;
pub use router::{openapi, router};
pub use serve::{NotLoopback, Server, ensure_loopback, ensure_may_listen, serve};
pub use state::{Access, AppState};
pub use tls::{Tls, TlsError};
