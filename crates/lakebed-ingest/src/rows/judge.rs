//! Rows of the right shape, judged by the rules of their source.

use arrow::array::ArrayRef;
use lakebed_core::{ReasonCode, Severity};

use super::{
    Fault,
    walk::{BadRow, Counts, Trouble},
};
use crate::{checks::Checking, text::Record, unique::Turn};

/// How many rows of a chunk broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RuleCount {
    pub(crate) rows: u64,
    /// Line ends before the first of them.
    pub(crate) first: Option<u64>,
}

impl RuleCount {
    /// Counts a row; line ends before it.
    pub(crate) fn add(&mut self, before: u64) {
        self.rows += 1;
        self.first.get_or_insert(before);
    }
}

/// Judges the rows in `columns`, whose records are `records`. What they break joins the faults in
/// `bad`; the places of rows that are bad only now join `dropped`. Both are ascending, and stay so.
pub(crate) fn judge(
    checking: &Checking,
    columns: &[ArrayRef],
    records: &[Record],
    dropped: &mut Vec<usize>,
    counts: &mut Counts,
    bad: &mut Vec<BadRow>,
    turn: Option<Turn>,
) -> Result<(), Trouble> {
    let broken = checking.broken(columns, records.len()).map_err(Trouble::Internal)?;
    let mut faults: Vec<(usize, u32)> = Vec::new();
    counts.rules = vec![RuleCount::default(); broken.len()];
    for (rule, rows) in broken.iter().enumerate() {
        let rows = rows.iter().flat_map(|rows| rows.set_indices());
        for row in rows.filter(|row| is_judged(checking, rule, &records[*row], bad)) {
            counts.rules[rule].add(u64::from(records[row].line));
            if checking.rules()[rule].severity >= Severity::Error {
                faults.push((row, rule as u32));
            }
        }
    }
    faults.sort_unstable();
    let is_out = |row: usize| {
        let is_blamed = || faults.binary_search_by_key(&row, |fault| fault.0).is_ok();
        dropped.binary_search(&row).is_ok() || is_blamed()
    };
    let repeated = checking.repeated(columns, records.len(), turn, is_out);
    for (row, rule) in repeated.map_err(Trouble::Internal)? {
        counts.rules[rule].add(u64::from(records[row].line));
        if checking.rules()[rule].severity >= Severity::Error {
            faults.push((row, rule as u32));
        }
    }
    faults.sort_unstable();
    let mut new = Vec::new();
    for of_row in faults.chunk_by(|one, other| one.0 == other.0) {
        let row = of_row[0].0;
        let faults = of_row.iter().map(|(_, rule)| checking.fault(*rule));
        match find(bad, &records[row]) {
            Some(place) => bad[place].faults.extend(faults),
            None => {
                dropped.push(row);
                new.push(BadRow { record: records[row], faults: faults.collect() });
            }
        }
    }
    new.iter().for_each(|row| counts.condemn(row));
    bad.append(&mut new);
    bad.sort_unstable_by_key(|row| row.record.start);
    counts.first_bad = bad.first().map(|row| u64::from(row.record.line));
    dropped.sort_unstable();
    Ok(())
}

/// Whether a rule speaks of a row: all cells it looks at are of their type.
fn is_judged(checking: &Checking, rule: usize, record: &Record, bad: &[BadRow]) -> bool {
    let Some(place) = find(bad, record) else { return true };
    let looks_at = |column: u32| checking.columns(rule).contains(&column);
    let failed = |fault: &Fault| fault.code == ReasonCode::TypeError;
    !bad[place].faults.iter().any(|fault| failed(fault) && fault.column.is_some_and(looks_at))
}

fn find(bad: &[BadRow], record: &Record) -> Option<usize> {
    bad.binary_search_by_key(&record.start, |bad| bad.record.start).ok()
}
