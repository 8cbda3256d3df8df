//! Immutable objects: bytes named by their BLAKE3, stored whole, verified whenever they are read.
//!
//! [`Store`] keeps two kinds of things below the root of a lake: objects under
//! `objects/9f/9f2c61d0…`, and small files under keys of the caller's choice, which are created
//! once. It works on any [`Backend`]: a folder ([`LocalBackend`], which writes files itself, because
//! a torn one under its final name would be trusted) or an object store ([`ObjectStoreBackend`]).
//!
//! * A file becomes an object in two steps: it is *staged*, copied to [`Scratch`] and hashed, and
//!   then *published*, whole and durable.
//! * Reading verifies: small objects whole, parts of larger ones against a hash tree that proves
//!   itself. [`VerifiedObjects`] is the same for crates that speak `object_store`.
//!
//! The store knows no datasets, versions or catalog: which objects exist, and how long they are, is
//! for the caller to say. It deletes nothing but its own scratch, what [`Store::examine`] made to try
//! the place out, and what waits beside the lake: uploads, under `tmp/uploads/`, to become objects, and
//! results, under `tmp/results/`, to be fetched.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::single_range_in_vec_init, reason = "tests may")
)]

mod backend;
mod bucket;
mod cloud;
mod connector;
mod error;
mod examine;
mod kept;
mod key;
mod local;
mod observe;
mod options;
mod publish;
mod ranges;
mod read;
mod reader;
mod remote;
mod results;
mod root;
mod scratch;
mod spool;
mod staged;
mod store;
mod tree;
mod trees;
mod waiting;

pub use backend::{Backend, Content, Created, Listed, ONE_PUT_BYTES, PROBES, Trace};
pub use bucket::{BucketFault, BucketFaultKind};
pub use error::{BoxError, Error, Found, Result};
pub use local::LocalBackend;
pub use observe::{Observer, Operation};
pub use options::{
    AzureOptions, GcsOptions, S3Credentials, S3Options, ScratchOptions, Secret, StoreOptions,
};
pub use publish::Trust;
pub use reader::VerifiedObjects;
pub use remote::ObjectStoreBackend;
pub use results::WaitingResult;
pub use root::Root;
pub use scratch::Scratch;
pub use staged::Staged;
pub use store::Store;
pub use tree::GROUP_BYTES;
pub use waiting::WaitingPart;
