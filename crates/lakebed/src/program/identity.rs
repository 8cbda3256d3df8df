//! What is known of a program before it runs: the state of its code, and what it runs in.
//!
//! The environment is the file that is started and the files of the current folder that pin what it
//! loads; never the values of environment variables, which hold secrets.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lakebed_api::{GitState, RunEnvironment};

use crate::{fetch::place::hash_file, problem::Result};

/// Files that pin what a program loads.
const LOCKS: [&str; 20] = [
    "requirements.txt",
    "uv.lock",
    "poetry.lock",
    "Pipfile.lock",
    "pdm.lock",
    "pylock.toml",
    "conda-lock.yml",
    "environment.yml",
    "pixi.lock",
    "renv.lock",
    "Cargo.lock",
    "go.sum",
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "Gemfile.lock",
    "Manifest.toml",
    "flake.lock",
    "mix.lock",
    "gradle.lockfile",
];

/// Where the working copy around `folder` stands; none where there is no git, or no commit yet.
pub(crate) fn git_state(folder: &Path) -> Option<GitState> {
    let commit = git(folder, &["rev-parse", "--verify", "HEAD"])?.trim().to_owned();
    // Whatever is configured to be left out.
    let whole = ["--untracked-files=normal", "--ignore-submodules=none"];
    let changes = git(folder, &[&["status", "--porcelain"][..], &whole].concat())?;
    Some(GitState { commit, dirty: !changes.trim().is_empty() })
}

/// What git says; nothing where it fails. It is only asked to look.
fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What `program` runs in, started in `folder`.
pub(crate) fn environment(program: &str, folder: &Path) -> Result<RunEnvironment> {
    let mut files = BTreeMap::new();
    for name in LOCKS {
        let path = folder.join(name);
        if path.is_file() {
            files.insert(name.to_owned(), digest(&path)?);
        }
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let program = find(program, folder, &search).map(|path| digest(&path)).transpose()?;
    Ok(RunEnvironment { program, files })
}

fn digest(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hash_file(path, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The file that is started as `program`, if it may be read.
fn find(program: &str, folder: &Path, search: &OsStr) -> Option<PathBuf> {
    let is_readable = |path: &PathBuf| path.is_file() && std::fs::File::open(path).is_ok();
    if program.contains('/') {
        return Some(folder.join(program)).filter(is_readable);
    }
    std::env::split_paths(search).map(|place| folder.join(place).join(program)).find(is_readable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_what_is_started_and_what_pins() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a file");
        };
        write("tool", "1");
        let plain = environment("./tool", folder.path()).expect("readable");
        assert_eq!((plain.program.is_some(), plain.files.len()), (true, 0));
        write("uv.lock", "numpy 2");
        write("notes.txt", "pins nothing");
        let locked = environment("./tool", folder.path()).expect("readable");
        assert_eq!(locked.files.keys().collect::<Vec<_>>(), ["uv.lock"]);
        write("tool", "2");
        let other = environment("./tool", folder.path()).expect("readable");
        assert_ne!(other.program, locked.program);
        let search = folder.path().as_os_str();
        assert_eq!(find("tool", Path::new("/"), search), Some(folder.path().join("tool")));
        assert_eq!(find("nothing", Path::new("/"), search), None);
    }
}
