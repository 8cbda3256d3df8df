//! What columns tell of because of what they stand beside.
//!
//! A condition that is about rows of one source says which of them there are, and is the statement's to
//! say. One that is about rows of several puts them beside each other, by a join or by WHERE: then
//! whatever is known of the one says something of what the others were found by.

use std::collections::BTreeSet;

use datafusion::{
    common::tree_node::{TreeNode as _, TreeNodeRecursion},
    logical_expr::{Expr, Join, JoinType},
};
use lakebed_core::lineage::Indirect;
use lakebed_service::engine::EngineError;

use super::{
    Walker,
    parts::{Names, Outer, Scope, Source, Traced},
};
use crate::errors::from_datafusion;

/// Conditions that all have to hold, taken apart.
pub(super) fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    datafusion::logical_expr::utils::split_conjunction(condition)
}

/// What one condition is about.
struct Condition {
    /// The columns that it names.
    named: Vec<Traced>,
    /// What else it asks: a value that a subquery finds.
    asked: Traced,
}

impl Condition {
    fn all(&self) -> impl Iterator<Item = &Traced> {
        self.named.iter().chain([&self.asked])
    }

    /// Whether it is about rows of several sources.
    fn links(&self) -> bool {
        let sources = self.all().flat_map(|about| &about.sources);
        sources.collect::<BTreeSet<_>>().len() > 1
    }
}

impl Walker<'_> {
    /// Which rows there are depends on `condition`, and what `columns` tell of where it is about several
    /// sources.
    pub(super) fn filter(
        &mut self,
        condition: &Expr,
        columns: &mut [Traced],
        names: Names<'_>,
    ) -> Result<(), EngineError> {
        for condition in conjuncts(condition) {
            let condition = self.condition(condition, Indirect::Filter, names)?;
            if !condition.links() {
                continue;
            }
            for column in columns.iter_mut().filter(|column| !column.sources.is_empty()) {
                for about in condition.all() {
                    let is_of_the_same =
                        column.sources.len() == 1 && column.sources == about.sources;
                    if !is_of_the_same {
                        column.tell_of(about);
                    }
                }
            }
        }
        Ok(())
    }

    /// Which rows there are depends on the keys and the condition of a join, and what the columns of each
    /// side tell of on what the other side was found by.
    pub(super) fn join_conditions(
        &mut self,
        node: &Join,
        left: &mut [Traced],
        right: &mut [Traced],
        outer: &Outer<'_>,
    ) -> Result<(), EngineError> {
        let mut told_left = Traced::default();
        let mut told_right = Traced::default();
        {
            let (left, right): (&[Traced], &[Traced]) = (left, right);
            let scopes =
                [Scope::new(node.left.schema(), left), Scope::new(node.right.schema(), right)];
            for (left_key, right_key) in &node.on {
                for (key, scope, told) in [
                    (left_key, &scopes[..1], &mut told_right),
                    (right_key, &scopes[1..], &mut told_left),
                ] {
                    let key = self.expression(key, Names::new(scope, outer))?;
                    self.depends(&key, Indirect::Join);
                    told.tell_of(&key);
                }
            }
            let names = Names::new(&scopes, outer);
            for condition in node.filter.iter().flat_map(conjuncts) {
                let of_left = self.condition_of(condition, &scopes[0], outer)?;
                let of_right = self.condition_of(condition, &scopes[1], outer)?;
                let Condition { asked, .. } = self.condition(condition, Indirect::Join, names)?;
                // Of an inner join, what is about one side says which of its rows there are.
                let is_one_sided = of_left.is_empty() || of_right.is_empty();
                if node.join_type == JoinType::Inner && is_one_sided && asked.is_nothing() {
                    continue;
                }
                of_left.iter().for_each(|about| told_right.tell_of(about));
                of_right.iter().for_each(|about| told_left.tell_of(about));
                told_left.tell_of(&asked);
                told_right.tell_of(&asked);
            }
        }
        left.iter_mut().for_each(|column| column.tell_of(&told_left));
        right.iter_mut().for_each(|column| column.tell_of(&told_right));
        Ok(())
    }

    /// The columns of one side that a condition names, and all that it names of queries around it.
    fn condition_of(
        &self,
        condition: &Expr,
        side: &Scope<'_>,
        outer: &Outer<'_>,
    ) -> Result<Vec<Traced>, EngineError> {
        let mut found = Vec::new();
        condition
            .apply(|part| {
                if let Expr::Column(column) = part {
                    found.extend(side.find(column).cloned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(from_datafusion)?;
        let around = Names::new(&[], outer);
        for column in outer_columns(condition)? {
            found.push(around.outer_column(column)?.clone());
        }
        Ok(found)
    }

    fn condition(
        &mut self,
        condition: &Expr,
        how: Indirect,
        names: Names<'_>,
    ) -> Result<Condition, EngineError> {
        let whole = self.expression(condition, names)?;
        self.depends(&whole, how);
        let (mut named, mut asks) = (Vec::new(), false);
        let mut missing = None;
        condition
            .apply(|part| {
                let found = match part {
                    Expr::Column(column) => names.column(column),
                    Expr::OuterReferenceColumn(_, column) => names.outer_column(column),
                    Expr::ScalarSubquery(_) => {
                        asks = true;
                        return Ok(TreeNodeRecursion::Continue);
                    }
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                match found {
                    Ok(traced) => named.push(traced.clone()),
                    Err(error) => missing = Some(error),
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(from_datafusion)?;
        if let Some(missing) = missing {
            return Err(missing);
        }
        // Whether a row is among those that a subquery finds is about which rows there are.
        let asked = if asks { whole.without(&named) } else { Traced::default() };
        Ok(Condition { named, asked })
    }
}

fn outer_columns(condition: &Expr) -> Result<Vec<&datafusion::common::Column>, EngineError> {
    let mut found = Vec::new();
    condition
        .apply(|part| {
            if let Expr::OuterReferenceColumn(_, column) = part {
                found.push(column);
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(from_datafusion)?;
    Ok(found)
}

/// The sides of a join, each a place of its own.
pub(super) fn sides(node: &Join) -> [Source; 2] {
    [Source::of(&node.left), Source::of(&node.right)]
}
