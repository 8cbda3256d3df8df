//! A contract bound to a table: column indexes and typed bounds, ready to be measured.
//!
//! What does not fit is found here, once, and never while rows are read. Measuring is the business
//! of whoever holds the rows; [`BoundCheck::holds`] says for one value what the answer must be.

mod check;
mod types;

use std::collections::{HashMap, HashSet};

use lakebed_core::{
    TableSchema,
    contract::{
        Check, Contract, ContractColumn, RelationshipTarget, RowCheck, Rule, Severity, Threshold,
    },
};

pub use check::{BoundCheck, Cell, Comparison, Scalar};
pub(crate) use types::Physical;
pub use types::{decode_type, fits_type};

use crate::odcs::nearest;

/// How many flaws come with a guess at the column that was meant: guessing reads all columns.
const MAX_HINTS: usize = 100;

/// The rules of a contract, bound to the columns of one table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowRules {
    /// Rules about single values, in the contract's order: one pass measures all of them.
    pub values: Vec<ValueRule>,
    /// Rules about rows that came before.
    pub duplicates: Vec<DuplicateRule>,
    /// Rules about values that stand in another table.
    pub relationships: Vec<RelationshipRule>,
    /// Rules that need more than single rows: their number, a query.
    pub others: Vec<Rule>,
    /// Columns of the table of which the contract says nothing.
    pub unmentioned: Vec<String>,
}

/// A rule about the values of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueRule {
    /// The rule.
    pub rule: Rule,
    /// The column's place in the table.
    pub column_index: usize,
    /// The column's name in the table.
    pub column: String,
    /// What is asked of each value: all of it. Empty where every value of the type will do.
    pub checks: Vec<BoundCheck>,
}

impl ValueRule {
    /// How bad it is when it does not hold.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.rule.severity
    }

    /// How many rows may break it; none where each that does is to blame.
    #[must_use]
    pub const fn threshold(&self) -> Option<&Threshold> {
        match &self.rule.check {
            Check::Metric { threshold, .. } => Some(threshold),
            _ => None,
        }
    }

    /// Whether the value is as it must be: the reference that any faster way is tested against.
    #[must_use]
    pub fn holds(&self, cell: Cell<'_>) -> bool {
        self.checks.iter().all(|check| check.holds(cell))
    }
}

/// A rule about rows whose values came before.
#[derive(Debug, Clone, PartialEq)]
pub struct DuplicateRule {
    /// The rule.
    pub rule: Rule,
    /// The columns' places in the table, in the rule's order.
    pub column_indexes: Vec<usize>,
}

/// A rule about values that stand in another table, too.
#[derive(Debug, Clone, PartialEq)]
pub struct RelationshipRule {
    /// The rule.
    pub rule: Rule,
    /// The columns' places in the table, in the rule's order.
    pub column_indexes: Vec<usize>,
    /// Where they must be found.
    pub to: RelationshipTarget,
}

/// Something of a contract that does not fit a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}`: {message}")]
pub struct BindFlaw {
    /// The rule's id, or the column and the key it comes from: `price.logicalType`.
    pub rule: String,
    /// The column, by the contract's name.
    pub column: String,
    /// What does not fit; no value of the data.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Binds `contract` to a table with `schema`.
///
/// Columns are found by their physical name, or else by their name. A bound means for a column what
/// it means for its type: `1.5` as the minimum of whole numbers is 2, `0.1` of a double is the
/// double nearest to it. A bound that every value of the type keeps asks nothing; one that none can
/// keep is a flaw.
///
/// # Errors
/// Everything that does not fit, in the contract's order.
pub fn bind(contract: &Contract, schema: &TableSchema) -> Result<RowRules, Vec<BindFlaw>> {
    let places =
        schema.fields.iter().enumerate().map(|(place, field)| (field.name.as_str(), place));
    let columns = contract.columns.iter().map(|column| (column.name.as_str(), column));
    let mut binder = Binder {
        contract,
        schema,
        places: places.collect(),
        columns: columns.collect(),
        rules: RowRules::default(),
        flaws: Vec::new(),
    };
    binder.columns();
    for rule in contract.all_rules() {
        binder.rule(rule);
    }
    if binder.flaws.is_empty() { Ok(binder.rules) } else { Err(binder.flaws) }
}

struct Binder<'a> {
    contract: &'a Contract,
    schema: &'a TableSchema,
    /// Columns of the table, by name.
    places: HashMap<&'a str, usize>,
    /// Columns of the contract, by name.
    columns: HashMap<&'a str, &'a ContractColumn>,
    rules: RowRules,
    flaws: Vec<BindFlaw>,
}

impl Binder<'_> {
    /// Every column is there and has a fitting type; others are noted.
    fn columns(&mut self) {
        for column in &self.contract.columns {
            let place = self.places.get(column.column()).copied();
            let Some(field) = place.map(|place| &self.schema.fields[place]) else {
                let names = self.schema.fields.iter().map(|field| field.name.as_str());
                let near = match self.flaws.len() < MAX_HINTS {
                    true => nearest(column.column(), names),
                    false => None,
                };
                let hint =
                    near.map(|near| format!("the table has `{near}`; is it `physicalName`?"));
                let message = format!("the table has no column `{}`", column.column());
                self.flaw(&column.name, &column.name, message, hint);
                continue;
            };
            for (key, message) in types::misfits(column, &field.data_type) {
                self.flaw(&format!("{}.{key}", column.name), &column.name, message, None);
            }
        }
        let mentioned: HashSet<&str> = self.contract.columns.iter().map(|c| c.column()).collect();
        let is_mentioned = |name: &str| mentioned.contains(name);
        let others = self.schema.fields.iter().filter(|field| !is_mentioned(&field.name));
        self.rules.unmentioned = others.map(|field| field.name.clone()).collect();
    }

    fn rule(&mut self, rule: Rule) {
        match &rule.check {
            Check::Row { all } | Check::Metric { all, .. } => {
                let Some(name) = rule.column.clone() else { return };
                if let Some((index, checks)) = self.checks(&rule.id, &name, all) {
                    let column = self.schema.fields[index].name.clone();
                    self.rules.values.push(ValueRule { rule, column_index: index, column, checks });
                }
            }
            Check::Duplicates { columns, .. } => {
                let places: Option<Vec<usize>> =
                    columns.iter().map(|name| self.place(name)).collect();
                if let Some(column_indexes) = places {
                    self.rules.duplicates.push(DuplicateRule { rule, column_indexes });
                }
            }
            Check::Relationship { columns, to } => {
                let places: Option<Vec<usize>> =
                    columns.iter().map(|name| self.place(name)).collect();
                if let Some(column_indexes) = places {
                    let to = to.clone();
                    self.rules.relationships.push(RelationshipRule { rule, column_indexes, to });
                }
            }
            Check::RowCount { .. } | Check::Sql { .. } => self.rules.others.push(rule),
        }
    }

    /// None where something does not fit, which was told.
    fn checks(
        &mut self,
        rule: &str,
        column: &str,
        all: &[RowCheck],
    ) -> Option<(usize, Vec<BoundCheck>)> {
        let index = self.place(column)?;
        let contract_column = self.columns.get(column).copied()?;
        let data_type = &self.schema.fields[index].data_type;
        // Of a column of another type altogether one thing is enough to know.
        if !types::misfits(contract_column, data_type).is_empty() {
            return None;
        }
        let mut checks = Vec::new();
        for check in all {
            match BoundCheck::new(check, data_type) {
                Ok(check) => checks.extend(check),
                Err(misfit) => {
                    let message = format!("{check} does not fit the type {data_type}: {misfit}");
                    self.flaw(rule, column, message, None);
                    return None;
                }
            }
        }
        Some((index, checks))
    }

    /// The place of a column in the table; that it is missing was told.
    fn place(&self, name: &str) -> Option<usize> {
        self.places.get(self.columns.get(name)?.column()).copied()
    }

    fn flaw(&mut self, rule: &str, column: &str, message: String, hint: Option<String>) {
        let (rule, column) = (rule.to_owned(), column.to_owned());
        self.flaws.push(BindFlaw { rule, column, message, hint });
    }
}
