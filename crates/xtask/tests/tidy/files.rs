//! Rules about files: what each begins with, what none may hold, which come in pairs.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use crate::repository::{TextFile, root, rust_files, text_files};

fn assert_none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let wrong: Vec<String> = rust_files()
        .into_iter()
        .filter(|file| {
            let first = file.text.lines().next().unwrap_or_default();
            !first.starts_with("//! ") || first.len() < 20
        })
        .map(|file| file.path)
        .collect();
    assert_none(&wrong, "begin these with `//! ` and a sentence");
}

/// The number and name of a migration mean the same in both dialects.
#[test]
fn migrations_come_in_pairs() {
    let names = |dialect: &str| -> BTreeSet<String> {
        let folder = root().join("migrations").join(dialect);
        let entries = fs::read_dir(folder).expect("a folder of migrations");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let (sqlite, postgres) = (names("sqlite"), names("postgres"));
    assert_eq!(sqlite, postgres);
    assert!(!sqlite.is_empty(), "no migrations were found");
    let mut numbers: Vec<&str> = sqlite.iter().filter_map(|name| name.split('_').next()).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), sqlite.len(), "two migrations share a number");
}

/// Settings reach a library as values; only the binary, and what is no part of it, looks around.
#[test]
fn only_the_binary_reads_the_environment() {
    const READS: [&str; 4] = ["env::var", "env::args", "env::set_var", "env::remove_var"];
    // What tests share is told where their servers are, and a benchmark what to measure.
    let exempt = [
        "crates/lakebed/",
        "crates/lakebed-query/benches/",
        "crates/lakebed-testkit/",
        "crates/xtask/",
        "tests/",
    ];
    let mut wrong = Vec::new();
    for file in rust_files() {
        if exempt.iter().any(|path| file.path.starts_with(path)) || file.path.contains("/tests/") {
            continue;
        }
        let code = without_tests(&file);
        wrong.extend(lines_with(&file.path, code, &READS));
    }
    assert_none(&wrong, "only the binary reads the environment");
}

/// The part before the unit tests, which stand last in a file.
fn without_tests(file: &TextFile) -> &str {
    file.text.split("#[cfg(test)]").next().unwrap_or_default()
}

fn lines_with(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    let bad = |line: &&str| words.iter().any(|word| line.contains(word));
    text.lines().filter(bad).map(|line| format!("{path}: {}", line.trim())).collect()
}

/// A path of one machine is wrong on every other.
#[test]
fn no_file_names_a_folder_of_one_machine() {
    let here = root().to_string_lossy().into_owned();
    let homes = ["/home/", "/Users/", "/root/"];
    let words: Vec<&str> = homes.iter().copied().chain([here.as_str()]).collect();
    let mut wrong = Vec::new();
    for file in text_files().iter().filter(|file| file.path != "crates/xtask/tests/tidy/files.rs") {
        wrong.extend(lines_with(&file.path, &file.text, &words));
    }
    assert_none(&wrong, "these name a folder of one machine");
}

/// What is unfinished is not in the tree.
#[test]
fn nothing_is_left_to_do() {
    let words = ["TODO", "FIXME", "XXX:", "HACK:"];
    let mut wrong = Vec::new();
    for file in text_files().iter().filter(|file| file.path != "crates/xtask/tests/tidy/files.rs") {
        if !file.path.starts_with("examples/data/") {
            wrong.extend(lines_with(&file.path, &file.text, &words));
        }
    }
    assert_none(&wrong, "finish these, or take them out");
}

#[test]
fn no_pending_snapshots_are_left() {
    let pending = |path: &str| path.contains(".pending-snap") || path.ends_with(".snap.new");
    let files: Vec<String> =
        text_files().into_iter().map(|file| file.path).filter(|path| pending(path)).collect();
    assert_none(&files, "accept or remove these snapshots");
}

#[test]
fn scripts_are_executable_and_stop_at_the_first_error() {
    let mut scripts: Vec<TextFile> = text_files();
    scripts.retain(|file| file.path == ".ci/run" || file.path.ends_with(".sh"));
    assert!(scripts.iter().any(|file| file.path == ".ci/run"), ".ci/run is missing");
    for script in scripts {
        let mode = fs::metadata(root().join(&script.path)).expect("it was read").permissions();
        assert!(mode.mode() & 0o111 != 0, "{} is not executable", script.path);
        assert!(script.text.starts_with("#!/usr/bin/env bash\n"), "{}: first line", script.path);
        assert!(script.text.contains("\nset -euo pipefail\n"), "{}: set -euo", script.path);
    }
}
