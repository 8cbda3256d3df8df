//! Laws of what policies leave to see. Each law is held against rules that people write first, and
//! has to fail there.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeValue, DataType, DatasetName, Declared, Field, Grantee, Identity, KnownFields,
    TableSchema,
    contract::{Contract, ContractColumn},
    policy::{
        ColumnSight, Mask, MaskKey, Policy, PolicyRule, PolicyTarget, Predicate, Restriction,
        Scalar, Sight, holds,
    },
};
use lakebed_govern::{
    Reader, Rights, TableFacts, check_policy, is_about, is_news, missing_columns, restrict,
};
use proptest::{
    collection, option,
    prelude::*,
    sample,
    test_runner::{Config, TestCaseError, TestRunner},
};

use crate::world::{NOW, grant};

/// A rule to be judged: what it leaves of `crm.customers` for somebody.
type Rule = fn(&Identity, &Declared, &Facts) -> Restriction;

/// What must hold of every rule.
type Law = fn(Rule) -> Result<(), String>;

pub(crate) fn dataset() -> DatasetName {
    "crm.customers".parse().unwrap()
}

fn field(id: u32, name: &str, data_type: DataType) -> Field {
    Field { id, ..Field::optional(name, data_type) }
}

/// What is known of the table, owned.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    schema: TableSchema,
    newest: TableSchema,
    known_fields: Option<KnownFields>,
    first: TableSchema,
}

/// Columns 1 to 3; the newest version calls the third `mail` and has a fourth.
pub(crate) fn facts() -> Facts {
    let old = vec![
        field(1, "region", DataType::String),
        field(2, "level", DataType::Long),
        field(3, "email", DataType::String),
    ];
    let first = TableSchema { fields: old.clone(), last_field_id: 3, ..TableSchema::default() };
    let mut new = old.clone();
    new[2].name = "mail".to_owned();
    new.push(field(4, "email_2", DataType::String));
    Facts {
        schema: TableSchema { fields: new.clone(), last_field_id: 4, ..TableSchema::default() },
        newest: TableSchema { fields: new, last_field_id: 4, ..TableSchema::default() },
        known_fields: Some(known(3)),
        first,
    }
}

/// A dataset that came after its policies.
fn unknown() -> Facts {
    Facts { known_fields: None, ..facts() }
}

/// Columns up to an id, under the names they had at first.
fn known(last: u32) -> KnownFields {
    let names = ["region", "level", "email", "email_2"];
    let known = |id: u32| (id, names.get(id as usize - 1).copied().unwrap_or_default().to_owned());
    (1..=last).map(known).collect()
}

fn old_version() -> Facts {
    let mut facts = facts();
    facts.schema.fields.truncate(3);
    facts.schema.fields[2].name = "email".to_owned();
    facts
}

pub(crate) fn ours(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let key = MaskKey::new([1; 32], "07070707070707070707070707070707".parse().unwrap());
    restrict(
        &Reader::of(identity, declared),
        declared,
        &dataset(),
        &TableFacts {
            schema: &facts.schema,
            newest: &facts.newest,
            known_fields: facts.known_fields.as_ref(),
            first: &facts.first,
            mask_key: Some(key),
        },
    )
}

/// The policies about somebody, in the order of their names.
fn about<'a>(identity: &Identity, declared: &'a Declared) -> Vec<&'a Policy> {
    let alone = |policy: &&Policy| {
        let one = Declared {
            policies: BTreeMap::from([(policy.name.clone(), (*policy).clone())]),
            ..declared.clone()
        };
        ours(identity, &one, &facts()).is_restricted()
    };
    declared.policies.values().filter(alone).collect()
}

fn only(policies: &[&Policy], declared: &Declared) -> Declared {
    let policies = policies.iter().map(|policy| (policy.name.clone(), (*policy).clone()));
    Declared { policies: policies.collect(), ..declared.clone() }
}

/// The last policy wins.
fn last_wins(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let last = about(identity, declared).pop();
    ours(identity, &only(&last.into_iter().collect::<Vec<_>>(), declared), facts)
}

/// Row filters add up like grants.
fn filters_union(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let alone = about(identity, declared).into_iter().filter_map(|policy| {
        let is_filter = matches!(policy.rule, PolicyRule::RowFilter(_));
        match ours(identity, &only(&[policy], declared), facts) {
            Restriction::Restricted(sight) if is_filter => Some(sight.rows),
            _ => None,
        }
    });
    let alone: Vec<Predicate> = alone.collect();
    match ours(identity, declared, facts) {
        Restriction::Restricted(sight) if !alone.is_empty() => {
            Restriction::Restricted(Sight { rows: Predicate::Or(alone), ..sight })
        }
        other => other,
    }
}

/// Of two masks the first by name is taken.
fn first_mask_wins(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let Restriction::Restricted(mut sight) = ours(identity, declared, facts) else {
        return Restriction::Unrestricted;
    };
    for policy in about(identity, declared).into_iter().rev() {
        if let Restriction::Restricted(alone) = ours(identity, &only(&[policy], declared), facts) {
            for (field, masked) in alone.columns {
                if masked != ColumnSight::Raw && sight.columns.contains_key(&field) {
                    sight.columns.insert(field, masked);
                }
            }
        }
    }
    Restriction::Restricted(sight)
}

/// What somebody lacks is as if it were not asked for.
fn missing_is_ignored(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let mut declared = declared.clone();
    declared.policies.retain(|_, policy| {
        let asks = policy.rule.to_string().contains("principal.");
        let is_filter = matches!(policy.rule, PolicyRule::RowFilter(_));
        !(asks && is_filter && identity.attributes.is_empty())
    });
    ours(identity, &declared, facts)
}

/// What is new shows; masks know names alone.
fn names_alone(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let all = (1..99).map(|id| (id, String::new())).collect();
    let schema = facts.schema.clone();
    let facts =
        Facts { known_fields: Some(all), newest: schema.clone(), first: schema, ..facts.clone() };
    ours(identity, declared, &facts)
}

/// A tag is a name: of the columns that have it in the version.
fn tags_are_names(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let Some(contract) = declared.contracts.get(&dataset()) else {
        return ours(identity, declared, facts);
    };
    let mut named = declared.clone();
    for policy in named.policies.values_mut() {
        let Some(carrying) = tagged_columns(policy, contract) else { continue };
        if let (false, PolicyRule::Mask { columns, .. } | PolicyRule::Hide { columns }) =
            (carrying.is_empty(), &mut policy.rule)
        {
            *columns = carrying;
            policy.on = PolicyTarget::Dataset(dataset());
        }
    }
    ours(identity, &named, facts)
}

/// Tags within a column, or around all of them, are none.
fn tags_of_columns_alone(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let mut flat = declared.clone();
    for contract in flat.contracts.values_mut() {
        contract.tags.clear();
        contract.columns.iter_mut().for_each(|column| column.properties.clear());
    }
    ours(identity, &flat, facts)
}

/// Rows have no tags.
fn tags_are_for_columns(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let mut declared = declared.clone();
    declared.policies.retain(|_, policy| {
        let is_on_tag = matches!(policy.on, PolicyTarget::Tag(_));
        !(is_on_tag && matches!(policy.rule, PolicyRule::RowFilter(_)))
    });
    ours(identity, &declared, facts)
}

/// A dataset with a tag is as one that a policy names: what it has at first is expected.
fn tagged_is_expected(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
    let all = facts.first.fields.iter().map(|field| (field.id, field.name.clone()));
    let known_fields = facts.known_fields.clone().or_else(|| Some(all.collect()));
    ours(identity, declared, &Facts { known_fields, ..facts.clone() })
}

fn policies() -> impl Strategy<Value = Declared> {
    listed().prop_flat_map(declared_of)
}

/// Columns that a contract lists: by any of their names, not all of them, and `phone`, which no table
/// has.
pub(crate) fn listed() -> impl Strategy<Value = Vec<&'static str>> {
    sample::subsequence(vec!["region", "level", "email", "mail", "email_2", "phone"], 1..6)
}

/// Policies, and contracts that list these columns and tag some of them.
pub(crate) fn declared_of(listed: Vec<&'static str>) -> impl Strategy<Value = Declared> {
    let ours = option::weighted(0.8, contract(listed));
    let others = contract(vec!["region"]);
    (collection::vec(policy(), 0..5), ours, others).prop_map(|(policies, ours, others)| {
        let ours = ours.map(|contract| (dataset(), contract));
        let others = ("crm.orders".parse().unwrap(), others);
        let mut declared = Declared {
            contracts: ours.into_iter().chain([others]).collect(),
            groups: [("analysts".parse().unwrap(), BTreeSet::from(["alice".parse().unwrap()]))]
                .into(),
            claimed_groups: BTreeSet::from(["engineering".parse().unwrap()]),
            ..Declared::default()
        };
        for (place, policy) in policies.into_iter().enumerate() {
            add(&mut declared, &format!("p{place}"), policy);
        }
        declared
    })
}

fn contract(listed: Vec<&'static str>) -> impl Strategy<Value = Contract> {
    let tags = || {
        let one = sample::select(vec!["pii", "geo", "Not A Name"]);
        option::weighted(0.3, one).prop_map(|tag| tag.into_iter().map(str::to_owned).collect())
    };
    let columns: Vec<_> = listed
        .into_iter()
        .map(|name| {
            (tags(), tags(), tags()).prop_map(move |(tags, field, items)| {
                let items = Some(Box::new(ContractColumn { tags: items, ..column_of("") }));
                let list = ContractColumn { items, ..column_of("list") };
                let field = ContractColumn { tags: field, ..column_of("field") };
                let properties = vec![list, field];
                ContractColumn {
                    name: format!("the {name}"),
                    physical_name: Some(name.to_owned()),
                    tags,
                    properties,
                    ..ContractColumn::default()
                }
            })
        })
        .collect();
    let whole = prop_oneof![6 => Just(BTreeSet::new()), 1 => tags()];
    (columns, whole).prop_map(|(columns, tags)| contract_of(columns, tags))
}

fn contract_of(columns: Vec<ContractColumn>, tags: BTreeSet<String>) -> Contract {
    Contract {
        id: "c".to_owned(),
        version: "1.0.0".to_owned(),
        object: "customers".to_owned(),
        columns,
        tags,
        ..Contract::default()
    }
}

fn column_of(name: &str) -> ContractColumn {
    ContractColumn { name: name.to_owned(), ..ContractColumn::default() }
}

/// Whether a part of a contract, or a part of that part, has the tag: by its text.
fn says(part: &impl serde::Serialize, tag: &str) -> bool {
    let text = serde_json::to_string(part).unwrap();
    text.contains(&format!("\"tags\":[\"{tag}\"]"))
}

/// The columns that carry a policy's tag, by their names in the data; none where all do.
fn tagged_columns(policy: &Policy, contract: &Contract) -> Option<BTreeSet<String>> {
    let PolicyTarget::Tag(tag) = &policy.on else { return Some(BTreeSet::new()) };
    if contract.tags.contains(tag.as_str()) {
        return None;
    }
    let columns = contract.columns.iter().filter(|column| says(column, tag.as_str()));
    Some(columns.map(|column| column.physical_name.clone().unwrap()).collect())
}

fn add(declared: &mut Declared, name: &str, policy: Policy) {
    let name: lakebed_core::policy::PolicyName = name.parse().unwrap();
    declared.policies.insert(name.clone(), Policy { name, ..policy });
}

fn policy() -> impl Strategy<Value = Policy> {
    let tag = |tag: &str| PolicyTarget::Tag(tag.parse().unwrap());
    let on = sample::select(vec![
        tag("pii"),
        tag("pii"),
        tag("geo"),
        PolicyTarget::Lake,
        PolicyTarget::Namespace("crm".parse().unwrap()),
        PolicyTarget::Namespace("hr".parse().unwrap()),
        PolicyTarget::Dataset(dataset()),
        PolicyTarget::Dataset("crm.orders".parse().unwrap()),
    ]);
    let filters = [
        "region = principal.region",
        "not (region = principal.region)",
        "level >= 2",
        "level < 3 or region is null",
        "region in ('EU', principal.region)",
        "principal.region = 'EU'",
        "region <> 'EU' and level is not null",
        "nowhere = 1",
    ];
    let filter = sample::select(filters.to_vec());
    let columns = || {
        let names = vec!["region", "level", "email", "mail", "email_2"];
        sample::subsequence(names, 1..3)
            .prop_map(|names| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let masks = vec![Mask::Null, Mask::Redact, Mask::Hash, Mask::Bucket(2)];
    let rule = prop_oneof![
        filter.prop_map(|text| PolicyRule::RowFilter(text.parse().unwrap())),
        (columns(), sample::select(masks))
            .prop_map(|(columns, mask)| PolicyRule::Mask { columns, mask }),
        columns().prop_map(|columns| PolicyRule::Hide { columns }),
    ];
    (on, rule, except()).prop_map(|(on, mut rule, except)| {
        if let (
            PolicyTarget::Tag(_),
            PolicyRule::Mask { columns, .. } | PolicyRule::Hide { columns },
        ) = (&on, &mut rule)
        {
            columns.clear();
        }
        Policy { name: "x".parse().unwrap(), on, rule, except }
    })
}

fn except() -> impl Strategy<Value = BTreeSet<Grantee>> {
    let names = vec!["alice", "bob", "group:analysts", "group:engineering"];
    sample::subsequence(names, 0..2)
        .prop_map(|names| names.into_iter().map(|name| name.parse().unwrap()).collect())
}

fn identity() -> impl Strategy<Value = Identity> {
    let who = sample::select(vec!["alice", "bob", "mallory"]);
    let groups = sample::subsequence(vec!["engineering", "unheard-of"], 0..=2);
    let region = option::of(prop_oneof![
        Just(AttributeValue::Text("EU".into())),
        Just(AttributeValue::Text("US".into())),
        Just(AttributeValue::Integer(1)),
    ]);
    (who, groups, region).prop_map(|(who, groups, region)| Identity {
        groups: groups.into_iter().map(|group| group.parse().unwrap()).collect(),
        attributes: region.map(|region| ("region".parse().unwrap(), region)).into_iter().collect(),
        ..Identity::of(who.parse().unwrap())
    })
}

/// Every row that can be told apart.
fn rows() -> Vec<BTreeMap<u32, Scalar>> {
    let regions = [None, Some("EU"), Some("US"), Some("AP")];
    let levels = [None, Some(1), Some(2), Some(3)];
    let row = |(region, level): (Option<&str>, Option<i64>)| {
        let region = region.map(|region| (1, Scalar::Text(region.into())));
        let level = level.map(|level| (2, Scalar::Integer(level)));
        region.into_iter().chain(level).collect()
    };
    regions.into_iter().flat_map(|region| levels.map(|level| (region, level))).map(row).collect()
}

fn shows_row(restriction: &Restriction, row: &BTreeMap<u32, Scalar>) -> bool {
    match restriction {
        Restriction::Unrestricted => true,
        Restriction::Restricted(sight) => {
            holds(&sight.rows, &|field| row.get(&field).cloned()) == Some(true)
        }
    }
}

fn column(restriction: &Restriction, field: u32) -> Option<ColumnSight> {
    match restriction {
        Restriction::Unrestricted => Some(ColumnSight::Raw),
        Restriction::Restricted(sight) => sight.columns.get(&field).cloned(),
    }
}

/// Whether the first shows no more than the second: no row that the other does not have, and of
/// each column nothing, or null, or the same, or anything of what is seen raw.
pub(crate) fn shows_no_more(less: &Restriction, more: &Restriction) -> Result<(), TestCaseError> {
    for row in rows() {
        prop_assert!(!shows_row(less, &row) || shows_row(more, &row), "row {:?}", row);
    }
    for field in 1..=5 {
        let (less, more) = (column(less, field), column(more, field));
        let is_no_more = match (&less, &more) {
            (None, _) | (_, Some(ColumnSight::Raw)) => true,
            (Some(ColumnSight::Masked(Mask::Null)), Some(_)) => true,
            (less, more) => less == more,
        };
        prop_assert!(is_no_more, "column {}: {:?} against {:?}", field, less, more);
    }
    Ok(())
}

fn same(one: &Restriction, other: &Restriction) -> Result<(), TestCaseError> {
    shows_no_more(one, other)?;
    shows_no_more(other, one)?;
    prop_assert_eq!(one.is_restricted(), other.is_restricted());
    Ok(())
}

/// Tries a law on 2,000 worlds.
fn try_law<S: Strategy>(
    worlds: S,
    law: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&worlds, law).map_err(|error| error.to_string())
}

/// The newest version, an old one, one that came after its policies.
fn versions() -> [Facts; 3] {
    [facts(), old_version(), unknown()]
}

/// A policy more shows no more.
fn adding_a_policy_never_shows_more(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies(), policy(), sample::select(vec!["a", "p2x", "z"])), |world| {
        let (identity, declared, more, name) = world;
        let mut restricted = declared.clone();
        add(&mut restricted, name, more);
        for facts in versions() {
            shows_no_more(
                &rule(&identity, &restricted, &facts),
                &rule(&identity, &declared, &facts),
            )?;
        }
        Ok(())
    })
}

/// A tag more, on the dataset, a column or within one, shows no more.
fn adding_a_tag_never_shows_more(rule: Rule) -> Result<(), String> {
    let place = (0..4, any::<sample::Index>(), sample::select(vec!["pii", "geo"]));
    try_law((identity(), policies(), place), |(identity, declared, (depth, which, tag))| {
        let mut tagged = declared.clone();
        let Some(contract) = tagged.contracts.get_mut(&dataset()) else { return Ok(()) };
        let index = which.index(contract.columns.len());
        let column = &mut contract.columns[index];
        let tags = match depth {
            0 => &mut contract.tags,
            1 => &mut column.tags,
            2 => &mut column.properties[1].tags,
            _ => &mut column.properties[0].items.as_mut().unwrap().tags,
        };
        tags.insert(tag.to_owned());
        for facts in versions() {
            shows_no_more(&rule(&identity, &tagged, &facts), &rule(&identity, &declared, &facts))?;
        }
        Ok(())
    })
}

/// Names, and with them any order, change nothing.
fn no_order_matters(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let mut renamed = Declared { policies: BTreeMap::new(), ..declared.clone() };
        for (place, policy) in declared.policies.values().rev().enumerate() {
            add(&mut renamed, &format!("q{place}"), policy.clone());
        }
        same(&rule(&identity, &declared, &facts()), &rule(&identity, &renamed, &facts()))
    })
}

/// All policies together show what each of them alone shows, and no more: rows that all show, each
/// column as the strictest has it.
fn restrictions_intersect(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        for facts in versions() {
            intersect(&identity, &declared, &facts, rule)?;
        }
        Ok(())
    })
}

fn intersect(
    identity: &Identity,
    declared: &Declared,
    facts: &Facts,
    rule: Rule,
) -> Result<(), TestCaseError> {
    let together = rule(identity, declared, facts);
    let each: Vec<_> = declared
        .policies
        .values()
        .map(|policy| rule(identity, &only(&[policy], declared), facts))
        .collect();
    for row in rows() {
        let by_all = each.iter().all(|alone| shows_row(alone, &row));
        prop_assert_eq!(shows_row(&together, &row), by_all, "row {:?}", row);
    }
    for field in facts.schema.fields.iter().map(|field| field.id) {
        let sights: Option<Vec<_>> = each
            .iter()
            .filter(|alone| alone.is_restricted())
            .map(|alone| column(alone, field))
            .collect();
        let met = sights.map(|sights| sights.into_iter().fold(ColumnSight::Raw, ColumnSight::meet));
        prop_assert_eq!(column(&together, field), met, "column {}", field);
    }
    Ok(())
}

/// Whoever is excepted from one more policy sees no less; nobody else notices.
fn an_exception_is_for_the_excepted(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies(), any::<sample::Index>()), |(identity, declared, which)| {
        if declared.policies.is_empty() {
            return Ok(());
        }
        let name = which.get(&declared.policies.keys().collect::<Vec<_>>()).to_string();
        for except in ["alice", "bob", "group:analysts", "group:engineering", "group:unheard-of"] {
            let mut wider = declared.clone();
            let except: Grantee = except.parse().unwrap();
            for policy in wider.policies.values_mut().filter(|policy| policy.name.as_str() == name)
            {
                policy.except.insert(except.clone());
            }
            let before = rule(&identity, &declared, &facts());
            let after = rule(&identity, &wider, &facts());
            let is_meant = match &except {
                Grantee::Principal(principal) => *principal == identity.principal,
                Grantee::Group(group) => {
                    declared.groups_of(&identity.principal, &identity.groups).contains(group)
                }
            };
            match is_meant {
                true => shows_no_more(&before, &after)?,
                false => same(&before, &after)?,
            }
        }
        Ok(())
    })
}

/// Whoever loses an attribute sees no row more, and none at all where a filter asks for it.
fn a_missing_attribute_denies(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let bare = Identity { attributes: BTreeMap::new(), ..identity.clone() };
        let (with, without) =
            (rule(&identity, &declared, &facts()), rule(&bare, &declared, &facts()));
        shows_no_more(&without, &with)?;
        let asks = about(&bare, &declared).into_iter().any(|policy| {
            matches!(policy.rule, PolicyRule::RowFilter(_))
                && policy.rule.to_string().contains("principal.")
        });
        prop_assert!(!asks || rows().iter().all(|row| !shows_row(&without, row)));
        Ok(())
    })
}

/// A column that came later is hidden from the restricted until it is reviewed, and reviewing it
/// shows no more of any other.
fn new_columns_are_hidden_until_reviewed(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let found = rule(&identity, &declared, &facts());
        prop_assert!(!found.is_restricted() || column(&found, 4).is_none());
        let mut reviewed = declared.clone();
        reviewed.reviewed.insert(dataset(), BTreeSet::from(["email_2".to_owned()]));
        let after = rule(&identity, &reviewed, &facts());
        for field in 1..=3 {
            prop_assert_eq!(column(&after, field), column(&found, field));
        }
        Ok(())
    })
}

/// A column that is masked or hidden under its new name is so in old versions, and the other way
/// round.
fn old_versions_are_covered(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let now = rule(&identity, &declared, &facts());
        let then = rule(&identity, &declared, &old_version());
        for policy in about(&identity, &declared) {
            let names =
                |name: &str| policy.rule.columns().is_some_and(|columns| columns.contains(name));
            if names("mail") {
                prop_assert_ne!(column(&then, 3), Some(ColumnSight::Raw));
                prop_assert_ne!(column(&now, 3), Some(ColumnSight::Raw));
            }
            // A rename that was declared since drops no mask.
            if names("email") {
                prop_assert_ne!(column(&then, 3), Some(ColumnSight::Raw));
                prop_assert_ne!(column(&now, 3), Some(ColumnSight::Raw));
            }
        }
        Ok(())
    })
}

/// What carries a tag is never seen raw by those whom a mask or `hide` on it is about: under no name, in
/// no version, however deep the tag is. Where a contract is ahead of the table, neither is what it does
/// not list.
fn tags_mean_what_carries_them(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let Some(contract) = declared.contracts.get(&dataset()) else { return Ok(()) };
        let lists = |names: &[&str]| {
            let mut listed = contract.columns.iter();
            listed.any(|column| names.contains(&column.physical_name.as_deref().unwrap()))
        };
        let fields: [(u32, &[&str]); 4] =
            [(1, &["region"]), (2, &["level"]), (3, &["email", "mail"]), (4, &["email_2"])];
        for policy in about(&identity, &declared) {
            let (PolicyTarget::Tag(_), Some(_)) = (&policy.on, policy.rule.columns()) else {
                continue;
            };
            let carrying = tagged_columns(policy, contract);
            let is_ahead = carrying.as_ref().is_some_and(|columns| columns.contains("phone"));
            for (field, names) in fields {
                let carries = carrying
                    .as_ref()
                    .is_none_or(|columns| names.iter().any(|name| columns.contains(*name)));
                if carries || (is_ahead && !lists(names)) {
                    let now = column(&rule(&identity, &declared, &facts()), field);
                    prop_assert_ne!(now, Some(ColumnSight::Raw), "column {}", field);
                    let then = column(&rule(&identity, &declared, &old_version()), field);
                    prop_assert_ne!(then, Some(ColumnSight::Raw), "column {}, v1", field);
                }
            }
        }
        Ok(())
    })
}

/// A row filter on a tag is for the whole of every dataset that carries it anywhere.
fn tags_filter_rows(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let Some(contract) = declared.contracts.get(&dataset()) else { return Ok(()) };
        for policy in about(&identity, &declared) {
            let (PolicyTarget::Tag(tag), PolicyRule::RowFilter(_)) = (&policy.on, &policy.rule)
            else {
                continue;
            };
            prop_assert!(says(contract, tag.as_str()));
            let named = Policy { on: PolicyTarget::Dataset(dataset()), ..policy.clone() };
            let expected = ours(&identity, &only(&[&named], &declared), &facts());
            let found = rule(&identity, &declared, &facts());
            for row in rows() {
                prop_assert!(!shows_row(&found, &row) || shows_row(&expected, &row));
            }
        }
        Ok(())
    })
}

/// Of a dataset that came after its policies, a tag shows columns that the contract lists, and no
/// others.
fn a_contract_expects_what_it_lists(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies()), |(identity, declared)| {
        let tagged = about(&identity, &declared)
            .into_iter()
            .any(|policy| matches!(policy.on, PolicyTarget::Tag(_)));
        let found = rule(&identity, &declared, &unknown());
        for (field, name) in [(1, "region"), (2, "level")] {
            let is_listed = declared.contracts.get(&dataset()).is_some_and(|contract| {
                let mut columns = contract.columns.iter();
                columns.any(|column| column.physical_name.as_deref() == Some(name))
            });
            prop_assert!(!tagged || is_listed || column(&found, field).is_none());
        }
        Ok(())
    })
}

#[test]
fn the_laws_of_restrictions_hold() {
    let laws: [(&str, Law); 11] = [
        ("adding a policy", adding_a_policy_never_shows_more),
        ("adding a tag", adding_a_tag_never_shows_more),
        ("order", no_order_matters),
        ("intersection", restrictions_intersect),
        ("exceptions", an_exception_is_for_the_excepted),
        ("attributes", a_missing_attribute_denies),
        ("new columns", new_columns_are_hidden_until_reviewed),
        ("old versions", old_versions_are_covered),
        ("tags", tags_mean_what_carries_them),
        ("rows under a tag", tags_filter_rows),
        ("expected columns", a_contract_expects_what_it_lists),
    ];
    for (name, law) in laws {
        if let Err(error) = law(ours) {
            panic!("{name}: {error}");
        }
    }
}

/// The laws find what people write first.
#[test]
fn the_laws_find_naive_rules() {
    let cases: [(&str, Law, Rule); 14] = [
        ("last wins, more policies", adding_a_policy_never_shows_more, last_wins),
        ("last wins, order", no_order_matters, last_wins),
        ("last wins, more tags", adding_a_tag_never_shows_more, last_wins),
        ("filters add up", adding_a_policy_never_shows_more, filters_union),
        ("filters add up, together", restrictions_intersect, filters_union),
        ("the first mask wins", no_order_matters, first_mask_wins),
        ("what is missing is ignored", a_missing_attribute_denies, missing_is_ignored),
        ("what is new shows", new_columns_are_hidden_until_reviewed, names_alone),
        ("names alone", old_versions_are_covered, names_alone),
        ("names alone, tags", tags_mean_what_carries_them, names_alone),
        ("tags are names", tags_mean_what_carries_them, tags_are_names),
        ("tags of columns alone", tags_mean_what_carries_them, tags_of_columns_alone),
        ("rows have no tags", tags_filter_rows, tags_are_for_columns),
        ("what is tagged is expected", a_contract_expects_what_it_lists, tagged_is_expected),
    ];
    for (name, law, rule) in cases {
        assert!(law(rule).is_err(), "{name}: the law did not notice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Names decide who is restricted, and whoever is sees no file, digest or count; owners see all.
    #[test]
    fn whoever_is_restricted_sees_no_digests(
        identity in identity(), mut declared in policies(),
    ) {
        declared.grants = serde_json::from_str(
            r#"[{"to":"alice","may":["read"],"on":"lake","from_stage":"raw"},
                {"to":"bob","may":["read"],"on":{"dataset":"crm.customers"},"from_stage":"raw"}]"#,
        ).unwrap();
        let rights = Rights::of(&identity, &declared, NOW);
        let restricted = ours(&identity, &declared, &facts()).is_restricted();
        prop_assert_eq!(rights.is_restricted(&dataset()), restricted);
        prop_assert_eq!(rights.queries(&dataset()), identity.principal.as_str() != "mallory");
        prop_assert_eq!(rights.reads(&dataset()), rights.queries(&dataset()) && !restricted);
        prop_assert!(!rights.reads_everything() || rights.reads(&dataset()));
        let owner = Identity::owner("local:alice".parse().unwrap());
        prop_assert_eq!(ours(&owner, &declared, &facts()), Restriction::Unrestricted);
        prop_assert!(Rights::of(&owner, &declared, NOW).reads_everything());
    }

    /// A grant less shows no more: restrictions do not depend on grants.
    #[test]
    fn removing_a_grant_never_shows_more(
        identity in identity(), declared in policies(), grants in collection::vec(grant(), 1..4),
    ) {
        let with = Declared { grants: grants.iter().cloned().collect(), ..declared.clone() };
        let without = Declared { grants: grants[1..].iter().cloned().collect(), ..declared };
        let rights = |declared| Rights::of(&identity, declared, NOW);
        prop_assert!(!rights(&without).reads(&dataset()) || rights(&with).reads(&dataset()));
        prop_assert!(!rights(&without).reads_everything() || rights(&with).reads_everything());
        for facts in versions() {
            prop_assert_eq!(ours(&identity, &without, &facts), ours(&identity, &with, &facts));
        }
    }
}

fn tag_policy(rule: PolicyRule) -> Policy {
    let on = PolicyTarget::Tag("pii".parse().unwrap());
    Policy { name: "x".parse().unwrap(), on, rule, except: BTreeSet::new() }
}

fn redact() -> PolicyRule {
    PolicyRule::Mask { columns: BTreeSet::new(), mask: Mask::Redact }
}

/// A lake with one policy on the tag `pii`, and a contract whose columns carry it or not.
fn tagged(rule: PolicyRule, columns: &[(&str, bool)]) -> Declared {
    let mut declared = Declared::default();
    add(&mut declared, "x", tag_policy(rule));
    let columns = columns.iter().map(|(name, carries)| ContractColumn {
        tags: carries.then(|| "pii".to_owned()).into_iter().collect(),
        ..column_of(name)
    });
    let contract = contract_of(columns.collect(), BTreeSet::new());
    declared.contracts.insert(dataset(), contract);
    declared
}

/// A dataset that is computed now keeps what was known of its columns, by names that were never others.
#[test]
fn computed_columns_are_known_by_their_names() {
    let names = ["region", "level", "mail", "email", "other"];
    let fields = names.map(|name| Field::optional(name, DataType::String));
    let computed = TableSchema::named(fields.into()).unwrap();
    let renamed = [(3, "mail".to_owned())];
    let facts = Facts {
        schema: computed.clone(),
        newest: computed.clone(),
        known_fields: Some(known(3).into_iter().chain(renamed).collect()),
        ..facts()
    };
    let mut declared = Declared::default();
    let on = PolicyTarget::Dataset(dataset());
    let rule = PolicyRule::RowFilter("region = 'EU'".parse().unwrap());
    add(&mut declared, "eu", Policy { on, ..tag_policy(rule) });
    let identity = Identity::of("bob".parse().unwrap());
    let restriction = ours(&identity, &declared, &facts);
    let seen = names.map(|name| column(&restriction, computed.field(name).unwrap().id).is_some());
    assert_eq!(seen, [true, true, false, false, false]);
}

/// A tag is on columns by the contract's names, in old versions by the name they have now.
#[test]
fn a_tag_means_its_columns() {
    let declared = tagged(redact(), &[("region", false), ("level", false), ("mail", true)]);
    let mallory = Identity::of("mallory".parse().unwrap());
    for facts in [facts(), old_version()] {
        let found = ours(&mallory, &declared, &Facts { known_fields: Some(known(4)), ..facts });
        assert_eq!(column(&found, 3), Some(ColumnSight::Masked(Mask::Redact)));
        assert_eq!(column(&found, 1), Some(ColumnSight::Raw));
    }
}

/// A contract that says `mail` while the table still says `email`: nobody sees `email` meanwhile.
#[test]
fn a_contract_may_be_ahead_of_the_table() {
    let declared = tagged(redact(), &[("region", false), ("mail", true)]);
    let mallory = Identity::of("mallory".parse().unwrap());
    let old = old_version();
    let behind = Facts { newest: old.schema.clone(), ..old };
    let found = ours(&mallory, &declared, &behind);
    assert_eq!(column(&found, 1), Some(ColumnSight::Raw), "the contract says that it has no tag");
    assert_eq!(column(&found, 2), Some(ColumnSight::Masked(Mask::Null)), "it fits no long");
    assert_eq!(column(&found, 3), Some(ColumnSight::Masked(Mask::Redact)));
    let missing = missing_columns(&tag_policy(redact()), &declared, &dataset(), &behind.newest);
    let told: Vec<_> = missing.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "`crm.customers` has no column `mail`, which its contract tags `pii`: until it has, those that \
          the contract does not list are taken for it"
        ]
    );
}

/// A policy on a tag is about the datasets that carry it, and about no others.
#[test]
fn a_tag_is_where_a_contract_has_it() {
    let mut declared = tagged(redact(), &[("region", false), ("mail", false)]);
    let mallory = Identity::of("mallory".parse().unwrap());
    let on = tag_policy(redact()).on;
    let is_restricted = |declared: &Declared| {
        let found = ours(&mallory, declared, &facts()).is_restricted();
        assert_eq!(is_about(&on, declared, &dataset()), found);
        assert_eq!(Rights::of(&mallory, declared, NOW).is_restricted(&dataset()), found);
        found
    };
    assert!(!is_restricted(&declared), "no column has it");
    let contract = declared.contracts.remove(&dataset()).unwrap();
    declared.contracts.insert("crm.orders".parse().unwrap(), contract.clone());
    assert!(!is_restricted(&declared), "there is no contract");
    let whole = Contract { tags: BTreeSet::from(["pii".to_owned()]), ..contract };
    declared.contracts.insert("crm.orders".parse().unwrap(), whole.clone());
    assert!(!is_restricted(&declared), "another dataset has it");
    declared.contracts.insert(dataset(), whole);
    assert!(is_restricted(&declared));
    let found = ours(&mallory, &declared, &facts());
    let all: Vec<_> = (1..=3).map(|field| column(&found, field)).collect();
    let masked = |mask| Some(ColumnSight::Masked(mask));
    assert_eq!(all, [masked(Mask::Redact), masked(Mask::Null), masked(Mask::Redact)]);
}

/// A contract that tags something else is news to a policy that was there.
#[test]
fn a_tag_that_moves_is_news() {
    let policy = tag_policy(redact());
    let before = tagged(redact(), &[("region", false), ("mail", true)]);
    let is_news = |before, after| is_news(&policy, before, after, &dataset());
    assert!(is_news(None, &before));
    assert!(!is_news(Some(&before), &before));
    let other = tagged(redact(), &[("region", true), ("mail", true)]);
    assert!(is_news(Some(&before), &other));
    let untagged = tagged(redact(), &[("region", false), ("mail", false)]);
    assert!(is_news(Some(&untagged), &before));
    assert!(!is_news(Some(&before), &untagged), "it is about nothing there");
}

/// Of a dataset that was named before it was there, the first columns count as known; of one that
/// appears in a namespace under a policy, none does.
#[test]
fn who_declares_first_knows_what_they_named() {
    let mallory = Identity::of("mallory".parse().unwrap());
    let later = Facts { known_fields: None, ..facts() };
    let policy = |on| Policy {
        name: "x".parse().unwrap(),
        on,
        rule: PolicyRule::RowFilter("level >= 2".parse().unwrap()),
        except: BTreeSet::new(),
    };
    let mut declared = Declared::default();
    add(&mut declared, "x", policy(PolicyTarget::Dataset(dataset())));
    let found = ours(&mallory, &declared, &later);
    assert_eq!((column(&found, 1), column(&found, 4)), (Some(ColumnSight::Raw), None));
    assert_eq!(column(&found, 3), None, "it was renamed since");
    add(&mut declared, "y", policy(PolicyTarget::Namespace("crm".parse().unwrap())));
    assert_eq!(column(&ours(&mallory, &declared, &later), 1), None);
}

/// What does not fit a table is told with the table, the column and its type.
#[test]
fn a_policy_that_does_not_fit_is_told() {
    let schema = TableSchema {
        fields: vec![
            field(1, "region", DataType::String),
            field(2, "level", DataType::Long),
            field(3, "seen", DataType::Date),
            field(4, "raw", DataType::Binary),
            field(5, "price", DataType::Decimal { precision: 5, scale: 2 }),
            field(6, "ok", DataType::Boolean),
            field(7, "at", DataType::Timestamptz),
        ],
        last_field_id: 7,
        ..TableSchema::default()
    };
    let told = |rule: PolicyRule, on: &str| {
        let on = match on {
            "crm" => PolicyTarget::Namespace("crm".parse().unwrap()),
            _ => PolicyTarget::Dataset(on.parse().unwrap()),
        };
        let policy = Policy { name: "x".parse().unwrap(), on, rule, except: BTreeSet::new() };
        let misfits = check_policy(&policy, &Declared::default(), &dataset(), &schema);
        misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let filters = [
        "regoin = 'EU'",
        "region = 1",
        "level = 1.5",
        "level > 9223372036854775808",
        "seen >= '2026-01-01'",
        "seen >= '2026-13-01'",
        "raw = 'x'",
        "raw is null",
        "price < 1000",
        "price < 999.99",
        "price = 0.001",
        "ok < true",
        "ok = true",
        "level like '1%'",
        "at > '2026-01-01'",
        "at > '2026-01-01T00:00:00Z'",
        "raw = principal.key",
        "principal.level < true",
        "level = principal.level or region in ('a', 2)",
    ];
    let mut lines = Vec::new();
    for filter in filters {
        let rule = PolicyRule::RowFilter(filter.parse().unwrap());
        lines.push(format!("{filter}: {}", told(rule, "crm.customers")));
    }
    let mask = |column: &str, mask| PolicyRule::Mask {
        columns: BTreeSet::from([column.to_owned()]),
        mask,
    };
    lines.push(told(mask("level", Mask::Redact), "crm.customers"));
    lines.push(told(mask("raw", Mask::Hash), "crm.customers"));
    lines.push(told(mask("emial", Mask::Redact), "crm.customers"));
    assert_eq!(told(mask("emial", Mask::Redact), "crm"), "", "a namespace need not have it");
    assert_eq!(told(mask("emial", Mask::Redact), "crm.orders"), "", "another table");
    insta::assert_snapshot!(lines.join("\n"));
}

/// So is what does not fit a table that carries a tag.
#[test]
fn a_tag_that_does_not_fit_is_told() {
    let address = ContractColumn {
        properties: vec![ContractColumn {
            tags: BTreeSet::from(["pii".to_owned()]),
            ..column_of("street")
        }],
        ..column_of("address")
    };
    let mut declared = tagged(redact(), &[("email", true), ("level", true), ("later", true)]);
    declared.contracts.get_mut(&dataset()).unwrap().columns.push(address);
    let street = Field::optional("street", DataType::String);
    let schema = TableSchema {
        fields: vec![
            field(1, "email", DataType::String),
            field(2, "level", DataType::Long),
            field(3, "address", DataType::Struct(vec![street])),
        ],
        last_field_id: 4,
        ..TableSchema::default()
    };
    let told = |rule: PolicyRule, declared: &Declared| {
        let misfits = check_policy(&tag_policy(rule), declared, &dataset(), &schema);
        misfits.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let filter = PolicyRule::RowFilter("region = 'EU'".parse().unwrap());
    let hide = PolicyRule::Hide { columns: BTreeSet::new() };
    let null = PolicyRule::Mask { columns: BTreeSet::new(), mask: Mask::Null };
    insta::assert_snapshot!(told(redact(), &declared), @"
    `crm.customers.address` is struct<street: string>; `redact` is for columns of type string
    `crm.customers.level` is long; `redact` is for columns of type string
    ");
    insta::assert_snapshot!(told(filter.clone(), &declared), @"`crm.customers` has no column `region`");
    assert_eq!(told(hide, &declared) + &told(null, &declared), "");
    let nothing = tagged(redact(), &[("email", false)]);
    assert_eq!(told(filter, &nothing) + &told(redact(), &nothing), "", "it carries no tag");
    let mut whole = nothing;
    whole.contracts.get_mut(&dataset()).unwrap().tags.insert("pii".to_owned());
    insta::assert_snapshot!(told(redact(), &whole), @"
    `crm.customers.address` is struct<street: string>; `redact` is for columns of type string
    `crm.customers.level` is long; `redact` is for columns of type string
    ");
}
