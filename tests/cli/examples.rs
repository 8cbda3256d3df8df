//! Every script of `examples/` does what it says.

use std::{ffi::OsString, path::Path};

use crate::world::{LAKEBED, World, repository};

/// What the product of `product.sh` is, on every database and store.
const PRODUCT: &str =
    r#""content_id":"59e1d8b9b9cbcf084c7ae0a7f8b98cb96a3aef07cad925e2ae0a98c9a504d3c0""#;

/// Examples that need more than a shell, and where what they need is.
const MORE: [(&str, &[(&str, &str)]); 2] = [
    ("train.sh", &[("PYTHON", "LAKEBED_TEST_PYTHON")]),
    ("clients.sh", &[("PYTHON", "LAKEBED_TEST_PYTHON"), ("RSCRIPT", "LAKEBED_TEST_RSCRIPT")]),
];

/// What an example needs besides a shell; nothing where that is not here, and a line says so.
fn needs(script: &Path) -> Option<Vec<(&'static str, OsString)>> {
    let more =
        MORE.iter().find(|(name, _)| script.ends_with(name)).map_or(&[][..], |(_, more)| more);
    let found: Option<Vec<_>> =
        more.iter().map(|(name, from)| Some((*name, std::env::var_os(from)?))).collect();
    if found.is_none() {
        eprintln!("left out: {}; `cargo xtask test` installs what it needs", script.display());
    }
    found
}

/// P10: wherever the run has its lakes.
#[test]
fn every_example_runs() {
    let mut scripts: Vec<_> = std::fs::read_dir(repository().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let Some(needs) = needs(&script) else { continue };
        let world = World::new();
        let mut command = world.command_of("bash");
        command.arg(&script).env("LAKEBED", LAKEBED).env_remove("LAKEBED_LAKE").envs(needs);
        if !world.is_in_folder() {
            command.arg(world.lake());
        }
        let ran = world.finish(command, b"");
        assert_eq!(ran.code, Some(0), "{}\n{ran}", script.display());
        if script.ends_with("product.sh") {
            assert!(ran.text().contains(PRODUCT), "it was built otherwise here\n{ran}");
        }
    }
}
