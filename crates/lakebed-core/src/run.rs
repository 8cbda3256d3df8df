//! Runs: programs outside of the lake that make versions of versions.
//!
//! What decides about the versions ([`Program`]) is in their manifests, without clock and run; what
//! happened once ([`RunRecord`]) is named by the event of the run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    DatasetName, DerivedFrom, LockedInput, ObjectId, StoredObject, Timestamp,
    document::{check_format, json_line},
};

/// The format of documents that this build writes.
const FORMAT: u32 = 1;

/// How versions were computed by a program: everything that is known to decide about them, and nothing
/// else: no clock, no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    format: u32,
    /// The command and its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What else it was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// The state of its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// What it ran in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// What its references meant, sorted.
    pub inputs: Vec<DerivedFrom>,
}

/// Where a working copy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitState {
    /// The commit, by its whole name.
    pub commit: String,
    /// Whether files differ from it, or are not in it and not ignored.
    pub dirty: bool,
}

/// What a program ran in: the file that was started, and the files that pin what it loads. Never the
/// values of environment variables, which hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The digest of the file that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// The digests of the files that pin what it loads (`uv.lock`, `Cargo.lock` …), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Environment {
    /// Its digest: BLAKE3 of its JSON on a line. Equal where nothing of it differs.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        ObjectId::of(&json_line(self))
    }
}

/// What is known of a program besides its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Invocation {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// What else it was told.
    pub parameters: BTreeMap<String, String>,
    /// The state of its code.
    pub git: Option<GitState>,
    /// What it ran in.
    pub environment: Option<Environment>,
}

impl Program {
    /// What `invocation` is, over `inputs` in any order.
    #[must_use]
    pub fn of(invocation: &Invocation, mut inputs: Vec<DerivedFrom>) -> Self {
        inputs.sort_by_key(|input| (input.reference.to_string(), input.version_id));
        inputs.dedup();
        let Invocation { command, parameters, git, environment } = invocation.clone();
        Self { format: FORMAT, command, parameters, git, environment, inputs }
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a program, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let program: Self = serde_json::from_slice(bytes)?;
        check_format("format", program.format, FORMAT)?;
        Ok(program)
    }

    /// Its digest.
    #[must_use]
    pub fn digest(&self) -> ObjectId {
        ObjectId::of(&self.to_bytes())
    }
}

/// What happened once: a program ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    format: u32,
    /// The run.
    pub run: String,
    /// The program.
    pub program: Program,
    /// What it ended with; none where nobody knows, or it did not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it printed; none where nobody kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<StoredObject>,
}

impl RunRecord {
    /// The record of a program.
    #[must_use]
    pub const fn new(
        run: String,
        program: Program,
        exit_code: Option<i32>,
        (started_at, ended_at): (Timestamp, Timestamp),
        log: Option<StoredObject>,
    ) -> Self {
        Self { format: FORMAT, run, program, exit_code, started_at, ended_at, log }
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json_line(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// When they are not JSON of a record, or of a format newer than this build.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let record: Self = serde_json::from_slice(bytes)?;
        check_format("format", record.format, FORMAT)?;
        Ok(record)
    }
}

/// See [`crate::EventBody::RunCommitted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCommitted {
    /// The run.
    pub run: String,
    /// What happened: a [`RunRecord`].
    pub record: StoredObject,
    /// What it read, sorted by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<LockedInput>,
    /// What came of it.
    pub outputs: Vec<RunOutput>,
    /// Every object that this event names and no earlier event named: the record and the log. Sorted.
    pub objects: Vec<StoredObject>,
}

/// See [`crate::EventBody::RunFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailed {
    /// The run.
    pub run: String,
    /// What happened: a [`RunRecord`].
    pub record: StoredObject,
    /// What it read, sorted by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<LockedInput>,
    /// Of what it would have made versions, as far as it said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<DatasetName>,
    /// What the program ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why nothing came of it, for people: the owner's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every object that this event names and no earlier event named: the record and the log. Sorted.
    pub objects: Vec<StoredObject>,
}

/// How a run ended, which is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedRun<'a> {
    /// Its outputs are versions.
    Committed(&'a RunCommitted),
    /// Nothing came of it.
    Failed(&'a RunFailed),
}

impl<'a> EndedRun<'a> {
    /// The run.
    #[must_use]
    pub fn run(self) -> &'a str {
        match self {
            Self::Committed(run) => &run.run,
            Self::Failed(run) => &run.run,
        }
    }

    /// What happened: a [`RunRecord`].
    #[must_use]
    pub const fn record(self) -> StoredObject {
        match self {
            Self::Committed(run) => run.record,
            Self::Failed(run) => run.record,
        }
    }

    /// What it read, sorted by reference.
    #[must_use]
    pub fn inputs(self) -> &'a [LockedInput] {
        match self {
            Self::Committed(run) => &run.inputs,
            Self::Failed(run) => &run.inputs,
        }
    }

    /// Of what it made versions, or would have made some.
    #[must_use]
    pub fn outputs(self) -> Vec<&'a DatasetName> {
        match self {
            Self::Committed(run) => run.outputs.iter().map(|output| &output.dataset).collect(),
            Self::Failed(run) => run.outputs.iter().collect(),
        }
    }

    /// Every object that its event names and no earlier event named.
    #[must_use]
    pub fn objects(self) -> &'a [StoredObject] {
        match self {
            Self::Committed(run) => &run.objects,
            Self::Failed(run) => &run.objects,
        }
    }
}

/// A version that a run made, or would have made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOutput {
    /// The dataset.
    pub dataset: DatasetName,
    /// The version's number.
    pub number: u64,
    /// The version was there, and is exactly this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unchanged: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VersionId;

    fn input(text: &str) -> DerivedFrom {
        let version_id = VersionId::new(ObjectId::of(text.as_bytes()));
        DerivedFrom { reference: text.parse().expect("a reference"), version_id }
    }

    /// Stored formats are for ever.
    #[test]
    fn a_program_reads_back_whatever_the_order_of_its_inputs() {
        let invocation = Invocation {
            command: vec!["python".to_owned(), "train.py".to_owned()],
            parameters: BTreeMap::from([("depth".to_owned(), "3".to_owned())]),
            git: Some(GitState { commit: "9f2c61d0".to_owned(), dirty: true }),
            environment: Some(Environment {
                program: None,
                files: BTreeMap::from([("uv.lock".to_owned(), "00".to_owned())]),
            }),
        };
        let program = Program::of(&invocation, vec![input("b.b@v1"), input("a.a")]);
        let text = String::from_utf8(program.to_bytes()).expect("text");
        insta::assert_snapshot!(text, @r#"{"format":1,"command":["python","train.py"],"parameters":{"depth":"3"},"git":{"commit":"9f2c61d0","dirty":true},"environment":{"files":{"uv.lock":"00"}},"inputs":[{"reference":"a.a","version_id":"99c64c9ee32b28ec2814fcd24cdc26dfab1eca66ed812e41813afde74301713c"},{"reference":"b.b@v1","version_id":"5aa23b655d03f34bf8dbb9e06903ce4eb0e5e79b8117ee0d7162da2fa109eca5"}]}"#);
        assert_eq!(Program::from_bytes(text.as_bytes()).expect("readable"), program);
        let other = Program::of(&invocation, vec![input("a.a"), input("b.b@v1")]);
        assert_eq!(other.digest(), program.digest());
        assert!(Program::from_bytes(text.replace(":1,", ":2,").as_bytes()).is_err());
    }

    #[test]
    fn a_record_reads_back() {
        let program = Program::of(&Invocation::default(), Vec::new());
        let times = (Timestamp::from_micros(1), Timestamp::from_micros(2));
        let record = RunRecord::new("r".to_owned(), program, Some(0), times, None);
        let text = String::from_utf8(record.to_bytes()).expect("text");
        insta::assert_snapshot!(text, @r#"{"format":1,"run":"r","program":{"format":1,"inputs":[]},"exit_code":0,"started_at":"1970-01-01T00:00:00.000001Z","ended_at":"1970-01-01T00:00:00.000002Z"}"#);
        assert_eq!(RunRecord::from_bytes(text.as_bytes()).expect("readable"), record);
        let killed = RunRecord { exit_code: None, ..record };
        assert_eq!(RunRecord::from_bytes(&killed.to_bytes()).expect("readable"), killed);
    }
}
