//! The decoder from outside: real and messy files in, Parquet and reasons out.

#![allow(clippy::unwrap_used)]

mod bench;
mod checks;
mod corpus;
mod encodings;
mod json;
mod lead;
mod messy;
mod parquet_sources;
mod quarantines;
mod real;
mod refusals;
mod rows;
mod several;
mod workbooks;
