//! What columns tell of because of what they stand beside.
//!
//! A condition that is about rows of one source says which of them there are, and is the statement's to
//! say. One that is about rows of several puts them beside each other, by a join or by WHERE: then
//! whatever is known of the one says something of what the others were found by.

use std::collections::BTreeSet;

use datafusion::{
    common::{
        Column, JoinType,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{Expr, Join, Subquery, utils::split_conjunction},
};
use lakebed_core::lineage::Indirect;
use lakebed_service::engine::EngineError;

use super::{
    Walker,
    parts::{Names, Outer, Scope, Source, Traced},
};
use crate::errors::from_datafusion;

/// What one condition is about.
pub(super) struct Condition<'e> {
    /// The columns that it names.
    here: Vec<(&'e Column, Traced)>,
    /// Those that it names of queries around it, and that what it asks names of it.
    around: Vec<Traced>,
    /// What else it asks: a value that a subquery finds.
    asked: Traced,
}

impl Condition<'_> {
    fn all(&self) -> impl Iterator<Item = &Traced> {
        self.here.iter().map(|(_, about)| about).chain(&self.around).chain([&self.asked])
    }

    /// What it is about on one side of a join, and around it.
    fn on(&self, side: &Scope<'_>) -> Vec<&Traced> {
        let here = self.here.iter().filter(|(column, _)| side.find(column).is_some());
        here.map(|(_, about)| about).chain(&self.around).collect()
    }

    /// Whether it is about rows of several sources.
    fn links(&self) -> bool {
        let sources = self.all().flat_map(|about| &about.sources);
        sources.collect::<BTreeSet<_>>().len() > 1
    }
}

/// Each of `columns` tells of whatever it was put beside.
pub(super) fn link(columns: &mut [Traced], links: &[Condition<'_>]) {
    // Constants tell of nothing.
    for column in columns.iter_mut().filter(|column| !column.sources.is_empty()) {
        for about in links.iter().flat_map(Condition::all) {
            let is_of_the_same = column.sources.len() == 1 && column.sources == about.sources;
            if !is_of_the_same {
                column.tell_of(about);
            }
        }
    }
}

/// What a subquery, or the other side of a join, is asked with.
#[derive(Debug, Default)]
pub(super) struct Asks {
    sources: BTreeSet<Source>,
    /// Whether something is of no column: a constant, or a number that was counted.
    is_made_up: bool,
}

impl Asks {
    fn add(&mut self, with: &Traced) {
        self.sources.extend(&with.sources);
        self.is_made_up |= with.origins().next().is_none();
    }

    /// Rows of one source are there or not. A value that is put beside them, or made up, is found.
    pub(super) fn finds_values(&self) -> bool {
        self.is_made_up || self.sources.len() > 1
    }
}

/// What a join puts beside each other.
#[derive(Debug, Default)]
pub(super) struct Across {
    /// What the columns of either side tell of because of the other.
    pub(super) told: [Traced; 2],
    /// What either side asks the other with.
    pub(super) asks: [Asks; 2],
}

impl Walker<'_> {
    /// Which rows there are, or are first, depends on all `parts`; gives those that are about several
    /// sources.
    pub(super) fn conditions<'e>(
        &mut self,
        parts: impl IntoIterator<Item = &'e Expr>,
        how: Indirect,
        names: Names<'_>,
    ) -> Result<Vec<Condition<'e>>, EngineError> {
        let parts = parts.into_iter().map(|part| self.condition(part, how, names));
        let mut links = parts.collect::<Result<Vec<_>, _>>()?;
        links.retain(Condition::links);
        Ok(links)
    }

    /// Which rows there are depends on the keys and the condition of a join.
    pub(super) fn across(
        &mut self,
        node: &Join,
        sides: &[Scope<'_>; 2],
        outer: &Outer<'_>,
    ) -> Result<Across, EngineError> {
        let Across { told: [mut told_left, mut told_right], asks: [mut asks_left, mut asks_right] } =
            Across::default();
        for (left_key, right_key) in &node.on {
            let left_key = self.expression(left_key, Names::new(&sides[..1], outer))?;
            let right_key = self.expression(right_key, Names::new(&sides[1..], outer))?;
            self.depends(&left_key, Indirect::Join);
            self.depends(&right_key, Indirect::Join);
            told_left.tell_of(&right_key);
            told_right.tell_of(&left_key);
            asks_left.add(&left_key);
            asks_right.add(&right_key);
        }
        for part in node.filter.iter().flat_map(split_conjunction) {
            let part = self.condition(part, Indirect::Join, Names::new(sides, outer))?;
            let [of_left, of_right] = sides.each_ref().map(|side| part.on(side));
            of_left.iter().for_each(|about| asks_left.add(about));
            of_right.iter().for_each(|about| asks_right.add(about));
            // Of an inner join, what is about one side says which of its rows there are.
            let is_one_sided = of_left.is_empty() || of_right.is_empty();
            if node.join_type == JoinType::Inner && is_one_sided && part.asked.is_nothing() {
                continue;
            }
            of_right.into_iter().chain([&part.asked]).for_each(|about| told_left.tell_of(about));
            of_left.into_iter().chain([&part.asked]).for_each(|about| told_right.tell_of(about));
        }
        Ok(Across { told: [told_left, told_right], asks: [asks_left, asks_right] })
    }

    fn condition<'e>(
        &mut self,
        condition: &'e Expr,
        how: Indirect,
        names: Names<'_>,
    ) -> Result<Condition<'e>, EngineError> {
        let whole = self.expression(condition, names)?;
        self.depends(&whole, how);
        let (mut columns, mut outer, mut is_value) = (Vec::new(), Vec::new(), false);
        let mut asking: Vec<(&Expr, &Subquery)> = Vec::new();
        condition
            .apply(|part| {
                match part {
                    Expr::Column(column) => columns.push(column),
                    Expr::OuterReferenceColumn(_, column) => outer.push(column),
                    Expr::ScalarSubquery(_) => is_value = true,
                    Expr::Exists(exists) => asking.push((part, &exists.subquery)),
                    Expr::InSubquery(within) => asking.push((&within.expr, &within.subquery)),
                    Expr::SetComparison(compared) => {
                        asking.push((&compared.expr, &compared.subquery));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(from_datafusion)?;
        // Whether a row is among those that a subquery finds is about which rows there are.
        let mut asked_with = Vec::new();
        for (with, subquery) in asking {
            let (mut asks, mut correlated) = (Asks::default(), Vec::new());
            if !matches!(with, Expr::Exists(_)) {
                asks.add(&self.expression(with, names)?);
            }
            for column in outer_columns(subquery) {
                let column = names.nearest(column)?;
                asks.add(column);
                correlated.push(column.clone());
            }
            if asks.finds_values() {
                is_value = true;
                asked_with.extend(correlated);
            }
        }
        let here = columns.into_iter().map(|column| Ok((column, names.column(column)?.clone())));
        let here: Vec<_> = here.collect::<Result<_, EngineError>>()?;
        let around = outer.into_iter().map(|column| names.outer_column(column).cloned());
        let around = around.chain(asked_with.into_iter().map(Ok));
        let around: Vec<_> = around.collect::<Result<_, EngineError>>()?;
        let asked = match is_value {
            true => whole.without(here.iter().map(|(_, about)| about).chain(&around)),
            false => Traced::default(),
        };
        Ok(Condition { here, around, asked })
    }
}

/// The columns around it that a subquery names.
fn outer_columns(subquery: &Subquery) -> impl Iterator<Item = &Column> {
    subquery.outer_ref_columns.iter().filter_map(|expr| match expr {
        Expr::OuterReferenceColumn(_, column) => Some(column),
        _ => None,
    })
}
