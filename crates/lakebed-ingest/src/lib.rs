//! From original bytes to Parquet and quarantine.
//!
//! | step | here |
//! |---|---|
//! | what a source is: format, compression, delimiter, quote, header | [`resolve`] |
//! | which columns and types; what would change them | [`plan`] |
//! | rows into table files, bad rows into quarantine files | [`decode`] |
//! | rules on rows, judged on the way: the seam for contracts | [`RowCheck`] |
//! | what accepted rows look like, of files that were written without saying | [`TableProfiler`] |
//! | the same again without writing, for `verify` | [`recount`] |
//! | quarantine files, of any version | [`QuarantineReader`] |
//! | the Arrow side of a table schema | [`arrow_schema`] |
//!
//! Everything here blocks, on threads of its own; callers on an async runtime wrap it. Nothing here
//! knows a catalog, a store or a dataset's name: paths and a schema come in, files and counts go
//! out, and a file that cannot be taken is a [`Refusal`].
//!
//! Promises kept here: no row disappears (P6), and the same rows give the same bytes, however many
//! threads decoded them and wherever the chunks were cut.

mod account;
mod arrow_types;
mod cell;
mod checks;
mod chunks;
mod computed;
mod contract;
mod decode;
mod encoding;
mod engine;
mod entry;
mod evolve;
mod feed;
mod fence;
mod footer;
mod infer;
mod input;
mod json_in;
mod judged;
#[cfg(test)]
mod laws;
mod layout;
mod limits;
mod names;
mod notes;
mod parquet_in;
mod plan;
mod profile;
mod quarantine;
mod recount;
mod refusal;
mod request;
mod rows;
mod sniff;
#[cfg(test)]
mod strays;
#[cfg(test)]
mod testing;
mod text;
mod unique;
mod writer;
mod xlsx_in;

pub use arrow_types::arrow_schema;
pub use checks::{BrokenRule, RowCheck, RowRule, Rules};
pub use computed::{ComputedRows, unfit_columns};
pub use contract::{ContractRules, Reference};
pub use encoding::encoding_name;
pub use entry::{decode, plan, recount, recount_checked, resolve};
pub use footer::parquet_rows;
pub use names::column_names;
pub use parquet_in::keep_exactly;
pub use profile::TableProfiler;
pub use quarantine::{QuarantineError, QuarantineReader, QuarantinedRow, quarantine_schema};
pub use refusal::Refusal;
pub use request::{
    Base, Decoded, DecodedSource, LocalSource, NoProgress, Phase, Plan, PlannedSource, Progress,
    Recount, Request, WrittenFile,
};
pub use unique::{KeySet, Unique};

/// The part of all rows that may be quarantined when the request does not say; see
/// [`FREE_QUARANTINED_ROWS`].
pub const DEFAULT_MAX_QUARANTINED: f64 = 0.10;

/// By default a source is never refused for this many quarantined rows or fewer, as long as any
/// row was accepted: a small file may have a bad row. A limit given in the request is exact.
pub const FREE_QUARANTINED_ROWS: u64 = 10;
