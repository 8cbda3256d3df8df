//! P3: a flipped bit is an error that names the object, never a row.

use std::path::{Path, PathBuf};

use crate::world::World;

fn objects(world: &World) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for folder in std::fs::read_dir(world.path("lake/objects")).unwrap() {
        let folder = folder.unwrap().path();
        paths.extend(std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.sort();
    paths
}

/// Flips one bit in the middle of a file, whatever its permissions, and returns the old bytes.
fn flip(path: &Path) -> Vec<u8> {
    let old = std::fs::read(path).unwrap();
    let mut new = old.clone();
    let middle = new.len() / 2;
    new[middle] ^= 1;
    write(path, &new);
    old
}

fn write(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn verify_names_dataset_version_and_object_of_every_flipped_bit() {
    let world = World::in_folder_with_airlines();
    let objects = objects(&world);
    assert!(objects.len() >= 6, "originals, tables, lists, manifests: {objects:?}");
    for path in objects {
        let digest = path.file_name().unwrap().to_string_lossy().into_owned();
        let old = flip(&path);
        let ran = world.run(&["verify", "--json"]);
        assert_eq!(ran.code, Some(1), "{digest}\n{ran}");
        let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["object"] == digest.as_str());
        let finding = finding.unwrap_or_else(|| panic!("{digest} is not named\n{ran}"));
        assert_eq!(finding["dataset"], "nyc.airlines", "{ran}");
        assert!(!finding["versions"].as_array().unwrap().is_empty(), "{ran}");
        let text = world.run(&["verify"]);
        assert_eq!(text.code, Some(1));
        assert!(text.text().contains(&digest) && text.text().contains("nyc.airlines"), "{text}");
        write(&path, &old);
    }
    world.ok(&["verify"]);
}

#[test]
fn a_damaged_table_gives_no_row_and_other_versions_still_read() {
    let world = World::in_folder_with_airlines();
    let resolved = world.json(&["resolve", "nyc.airlines", "--files"]);
    let digest = resolved["versions"][0]["files"][0]["object"].as_str().unwrap().to_owned();
    flip(&world.path("lake/objects").join(&digest[..2]).join(&digest));
    for format in ["csv", "table", "ndjson", "json", "parquet", "arrow"] {
        let ran = world.run(&["sql", "SELECT * FROM nyc.airlines", "--format", format]);
        ran.assert_clear(6);
        assert!(ran.stderr.contains(&digest), "{ran}");
        let shown = String::from_utf8_lossy(&ran.stdout);
        assert!(!shown.contains("American") && !shown.contains("Zeppelin"), "{format}: {ran}");
    }
    let ran = world.run(&["fetch", "nyc.airlines", "--into", "in"]);
    ran.assert_clear(6);
    assert!(!world.path("in/nyc/airlines/part-00000.parquet").exists());
    let old =
        world.ok(&["sql", "SELECT count(*) AS n FROM nyc.\"airlines@v1\"", "--format", "csv"]);
    assert_eq!(old.text(), "n\n16\n");
}
