//! What applying a declared catalog would change: which groups, attributes, policies and contracts, and
//! who would gain or lose what right, and sight of what. A value; the command line, the API and the use
//! case show the same one.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_contract::{Change, VersionFlaw, check_version, classify};
use lakebed_core::{
    Action, AttributeName, AttributeValue, DatasetName, Declared, Grant, Grantee, GroupName,
    Ladder, ObjectId, PrincipalName, Product, StageName, Target, Timestamp,
    policy::{Mask, Policy, PolicyName, PolicyRule, PolicyTarget, TagName},
};

use crate::Reader;
use crate::about::{Tagged, places, tagged};
use crate::rights::{gives, is_over, is_theirs, reaches_every_version};

/// The difference between two declared catalogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogPlan {
    /// The digest of what is declared now; none when nothing ever was.
    pub before: Option<ObjectId>,
    /// The digest of what would be.
    pub after: ObjectId,
    /// Groups whose members change, by name.
    pub groups: Vec<GroupChange>,
    /// Groups that the identity provider may fill from now on.
    pub claimed_groups_added: BTreeSet<GroupName>,
    /// Groups that it may not fill any more.
    pub claimed_groups_removed: BTreeSet<GroupName>,
    /// Attributes that change, by principal and name.
    pub attributes: Vec<AttributeChange>,
    /// Grants that are new, in the order of their texts.
    pub grants_added: BTreeSet<Grant>,
    /// Grants that go.
    pub grants_removed: BTreeSet<Grant>,
    /// Who gains or loses what, as far as it is known by name.
    pub rights: Vec<RightChange>,
    /// Policies that appear, go or change, by name.
    pub policies: Vec<PolicyChange>,
    /// Columns that count as looked at from now on, by dataset and name.
    pub reviewed_added: BTreeSet<(DatasetName, String)>,
    /// Columns that do so no more.
    pub reviewed_removed: BTreeSet<(DatasetName, String)>,
    /// Who gains or loses sight of what they may read, as far as it is known by name.
    pub sights: Vec<SightChange>,
    /// Contracts that are new, go or change, by dataset.
    pub contracts: Vec<ContractChange>,
    /// Products that are new, go or change, by name.
    pub products: Vec<ProductChange>,
    /// The stages, if they or their gates change.
    pub ladder: Option<LadderChange>,
    /// What may not do what its author thinks.
    pub warnings: Vec<PlanWarning>,
    /// Whether the lake would be left without anybody who may admin it, where somebody may now.
    pub loses_last_admin: bool,
}

impl CatalogPlan {
    /// Whether applying it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before == Some(self.after)
            || (self.before.is_none() && self.after == Declared::default().digest())
    }
}

/// Who enters and leaves a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The group.
    pub group: GroupName,
    /// Its new members.
    pub joined: BTreeSet<PrincipalName>,
    /// Those who are members no more.
    pub left: BTreeSet<PrincipalName>,
}

/// An attribute that appears, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeChange {
    /// Whose.
    pub principal: PrincipalName,
    /// Which.
    pub attribute: AttributeName,
    /// Its value now.
    pub before: Option<AttributeValue>,
    /// Its value then.
    pub after: Option<AttributeValue>,
}

/// A policy that appears, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyChange {
    /// As it is now.
    pub before: Option<Policy>,
    /// As it would be.
    pub after: Option<Policy>,
}

/// Something that is taken from the sight of some who may read it, or given back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SightChange {
    /// Where; of a policy on a tag, a dataset that carries it.
    pub on: Target,
    /// What the restriction is, in a line: `email as redact`.
    pub restriction: String,
    /// Whether it goes: a gain.
    pub is_gain: bool,
    /// Whose: principals, and groups that the identity provider fills.
    pub who: BTreeSet<Grantee>,
}

/// Something that may not do what its author thinks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PlanWarning {
    /// A policy on a tag that nothing carries.
    #[error("policy `{policy}` does nothing: no contract has the tag `{tag}`")]
    UnusedTag {
        /// The policy.
        policy: PolicyName,
        /// Its tag.
        tag: TagName,
    },
    /// A grant that reaches no version.
    #[error(
        "the grant to `{to}` from `{stage}` up on `{on}` gives nothing: only those from `raw` do"
    )]
    HigherStage {
        /// To whom.
        to: Grantee,
        /// From which stage up.
        stage: StageName,
        /// Where.
        on: Target,
    },
    /// A product that a build would refuse.
    #[error("product `{product}` cannot be computed as things are: {why}")]
    NotComputed {
        /// Its name.
        product: DatasetName,
        /// What is in the way, and perhaps what to do about it.
        why: String,
    },
    /// A contract that is ahead of the table, or has a slip of the pen.
    #[error(
        "`{dataset}` has no column `{column}`, which its contract tags `{tag}`: until it has, those that \
         the contract does not list are taken for it"
    )]
    NoTaggedColumn {
        /// The table.
        dataset: DatasetName,
        /// What the contract calls a column of the data.
        column: String,
        /// What it carries.
        tag: TagName,
    },
}

/// Stages and gates, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderChange {
    /// As they are now.
    pub before: Ladder,
    /// As they would be.
    pub after: Ladder,
}

/// A contract that is new, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// Whose.
    pub dataset: DatasetName,
    /// The version in force, in the producer's words; none where there is no contract.
    pub before: Option<String>,
    /// The version that would be; none where the contract goes.
    pub after: Option<String>,
    /// What the change means for consumers; none where a contract begins or ends.
    pub change: Option<Change>,
    /// Why the new version does not say what changed.
    pub version_flaw: Option<VersionFlaw>,
}

/// A product that is new, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductChange {
    /// Its name.
    pub product: DatasetName,
    /// As it is now.
    pub before: Option<Product>,
    /// As it would be.
    pub after: Option<Product>,
}

/// Something that some may do from now on, or no more, or for another time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RightChange {
    /// What.
    pub action: Action,
    /// Where.
    pub on: Target,
    /// How long they may do it now.
    pub before: Reach,
    /// How long they may do it then; more than before is a gain.
    pub after: Reach,
    /// Who: principals, and groups that the identity provider fills.
    pub who: BTreeSet<Grantee>,
}

impl RightChange {
    /// Whether it is a gain.
    #[must_use]
    pub fn is_gain(&self) -> bool {
        self.after > self.before
    }
}

/// How long something is allowed; longer is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Not at all.
    Never,
    /// Until this moment.
    Until(Timestamp),
    /// As long as it is declared.
    Always,
}

/// Says what replacing `before` by `after` at `now` would change; none when nothing was declared.
#[must_use]
pub fn plan_catalog(before: Option<&Declared>, after: &Declared, now: Timestamp) -> CatalogPlan {
    let nothing = Declared::default();
    let old = before.unwrap_or(&nothing);
    CatalogPlan {
        before: before.map(Declared::digest),
        after: after.digest(),
        groups: group_changes(old, after),
        claimed_groups_added: &after.claimed_groups - &old.claimed_groups,
        claimed_groups_removed: &old.claimed_groups - &after.claimed_groups,
        attributes: attribute_changes(old, after),
        grants_added: &after.grants - &old.grants,
        grants_removed: &old.grants - &after.grants,
        rights: right_changes(old, after, now),
        policies: policy_changes(old, after),
        reviewed_added: &reviewed(after) - &reviewed(old),
        reviewed_removed: &reviewed(old) - &reviewed(after),
        sights: sight_changes(old, after, now),
        contracts: contract_changes(old, after),
        products: product_changes(old, after),
        ladder: ladder_change(old, after),
        warnings: unused_tags(after).into_iter().chain(higher_stages(after)).collect(),
        loses_last_admin: has_admin(old, now) && !has_admin(after, now),
    }
}

fn group_changes(old: &Declared, new: &Declared) -> Vec<GroupChange> {
    let nobody = BTreeSet::new();
    let names: BTreeSet<&GroupName> = old.groups.keys().chain(new.groups.keys()).collect();
    let change = |group: &GroupName| {
        let before = old.groups.get(group).unwrap_or(&nobody);
        let after = new.groups.get(group).unwrap_or(&nobody);
        GroupChange { group: group.clone(), joined: after - before, left: before - after }
    };
    let is_change = |change: &GroupChange| {
        let is_declared = |declared: &Declared| declared.groups.contains_key(&change.group);
        !change.joined.is_empty() || !change.left.is_empty() || is_declared(old) != is_declared(new)
    };
    names.into_iter().map(change).filter(is_change).collect()
}

fn attribute_changes(old: &Declared, new: &Declared) -> Vec<AttributeChange> {
    let find = |declared: &Declared, principal: &PrincipalName, attribute: &AttributeName| {
        declared.principals.get(principal)?.attributes.get(attribute).cloned()
    };
    let keys = |declared: &Declared| {
        let of = |(name, principal): (&PrincipalName, &lakebed_core::DeclaredPrincipal)| {
            let pair = |attribute: &AttributeName| (name.clone(), attribute.clone());
            principal.attributes.keys().map(pair).collect::<Vec<_>>()
        };
        declared.principals.iter().flat_map(of).collect::<BTreeSet<_>>()
    };
    let change = |(principal, attribute): (PrincipalName, AttributeName)| AttributeChange {
        before: find(old, &principal, &attribute),
        after: find(new, &principal, &attribute),
        principal,
        attribute,
    };
    let all = &keys(old) | &keys(new);
    all.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

fn ladder_change(old: &Declared, new: &Declared) -> Option<LadderChange> {
    let (before, after) = (old.ladder(), new.ladder());
    (before != after).then_some(LadderChange { before, after })
}

/// Grants that say more than they do.
fn higher_stages(declared: &Declared) -> impl Iterator<Item = PlanWarning> {
    let higher = declared.grants.iter().filter(|grant| !reaches_every_version(grant));
    higher.map(|grant| PlanWarning::HigherStage {
        to: grant.to.clone(),
        stage: grant.from_stage.clone(),
        on: grant.on.clone(),
    })
}

fn contract_changes(old: &Declared, new: &Declared) -> Vec<ContractChange> {
    let names: BTreeSet<&DatasetName> = old.contracts.keys().chain(new.contracts.keys()).collect();
    let change = |dataset: &DatasetName| {
        let (before, after) = (old.contracts.get(dataset), new.contracts.get(dataset));
        if before == after {
            return None;
        }
        let both = before.zip(after);
        let change = both.map(|(before, after)| classify(before, after));
        let version_flaw = both
            .zip(change.as_ref())
            .and_then(|((before, after), change)| check_version(before, after, change).err());
        Some(ContractChange {
            dataset: dataset.clone(),
            before: before.map(|contract| contract.version.clone()),
            after: after.map(|contract| contract.version.clone()),
            change,
            version_flaw,
        })
    };
    names.into_iter().filter_map(change).collect()
}

fn product_changes(old: &Declared, new: &Declared) -> Vec<ProductChange> {
    let names: BTreeSet<&DatasetName> = old.products.keys().chain(new.products.keys()).collect();
    let change = |name: &DatasetName| ProductChange {
        product: name.clone(),
        before: old.products.get(name).cloned(),
        after: new.products.get(name).cloned(),
    };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

/// Compares what everybody may do before and after, and puts together those for whom it is the
/// same.
fn right_changes(old: &Declared, new: &Declared, now: Timestamp) -> Vec<RightChange> {
    let mut changes: BTreeMap<(Target, Action, Reach, Reach), BTreeSet<Grantee>> = BTreeMap::new();
    for who in everybody(old, new) {
        let (before, after) = (grants_of(old, &who, now), grants_of(new, &who, now));
        for (target, action) in named(before.iter().chain(&after).copied()) {
            let reach = (reach(&before, action, &target), reach(&after, action, &target));
            if reach.0 != reach.1 {
                let key = (target, action, reach.0, reach.1);
                changes.entry(key).or_default().insert(who.clone());
            }
        }
    }
    let change =
        |((on, action, before, after), who)| RightChange { action, on, before, after, who };
    changes.into_iter().map(change).collect()
}

fn policy_changes(old: &Declared, new: &Declared) -> Vec<PolicyChange> {
    let names: BTreeSet<&PolicyName> = old.policies.keys().chain(new.policies.keys()).collect();
    let find = |declared: &Declared, name| declared.policies.get(name).cloned();
    let change = |name| PolicyChange { before: find(old, name), after: find(new, name) };
    names.into_iter().map(change).filter(|change| change.before != change.after).collect()
}

fn reviewed(declared: &Declared) -> BTreeSet<(DatasetName, String)> {
    let of = |(dataset, columns): (&DatasetName, &BTreeSet<String>)| {
        let pair = |column: &String| (dataset.clone(), column.clone());
        columns.iter().map(pair).collect::<Vec<_>>()
    };
    declared.reviewed.iter().flat_map(of).collect()
}

/// Policies on tags that no contract has.
fn unused_tags(declared: &Declared) -> Vec<PlanWarning> {
    let unused = |policy: &Policy| match &policy.on {
        PolicyTarget::Tag(tag) if places([&policy.on], declared).is_empty() => {
            Some(PlanWarning::UnusedTag { policy: policy.name.clone(), tag: tag.clone() })
        }
        _ => None,
    };
    declared.policies.values().filter_map(unused).collect()
}

/// One thing that somebody does not see as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Withheld {
    on: Target,
    how: How,
    /// None for all columns, and for rows.
    column: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// By this filter.
    Rows(String),
    Mask(Mask),
    Hide,
}

impl How {
    fn of(rule: &PolicyRule) -> Self {
        match rule {
            PolicyRule::RowFilter(_) => Self::Rows(rule.to_string()),
            PolicyRule::Mask { mask, .. } => Self::Mask(mask.clone()),
            PolicyRule::Hide { .. } => Self::Hide,
        }
    }

    /// What it does to these columns, in a line; to all, if none is named.
    fn told(self, columns: BTreeSet<String>) -> String {
        match self {
            Self::Rows(told) => told,
            Self::Mask(mask) => PolicyRule::Mask { columns, mask }.to_string(),
            Self::Hide => PolicyRule::Hide { columns }.to_string(),
        }
    }
}

/// Compares which restrictions everybody is under, where they may read anything by then, column by
/// column; those of the same kind and people are told together. What they come to for the rows of a
/// dataset is not known here: these are the restrictions themselves.
fn sight_changes(old: &Declared, new: &Declared, now: Timestamp) -> Vec<SightChange> {
    let mut changes: BTreeMap<(Withheld, bool), BTreeSet<Grantee>> = BTreeMap::new();
    for who in everybody(old, new) {
        let grants = grants_of(new, &who, now);
        let (before, after) = (withheld_from(&who, old), withheld_from(&who, new));
        let gone = before.iter().filter(|one| !holds(one, &after)).map(|one| (one, true));
        let come = after.iter().filter(|one| !holds(one, &before)).map(|one| (one, false));
        for (one, is_gain) in gone.chain(come) {
            if reads_some_of(&grants, &one.on) {
                changes.entry((one.clone(), is_gain)).or_default().insert(who.clone());
            }
        }
    }
    let mut together: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for ((Withheld { on, how, column }, is_gain), who) in changes {
        let key = (on, how, column.is_none(), is_gain, who);
        together.entry(key).or_default().extend(column);
    }
    let change = |((on, how, _, is_gain, who), columns): ((_, How, bool, _, _), _)| SightChange {
        on,
        restriction: how.told(columns),
        is_gain,
        who,
    };
    let mut changes: Vec<SightChange> = together.into_iter().map(change).collect();
    changes.sort();
    changes
}

/// Whether `one` is among them, or the same for all columns is.
fn holds(one: &Withheld, among: &BTreeSet<Withheld>) -> bool {
    among.contains(one) || among.contains(&Withheld { column: None, ..one.clone() })
}

/// Everything that is withheld from `who`, whichever policies it comes from.
fn withheld_from(who: &Grantee, declared: &Declared) -> BTreeSet<Withheld> {
    let reader = Reader::named(who, declared);
    let mut withheld = BTreeSet::new();
    for policy in reader.policies(declared) {
        for on in places([&policy.on], declared) {
            let how = How::of(&policy.rule);
            match columns_on(policy, &on, declared) {
                None => drop(withheld.insert(Withheld { on, how, column: None })),
                Some(columns) => withheld.extend(columns.into_iter().map(|column| Withheld {
                    on: on.clone(),
                    how: how.clone(),
                    column: Some(column),
                })),
            }
        }
    }
    withheld
}

/// The columns that a policy names, or that carry its tag in a dataset; none if it is about all of
/// them, or about rows.
fn columns_on(policy: &Policy, on: &Target, declared: &Declared) -> Option<BTreeSet<String>> {
    let columns = policy.rule.columns()?;
    match (&policy.on, on) {
        (PolicyTarget::Tag(tag), Target::Dataset(dataset)) => {
            match tagged(tag, declared, dataset)? {
                Tagged::Whole => None,
                Tagged::Columns(columns) => Some(columns),
            }
        }
        _ => Some(columns.clone()),
    }
}

fn reads_some_of(grants: &[&Grant], on: &Target) -> bool {
    let reads = |grant: &&&Grant| grant.may.iter().any(|may| may.includes(Action::Read));
    grants.iter().filter(reads).any(|grant| on.covers(&grant.on) || grant.on.covers(on))
}

/// All that can be told apart by name: principals, and the groups that the identity provider fills.
fn everybody(old: &Declared, new: &Declared) -> BTreeSet<Grantee> {
    let mut all = BTreeSet::new();
    for declared in [old, new] {
        let members = declared.groups.values().flatten().cloned().map(Grantee::Principal);
        let grantees = declared.grants.iter().map(|grant| grant.to.clone());
        let named = grantees.filter(|to| matches!(to, Grantee::Principal(_)));
        let claimed = declared.claimed_groups.iter().cloned().map(Grantee::Group);
        let excepted = declared.policies.values().flat_map(|policy| policy.except.clone());
        let excepted = excepted.filter(|except| matches!(except, Grantee::Principal(_)));
        all.extend(members.chain(named).chain(claimed).chain(excepted));
    }
    all
}

/// The grants of `declared` that are in force for `who`; for a group, as far as the identity
/// provider may fill it.
fn grants_of<'a>(declared: &'a Declared, who: &Grantee, now: Timestamp) -> Vec<&'a Grant> {
    let is_for = |grant: &&Grant| match who {
        Grantee::Principal(principal) => {
            is_theirs(grant, principal, &declared.groups_of(principal, &BTreeSet::new()))
        }
        Grantee::Group(group) => grant.to == *who && declared.claimed_groups.contains(group),
    };
    let grants = declared.grants.iter().filter(is_for);
    grants.filter(|grant| !is_over(grant, now) && reaches_every_version(grant)).collect()
}

fn named<'a>(grants: impl Iterator<Item = &'a Grant>) -> BTreeSet<(Target, Action)> {
    let pairs = |grant: &'a Grant| grant.may.iter().map(|action| (grant.on.clone(), *action));
    grants.flat_map(pairs).collect()
}

fn reach(grants: &[&Grant], action: Action, target: &Target) -> Reach {
    let giving = grants.iter().filter(|grant| gives(&grant.may, &grant.on, action, target));
    let reach = |grant: &&Grant| grant.until.map_or(Reach::Always, Reach::Until);
    giving.map(reach).max().unwrap_or(Reach::Never)
}

/// Whether anybody may admin the lake by declaration; a group that the identity provider fills is
/// taken to have members.
fn has_admin(declared: &Declared, now: Timestamp) -> bool {
    let admins = |grant: &&Grant| {
        !is_over(grant, now)
            && reaches_every_version(grant)
            && gives(&grant.may, &grant.on, Action::Admin, &Target::Lake)
    };
    declared.grants.iter().filter(admins).any(|grant| match &grant.to {
        Grantee::Principal(_) => true,
        Grantee::Group(group) => {
            declared.claimed_groups.contains(group)
                || declared.groups.get(group).is_some_and(|members| !members.is_empty())
        }
    })
}
