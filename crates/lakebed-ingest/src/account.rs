//! What became of every byte of a source (P6).

use std::collections::BTreeMap;

use lakebed_core::{ReasonCode, SkipKind, Skipped, Tally};

use crate::{
    Recount, Refusal,
    judged::JudgedBatch,
    refusal::shown,
    rows::{ColumnCounts, Counts, RuleCount},
    sniff::Preamble,
};

/// The account of one source, chunk after chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    preamble: Preamble,
    /// Whether bytes are those of the source, and not of a text made from it.
    made: bool,
    pub(crate) accepted: Tally,
    pub(crate) quarantined: Tally,
    blank: Tally,
    comment: Tally,
    repeated: Tally,
    punctuation: Tally,
    /// Line ends so far.
    pub(crate) lines: u64,
    pub(crate) columns: Vec<ColumnCounts>,
    pub(crate) reasons: BTreeMap<ReasonCode, u64>,
    /// The line of the first bad row, counted from 1.
    pub(crate) first_bad_line: Option<u64>,
    /// Per rule of the source: rows that broke it, and the line of the first, counted from 1.
    pub(crate) rules: Vec<RuleCount>,
    /// Rows of several lines whose lines could be rows.
    pub(crate) doubtful: u64,
    /// The line of the first of them, counted from 1.
    pub(crate) first_doubtful_line: Option<u64>,
}

impl Account {
    /// The account of a source of which only the preamble was read.
    pub(crate) fn new(preamble: Preamble, width: usize) -> Self {
        let columns = vec![ColumnCounts::default(); width];
        Self { preamble, lines: preamble.lines, columns, ..Self::default() }
    }

    /// The account of a source whose text was made from it: rows are told, bytes are not.
    pub(crate) fn of_made_text(preamble: Preamble, width: usize) -> Self {
        Self { made: true, ..Self::new(preamble, width) }
    }

    /// Takes in the next chunk.
    pub(crate) fn add(&mut self, counts: &Counts) {
        add(&mut self.accepted, counts.accepted);
        add(&mut self.quarantined, counts.quarantined);
        add(&mut self.blank, counts.blank);
        add(&mut self.comment, counts.comment);
        add(&mut self.repeated, counts.repeated);
        add(&mut self.punctuation, counts.punctuation);
        for (sum, column) in self.columns.iter_mut().zip(&counts.columns) {
            sum.add(*column);
        }
        for (code, count) in &counts.reasons {
            *self.reasons.entry(*code).or_default() += count;
        }
        let before = self.lines;
        let line = |line: Option<u64>| line.map(|line| before + line + 1);
        self.first_bad_line = self.first_bad_line.or(line(counts.first_bad));
        self.doubtful += counts.doubts.records;
        self.first_doubtful_line = self.first_doubtful_line.or(line(counts.doubts.first));
        self.add_rules(&counts.rules);
        self.lines += counts.lines;
    }

    /// Takes in rows of a binary format.
    pub(crate) fn add_rows(&mut self, rows: u64) {
        self.accepted.rows += rows;
    }

    /// Takes in a judged batch of a binary format. Its rows count as lines.
    pub(crate) fn add_judged(&mut self, batch: &JudgedBatch) {
        self.accepted.rows += batch.accepted as u64;
        self.quarantined.rows += batch.bad.len() as u64;
        for code in batch.bad.iter().filter_map(|bad| bad.faults.first()).map(|fault| fault.code) {
            *self.reasons.entry(code).or_default() += 1;
        }
        let first_bad = batch.bad.first().map(|bad| self.lines + bad.row + 1);
        self.first_bad_line = self.first_bad_line.or(first_bad);
        self.add_rules(&batch.rules);
        self.lines += (batch.accepted + batch.bad.len()) as u64;
    }

    fn add_rules(&mut self, rules: &[RuleCount]) {
        self.rules.resize_with(rules.len().max(self.rules.len()), RuleCount::default);
        for (sum, count) in self.rules.iter_mut().zip(rules) {
            sum.rows += count.rows;
            sum.first = sum.first.or(count.first.map(|first| self.lines + first + 1));
        }
    }

    /// The ranges that hold no row, by kind.
    pub(crate) fn skipped(&self) -> Vec<Skipped> {
        let Preamble { bom, blank, comment, lead, header_bytes, .. } = self.preamble;
        let skipped = |what, ranges, bytes| Skipped { what, ranges, bytes };
        let tally = |what, one: Tally, other: Tally| {
            skipped(what, one.rows + other.rows, one.bytes + other.bytes)
        };
        let all = [
            skipped(SkipKind::Bom, u64::from(bom > 0), bom),
            tally(SkipKind::Preamble, lead, Tally::default()),
            tally(SkipKind::Comment, comment, self.comment),
            skipped(SkipKind::Header, u64::from(header_bytes > 0), header_bytes),
            tally(SkipKind::Repeated, self.repeated, Tally::default()),
            tally(SkipKind::Blank, blank, self.blank),
            tally(SkipKind::Punctuation, self.punctuation, Tally::default()),
        ];
        all.into_iter().filter(|skipped| skipped.ranges > 0).collect()
    }

    /// Makes sure that a text of `length` bytes is accounted for, every byte once.
    pub(crate) fn check(&self, name: &str, length: u64) -> Result<(), Refusal> {
        let skipped: u64 = self.skipped().iter().map(|skipped| skipped.bytes).sum();
        let sum = self.accepted.bytes + self.quarantined.bytes + skipped;
        match sum == length {
            true => Ok(()),
            false => Err(Refusal::internal(format!(
                "{sum} of {length} bytes of `{}` are accounted for",
                shown(name)
            ))),
        }
    }

    pub(crate) fn recount(&self) -> Recount {
        let (mut accepted, mut quarantined) = (self.accepted, self.quarantined);
        let mut skipped = self.skipped();
        if self.made {
            (accepted.bytes, quarantined.bytes) = (0, 0);
            skipped.iter_mut().for_each(|skipped| skipped.bytes = 0);
        }
        Recount { accepted, quarantined, skipped }
    }
}

fn add(sum: &mut Tally, part: Tally) {
    sum.rows += part.rows;
    sum.bytes += part.bytes;
}
