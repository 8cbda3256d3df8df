//! Reading the repository: its files and what cargo knows. Judging is left to the rules.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{Metadata, MetadataCommand};

/// Folders that hold no source of ours.
const SKIPPED: [&str; 2] = ["target", ".git"];

/// The folder with the workspace's `Cargo.toml`.
///
/// Asked at run time: the build folder may be shared by clones in several places.
pub(crate) fn root() -> PathBuf {
    let ours = env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let root = Path::new(&ours).ancestors().nth(2);
    root.expect("this crate is two folders below the root").to_owned()
}

/// What cargo knows about the workspace's own packages, without resolving dependencies.
pub(crate) fn metadata() -> Metadata {
    let manifest = root().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec();
    metadata.expect("cargo describes its own workspace")
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// Below the root, with `/` between parts.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

/// All text files, sorted by path.
pub(crate) fn text_files() -> Vec<TextFile> {
    let root = root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 20, "the repository was not found at {}", root.display());
    files
}

/// All Rust sources, sorted by path.
pub(crate) fn rust_files() -> Vec<TextFile> {
    let mut files = text_files();
    files.retain(|file| file.path.ends_with(".rs"));
    files
}

/// One file of the root, which must be there.
pub(crate) fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<TextFile>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let entry = entry.expect("a readable entry");
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type().expect("a file type").is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                collect(root, &path, files);
            }
            continue;
        }
        // What is not UTF-8 is data.
        if let Ok(text) = fs::read_to_string(&path) {
            let below = path.strip_prefix(root).expect("it was found below the root");
            files.push(TextFile { path: below.to_string_lossy().replace('\\', "/"), text });
        }
    }
}
