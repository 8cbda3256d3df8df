//! JSON as a source: objects on lines (NDJSON), in one array, or one after the other.
//!
//! | file | does |
//! |---|---|
//! | `cut` | the source into chunks of whole records, chunks into records |
//! | `recognise` | whether a source is JSON, and in which form |
//! | `parse` | a record into values that remember how they were written |
//! | `shape` | what values say about types, all of them together |
//! | `look` | a source into its keys and types |
//! | `rows` | a chunk into rows |
//! | `build` | values into Arrow arrays |
//! | `notes` | what a user should know |
//!
//! A source is looked through once for its keys and types and once more for its rows: a key may come
//! first in the last record. Records that are no sound object go to the quarantine; brackets, commas
//! and white space between records are `punctuation` (P6).

mod build;
mod cut;
#[cfg(test)]
mod laws;
mod look;
mod notes;
mod parse;
mod recognise;
mod rows;
mod shape;

use std::{
    collections::HashMap,
    io::{self, Read},
    path::Path,
};

use arrow::array::ArrayRef;
use lakebed_core::{Compression, DataType, JsonForm};

pub(crate) use notes::notes;
pub(crate) use recognise::recognise;
pub(crate) use rows::decode;

use crate::{
    LocalSource, Progress, Recount, Refusal,
    account::Account,
    checks::Checking,
    chunks::{ChunkFault, Sizes},
    engine::{Feeder, Gone, run},
    feed::Fed,
    infer::Tuning,
    input,
    names::Names,
    refusal::shown,
    rows::{NullTokens, Trouble},
    sniff::Preamble,
    unique::Turn,
};
use cut::{Cut, Cuts};
use shape::Shape;

/// A source of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Json {
    pub(crate) compression: Option<Compression>,
    pub(crate) form: JsonForm,
    /// A byte order mark: 3 or 0.
    pub(crate) bom: u64,
    /// The keys of the columns, in order.
    pub(crate) keys: Vec<String>,
    pub(crate) names: Names,
    /// What was found in each column.
    shapes: Vec<Shape>,
    /// Columns that some records lack and others have as null.
    lacking: Vec<String>,
}

/// How the records of a source are read.
#[derive(Debug, Clone)]
pub(crate) struct JsonReading {
    pub(crate) form: JsonForm,
    pub(crate) columns: Vec<JsonColumn>,
    pub(crate) nulls: NullTokens,
    /// The longest record that is taken.
    pub(crate) longest_record: usize,
    pub(crate) checking: Option<Checking>,
}

/// How the values of a key are read.
#[derive(Debug, Clone)]
pub(crate) struct JsonColumn {
    pub(crate) key: String,
    pub(crate) data_type: DataType,
    pub(crate) declared: bool,
}

impl Json {
    pub(crate) fn new(compression: Option<Compression>, form: JsonForm, bom: u64) -> Self {
        let (keys, names, shapes, lacking) = Default::default();
        Self { compression, form, bom, keys, names, shapes, lacking }
    }

    /// A source that was read before, in that form.
    pub(crate) fn reopen(
        source: &LocalSource,
        compression: Option<Compression>,
        form: JsonForm,
    ) -> Result<Self, Refusal> {
        let refuse = |error| input::refuse(&source.name, compression, &error);
        let input = input::open(&source.path, compression, None)
            .map_err(|error| Refusal::unreadable(&source.name, &error))?;
        let mut head = Vec::new();
        input.take(3).read_to_end(&mut head).map_err(refuse)?;
        Ok(Self::new(compression, form, bom(&head)))
    }

    pub(crate) fn preamble(&self) -> Preamble {
        Preamble { bom: self.bom, ..Preamble::default() }
    }

    /// Columns by name, and what was found in them.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, &Shape)> {
        self.names.names.iter().map(String::as_str).zip(&self.shapes)
    }
}

/// The types of columns that several sources have, from what was found in all of them.
pub(crate) fn types<'j>(
    sources: impl Iterator<Item = &'j Json>,
) -> Result<HashMap<String, DataType>, Refusal> {
    let mut shapes: HashMap<String, Shape> = Default::default();
    for (name, shape) in sources.flat_map(Json::columns) {
        let all = shapes.entry(name.to_owned()).or_default();
        all.merge(shape.clone()).map_err(|_| look::too_many(name))?;
    }
    Ok(shapes.into_iter().map(|(name, shape)| (name, shape.data_type())).collect())
}

/// A source that is fed: its place among all, and where its bytes are.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'o> {
    pub(crate) index: usize,
    pub(crate) path: &'o Path,
    pub(crate) json: &'o Json,
}

/// Feeds the chunks of a source.
pub(crate) fn feed<'e, R: Send + 'e>(
    feeder: &mut Feeder<'e, Fed<R>>,
    Origin { index, path, json }: Origin<'_>,
    sizes: Sizes,
    progress: Option<&dyn Progress>,
    checking: Option<&Checking>,
    work: impl Fn(Cut, Option<Turn>) -> Result<R, Trouble> + Clone + Send + 'e,
) -> Result<(), Gone> {
    let fault = |fault| Fed::Fault { source: index, fault };
    let mut cuts = match open(path, json, sizes, progress) {
        Ok(cuts) => cuts,
        Err(error) => return feeder.send(fault(ChunkFault::Io(error))),
    };
    let mut offset = json.bom;
    loop {
        match cuts.next() {
            Err(error) => return feeder.send(fault(error)),
            Ok(None) => return feeder.send(Fed::End { source: index, length: offset }),
            Ok(Some(cut)) => {
                let (work, place) = (work.clone(), offset);
                offset += cut.text.len() as u64;
                let turn = checking.and_then(Checking::draw);
                feeder.work(move || Fed::Chunk {
                    source: index,
                    offset: place,
                    result: work(cut, turn),
                })?;
            }
        }
    }
}

fn open<'p>(
    path: &Path,
    json: &Json,
    sizes: Sizes,
    progress: Option<&'p dyn Progress>,
) -> io::Result<Cuts<Box<dyn Read + Send + 'p>>> {
    let mut input = input::open(path, json.compression, progress)?;
    io::copy(&mut input.by_ref().take(json.bom), &mut io::sink())?;
    Ok(Cuts::new(input, json.form, sizes))
}

/// What a source amounts to, read like this.
pub(crate) fn count(
    source: &LocalSource,
    json: &Json,
    reading: &JsonReading,
    tuning: Tuning,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Account, Refusal> {
    let LocalSource { name, path } = source;
    run(
        threads,
        progress,
        |feeder| {
            let checking = reading.checking.as_ref();
            let origin = Origin { index: 0, path, json };
            feed(feeder, origin, tuning.sizes, Some(progress), checking, |cut, turn| {
                decode(&cut, reading, turn).map(|(rows, _)| rows.counts)
            })
        },
        |engine| {
            let mut account = Account::new(json.preamble(), reading.columns.len());
            while let Some(part) = engine.next()? {
                match part {
                    Fed::Chunk { result: Ok(counts), .. } => account.add(&counts),
                    Fed::Chunk { result: Err(trouble), .. } => {
                        return Err(refuse_trouble(name, &trouble, account.lines));
                    }
                    Fed::End { length, .. } => account.check(name, length)?,
                    Fed::Fault { fault, .. } => {
                        return Err(refuse_fault(name, json.compression, &fault, account.lines));
                    }
                    Fed::Refused(refusal) => return Err(refusal),
                    Fed::Batch { .. } | Fed::Tail { .. } => {}
                }
            }
            Ok(account)
        },
    )
}

/// [`count`], as `verify` wants it.
pub(crate) fn recount(
    source: &LocalSource,
    json: &Json,
    reading: &JsonReading,
    tuning: Tuning,
    threads: usize,
) -> Result<Recount, Refusal> {
    let account = count(source, json, reading, tuning, threads, &crate::NoProgress)?;
    Ok(account.recount())
}

/// The arrays of the first chunk; empty if it cannot be read.
pub(crate) fn first_columns(path: &Path, json: &Json, reading: &JsonReading) -> Vec<ArrayRef> {
    let sizes = Sizes { chunk: 256 << 10, record: reading.longest_record };
    let cut = open(path, json, sizes, None).ok().and_then(|mut cuts| cuts.next().ok().flatten());
    let rows = cut.and_then(|cut| decode(&cut, reading, None).ok());
    rows.map(|(rows, _)| rows.columns).unwrap_or_default()
}

/// The byte order mark that a head begins with.
pub(crate) fn bom(head: &[u8]) -> u64 {
    if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// The refusal for a source that cannot be cut into chunks; `lines` line ends are before it.
pub(crate) fn refuse_fault(
    name: &str,
    compression: Option<Compression>,
    fault: &ChunkFault,
    lines: u64,
) -> Refusal {
    match fault {
        ChunkFault::Io(error) => input::refuse(name, compression, error),
        ChunkFault::Unclosed { line } => broken(name, lines + line + 1),
        ChunkFault::TooLong { line, .. } => too_long(name, lines + line + 1),
    }
}

/// The refusal for a chunk that cannot be decoded; `lines` line ends are before it.
pub(crate) fn refuse_trouble(name: &str, trouble: &Trouble, lines: u64) -> Refusal {
    match trouble {
        Trouble::Broken { line } => broken(name, lines + u64::from(*line) + 1),
        Trouble::TooLong { line } => too_long(name, lines + u64::from(*line) + 1),
        Trouble::Internal(what) => Refusal::internal(what),
        other => Refusal::internal(format!("{other:?}")),
    }
}

fn broken(name: &str, line: u64) -> Refusal {
    let message = format!("`{}` is no JSON from line {line} on", shown(name));
    Refusal::new(Refusal::DAMAGED_JSON, message).hint(
        "objects stand in one array with one comma between, or one on each line (`--as ndjson`); was the file cut off?",
    )
}

fn too_long(name: &str, line: u64) -> Refusal {
    let message = format!("line {line} of `{}` begins a record longer than 16 MiB", shown(name));
    Refusal::new(Refusal::RECORD_TOO_LONG, message)
        .hint("a table is objects: one on each line, or all in one array")
}
