//! Locks of many references: one question to the lake, however many there are.

use std::{process::Stdio, sync::LazyLock};

use regex::Regex;

use crate::{
    served::{Served, until},
    world::{Ran, World},
};

/// The requests that a server says it answered.
fn answered(served: &Served) -> Vec<String> {
    static ANSWERED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"([A-Z]+ \S+) answered \d+ after").unwrap());
    ANSWERED.captures_iter(&served.log()).map(|found| found[1].to_owned()).collect()
}

#[test]
fn a_thousand_references_are_one_request() {
    let world = World::with_airlines();
    // As many meanings of one dataset, all of which are its newest version so far.
    let reference = |number: u32| format!("nyc.airlines@2999-01-01T00:00:00.{number:06}Z");
    let references: Vec<String> = (0..1000).map(reference).collect();
    let served = Served::start(&world, &["--auth", "none"]);
    let asks = |arguments: &[&str]| -> Ran {
        let mut command = world.command(arguments);
        command.env("LAKEBED_LAKE", &served.url).env_remove("LAKEBED_CATALOG");
        world.finish(command, b"")
    };
    let resolve = "POST /v1/resolve";
    let words: Vec<&str> = references.iter().map(String::as_str).collect();
    let pinned = asks(&[&["lock"][..], &words].concat());
    assert_eq!(pinned.code, Some(0), "{pinned}");
    until("pinning is in the log", || !answered(&served).is_empty());
    assert_eq!(answered(&served), [resolve]);

    let checked = asks(&["lock", "--check"]);
    assert_eq!(checked.code, Some(0), "{checked}");
    assert!(checked.text().contains("no drift: 1,000 references"), "{checked}");
    until("checking is in the log", || answered(&served).len() > 1);
    assert_eq!(answered(&served), [resolve; 2]);

    // All of them have drifted, and that is as many questions.
    world.write("airlines.csv", "carrier,name\nAA,American Airlines Inc.\n");
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    let drifted = asks(&["lock", "--check"]);
    assert_eq!(drifted.code, Some(1), "{drifted}");
    assert!(drifted.stderr.contains("1,000 references of lakebed.lock drifted"), "{drifted}");
    until("checking again is in the log", || answered(&served).len() > 2);
    assert_eq!(answered(&served), [resolve; 3]);
}

/// Each pins one more in the same file, at once: all of them are in it.
#[test]
fn whoever_pins_at_once_keeps_what_others_pinned() {
    let world = World::new();
    for number in 1..=6 {
        world.write("a.csv", format!("id\n{number}\n"));
        world.ok(&["ingest", "a.csv", "--to", "t.a"]);
    }
    let references: Vec<String> = (1..=6).map(|number| format!("t.a@v{number}")).collect();
    let children = references.iter().map(|reference| {
        let mut command = world.command(&["lock", reference, "--lock", "all.lock"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    for mut child in children.collect::<Vec<_>>() {
        assert!(child.wait().unwrap().success());
    }
    let pinned = world.read("all.lock");
    for reference in references {
        assert!(pinned.contains(&format!("\"{reference}\"")), "{reference}\n{pinned}");
    }
}

/// A name that would be another path in the lake's API is not sent.
#[test]
fn what_is_no_name_of_a_lock_is_refused() {
    let world = World::with_airlines();
    world.ok(&["lock", "nyc.airlines"]);
    for name in ["", ".", "..", "a b", "a/b", "train\n", "\ttrain", "\u{7}"] {
        for option in ["--register", "--unregister"] {
            let ran = world.refused(4, &["lock", option, name]);
            assert!(
                ran.stderr.starts_with("error: this is no name of a lock\nhint: 1 to 63 "),
                "{ran}"
            );
        }
    }
    world.ok(&["lock", "--register", "a.b_c-1"]);
}

/// What was merged or edited to something false is named by file and line.
#[test]
fn a_false_pin_is_named_by_file_and_line() {
    let world = World::with_airlines();
    world.write("other.csv", "id\n1\n");
    world.ok(&["ingest", "other.csv", "--to", "nyc.other"]);
    world.ok(&["lock", "nyc.airlines@v1", "nyc.airlines", "nyc.other"]);
    let sound = world.read("lakebed.lock");
    let ids: Vec<String> = sound
        .lines()
        .filter_map(|line| line.strip_prefix("version_id = "))
        .map(Into::into)
        .collect();
    let told = |what: &str, text: String, code: i32, words: &str| {
        world.write("lakebed.lock", text);
        for arguments in [&["lock", "--check"][..], &["fetch", "--into", "in"]] {
            let ran = world.refused(code, arguments);
            assert!(ran.stderr.contains("lakebed.lock`, line "), "{what}\n{ran}");
            assert!(ran.stderr.contains(words), "{what}\n{ran}");
        }
        let run = ["run", "--out", "x.y=y.csv", "--", "true"];
        let ran = world.run(&run);
        assert!(
            ran.code == Some(code) && ran.stderr.contains("lakebed.lock`, line "),
            "{what}\n{ran}"
        );
    };
    // Sorted: `nyc.airlines`, `nyc.airlines@v1`, `nyc.other`.
    let swapped = sound.replacen(&ids[0], &ids[1], 1);
    told("the id of another number", swapped, 4, "is that of v1, not v2");
    let foreign = sound.replacen(&ids[0], &ids[2], 1);
    told("the id of another dataset", foreign, 3, "`nyc.airlines` has no version with the id");
    let nothing = sound.replacen(&ids[2], &format!("\"{}\"", "0".repeat(64)), 1);
    told("the id of nothing", nothing, 3, "`nyc.other` has no version with the id");
    assert!(!world.path("in").exists());
}
