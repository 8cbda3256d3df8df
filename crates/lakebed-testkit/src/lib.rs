//! What tests share: a lake that checks itself, a clock that stands still, a store that fails.
//!
//! A dev-dependency only; nothing that ships uses it.

mod clock;
#[path = "../../xtask/src/services/postgres.rs"]
mod cluster;
mod engine;
pub mod fault;
mod lake;
mod place;
mod postgres;
pub mod proxy;
pub mod s3;

pub use clock::FrozenClock;
pub use cluster::Cluster;
pub use engine::NoEngine;
pub use lake::{CrashingProbe, TestLake, config_of, exports, request_of};
pub use place::{BACKEND, TestBackend, TestPlace};
pub use postgres::{POSTGRES, TestDatabase, is_postgres_there};
