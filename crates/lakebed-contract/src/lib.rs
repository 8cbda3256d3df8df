//! Contracts as pure functions: no IO, no clock, no randomness.
//!
//! * [`read_contract`] makes a [`Contract`] out of the YAML of the Open Data Contract Standard, or
//!   says in which lines it cannot be meant like that, and what of it is kept without being enforced.
//! * [`check_contract`] holds one that came another way to the same rules.
//! * [`bind`] fits its rules to a table; [`ValueRule::holds`] is what measuring a value must say.
//! * [`count_finding`] and its like make facts of what was measured; [`decide`] says what they do to
//!   a version.
//! * [`classify`] compares two contracts for those who rely on them.
//! * [`infer_contract`] proposes a first one.
//!
//! Measuring rules on data is left to those who hold the data. This crate knows no catalog, and
//! nobody's rights.
//!
//! [`Contract`]: lakebed_core::contract::Contract

mod bind;
mod classify;
mod infer;
mod judge;
mod odcs;
mod pattern;
pub mod scalar;
mod semver;
mod value;
pub mod yaml;

pub use bind::{
    BindFlaw, BoundCheck, Cell, Comparison, DuplicateRule, RelationshipRule, RowRules, Scalar,
    ValueRule, bind, decode_type, fits_type,
};
pub use classify::{Change, Level, Reason, VersionFlaw, check_version, classify};
pub use infer::{ColumnProfile, Profile, infer_contract};
pub use judge::{
    Consequence, Decision, consequence_for_row, consequence_of, count_finding, decide,
    freshness_finding, is_ahead, value_finding,
};
pub use odcs::{Note, NoteKind, ReadContract, dataset_of_file, read_contract};
pub use pattern::{Pattern, PatternError};
pub use value::{ContractFlaw, check_contract};
