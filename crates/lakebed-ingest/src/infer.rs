//! Types from cells: a guess from the head of each source, the truth from all of it.
//!
//! A guess is made to be believed while decoding; there every cell is compared with it. If none
//! contradicts, the guess is the truth, because evidence only grows: what all cells say is what the
//! head says, or something the head's type does not hold. If one does, everything is looked through
//! and decoded again. So the types never depend on how much was looked at first.

use std::sync::Arc;

use crate::{
    Phase, Progress, Refusal,
    account::Account,
    cell::{Evidence, Verdict},
    chunks::Sizes,
    encoding::Passages,
    engine::{Engine, run},
    feed::{Fed, feed_text, refuse_fault, refuse_trouble},
    input,
    layout::{Format, Layout, Settled, Source},
    rows::{ChunkScan, Reading, Trouble, scan},
};

/// Sizes of the work; results never depend on them, apart from the longest record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    pub(crate) sizes: Sizes,
    /// How much of all sources together is looked at for a guess.
    pub(crate) sample: usize,
    /// How little of one source is not worth saving.
    pub(crate) least_sample: usize,
    /// How many bytes may wait for a row group to be full.
    pub(crate) patience: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            sizes: Sizes::default(),
            sample: 64 << 20,
            least_sample: 256 << 10,
            patience: 64 << 20,
        }
    }
}

/// What the text sources say, per column of the layout.
pub(crate) struct Findings {
    pub(crate) evidence: Vec<Evidence>,
    /// Whether that is of all cells.
    pub(crate) complete: bool,
    /// Per source, if all were read to their end.
    pub(crate) accounts: Vec<Account>,
}

impl Findings {
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.evidence.iter().map(Evidence::verdict).collect()
    }
}

/// Looks at the head of every text source that has columns to infer.
pub(crate) fn look_at_heads(
    layout: &Layout,
    settled: &Settled,
    tuning: Tuning,
    progress: &dyn Progress,
) -> Result<Findings, Refusal> {
    let evidence = vec![Evidence::default(); layout.columns.len()];
    let mut findings = Findings { evidence, complete: true, accounts: Vec::new() };
    let share = (tuning.sample / layout.sources.len()).max(tuning.least_sample);
    let sizes = Sizes { chunk: share.min(tuning.sizes.chunk), ..tuning.sizes };
    for (index, source) in layout.sources.iter().enumerate() {
        if progress.cancelled() {
            return Err(Refusal::cancelled());
        }
        if let Some(reading) = layout.reading(index, settled, tuning.sizes.record) {
            look_at_head(source, &reading, sizes, &mut findings)?;
        }
    }
    Ok(findings)
}

fn look_at_head(
    source: &Source,
    reading: &Reading,
    sizes: Sizes,
    findings: &mut Findings,
) -> Result<(), Refusal> {
    let Format::Text(text) = &source.format else { return Ok(()) };
    let refuse = |error| input::refuse(&source.name, text.compression, &error);
    let mut passages = Passages::open(&source.path, text, reading, sizes, None).map_err(refuse)?;
    let passage =
        passages.next().map_err(|fault| refuse_fault(source, &fault, text.preamble.lines))?;
    let Some((_, passage)) = passage else { return Ok(()) };
    let scan = scan(&passage, reading)
        .map_err(|trouble| refuse_trouble(source, &trouble, text.preamble.lines))?;
    merge(findings, source, &scan);
    findings.complete &= passages.is_done();
    Ok(())
}

fn merge(findings: &mut Findings, source: &Source, scan: &ChunkScan) {
    for (column, evidence) in source.columns.iter().zip(&scan.evidence) {
        findings.evidence[*column].merge(evidence);
    }
}

/// Looks at every cell of every text source, and counts what would be accepted.
pub(crate) fn look_at_all(
    layout: &Layout,
    settled: &Settled,
    tuning: Tuning,
    threads: usize,
    progress: &dyn Progress,
) -> Result<Findings, Refusal> {
    progress.phase(Phase::Inferring);
    let reading = |index| layout.reading(index, settled, tuning.sizes.record).map(Arc::new);
    let readings: Vec<Option<Arc<Reading>>> = (0..layout.sources.len()).map(reading).collect();
    let sizes = tuning.sizes;
    run(
        threads,
        progress,
        |feeder| {
            for (index, (source, reading)) in layout.sources.iter().zip(&readings).enumerate() {
                if let Some(reading) = reading {
                    feed_text(
                        feeder,
                        index,
                        source,
                        reading,
                        sizes,
                        progress,
                        |passage, reading, _| scan(&passage, reading),
                    )?;
                }
            }
            Ok(())
        },
        |engine| collect(engine, layout, progress),
    )
}

fn collect(
    engine: &mut Engine<'_, Fed<ChunkScan>>,
    layout: &Layout,
    progress: &dyn Progress,
) -> Result<Findings, Refusal> {
    let evidence = vec![Evidence::default(); layout.columns.len()];
    let accounts = accounts(layout);
    let mut findings = Findings { evidence, complete: true, accounts };
    while let Some(part) = engine.next()? {
        match part {
            Fed::Chunk { source, result, .. } => {
                let account = &mut findings.accounts[source];
                let source = &layout.sources[source];
                let scan = result
                    .map_err(|trouble: Trouble| refuse_trouble(source, &trouble, account.lines))?;
                progress.rows(scan.counts.accepted.rows + scan.counts.quarantined.rows);
                account.add(&scan.counts);
                merge(&mut findings, source, &scan);
            }
            Fed::End { source, length } => {
                findings.accounts[source].check(&layout.sources[source].name, length)?;
            }
            Fed::Fault { source, fault } => {
                let lines = findings.accounts[source].lines;
                return Err(refuse_fault(&layout.sources[source], &fault, lines));
            }
            Fed::Refused(refusal) => return Err(refusal),
            Fed::Batch { .. } | Fed::Tail { .. } => {}
        }
    }
    Ok(findings)
}

/// An empty account per source.
pub(crate) fn accounts(layout: &Layout) -> Vec<Account> {
    let account = |source: &Source| match &source.format {
        Format::Text(text) => text.account(source.columns.len()),
        Format::Json(json) => Account::new(json.preamble(), source.columns.len()),
        Format::Parquet => Account::default(),
    };
    layout.sources.iter().map(account).collect()
}
