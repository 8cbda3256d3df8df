//! What tests share: a lake that checks itself, a clock that stands still, a store that fails.
//!
//! A dev-dependency only; nothing that ships uses it.

mod clock;
mod engine;
pub mod fault;
mod lake;
pub mod s3;

pub use clock::FrozenClock;
pub use engine::NoEngine;
pub use lake::{CrashingProbe, TestLake, config_of, exports, open_failing, request_of};
