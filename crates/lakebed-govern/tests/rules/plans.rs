//! What a plan says: who gains and who loses what.

use std::collections::BTreeSet;

use lakebed_core::{Action, Declared, Grant, Grantee, Identity, StageName, Target};
use lakebed_govern::{CatalogFile, CatalogPlan, Reach, authorize, plan_catalog, read_catalog};
use proptest::prelude::*;

use crate::{
    restrictions::{dataset, declared_of, facts, listed, ours, shows_no_more},
    world::{NOW, declared},
};

fn read(groups: &str, grants: &str) -> Declared {
    let file = |name: &str, text: &str| CatalogFile { name: name.into(), text: text.into() };
    let read = read_catalog(&[file("groups.yaml", groups), file("grants.yaml", grants)]);
    read.expect("valid").declared
}

fn promise(version: &str, minimum: u32) -> Declared {
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: {version}\nstatus: active\nschema:\n\
         - name: orders\n  properties:\n  - name: price\n    logicalType: number\n    \
         logicalTypeOptions: {{ minimum: {minimum} }}\n"
    );
    let name = "datasets/sales/orders.odcs.yaml".to_owned();
    read_catalog(&[CatalogFile { name, text }]).expect("valid").declared
}

#[test]
fn a_plan_says_what_a_change_of_a_contract_asks_of_consumers() {
    let nothing = Declared::default();
    let told = |old: &Declared, new: &Declared| {
        let plan = plan_catalog(Some(old), new, NOW);
        let told = |change: &lakebed_govern::ContractChange| {
            let level = change.change.as_ref().map(|change| change.level.to_string());
            let flaw = change.version_flaw.as_ref().map(ToString::to_string);
            let (dataset, before, after) = (&change.dataset, &change.before, &change.after);
            format!("{dataset}: {before:?} -> {after:?}, {level:?}, {flaw:?}")
        };
        plan.contracts.iter().map(told).collect::<Vec<_>>().join("\n")
    };
    let said = [
        told(&nothing, &promise("1.0.0", 1)),
        told(&promise("1.0.0", 1), &promise("1.0.0", 1)),
        told(&promise("1.0.0", 1), &promise("1.1.0", 2)),
        told(&promise("1.0.0", 1), &promise("1.0.1", 0)),
        told(&promise("1.0.0", 1), &nothing),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    sales.orders: None -> Some("1.0.0"), None, None

    sales.orders: Some("1.0.0") -> Some("1.1.0"), Some("minor"), None
    sales.orders: Some("1.0.0") -> Some("1.0.1"), Some("major"), Some("the change is major: version `1.0.1` should be `2.0.0` or later")
    sales.orders: Some("1.0.0") -> None, None, None
    "#);
}

fn told(plan: &CatalogPlan) -> String {
    let mut lines = Vec::new();
    for change in &plan.groups {
        lines.push(format!("{}: joined {:?} left {:?}", change.group, change.joined, change.left));
    }
    for right in &plan.rights {
        let who: Vec<_> = right.who.iter().map(Grantee::to_string).collect();
        let verb = if right.is_gain() { "gain" } else { "lose" };
        let reach = |reach| match reach {
            Reach::Never => "never".to_owned(),
            Reach::Until(time) => format!("until {time}"),
            Reach::Always => "always".to_owned(),
        };
        let (before, after) = (reach(right.before), reach(right.after));
        lines.push(format!(
            "{} {verb} {} on {}: {before} -> {after}",
            who.join(", "),
            right.action,
            right.on
        ));
    }
    lines.join("\n")
}

#[test]
fn a_first_catalog_gives_to_those_it_names() {
    let after = read(
        "groups: { analysts: [alice, bob] }\nclaimed_groups: [engineering]\n",
        "grants:\n\
         - { to: group:analysts, may: [discover, read], on: { namespace: crm } }\n\
         - { to: group:engineering, may: [discover], on: lake }\n\
         - { to: bob, may: [ingest], on: { dataset: crm.orders }, until: 2030-01-01 }\n",
    );
    let plan = plan_catalog(None, &after, NOW);
    assert_eq!(plan.before, None);
    insta::assert_snapshot!(told(&plan), @r#"
    analysts: joined {PrincipalName("alice"), PrincipalName("bob")} left {}
    group:engineering gain discover on lake: never -> always
    alice, bob gain discover on crm.*: never -> always
    alice, bob gain read on crm.*: never -> always
    bob gain ingest on crm.orders: never -> until 2030-01-01T23:59:59.999999Z
    "#);
}

/// Leaving a group, a grant that narrows, a date that moves: each is told for whom it changes
/// something, and for nobody else.
#[test]
fn who_loses_is_told_by_name() {
    let before = read(
        "groups: { analysts: [alice, bob] }\n",
        "grants:\n\
         - { to: group:analysts, may: [read], on: lake }\n\
         - { to: alice, may: [read], on: { namespace: crm } }\n\
         - { to: carol, may: [ingest], on: lake, until: 2030-01-01 }\n",
    );
    let after = read(
        "groups: { analysts: [bob] }\n",
        "grants:\n\
         - { to: group:analysts, may: [discover, read], on: lake }\n\
         - { to: alice, may: [read], on: { namespace: crm } }\n\
         - { to: carol, may: [ingest], on: lake, until: 2029-01-01 }\n",
    );
    insta::assert_snapshot!(told(&plan_catalog(Some(&before), &after, NOW)), @r#"
    analysts: joined {} left {PrincipalName("alice")}
    alice lose read on lake: always -> never
    carol lose ingest on lake: until 2030-01-01T23:59:59.999999Z -> until 2029-01-01T23:59:59.999999Z
    "#);
}

#[test]
fn the_last_admin_is_missed() {
    let admin = |to: &str| format!("grants: [{{ to: {to}, may: [admin], on: lake }}]");
    let with = read("", &admin("alice"));
    let loses = |after: &Declared| plan_catalog(Some(&with), after, NOW).loses_last_admin;
    assert!(loses(&Declared::default()));
    assert!(!loses(&read("", &admin("bob"))));
    assert!(loses(&read("groups: { admins: [] }", &admin("group:admins"))), "nobody is in it");
    assert!(!loses(&read("groups: { admins: [eve] }", &admin("group:admins"))));
    assert!(!loses(&read("claimed_groups: [admins]", &admin("group:admins"))));
    let narrower = "grants: [{ to: alice, may: [admin], on: { namespace: crm } }]";
    assert!(loses(&read("", narrower)), "a part of the lake is not the lake");
    let over = "grants: [{ to: alice, may: [admin], on: lake, until: 1969-01-01 }]";
    assert!(loses(&read("", over)));
    let none = Declared::default();
    assert!(!plan_catalog(None, &none, NOW).loses_last_admin, "there was none to lose");
}

fn sights(plan: &CatalogPlan) -> String {
    let told = plan.sights.iter().map(|sight| {
        let who: Vec<_> = sight.who.iter().map(Grantee::to_string).collect();
        let verb = if sight.is_gain { "without" } else { "under" };
        format!("{verb} {}: {}: {}", sight.on, sight.restriction, who.join(", "))
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Who is newly under a policy, who is under it no more, and for nobody else.
#[test]
fn who_loses_sight_is_told_by_name() {
    let groups = "groups: { analysts: [alice, bob], support: [bob] }\nclaimed_groups: [sales]\n";
    let grants = "grants:
- { to: group:analysts, may: [read], on: { namespace: crm } }
- { to: group:sales, may: [read], on: { dataset: crm.orders } }
- { to: carol, may: [discover], on: lake }
";
    let file = |name: &str, text: &str| CatalogFile { name: name.into(), text: text.into() };
    let read = |policies: &str| {
        let files = [
            file("groups.yaml", groups),
            file("grants.yaml", grants),
            file("policies/p.yaml", policies),
        ];
        read_catalog(&files).expect("valid").declared
    };
    let before = read("policies:
  - { name: mail, on: { dataset: crm.customers }, columns: [email], mask: redact, except: [group:support] }
  - { name: notes, on: { namespace: crm }, columns: [notes], hide: true }
");
    let after = read(
        "policies:
  - { name: mail, on: { dataset: crm.customers }, columns: [email], mask: redact, except: [alice] }
  - { name: eu, on: { namespace: crm }, row_filter: region = 'EU', except: [carol] }
reviewed: { crm.customers: [phone] }
",
    );
    let plan = plan_catalog(Some(&before), &after, NOW);
    let changed: Vec<_> = plan
        .policies
        .iter()
        .map(|change| {
            let name = change.before.as_ref().or(change.after.as_ref()).map(|policy| &policy.name);
            format!("{}: {} -> {}", name.unwrap(), change.before.is_some(), change.after.is_some())
        })
        .collect();
    let told = format!("{}\n{}", changed.join("\n"), sights(&plan));
    insta::assert_snapshot!(told, @"
    eu: false -> true
    mail: true -> true
    notes: true -> false
    under crm.*: only rows where region = 'EU': alice, bob, group:sales
    without crm.*: without notes: alice, bob, group:sales
    under crm.customers: email as redact: bob
    without crm.customers: email as redact: alice
    ");
    assert_eq!(plan.reviewed_added.len(), 1);
}

/// What a tag withholds is told by dataset and column, whoever moves it there: the policy, the contract
/// or both.
#[test]
fn a_tag_that_comes_or_goes_is_told() {
    let file = |name: &str, text: &str| CatalogFile { name: name.into(), text: text.into() };
    let read = |policies: &str, tags: [&str; 3]| {
        let [whole, email, phone] = tags;
        let contract = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n\
             tags: [{whole}]\nschema:\n- name: customers\n  properties:\n\
             \x20 - {{ name: email, tags: [{email}] }}\n  - {{ name: phone, tags: [{phone}] }}\n"
        );
        let grants = "grants: [{ to: alice, may: [read], on: lake }, { to: bob, may: [read], on: lake }, \
                      { to: eve, may: [read], on: { namespace: hr } }]\n";
        let files = [
            file("grants.yaml", grants),
            file("policies/p.yaml", policies),
            file("datasets/crm/customers.odcs.yaml", &contract),
        ];
        read_catalog(&files).expect("valid").declared
    };
    let by_tag = "policies: [{ name: mail, on: { tag: pii }, mask: redact, except: [bob] }, \
         { name: eu, on: { tag: geo }, row_filter: region = 'EU' }]\n";
    let by_name = "policies: [{ name: mail, on: { dataset: crm.customers }, columns: [email, phone], \
                   mask: redact, except: [bob] }]\n";
    let told = |before: &Declared, after: &Declared| {
        let plan = plan_catalog(Some(before), after, NOW);
        let warnings = plan.warnings.iter().map(|warning| format!("! {warning}"));
        std::iter::once(sights(&plan)).chain(warnings).collect::<Vec<_>>().join("\n")
    };
    let none = read(by_tag, ["", "", ""]);
    let one = read(by_tag, ["", "pii", ""]);
    let both = read(by_tag, ["", "pii", "pii, geo"]);
    let whole = read(by_tag, ["pii, geo", "pii", ""]);
    let named = read(by_name, ["", "", ""]);
    insta::assert_snapshot!(told(&Declared::default(), &none), @"

    ! policy `eu` does nothing: no contract has the tag `geo`
    ! policy `mail` does nothing: no contract has the tag `pii`
    ");
    insta::assert_snapshot!(told(&none, &one), @"
    under crm.customers: email as redact: alice
    ! policy `eu` does nothing: no contract has the tag `geo`
    ");
    insta::assert_snapshot!(told(&one, &both), @"
    under crm.customers: only rows where region = 'EU': alice, bob
    under crm.customers: phone as redact: alice
    ");
    insta::assert_snapshot!(told(&both, &whole), @"under crm.customers: its columns as redact: alice");
    insta::assert_snapshot!(told(&whole, &one), @"
    without crm.customers: its columns as redact: alice
    without crm.customers: only rows where region = 'EU': alice, bob
    ! policy `eu` does nothing: no contract has the tag `geo`
    ");
    insta::assert_snapshot!(told(&both, &named), @"without crm.customers: only rows where region = 'EU': alice, bob");
    insta::assert_snapshot!(told(&both, &none), @"
    without crm.customers: email, phone as redact: alice
    without crm.customers: only rows where region = 'EU': alice, bob
    ! policy `eu` does nothing: no contract has the tag `geo`
    ! policy `mail` does nothing: no contract has the tag `pii`
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whoever sees more of a table or less of it than before is told so, whatever did it: policies,
    /// exceptions, or tags in a contract that lists the same columns.
    #[test]
    fn no_sight_comes_or_goes_untold(
        (before, after) in listed().prop_flat_map(|listed| (declared_of(listed.clone()), declared_of(listed))),
    ) {
        let reads = |to: &str| Grant {
            to: to.parse().unwrap(),
            may: BTreeSet::from([Action::Read]),
            on: Target::Lake,
            from_stage: StageName::raw(),
            until: None,
        };
        let with_grants = |declared: Declared| Declared {
            grants: BTreeSet::from([reads("alice"), reads("bob")]),
            ..declared
        };
        let (before, after) = (with_grants(before), with_grants(after));
        let plan = plan_catalog(Some(&before), &after, NOW);
        for name in ["alice", "bob"] {
            let identity = Identity::of(name.parse().unwrap());
            let (was, is) = (ours(&identity, &before, &facts()), ours(&identity, &after, &facts()));
            let told = |is_gain| plan.sights.iter().any(|sight| {
                sight.is_gain == is_gain
                    && sight.who.contains(&name.parse().unwrap())
                    && sight.on.covers(&Target::Dataset(dataset()))
            });
            prop_assert!(told(true) || shows_no_more(&is, &was).is_ok(), "{} gains", name);
            prop_assert!(told(false) || shows_no_more(&was, &is).is_ok(), "{} loses", name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// No change, no plan; and a plan is empty only then.
    #[test]
    fn a_plan_is_empty_when_nothing_changes(before in declared(), after in declared()) {
        let plan = plan_catalog(Some(&before), &after, NOW);
        prop_assert_eq!(plan.is_empty(), before == after);
        if before == after {
            prop_assert!(plan.groups.is_empty() && plan.rights.is_empty());
            prop_assert!(plan.grants_added.is_empty() && plan.grants_removed.is_empty());
        }
    }

    /// Whatever a plan says somebody gains or loses, the decision says too.
    #[test]
    fn a_plan_tells_the_truth(before in declared(), after in declared()) {
        let plan = plan_catalog(Some(&before), &after, NOW);
        for right in &plan.rights {
            for who in &right.who {
                let allows = |declared| allowed(who, declared, right.action, &right.on);
                prop_assert_eq!(allows(&before), right.before != Reach::Never);
                prop_assert_eq!(allows(&after), right.after != Reach::Never);
            }
        }
    }

    /// Nobody gains or loses what the plan does not say.
    #[test]
    fn a_plan_tells_everything(before in declared(), after in declared()) {
        let plan = plan_catalog(Some(&before), &after, NOW);
        for name in ["alice", "bob"] {
            let who: Grantee = name.parse().unwrap();
            for target in ["lake", "crm.*", "hr.*", "crm.customers", "crm.orders", "hr.people"] {
                let target: Target = target.parse().unwrap();
                for action in Action::ALL {
                    let was = allowed(&who, &before, action, &target);
                    let is = allowed(&who, &after, action, &target);
                    let told = plan.rights.iter().any(|right| {
                        right.who.contains(&who)
                            && right.on.covers(&target)
                            && right.action.includes(action)
                            && right.is_gain() == is
                    });
                    prop_assert!(was == is || told, "{} {} {}", name, action, target);
                }
            }
        }
    }
}

fn allowed(who: &Grantee, declared: &Declared, action: Action, target: &Target) -> bool {
    let identity = match who {
        Grantee::Principal(principal) => Identity::of(principal.clone()),
        Grantee::Group(group) => Identity {
            groups: BTreeSet::from([group.clone()]),
            ..Identity::of("somebody".parse().unwrap())
        },
    };
    authorize(&identity, declared, action, target, NOW).is_granted()
}
