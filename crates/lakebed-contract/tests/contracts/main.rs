//! Contracts, proved from outside: the standard's examples, bad ones, bindings, laws of change.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod binding;
mod changes;
mod inferring;
mod judging;
mod promises;
mod reading;
mod world;
