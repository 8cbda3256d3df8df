//! What makes a contract valid that did not come from a document of ours: a client may send what no
//! YAML would give.

use std::collections::HashSet;

use lakebed_core::contract::{Check, Contract, ContractColumn, RowCheck};

use crate::pattern::Pattern;

/// The most columns and rules of one contract together.
const MAX_PARTS: usize = 20_000;
/// The most expressions of one contract: compiled, each may take a mebibyte.
pub(crate) const MAX_PATTERNS: usize = 200;

/// Something of a contract that cannot be meant like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractFlaw {
    /// A name, an id or a version that is empty.
    #[error("`{0}` is empty")]
    Empty(&'static str),
    /// Two columns, or two rules, of one name.
    #[error("there are two {what} `{name}`")]
    Twice {
        /// Columns or rules.
        what: &'static str,
        /// Their name.
        name: String,
    },
    /// A rule about a column that the contract does not have.
    #[error("rule `{rule}` is about `{column}`, which is no column of the contract")]
    UnknownColumn {
        /// The rule.
        rule: String,
        /// The column.
        column: String,
    },
    /// An expression that cannot be run.
    #[error("the pattern of `{rule}`: {why}")]
    Pattern {
        /// The rule.
        rule: String,
        /// Why.
        why: String,
    },
    /// More than anybody writes.
    #[error("there are more than {0} {1}")]
    TooMany(usize, &'static str),
}

impl ContractFlaw {
    /// What to write instead.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Empty(_) => "give it a value",
            Self::Twice { .. } => "call one of them otherwise",
            Self::UnknownColumn { .. } => "add the column under `properties`, or correct the rule",
            Self::Pattern { .. } => {
                "write it without lookaround and backreferences, as `validValues`, or as an sql rule"
            }
            Self::TooMany(..) => "divide the dataset, or leave rules out",
        }
    }
}

/// Everything in `contract` that cannot be meant like that.
///
/// # Errors
/// At least one flaw.
pub fn check_contract(contract: &Contract) -> Result<(), Vec<ContractFlaw>> {
    let rules = contract.all_rules();
    if contract.columns.len() + rules.len() > MAX_PARTS {
        return Err(vec![ContractFlaw::TooMany(MAX_PARTS, "columns and rules")]);
    }
    let mut flaws = Vec::new();
    for (what, text) in
        [("id", &contract.id), ("version", &contract.version), ("object", &contract.object)]
    {
        if text.trim().is_empty() {
            flaws.push(ContractFlaw::Empty(what));
        }
    }
    let names = |column: &ContractColumn| column.name.clone();
    let columns: Vec<String> = contract.columns.iter().map(names).collect();
    flaws.extend(twice("columns", columns.iter()));
    let ids = rules.iter().map(|rule| &rule.id);
    flaws.extend(twice("rules", ids.chain(contract.freshness.iter().map(|promise| &promise.id))));
    let known: HashSet<&str> = columns.iter().map(String::as_str).collect();
    let mut patterns = 0;
    for rule in &rules {
        let mut named: Vec<&String> = rule.column.iter().collect();
        if let Check::Duplicates { columns, .. } | Check::Relationship { columns, .. } = &rule.check
        {
            named.extend(columns);
        }
        for column in named.into_iter().filter(|column| !known.contains(column.as_str())) {
            let (rule, column) = (rule.id.clone(), column.clone());
            flaws.push(ContractFlaw::UnknownColumn { rule, column });
        }
        let (Check::Row { all } | Check::Metric { all, .. }) = &rule.check else { continue };
        for check in all {
            let RowCheck::Pattern(source) = check else { continue };
            patterns += 1;
            if patterns > MAX_PATTERNS {
                continue;
            }
            if let Err(error) = Pattern::new(source) {
                let (rule, why) = (rule.id.clone(), error.to_string());
                flaws.push(ContractFlaw::Pattern { rule, why });
            }
        }
    }
    if patterns > MAX_PATTERNS {
        flaws.push(ContractFlaw::TooMany(MAX_PATTERNS, "patterns"));
    }
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

fn twice<'a>(what: &'static str, names: impl Iterator<Item = &'a String>) -> Vec<ContractFlaw> {
    let mut seen = HashSet::new();
    let again = names.filter(|name| !seen.insert(name.as_str()));
    again.map(|name| ContractFlaw::Twice { what, name: name.clone() }).collect()
}
