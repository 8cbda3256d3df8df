//! Which file goes where below the folder that is fetched into. Pure: touches no disk.
//!
//! `<namespace>/<dataset>/…` for a bare reference, `<namespace>/<dataset>@<selector>/…` for others,
//! so that what is fetched beside it never moves a folder. Table files are `part-00000.parquet` …;
//! originals keep their names. Names are input from outside: one that could leave its folder is
//! refused.

use std::collections::HashMap;

use lakebed_api::{FileLink, ResolvedVersion};
use lakebed_core::{DatasetKind, DatasetRef, ObjectId, Selector, VersionId};

use crate::problem::{Problem, Result};

/// A folder to be filled with one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) reference: DatasetRef,
    pub(crate) version: u64,
    /// None for whoever may not know it.
    pub(crate) version_id: Option<VersionId>,
    /// Below the folder that is fetched into.
    pub(crate) parts: Vec<String>,
    pub(crate) files: Vec<Wanted>,
    /// Whether its files are ours to name (`part-…`).
    pub(crate) is_table: bool,
    /// Whether they are what a table was made of, and not the table.
    pub(crate) originals: bool,
}

/// A file that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Below its folder; every part is a plain file name.
    pub(crate) parts: Vec<String>,
    pub(crate) link: FileLink,
}

/// What to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Parquet for tables, the files of kind `files`.
    Tables,
    /// The originals.
    Originals,
}

/// The folder for `version`, asked for as `reference`.
///
/// # Errors
/// A name that cannot be a file name below its folder.
pub(crate) fn plan(reference: &DatasetRef, version: ResolvedVersion, what: What) -> Result<Folder> {
    let links: Vec<FileLink> = match what {
        What::Tables => version.files.unwrap_or_default(),
        What::Originals => {
            version.sources.unwrap_or_default().into_iter().map(|source| source.file).collect()
        }
    };
    let is_table = links.iter().all(|link| link.name.is_none());
    let originals = what == What::Originals && version.version.kind == DatasetKind::Table;
    let files = if is_table { numbered(links) } else { named(links)? };
    Ok(Folder {
        reference: reference.clone(),
        version: version.version.version,
        version_id: version.version.version_id,
        parts: folder_parts(reference),
        files,
        is_table,
        originals,
    })
}

/// Where what `reference` means is, below the folder that is fetched into.
pub(crate) fn folder_parts(reference: &DatasetRef) -> Vec<String> {
    vec![reference.dataset.namespace().to_owned(), folder_name(reference)]
}

/// `weather`, `weather@v1`, `weather@b3-9f2c61d0`: no `:`, which not every system allows.
fn folder_name(reference: &DatasetRef) -> String {
    let name = reference.dataset.name();
    match reference.selector {
        Selector::Default => name.to_owned(),
        _ => format!("{name}{}", reference.selector.to_string().replace(':', "-")),
    }
}

fn numbered(links: Vec<FileLink>) -> Vec<Wanted> {
    let wanted = |(index, link)| Wanted { parts: vec![format!("part-{index:05}.parquet")], link };
    links.into_iter().enumerate().map(wanted).collect()
}

/// Files under their own names. The same name with the same bytes is one file; other bytes under a
/// name that is taken get `~2`, `~3` … before the extension, in the order of the version.
fn named(links: Vec<FileLink>) -> Result<Vec<Wanted>> {
    let mut taken: HashMap<Vec<String>, ObjectId> = HashMap::new();
    let mut files = Vec::with_capacity(links.len());
    for link in links {
        let name = link.name.as_deref().unwrap_or_default();
        let mut parts = safe_parts(name)?;
        let mut count = 1;
        while let Some(other) = taken.get(&parts) {
            if *other == link.object {
                break;
            }
            count += 1;
            parts = safe_parts(&numbered_name(name, count))?;
        }
        if taken.insert(parts.clone(), link.object).is_none() {
            files.push(Wanted { parts, link });
        }
    }
    Ok(files)
}

fn numbered_name(name: &str, count: usize) -> String {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[start..].find('.').filter(|dot| *dot > 0) {
        Some(dot) => format!("{}~{count}{}", &name[..start + dot], &name[start + dot..]),
        None => format!("{name}~{count}"),
    }
}

/// The parts of `name`, each a plain file name on every system.
pub(crate) fn safe_parts(name: &str) -> Result<Vec<String>> {
    let is_safe = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part.len() <= 255
            && !part.contains(['\\', ':'])
            && !part.chars().any(char::is_control)
    };
    let parts: Vec<String> = name.split('/').map(ToOwned::to_owned).collect();
    if parts.iter().all(|part| is_safe(part)) {
        return Ok(parts);
    }
    let message = format!("the original's name `{name}` cannot be a file name here");
    Err(Problem::refused("bad-name", message)
        .hint("its bytes are safe: `lakebed show --sources` says which object they are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, bytes: &str) -> FileLink {
        FileLink {
            url: String::new(),
            object: ObjectId::of(bytes.as_bytes()),
            size_bytes: bytes.len() as u64,
            row_count: None,
            name: Some(name.to_owned()),
        }
    }

    #[test]
    fn hostile_names_cannot_leave_the_folder() {
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "a/",
            "C:x",
            "a\\..\\b",
            "x\0",
            "a\nb",
            "a/./b",
        ] {
            assert!(named(vec![link(bad, "x")]).is_err(), "{bad:?} was accepted");
        }
        for good in ["a.csv", "2024/a b.csv", "..a", "a..", "é.csv", ".hidden"] {
            assert!(named(vec![link(good, "x")]).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn the_same_name_twice_is_one_file_or_two() {
        let files = named(vec![
            link("d/a.csv.gz", "1"),
            link("d/a.csv.gz", "1"),
            link("d/a.csv.gz", "2"),
            link("LICENSE", "1"),
            link("LICENSE", "2"),
            link(".env", "1"),
            link(".env", "3"),
        ]);
        let paths: Vec<String> =
            files.expect("safe names").iter().map(|wanted| wanted.parts.join("/")).collect();
        assert_eq!(paths, ["d/a.csv.gz", "d/a~2.csv.gz", "LICENSE", "LICENSE~2", ".env", ".env~2"]);
    }

    #[test]
    fn a_folder_is_named_for_its_reference_alone() {
        let name = |text: &str| folder_name(&text.parse().expect("a reference"));
        assert_eq!(name("a.b"), "b");
        assert_eq!(name("a.b@v12"), "b@v12");
        assert_eq!(name("a.b@b3:9f2c61d0"), "b@b3-9f2c61d0");
        assert_eq!(name("a.b@2026-11-01T08:00:00Z"), "b@2026-11-01T08-00-00.000000Z");
    }
}
