//! What can go wrong between a client and a lake.

use lakebed_api::{BrokenStream, Problem};
use url::Url;

use crate::BoxError;

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The lake answered, and this is why it did not do it.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// Nobody answers there; trying later may help.
    #[error("no server answers at `{url}`")]
    Unreachable {
        /// Where.
        url: Url,
        /// What happened to the connection.
        #[source]
        source: BoxError,
    },
    /// A token would go over the network in the clear.
    #[error("a token is not sent to `{url}`: others on the way could read it")]
    Insecure {
        /// Where.
        url: Url,
    },
    /// Somebody answers, but does not speak this API.
    #[error("the answer is not one of Lakebed's: {what}")]
    Protocol {
        /// What is wrong with it.
        what: String,
    },
    /// What was to be sent cannot be read.
    #[error("what was to be sent cannot be read")]
    Source {
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The answer ended before its end: what came is not all. What was asked for may have been
    /// done or not.
    #[error("the answer broke off: {what}")]
    Broken {
        /// What was missing.
        what: &'static str,
        /// What happened to the connection, where it is known.
        #[source]
        source: Option<BoxError>,
    },
}

impl ClientError {
    /// The stable word for it, as in [`Problem::code`]; `unreachable`, `insecure`, `protocol`
    /// and `broken-answer` are the client's own.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Problem(problem) => &problem.code,
            Self::Unreachable { .. } => "unreachable",
            Self::Insecure { .. } => "insecure",
            Self::Protocol { .. } => "protocol",
            Self::Source { .. } => "unreadable-source",
            Self::Broken { .. } => "broken-answer",
        }
    }

    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol { what: what.into() }
    }

    /// A body broke. In process its reason is in the chain of sources; over a socket it is lost.
    pub(crate) fn from_body(source: BoxError) -> Self {
        if let Some(problem) = find_problem(source.as_ref()) {
            return Self::Problem(Box::new(problem));
        }
        Self::Broken { what: "the connection was cut before the end", source: Some(source) }
    }
}

fn find_problem(error: &(dyn std::error::Error + 'static)) -> Option<Problem> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(BrokenStream(problem)) = error.downcast_ref() {
            return Some(problem.as_ref().clone());
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            // An IO error skips what it carries when asked for its source.
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}
