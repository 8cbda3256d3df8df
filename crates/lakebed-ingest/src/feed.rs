//! Sources into parts, in order: chunks of text for workers to decode, batches of Parquet rows.

use std::sync::Arc;

use arrow::array::ArrayRef;
use lakebed_core::Compression;

use crate::{
    Progress, Refusal,
    checks::Checking,
    chunks::{ChunkFault, Sizes},
    encoding::{Passage, Passages},
    engine::{Feeder, Gone},
    input, json_in,
    judged::JudgedBatch,
    layout::{Format, Source},
    refusal::shown,
    rows::{Reading, Trouble},
    sniff::unclosed_quote,
    unique::Turn,
};

/// A part of a source.
pub(crate) enum Fed<R> {
    /// A chunk of text, worked on.
    Chunk {
        source: usize,
        offset: u64,
        result: Result<R, Trouble>,
    },
    /// Rows of the parent's last files: one array per column of the table.
    Tail {
        columns: Vec<ArrayRef>,
        rows: usize,
    },
    /// Rows of a binary format, judged if there are rules: one array per column of the source.
    Batch {
        source: usize,
        batch: Result<JudgedBatch, String>,
    },
    /// The source's end. Its length after decompression; 0 for binary formats.
    End {
        source: usize,
        length: u64,
    },
    /// The source cannot be read on.
    Fault {
        source: usize,
        fault: ChunkFault,
    },
    Refused(Refusal),
}

/// What a worker makes of a chunk.
pub(crate) type Work<R> = fn(Passage, &Reading, Option<Turn>) -> Result<R, Trouble>;

/// Feeds the text of one source, chunk by chunk.
pub(crate) fn feed_text<'e, R: Send + 'e>(
    feeder: &mut Feeder<'e, Fed<R>>,
    index: usize,
    source: &Source,
    reading: &Arc<Reading>,
    sizes: Sizes,
    progress: &dyn Progress,
    work: Work<R>,
) -> Result<(), Gone> {
    let Format::Text(text) = &source.format else { return Ok(()) };
    let mut passages = match Passages::open(&source.path, text, reading, sizes, Some(progress)) {
        Ok(passages) => passages,
        Err(error) => return feeder.send(fault(index, ChunkFault::Io(error))),
    };
    loop {
        match passages.next() {
            Err(error) => return feeder.send(fault(index, error)),
            Ok(None) => {
                let length = passages.told();
                return feeder.send(Fed::End { source: index, length });
            }
            Ok(Some((offset, passage))) => {
                let reading = Arc::clone(reading);
                let turn = reading.checking.as_ref().and_then(Checking::draw);
                feeder.work(move || {
                    let result = work(passage, &reading, turn);
                    Fed::Chunk { source: index, offset, result }
                })?;
            }
        }
    }
}

fn fault<R>(source: usize, fault: ChunkFault) -> Fed<R> {
    Fed::Fault { source, fault }
}

/// The refusal for a source that cannot be cut into chunks; `lines` line ends are before it.
pub(crate) fn refuse_fault(source: &Source, fault: &ChunkFault, lines: u64) -> Refusal {
    if let Format::Json(json) = &source.format {
        return json_in::refuse_fault(&source.name, json.compression, fault, lines);
    }
    match fault {
        ChunkFault::Io(error) => input::refuse(&source.name, compression(source), error),
        ChunkFault::Unclosed { line } => unclosed_quote(&source.name, lines + line + 1),
        ChunkFault::TooLong { line, quote } => {
            too_long(source, lines + line + 1, quote.map(|quote| lines + quote + 1))
        }
    }
}

/// The refusal for a chunk that cannot be decoded; `lines` line ends are before it.
pub(crate) fn refuse_trouble(source: &Source, trouble: &Trouble, lines: u64) -> Refusal {
    if let Format::Json(_) = &source.format {
        return json_in::refuse_trouble(&source.name, trouble, lines);
    }
    match trouble {
        Trouble::Broken { .. } => Refusal::internal("delimited text was read as JSON"),
        Trouble::TooLong { line } => too_long(source, lines + u64::from(*line) + 1, None),
        Trouble::Unclosed { line } => unclosed_quote(&source.name, lines + u64::from(*line) + 1),
        Trouble::Contradicted => Refusal::internal("a known type was contradicted"),
        Trouble::Internal(what) => Refusal::internal(what),
    }
}

fn too_long(source: &Source, line: u64, quote: Option<u64>) -> Refusal {
    let message =
        format!("line {line} of `{}` begins a record longer than 16 MiB", shown(&source.name));
    let hint = match quote {
        Some(quote) => format!("is the quote that opens on line {quote} ever closed?"),
        None => "is it delimited text with line ends?".to_owned(),
    };
    Refusal::new(Refusal::RECORD_TOO_LONG, message).hint(hint)
}

fn compression(source: &Source) -> Option<Compression> {
    match &source.format {
        Format::Text(text) => text.compression,
        Format::Json(json) => json.compression,
        Format::Parquet => None,
    }
}
