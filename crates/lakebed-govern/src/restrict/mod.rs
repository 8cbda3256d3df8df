//! What policies leave of a table for somebody.
//!
//! Grants union, restrictions intersect: every policy that somebody is not excepted from takes
//! away what it says, in no order and with no priorities (D-110). The laws are property tests
//! (`tests/rules/restrictions.rs`).

mod bind;

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, DatasetName, Declared, Field, Grantee, GroupName, Identity,
    KnownFields, PrincipalName, TableSchema,
    contract::Contract,
    policy::{
        ColumnSight, Mask, MaskKey, Policy, PolicyRule, PolicyTarget, Predicate, Restriction,
        RowFilter, Sight,
    },
};

pub use bind::FilterFlaw;

use crate::{
    PlanWarning,
    about::{Tagged, expects, is_about, lists, tagged},
};

/// Whom policies are held against.
#[derive(Debug, Clone)]
pub struct Reader {
    /// None for some member of a group.
    principal: Option<PrincipalName>,
    groups: BTreeSet<GroupName>,
    attributes: BTreeMap<AttributeName, AttributeValue>,
    owns_the_lake: bool,
}

/// What is known of a table besides what is declared.
#[derive(Debug, Clone)]
pub struct TableFacts<'a> {
    /// The columns of the version that is read.
    pub schema: &'a TableSchema,
    /// The columns of the dataset's newest version: policies may use its names, and mean the same
    /// columns of older ones by their field ids.
    pub newest: &'a TableSchema,
    /// The columns that the dataset had when it came under a policy, with the names they had then
    /// and at every apply since; none if it did not exist then.
    pub known_fields: Option<&'a KnownFields>,
    /// The columns of the dataset's first version.
    pub first: &'a TableSchema,
    /// The key of masks that hash.
    pub mask_key: Option<MaskKey>,
}

impl Reader {
    /// Whoever `identity` is, with what is declared and claimed of them. What is declared was
    /// reviewed, so it outranks what an identity provider claims.
    #[must_use]
    pub fn of(identity: &Identity, declared: &Declared) -> Self {
        let mut attributes = identity.attributes.clone();
        if let Some(principal) = declared.principals.get(&identity.principal) {
            attributes.extend(principal.attributes.clone());
        }
        let groups = declared.groups_of(&identity.principal, &identity.groups);
        Self {
            principal: Some(identity.principal.clone()),
            groups: groups.into_iter().cloned().collect(),
            attributes,
            owns_the_lake: identity.is_owner(),
        }
    }

    /// Whoever is meant by a name: a principal as it is declared, or some member of a group that
    /// the identity provider fills.
    pub(crate) fn named(who: &Grantee, declared: &Declared) -> Self {
        match who {
            Grantee::Principal(principal) => Self::of(&Identity::of(principal.clone()), declared),
            Grantee::Group(group) => {
                let is_claimed = declared.claimed_groups.contains(group);
                let groups = is_claimed.then(|| group.clone()).into_iter().collect();
                Self { principal: None, groups, ..Self::nobody() }
            }
        }
    }

    const fn nobody() -> Self {
        Self {
            principal: None,
            groups: BTreeSet::new(),
            attributes: BTreeMap::new(),
            owns_the_lake: false,
        }
    }

    /// Whether `policy` says that it is not about them.
    pub(crate) fn is_excepted(&self, policy: &Policy) -> bool {
        policy.except.iter().any(|except| match except {
            Grantee::Principal(principal) => self.principal.as_ref() == Some(principal),
            Grantee::Group(group) => self.groups.contains(group),
        })
    }

    /// The policies that are about them, on any table.
    pub(crate) fn policies<'a>(
        &'a self,
        declared: &'a Declared,
    ) -> impl Iterator<Item = &'a Policy> {
        let all = declared.policies.values().filter(|_| !self.owns_the_lake);
        all.filter(|policy| !self.is_excepted(policy))
    }

    pub(crate) fn attributes(&self) -> &BTreeMap<AttributeName, AttributeValue> {
        &self.attributes
    }

    pub(crate) fn groups(&self) -> &BTreeSet<GroupName> {
        &self.groups
    }
}

/// What `reader` may see of a version of `dataset`, when this is declared.
///
/// * No policy is about both: all of it.
/// * Rows are those for which every row filter is true. A filter that cannot be answered (an
///   attribute that the reader lacks or that is of another type, a column that the version lacks)
///   leaves no row.
/// * A column is masked or hidden if a policy means it (`meant`): by its name or by its tag. Hidden
///   outranks masked; two masks that differ give null.
/// * A column that came after the dataset was put under a policy is hidden until it is reviewed.
#[must_use]
pub fn restrict(
    reader: &Reader,
    declared: &Declared,
    dataset: &DatasetName,
    facts: &TableFacts<'_>,
) -> Restriction {
    let policies = reader.policies(declared);
    let policies: Vec<&Policy> =
        policies.filter(|policy| is_about(&policy.on, declared, dataset)).collect();
    if policies.is_empty() {
        return Restriction::Unrestricted;
    }
    let is_expected = |field: &Field| {
        policies.iter().all(|policy| expects(&policy.on, declared, dataset, &field.name))
    };
    let is_known = |field: &Field| match facts.known_fields {
        Some(known) => {
            known.iter().any(|(id, _)| *id == field.id) || is_known_by_name(field, known)
        }
        None => never_renamed(field, facts) && is_expected(field),
    };
    let nothing = BTreeSet::new();
    let reviewed = declared.reviewed.get(dataset).unwrap_or(&nothing);
    let mut rows = Predicate::Constant(true);
    let mut columns = BTreeMap::new();
    for field in &facts.schema.fields {
        if is_known(field) || reviewed.contains(&field.name) {
            columns.insert(field.id, ColumnSight::Raw);
        }
    }
    let contract = declared.contracts.get(dataset);
    for policy in policies {
        if let PolicyRule::RowFilter(filter) = &policy.rule {
            rows = rows.and(bound(filter, reader, facts));
        }
        for field in meant(policy, contract, facts) {
            match &policy.rule {
                PolicyRule::RowFilter(_) => {}
                PolicyRule::Hide { .. } => {
                    columns.remove(&field.id);
                }
                // Null is the one mask that any type takes: what does not fit must not show.
                PolicyRule::Mask { mask, .. } => {
                    let fitting = mask.fits(&field.data_type) && mask.flaw().is_none();
                    let mask = if fitting { mask.clone() } else { Mask::Null };
                    if let Some(sight) = columns.remove(&field.id) {
                        columns.insert(field.id, sight.meet(ColumnSight::Masked(mask)));
                    }
                }
            }
        }
    }
    Restriction::Restricted(Sight { rows, columns, mask_key: facts.mask_key })
}

/// The filter for this reader on this version; false where it cannot be answered.
fn bound(filter: &RowFilter, reader: &Reader, facts: &TableFacts<'_>) -> Predicate {
    let find = |name: &str| {
        let by_name = facts.schema.field(name);
        by_name.or_else(|| {
            let id = facts.newest.field(name)?.id;
            facts.schema.fields.iter().find(|field| field.id == id)
        })
    };
    let bound = bind::bind(filter, &find, Some(&reader.attributes));
    bound.ok().flatten().unwrap_or(Predicate::Constant(false))
}

/// Whether a column that is computed has the name of one that is known, and was known by no other: it may have
/// had another id before it was computed.
fn is_known_by_name(field: &Field, known: &KnownFields) -> bool {
    let has_one_name = |id: u32| {
        known.iter().filter(|(known, _)| *known == id).all(|(_, name)| *name == field.name)
    };
    field.has_named_id() && known.iter().any(|(id, name)| *name == field.name && has_one_name(*id))
}

/// Whether the column is one of the first version and has the same name there, in this version and in
/// the newest: of others it is not told by which of its names a policy might mean it.
fn never_renamed(field: &Field, facts: &TableFacts<'_>) -> bool {
    let same = |schema: &TableSchema| {
        let found = schema.fields.iter().find(|found| found.id == field.id);
        found.is_some_and(|found| found.name == field.name)
    };
    same(facts.first) && same(facts.newest)
}

/// The columns of the version that a policy means.
///
/// A policy on a place means those that it names. One on a tag means those that carry it, by the
/// contract's names. A contract may be ahead of the data, or beside it: where the newest version lacks
/// a column that carries the tag, it may be any of those that the contract does not list.
fn meant<'a>(
    policy: &Policy,
    contract: Option<&Contract>,
    facts: &TableFacts<'a>,
) -> Vec<&'a Field> {
    let is_named = |columns: &BTreeSet<String>, field: &Field| {
        names(field, facts).any(|name| columns.contains(name))
    };
    let all = facts.schema.fields.iter();
    let PolicyTarget::Tag(tag) = &policy.on else {
        let Some(columns) = policy.rule.columns() else { return Vec::new() };
        return all.filter(|field| is_named(columns, field)).collect();
    };
    let Some(contract) = contract else { return Vec::new() };
    match Tagged::of(tag, contract) {
        None => Vec::new(),
        Some(Tagged::Whole) => all.collect(),
        Some(Tagged::Columns(columns)) => {
            let newest = facts.newest.fields.iter();
            let there: BTreeSet<&str> = newest.flat_map(|field| names(field, facts)).collect();
            let all_there = columns.iter().all(|column| there.contains(column.as_str()));
            let is_listed = |field: &Field| names(field, facts).any(|name| lists(contract, name));
            all.filter(|field| is_named(&columns, field) || !(all_there || is_listed(field)))
                .collect()
        }
    }
}

/// The names by which a policy may mean a column: those it has in this version, in the newest and the
/// first, and those under which it was known at an apply.
fn names<'n>(field: &'n Field, facts: &TableFacts<'n>) -> impl Iterator<Item = &'n str> {
    let id = field.id;
    let elsewhere = [facts.newest, facts.first].into_iter().flat_map(move |schema| {
        schema.fields.iter().filter(move |found| found.id == id).map(|found| found.name.as_str())
    });
    let known = facts.known_fields.into_iter().flatten().filter(move |(known, _)| *known == id);
    let known = known.map(|(_, name)| name.as_str());
    std::iter::once(field.name.as_str()).chain(elsewhere).chain(known)
}

/// Why a policy does not fit a table that it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyMisfit {
    /// A column that is not there.
    #[error("`{dataset}` has no column `{column}`")]
    NoColumn {
        /// The table.
        dataset: DatasetName,
        /// The name.
        column: String,
    },
    /// A mask that the column's type does not take.
    #[error("`{dataset}.{column}` is {data_type}; `{mask}` is for {types}")]
    Mask {
        /// The table.
        dataset: DatasetName,
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
        /// The mask.
        mask: String,
        /// What it is for.
        types: &'static str,
    },
    /// A row filter that means nothing there.
    #[error("the row filter does not fit `{dataset}`: {flaw}")]
    Filter {
        /// The table.
        dataset: DatasetName,
        /// Why.
        flaw: FilterFlaw,
    },
}

/// Every reason why `policy` does not fit `schema`, if it is about `dataset`. A mask or `hide` on a
/// whole namespace need not find its columns everywhere; a tag may be on a column that comes with the
/// next version.
#[must_use]
pub fn check_policy(
    policy: &Policy,
    declared: &Declared,
    dataset: &DatasetName,
    schema: &TableSchema,
) -> Vec<PolicyMisfit> {
    if !is_about(&policy.on, declared, dataset) {
        return Vec::new();
    }
    let mut misfits = Vec::new();
    if let PolicyRule::RowFilter(filter) = &policy.rule
        && let Err(flaw) = bind::bind(filter, &|name| schema.field(name), None)
    {
        misfits.push(match flaw {
            FilterFlaw::NoColumn(column) => {
                PolicyMisfit::NoColumn { dataset: dataset.clone(), column }
            }
            flaw => PolicyMisfit::Filter { dataset: dataset.clone(), flaw },
        });
    }
    for name in columns_of(policy, declared, dataset, schema) {
        let Some(field) = schema.field(&name) else {
            if matches!(policy.on, PolicyTarget::Dataset(_)) {
                misfits.push(PolicyMisfit::NoColumn { dataset: dataset.clone(), column: name });
            }
            continue;
        };
        if let PolicyRule::Mask { mask, .. } = &policy.rule
            && !mask.fits(&field.data_type)
        {
            misfits.push(PolicyMisfit::Mask {
                dataset: dataset.clone(),
                data_type: field.data_type.to_string(),
                column: name,
                mask: mask.to_string(),
                types: mask.types(),
            });
        }
    }
    misfits
}

/// The columns that a mask or `hide` finds by its tag in the contract, and not in `schema`.
#[must_use]
pub fn missing_columns(
    policy: &Policy,
    declared: &Declared,
    dataset: &DatasetName,
    schema: &TableSchema,
) -> BTreeSet<PlanWarning> {
    let PolicyTarget::Tag(tag) = &policy.on else { return BTreeSet::new() };
    let mut columns = columns_of(policy, declared, dataset, schema);
    columns.retain(|name| schema.field(name).is_none());
    let warning =
        |column| PlanWarning::NoTaggedColumn { dataset: dataset.clone(), column, tag: tag.clone() };
    columns.into_iter().map(warning).collect()
}

/// Whether `policy` is about `dataset` as it was not before: it is new or another, or its tag is on
/// something else there.
#[must_use]
pub fn is_news(
    policy: &Policy,
    before: Option<&Declared>,
    after: &Declared,
    dataset: &DatasetName,
) -> bool {
    let carrying = |declared| match &policy.on {
        PolicyTarget::Tag(tag) => tagged(tag, declared, dataset),
        _ => None,
    };
    is_about(&policy.on, after, dataset)
        && before.is_none_or(|before| {
            before.policies.get(&policy.name) != Some(policy) || carrying(before) != carrying(after)
        })
}

/// The names of the columns of `schema` that a mask or `hide` is about, and of those it should have.
fn columns_of(
    policy: &Policy,
    declared: &Declared,
    dataset: &DatasetName,
    schema: &TableSchema,
) -> BTreeSet<String> {
    let Some(columns) = policy.rule.columns() else { return BTreeSet::new() };
    let PolicyTarget::Tag(tag) = &policy.on else { return columns.clone() };
    match tagged(tag, declared, dataset) {
        None => BTreeSet::new(),
        Some(Tagged::Columns(columns)) => columns,
        Some(Tagged::Whole) => schema.fields.iter().map(|field| field.name.clone()).collect(),
    }
}
