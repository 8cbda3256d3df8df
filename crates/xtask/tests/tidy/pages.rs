//! Rules about the pages: what README, ARCHITECTURE and CHANGELOG name must be there.

use std::collections::BTreeSet;

use crate::repository::{page, root, rust_files, text_files};

/// The text of fenced code blocks.
fn code_blocks(page: &str) -> String {
    let parts = page.split("\n```").enumerate();
    parts.filter(|(index, _)| index % 2 == 1).map(|(_, block)| block).collect()
}

/// The text between single backticks, outside code blocks.
fn backticked(page: &str) -> Vec<String> {
    let parts = page.split("\n```").enumerate();
    let prose: String = parts.filter(|(index, _)| index % 2 == 0).map(|(_, text)| text).collect();
    let words = prose.split('`').enumerate();
    words.filter(|(index, _)| index % 2 == 1).map(|(_, word)| word.to_owned()).collect()
}

/// `D-07` and the like, as numbers.
fn decisions_in(text: &str) -> BTreeSet<u32> {
    let parts = text.split("D-").skip(1);
    parts.filter_map(decision_at).collect()
}

/// The number of a decision that `text` begins with: at least two digits.
fn decision_at(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
    (digits.len() >= 2).then(|| digits.parse().ok()).flatten()
}

#[test]
fn every_path_the_pages_name_exists() {
    const TOP: [&str; 7] =
        ["crates/", "migrations/", "examples/", "tests/", "catalog/", ".ci/", ".cargo/"];
    let mut wrong = Vec::new();
    let mut seen = 0;
    for name in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        for word in backticked(&page(name)) {
            let is_path = TOP.iter().any(|top| word.starts_with(top));
            if !is_path || word.contains([' ', '*', '…', '<', '{']) {
                continue;
            }
            seen += 1;
            if !root().join(&word).exists() {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    assert!(seen > 10, "only {seen} paths were found in the pages");
    assert!(wrong.is_empty(), "these do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn decisions_are_numbered_in_order() {
    let architecture = page("ARCHITECTURE.md");
    let headings = architecture.lines().filter_map(|line| line.strip_prefix("### D-"));
    let numbers: Vec<u32> =
        headings.map(|heading| decision_at(heading).expect("D- and two digits")).collect();
    assert!(!numbers.is_empty(), "no decisions were found");
    assert!(numbers.is_sorted_by(|one, next| one < next), "out of order: {numbers:?}");
}

#[test]
fn every_decision_that_is_mentioned_was_taken() {
    let architecture = page("ARCHITECTURE.md");
    let headings = architecture.lines().filter(|line| line.starts_with("### D-"));
    let taken = decisions_in(&headings.collect::<String>());
    for file in text_files() {
        let ours = file.path.ends_with(".rs") || file.path.ends_with(".md");
        if !ours || file.path == "crates/xtask/tests/tidy/pages.rs" {
            continue;
        }
        let missing: Vec<u32> = decisions_in(&file.text).difference(&taken).copied().collect();
        assert!(missing.is_empty(), "{} mentions decisions {missing:?}", file.path);
    }
}

/// Sections that code points to by name are there: `ARCHITECTURE.md, "Bytes on disk"`.
#[test]
fn sections_that_code_points_to_exist() {
    let architecture = page("ARCHITECTURE.md");
    let headings: BTreeSet<&str> = architecture
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']))
        .collect();
    let mut wrong = Vec::new();
    for file in rust_files() {
        if file.path == "crates/xtask/tests/tidy/pages.rs" {
            continue;
        }
        for rest in file.text.split("ARCHITECTURE.md, \"").skip(1) {
            let section = rest.split('"').next().unwrap_or_default();
            if !headings.contains(section) {
                wrong.push(format!("{}: {section}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "ARCHITECTURE.md has no such sections:\n{}", wrong.join("\n"));
}

/// Every `lakebed <command>` that a page or an example shows is one the binary has.
#[test]
fn commands_that_the_pages_show_exist() {
    let known = subcommands();
    let shown = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(shown_command).map(str::to_owned).collect()
    };
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut check = |name: &str, text: &str| {
        let commands = shown(text);
        seen += commands.len();
        let unknown = commands.into_iter().filter(|command| !known.contains(command));
        wrong.extend(unknown.map(|command| format!("{name}: lakebed {command}")));
    };
    for name in ["README.md", "CHANGELOG.md"] {
        check(name, &code_blocks(&page(name)));
        check(name, &backticked(&page(name)).join("\n"));
    }
    for file in text_files() {
        if file.path.starts_with("examples/") && file.path.ends_with(".sh") {
            check(&file.path, &file.text);
        }
    }
    assert!(seen > 5, "only {seen} commands were found");
    assert!(wrong.is_empty(), "the binary has no such commands:\n{}", wrong.join("\n"));
}

/// The command of a line such as `lakebed --lake ./lake sql '…'`.
fn shown_command(line: &str) -> Option<&str> {
    let line = line.trim().trim_start_matches("$ ");
    let rest = line.strip_prefix("lakebed ").or_else(|| line.strip_prefix("\"$LAKEBED\" "))?;
    let mut words = rest.split_whitespace();
    loop {
        match words.next()? {
            "--lake" => words.next()?,
            flag if flag.starts_with('-') => continue,
            command => return Some(command),
        };
    }
}

/// The variants of `enum Command` in the binary's command line, as clap spells them, and clap's own.
fn subcommands() -> BTreeSet<String> {
    let mut commands = BTreeSet::from(["help".to_owned()]);
    for file in rust_files() {
        if !file.path.starts_with("crates/lakebed/src/") {
            continue;
        }
        let Some((_, body)) = file.text.split_once("enum Command {") else { continue };
        let body = body.split("\n}").next().unwrap_or_default();
        for line in body.lines().filter(|line| line.starts_with("    ")) {
            let name: String =
                line[4..].chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            if name.starts_with(|first: char| first.is_ascii_uppercase()) {
                commands.insert(name.to_lowercase());
            }
        }
    }
    assert!(commands.len() > 1, "no `enum Command` was found in the binary");
    commands
}

#[test]
fn the_readme_has_the_two_commands_that_do_all_set_up() {
    let readme = page("README.md");
    for command in ["cargo demo", "cargo xtask test"] {
        let shown = code_blocks(&readme).lines().any(|line| line.trim().starts_with(command));
        assert!(shown, "`{command}` is missing");
    }
    let ci = page(".ci/run");
    assert!(ci.contains("cargo xtask test"), ".ci/run runs the same tests");
}

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let changelog = page("CHANGELOG.md");
    let first = changelog.lines().find(|line| line.starts_with("## "));
    assert_eq!(first, Some("## [Unreleased]"));
}

#[test]
fn the_licence_is_whole() {
    let licence = page("LICENSE");
    assert!(licence.contains("Apache License\n"));
    assert!(licence.contains("END OF TERMS AND CONDITIONS"));
}
