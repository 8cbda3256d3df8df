//! What makes a change invalid whatever the state of the race.
//!
//! Events come from callers and, when a catalog is rebuilt, from files anyone may have edited; each
//! of these is the cause of an [`Error::Invalid`](crate::Error::Invalid), never a panic.

use lakebed_core::{ObjectId, TokenId, VersionId};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("a commit needs at least one change")]
    Empty,
    #[error("{what} is {value}, which is more than can be recorded")]
    TooLarge { what: &'static str, value: u64 },
    #[error("{what} must be 1 to 255 bytes of text without control characters")]
    Text { what: &'static str },
    #[error("a name in a lineage has at most 1000 bytes, none of them NUL")]
    LineageName,
    #[error("its time {found} lies before the event before it")]
    Time { found: lakebed_core::Timestamp },
    #[error("the head of stage `raw` follows the versions and is never moved")]
    RawMoved,
    #[error("version `v{number}` is another one than was promoted")]
    OtherVersion { number: u64 },
    #[error("object `{object}` was recorded with another size or hash tree")]
    ObjectDiffers { object: ObjectId },
    #[error("object `{object}` is named, but neither listed nor recorded before")]
    ObjectUnknown { object: ObjectId },
    #[error("version id `{version_id}` is already a version of this dataset")]
    VersionTwice { version_id: VersionId },
    #[error("it was computed from `{version_id}`, which is no version of that dataset before it")]
    InputUnknown { version_id: VersionId },
    #[error("version `v{number}` is not live: its rows are in files")]
    NotLive { number: u64 },
    #[error("the catalog it declares has another digest than it says")]
    DeclaredDiffers,
    #[error("token `{token}` was made before")]
    TokenTwice { token: TokenId },
    #[error("its body would be read as another one than was written")]
    OtherBody,
    #[error("its key was used by an earlier commit")]
    KeyTwice,
}

/// Checks text that becomes part of a key.
pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), Flaw> {
    let fits = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Flaw::Text { what }) }
}

/// The database counts to 2⁶³ − 1.
pub(crate) fn to_i64(what: &'static str, value: u64) -> Result<i64, Flaw> {
    i64::try_from(value).map_err(|_| Flaw::TooLarge { what, value })
}
