//! What policies leave of a table for somebody.
//!
//! Grants union, restrictions intersect: every policy that somebody is not excepted from takes
//! away what it says, in no order and with no priorities (D-110). The laws are property tests
//! (`tests/rules/restrictions.rs`).

mod bind;

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeName, AttributeValue, DatasetName, Declared, Field, Grantee, GroupName, Identity,
    KnownFields, PrincipalName, TableSchema, Target,
    policy::{
        ColumnSight, MaskKey, Policy, PolicyRule, PolicyTarget, Predicate, Restriction, RowFilter,
        Sight, TagName,
    },
};

pub use bind::FilterFlaw;

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
    /// The tags of its columns, by name.
    pub tags: &'a BTreeMap<String, BTreeSet<TagName>>,
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

/// Whether a policy on `on` is about `dataset`, as far as names tell: what a tag is on is not known
/// by name, so a policy on a tag is about everything.
#[must_use]
pub fn is_about(on: &PolicyTarget, dataset: &DatasetName) -> bool {
    on.place().is_none_or(|place| place.covers(&Target::Dataset(dataset.clone())))
}

/// What `reader` may see of a version of `dataset`, when this is declared.
///
/// * No policy is about both: all of it.
/// * Rows are those for which every row filter is true. A filter that cannot be answered (an
///   attribute that the reader lacks or that is of another type, a column that the version lacks)
///   leaves no row.
/// * A column is masked or hidden if a policy names it, by the name it has in this version or in
///   the newest, or its tag. Hidden outranks masked; two masks that differ give null.
/// * A column that came after the dataset was put under a policy is hidden until it is reviewed.
#[must_use]
pub fn restrict(
    reader: &Reader,
    declared: &Declared,
    dataset: &DatasetName,
    facts: &TableFacts<'_>,
) -> Restriction {
    let policies = reader.policies(declared).filter(|policy| is_about(&policy.on, dataset));
    let policies: Vec<&Policy> = policies.collect();
    if policies.is_empty() {
        return Restriction::Unrestricted;
    }
    // Whoever names a dataset before it is there knows what they expect. Of one that merely appears
    // in a namespace under a policy, nobody has seen a column.
    let is_named = |policy: &&Policy| matches!(policy.on, PolicyTarget::Dataset(_));
    let by_first = policies.iter().all(is_named);
    let is_known = |field: &Field| match facts.known_fields {
        Some(known) => known.iter().any(|(id, _)| *id == field.id),
        None => by_first && never_renamed(field, facts),
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
    for policy in policies {
        if let PolicyRule::RowFilter(filter) = &policy.rule {
            rows = rows.and(bound(filter, reader, facts));
        }
        let touched: Vec<&Field> =
            facts.schema.fields.iter().filter(|field| touches(policy, field, facts)).collect();
        for field in touched {
            match &policy.rule {
                PolicyRule::RowFilter(_) => {}
                PolicyRule::Hide { .. } => {
                    columns.remove(&field.id);
                }
                // Null is the one mask that any type takes: what does not fit must not show.
                PolicyRule::Mask { mask, .. } => {
                    let fitting = mask.fits(&field.data_type) && mask.flaw().is_none();
                    let mask =
                        if fitting { mask.clone() } else { lakebed_core::policy::Mask::Null };
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

/// Whether the column is one of the first version and has the same name there, in this version and in
/// the newest: of others it is not told by which of its names a policy might mean it.
fn never_renamed(field: &Field, facts: &TableFacts<'_>) -> bool {
    let same = |schema: &TableSchema| {
        let found = schema.fields.iter().find(|found| found.id == field.id);
        found.is_some_and(|found| found.name == field.name)
    };
    same(facts.first) && same(facts.newest)
}

/// Whether a policy means this column of the version: by its name here, in the newest or the first
/// version, or by one under which it was known at an apply; or by its tag.
fn touches(policy: &Policy, field: &Field, facts: &TableFacts<'_>) -> bool {
    let elsewhere = [facts.newest, facts.first].into_iter().flat_map(|schema| {
        schema.fields.iter().filter(|found| found.id == field.id).map(|found| found.name.as_str())
    });
    let known = facts.known_fields.into_iter().flatten().filter(|(id, _)| *id == field.id);
    let mut names = elsewhere
        .chain(known.map(|(_, name)| name.as_str()))
        .chain(std::iter::once(field.name.as_str()));
    match &policy.on {
        PolicyTarget::Tag(tag) => {
            names.any(|name| facts.tags.get(name).is_some_and(|tags| tags.contains(tag)))
        }
        _ => policy.rule.columns().is_some_and(|columns| names.any(|name| columns.contains(name))),
    }
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
/// whole namespace need not find its columns everywhere.
#[must_use]
pub fn check_policy(
    policy: &Policy,
    dataset: &DatasetName,
    schema: &TableSchema,
) -> Vec<PolicyMisfit> {
    let Some(place) = policy.on.place() else { return Vec::new() };
    if !place.covers(&Target::Dataset(dataset.clone())) {
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
    for name in policy.rule.columns().into_iter().flatten() {
        let Some(field) = schema.field(name) else {
            if matches!(place, Target::Dataset(_)) {
                let (dataset, column) = (dataset.clone(), name.clone());
                misfits.push(PolicyMisfit::NoColumn { dataset, column });
            }
            continue;
        };
        if let PolicyRule::Mask { mask, .. } = &policy.rule
            && !mask.fits(&field.data_type)
        {
            misfits.push(PolicyMisfit::Mask {
                dataset: dataset.clone(),
                column: name.clone(),
                data_type: field.data_type.to_string(),
                mask: mask.to_string(),
                types: mask.types(),
            });
        }
    }
    misfits
}
