//! Reads on record (P12): who read what, before they see it, and what came of it after.
//!
//! A read that cannot be put on record does not take place.

mod digest;
mod log;
mod receipt;
mod record;
mod replay;

use std::{sync::Arc, time::Instant};

use arrow::record_batch::RecordBatch;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};

pub use receipt::{Receipt, ReceiptOutcome, ReceiptVersion};
pub use record::{
    Asked, ReadBody, ReadColumns, ReadEnding, ReadIntent, ReadOutcome, ReadVersion, StoredRead,
};
pub use replay::{Replay, Verdict};

pub(crate) use digest::ResultDigest;
pub(crate) use log::ReadLog;
pub(crate) use record::{engine_build, without_key};

use crate::{
    Ctx, Error, ResolvedVersion, Result,
    engine::{EngineError, QueryStream},
    lake::random_id,
};

/// A read under way. However it ends, that is on record: dropping it says that nobody waited for its
/// end.
pub(crate) struct Reading {
    log: Arc<ReadLog>,
    id: String,
    principal: String,
    started: Instant,
    /// None once it is on record.
    intent: Option<Box<ReadIntent>>,
    outcome: ReadOutcome,
    is_over: bool,
}

impl Reading {
    /// A read that begins now.
    pub(crate) fn begin(log: &Arc<ReadLog>, ctx: &Ctx, asked: Asked) -> Result<Self> {
        Ok(Self {
            log: Arc::clone(log),
            id: random_id()?,
            principal: ctx.actor().to_owned(),
            started: Instant::now(),
            intent: Some(Box::new(ReadIntent::of(ctx, asked))),
            outcome: ReadOutcome {
                ending: ReadEnding::Cancelled,
                code: None,
                columns: Vec::new(),
                rows: 0,
                bytes: 0,
                duration_us: 0,
                result: None,
                unstable: Vec::new(),
            },
            is_over: false,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Notes what is about to be read.
    pub(crate) fn about(&mut self, note: impl FnOnce(&mut ReadIntent)) {
        self.intent.as_deref_mut().map(note).unwrap_or_default();
    }

    /// Returns once the intent is durable.
    pub(crate) async fn intend(&mut self) -> Result<()> {
        let count = self.put_intent();
        self.log.write_through(count).await
    }

    fn put_intent(&mut self) -> u64 {
        match self.intent.take() {
            Some(intent) => self.log.put(&self.id, &self.principal, &ReadBody::Intent(intent)),
            None => 0,
        }
    }

    /// It came to nothing: whoever is told so is on record before.
    pub(crate) async fn refused(mut self, error: &Error) {
        self.outcome.code = Some(error.code().to_owned());
        self.end(match error {
            Error::NotFound { .. } | Error::Forbidden { .. } => ReadEnding::Denied,
            Error::Cancelled => ReadEnding::Cancelled,
            _ => ReadEnding::Failed,
        });
        self.log.flush_or_warn().await;
    }

    fn end(&mut self, ending: ReadEnding) {
        self.outcome.ending = ending;
        self.put_outcome();
    }

    fn put_outcome(&mut self) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        self.put_intent();
        let micros = self.started.elapsed().as_micros();
        self.outcome.duration_us = u64::try_from(micros).unwrap_or(u64::MAX);
        let outcome = Box::new(self.outcome.clone());
        self.log.put(&self.id, &self.principal, &ReadBody::Outcome(outcome));
    }

    /// The versions that something other than rows is told of, to those who may see all of them.
    pub(crate) async fn tells_of(&mut self, versions: &[ResolvedVersion]) -> Result<()> {
        self.about(|intent| {
            intent.versions = versions.iter().map(ReadVersion::whole).collect();
        });
        self.intend().await
    }

    /// Ends with `answer`, which is handed on.
    pub(crate) async fn close<T>(mut self, answer: Result<T>) -> Result<T> {
        match &answer {
            Ok(_) => self.end(ReadEnding::Allowed),
            Err(error) => self.refused(error).await,
        }
        answer
    }

    /// The rows of `stream`, noted as they go by.
    pub(crate) fn follow(mut self, stream: QueryStream) -> QueryStream {
        let QueryStream { schema, batches, columns, unstable } = stream;
        self.outcome.columns.clone_from(&columns);
        self.outcome.unstable.clone_from(&unstable);
        let digest = ResultDigest::new(&schema);
        let followed = Followed { reading: self, digest, batches };
        let batches = stream::unfold(Some(followed), |followed| async {
            let mut followed = followed?;
            match followed.batches.next().await {
                Some(Ok(batch)) => {
                    followed.rows(&batch);
                    Some((Ok(batch), Some(followed)))
                }
                Some(Err(error)) => {
                    followed.reading.failed(&error);
                    followed.reading.log.flush_or_warn().await;
                    Some((Err(error), None))
                }
                None => {
                    followed.is_whole();
                    None
                }
            }
        });
        QueryStream { schema, batches: batches.boxed(), columns, unstable }
    }

    fn failed(&mut self, error: &EngineError) {
        self.outcome.code = Some(error.code().to_owned());
        self.end(ReadEnding::Failed);
    }

    /// Bytes of `stream`, noted as they go by.
    pub(crate) fn follow_bytes(
        self,
        bytes: BoxStream<'static, Result<bytes::Bytes>>,
    ) -> BoxStream<'static, Result<bytes::Bytes>> {
        stream::unfold(Some((self, bytes)), |state| async {
            let (mut reading, mut bytes) = state?;
            match bytes.next().await {
                Some(Ok(part)) => {
                    reading.outcome.bytes += part.len() as u64;
                    Some((Ok(part), Some((reading, bytes))))
                }
                Some(Err(error)) => {
                    reading.refused(&error).await;
                    Some((Err(error), None))
                }
                None => {
                    reading.end(ReadEnding::Allowed);
                    None
                }
            }
        })
        .boxed()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.put_outcome();
    }
}

struct Followed {
    reading: Reading,
    digest: ResultDigest,
    batches: BoxStream<'static, std::result::Result<RecordBatch, EngineError>>,
}

impl Followed {
    fn rows(&mut self, batch: &RecordBatch) {
        self.digest.add(batch);
        self.reading.outcome.rows = self.digest.rows();
        self.reading.outcome.bytes = self.digest.bytes();
    }

    fn is_whole(&mut self) {
        self.reading.outcome.result = Some(self.digest.digest());
        self.reading.end(ReadEnding::Allowed);
    }
}
