//! The HTTP door over a real lake: what is asked, what is answered, how it fails.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod attacks;
mod auth;
mod breakage;
mod certificates;
mod compression;
mod formats;
mod ingest;
mod issuer;
mod jobs;
mod limits;
mod live;
mod logs;
mod mutations;
mod objects;
mod openapi;
mod openlineage;
mod operations;
mod people;
mod problems;
mod products;
mod promotions;
mod proxy;
mod resources;
mod runs;
mod sockets;
mod statements;
mod strangers;
mod support;
mod uploads;
mod urls;
