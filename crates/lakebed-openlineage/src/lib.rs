//! OpenLineage events (<https://openlineage.io>): those of others are read and held to the official schemas,
//! and what happened in this lake is said in the same words.
//!
//! Pure: no IO, no clock, nothing fetched. What becomes of an event is the service's business.
//!
//! The validator (`validate.rs`) knows exactly the keywords of JSON Schema that these schemas use; a test
//! holds the two together. It tells where an event is wrong as a JSON Pointer (RFC 6901).

mod read;
mod schemas;
mod told;
mod validate;

pub use read::{
    MAX_COLUMNS, MAX_DATASETS, MAX_EVENT_BYTES, MAX_TEXT_BYTES, check, datasets_named,
    namespace_of, read,
};
pub use told::{
    Built, Counted, Told, ToldInput, ToldOutput, number_facet, run_id_of, schema_facet, told,
};
pub use validate::Fault;
