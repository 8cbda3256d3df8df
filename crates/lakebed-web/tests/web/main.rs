//! Fetching from servers on loopback, reached by a rule that only a test can make.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod bounds;
mod hops;
mod support;
