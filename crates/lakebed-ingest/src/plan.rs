//! What a decode would make of the sources, without writing.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef},
    compute,
    datatypes::{DataType as ArrowType, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::{
    Plan, PlannedSource, Recount, Refusal, Request,
    account::Account,
    arrow_types::arrow_type,
    cell::{Evidence, Verdict},
    chunks::Sizes,
    decode::count,
    encoding::Passages,
    engine::Gone,
    evolve::Evolved,
    infer::{Tuning, look_at_all},
    input, json_in,
    layout::{Format, Layout, Settled},
    limits, notes, parquet_in, rows,
};

/// Rows of the sample.
const SAMPLE_ROWS: usize = 10;

pub(crate) fn plan_with(request: Request<'_>, tuning: Tuning) -> Result<Plan, Refusal> {
    limits::check_option(request.options)?;
    let evolved = Evolved::of(request.options, request.rules, request.schema_to_fit())?;
    let asked = request;
    let request = Request { schema: evolved.schema.as_ref(), ..request };
    let layout = Layout::new(request, tuning)?;
    Evolved::check(request.options, &layout)?;
    let nothing = vec![Verdict::Unknown; layout.columns.len()];
    let settled = layout.settle(&nothing, request.schema)?;
    let mut findings = look_at_all(&layout, &settled, tuning, request.threads, request.progress)?;
    let verdicts: Vec<Verdict> = findings.evidence.iter().map(Evidence::verdict).collect();
    let settled = layout.settle(&verdicts, request.schema)?;
    let check = request.bind(&settled.schema)?;
    match &check {
        None => count_others(&layout, &settled, request, tuning, &mut findings.accounts)?,
        Some(check) => findings.accounts = count(&layout, &settled, request, check, tuning)?,
    }
    limits::check(&layout, &settled, &findings.accounts, request, check.as_ref())?;
    let source = |(index, account): (usize, &Account)| {
        let Recount { accepted, quarantined, .. } = account.recount();
        let (name, decode) = (layout.sources[index].name.clone(), layout.decode(index, &settled));
        PlannedSource { name, decode, accepted, quarantined }
    };
    let columns = layout.typed_columns(0, &settled);
    Ok(Plan {
        schema: settled.schema.clone(),
        changes: evolved.all_changes(asked, &settled.schema, &settled.changes),
        sources: findings.accounts.iter().enumerate().map(source).collect(),
        sample: sample(&layout, &settled, tuning)?,
        sample_columns: columns.into_iter().map(|(name, _)| name).collect(),
        notes: notes::notes(&layout, &findings, &findings.accounts),
    })
}

/// Counts what [`look_at_all`] does not look at.
fn count_others(
    layout: &Layout,
    settled: &Settled,
    request: Request<'_>,
    tuning: Tuning,
    accounts: &mut [Account],
) -> Result<(), Refusal> {
    for (index, source) in layout.sources.iter().enumerate() {
        let local = &request.sources[index];
        match (&source.format, layout.json_reading(index, settled, tuning.sizes.record)) {
            (Format::Parquet, _) => accounts[index].add_rows(parquet_in::row_count(local)?),
            (Format::Json(json), Some(reading)) => {
                let (threads, progress) = (request.threads, request.progress);
                accounts[index] = json_in::count(local, json, &reading, tuning, threads, progress)?;
            }
            _ => {}
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
    let types: Vec<ArrowType> = types.iter().map(|(_, data_type)| arrow_type(data_type)).collect();
    let columns = match (&source.format, layout.reading(0, settled, tuning.sizes.record)) {
        (Format::Text(text), Some(reading)) => {
            let refuse = |error| input::refuse(&source.name, text.compression, &error);
            let sizes = Sizes { chunk: 256 << 10, ..tuning.sizes };
            let mut passages =
                Passages::open(&source.path, text, &reading, sizes, None).map_err(refuse)?;
            let passage = passages.next().ok().flatten();
            let decoded =
                passage.and_then(|(_, passage)| rows::decode(&passage, &reading, None).ok());
            decoded.map(|rows| rows.columns).unwrap_or_default()
        }
        (Format::Json(json), _) => layout
            .json_reading(0, settled, tuning.sizes.record)
            .map(|reading| json_in::first_columns(&source.path, json, &reading))
            .unwrap_or_default(),
        _ => {
            let mut first: Vec<ArrayRef> = Vec::new();
            parquet_in::read_source(&source.name, &source.path, &types, &mut |columns, _| {
                first = columns;
                Err(Gone)
            })?;
            first
        }
    };
    Ok(shown(&columns))
}

/// Cells as text. What cannot be printed (a time with a zone deep in a nested value) is `…`.
fn shown(columns: &[ArrayRef]) -> Vec<Vec<Option<String>>> {
    let rows = columns.first().map_or(0, |column| column.len().min(SAMPLE_ROWS));
    let columns: Vec<ArrayRef> = columns.iter().map(zone_as_offset).collect();
    let options = FormatOptions::new();
    let formatters: Vec<Option<ArrayFormatter<'_>>> = columns
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).ok())
        .collect();
    let cell = |(column, formatter): (&ArrayRef, &Option<ArrayFormatter<'_>>), row: usize| {
        let text =
            formatter.as_ref().and_then(|formatter| formatter.value(row).try_to_string().ok());
        (!column.is_null(row)).then(|| text.unwrap_or_else(|| "…".to_owned()))
    };
    (0..rows).map(|row| columns.iter().zip(&formatters).map(|of| cell(of, row)).collect()).collect()
}

/// Arrow prints times with a zone only if that is an offset.
fn zone_as_offset(column: &ArrayRef) -> ArrayRef {
    let offset = ArrowType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    match column.data_type() {
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            compute::cast(column, &offset).unwrap_or_else(|_| Arc::clone(column))
        }
        _ => Arc::clone(column),
    }
}
