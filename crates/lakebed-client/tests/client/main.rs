//! The client against services that behave, misbehave and break off.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod lines;
mod objects;
mod requests;
mod sockets;
mod sql;
mod support;
mod tokens;
