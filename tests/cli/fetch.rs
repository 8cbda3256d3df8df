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

/// A lake with `o.m`, files, whose second version has one file less, and lies in another folder.
fn with_files() -> World {
    let world = World::new();
    world.write("one/a.bin", "a1");
    world.write("one/sub/b.bin", "b1");
    world.write("two/a.bin", "a2");
    world.ok(&["ingest", "one", "--to", "o.m", "--as", "files"]);
    world
}

/// Everything in a folder, by name.
pub(crate) fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            names.push(path.strip_prefix(folder).unwrap().display().to_string());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    names.sort();
    names
}

/// P3: a folder of inputs holds the files of one version, and of no other that was fetched before.
#[test]
fn p3_what_was_fetched_before_gives_way() {
    let world = with_files();
    let fetch = ["fetch", "o.m", "--into", "in"];
    world.ok(&fetch);
    assert_eq!(names(&world.path("in/o/m")), ["a.bin", "sub", "sub/b.bin"]);
    world.ok(&["ingest", "two", "--to", "o.m", "--as", "files"]);
    world.ok(&fetch);
    assert_eq!(names(&world.path("in/o/m")), ["a.bin"]);
    assert_eq!(world.read("in/o/m/a.bin"), "a2");
    // The originals of a table are files as well, and the table is none of them.
    for (version, file) in [("one.csv", "id\n1\n"), ("two.csv", "id\n2\n")] {
        world.write(version, file);
        world.ok(&["ingest", version, "--to", "o.t"]);
        world.ok(&["fetch", "o.t", "--sources", "--into", "in"]);
        assert_eq!(names(&world.path("in/o/t")), [version]);
    }
    world.ok(&["fetch", "o.t", "--into", "in"]);
    assert_eq!(names(&world.path("in/o/t")), ["part-00000.parquet"]);
}

/// What somebody else put there would be read as part of the version, and is theirs.
#[test]
fn files_of_others_are_named_and_stay() {
    let world = with_files();
    let fetch = ["fetch", "o.m", "--into", "in"];
    world.ok(&fetch);
    world.ok(&["ingest", "two", "--to", "o.m", "--as", "files"]);
    world.write("in/o/m/c.bin", "mine");
    world.write("in/o/m/sub/b.bin", "edited");
    let ran = world.refused(5, &fetch);
    assert!(ran.stderr.contains("m/c.bin") && ran.stderr.contains("m/sub/b.bin"), "{ran}");
    assert_eq!(
        (world.read("in/o/m/c.bin"), world.read("in/o/m/a.bin")),
        ("mine".into(), "a1".into())
    );
    world.ok(&[&fetch[..], &["--force"]].concat());
    assert_eq!(names(&world.path("in/o/m")), ["a.bin"]);
}

#[test]
fn nothing_is_fetched_into_the_lake() {
    let world = World::in_folder_with_airlines();
    for folder in ["lake", "lake/objects/new", "./lake/../lake"] {
        let ran = world.refused(2, &["fetch", "nyc.airlines", "--into", folder]);
        assert!(ran.stderr.contains("is the lake's own folder"), "{ran}");
    }
    assert!(!world.path("lake/nyc").exists());
}
