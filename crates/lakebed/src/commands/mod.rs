//! One file a command: its arguments, and the sequence of what it does. They speak to a lake through
//! `lakebed-client` alone, wherever it is; `rebuild`, `doctor`, `openlineage` and `serve` are the exceptions,
//! for they are about the place and the process themselves.

pub(crate) mod access;
pub(crate) mod build;
pub(crate) mod catalog;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod contract;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod fetch;
pub(crate) mod history;
pub(crate) mod impact;
pub(crate) mod ingest;
pub(crate) mod job;
pub(crate) mod lineage;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod login;
pub(crate) mod ls;
pub(crate) mod openlineage;
pub(crate) mod product;
pub(crate) mod promotion;
pub(crate) mod quarantine;
pub(crate) mod ready;
pub(crate) mod rebuild;
pub(crate) mod receipt;
pub(crate) mod repair;
pub(crate) mod report;
pub(crate) mod resolve;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod sql;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod whoami;
