//! What the engine promises, seen from outside: statements in, rows or errors out.
//!
//! Tables are Parquet files in a lake's store; nothing here knows a catalog.
#![allow(clippy::unwrap_used, reason = "tests may")]
#![allow(missing_docs, reason = "tests are named for what they prove")]

mod answers;
mod corruption;
mod diff;
mod evolution;
mod joins;
mod limits;
mod lineage;
mod live;
mod planning;
mod refused;
mod restricted;
mod slt;
mod statements;
mod world;
