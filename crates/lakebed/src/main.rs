//! The lakebed command: reads the command line and the environment, wires the crates together, and
//! ends with a documented exit code.

mod app;
mod atomic;
mod cli;
mod commands;
mod config;
mod connect;
mod credentials;
mod descriptors;
mod engine;
mod fetch;
mod lockfile;
mod logs;
mod output;
mod panics;
mod parameters;
mod problem;
mod program;
mod progress;
mod quarantine;
mod reading;
mod running;
mod signals;
mod sources;
mod traces;
mod upload;

use std::process::ExitCode;

/// Ingest and SQL allocate from many threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    panics::install();
    let exit = panics::guard(app::run);
    ExitCode::from(exit as u8)
}
