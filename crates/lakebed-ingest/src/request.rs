//! What goes into a decode and what comes out of it, as plain values.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lakebed_core::{
    Decode, DecodeOptions, SchemaChange, Skipped, TableSchema, Tally,
    profile::{Profile, TableProfile},
};

use crate::{BrokenRule, Refusal, RowCheck, Rules};

/// A source as a file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSource {
    /// What the user calls it; stored in the quarantine and shown in messages.
    pub name: String,
    /// Where its bytes are.
    pub path: PathBuf,
}

/// What to decode, and into what.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The sources, in order; their rows follow each other.
    pub sources: &'a [LocalSource],
    /// What the user said.
    pub options: &'a DecodeOptions,
    /// The dataset's own schema, which new rows must fit; none for its first version.
    pub schema: Option<&'a TableSchema>,
    /// Whether the columns are those that the sources have, whatever `schema` has, and known by their
    /// names: what is computed has the shape that its statement gives it.
    pub by_name: bool,
    /// For an append: where the new rows go on.
    pub base: Option<&'a Base>,
    /// An existing folder for the files written.
    pub out: &'a Path,
    /// Hears how far it is; may ask to stop.
    pub progress: &'a dyn Progress,
    /// Rules that rows have to keep, besides shape and types.
    pub rules: Option<&'a dyn Rules>,
    /// How many threads decode and encode; at least 1.
    pub threads: usize,
    /// Whether there may be no row at all, where the types of all columns are known. Where somebody gives a
    /// file that is a mistake; what was computed, or made by a program, may come to nothing.
    pub may_be_empty: bool,
}

impl Request<'_> {
    /// The schema that rows have to fit.
    pub(crate) const fn schema_to_fit(&self) -> Option<&TableSchema> {
        if self.by_name { None } else { self.schema }
    }

    /// The rules, for a table of that schema.
    pub(crate) fn bind(&self, schema: &TableSchema) -> Result<Option<Arc<dyn RowCheck>>, Refusal> {
        self.rules.map(|rules| rules.bind(schema)).transpose()
    }
}

/// What an append goes on from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Base {
    /// Rows that stay in files the new version shares with its parent; the first file written
    /// starts at this row.
    pub start_row: u64,
    /// Local copies of the parent's files from that row on, in order: their rows are written
    /// again, before the new ones.
    pub tail: Vec<PathBuf>,
    /// What the rows before `start_row` look like, where that is known.
    pub profile: Option<TableProfile>,
}

/// What a decode is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Looking through the sources for the types of their columns.
    Inferring,
    /// Writing again the parent's last rows.
    Rewriting,
    /// Decoding and writing. Starts again from the first source when a guess was contradicted.
    Decoding,
}

/// Hears of progress, from any thread.
pub trait Progress: Sync {
    /// A phase begins; bytes and rows count from zero again.
    fn phase(&self, phase: Phase);
    /// So many more bytes of the sources, as stored, were read.
    fn bytes(&self, count: u64);
    /// So many more rows were accepted or quarantined.
    fn rows(&self, count: u64);
    /// Whether to stop; asked at least once per chunk of a few MiB.
    fn cancelled(&self) -> bool;
}

/// Hears nothing, never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn phase(&self, _phase: Phase) {}
    fn bytes(&self, _count: u64) {}
    fn rows(&self, _count: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// What [`crate::decode`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The schema of the version: with field ids.
    pub schema: TableSchema,
    /// How it differs from the dataset's; empty for a first version.
    pub changes: Vec<SchemaChange>,
    /// Table files in row order, from `base.start_row` on.
    pub tables: Vec<WrittenFile>,
    /// What all accepted rows look like, those before `base.start_row` included; none when it is not
    /// known of those.
    pub profile: Option<Profile>,
    /// Quarantine files, in source order.
    pub quarantine: Vec<WrittenFile>,
    /// What became of each source.
    pub sources: Vec<DecodedSource>,
    /// What a user should know: what was detected, what would change it. One sentence each.
    pub notes: Vec<String>,
    /// For every rule of the request, in its order, how many rows broke it.
    pub rules: Vec<BrokenRule>,
}

/// A Parquet file in the request's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub row_count: u64,
    /// The length of its footer, with the eight bytes that end it.
    pub footer_bytes: u64,
}

/// A source, read to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedSource {
    /// [`LocalSource::name`].
    pub name: String,
    /// Everything needed to read it again.
    pub decode: Decode,
    /// Rows in the table files.
    pub accepted: Tally,
    /// Rows in the quarantine files.
    pub quarantined: Tally,
    /// What is no row.
    pub skipped: Vec<Skipped>,
}

/// What [`crate::plan`] found; nothing was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The schema the version would have.
    pub schema: TableSchema,
    /// How it differs from the dataset's.
    pub changes: Vec<SchemaChange>,
    /// What would become of each source.
    pub sources: Vec<PlannedSource>,
    /// The first rows of the first source, as text in the order of its columns; none for null.
    pub sample: Vec<Vec<Option<String>>>,
    /// The names of the sample's columns.
    pub sample_columns: Vec<String>,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// A source, looked through to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSource {
    /// [`LocalSource::name`].
    pub name: String,
    /// How it would be read.
    pub decode: Decode,
    /// What would be accepted.
    pub accepted: Tally,
    /// What would be quarantined.
    pub quarantined: Tally,
}

/// What [`crate::recount`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recount {
    /// Rows that are accepted.
    pub accepted: Tally,
    /// Rows that are not.
    pub quarantined: Tally,
    /// What is no row.
    pub skipped: Vec<Skipped>,
}
