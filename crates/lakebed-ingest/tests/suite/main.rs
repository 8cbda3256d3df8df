//! The decoder from outside: real and messy files in, Parquet and reasons out.

#![allow(clippy::unwrap_used)]

mod bench;
mod checks;
mod encodings;
mod messy;
mod parquet_sources;
mod quarantines;
mod real;
mod refusals;
mod rows;
mod several;
