//! Where the columns of an answer come from, by the analysed plan.
//!
//! The plan is the one before anything is optimised: an optimiser takes out what does not change an
//! answer today, and with it columns that a statement does name. Every node and every expression is
//! taken apart by a `match` without a wildcard: one that a new planner brings does not compile before
//! someone has decided about it, and one that no admitted statement has is refused by name.
//!
//! What a node does to its columns is in `nodes`, what an expression does to those it names in
//! `expressions`, and what columns tell of because they were put beside others in `links`. Columns are
//! followed by their place, never by their name; names are looked up as the planner looks them up.
//!
//! It errs to one side: an origin may be told that no value ever shows, never the other way round. The
//! proof is in `taint`: a column that is not told can be changed at will.

mod common;
mod expressions;
#[cfg(test)]
mod grammar;
mod links;
mod nodes;
mod parts;
#[cfg(test)]
mod taint;
#[cfg(test)]
mod unadmitted;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::LogicalPlan;
use lakebed_core::lineage::{ColumnOrigin, Indirect, Input, Lineage, OutputColumn};
use lakebed_service::engine::{BoundTable, EngineError};

use crate::errors::not_allowed;
use common::Common;
use parts::{Origin, Outer, Traced};

/// The lineage of `plan`, an analysed plan over `tables`.
///
/// # Errors
/// [`EngineError::NotAllowed`] names what no lineage is known of; [`EngineError::Exhausted`] if there
/// is too much of it.
pub(crate) fn of(plan: &LogicalPlan, tables: &[BoundTable]) -> Result<Lineage, EngineError> {
    let mut walker = Walker::new(tables);
    let columns = walker.columns(plan, &Outer::default())?;
    let names = plan.schema().fields().iter().map(|field| field.name().clone());
    let outputs = names.zip(&columns).map(|(name, traced)| walker.output(name, traced));
    let outputs = outputs.collect();
    let read = walker.read.iter().map(|table| walker.input(*table));
    let lineage = Lineage::new(read, outputs, walker.origins(&walker.indirect));
    Ok(lineage.with_common(walker.common_columns()))
}

/// Walks a plan from its root to its tables, once.
struct Walker<'a> {
    tables: &'a [BoundTable],
    /// The tables that were met, by their place.
    read: BTreeSet<usize>,
    /// What decides about rows anywhere in the plan does so in the answer.
    indirect: BTreeMap<Origin, BTreeSet<Indirect>>,
    /// Queries that read themselves, by name, and what is known of their columns; innermost last.
    working: Vec<(String, Vec<Traced>)>,
    common: Common,
    /// What decides about the rows of each part of the plan that is being looked at; innermost last.
    deciding: Vec<BTreeSet<Origin>>,
}

impl<'a> Walker<'a> {
    fn new(tables: &'a [BoundTable]) -> Self {
        Self {
            tables,
            read: BTreeSet::new(),
            indirect: BTreeMap::new(),
            working: Vec::new(),
            common: Common::default(),
            deciding: Vec::new(),
        }
    }

    fn depends(&mut self, on: &Traced, how: Indirect) {
        for origin in on.origins() {
            self.indirect.entry(origin).or_default().insert(how);
            if let Some(deciding) = self.deciding.last_mut() {
                deciding.insert(origin);
            }
        }
    }

    /// What `look` finds, and all that decides about the rows of what it looks at.
    fn with_deciding<T>(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<T, EngineError>,
    ) -> Result<(T, BTreeSet<Origin>), EngineError> {
        self.deciding.push(BTreeSet::new());
        let found = look(self);
        let deciding = self.deciding.pop().unwrap_or_default();
        if let Some(around) = self.deciding.last_mut() {
            around.extend(&deciding);
        }
        Ok((found?, deciding))
    }

    /// Of what was read under several names there is none.
    fn common_columns(&self) -> BTreeSet<ColumnOrigin> {
        let mut times: BTreeMap<Input, usize> = BTreeMap::new();
        for table in &self.read {
            *times.entry(self.input(*table)).or_default() += 1;
        }
        let once = self.read.iter().filter(|table| times[&self.input(**table)] == 1);
        once.flat_map(|table| self.common.of(*table)).map(|origin| self.origin(origin)).collect()
    }

    fn input(&self, table: usize) -> Input {
        let BoundTable { dataset, version_id, part, .. } = &self.tables[table];
        Input { dataset: dataset.clone(), version_id: *version_id, part: *part }
    }

    fn origin(&self, Origin { table, column }: Origin) -> ColumnOrigin {
        let name = &self.tables[table].schema.fields[column].name;
        ColumnOrigin { input: self.input(table), column: name.clone() }
    }

    /// By their names; two references to one version are one input.
    fn origins<K: Copy + Ord>(
        &self,
        told: &BTreeMap<Origin, BTreeSet<K>>,
    ) -> BTreeMap<ColumnOrigin, BTreeSet<K>> {
        let mut origins: BTreeMap<_, BTreeSet<K>> = BTreeMap::new();
        for (origin, kinds) in told {
            origins.entry(self.origin(*origin)).or_default().extend(kinds);
        }
        origins
    }

    fn output(&self, name: String, traced: &Traced) -> OutputColumn {
        let named = |origins: &BTreeSet<Origin>| {
            origins.iter().map(|origin| self.origin(*origin)).collect()
        };
        OutputColumn {
            name,
            direct: self.origins(&traced.direct),
            conditional: named(&traced.conditional),
            tells_of: named(&traced.tells_of),
        }
    }
}

/// Of `what` nothing is known here.
fn unknown(what: &str) -> EngineError {
    not_allowed(format!("no lineage is known of {what}"), None)
}
