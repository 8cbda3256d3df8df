//! Locks of many references: one question to the lake, however many there are.

use std::sync::LazyLock;

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
