//! What can go wrong with bytes, named for what the caller can do about it.

use std::{
    error::Error as StdError,
    fmt, io,
    path::{Path, PathBuf},
};

use lakebed_core::ObjectId;

use crate::BucketFault;

/// Any error, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of anything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing is stored there, or there is no such source file.
    #[error("`{key}` not found")]
    NotFound {
        /// The key, or the path of a source.
        key: String,
    },
    /// The bytes are not what their name says. Never retried, never skipped.
    #[error("object `{object}` is corrupt: {found}")]
    Corrupt {
        /// The object that was asked for, or its hash tree.
        object: ObjectId,
        /// What is there instead.
        found: Found,
    },
    /// The operating system or the back end does not let us.
    #[error("access to `{}` denied", path.display())]
    Denied {
        /// What we wanted.
        path: PathBuf,
        /// What it answered.
        #[source]
        source: BoxError,
    },
    /// No space, or no quota, is left where this path lies.
    #[error("no space left for `{}`", path.display())]
    Full {
        /// What we were writing.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: BoxError,
    },
    /// Only regular files have bytes to store.
    #[error("`{}` is {found}, not a regular file", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// The file lost bytes while it was read; reading it again may help.
    #[error("`{}` became shorter while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Only files of this store's own scratch folder are taken over: anything else may be someone's
    /// original, or have a second name through which it can be changed.
    #[error("`{}` is not a file of our own scratch folder", path.display())]
    NotOurs {
        /// What was given.
        path: PathBuf,
    },
    /// A key that this store never writes and so never reads.
    #[error("{key:?} cannot be a key of a lake")]
    Key {
        /// What was given.
        key: String,
    },
    /// The object is not that long.
    #[error("object `{object}` has no bytes {start}..{end}: it is {size_bytes} bytes long")]
    OutOfRange {
        /// The object.
        object: ObjectId,
        /// First byte wanted.
        start: u64,
        /// First byte not wanted.
        end: u64,
        /// Its length.
        size_bytes: u64,
    },
    /// This cannot be the root of a lake.
    #[error("cannot open `{root}` as a lake: {reason}")]
    Root {
        /// What was given.
        root: String,
        /// Why not.
        reason: String,
    },
    /// The stream that was to be stored broke off; nothing is stored.
    #[error("the bytes broke off before their end")]
    BrokeOff {
        /// What its producer said.
        #[source]
        source: BoxError,
    },
    /// Any other failure of the local file system.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What we were doing, as a verb.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the operating system answered.
        #[source]
        source: io::Error,
    },
    /// The bucket cannot be used as it is configured; trying again changes nothing.
    #[error("{fault}")]
    Bucket {
        /// What is wrong, with a hint.
        fault: BucketFault,
        /// What its client said.
        #[source]
        source: BoxError,
    },
    /// The back end did not answer; trying later may help. A write may have happened.
    #[error("the object store is unavailable")]
    Unavailable {
        /// What its client said.
        #[source]
        source: BoxError,
    },
}

/// What is there instead of an object's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Bytes with another digest.
    Bytes(ObjectId),
    /// More or fewer bytes.
    Size {
        /// The object's length.
        expected: u64,
        /// The length of what is there.
        found: u64,
    },
    /// Other bytes in the 256 KiB group that starts at byte `offset`.
    Group {
        /// Where the group starts.
        offset: u64,
    },
    /// The hash tree named for the object is intact but another object's.
    Tree(ObjectId),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(found) => write!(f, "its bytes hash to `{found}`"),
            Self::Size { expected, found } => {
                write!(f, "it is {found} bytes long, expected {expected}")
            }
            Self::Group { offset } => {
                write!(f, "its bytes from {offset} on are not those of its hash tree")
            }
            Self::Tree(tree) => write!(f, "the hash tree `{tree}` is not that of this object"),
        }
    }
}

impl Error {
    /// Finds one of our errors among the causes of another crate's error.
    ///
    /// Query engines wrap what [`crate::VerifiedObjects`] answers several times over; this is how
    /// [`Error::Corrupt`] is recognised again.
    #[must_use]
    pub fn find_in<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(ours) = error.downcast_ref() {
                return Some(ours);
            }
            cause = error.source();
        }
        None
    }

    /// Sorts a failure of the file system while `doing` something to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{
            NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let path = path.to_owned();
        match source.kind() {
            NotFound => Self::NotFound { key: path.display().to_string() },
            PermissionDenied | ReadOnlyFilesystem => Self::Denied { path, source: source.into() },
            StorageFull | QuotaExceeded => Self::Full { path, source: source.into() },
            _ => Self::Io { doing, path, source },
        }
    }

    pub(crate) fn not_found(key: &str) -> Self {
        Self::NotFound { key: key.to_owned() }
    }

    pub(crate) fn wrong_size(object: ObjectId, expected: u64, found: u64) -> Self {
        Self::Corrupt { object, found: Found::Size { expected, found } }
    }
}

/// Runs file work off the async threads. What it logs belongs to the same request.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(Error::Unavailable { source: error.into() }),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// A full disk and a folder that may not be written are told apart, by name.
    #[test]
    fn failures_of_the_file_system_are_sorted() {
        let sorted = |code| Error::io("write", Path::new("x"), io::Error::from_raw_os_error(code));
        let code = |errno: Errno| errno.raw_os_error();
        assert!(matches!(sorted(code(Errno::NOSPC)), Error::Full { .. }));
        assert!(matches!(sorted(code(Errno::DQUOT)), Error::Full { .. }));
        assert!(matches!(sorted(code(Errno::ACCESS)), Error::Denied { .. }));
        assert!(matches!(sorted(code(Errno::PERM)), Error::Denied { .. }));
        assert!(matches!(sorted(code(Errno::ROFS)), Error::Denied { .. }));
        assert!(matches!(sorted(code(Errno::NOENT)), Error::NotFound { .. }));
        assert!(matches!(sorted(code(Errno::IO)), Error::Io { .. }));
    }

    #[test]
    fn our_error_is_found_below_others() {
        let ours = Error::not_found("objects/x");
        let theirs = object_store::Error::Generic { store: "x", source: Box::new(ours) };
        let outer = io::Error::other(theirs);
        assert!(matches!(Error::find_in(&outer), Some(Error::NotFound { .. })));
        assert!(Error::find_in(&io::Error::other("else")).is_none());
    }
}
