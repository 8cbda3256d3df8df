//! Rules about crates: the table of allowed edges, and where DataFusion may be.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata};

use crate::repository::{metadata, root};

/// Which crates of the workspace a crate may use, in code (normal and build dependencies) and, on
/// top of that, in its tests. A new edge is a change of the design: ARCHITECTURE.md, "Code map".
const EDGES: [(&str, &[&str], &[&str]); 16] = [
    ("lakebed-core", &[], &[]),
    ("lakebed-contract", &["lakebed-core"], &[]),
    ("lakebed-openlineage", &["lakebed-core"], &[]),
    ("lakebed-govern", &["lakebed-core", "lakebed-contract"], &[]),
    ("lakebed-store", &["lakebed-core"], &["lakebed-testkit"]),
    ("lakebed-catalog", &["lakebed-core"], &["lakebed-testkit"]),
    ("lakebed-ingest", &["lakebed-core", "lakebed-contract"], &[]),
    ("lakebed-web", &[], &[]),
    (
        "lakebed-service",
        &[
            "lakebed-core",
            "lakebed-contract",
            "lakebed-govern",
            "lakebed-store",
            "lakebed-catalog",
            "lakebed-ingest",
            "lakebed-openlineage",
        ],
        &["lakebed-testkit"],
    ),
    (
        "lakebed-query",
        &["lakebed-core", "lakebed-store", "lakebed-ingest", "lakebed-service"],
        &["lakebed-testkit"],
    ),
    ("lakebed-api", &["lakebed-core"], &[]),
    (
        "lakebed-server",
        &["lakebed-core", "lakebed-store", "lakebed-web", "lakebed-service", "lakebed-api"],
        &["lakebed-client", "lakebed-query", "lakebed-testkit"],
    ),
    ("lakebed-client", &["lakebed-core", "lakebed-api"], &[]),
    (
        "lakebed",
        &[
            "lakebed-core",
            "lakebed-contract",
            "lakebed-govern",
            "lakebed-store",
            "lakebed-catalog",
            "lakebed-ingest",
            "lakebed-web",
            "lakebed-service",
            "lakebed-query",
            "lakebed-api",
            "lakebed-server",
            "lakebed-client",
        ],
        &["lakebed-testkit"],
    ),
    (
        "lakebed-testkit",
        &["lakebed-core", "lakebed-store", "lakebed-catalog", "lakebed-service"],
        &[],
    ),
    ("xtask", &[], &[]),
];

/// What plain `cargo check` and `cargo test` leave out, because it compiles DataFusion or needs
/// the binary that does.
const NOT_BY_DEFAULT: [&str; 4] = ["lakebed", "lakebed-query", "lakebed-server", "lakebed-testkit"];

/// Crate to the crates of the workspace it uses: in code, and in tests.
fn edges(metadata: &Metadata) -> BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> {
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut edges = BTreeMap::new();
    for package in &metadata.packages {
        let (in_code, in_tests): &mut (BTreeSet<&str>, BTreeSet<&str>) =
            edges.entry(package.name.as_str()).or_default();
        for dependency in package.dependencies.iter().filter(|d| ours.contains(d.name.as_str())) {
            match dependency.kind {
                DependencyKind::Development => in_tests.insert(&dependency.name),
                _ => in_code.insert(&dependency.name),
            };
        }
    }
    edges
}

#[test]
fn crates_use_only_what_the_table_allows() {
    let metadata = metadata();
    let edges = edges(&metadata);
    let named: BTreeSet<&str> = EDGES.iter().map(|(name, ..)| *name).collect();
    let found: BTreeSet<&str> = edges.keys().copied().collect();
    assert_eq!(found, named, "every crate of the workspace has one row in the table");

    let mut wrong = Vec::new();
    for (name, allowed_in_code, allowed_in_tests) in EDGES {
        let (in_code, in_tests) = &edges[name];
        let bad = |used: &&&str| !allowed_in_code.contains(*used);
        wrong.extend(in_code.iter().filter(bad).map(|used| format!("{name} uses {used}")));
        let bad_in_tests = in_tests.iter().filter(bad).filter(|u| !allowed_in_tests.contains(u));
        wrong.extend(bad_in_tests.map(|used| format!("{name}'s tests use {used}")));
    }
    assert!(wrong.is_empty(), "these edges are not in the table:\n{}", wrong.join("\n"));
}

/// The table itself has no cycle: a crate uses only crates that stand before it in some order.
#[test]
fn the_table_has_no_cycle() {
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while placed.len() < EDGES.len() {
        let next = EDGES.iter().find(|(name, uses, _)| {
            !placed.contains(name) && uses.iter().all(|used| placed.contains(used))
        });
        let (name, ..) = next.unwrap_or_else(|| panic!("a cycle among all but {placed:?}"));
        placed.insert(name);
    }
}

#[test]
fn only_lakebed_query_depends_on_datafusion() {
    let metadata = metadata();
    let uses = |package: &&cargo_metadata::Package| {
        package.dependencies.iter().any(|dependency| dependency.name.starts_with("datafusion"))
    };
    let users: Vec<_> = metadata.packages.iter().filter(uses).map(|p| p.name.as_str()).collect();
    assert_eq!(users, ["lakebed-query"]);
}

#[test]
fn plain_cargo_test_never_builds_datafusion() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let default: BTreeSet<&str> =
        metadata.workspace_default_packages().iter().map(|p| p.name.as_str()).collect();
    let left_out: Vec<&str> = ours.difference(&default).copied().collect();
    assert_eq!(left_out, NOT_BY_DEFAULT);
}

/// Versions and features are chosen in the workspace's manifest alone, so that every way of
/// building shares one set and DataFusion is compiled once.
#[test]
fn crates_take_dependencies_from_the_workspace_as_they_are() {
    let mut wrong = Vec::new();
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        let mut is_dependency = false;
        for line in manifest.lines().map(str::trim) {
            if let Some(section) = line.strip_prefix('[') {
                is_dependency = section.contains("dependencies");
            } else if is_dependency
                && !line.is_empty()
                && !line.starts_with('#')
                && !line.ends_with(".workspace = true")
            {
                wrong.push(format!("{}: {line}", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "write `name.workspace = true`:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_crates_is_a_member() {
    let members = metadata().packages.len();
    let folders = std::fs::read_dir(root().join("crates")).expect("a folder of crates");
    let folders = folders.filter(|e| e.as_ref().is_ok_and(|e| e.path().is_dir())).count();
    assert_eq!(folders, members);
}
