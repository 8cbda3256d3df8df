//! Delimited text as bytes: where records and fields begin and end. Knows no types.
//!
//! | file | does |
//! |---|---|
//! | `mask` | finds a few byte values |
//! | `tokens` | reads record by record |
//! | `torn` | judges records of several lines: a row, or quotes that went wrong |
//! | `border` | finds where a growing text can be cut |

pub(crate) mod border;
pub(crate) mod mask;
pub(crate) mod tokens;
pub(crate) mod torn;

pub(crate) use border::BorderScan;
pub(crate) use tokens::{Dialect, RawField, Record, RowBlock, Tokeniser};
pub(crate) use torn::RowShape;
