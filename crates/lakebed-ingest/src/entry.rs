//! The four entry points.

use std::sync::Arc;

use lakebed_core::{Decode, DecodeOptions, TableSchema};

use crate::{
    Decoded, LocalSource, Plan, Recount, Refusal, Request, RowCheck, Rules, cell::Verdict,
    decode::decode_with, evolve::Evolved, infer::Tuning, layout::Layout, plan::plan_with,
    recount::recount_with,
};

/// How each source would be read, from its head alone; none when a column's type is known neither
/// from `schema`, `options` or `rules` and has to be inferred from all rows.
///
/// # Errors
/// [`Refusal`] when a source cannot be a table, or not one of that schema.
pub fn resolve(
    sources: &[LocalSource],
    options: &DecodeOptions,
    rules: Option<&dyn Rules>,
    schema: Option<&TableSchema>,
) -> Result<Option<Vec<Decode>>, Refusal> {
    let evolved = Evolved::of(options, rules, schema)?;
    let schema = evolved.schema.as_ref();
    let Some(layout) = Layout::of_heads(sources, options, rules, schema)? else { return Ok(None) };
    Evolved::check(options, &layout)?;
    if !layout.is_known() {
        return Ok(None);
    }
    let settled = layout.settle(&vec![Verdict::Unknown; layout.columns.len()], schema)?;
    Ok(Some((0..layout.sources.len()).map(|index| layout.decode(index, &settled)).collect()))
}

/// What [`decode`] would make of the sources: reads them to their end, writes nothing.
///
/// # Errors
/// The [`Refusal`] that `decode` would end with.
pub fn plan(request: Request<'_>) -> Result<Plan, Refusal> {
    plan_with(request, Tuning::default())
}

/// Decodes the sources into Parquet files in `request.out`.
///
/// Bytes depend on rows, schema and `base.start_row` alone. On an error, files may be left in
/// `request.out`, which is the caller's scratch.
///
/// # Errors
/// [`Refusal`], see its codes.
pub fn decode(request: Request<'_>) -> Result<Decoded, Refusal> {
    decode_with(request, Tuning::default())
}

/// Decodes `source` as it was decoded before, writing nothing: what is accepted, what is not.
///
/// # Errors
/// [`Refusal`] when the source cannot be read to its end that way.
pub fn recount(source: &LocalSource, decode: &Decode) -> Result<Recount, Refusal> {
    recount_with(source, decode, None, Tuning::default(), threads())
}

/// The same for a source whose rows were judged, by the rules of then.
///
/// # Errors
/// [`Refusal`] when the source cannot be read to its end that way.
pub fn recount_checked(
    source: &LocalSource,
    decode: &Decode,
    check: &Arc<dyn RowCheck>,
) -> Result<Recount, Refusal> {
    recount_with(source, decode, Some(check), Tuning::default(), threads())
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
