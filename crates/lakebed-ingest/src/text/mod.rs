//! Delimited text as bytes: where records and fields begin and end. Knows no types.

pub(crate) mod border;
pub(crate) mod mask;
pub(crate) mod tokens;

pub(crate) use border::BorderScan;
pub(crate) use tokens::{Dialect, RawField, Record, RowBlock, Tokeniser};
