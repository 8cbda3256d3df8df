//! The words of Lakebed, as plain values: no IO, no clock, no randomness.
//!
//! | word | it is | here |
//! |---|---|---|
//! | object | immutable bytes named by the BLAKE3 of exactly those bytes | [`ObjectId`], [`StoredObject`] |
//! | dataset | a named series of versions, of kind `table` or `files` | [`DatasetName`], [`DatasetKind`] |
//! | version | one immutable state of a dataset: a number and the id of its manifest | [`VersionId`] |
//! | manifest | the object that describes a version | [`Manifest`] |
//! | source | an original file as it was received | [`SourceEntry`] |
//! | quarantine | rows of a source that could not be accepted, with position, raw bytes and reasons | [`Reason`] |
//! | stage, head | a rung of the ladder; the version a dataset has there | [`StageName`], [`Ladder`] |
//! | promotion | the recorded act of moving a head, with what the gates found | [`HeadMoved`], [`Promotion`] |
//! | gate, approval | a condition before a stage; somebody's consent, bound to what was found | [`Gate`], [`PromotionReviewed`] |
//! | event, `seq` | one append-only change of the catalog; its place in the order | [`Event`] |
//! | reference | `namespace.dataset[@selector]` | [`DatasetRef`] |
//! | lock | references and the versions they resolved to | [`Lock`] |
//! | principal, group | who asks; who they belong to | [`PrincipalName`], [`GroupName`], [`Identity`] |
//! | grant | who may do what where, from which stage up, until when | [`Grant`], [`Action`], [`Target`] |
//! | policy | a restriction: row filter, mask or hidden columns, for all but those it excepts | [`policy::Policy`], [`policy::Restriction`] |
//! | declared catalog | what people wrote down of all that, as one value | [`Declared`] |
//! | profile | what a version's accepted rows look like | [`profile::Profile`] |
//! | contract | what the producer promises of a dataset | [`contract::Contract`] |
//! | product, derivation | a dataset that is computed from others; how one version of it was | [`Product`], [`Derivation`] |
//! | rule, finding | one thing that must hold; what measuring it on a version found | [`contract::Rule`], [`contract::Finding`] |
//! | lineage | which columns of which versions the columns of an answer are made of | [`lineage::Lineage`] |
//!
//! Every stored format (manifest, file list, profile, lineage, event, lock) carries a version number and is written
//! by exactly one function here, so that equal values are equal bytes.

mod check;
pub mod contract;
mod declared;
mod decode;
mod document;
mod event;
mod evolution;
mod grant;
mod id;
mod ingest_key;
mod lake;
pub mod lineage;
mod lock;
mod manifest;
mod name;
pub mod policy;
mod principal;
mod product;
pub mod profile;
mod promotion;
mod reference;
mod run;
mod schema;
mod serde_text;
mod stage;
mod time;
mod token;

pub use check::{Check, Outcome};
pub use contract::Severity;
pub use declared::{Declared, DeclaredPrincipal};
pub use decode::{
    Column, Comment, Compression, CsvDecode, DateOrder, Decode, DecodeOptions, FormatName, Header,
    JsonDecode, JsonForm, Reason, ReasonCode, RepeatedHeaders, Spelling, XlsxDecode,
};
pub use event::{
    CatalogApplied, ContractMeasured, Event, EventBody, HeadMoved, IngestRefused, KeptSource,
    KnownFields, LockRegistered, LockedVersion, TokenCreated, TokenRevoked, VersionCommitted,
    VersionMaterialised,
};
pub use evolution::{Evolution, EvolutionError};
pub use grant::{Action, ActionError, Grant, Grantee, Target, TargetError};
pub use id::{LakeId, ObjectId, StoredObject, VersionId};
pub use ingest_key::{DECODER_VERSION, IngestKey, IngestMode};
pub use lake::LakeFile;
pub use lock::{Lock, LockedInput};
pub use manifest::{
    FileEntry, InputVersion, LIST_LIMIT, ListRef, Manifest, SkipKind, Skipped, SourceEntry,
    SourceList, TableList, Tally, content_id_of_files, content_id_of_live, content_id_of_table,
    rows_in_file_at,
};
pub use name::{ColumnName, DatasetKind, DatasetName, NameError, NamespaceName, StageName};
pub use principal::{
    AttributeName, AttributeValue, GroupName, Identity, PrincipalError, PrincipalName, ScopeEntry,
    Standing, TokenScope,
};
pub use product::{
    BUILD_ENGINE, Derivation, DerivedFrom, Product, ProductQuery, QueryParameter, Refresh, Served,
};
pub use promotion::{
    Approval, DatasetDeprecated, Evidence, GateOutcome, Promotion, PromotionReviewed,
    ReviewVerdict, Waiver,
};
pub use reference::{DatasetRef, RefError, Selector, TablePart, TableRef};
pub use run::{
    EndedRun, Environment, GitState, Invocation, Program, RunCommitted, RunFailed, RunOutput,
    RunRecord,
};
pub use schema::{DataType, Field, FormerField, SchemaChange, SchemaError, TableSchema};
pub use stage::{Gate, GateError, GateName, Ladder, Stage};
pub use time::{Timestamp, TimestampError};
pub use token::{SecretToken, TokenError, TokenHash, TokenId};
