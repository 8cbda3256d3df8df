//! What changes mean for consumers: the table of the crate, and laws.

use std::fmt::Write as _;

use lakebed_contract::{Level, check_version, classify};
use lakebed_core::contract::Contract;
use proptest::prelude::*;

use crate::world::{contract, properties, read};

fn told(old: &Contract, new: &Contract) -> String {
    let change = classify(old, new);
    let mut said = format!("{}\n", change.level);
    for reason in &change.reasons {
        let _ = writeln!(said, "  {reason}");
    }
    said
}

/// One line a change: what a column was, what it is.
const CHANGES: &[(&str, &str)] = &[
    ("name: c", "name: d"),
    ("name: c", "name: c, physicalName: C"),
    ("name: c, logicalType: integer", "name: c, logicalType: number"),
    ("name: c", "name: c, logicalType: integer"),
    ("name: c, physicalType: int", "name: c, physicalType: bigint"),
    ("name: c, physicalType: bigint", "name: c, physicalType: int"),
    ("name: c, physicalType: int", "name: c, physicalType: INTEGER"),
    ("name: c, physicalType: 'decimal(5,2)'", "name: c, physicalType: 'decimal(9,2)'"),
    ("name: c, physicalType: varchar(5)", "name: c, physicalType: varchar(9)"),
    ("name: c, physicalType: money", "name: c, physicalType: cash"),
    ("name: c, required: true", "name: c"),
    ("name: c", "name: c, required: true"),
    ("name: c, unique: true", "name: c"),
    ("name: c, primaryKey: true", "name: c"),
    ("name: c, primaryKey: true", "name: c, primaryKey: true, required: true"),
    ("name: c, tags: [a]", "name: c, tags: [a, pii]"),
    ("name: c, classification: public", "name: c, classification: secret"),
    ("name: c, description: one", "name: c, description: two"),
    ("name: c, businessName: one", "name: c, businessName: two"),
    (
        "name: c, logicalType: integer, logicalTypeOptions: { minimum: 1 }",
        "name: c, logicalType: integer, logicalTypeOptions: { minimum: 2 }",
    ),
    (
        "name: c, logicalType: integer, logicalTypeOptions: { minimum: 1 }",
        "name: c, logicalType: integer, logicalTypeOptions: { minimum: 0 }",
    ),
    (
        "name: c, logicalType: integer, logicalTypeOptions: { format: i64 }",
        "name: c, logicalType: integer, logicalTypeOptions: { format: i32 }",
    ),
    (
        "name: c, logicalType: string, logicalTypeOptions: { pattern: a }",
        "name: c, logicalType: string, logicalTypeOptions: { pattern: b }",
    ),
    (
        "name: c, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [a, b] } }]",
        "name: c, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [b, a, c] } }]",
    ),
    (
        "name: c, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [a, b] } }]",
        "name: c, quality: [{ metric: invalidValues, mustBe: 0, arguments: { validValues: [b, a] } }]",
    ),
    (
        "name: c, quality: [{ metric: nullValues, mustBe: 0 }]",
        "name: c, quality: [{ metric: nullValues, mustBeLessThan: 5, unit: percent }]",
    ),
    (
        "name: c, quality: [{ metric: nullValues, mustBe: 0 }]",
        "name: c, quality: [{ metric: nullValues, mustBe: 0, severity: warning }]",
    ),
    (
        "name: c, quality: [{ metric: nullValues, mustBe: 0 }]",
        "name: c, quality: [{ metric: nullValues, mustBe: 0, severity: critical }]",
    ),
    ("name: c, quality: [{ metric: nullValues, mustBe: 0, severity: warning }]", "name: c"),
    ("name: c, relationships: [{ to: a.b }]", "name: c, relationships: [{ to: a.c }]"),
    (
        "name: c, logicalType: object, properties: [{ name: x }]",
        "name: c, logicalType: object, properties: [{ name: y }]",
    ),
];

#[test]
fn every_kind_of_change_has_its_level_and_its_reason() {
    let mut said = String::new();
    for (old, new) in CHANGES {
        let _ = write!(said, "{old}\n{new}\n{}", told(&contract(&[old]), &contract(&[new])));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_contract_as_a_whole_changes_too() {
    let old = properties(&["name: c"]);
    let mut said = String::new();
    for (what, instead) in [
        ("id: c-1", "id: c-2"),
        ("status: active", "status: retired"),
        ("status: active", "status: deprecated"),
        ("status: active", "status: active\ntags: [pii]"),
        ("version: 1.0.0", "version: 2.0.0"),
        (
            "status: active",
            "status: active\nslaProperties: [{ property: latency, value: 1, unit: d }]",
        ),
        (
            "status: active",
            "status: active\ncustomProperties: [{ property: maxQuarantined, value: 1% }]",
        ),
        ("status: active", "status: active\nprice: { priceAmount: 1 }"),
        ("  - { name: c }", "  - { name: d }\n  - { name: c }"),
    ] {
        let new = old.replace(what, instead);
        let (old, new) = (read(&old).contract, read(&new).contract);
        let _ = write!(said, "{}: {}", instead.replace('\n', " "), told(&old, &new));
        let _ = write!(said, "  and back: {}", told(&new, &old));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_version_says_what_changed() {
    let versions = |old: &str, new: &str, change: (&str, &str)| {
        let with = |version: &str, column: &str| Contract {
            version: version.to_owned(),
            ..contract(&[column])
        };
        let (old, new) = (with(old, change.0), with(new, change.1));
        match check_version(&old, &new, &classify(&old, &new)) {
            Ok(()) => "ok".to_owned(),
            Err(flaw) => flaw.to_string(),
        }
    };
    let major = ("name: c", "name: d");
    let minor = ("name: c", "name: c, required: true");
    let patch = ("name: c", "name: c, description: d");
    let said = [
        versions("1.2.3", "2.0.0", major),
        versions("1.2.3", "1.3.0", major),
        versions("0.2.3", "0.3.0", major),
        versions("0.2.3", "0.2.4", major),
        versions("1.2.3", "1.3.0", minor),
        versions("1.2.3", "1.2.4", minor),
        versions("1.2.3", "1.2.4", patch),
        versions("1.2.3", "1.2.3", patch),
        versions("1.2.3", "1.2.3", ("name: c", "name: c")),
        versions("1.2.3", "1.2.2", ("name: c", "name: c")),
        versions("1.2.3", "next", patch),
    ];
    insta::assert_snapshot!(said.join("\n"), @"
    ok
    the change is major: version `1.3.0` should be `2.0.0` or later
    ok
    the change is major: version `0.2.4` should be `0.3.0` or later
    ok
    the change is minor: version `1.2.4` should be `1.3.0` or later
    ok
    the change is patch: version `1.2.3` should be `1.2.4` or later
    ok
    the change is none: version `1.2.2` should be `1.2.3` or later
    version `next` is not of the form `1.2.3`
    ");
}

/// A column with something of everything.
fn column() -> impl Strategy<Value = String> {
    let bound = |word: &'static str| {
        proptest::option::of(-5..5_i32).prop_map(move |n| n.map(|n| format!("{word}: {n}")))
    };
    (
        any::<bool>(),
        any::<bool>(),
        bound("minimum"),
        proptest::option::of(10..15_i32),
        proptest::option::of(prop_oneof!["int", "bigint"]),
        0..4_u8,
        proptest::option::of(0..10_u32),
    )
        .prop_map(|(required, unique, min, max, physical, severity, percent)| {
            let mut options: Vec<String> = min.into_iter().collect();
            options.extend(max.map(|max| format!("maximum: {max}")));
            let mut text = format!(
                "name: c, logicalType: integer, required: {required}, unique: {unique}, logicalTypeOptions: {{ {} }}",
                options.join(", ")
            );
            if let Some(physical) = physical {
                let _ = write!(text, ", physicalType: {physical}");
            }
            let severity = ["info", "warning", "error", "critical"][usize::from(severity)];
            if let Some(percent) = percent {
                let _ = write!(text, ", quality: [{{ id: q, metric: nullValues, mustBeLessOrEqualTo: {percent}, unit: percent, severity: {severity} }}]");
            }
            text
        })
}

proptest! {
    /// Nothing changed exactly where the contracts are equal.
    #[test]
    fn none_is_equal(one in column(), other in column()) {
        let (one, other) = (contract(&[&one]), contract(&[&other]));
        prop_assert_eq!(classify(&one, &one).level, Level::None);
        prop_assert_eq!(classify(&one, &other).level == Level::None, one == other);
    }

    /// There and back again, one way at least breaks what the other promised, unless nothing that
    /// was promised changed.
    #[test]
    fn what_is_minor_one_way_is_major_or_minor_the_other(one in column(), other in column()) {
        let (one, other) = (contract(&[&one]), contract(&[&other]));
        let (there, back) = (classify(&one, &other).level, classify(&other, &one).level);
        prop_assert_eq!(there <= Level::Patch, back <= Level::Patch);
        if there == Level::Minor {
            prop_assert_eq!(back, Level::Major, "{:?}", classify(&other, &one));
        }
    }

    /// A minimum that rises is minor, one that falls is major.
    #[test]
    fn bounds_have_a_direction(low in -100_i64..100, by in 1_i64..100) {
        let with = |n: i64| contract(&[&format!("name: c, logicalType: integer, logicalTypeOptions: {{ minimum: {n} }}")]);
        prop_assert_eq!(classify(&with(low), &with(low + by)).level, Level::Minor);
        prop_assert_eq!(classify(&with(low + by), &with(low)).level, Level::Major);
    }

    /// Two steps are at most as harmless as each: a breach is never hidden by a detour of minors.
    #[test]
    fn minors_add_up_to_no_major(a in column(), b in column(), c in column()) {
        let (a, b, c) = (contract(&[&a]), contract(&[&b]), contract(&[&c]));
        if classify(&a, &b).level <= Level::Minor && classify(&b, &c).level <= Level::Minor {
            prop_assert!(classify(&a, &c).level <= Level::Minor);
        }
    }

    /// The level is that of the gravest reason, and each change has one.
    #[test]
    fn the_level_is_the_gravest_reason(one in column(), other in column()) {
        let change = classify(&contract(&[&one]), &contract(&[&other]));
        let gravest = change.reasons.iter().map(|reason| reason.level).max();
        prop_assert_eq!(gravest.unwrap_or(Level::None), change.level);
    }
}
