//! Which columns all that one row of an answer is made of has in common.
//!
//! Whoever sees of a table only the rows that a condition leaves may see of an answer the rows that the
//! same condition leaves: if all rows of the table that a row of the answer is made of, or depends on,
//! agree in the columns that the condition is about. A table starts with all its columns; what puts rows
//! together leaves those that it puts them together by, and what lets rows decide about others leaves
//! none. A table that is read twice has none: nothing says that it is read twice at the same row.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{Origin, Traced};

/// What is left of each table, and which tables were met in which order.
#[derive(Debug, Default)]
pub(super) struct Common {
    left: BTreeMap<usize, BTreeSet<Origin>>,
    met: Vec<usize>,
}

/// A place in a walk: what is met after it is below the node that took it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(usize);

impl Common {
    pub(super) fn mark(&self) -> Mark {
        Mark(self.met.len())
    }

    /// A table of so many columns is read.
    pub(super) fn meet(&mut self, table: usize, columns: usize) {
        let all = (0..columns).map(|column| Origin { table, column }).collect();
        let is_first = !self.met.contains(&table);
        self.left.insert(table, if is_first { all } else { BTreeSet::new() });
        self.met.push(table);
    }

    /// Rows of what was met since `mark` are put together where they agree in these.
    pub(super) fn keep(&mut self, mark: Mark, by: &[Traced]) {
        let by: BTreeSet<Origin> = by.iter().filter_map(Traced::is_exactly).collect();
        for table in &self.met[mark.0..] {
            if let Some(left) = self.left.get_mut(table) {
                left.retain(|origin| by.contains(origin));
            }
        }
    }

    /// Rows of what was met since `mark` decide about others.
    pub(super) fn mix(&mut self, mark: Mark) {
        self.keep(mark, &[]);
    }

    /// What is left in the end.
    pub(super) fn of(&self, table: usize) -> BTreeSet<Origin> {
        self.left.get(&table).cloned().unwrap_or_default()
    }
}
