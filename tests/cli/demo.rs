//! `lakebed demo`: the first thing a stranger runs.

use crate::world::World;

#[test]
fn the_demo_does_the_main_job_and_proves_the_rebuild() {
    let world = World::in_folder();
    let mut command = world.command(&["demo"]);
    command.env_remove("LAKEBED_LAKE");
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    let text = ran.text();
    for expected in [
        "$ lakebed ingest data/planes.csv --to nyc.planes --null NA",
        "--append",
        "--as files",
        "$ lakebed lock --check",
        "$ lakebed fetch --lock lakebed.lock --into inputs",
        "all is well",
        "$ rm -f lake/lakebed.db",
        "$ lakebed rebuild",
        "the same answers, on both versions",
        "# Try next",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{ran}");
    }
    assert!(world.path("lakebed-demo/inputs/nyc/flights/part-00000.parquet").exists());

    // What it tells to try next works.
    let mut command = world.command(&["history", "nyc.flights"]);
    command.env_remove("LAKEBED_LAKE").current_dir(world.path("lakebed-demo"));
    assert_eq!(world.finish(command, b"").code, Some(0));
}

/// P10: wherever the run has its lakes.
#[test]
fn the_demo_works_on_every_combination() {
    let world = World::new();
    let ran = world.finish(world.command_with_place(&["demo"]), b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    let text = ran.text();
    for expected in ["all is well", "$ lakebed rebuild", "the same answers, on both versions"] {
        assert!(text.contains(expected), "{expected:?} is missing in\n{ran}");
    }
}

#[test]
fn the_demo_leaves_existing_folders_alone() {
    let world = World::new();
    world.write("mine/file", "x");
    world.refused(5, &["demo", "--into", "mine"]);
    assert_eq!(world.read("mine/file"), "x");
    assert_eq!(std::fs::read_dir(world.path("mine")).unwrap().count(), 1);
}
