//! Whether requests can be answered: asked often, so the answer is kept for a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use lakebed_service::Lake;
use tokio::{sync::Mutex, time::Instant};

use crate::problem::{Failure, Result};

/// How long an answer counts.
const KEPT: Duration = Duration::from_secs(1);

/// How long database and store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether a server can answer. Cheap to clone; clones share what they know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stopping: AtomicBool,
    /// Held while asking, so that a hundred probes at once ask once.
    last: Mutex<Option<(Instant, Missing)>>,
}

/// What does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Missing {
    database: bool,
    store: bool,
}

impl Readiness {
    /// From now on it is not ready: it finishes what it has.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
    }

    /// # Errors
    /// 503, which says what is missing and names no address.
    pub(crate) async fn check(&self, lake: &Lake) -> Result<()> {
        if self.0.stopping.load(Ordering::SeqCst) {
            return Err(not_ready("the server is stopping"));
        }
        match self.missing(lake).await {
            Missing { database: false, store: false } if !lake.publishes() => {
                Err(not_ready("what is committed cannot be put into the journal"))
            }
            Missing { database: false, store: false } => Ok(()),
            Missing { database: true, store: false } => {
                Err(not_ready("the database does not answer"))
            }
            Missing { database: false, store: true } => {
                Err(not_ready("the object store does not answer"))
            }
            Missing { database: true, store: true } => {
                Err(not_ready("neither the database nor the object store answers"))
            }
        }
    }

    async fn missing(&self, lake: &Lake) -> Missing {
        let mut last = self.0.last.lock().await;
        if let Some((at, missing)) = *last
            && at.elapsed() < KEPT
        {
            return missing;
        }
        let database = tokio::time::timeout(PATIENCE, lake.check_catalog());
        let store = tokio::time::timeout(PATIENCE, lake.check_store());
        let (database, store) = tokio::join!(database, store);
        let missing = Missing {
            database: is_missing("database", database),
            store: is_missing("object store", store),
        };
        *last = Some((Instant::now(), missing));
        missing
    }
}

/// The cause is for the log; whoever probes learns which of the two it is.
fn is_missing<E>(what: &str, answer: Result<lakebed_service::Result<()>, E>) -> bool {
    match answer {
        Ok(Ok(())) => false,
        Ok(Err(error)) => {
            let cause = crate::problem::causes(&error).unwrap_or_default();
            tracing::warn!(code = error.code(), cause, "not ready: the {what} does not answer");
            true
        }
        Err(_elapsed) => {
            tracing::warn!("not ready: the {what} did not answer within {} s", PATIENCE.as_secs());
            true
        }
    }
}

fn not_ready(detail: &str) -> Failure {
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail)
        .header(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"))
}
