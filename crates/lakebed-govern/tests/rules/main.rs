//! The rules, proved from outside: laws of the decision, declared catalogs good and bad, plans.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod catalogs;
mod laws;
mod plans;
mod promotions;
mod restrictions;
mod world;
