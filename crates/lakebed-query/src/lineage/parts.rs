//! What is known of a column on its way up through a plan, and what its name means on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use datafusion::common::{Column, DFSchema};
use lakebed_core::lineage::{Direct, Lineage};
use lakebed_service::engine::EngineError;

use crate::errors::{exhausted, internal};

/// A column of a table of the job, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) table: usize,
    pub(super) column: usize,
}

/// Something that rows come from, as it stands in one place of a plan: a table that is named twice are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Source(u64);

impl Source {
    /// What stands in this place of the plan, for as long as that is looked at.
    pub(super) fn of<T>(node: &T) -> Self {
        Self(std::ptr::from_ref(node) as u64)
    }

    /// The same source as a part of `place`, where it is another one than as a part of another.
    fn within(self, place: Self) -> Self {
        let mut hasher = DefaultHasher::new();
        (place, self).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What a column is made of, and what decides that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    pub(super) direct: BTreeMap<Origin, BTreeSet<Direct>>,
    pub(super) conditional: BTreeSet<Origin>,
    pub(super) tells_of: BTreeSet<Origin>,
    /// Which rows its value hangs on; nothing for constants.
    pub(super) sources: BTreeSet<Source>,
}

impl Traced {
    /// A column of a table, as it is.
    pub(super) fn column(origin: Origin, source: Source) -> Self {
        let direct = BTreeMap::from([(origin, BTreeSet::from([Direct::Identity]))]);
        Self { direct, ..Self::of(source) }
    }

    /// A value of rows, of none of their columns.
    pub(super) fn of(source: Source) -> Self {
        Self { sources: BTreeSet::from([source]), ..Self::default() }
    }

    /// The same, if it hangs on nothing yet on `source`.
    pub(super) fn or_of(mut self, source: Source) -> Self {
        if self.sources.is_empty() {
            self.sources.insert(source);
        }
        self
    }

    /// All that it hangs on is part of `place` from here on.
    pub(super) fn move_into(&mut self, place: Source) {
        self.sources = self.sources.iter().map(|source| source.within(place)).collect();
    }

    /// It stands beside `other`, of which it tells something, then.
    pub(super) fn tell_of(&mut self, other: &Self) {
        self.tells_of.extend(other.origins());
        self.tells_of.extend(&other.tells_of);
    }

    /// Takes `part` in, of which no more than `kind` is left.
    pub(super) fn add(&mut self, part: &Self, kind: Direct) {
        for (origin, kinds) in &part.direct {
            let kinds = kinds.iter().map(|left| kind.max(*left));
            self.direct.entry(*origin).or_default().extend(kinds);
        }
        self.conditional.extend(&part.conditional);
        self.tells_of.extend(&part.tells_of);
        self.sources.extend(&part.sources);
    }

    /// `condition` decides what the column is made of.
    pub(super) fn add_condition(&mut self, condition: &Self) {
        self.conditional.extend(condition.origins());
        self.tells_of.extend(&condition.tells_of);
        self.sources.extend(&condition.sources);
    }

    /// What is left of it besides `parts`.
    pub(super) fn without<'p>(&self, parts: impl IntoIterator<Item = &'p Self>) -> Self {
        let mut left = self.clone();
        for part in parts {
            left.direct.retain(|origin, _| !part.direct.contains_key(origin));
            left.conditional.retain(|origin| !part.conditional.contains(origin));
            left.sources.retain(|source| !part.sources.contains(source));
        }
        left
    }

    /// Whether it says nothing of any column.
    pub(super) fn is_nothing(&self) -> bool {
        self.edges() == 0
    }

    /// Everything that has a part in it.
    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.direct.keys().chain(&self.conditional).copied()
    }

    /// The one column that it is, whatever happens; none if it is more or less than that.
    pub(super) fn is_exactly(&self) -> Option<Origin> {
        let mut direct = self.direct.iter();
        match (direct.next(), direct.next(), self.conditional.is_empty()) {
            (Some((origin, kinds)), None, true) => {
                kinds.iter().all(|kind| *kind == Direct::Identity).then_some(*origin)
            }
            _ => None,
        }
    }

    pub(super) fn edges(&self) -> usize {
        self.direct.len() + self.conditional.len() + self.tells_of.len()
    }
}

/// Columns that are traced one after the other, none further than can be told.
#[derive(Default)]
pub(super) struct List {
    columns: Vec<Traced>,
    edges: usize,
}

impl List {
    pub(super) fn push(&mut self, column: Traced) -> Result<(), EngineError> {
        self.edges += column.edges();
        check_size(self.edges)?;
        self.columns.push(column);
        Ok(())
    }

    pub(super) fn into_columns(self) -> Vec<Traced> {
        self.columns
    }
}

/// Refuses what is too much to be told before it is too much to be worked out.
pub(super) fn check_size(edges: usize) -> Result<(), EngineError> {
    match edges > Lineage::MOST_EDGES {
        true => Err(exhausted(format!(
            "the statement's columns are made of more than {} others, all in all",
            Lineage::MOST_EDGES
        ))),
        false => Ok(()),
    }
}

/// The columns of one node, by name.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    schema: &'a DFSchema,
    columns: &'a [Traced],
}

impl<'a> Scope<'a> {
    pub(super) const fn new(schema: &'a DFSchema, columns: &'a [Traced]) -> Self {
        Self { schema, columns }
    }

    pub(super) fn find(&self, column: &Column) -> Option<&'a Traced> {
        self.columns.get(self.schema.maybe_index_of_column(column)?)
    }
}

/// What stands around a plan that is part of another.
#[derive(Clone, Default)]
pub(super) struct Outer<'a> {
    /// Columns of the queries around it; innermost last.
    around: Vec<Scope<'a>>,
    /// Columns of the left sides of joins on the right side of which it stands; innermost last. They are
    /// there for LATERAL alone.
    beside: Vec<Scope<'a>>,
}

impl<'a> Outer<'a> {
    /// For the right side of a join with `left`.
    pub(super) fn beside(&self, left: Scope<'a>) -> Self {
        let mut outer = self.clone();
        outer.beside.push(left);
        outer
    }

    /// For what is LATERAL here.
    pub(super) fn lateral(&self) -> Self {
        let around = self.around.iter().chain(&self.beside).copied().collect();
        Self { around, beside: Vec::new() }
    }
}

/// What names mean in an expression.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    here: &'a [Scope<'a>],
    outer: &'a Outer<'a>,
}

impl<'a> Names<'a> {
    pub(super) const fn new(here: &'a [Scope<'a>], outer: &'a Outer<'a>) -> Self {
        Self { here, outer }
    }

    pub(super) fn column(&self, column: &Column) -> Result<&'a Traced, EngineError> {
        let found = self.here.iter().find_map(|scope| scope.find(column));
        found.ok_or_else(|| missing(column))
    }

    /// A column of a query around this one: of the nearest that has it.
    pub(super) fn outer_column(&self, column: &Column) -> Result<&'a Traced, EngineError> {
        let found = self.outer.around.iter().rev().find_map(|scope| scope.find(column));
        found.ok_or_else(|| missing(column))
    }

    /// What a query within the expression calls a column around it.
    pub(super) fn nearest(&self, column: &Column) -> Result<&'a Traced, EngineError> {
        let found = self.here.iter().find_map(|scope| scope.find(column));
        found.map_or_else(|| self.outer_column(column), Ok)
    }

    /// For a query within the expression.
    pub(super) fn within(&self) -> Outer<'a> {
        let around = self.outer.around.iter().chain(self.here).copied().collect();
        Outer { around, beside: Vec::new() }
    }
}

fn missing(column: &Column) -> EngineError {
    internal(format!("the plan has no column `{column}` where it names it"))
}
