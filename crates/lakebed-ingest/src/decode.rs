//! Sources into table files and quarantine files.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, new_null_array},
    datatypes::{DataType as ArrowType, Schema},
};

use crate::{
    Decoded, DecodedSource, Phase, Refusal, Request, RowCheck, WrittenFile,
    account::Account,
    arrow_schema,
    arrow_types::arrow_type,
    checks::{self, Checking},
    encoding::Passage,
    engine::{Engine, Feeder, Gone, run},
    evolve::Evolved,
    feed::{Fed, feed_text, refuse_fault, refuse_trouble},
    infer::{Findings, Tuning, accounts, look_at_all, look_at_heads},
    json_in,
    judged::JudgedBatch,
    layout::{Format, Layout, Settled},
    limits, notes, parquet_in, quarantine,
    rows::{self, ChunkRows, Reading, Trouble},
    unique::{Turn, Uniqueness},
    writer::{TableWriter, WriterLimits},
};
use lakebed_core::profile::{Profile, TableProfile};

/// [`crate::decode`], with sizes that tests choose.
pub(crate) fn decode_with(request: Request<'_>, tuning: Tuning) -> Result<Decoded, Refusal> {
    limits::check_option(request.options)?;
    // An append keeps its parent's files, and their types with them.
    let rules = request.rules.filter(|_| request.base.is_none());
    let evolved = Evolved::of(request.options, rules, request.schema_to_fit())?;
    let decoded = decode_into(Request { schema: evolved.schema.as_ref(), ..request }, tuning)?;
    let changes = evolved.all_changes(request, &decoded.schema, &decoded.changes);
    Ok(Decoded { changes, ..decoded })
}

/// The same, where the request's schema is the one that rows have to fit.
fn decode_into(request: Request<'_>, tuning: Tuning) -> Result<Decoded, Refusal> {
    let layout = Layout::new(request, tuning)?;
    Evolved::check(request.options, &layout)?;
    let mut findings = guess(&layout, request, tuning)?;
    let settled = layout.settle(&findings.verdicts(), request.schema)?;
    // Rules that do not fit a guess may fit the truth.
    let decoded = match request.bind(&settled.schema) {
        Err(_) if !findings.complete => None,
        Err(misfit) => return Err(misfit),
        Ok(check) => attempt(&layout, &settled, &findings, request, check.as_ref(), tuning)?,
    };
    if let Some(decoded) = decoded {
        return Ok(decoded);
    }
    tracing::debug!("a guessed column type was contradicted; looking at all cells");
    findings = look_at_all(&layout, &settled, tuning, request.threads, request.progress)?;
    let settled = layout.settle(&findings.verdicts(), request.schema)?;
    let check = request.bind(&settled.schema)?;
    attempt(&layout, &settled, &findings, request, check.as_ref(), tuning)?
        .ok_or_else(|| Refusal::internal("the types of all cells were contradicted by a cell"))
}

/// What the heads of the sources say, if anything has to be inferred.
pub(crate) fn guess(
    layout: &Layout,
    request: Request<'_>,
    tuning: Tuning,
) -> Result<Findings, Refusal> {
    let evidence = vec![Default::default(); layout.columns.len()];
    let nothing = Findings { evidence, complete: true, accounts: Vec::new() };
    if layout.is_known() {
        return Ok(nothing);
    }
    let settled = layout.settle(&nothing.verdicts(), request.schema)?;
    look_at_heads(layout, &settled, tuning, request.progress)
}

/// Decodes with these types; none if a cell contradicts a guessed one.
fn attempt(
    layout: &Layout,
    settled: &Settled,
    findings: &Findings,
    request: Request<'_>,
    check: Option<&Arc<dyn RowCheck>>,
    tuning: Tuning,
) -> Result<Option<Decoded>, Refusal> {
    let schema = arrow_schema(&settled.schema);
    let start_row = request.base.map_or(0, |base| base.start_row);
    let before = match request.base {
        Some(base) if start_row > 0 => base.profile.clone(),
        _ => Some(TableProfile::default()),
    };
    let limits = WriterLimits { groups: request.threads + 1, patience: tuning.patience };
    let writer =
        |id, schema, start_row| TableWriter::new(id, schema, request.out, start_row, limits);
    let driver = Driver {
        layout,
        settled,
        types: schema.fields().iter().map(|field| field.data_type().clone()).collect(),
        table: match before {
            Some(before) => writer(0, schema.clone(), start_row)?.profiled(before),
            None => writer(0, schema.clone(), start_row)?,
        },
        quarantine: writer(1, quarantine::schema(), 0)?,
        accounts: accounts(layout),
        request,
        check,
        in_tail: request.base.is_some_and(|base| !base.tail.is_empty()),
    };
    request.progress.phase(if driver.in_tail { Phase::Rewriting } else { Phase::Decoding });
    let feed = |feeder: &mut Feeder<'_, Fed<Decoding>>| {
        feed(feeder, layout, settled, &schema, request, check, tuning)
    };
    let files = run(request.threads, request.progress, feed, |engine| driver.drive(engine))?;
    let Some(Files { tables, profile, quarantine, accounts }) = files else { return Ok(None) };
    let source = |(index, account): (usize, &Account)| {
        let crate::Recount { accepted, quarantined, skipped } = account.recount();
        let decode = layout.decode(index, settled);
        let name = layout.sources[index].name.clone();
        DecodedSource { name, decode, accepted, quarantined, skipped }
    };
    Ok(Some(Decoded {
        schema: settled.schema.clone(),
        changes: settled.changes.clone(),
        tables,
        profile,
        quarantine,
        sources: accounts.iter().enumerate().map(source).collect(),
        notes: notes::notes(layout, findings, &accounts),
        rules: checks::broken_rules(layout, &accounts, check),
    }))
}

/// What a worker makes of a chunk.
struct Decoding {
    rows: ChunkRows,
    /// The bytes of bad rows, one after the other.
    raw: Vec<u8>,
}

fn decode_chunk(
    passage: Passage,
    reading: &Reading,
    turn: Option<Turn>,
) -> Result<Decoding, Trouble> {
    let rows = rows::decode(&passage, reading, turn)?;
    let mut raw = Vec::new();
    rows.bad.iter().for_each(|bad| raw.extend_from_slice(passage.raw(bad)));
    Ok(Decoding { rows, raw })
}

fn feed(
    feeder: &mut Feeder<'_, Fed<Decoding>>,
    layout: &Layout,
    settled: &Settled,
    schema: &Schema,
    request: Request<'_>,
    check: Option<&Arc<dyn RowCheck>>,
    tuning: Tuning,
) -> Result<(), Gone> {
    for path in request.base.iter().flat_map(|base| &base.tail) {
        let read = parquet_in::read_tail(path, schema, &mut |columns, rows| {
            feeder.send(Fed::Tail { columns, rows })
        });
        if let Err(refusal) = read {
            return feeder.send(Fed::Refused(refusal));
        }
    }
    feed_sources(feeder, layout, settled, request, check, tuning)
}

fn feed_sources(
    feeder: &mut Feeder<'_, Fed<Decoding>>,
    layout: &Layout,
    settled: &Settled,
    request: Request<'_>,
    check: Option<&Arc<dyn RowCheck>>,
    tuning: Tuning,
) -> Result<(), Gone> {
    let unique = check.and_then(|check| Uniqueness::new(check.as_ref()));
    for (index, source) in layout.sources.iter().enumerate() {
        let columns = layout.typed_columns(index, settled);
        let checking = check.map(|check| Checking::new(check, &columns, unique.as_ref()));
        if let Some(mut reading) = layout.reading(index, settled, tuning.sizes.record) {
            reading.checking = checking;
            let (reading, sizes) = (Arc::new(reading), tuning.sizes);
            feed_text(feeder, index, source, &reading, sizes, request.progress, decode_chunk)?;
            continue;
        }
        if let (Format::Json(json), Some(mut reading)) =
            (&source.format, layout.json_reading(index, settled, tuning.sizes.record))
        {
            reading.checking = checking;
            let (reading, progress) = (Arc::new(reading), Some(request.progress));
            let ours = Arc::clone(&reading);
            let work = move |cut, turn| {
                json_in::decode(&cut, &ours, turn).map(|(rows, raw)| Decoding { rows, raw })
            };
            let origin = json_in::Origin { index, path: &source.path, json };
            let (sizes, checking) = (tuning.sizes, reading.checking.as_ref());
            json_in::feed(feeder, origin, sizes, progress, checking, work)?;
            continue;
        }
        let types: Vec<ArrowType> =
            columns.iter().map(|(_, data_type)| arrow_type(data_type)).collect();
        let checking = checking.map(Arc::new);
        let read =
            parquet_in::read_source(&source.name, &source.path, &types, &mut |columns, rows| {
                let Some(checking) = checking.clone() else {
                    let batch = Ok(JudgedBatch::accepted(columns, rows));
                    return feeder.send(Fed::Batch { source: index, batch });
                };
                let turn = checking.draw();
                feeder.work(move || {
                    let batch = JudgedBatch::judge(&checking, columns, rows, turn);
                    Fed::Batch { source: index, batch }
                })
            });
        match read {
            Ok(()) => {
                let stored = std::fs::metadata(&source.path).map_or(0, |metadata| metadata.len());
                request.progress.bytes(stored);
                feeder.send(Fed::End { source: index, length: 0 })?;
            }
            Err(refusal) => return feeder.send(Fed::Refused(refusal)),
        }
    }
    Ok(())
}

/// What would become of the sources, by accounts alone: decodes and judges, writes nothing.
pub(crate) fn count(
    layout: &Layout,
    settled: &Settled,
    request: Request<'_>,
    check: &Arc<dyn RowCheck>,
    tuning: Tuning,
) -> Result<Vec<Account>, Refusal> {
    request.progress.phase(Phase::Decoding);
    let feed = |feeder: &mut Feeder<'_, Fed<Decoding>>| {
        feed_sources(feeder, layout, settled, request, Some(check), tuning)
    };
    run(request.threads, request.progress, feed, |engine| {
        let mut accounts = accounts(layout);
        while let Some(part) = engine.next()? {
            match part {
                Fed::Chunk { source, result, .. } => {
                    let refuse = |trouble: Trouble| {
                        refuse_trouble(&layout.sources[source], &trouble, accounts[source].lines)
                    };
                    let counts = result.map_err(refuse)?.rows.counts;
                    accounts[source].add(&counts);
                }
                Fed::Batch { source, batch } => {
                    accounts[source].add_judged(&batch.map_err(Refusal::internal)?);
                }
                Fed::End { source, length } => {
                    accounts[source].check(&layout.sources[source].name, length)?;
                }
                Fed::Fault { source, fault } => {
                    let lines = accounts[source].lines;
                    return Err(refuse_fault(&layout.sources[source], &fault, lines));
                }
                Fed::Refused(refusal) => return Err(refusal),
                Fed::Tail { .. } => {}
            }
        }
        Ok(accounts)
    })
}

/// Takes parts in order and hands rows to the writers.
struct Driver<'d> {
    layout: &'d Layout,
    settled: &'d Settled,
    /// The table's, in its order.
    types: Vec<ArrowType>,
    table: TableWriter,
    quarantine: TableWriter,
    accounts: Vec<Account>,
    request: Request<'d>,
    check: Option<&'d Arc<dyn RowCheck>>,
    /// Whether rows of the parent are still coming.
    in_tail: bool,
}

struct Files {
    tables: Vec<WrittenFile>,
    profile: Option<Profile>,
    quarantine: Vec<WrittenFile>,
    accounts: Vec<Account>,
}

impl Driver<'_> {
    fn drive(mut self, engine: &mut Engine<'_, Fed<Decoding>>) -> Result<Option<Files>, Refusal> {
        while let Some(part) = engine.next()? {
            match part {
                Fed::Chunk { result: Err(Trouble::Contradicted), .. } => return Ok(None),
                Fed::Chunk { source, offset, result } => {
                    self.leave_tail();
                    let decoding = result.map_err(|trouble| {
                        let lines = self.accounts[source].lines;
                        refuse_trouble(&self.layout.sources[source], &trouble, lines)
                    })?;
                    self.take_chunk(engine, source, offset, decoding)?;
                }
                Fed::Tail { columns, rows } => {
                    self.request.progress.rows(rows as u64);
                    self.table.push(engine, &columns, rows)?;
                }
                Fed::Batch { source, batch } => {
                    self.leave_tail();
                    self.take_batch(engine, source, batch.map_err(Refusal::internal)?)?;
                }
                Fed::End { source, length } => {
                    self.leave_tail();
                    self.accounts[source].check(&self.layout.sources[source].name, length)?;
                }
                Fed::Fault { source, fault } => {
                    let lines = self.accounts[source].lines;
                    return Err(refuse_fault(&self.layout.sources[source], &fault, lines));
                }
                Fed::Refused(refusal) => return Err(refusal),
            }
        }
        let (layout, settled, request) = (self.layout, self.settled, self.request);
        let checked = limits::check(layout, settled, &self.accounts, request, self.check);
        if let Err(refusal) = checked {
            // They are the evidence, and what a repair starts from.
            let (quarantine, _) = self.quarantine.finish(engine)?;
            return Err(Refusal { quarantine, ..refusal });
        }
        let (tables, profile) = self.table.finish(engine)?;
        let (quarantine, _) = self.quarantine.finish(engine)?;
        Ok(Some(Files { tables, profile, quarantine, accounts: self.accounts }))
    }

    fn leave_tail(&mut self) {
        if std::mem::take(&mut self.in_tail) {
            self.request.progress.phase(Phase::Decoding);
        }
    }

    fn take_chunk(
        &mut self,
        engine: &mut Engine<'_, Fed<Decoding>>,
        source: usize,
        offset: u64,
        Decoding { rows, raw }: Decoding,
    ) -> Result<(), Refusal> {
        let accepted = rows.counts.accepted.rows as usize;
        self.request.progress.rows(rows.counts.accepted.rows + rows.counts.quarantined.rows);
        let (lines, mut raw) = (self.accounts[source].lines, &raw[..]);
        let mut entries = Vec::with_capacity(rows.bad.len());
        for bad in &rows.bad {
            let (ours, others) = raw.split_at(bad.record.range().len());
            raw = others;
            let told = self.layout.tells_bytes(source);
            entries.push(quarantine::Entry {
                line: self.layout.place(source, lines + u64::from(bad.record.line) + 1),
                byte_offset: if told { offset + u64::from(bad.record.start) } else { 0 },
                byte_length: if told { ours.len() as u64 } else { 0 },
                raw: ours,
                faults: &bad.faults,
            });
        }
        self.set_aside(engine, source, &entries)?;
        self.accounts[source].add(&rows.counts);
        let columns = self.placed(source, &rows.columns, accepted);
        self.table.push(engine, &columns, accepted)
    }

    fn take_batch(
        &mut self,
        engine: &mut Engine<'_, Fed<Decoding>>,
        source: usize,
        batch: JudgedBatch,
    ) -> Result<(), Refusal> {
        self.request.progress.rows((batch.accepted + batch.bad.len()) as u64);
        let before = self.accounts[source].lines;
        let entries: Vec<quarantine::Entry<'_>> = batch
            .bad
            .iter()
            .map(|bad| quarantine::Entry {
                line: before + bad.row + 1,
                byte_offset: 0,
                byte_length: 0,
                raw: &bad.raw,
                faults: &bad.faults,
            })
            .collect();
        self.set_aside(engine, source, &entries)?;
        self.accounts[source].add_judged(&batch);
        let columns = self.placed(source, &batch.columns, batch.accepted);
        self.table.push(engine, &columns, batch.accepted)
    }

    fn set_aside(
        &mut self,
        engine: &mut Engine<'_, Fed<Decoding>>,
        source: usize,
        entries: &[quarantine::Entry<'_>],
    ) -> Result<(), Refusal> {
        if entries.is_empty() {
            return Ok(());
        }
        let columns = self.layout.typed_columns(source, self.settled);
        let origin = quarantine::Origin {
            source: &self.layout.sources[source].name,
            columns: &columns,
            rules: self.check.map_or(&[], |check| check.rules()),
            encoding: self.layout.encoding(source),
            sound: self.layout.sound(source),
        };
        let arrays = quarantine::arrays(&origin, entries)?;
        self.quarantine.push(engine, &arrays, entries.len())
    }

    /// The columns of a source in the table's order; null where the source lacks one.
    fn placed(&self, source: usize, columns: &[ArrayRef], rows: usize) -> Vec<ArrayRef> {
        let mut placed: Vec<Option<ArrayRef>> = vec![None; self.types.len()];
        for (column, array) in self.layout.sources[source].columns.iter().zip(columns) {
            placed[self.settled.columns[*column].place] = Some(Arc::clone(array));
        }
        let or_null = |(array, data_type): (Option<ArrayRef>, &ArrowType)| {
            array.unwrap_or_else(|| new_null_array(data_type, rows))
        };
        placed.into_iter().zip(&self.types).map(or_null).collect()
    }
}
