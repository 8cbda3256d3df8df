//! The object that describes a version.
//!
//! A manifest is JSON without clock, run id or anything random: the same data, decoded the same way
//! on the same parent, is the same version wherever it happens. Who, when and in which run is the
//! event's business.

use serde::{Deserialize, Serialize};

use crate::{
    DatasetKind, DatasetName, Decode, ObjectId, StoredObject, TableSchema, VersionId,
    document::{check_format, json_line},
};

/// The most lists of one kind that a manifest names; the smallest are merged beyond it.
pub const LIST_LIMIT: usize = 32;

/// The format this build writes. Older ones stay readable for ever.
const FORMAT: u32 = 1;

/// The state of a dataset at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always 1 so far.
    pub format: u32,
    /// Table or files.
    pub kind: DatasetKind,
    /// The version this one follows; none for the first.
    pub parent: Option<VersionId>,
    /// Equal ids mean equal data: see [`content_id_of_table`], [`content_id_of_live`],
    /// [`content_id_of_files`].
    pub content_id: ObjectId,
    /// The columns; none for kind `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<TableSchema>,
    /// Accepted rows; for kind `files` the number of files; 0 where they are `live`.
    pub row_count: u64,
    /// Quarantined rows.
    pub quarantined_count: u64,
    /// The table files, in row order: concatenated lists are the table.
    pub tables: Vec<ListRef>,
    /// The quarantine's table files.
    pub quarantine: Vec<ListRef>,
    /// The originals.
    pub sources: Vec<ListRef>,
    /// What the accepted rows look like: a [`crate::profile::Profile`]. None for kind `files`, of
    /// builds that made none, and for what was appended to a version without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<StoredObject>,
    /// The contract in force, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ObjectId>,
    /// The versions this one was computed from, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputVersion>,
    /// How it was computed: a [`crate::Derivation`]. None of versions that were ingested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation: Option<StoredObject>,
    /// What its columns come from: a [`crate::lineage::Lineage`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<StoredObject>,
    /// The program that made it, where one did: a [`crate::Program`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<StoredObject>,
    /// Whether its rows are in no files, but computed by its derivation when they are asked for.
    /// Nobody has counted them then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

impl Manifest {
    /// A version of nothing: what a first version is built on.
    #[must_use]
    pub fn empty(kind: DatasetKind) -> Self {
        Self {
            format: FORMAT,
            kind,
            parent: None,
            content_id: ObjectId::of(b""),
            schema: None,
            row_count: 0,
            quarantined_count: 0,
            tables: Vec::new(),
            quarantine: Vec::new(),
            sources: Vec::new(),
            profile: None,
            contract: None,
            inputs: Vec::new(),
            derivation: None,
            lineage: None,
            program: None,
            live: false,
        }
    }

    /// The bytes that are stored, and whose digest is the version id.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a manifest, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let manifest: Self = serde_json::from_slice(bytes)?;
        check_format("format", manifest.format, FORMAT)?;
        Ok(manifest)
    }
}

/// A list object, shared by all versions that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRef {
    /// The list.
    #[serde(flatten)]
    pub object: StoredObject,
    /// How many entries it has.
    pub entry_count: u64,
    /// The rows of its entries; for sources, accepted and quarantined ones.
    pub row_count: u64,
}

/// A list of Parquet files, in row order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableList {
    format: u32,
    /// The files.
    pub entries: Vec<FileEntry>,
}

/// A list of originals, in the order they were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceList {
    format: u32,
    /// The originals.
    pub entries: Vec<SourceEntry>,
}

macro_rules! list {
    ($list:ty, $entry:ty) => {
        impl $list {
            /// A list of `entries`.
            #[must_use]
            pub const fn new(entries: Vec<$entry>) -> Self {
                Self { format: FORMAT, entries }
            }

            /// The bytes that are stored.
            #[must_use]
            pub fn to_bytes(&self) -> Vec<u8> {
                json_line(self)
            }

            /// Reads stored bytes.
            ///
            /// # Errors
            /// When they are not JSON of such a list, or of a format newer than this build.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
                let list: Self = serde_json::from_slice(bytes)?;
                check_format("format", list.format, FORMAT)?;
                Ok(list)
            }
        }
    };
}
list!(TableList, FileEntry);
list!(SourceList, SourceEntry);

/// A Parquet file of a table or of a quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileEntry {
    /// The file.
    #[serde(flatten)]
    pub object: StoredObject,
    /// Its rows.
    pub row_count: u64,
    /// The length of its footer, with the eight bytes that end it: what one ranged read fetches.
    pub footer_bytes: u64,
}

/// An original, and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceEntry {
    /// The file's name, or its path below the folder that was given; `/` between parts.
    pub name: String,
    /// The original bytes.
    #[serde(flatten)]
    pub object: StoredObject,
    /// How it was read; none for kind `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode: Option<Decode>,
    /// The contract its rows were judged by, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ObjectId>,
    /// What was accepted.
    pub accepted: Tally,
    /// What was quarantined.
    pub quarantined: Tally,
    /// What is no row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

impl SourceEntry {
    /// Bytes of the (decompressed) text that are accounted for; P6 asks that it be all of them.
    #[must_use]
    pub fn accounted_bytes(&self) -> u64 {
        let skipped: u64 = self.skipped.iter().map(|skipped| skipped.bytes).sum();
        self.accepted.bytes + self.quarantined.bytes + skipped
    }
}

/// Rows, and for text the bytes they take up with their line ends, after decompression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Rows.
    pub rows: u64,
    /// Bytes; 0 for binary formats, which count rows.
    pub bytes: u64,
}

/// Ranges of one kind that hold no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// What they hold.
    pub what: SkipKind,
    /// How many ranges.
    pub ranges: u64,
    /// Their bytes in all.
    pub bytes: u64,
}

/// What a range without rows holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkipKind {
    /// A byte order mark.
    Bom,
    /// The names of the columns.
    Header,
    /// Lines before the table that are no part of it.
    Preamble,
    /// Lines of comment.
    Comment,
    /// Rows that repeat the header.
    Repeated,
    /// Blank lines.
    Blank,
    /// Brackets, commas and white space around the records of JSON.
    Punctuation,
}

/// A version that another was computed from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputVersion {
    /// Its dataset.
    pub dataset: DatasetName,
    /// Its id.
    pub version_id: VersionId,
}

/// The content id of a table: BLAKE3 of the line `lakebed table 1`, the schema as JSON on a line,
/// and the hex digest of every table file on a line each, in row order.
#[must_use]
pub fn content_id_of_table<'a>(
    schema: &TableSchema,
    files: impl IntoIterator<Item = &'a FileEntry>,
) -> ObjectId {
    let mut text = b"lakebed table 1\n".to_vec();
    text.extend(json_line(schema));
    for file in files {
        text.extend(format!("{}\n", file.object.id).into_bytes());
    }
    ObjectId::of(&text)
}

/// The content id of a table whose rows are computed when they are asked for: BLAKE3 of the line
/// `lakebed live 1`, the schema as JSON on a line, and the hex digest of the derivation on a line.
#[must_use]
pub fn content_id_of_live(schema: &TableSchema, derivation: ObjectId) -> ObjectId {
    let mut text = b"lakebed live 1\n".to_vec();
    text.extend(json_line(schema));
    text.extend(format!("{derivation}\n").into_bytes());
    ObjectId::of(&text)
}

/// The content id of a set of files: BLAKE3 of the line `lakebed files 1`, and per file its hex
/// digest, a space and its name as JSON, on a line, in order.
#[must_use]
pub fn content_id_of_files<'a>(files: impl IntoIterator<Item = &'a SourceEntry>) -> ObjectId {
    let mut text = b"lakebed files 1\n".to_vec();
    for file in files {
        text.extend(format!("{} ", file.object.id).into_bytes());
        text.extend(json_line(&file.name));
    }
    ObjectId::of(&text)
}

/// How many rows the file that starts at row `start` holds when it is full.
///
/// max(2¹⁹, 2^⌊log₂(start/16)⌋), at most 2²⁴: files grow with the table, so that a longer table
/// shares all files but the last and an append rewrites about a sixteenth at most.
#[must_use]
pub const fn rows_in_file_at(start: u64) -> u64 {
    const LEAST: u64 = 1 << 19;
    const MOST: u64 = 1 << 24;
    let sixteenth = start / 16;
    if sixteenth < LEAST {
        return LEAST;
    }
    let power = 1 << sixteenth.ilog2();
    if power > MOST { MOST } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_grow_with_the_table() {
        assert_eq!(rows_in_file_at(0), 1 << 19);
        assert_eq!(rows_in_file_at((1 << 24) - 1), 1 << 19);
        assert_eq!(rows_in_file_at(1 << 24), 1 << 20);
        assert_eq!(rows_in_file_at(1 << 40), 1 << 24);
    }
}
