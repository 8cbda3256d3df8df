//! What a decode would make of the sources, without writing.

use std::sync::Arc;

use arrow::{
    array::ArrayRef,
    datatypes::{DataType as ArrowType, Field, Schema},
    record_batch::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{
    Plan, PlannedSource, Recount, Refusal, Request,
    account::Account,
    arrow_types::arrow_type,
    cell::{Evidence, Verdict},
    chunks::{Chunks, Sizes},
    engine::Gone,
    infer::{Tuning, look_at_all},
    input,
    layout::{Format, Layout, Settled},
    limits, notes, parquet_in, rows,
};

/// Rows of the sample.
const SAMPLE_ROWS: usize = 10;

pub(crate) fn plan_with(request: Request<'_>, tuning: Tuning) -> Result<Plan, Refusal> {
    limits::check_option(request.options)?;
    let layout = Layout::new(request.sources, request.options, request.schema)?;
    let nothing = vec![Verdict::Unknown; layout.columns.len()];
    let settled = layout.settle(&nothing, request.schema)?;
    let mut findings =
        look_at_all(&layout, &settled, tuning, request.threads, request.progress)?;
    let verdicts: Vec<Verdict> = findings.evidence.iter().map(Evidence::verdict).collect();
    let settled = layout.settle(&verdicts, request.schema)?;
    count_binary(&layout, request, &mut findings.accounts)?;
    limits::check(&layout, &settled, &findings.accounts, request.options)?;
    let source = |(index, account): (usize, &Account)| {
        let Recount { accepted, quarantined, .. } = account.recount();
        let (name, decode) = (layout.sources[index].name.clone(), layout.decode(index, &settled));
        PlannedSource { name, decode, accepted, quarantined }
    };
    let columns = layout.typed_columns(0, &settled);
    Ok(Plan {
        schema: settled.schema.clone(),
        changes: settled.changes.clone(),
        sources: findings.accounts.iter().enumerate().map(source).collect(),
        sample: sample(&layout, &settled, tuning)?,
        sample_columns: columns.into_iter().map(|(name, _)| name).collect(),
        notes: notes::notes(&layout, &findings),
    })
}

fn count_binary(
    layout: &Layout,
    request: Request<'_>,
    accounts: &mut [Account],
) -> Result<(), Refusal> {
    for (index, source) in layout.sources.iter().enumerate() {
        if matches!(source.format, Format::Parquet) {
            accounts[index].add_rows(parquet_in::row_count(&request.sources[index])?);
        }
    }
    Ok(())
}

/// The first accepted rows of the first source, as the table would show them.
fn sample(
    layout: &Layout,
    settled: &Settled,
    tuning: Tuning,
) -> Result<Vec<Vec<Option<String>>>, Refusal> {
    let source = &layout.sources[0];
    let types = layout.typed_columns(0, settled);
    let arrow: Vec<ArrowType> = types.iter().map(|(_, data_type)| arrow_type(data_type)).collect();
    let columns = match (&source.format, layout.reading(0, settled, tuning.sizes.record)) {
        (Format::Text(text), Some(reading)) => {
            let refuse = |error| input::refuse(&source.name, text.compression, &error);
            let opened = input::open(&source.path, text.compression, None).map_err(refuse)?;
            let sizes = Sizes { chunk: 256 << 10, ..tuning.sizes };
            let skip = text.preamble.bytes();
            let mut chunks = Chunks::new(opened, reading.dialect, sizes, skip).map_err(refuse)?;
            let chunk = chunks.next().ok().flatten();
            let decoded = chunk.and_then(|chunk| rows::decode(&chunk.text, &reading).ok());
            decoded.map(|rows| rows.columns).unwrap_or_default()
        }
        _ => {
            let mut first: Vec<ArrayRef> = Vec::new();
            parquet_in::read_source(&source.name, &source.path, &arrow, &mut |columns, _| {
                first = columns;
                Err(Gone)
            })?;
            first
        }
    };
    shown(&types.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), &arrow, columns)
}

fn shown(
    names: &[String],
    types: &[ArrowType],
    columns: Vec<ArrayRef>,
) -> Result<Vec<Vec<Option<String>>>, Refusal> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let fields: Vec<Field> =
        names.iter().zip(types).map(|(name, t)| Field::new(name, t.clone(), true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(Refusal::internal)?;
    let batch = batch.slice(0, batch.num_rows().min(SAMPLE_ROWS));
    let options = FormatOptions::new();
    let formatters: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<Result<_, _>>()
        .map_err(Refusal::internal)?;
    let cell = |row: usize, column: usize| {
        let is_null = batch.column(column).is_null(row);
        (!is_null).then(|| formatters[column].value(row).to_string())
    };
    let rows = 0..batch.num_rows();
    Ok(rows.map(|row| (0..formatters.len()).map(|column| cell(row, column)).collect()).collect())
}
