//! Why a use case did not do what it was asked, named for what the caller can do about it.

mod from_below;

use std::path::Path;

use lakebed_core::ObjectId;

use crate::engine::EngineError;

/// `std::result::Result` with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a use case ended without its result. The text is safe to show: it names things, not values.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing.
    #[error("{message}")]
    NotFound {
        /// What was looked for.
        message: String,
        /// What there is instead.
        hint: Option<String>,
    },
    /// The request cannot be meant like that: change it.
    #[error("{message}")]
    Invalid {
        /// A stable word for the reason.
        code: &'static str,
        /// What is wrong with it.
        message: String,
        /// What to ask instead.
        hint: Option<String>,
    },
    /// Rows that are computed when they are asked for cannot be computed as things stand: no fault of
    /// whoever asks.
    #[error("{message}")]
    NotComputed {
        /// Whose rows, and why as far as that may be told.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The sources were kept, but make no version.
    #[error("{message}")]
    Refused {
        /// A stable word for the reason.
        code: &'static str,
        /// The reason.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// The event that names the kept sources.
        event: u64,
    },
    /// Gates are closed before a stage: nothing moved.
    #[error("{message}")]
    NotReady {
        /// Which versions, and which stage.
        message: String,
        /// Everything that holds them back.
        reasons: Vec<String>,
    },
    /// What was sent is understood, and not as it must be: nothing was recorded.
    #[error("{message}")]
    Unfit {
        /// A stable word for what it should be.
        code: &'static str,
        /// What it is not.
        message: String,
        /// Every place that is wrong, and why.
        reasons: Vec<String>,
    },
    /// Others were faster, again and again: try later.
    #[error("{message}")]
    Conflict {
        /// What moved.
        message: String,
    },
    /// The bytes are not what their name says. Never retried, never skipped.
    #[error("object `{object}` is corrupt: {why}")]
    Corrupt {
        /// The object.
        object: ObjectId,
        /// What was found instead.
        why: String,
    },
    /// The place to write to is full.
    #[error("{message}")]
    Full {
        /// Which place.
        message: String,
    },
    /// Too much is going on, or waits, already: try again later.
    #[error("{message}")]
    Busy {
        /// A stable word for what there is too much of.
        code: &'static str,
        /// What there is too much of.
        message: String,
        /// What to do until then.
        hint: String,
        /// When to try again.
        retry_after: std::time::Duration,
    },
    /// The room that is kept for this is taken: try again later.
    #[error("{message}")]
    NoRoom {
        /// Which room.
        message: String,
        /// What to do until then.
        hint: String,
        /// When to try again.
        retry_after: std::time::Duration,
    },
    /// Bytes between are missing.
    #[error("bytes {expected} to {found} are missing")]
    Offset {
        /// Where the bytes sent begin.
        found: u64,
        /// Where they should.
        expected: u64,
    },
    /// The bytes are not what was declared of them.
    #[error("{message}")]
    Mismatch {
        /// A stable word for what does not match.
        code: &'static str,
        /// What was declared and what was found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// It was there, and is not to be had any more: ask again.
    #[error("{message}")]
    Gone {
        /// A stable word for the reason.
        code: &'static str,
        /// What is not to be had.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// A statement has more rows than may wait.
    #[error("{message}")]
    ResultTooLarge {
        /// How much may wait.
        message: String,
    },
    /// The bytes of a result are not what was written. Never retried, never skipped.
    #[error("chunk {chunk} of the result is damaged")]
    ResultDamaged {
        /// The chunk.
        chunk: u64,
    },
    /// More than is ever taken.
    #[error("{message}")]
    TooLarge {
        /// What is too large, and how large it may be.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// The system does not let us.
    #[error("{message}")]
    Denied {
        /// What it does not let us do.
        message: String,
    },
    /// The bucket cannot be used as it is configured.
    #[error("{message}")]
    Bucket {
        /// A stable word for what is wrong.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The caller may know of it, but not do it.
    #[error("{message}")]
    Forbidden {
        /// What takes more than the caller has.
        message: String,
    },
    /// Somebody else holds the database: try later.
    #[error("{message}")]
    Locked {
        /// Which database.
        message: String,
    },
    /// There is no lake.
    #[error("there is no lake at `{root}`")]
    NoLake {
        /// Where we looked.
        root: String,
    },
    /// Lake and database do not fit together: somebody has to look.
    #[error("{message}")]
    Stopped {
        /// What does not fit.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The engine did not answer the statement.
    #[error(transparent)]
    Engine(EngineError),
    /// Store or database did not answer: try later.
    #[error("{message}")]
    Unavailable {
        /// What did not answer.
        message: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller went away.
    #[error("cancelled")]
    Cancelled,
    /// A defect of Lakebed; the cause is for the log.
    #[error("internal error")]
    Internal {
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::NotComputed { .. } => "live-failed",
            Self::Invalid { code, .. }
            | Self::Refused { code, .. }
            | Self::Bucket { code, .. }
            | Self::Busy { code, .. }
            | Self::Gone { code, .. }
            | Self::Unfit { code, .. }
            | Self::Mismatch { code, .. } => code,
            Self::ResultTooLarge { .. } => "result-too-large",
            Self::ResultDamaged { .. } => "result-damaged",
            Self::NoRoom { .. } => "no-room",
            Self::Offset { .. } => "upload-offset",
            Self::TooLarge { .. } => "too-large",
            Self::Conflict { .. } => "conflict",
            Self::NotReady { .. } => "not-ready",
            Self::Corrupt { .. } => "corrupt",
            Self::Full { .. } => "full",
            Self::Denied { .. } => "denied",
            Self::Forbidden { .. } => "forbidden",
            Self::Locked { .. } => "locked",
            Self::NoLake { .. } => "no-lake",
            Self::Stopped { .. } => "stopped",
            Self::Engine(error) => error.code(),
            Self::Unavailable { .. } => "unavailable",
            Self::Cancelled => "cancelled",
            Self::Internal { .. } => "internal",
        }
    }

    /// What to do next, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::NotFound { hint, .. }
            | Self::Invalid { hint, .. }
            | Self::NotComputed { hint, .. }
            | Self::Refused { hint, .. }
            | Self::Engine(
                EngineError::Invalid { hint, .. } | EngineError::NotAllowed { hint, .. },
            ) => return hint.clone(),
            Self::Stopped { hint, .. }
            | Self::Bucket { hint, .. }
            | Self::Busy { hint, .. }
            | Self::NoRoom { hint, .. }
            | Self::Gone { hint, .. }
            | Self::Mismatch { hint, .. }
            | Self::TooLarge { hint, .. } => return Some(hint.clone()),
            Self::Offset { .. } => "ask how far the upload is, and go on from there",
            Self::Conflict { .. } => "try again",
            Self::NotReady { .. } => {
                "`lakebed promote --dry-run` shows every gate; `lakebed approve` and `lakebed waive` are \
                 for those who may"
            }
            Self::ResultTooLarge { .. } => {
                "aggregate or filter, or read it as it comes: `POST /v1/sql` streams any number of rows"
            }
            Self::ResultDamaged { .. } => "run the statement again",
            Self::Corrupt { .. } => {
                "`lakebed verify` names every version it touches; restore that file from a backup"
            }
            Self::Full { .. } => {
                "make room, then run the same command again: it goes on from nothing half-done"
            }
            Self::Denied { .. } => "check the owner and the permissions of that path",
            Self::Forbidden { .. } => {
                "`lakebed access explain` says what you may do; grants come from who may admin the lake"
            }
            Self::Locked { .. } => "another process is writing: try again when it is done",
            Self::NoLake { .. } => "`lakebed ingest` creates one; or name another with `--lake`",
            Self::Engine(EngineError::Exhausted { .. }) => {
                "ask for less: fewer rows, columns or steps"
            }
            Self::Unavailable { .. } => "try again; if it lasts, look at the place it names",
            Self::Internal { .. } => {
                "this is a defect: please report it with the log of this request"
            }
            Self::Engine(_) | Self::Unfit { .. } | Self::Cancelled => return None,
        };
        Some(fixed.to_owned())
    }

    pub(crate) fn io(path: &Path, error: std::io::Error) -> Self {
        from_below::from_io(path, error)
    }

    pub(crate) fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal { source: Box::new(source) }
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            other => Self::Engine(other),
        }
    }
}
