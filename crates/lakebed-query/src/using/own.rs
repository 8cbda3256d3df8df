//! Keys that are named with their table, where a join made one column of them and another side's:
//! `FROM a LEFT JOIN b USING (k) WHERE b.k IS NULL`.
//!
//! Such a column is kept beside the merged one, under a name that nothing else has ([`own_name`]), and
//! whatever names it is made to name that. It is left out of `*`. Which keys `NATURAL` merges is not
//! known before tables are, so behind it a key has no table.

use std::{collections::BTreeSet, convert::Infallible, ops::ControlFlow};

use datafusion::{
    common::JoinType,
    sql::sqlparser::ast::{
        ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
        OrderBy, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
        TableFactor, TableWithJoins, VisitMut as _, VisitorMut, WildcardAdditionalOptions,
    },
};

use super::merged_by;
use crate::guard::word;

/// The words by which a table is known.
type Table = Vec<String>;
/// A key of a table.
type Key = (Table, String);

/// See the module. Joins are relations of their own already.
pub(super) fn keep_own(query: &mut Query) {
    let ControlFlow::Continue(()) = query.visit(&mut Keep);
}

/// The name of the key that a table has of its own.
pub(super) fn own_name(table: &[String], key: &str) -> String {
    format!("{key} of {}", table.join("."))
}

struct Keep;

impl VisitorMut for Keep {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            keep_in(select, query.order_by.as_mut());
        }
        ControlFlow::Continue(())
    }

    /// Those of set operations; what was done once is not done again.
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        keep_in(select, None);
        ControlFlow::Continue(())
    }
}

fn keep_in(select: &mut Select, order_by: Option<&mut OrderBy>) {
    let mut merged = BTreeSet::new();
    let mut kept = BTreeSet::new();
    for table in &mut select.from {
        merged.extend(tables(table, &mut kept).merged);
    }
    if merged.is_empty() {
        return;
    }
    let items = std::mem::take(&mut select.projection);
    let own = items.iter().enumerate().map(|(place, item)| {
        let (before, rest) = items.split_at(place);
        let others = before.iter().chain(&rest[1..]);
        let is_taken = |key: &str| others.clone().any(|other| may_be_named(other, key));
        with_own_keys(item.clone(), &merged, &mut kept, &is_taken)
    });
    select.projection = own.flatten().collect();
    let mut renaming = Renaming { merged: &merged, kept: &mut kept, inner: Vec::new() };
    // Conditions of joins are done, and what is in brackets there is a query of its own.
    let from = std::mem::take(&mut select.from);
    let ControlFlow::Continue(()) = select.visit(&mut renaming);
    select.from = from;
    if let Some(order_by) = order_by {
        let ControlFlow::Continue(()) = order_by.visit(&mut renaming);
    }
    if kept.is_empty() {
        return;
    }
    for table in &mut select.from {
        mark(table, &kept);
    }
    for item in &mut select.projection {
        if let SelectItem::Wildcard(options) = item {
            leave_out(options, &kept);
        }
    }
}

/// What a table and its joins bring.
#[derive(Default)]
struct Tables {
    names: Vec<Table>,
    /// Keys that are another side's as well, and that the merged column is not.
    merged: BTreeSet<Key>,
}

/// Looks through joins; conditions between them name keys as well.
fn tables(table: &mut TableWithJoins, kept: &mut BTreeSet<Key>) -> Tables {
    let mut all = tables_in(&mut table.relation, kept);
    for join in &mut table.joins {
        let right = tables_in(&mut join.relation, kept);
        let before = all.names.len();
        all.names.extend(right.names);
        all.merged.extend(right.merged);
        if let Some((kind, JoinConstraint::Using(keys))) = merged_by(join) {
            let (left, right) = all.names.split_at(before);
            let lost: Vec<Key> = match kind {
                JoinType::Inner | JoinType::Left => pairs(right, keys),
                JoinType::Right => pairs(left, keys),
                JoinType::Full => pairs(&all.names, keys),
                _ => Vec::new(),
            };
            all.merged.extend(lost);
        } else if let Some(on) = on_of(&mut join.join_operator) {
            let mut renaming = Renaming { merged: &all.merged, kept, inner: Vec::new() };
            let ControlFlow::Continue(()) = on.visit(&mut renaming);
        }
    }
    all
}

fn pairs(tables: &[Table], keys: &[ObjectName]) -> Vec<Key> {
    let keys = keys.iter().filter_map(single);
    keys.flat_map(|key| tables.iter().map(move |table| (table.clone(), key.clone()))).collect()
}

fn single(name: &ObjectName) -> Option<String> {
    match words(name)?.as_slice() {
        [key] => Some(key.clone()),
        _ => None,
    }
}

fn words(name: &ObjectName) -> Option<Vec<String>> {
    name.0.iter().map(|part| part.as_ident().map(word)).collect()
}

fn on_of(operator: &mut JoinOperator) -> Option<&mut Expr> {
    match operator {
        JoinOperator::Join(JoinConstraint::On(on))
        | JoinOperator::Inner(JoinConstraint::On(on))
        | JoinOperator::Left(JoinConstraint::On(on))
        | JoinOperator::LeftOuter(JoinConstraint::On(on))
        | JoinOperator::Right(JoinConstraint::On(on))
        | JoinOperator::RightOuter(JoinConstraint::On(on))
        | JoinOperator::FullOuter(JoinConstraint::On(on)) => Some(on),
        _ => None,
    }
}

fn tables_in(factor: &mut TableFactor, kept: &mut BTreeSet<Key>) -> Tables {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => tables(table_with_joins, kept),
        other => Tables { names: name_of(other).into_iter().collect(), ..Tables::default() },
    }
}

fn name_of(factor: &TableFactor) -> Option<Table> {
    let by = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| vec![word(&alias.name)]);
    match factor {
        TableFactor::Table { name, alias, args, .. } => match (by(alias), args) {
            (None, None) => words(name),
            (alias, _) => alias,
        },
        TableFactor::Derived { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::Function { alias, .. } => by(alias),
        _ => None,
    }
}

/// The only merged key that `table.key` can mean.
fn meant<'m>(merged: &'m BTreeSet<Key>, table: &[String], key: &str) -> Option<&'m Key> {
    let mut found = merged.iter().filter(|(name, own)| own == key && name.ends_with(table));
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Makes names of merged keys those of the keys that were kept.
struct Renaming<'a> {
    merged: &'a BTreeSet<Key>,
    kept: &'a mut BTreeSet<Key>,
    /// The tables of the queries around an expression: they hide those outside that have their names.
    inner: Vec<Vec<Table>>,
}

impl VisitorMut for Renaming<'_> {
    type Break = Infallible;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        self.inner.push(select.from.iter().flat_map(names).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &mut Select) -> ControlFlow<Infallible> {
        self.inner.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundIdentifier(idents) = expr
            && let Some((last, qualifier)) = idents.split_last_mut()
        {
            let table: Vec<String> = qualifier.iter().map(word).collect();
            let is_hidden = self.inner.iter().flatten().any(|inner| inner.ends_with(&table));
            let key = word(last);
            if !is_hidden && let Some(found) = meant(self.merged, &table, &key) {
                *last = quoted(&own_name(&found.0, &key));
                self.kept.insert(found.clone());
            }
        }
        ControlFlow::Continue(())
    }
}

fn names(table: &TableWithJoins) -> Vec<Table> {
    let factors = std::iter::once(&table.relation);
    let factors = factors.chain(table.joins.iter().map(|join| &join.relation));
    let of = |factor: &TableFactor| match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => names(table_with_joins),
        other => name_of(other).into_iter().collect(),
    };
    factors.flat_map(of).collect()
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// An item of a select list with own keys in it, and `b.*` with those of `b`. They are called what they
/// are, unless another item may be.
fn with_own_keys(
    item: SelectItem,
    merged: &BTreeSet<Key>,
    kept: &mut BTreeSet<Key>,
    is_taken: &dyn Fn(&str) -> bool,
) -> Vec<SelectItem> {
    let named = |qualifier: &[Ident], (table, key): &Key| {
        let name = qualifier.iter().cloned().chain([quoted(&own_name(table, key))]);
        let expr = Expr::CompoundIdentifier(name.collect());
        match is_taken(key) {
            true => SelectItem::UnnamedExpr(expr),
            false => SelectItem::ExprWithAlias { expr, alias: quoted(key) },
        }
    };
    match item {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => {
            let (last, qualifier) = idents.split_last().expect("a name has a last word");
            let table: Vec<String> = qualifier.iter().map(word).collect();
            match meant(merged, &table, &word(last)) {
                None => vec![SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents))],
                Some(found) => {
                    kept.insert(found.clone());
                    vec![named(qualifier, found)]
                }
            }
        }
        SelectItem::QualifiedWildcard(
            SelectItemQualifiedWildcardKind::ObjectName(name),
            mut options,
        ) if options.opt_exclude.is_none() && options.opt_except.is_none() => {
            let table = words(&name).unwrap_or_default();
            let own: BTreeSet<Key> =
                merged.iter().filter(|(other, _)| other.ends_with(&table)).cloned().collect();
            let parts = name.0.iter().filter_map(|part| part.as_ident().cloned());
            let qualifier: Vec<Ident> = parts.collect();
            let mut items: Vec<_> = own.iter().map(|key| named(&qualifier, key)).collect();
            leave_out(&mut options, &own);
            kept.extend(own);
            let star = SelectItemQualifiedWildcardKind::ObjectName(name);
            items.push(SelectItem::QualifiedWildcard(star, options));
            items
        }
        other => vec![other],
    }
}

/// Whether an item gives a column of that name, as far as can be told before tables are known.
fn may_be_named(item: &SelectItem, key: &str) -> bool {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => word(ident) == key,
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => {
            idents.last().is_some_and(|ident| word(ident) == key)
        }
        SelectItem::UnnamedExpr(_) => false,
        SelectItem::ExprWithAlias { alias, .. } => word(alias) == key,
        SelectItem::ExprWithAliases { aliases, .. } => {
            aliases.iter().any(|alias| word(alias) == key)
        }
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => true,
    }
}

/// Leaves the keys that are kept out of a star.
fn leave_out(options: &mut WildcardAdditionalOptions, keys: &BTreeSet<Key>) {
    let names =
        keys.iter().map(|(table, key)| ObjectName::from(vec![quoted(&own_name(table, key))]));
    let mut names: Vec<ObjectName> = names.collect();
    if names.is_empty() {
        return;
    }
    match options.opt_exclude.take() {
        None => {}
        Some(ExcludeSelectItem::Single(name)) => names.push(name),
        Some(ExcludeSelectItem::Multiple(more)) => names.extend(more),
    }
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
}

/// Writes into each `USING` which keys of its tables are kept: `USING (k, b.k)`, which nobody can ask for
/// in SQL.
fn mark(table: &mut TableWithJoins, kept: &BTreeSet<Key>) -> BTreeSet<Key> {
    let mut marked = mark_in(&mut table.relation, kept);
    let mut names = names_in(&table.relation);
    for join in &mut table.joins {
        marked.extend(mark_in(&mut join.relation, kept));
        let right = names_in(&join.relation);
        let Some((kind, JoinConstraint::Using(keys))) = merged_by(join) else {
            names.extend(right);
            continue;
        };
        let lost = match kind {
            JoinType::Inner | JoinType::Left => pairs(&right, keys),
            JoinType::Right => pairs(&names, keys),
            JoinType::Full => [pairs(&names, keys), pairs(&right, keys)].concat(),
            _ => Vec::new(),
        };
        names.extend(right);
        let new: Vec<Key> =
            lost.into_iter().filter(|key| kept.contains(key) && !marked.contains(key)).collect();
        if let Some(keys) = super::used_by(join) {
            keys.extend(new.iter().map(|(table, key)| {
                let words = table.iter().chain([key]).map(|word| quoted(word));
                ObjectName(words.map(ObjectNamePart::Identifier).collect())
            }));
        }
        marked.extend(new);
    }
    marked
}

fn mark_in(factor: &mut TableFactor, kept: &BTreeSet<Key>) -> BTreeSet<Key> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => mark(table_with_joins, kept),
        _ => BTreeSet::new(),
    }
}

fn names_in(factor: &TableFactor) -> Vec<Table> {
    match factor {
        TableFactor::NestedJoin { table_with_joins, alias: None } => names(table_with_joins),
        other => name_of(other).into_iter().collect(),
    }
}
