//! What policies are about: places by their names, and what carries a tag by the contracts that are
//! declared (D-123).
//!
//! Names decide here, too: whether a dataset is there, and whether it has the columns that its contract
//! lists, is not asked.

use std::collections::BTreeSet;

use lakebed_core::{
    DatasetName, Declared, Target,
    contract::{Contract, ContractColumn},
    policy::{PolicyTarget, TagName},
};

/// What carries a tag in a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    /// The dataset itself, and so everything that is in it.
    Whole,
    /// These columns, by their names in the data; at least one.
    Columns(BTreeSet<String>),
}

impl Tagged {
    /// What `contract` says of the tag; none where nothing carries it.
    ///
    /// A column carries what a part of it carries: a field of an object, the items of a list.
    pub(crate) fn of(tag: &TagName, contract: &Contract) -> Option<Self> {
        let is_it = |found: &str| found == tag.as_str();
        if contract.tags.iter().any(|found| is_it(found)) {
            return Some(Self::Whole);
        }
        let columns = contract.columns.iter().filter(|column| carries(column, &is_it));
        let columns: BTreeSet<String> = columns.map(|column| column.column().to_owned()).collect();
        (!columns.is_empty()).then_some(Self::Columns(columns))
    }
}

fn carries(column: &ContractColumn, is_it: &impl Fn(&str) -> bool) -> bool {
    column.tags.iter().any(|tag| is_it(tag))
        || column.properties.iter().chain(column.items.as_deref()).any(|part| carries(part, is_it))
}

fn carries_any(contract: &Contract, is_it: &impl Fn(&str) -> bool) -> bool {
    contract.tags.iter().any(|tag| is_it(tag))
        || contract.columns.iter().any(|column| carries(column, is_it))
}

/// Whether a policy on `on` is about `dataset`, when this is declared: about a dataset that carries
/// its tag, if it is on one.
#[must_use]
pub fn is_about(on: &PolicyTarget, declared: &Declared, dataset: &DatasetName) -> bool {
    match on {
        PolicyTarget::Tag(tag) => tagged(tag, declared, dataset).is_some(),
        on => on.place().is_some_and(|place| place.covers(&Target::Dataset(dataset.clone()))),
    }
}

/// What carries `tag` in `dataset`; nothing does in one without a contract.
pub(crate) fn tagged(tag: &TagName, declared: &Declared, dataset: &DatasetName) -> Option<Tagged> {
    declared.contracts.get(dataset).and_then(|contract| Tagged::of(tag, contract))
}

/// The places that policies on these are about: of a tag, the datasets that carry it.
pub(crate) fn places<'a>(
    on: impl IntoIterator<Item = &'a PolicyTarget>,
    declared: &Declared,
) -> BTreeSet<Target> {
    let mut places = BTreeSet::new();
    let mut tags = BTreeSet::new();
    for on in on {
        match on {
            PolicyTarget::Tag(tag) => drop(tags.insert(tag.as_str())),
            on => places.extend(on.place()),
        }
    }
    if !tags.is_empty() {
        // Once for all tags: this is asked with every request.
        let is_one = |tag: &str| tags.contains(tag);
        let carrying =
            declared.contracts.iter().filter(|(_, contract)| carries_any(contract, &is_one));
        places.extend(carrying.map(|(dataset, _)| Target::Dataset(dataset.clone())));
    }
    places
}

/// Whether whoever put a dataset under a policy on `on` before it was there expected `column` in its
/// first version: who names a dataset knows what they expect, and a contract lists it; of one that
/// merely appears in a namespace or the lake, nobody has seen a column.
#[must_use]
pub fn expects(
    on: &PolicyTarget,
    declared: &Declared,
    dataset: &DatasetName,
    column: &str,
) -> bool {
    match on {
        PolicyTarget::Dataset(_) => true,
        PolicyTarget::Tag(_) => {
            declared.contracts.get(dataset).is_some_and(|contract| lists(contract, column))
        }
        PolicyTarget::Lake | PolicyTarget::Namespace(_) => false,
    }
}

/// Whether the contract says something of the data's column.
pub(crate) fn lists(contract: &Contract, column: &str) -> bool {
    contract.columns.iter().any(|listed| listed.column() == column)
}
