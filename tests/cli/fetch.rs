//! Fetched files: complete, verified, and in their place.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn a_lock_is_fetched_verified_and_kept() {
    let world = World::with_airlines();
    world.ok(&["lock", "nyc.airlines", "nyc.airlines@v1"]);
    let fetch = ["fetch", "--lock", "lakebed.lock", "--into", "in"];
    world.tell(0, &fetch);
    world.tell(0, &fetch);
    let first = world.path("in/nyc/airlines/part-00000.parquet");
    assert_eq!(&std::fs::read(first).unwrap()[..4], b"PAR1");
    assert!(world.path("in/nyc/airlines@v1/part-00000.parquet").exists());
    assert!(!world.path("in/.lakebed-fetch").exists());
    assert_snapshot!(world.told());
}

#[test]
fn a_lock_brings_the_old_bytes_after_the_data_moved_on() {
    let world = World::with_airlines();
    world.ok(&["lock", "nyc.airlines"]);
    let fetch = |into: &str| {
        world.ok(&["fetch", "--lock", "lakebed.lock", "--into", into]);
        std::fs::read(world.path(into).join("nyc/airlines/part-00000.parquet")).unwrap()
    };
    let before = fetch("one");
    world.write("airlines.csv", "carrier,name\nAA,American Airlines Inc.\n");
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    assert_eq!(fetch("two"), before);
}

#[test]
fn originals_come_back_byte_for_byte() {
    let world = World::new();
    let bytes = b"\xef\xbb\xbfid;text\r\n1;\"a\r\nb\"\r\n\r\n";
    world.write("d/sub/odd name.csv", bytes);
    world.ok(&["ingest", "d", "--to", "a.odd"]);
    world.ok(&["fetch", "a.odd", "--sources", "--into", "out"]);
    assert_eq!(std::fs::read(world.path("out/a/odd/sub/odd name.csv")).unwrap(), bytes);
}

#[test]
fn a_users_edit_does_not_reach_the_lake_and_is_not_overwritten_unasked() {
    let world = World::with_airlines();
    let fetch = ["fetch", "nyc.airlines", "--sources", "--into", "in"];
    world.ok(&fetch);
    world.write("in/nyc/airlines/airlines.csv", "mine");
    world.tell(5, &fetch).assert_clear(5);
    assert_snapshot!(world.told());
    assert_eq!(world.read("in/nyc/airlines/airlines.csv"), "mine");
    world.ok(&["verify"]);
    world.ok(&[&fetch[..], &["--force"]].concat());
    assert_eq!(world.read("in/nyc/airlines/airlines.csv"), world.read("airlines.csv"));
}

#[cfg(unix)]
#[test]
fn no_link_in_the_folder_is_followed() {
    let world = World::with_airlines();
    std::fs::create_dir_all(world.path("in")).unwrap();
    std::fs::create_dir_all(world.path("outside")).unwrap();
    std::os::unix::fs::symlink("../outside", world.path("in/nyc")).unwrap();
    let ran = world.refused(5, &["fetch", "nyc.airlines", "--into", "in"]);
    assert!(ran.stderr.contains("is in the way"), "{ran}");
    assert_eq!(std::fs::read_dir(world.path("outside")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_fetched_is_said() {
    let world = World::with_airlines();
    world.ok(&["lock", "nyc.airlines"]);
    world.refused(3, &["fetch", "nyc.nothing", "--into", "in"]);
    world.refused(3, &["fetch", "nyc.airlines@v1", "--lock", "lakebed.lock", "--into", "in"]);
    world.refused(3, &["fetch", "--lock", "other.lock", "--into", "in"]);
    world.write("bad.lock", "format = 9\nlake = \"07070707070707070707070707070707\"\n");
    world.refused(4, &["fetch", "--lock", "bad.lock", "--into", "in"]);
    assert!(!world.path("in").exists());
}
