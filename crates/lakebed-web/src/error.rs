//! Why bytes could not be had from a URL.
//!
//! An error never repeats what the other side said, nor an address: whoever asks a server to fetch
//! must not learn from it what stands in the server's network. The causes are for the log.

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why bytes could not be had from a URL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no URL of a file on the web.
    #[error("this URL cannot be fetched: {why}")]
    Invalid {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The policy does not list it.
    #[error("the host of this URL is not among those that may be fetched from")]
    NotAllowed,
    /// No connection, no such name, an address that may not be reached, no certificate, another
    /// answer than 200, too many redirects or one that leads astray: all the same to the asker.
    #[error("nothing could be fetched from this URL")]
    Unavailable {
        /// For the log, and for whoever fetches for themselves.
        cause: String,
    },
    /// There is more of it than may be taken.
    #[error("there are more bytes at this URL than the {most} that may be fetched")]
    TooLarge {
        /// How many may be taken.
        most: u64,
    },
    /// It came too slowly, or took too long as a whole.
    #[error("the bytes at this URL came too slowly")]
    TooSlow,
}

impl Error {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "invalid-url",
            Self::NotAllowed => "url-not-allowed",
            Self::Unavailable { .. } => "url-unavailable",
            Self::TooLarge { .. } => "url-too-large",
            Self::TooSlow => "url-too-slow",
        }
    }

    /// What a person at this machine may read, and a client of a server may not.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Unavailable { cause } => Some(cause),
            _ => None,
        }
    }

    pub(crate) fn unavailable(cause: impl Into<String>) -> Self {
        Self::Unavailable { cause: cause.into() }
    }
}
