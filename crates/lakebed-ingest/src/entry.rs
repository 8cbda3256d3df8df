//! The four entry points.

use lakebed_core::{Decode, DecodeOptions, TableSchema};

use crate::{Decoded, LocalSource, Plan, Recount, Refusal, Request};

/// How each source would be read, from its head alone; none when a column's type is known neither
/// from `schema` nor from `options` and has to be inferred from all rows.
///
/// # Errors
/// [`Refusal`] when a source cannot be a table, or not one of that schema.
pub fn resolve(
    sources: &[LocalSource],
    options: &DecodeOptions,
    schema: Option<&TableSchema>,
) -> Result<Option<Vec<Decode>>, Refusal> {
    let _ = (sources, options, schema);
    Ok(None)
}

/// What [`decode`] would make of the sources: reads them to their end, writes nothing.
///
/// # Errors
/// The [`Refusal`] that `decode` would end with.
pub fn plan(request: Request<'_>) -> Result<Plan, Refusal> {
    Err(Refusal::internal(request.threads))
}

/// Decodes the sources into Parquet files in `request.out`.
///
/// Bytes depend on rows, schema and `base.start_row` alone. On an error, files may be left in
/// `request.out`, which is the caller's scratch.
///
/// # Errors
/// [`Refusal`], see its codes.
pub fn decode(request: Request<'_>) -> Result<Decoded, Refusal> {
    Err(Refusal::internal(request.threads))
}

/// Decodes `source` as it was decoded before, writing nothing: what is accepted, what is not.
///
/// # Errors
/// [`Refusal`] when the source cannot be read to its end that way.
pub fn recount(source: &LocalSource, decode: &Decode) -> Result<Recount, Refusal> {
    let _ = decode;
    Err(Refusal::internal(&source.name))
}
