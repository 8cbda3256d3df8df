//! Rows in chunks: cut, written down, and read back.
//!
//! A chunk is an Arrow IPC stream of its own, its buffers compressed with zstd. Invariant: the same
//! rows in the same order make the same chunks, in whatever batches they came. Where batches end may
//! depend on rows that their reader does not see; what waits must not.

use std::io::Cursor;

use arrow::{
    array::{Array as _, RecordBatch},
    compute::BatchCoalescer,
    datatypes::SchemaRef,
    error::ArrowError,
    ipc::{
        CompressionType,
        reader::StreamReader,
        writer::{IpcWriteOptions, StreamWriter},
    },
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use lakebed_core::ObjectId;

use crate::{
    Error, Result,
    engine::{EngineError, QueryStream},
};

/// Rows of one batch of a chunk.
const BLOCK_ROWS: usize = 8192;
/// A chunk ends with the block in which it has so many rows,
const CHUNK_ROWS: u64 = 1 << 19;
/// or so many bytes in memory.
const CHUNK_BYTES: u64 = 8 << 20;

/// A chunk that is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) row_count: u64,
    pub(super) digest: ObjectId,
    pub(super) bytes: Bytes,
}

/// Cuts rows as they come. Much computing: call it where blocking is fine.
pub(super) struct Cutter {
    schema: SchemaRef,
    blocks: BatchCoalescer,
    open: Option<Open>,
    has_cut: bool,
}

/// A chunk that is being written.
struct Open {
    writer: StreamWriter<Vec<u8>>,
    row_count: u64,
    /// In memory, as they came.
    size_bytes: u64,
}

impl Cutter {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        let blocks = BatchCoalescer::new(SchemaRef::clone(schema), BLOCK_ROWS);
        Self { schema: SchemaRef::clone(schema), blocks, open: None, has_cut: false }
    }

    /// Takes rows; gives the chunks that are full.
    pub(super) fn push(&mut self, batch: RecordBatch) -> Result<Vec<Cut>, ArrowError> {
        self.blocks.push_batch(batch)?;
        self.cut()
    }

    /// The last chunks. There is always one: of no rows, too, the columns are told.
    pub(super) fn finish(mut self) -> Result<Vec<Cut>, ArrowError> {
        self.blocks.finish_buffered_batch()?;
        let mut chunks = self.cut()?;
        match self.open.take() {
            Some(open) => chunks.push(open.close()?),
            None if !self.has_cut => chunks.push(Open::begin(&self.schema)?.close()?),
            None => {}
        }
        Ok(chunks)
    }

    fn cut(&mut self) -> Result<Vec<Cut>, ArrowError> {
        let mut full = Vec::new();
        while let Some(block) = self.blocks.next_completed_batch() {
            for part in parts(&block) {
                let mut open = match self.open.take() {
                    Some(open) => open,
                    None => Open::begin(&self.schema)?,
                };
                open.write(&part)?;
                match open.is_full() {
                    true => full.push(open.close()?),
                    false => self.open = Some(open),
                }
            }
        }
        self.has_cut |= !full.is_empty();
        Ok(full)
    }
}

impl Open {
    fn begin(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let zstd = Some(CompressionType::ZSTD);
        let options = IpcWriteOptions::default().try_with_compression(zstd)?;
        let writer = StreamWriter::try_new_with_options(Vec::new(), schema, options)?;
        Ok(Self { writer, row_count: 0, size_bytes: 0 })
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.row_count += batch.num_rows() as u64;
        self.size_bytes += size_of(batch);
        self.writer.write(batch)
    }

    const fn is_full(&self) -> bool {
        self.row_count >= CHUNK_ROWS || self.size_bytes >= CHUNK_BYTES
    }

    fn close(self) -> Result<Cut, ArrowError> {
        let bytes = Bytes::from(self.writer.into_inner()?);
        Ok(Cut { row_count: self.row_count, digest: ObjectId::of(&bytes), bytes })
    }
}

/// A block, or, where its rows are long, parts of it that make about a chunk each.
fn parts(block: &RecordBatch) -> impl Iterator<Item = RecordBatch> {
    let rows = block.num_rows();
    let chunks = usize::try_from(size_of(block).div_ceil(CHUNK_BYTES)).unwrap_or(rows);
    let at_once = rows.div_ceil(chunks.max(1)).max(1);
    (0..rows).step_by(at_once).map(move |start| block.slice(start, at_once.min(rows - start)))
}

/// What the rows take up, whatever else their buffers hold.
fn size_of(batch: &RecordBatch) -> u64 {
    let size = |column: &arrow::array::ArrayRef| match column.to_data().get_slice_memory_size() {
        Ok(size_bytes) => size_bytes as u64,
        Err(_) => column.get_array_memory_size() as u64,
    };
    batch.columns().iter().map(size).sum()
}

/// The rows of a chunk, decoded as they are asked for. `bytes` are verified.
pub(super) async fn read(bytes: Bytes) -> Result<QueryStream> {
    let reader = move || StreamReader::try_new(Cursor::new(bytes), None);
    let reader = blocking(reader).await?;
    let schema = reader.schema();
    let batches = stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        let next = move || Ok(reader.next().transpose()?.map(|batch| (batch, reader)));
        match blocking(next).await {
            Ok(next) => next.map(|(batch, reader)| (Ok(batch), Some(reader))),
            Err(error) => Some((Err(EngineError::Internal { source: error.into() }), None)),
        }
    });
    let batches = batches.boxed();
    Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() })
}

/// Runs `work` on a thread for such work.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArrowError> + Send + 'static,
) -> Result<T> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.map_err(Error::internal)?.map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use futures::TryStreamExt as _;
    use proptest::prelude::*;

    use super::*;

    /// `count` numbers from `start` on, and a text of `length` with each.
    fn rows(start: i64, count: usize, length: usize) -> RecordBatch {
        let numbers = start..start + i64::try_from(count).expect("few rows");
        let text = "x".repeat(length);
        let texts = StringArray::from_iter_values(numbers.clone().map(|_| text.as_str()));
        let numbers = Int64Array::from_iter_values(numbers);
        let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("t", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).expect("two columns of one length")
    }

    fn cut(schema: &SchemaRef, batches: impl IntoIterator<Item = RecordBatch>) -> Vec<Cut> {
        let mut cutter = Cutter::new(schema);
        let mut chunks = Vec::new();
        for batch in batches {
            chunks.extend(cutter.push(batch).expect("rows of these columns"));
        }
        chunks.extend(cutter.finish().expect("rows of these columns"));
        chunks
    }

    async fn read_all(chunks: &[Cut]) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        for chunk in chunks {
            let stream = read(chunk.bytes.clone()).await.expect("a chunk");
            let of_chunk: Vec<_> = stream.batches.try_collect().await.expect("whole");
            let row_count: usize = of_chunk.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(row_count as u64, chunk.row_count);
            batches.extend(of_chunk);
        }
        batches
    }

    #[tokio::test]
    async fn chunks_end_by_rows_and_by_bytes_and_hold_every_row() {
        // Rows of 24 bytes, so that bytes decide, and of 1 MiB: a chunk is less than 16 MiB.
        for (count, length, most) in [(900_000, 12, 400_000), (40, 1 << 20, 15)] {
            let all = rows(0, count, length);
            let chunks = cut(&all.schema(), [all.clone()]);
            assert!(chunks.len() > 1);
            let row_counts: Vec<u64> = chunks.iter().map(|chunk| chunk.row_count).collect();
            assert!(row_counts.iter().all(|rows| (1..=most).contains(rows)), "{row_counts:?}");
            let read = read_all(&chunks).await;
            let read = arrow::compute::concat_batches(&all.schema(), &read).expect("one schema");
            assert_eq!(read, all);
        }
        let narrow = RecordBatch::try_from_iter([(
            "b",
            Arc::new(arrow::array::BooleanArray::from(vec![true; 1_200_000])) as ArrayRef,
        )]);
        let narrow = narrow.expect("one column");
        let chunks = cut(&narrow.schema(), [narrow.clone()]);
        let row_counts: Vec<u64> = chunks.iter().map(|chunk| chunk.row_count).collect();
        assert_eq!(row_counts, [CHUNK_ROWS, CHUNK_ROWS, 1_200_000 - 2 * CHUNK_ROWS]);
    }

    /// An answer of no rows has a chunk, too, which tells its columns.
    #[tokio::test]
    async fn no_rows_are_one_chunk() {
        let schema = rows(0, 0, 1).schema();
        let chunks = cut(&schema, []);
        assert_eq!(chunks.iter().map(|chunk| chunk.row_count).collect::<Vec<_>>(), [0]);
        assert_eq!(read(chunks[0].bytes.clone()).await.expect("a chunk").schema, schema);
        assert!(read_all(&chunks).await.is_empty());
    }

    /// Sizes of batches, and lengths of texts: short rows, long ones, and such that a block is more
    /// than a chunk.
    fn arrivals() -> impl Strategy<Value = (Vec<usize>, usize)> {
        let sizes = |most| proptest::collection::vec(1_usize..most, 1..6);
        prop_oneof![
            (sizes(20_000), Just(1_usize)),
            (sizes(20_000), Just(300)),
            (sizes(4_000), Just(3_000)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// How the rows came is not to be seen in what waits: not where it is cut, not in its bytes.
        #[test]
        fn batches_leave_no_trace((sizes, length) in arrivals()) {
            let count = sizes.iter().sum();
            let all = rows(0, count, length);
            let mut start = 0;
            let pieces = sizes.iter().map(|size| {
                let piece = all.slice(start, *size);
                start += size;
                piece
            });
            let schema = all.schema();
            prop_assert_eq!(cut(&schema, pieces), cut(&schema, [all.clone()]));
        }
    }
}
