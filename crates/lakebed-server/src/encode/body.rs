//! The body of an answer: pulls batches, encodes them off the async threads, breaks visibly.
//!
//! A few rows are encoded where they are: handing them to another thread would take longer.

use std::collections::VecDeque;

use arrow::{
    array::{Array as _, ArrayRef},
    record_batch::RecordBatch,
};
use axum::body::Body;
use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, Fuse},
};
use lakebed_api::BrokenStream;
use lakebed_service::engine::{EngineError, QueryStream};

use super::{BoxError, Encoder, not_encodable};
use crate::{
    lines::Reader,
    metrics::StatementTally,
    problem::{Failure, Result},
};

/// So many cells are few.
const FEW_CELLS: usize = 1024;
/// So many bytes of them, too.
const FEW_BYTES: usize = 16 << 10;

/// An answer that has begun: its first rows are encoded.
pub(crate) struct AnswerBody {
    source: Source,
    /// Encoded, not yet sent.
    first: Bytes,
    reader: Reader,
    statement_id: String,
    tally: StatementTally,
}

/// What is left to encode.
struct Source {
    /// None while a thread has it, and after the end.
    encoder: Option<Box<dyn Encoder>>,
    /// Asked once more after its end when there are no rows.
    batches: Fuse<BoxStream<'static, Result<RecordBatch, EngineError>>>,
    /// Slices of a batch that came.
    slices: VecDeque<RecordBatch>,
    /// Rows that came and were not counted yet.
    rows: usize,
}

/// Where the body is.
enum State {
    Running(AnswerBody),
    /// The last words are said; the reader's connection gets a chance to send them before the cut.
    Breaking(BrokenStream),
    Ended,
}

impl AnswerBody {
    /// Waits for the first rows, or for the end if there are none.
    ///
    /// # Errors
    /// Whatever goes wrong before anything was sent.
    pub(crate) async fn begin(
        encoder: Box<dyn Encoder>,
        stream: QueryStream,
        reader: Reader,
        statement_id: String,
        mut tally: StatementTally,
    ) -> Result<Self> {
        let slices = VecDeque::new();
        let mut source =
            Source { encoder: Some(encoder), batches: stream.batches.fuse(), slices, rows: 0 };
        let first = source.begin().await.inspect_err(|failure| tally.failed(failure.status()))?;
        Ok(Self { source, first: first.into(), reader, statement_id, tally })
    }

    /// The body. Ends without an error only after the encoder's end.
    pub(crate) fn into_body(self) -> Body {
        let parts = stream::unfold(State::Running(self), |state| async move {
            match state {
                State::Running(answer) => answer.step().await,
                State::Breaking(broken) => {
                    // The transport writes what it has only when we have nothing for it.
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    Some((Err(broken), State::Ended))
                }
                State::Ended => None,
            }
        });
        Body::from_stream(parts)
    }

    async fn step(mut self) -> Option<(Result<Bytes, BrokenStream>, State)> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.count(first.len());
            return Some((Ok(first), State::Running(self)));
        }
        match self.source.next().await {
            Ok(Some(bytes)) => {
                self.count(bytes.len());
                Some((Ok(bytes), State::Running(self)))
            }
            Ok(None) => {
                self.tally.answered();
                None
            }
            Err(failure) => Some(self.break_off(&failure)),
        }
    }

    fn count(&mut self, bytes: usize) {
        self.tally.add_bytes(bytes);
        self.tally.add_rows(std::mem::take(&mut self.source.rows));
    }

    fn break_off(mut self, failure: &Failure) -> (Result<Bytes, BrokenStream>, State) {
        tracing::warn!(
            request_id = self.reader.request_id,
            statement_id = self.statement_id,
            code = failure.code(),
            cause = failure.cause(),
            "the answer to a statement broke off"
        );
        self.tally.failed(failure.status());
        let problem = failure.problem(self.reader.access, &self.reader.request_id);
        let encoder = self.source.encoder.take();
        let words = encoder.map(|mut encoder| encoder.last_words(&problem)).unwrap_or_default();
        (Ok(words.into()), State::Breaking(BrokenStream(Box::new(problem))))
    }
}

impl Source {
    /// The head of the answer, and the first rows if there are any.
    async fn begin(&mut self) -> Result<Vec<u8>> {
        let mut first = self.encode(true, |encoder, out| encoder.begin(out)).await?;
        if self.pull().await? {
            first.extend(self.encode_slice().await?);
        }
        Ok(first)
    }

    /// The next bytes; none after the end.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.encoder.is_none() {
                return Ok(None);
            }
            if !self.pull().await? {
                let last = self.encode(true, |encoder, out| encoder.end(out)).await?;
                self.encoder = None;
                return Ok(Some(last.into()));
            }
            let bytes = self.encode_slice().await?;
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
    }

    /// Makes a slice ready; false when no rows are left.
    async fn pull(&mut self) -> Result<bool> {
        while self.slices.is_empty() {
            let Some(batch) = self.batches.next().await.transpose()? else { return Ok(false) };
            self.rows += batch.num_rows();
            let size = self.encoder.as_ref().map_or(usize::MAX, |encoder| encoder.rows_at_once());
            self.slices = slices(&batch, size).collect();
        }
        Ok(true)
    }

    async fn encode_slice(&mut self) -> Result<Vec<u8>> {
        match self.slices.pop_front() {
            Some(slice) => {
                let are_few = are_few(&slice);
                self.encode(are_few, move |encoder, out| encoder.batch(&slice, out)).await
            }
            None => Ok(Vec::new()),
        }
    }

    /// Runs the encoder, on a thread for such work where it is much. On an error it is given back too.
    async fn encode(
        &mut self,
        is_little: bool,
        step: impl FnOnce(&mut dyn Encoder, &mut Vec<u8>) -> Result<(), BoxError> + Send + 'static,
    ) -> Result<Vec<u8>> {
        let encoder = self.encoder.take();
        let mut encoder = encoder.ok_or_else(|| Failure::internal("the encoder has ended"))?;
        let is_little = is_little && encoder.is_light();
        let work = move || {
            let mut out = Vec::new();
            let result = step(encoder.as_mut(), &mut out);
            (encoder, result.map(|()| out))
        };
        let (encoder, result) = match is_little {
            true => work(),
            false => {
                let work = tokio::task::spawn_blocking(work).await;
                work.map_err(|error| Failure::internal(error.to_string()))?
            }
        };
        self.encoder = Some(encoder);
        result.map_err(|error| cannot_encode(error.as_ref()))
    }
}

fn are_few(rows: &RecordBatch) -> bool {
    let bytes = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or(usize::MAX);
    rows.num_rows() * rows.num_columns() <= FEW_CELLS
        && rows.columns().iter().map(bytes).fold(0, usize::saturating_add) <= FEW_BYTES
}

fn slices(batch: &RecordBatch, size: usize) -> impl Iterator<Item = RecordBatch> {
    let rows = batch.num_rows();
    let starts = (0..rows).step_by(size.max(1));
    starts.map(move |start| batch.slice(start, size.min(rows - start)))
}

/// The writers name types, not values.
fn cannot_encode(error: &(dyn std::error::Error + 'static)) -> Failure {
    not_encodable(format!("the answer cannot be written in this format: {error}"))
        .hint("ask for `application/vnd.apache.arrow.stream`, or cast the column")
}
