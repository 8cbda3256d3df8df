//! Processes that die, and processes that race: what they leave is whole, and in one order (P4).

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::world::World;

/// How many processes are killed.
const KILLS: u64 = 50;

/// The same numbers every time, spread over the life of an ingest.
fn delays(longest: Duration) -> impl Iterator<Item = Duration> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        longest.mul_f64((state % 10_000) as f64 / 10_000.0)
    })
}

fn spawn(world: &World, arguments: &[&str]) -> std::process::Child {
    let mut command = world.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn csv(first: usize) -> String {
    let row = |index: usize| format!("{},name {index}\n", first + index);
    std::iter::once("id,name\n".to_owned()).chain((0..2_000).map(row)).collect()
}

/// P4, P9: fifty ingests are killed at some point of their life. Every listed version reads and
/// verifies, the same command again makes what it would have made, and the database, made again
/// from the journal, says the same.
#[test]
fn p4_killed_fifty_times_every_listed_version_is_whole() {
    let world = World::new();
    world.write("first.csv", csv(0));
    let started = Instant::now();
    world.ok(&["ingest", "first.csv", "--to", "a.b"]);
    let longest = started.elapsed();

    for (kill, delay) in (0..KILLS).zip(delays(longest)) {
        world.write("next.csv", csv(10_000 * (kill as usize + 1)));
        let arguments = ["ingest", "next.csv", "--to", "a.b", "--append"];
        let mut child = spawn(&world, &arguments);
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();

        let listed = world.json(&["ls"])["datasets"][0]["newest"].clone();
        let rows = listed["row_count"].as_u64().unwrap();
        assert_eq!(rows % 2_000, 0, "half a version is visible: {listed}");
        if kill % 10 == 9 {
            world.ok(&["verify"]);
        }
        let made = world.json(&arguments);
        assert_eq!(made["version"]["row_count"].as_u64().unwrap(), 2_000 * (kill + 2), "{made}");
        if kill % 10 == 4 {
            let unchanged = world.json(&arguments);
            assert_eq!(unchanged["status"], "unchanged", "{unchanged}");
        }
    }
    world.ok(&["verify"]);
    let before = world.ok(&["history", "a.b", "--json"]).text();
    world.ok(&["rebuild", "--replace"]);
    assert_eq!(world.ok(&["history", "a.b", "--json"]).text(), before);
}

/// Two processes ingest the same bytes at once: one version.
#[test]
fn the_same_bytes_from_two_processes_are_one_version() {
    let world = World::new();
    world.write("same.csv", csv(0));
    let arguments = ["ingest", "same.csv", "--to", "a.b"];
    let children = [spawn(&world, &arguments), spawn(&world, &arguments)];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.version_count(), 1);
}

/// Sixteen processes ingest different bytes into one dataset: sixteen versions, one order.
#[test]
fn different_bytes_from_sixteen_processes_are_sixteen_versions() {
    let world = World::new();
    let mut children = Vec::new();
    for index in 0..16 {
        let name = format!("{index}.csv");
        world.write(&name, format!("id\n{index}\n"));
        let mut command = world.command(&["ingest", &name, "--to", "a.b"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        children.push(command.spawn().unwrap());
    }
    for child in children {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let history = world.json(&["history", "a.b"]);
    let numbers: Vec<u64> = history["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["version"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=16).rev().collect::<Vec<_>>());
    world.ok(&["verify"]);
}
