//! Laws of what policies leave to see. Each law is held against rules that people write first, and
//! has to fail there.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{
    AttributeValue, DataType, DatasetName, Declared, Field, Grantee, Identity, KnownFields,
    TableSchema,
    policy::{
        ColumnSight, Mask, MaskKey, Policy, PolicyRule, PolicyTarget, Predicate, Restriction,
        Scalar, Sight, TagName, holds,
    },
};
use lakebed_govern::{Reader, Rights, TableFacts, check_policy, restrict};
use proptest::{
    collection, option,
    prelude::*,
    sample,
    test_runner::{Config, TestCaseError, TestRunner},
};

use crate::world::NOW;

/// A rule to be judged: what it leaves of `crm.customers` for somebody.
type Rule = fn(&Identity, &Declared, &Facts) -> Restriction;

/// What must hold of every rule.
type Law = fn(Rule) -> Result<(), String>;

fn dataset() -> DatasetName {
    "crm.customers".parse().unwrap()
}

fn field(id: u32, name: &str, data_type: DataType) -> Field {
    Field { id, ..Field::optional(name, data_type) }
}

/// What is known of the table, owned.
#[derive(Debug, Clone)]
struct Facts {
    schema: TableSchema,
    newest: TableSchema,
    known_fields: Option<KnownFields>,
    first: TableSchema,
    tags: BTreeMap<String, BTreeSet<TagName>>,
}

/// Columns 1 to 3; the newest version calls the third `mail` and has a fourth.
fn facts() -> Facts {
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
        tags: BTreeMap::from([("mail".to_owned(), BTreeSet::from(["pii".parse().unwrap()]))]),
    }
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

fn ours(identity: &Identity, declared: &Declared, facts: &Facts) -> Restriction {
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
            tags: &facts.tags,
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

fn policies() -> impl Strategy<Value = Declared> {
    collection::vec(policy(), 0..5).prop_map(|policies| {
        let mut declared = Declared {
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

fn add(declared: &mut Declared, name: &str, policy: Policy) {
    let name: lakebed_core::policy::PolicyName = name.parse().unwrap();
    declared.policies.insert(name.clone(), Policy { name, ..policy });
}

fn policy() -> impl Strategy<Value = Policy> {
    let on = sample::select(vec![
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
    (on, rule, except()).prop_map(|(on, rule, except)| Policy {
        name: "x".parse().unwrap(),
        on,
        rule,
        except,
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
fn shows_no_more(less: &Restriction, more: &Restriction) -> Result<(), TestCaseError> {
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

/// A policy more shows no more.
fn adding_a_policy_never_shows_more(rule: Rule) -> Result<(), String> {
    try_law((identity(), policies(), policy(), sample::select(vec!["a", "p2x", "z"])), |world| {
        let (identity, declared, more, name) = world;
        let mut restricted = declared.clone();
        add(&mut restricted, name, more);
        shows_no_more(
            &rule(&identity, &restricted, &facts()),
            &rule(&identity, &declared, &facts()),
        )
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
        let together = rule(&identity, &declared, &facts());
        let each: Vec<_> = declared
            .policies
            .values()
            .map(|policy| rule(&identity, &only(&[policy], &declared), &facts()))
            .collect();
        for row in rows() {
            let by_all = each.iter().all(|alone| shows_row(alone, &row));
            prop_assert_eq!(shows_row(&together, &row), by_all, "row {:?}", row);
        }
        for field in 1..=5 {
            let sights: Option<Vec<_>> = each
                .iter()
                .filter(|alone| alone.is_restricted())
                .map(|alone| column(alone, field))
                .collect();
            let met =
                sights.map(|sights| sights.into_iter().fold(ColumnSight::Raw, ColumnSight::meet));
            prop_assert_eq!(column(&together, field), met, "column {}", field);
        }
        Ok(())
    })
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

#[test]
fn the_laws_of_restrictions_hold() {
    let laws: [(&str, Law); 7] = [
        ("adding a policy", adding_a_policy_never_shows_more),
        ("order", no_order_matters),
        ("intersection", restrictions_intersect),
        ("exceptions", an_exception_is_for_the_excepted),
        ("attributes", a_missing_attribute_denies),
        ("new columns", new_columns_are_hidden_until_reviewed),
        ("old versions", old_versions_are_covered),
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
    let cases: [(&str, Law, Rule); 8] = [
        ("last wins, more policies", adding_a_policy_never_shows_more, last_wins),
        ("last wins, order", no_order_matters, last_wins),
        ("filters add up", adding_a_policy_never_shows_more, filters_union),
        ("filters add up, together", restrictions_intersect, filters_union),
        ("the first mask wins", no_order_matters, first_mask_wins),
        ("what is missing is ignored", a_missing_attribute_denies, missing_is_ignored),
        ("what is new shows", new_columns_are_hidden_until_reviewed, names_alone),
        ("names alone", old_versions_are_covered, names_alone),
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
}

/// A tag is on columns by name, in old versions by the name they have now.
#[test]
fn a_tag_means_its_columns() {
    let mut declared = Declared::default();
    let rule = PolicyRule::Mask { columns: BTreeSet::new(), mask: Mask::Redact };
    let on = PolicyTarget::Tag("pii".parse().unwrap());
    let policy = Policy { name: "x".parse().unwrap(), on, rule, except: BTreeSet::new() };
    add(&mut declared, "x", policy);
    let mallory = Identity::of("mallory".parse().unwrap());
    for facts in [facts(), old_version()] {
        let found = ours(&mallory, &declared, &Facts { known_fields: Some(known(4)), ..facts });
        assert_eq!(column(&found, 3), Some(ColumnSight::Masked(Mask::Redact)));
        assert_eq!(column(&found, 1), Some(ColumnSight::Raw));
    }
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
        let misfits = check_policy(&policy, &dataset(), &schema);
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
