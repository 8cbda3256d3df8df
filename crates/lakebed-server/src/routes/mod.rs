//! The handlers, one noun a file: parse, call the lake, convert.

pub(crate) mod catalog;
pub(crate) mod contract;
pub(crate) mod dataset;
pub(crate) mod diff;
pub(crate) mod event;
pub(crate) mod ingest;
pub(crate) mod job;
pub(crate) mod lake;
pub(crate) mod lineage;
pub(crate) mod object;
pub(crate) mod openlineage;
mod problems;
pub(crate) mod product;
pub(crate) mod profile;
pub(crate) mod promotion;
pub(crate) mod receipt;
pub(crate) mod resolve;
pub(crate) mod row;
pub(crate) mod run;
pub(crate) mod sql;
pub(crate) mod statement;
pub(crate) mod token;
pub(crate) mod upload;
pub(crate) mod verify;
pub(crate) mod version;
