//! From the SOURCE arguments of `ingest` to files and the names they are kept under.
//!
//! A folder is taken with everything below it, sorted, each file under its path below the folder; a
//! glob the shell did not expand, under its path below the part without wildcards; a file, under
//! its own name; a URL, under its host and path. Hidden files count only when named. Nothing is
//! opened here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use crate::problem::{Problem, Result};

/// One source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The name it is kept under: `/` between parts.
    pub(crate) name: String,
    pub(crate) bytes: Bytes,
}

/// Where a source's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bytes {
    /// A regular file: absolute path, length.
    File(PathBuf, u64),
    /// A named pipe, as `<(…)` makes: it can be read once.
    Pipe(PathBuf),
    /// Standard input.
    Stdin,
    /// On the web: whoever has the lake fetches it.
    Url(String),
}

/// What the arguments mean.
#[derive(Debug, Default, Clone)]
pub(crate) struct Sources {
    /// In the order given; within a folder or a glob, sorted by name.
    pub(crate) sources: Vec<Source>,
    /// Links to folders inside folders: not followed, for they may lead anywhere.
    pub(crate) links_left_out: u64,
    /// Links inside folders that lead nowhere.
    pub(crate) dead_links: Vec<PathBuf>,
    /// Hidden files and folders inside folders, which nobody named.
    pub(crate) hidden_left_out: u64,
    /// Marks that [`Sources::without_marks`] took out.
    pub(crate) marks_left_out: u64,
    /// What jobs left beside the files of a table, and nobody named: sources all the same.
    marks: BTreeSet<PathBuf>,
}

impl Sources {
    /// For a table: what Spark and Hive write beside its files is no part of it. Where there is nothing else,
    /// that is meant.
    pub(crate) fn without_marks(mut self) -> Self {
        let (marks, rest): (Vec<Source>, Vec<Source>) =
            self.sources.iter().cloned().partition(|source| self.has_mark(source));
        if !rest.is_empty() {
            self.sources = rest;
            self.marks_left_out = marks.len() as u64;
        }
        self
    }

    /// Whether there is nothing but what a job leaves beside the files of a table.
    pub(crate) fn are_marks(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(|source| self.has_mark(source))
    }

    fn has_mark(&self, source: &Source) -> bool {
        matches!(&source.bytes, Bytes::File(path, _) if self.marks.contains(path))
    }

    /// # Errors
    /// Where a link leads nowhere: a file may be missing that is meant.
    pub(crate) fn without_dead_links(self) -> Result<Self> {
        match self.dead_links.first() {
            None => Ok(self),
            Some(link) => Err(Problem::io("read", link, &io::ErrorKind::NotFound.into())),
        }
    }

    /// What stands before `=` in the names of folders above the files, as in `year=2026/`: other programs
    /// take it for a column. Of a path counts what is below `current`, else what is below the argument.
    pub(crate) fn folder_keys(&self, current: &Path) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for source in &self.sources {
            let Bytes::File(path, _) = &source.bytes else { continue };
            let below = path.strip_prefix(current).unwrap_or(Path::new(&source.name));
            let folders = below.parent().into_iter().flat_map(Path::components);
            keys.extend(folders.filter_map(|folder| folder.as_os_str().to_str().and_then(key_of)));
        }
        keys
    }

    fn note_marks(&mut self, files: &[Source]) {
        for source in files {
            let name = source.name.rsplit('/').next().unwrap_or_default();
            if let (true, Bytes::File(path, _)) = (is_mark(name), &source.bytes) {
                self.marks.insert(path.clone());
            }
        }
    }
}

fn key_of(folder: &str) -> Option<String> {
    let (key, _) = folder.split_once('=')?;
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    (!key.is_empty() && key.chars().all(is_word)).then(|| key.to_owned())
}

/// A file by which a job says that it is done, or what is in the others.
fn is_mark(name: &str) -> bool {
    matches!(name, "_SUCCESS" | "_metadata" | "_common_metadata")
        || name.starts_with("_started_")
        || name.starts_with("_committed_")
}

/// Finds what `arguments` name; `stdin_name` is the name for `-`.
///
/// # Errors
/// Nothing there, nothing inside, no match, the same file twice, a name that is not UTF-8, a URL
/// that is none.
pub(crate) fn expand(
    arguments: &[PathBuf],
    stdin_name: Option<&str>,
    current: &Path,
) -> Result<Sources> {
    let mut found = Sources::default();
    for argument in arguments {
        expand_one(argument, stdin_name, current, &mut found)?;
    }
    refuse_repetition(&found.sources)?;
    tell_apart(&mut found.sources, current)?;
    found.sources.iter().try_for_each(|source| check_name(&source.name))?;
    Ok(found)
}

/// Whoever fetches an original gets it under its name: it must be one that stays in its folder.
fn check_name(name: &str) -> Result<()> {
    let is_plain =
        |part: &str| !matches!(part, "" | "." | "..") && !part.chars().any(char::is_control);
    if name.split('/').all(is_plain) {
        return Ok(());
    }
    let message = format!("a source cannot be kept under the name `{name}`");
    Err(Problem::refused("bad-name", message)
        .hint("use plain parts with `/` between them: no `..`, no control characters"))
}

fn expand_one(
    argument: &Path,
    stdin_name: Option<&str>,
    current: &Path,
    found: &mut Sources,
) -> Result<()> {
    if argument == Path::new("-") {
        let name = stdin_name.unwrap_or("stdin").to_owned();
        found.sources.push(Source { name, bytes: Bytes::Stdin });
        return Ok(());
    }
    if let Some(url) = argument.to_str().filter(|text| is_url(text)) {
        let location = lakebed_web::Location::parse(url).map_err(|error| {
            Problem::refused(error.code(), error.to_string())
                .hint("as in `https://data.example.org/orders.csv`")
        })?;
        let name = location.source_name();
        found.sources.push(Source { name, bytes: Bytes::Url(url.to_owned()) });
        return Ok(());
    }
    let path = current.join(argument);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => take_folder(argument, &path, found),
        Ok(metadata) => {
            let name = utf8(path.file_name().unwrap_or_default())?;
            found.sources.push(Source { name, bytes: bytes_of(&path, &metadata)? });
            Ok(())
        }
        Err(_) if has_wildcards(argument) => take_glob(argument, current, found),
        Err(error) => Err(Problem::io("read", argument, &error)),
    }
}

/// No file of a folder is meant by such a word: a path never begins with a scheme and two slashes.
fn is_url(text: &str) -> bool {
    let begins = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("https://") || begins("http://")
}

fn bytes_of(path: &Path, metadata: &fs::Metadata) -> Result<Bytes> {
    if metadata.is_file() {
        return Ok(Bytes::File(path.to_owned(), metadata.len()));
    }
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type()) {
        return Ok(Bytes::Pipe(path.to_owned()));
    }
    let message = format!("`{}` is neither a file nor a folder", path.display());
    Err(Problem::refused("not-a-file", message)
        .hint("pipe it in with `-`: `… | lakebed ingest - --name data.csv --to …`"))
}

fn take_folder(argument: &Path, path: &Path, found: &mut Sources) -> Result<()> {
    let files = files_below(path, false, found)?;
    if files.is_empty() {
        let message = format!("folder `{}` has no files", argument.display());
        return Err(Problem::refused("empty-source", message).hint(
            "hidden files count only when they are named; check that it is the right folder",
        ));
    }
    found.note_marks(&files);
    found.sources.extend(files);
    Ok(())
}

fn take_glob(argument: &Path, current: &Path, found: &mut Sources) -> Result<()> {
    let (base, pattern) = split_glob(argument);
    let matcher = glob(&pattern, argument)?;
    let root = current.join(&base);
    let hidden = pattern.split('/').any(|part| part.starts_with('.'));
    let below = match root.is_dir() {
        true => files_below(&root, hidden, found)?,
        false => Vec::new(),
    };
    let matching: Vec<Source> =
        below.into_iter().filter(|source| matcher.is_match(&source.name)).collect();
    if matching.is_empty() {
        let message = format!("no file matches `{}`", argument.display());
        return Err(Problem::not_found(message).hint(
            "`*` stays within a folder, `**` goes below it; quote neither or let lakebed do it",
        ));
    }
    if !pattern.split('/').any(|part| part.starts_with('_')) {
        found.note_marks(&matching);
    }
    found.sources.extend(matching);
    Ok(())
}

fn has_wildcards(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

/// The leading parts without wildcards, and the rest.
fn split_glob(argument: &Path) -> (PathBuf, String) {
    let mut base = PathBuf::new();
    let mut rest: Vec<&str> = Vec::new();
    for component in argument.components() {
        let part = component.as_os_str();
        if rest.is_empty() && !has_wildcards(Path::new(part)) {
            base.push(part);
        } else {
            rest.extend(part.to_str());
        }
    }
    (base, rest.join("/"))
}

fn glob(pattern: &str, argument: &Path) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        let kind = error.kind().to_string();
        Problem::usage(format!("`{}` is not a pattern: {kind}", argument.display()))
            .hint("wildcards are `*`, `**`, `?`, `[a-z]` and `{a,b}`")
    })
}

/// Every file below `root`, by name; links to files are followed, links to folders, links to nothing and what
/// is hidden are counted.
fn files_below(root: &Path, hidden: bool, found: &mut Sources) -> Result<Vec<Source>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(root.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let failed = |error: &io::Error| Problem::io("read folder", &folder, error);
        for entry in fs::read_dir(&folder).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?;
            let part = utf8(&entry.file_name())?;
            if part.starts_with('.') && !hidden {
                found.hidden_left_out += 1;
                continue;
            }
            let (path, name) = (entry.path(), format!("{prefix}{part}"));
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let metadata = match fs::metadata(&path) {
                Err(error) if is_link && error.kind() == io::ErrorKind::NotFound => {
                    found.dead_links.push(path);
                    continue;
                }
                metadata => metadata.map_err(|error| Problem::io("read", &path, &error))?,
            };
            match metadata.is_dir() {
                true if is_link => found.links_left_out += 1,
                true => folders.push((path, format!("{name}/"))),
                false => {
                    let bytes = bytes_of(&path, &metadata)?;
                    files.insert(name.clone(), Source { name, bytes });
                }
            }
        }
    }
    Ok(files.into_values().collect())
}

fn utf8(name: &OsStr) -> Result<String> {
    name.to_str().map(ToOwned::to_owned).ok_or_else(|| {
        let message = format!("the file name `{}` is not UTF-8", name.to_string_lossy());
        Problem::refused("bad-name", message).hint("rename it, or pipe it in with `-` and `--name`")
    })
}

/// A source given twice would be counted twice: most likely a slip.
fn refuse_repetition(sources: &[Source]) -> Result<()> {
    let mut seen = HashSet::new();
    for source in sources {
        let key = match &source.bytes {
            Bytes::Stdin => PathBuf::from("-"),
            Bytes::Url(url) => PathBuf::from(url),
            Bytes::File(path, _) | Bytes::Pipe(path) => {
                fs::canonicalize(path).unwrap_or_else(|_| path.clone())
            }
        };
        if !seen.insert(key) {
            return Err(Problem::usage(format!("`{}` is given twice", source.name))
                .hint("name every source once; folders and globs may overlap"));
        }
    }
    Ok(())
}

/// Gives files of one name from several places their paths as names.
fn tell_apart(sources: &mut [Source], current: &Path) -> Result<()> {
    let mut count: HashMap<String, usize> = HashMap::new();
    for source in sources.iter() {
        *count.entry(source.name.clone()).or_default() += 1;
    }
    for source in sources.iter_mut().filter(|source| count[&source.name] > 1) {
        if let Bytes::File(path, _) | Bytes::Pipe(path) = &source.bytes {
            source.name = name_of_path(path.strip_prefix(current).unwrap_or(path))?;
        }
    }
    let mut seen = HashSet::new();
    match sources.iter().find(|source| !seen.insert(&source.name)) {
        None => Ok(()),
        Some(twice) => Err(Problem::usage(format!("two sources are named `{}`", twice.name))
            .hint("ingest the folder that holds both, or pipe one in with `-` and `--name`")),
    }
}

/// The parts that name something, joined by `/`.
fn name_of_path(path: &Path) -> Result<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        if let Component::Normal(part) = component {
            parts.push(utf8(part)?);
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
            fs::write(path, file).expect("a file");
        }
        root
    }

    fn names(root: &Path, arguments: &[&str]) -> Result<Vec<String>> {
        let arguments: Vec<PathBuf> = arguments.iter().map(PathBuf::from).collect();
        let sources = expand(&arguments, Some("in.csv"), root)?.sources;
        Ok(sources.into_iter().map(|source| source.name).collect())
    }

    #[test]
    fn a_folder_is_its_files_sorted_without_hidden_ones() {
        let root = tree(&["d/b.csv", "d/a/z.csv", "d/.git/x", "d/.hidden.csv", "d/a.csv"]);
        assert_eq!(names(root.path(), &["d"]).expect("files"), ["a.csv", "a/z.csv", "b.csv"]);
        assert_eq!(names(root.path(), &["d/.hidden.csv"]).expect("named"), [".hidden.csv"]);
    }

    #[test]
    fn globs_the_shell_left_alone_are_expanded() {
        let root = tree(&["d/2024/a.csv", "d/2024/b.txt", "d/2025/x/a.csv", "d/.h/a.csv"]);
        assert_eq!(names(root.path(), &["d/*/*.csv"]).expect("one"), ["2024/a.csv"]);
        assert_eq!(
            names(root.path(), &["d/**/*.csv"]).expect("two"),
            ["2024/a.csv", "2025/x/a.csv"]
        );
        let none = names(root.path(), &["d/*.parquet"]).expect_err("none");
        assert_eq!(none.message, "no file matches `d/*.parquet`");
    }

    #[test]
    fn a_file_whose_name_looks_like_a_glob_is_that_file() {
        let root = tree(&["a[1].csv", "a1.csv"]);
        assert_eq!(names(root.path(), &["a[1].csv"]).expect("a file"), ["a[1].csv"]);
    }

    #[test]
    fn files_of_one_name_keep_their_paths() {
        let root = tree(&["x/data.csv", "y/data.csv", "z.csv"]);
        assert_eq!(
            names(root.path(), &["x/data.csv", "./y/data.csv", "z.csv"]).expect("three"),
            ["x/data.csv", "y/data.csv", "z.csv"]
        );
    }

    #[test]
    fn what_is_not_there_or_empty_or_twice_is_said() {
        let root = tree(&["a.csv"]);
        fs::create_dir(root.path().join("empty")).expect("a folder");
        let message =
            |arguments: &[&str]| names(root.path(), arguments).expect_err("bad").message.clone();
        assert_eq!(message(&["b.csv"]), "cannot read `b.csv`: no such file or folder");
        assert_eq!(message(&["empty"]), "folder `empty` has no files");
        assert_eq!(message(&["a.csv", "./a.csv"]), "`a.csv` is given twice");
        assert_eq!(message(&["-", "-"]), "`in.csv` is given twice");
    }

    #[test]
    fn a_url_is_named_by_its_host_and_path() {
        let root = tree(&[]);
        let url = "https://data.example.org/2026/orders.csv?key=secret";
        let found = expand(&[PathBuf::from(url)], None, root.path()).expect("a URL").sources;
        assert_eq!(found[0].name, "data.example.org/2026/orders.csv");
        assert_eq!(found[0].bytes, Bytes::Url(url.to_owned()));
        let refused = |url: &str| names(root.path(), &[url]).expect_err(url).code.clone();
        assert_eq!(refused("https://user:word@data.example.org/x"), "invalid-url");
        assert_eq!(refused("HTTP://"), "invalid-url");
        let twice = ["https://data.example.org/a?k=1", "https://data.example.org/a?k=2"];
        assert!(names(root.path(), &twice).expect_err("twice").message.contains("two sources"));
    }

    #[test]
    fn names_that_would_leave_a_folder_are_refused() {
        for bad in ["../x.csv", "/x.csv", "a//b", "", "a/./b", "x\u{1b}[2J.csv", "a\nb"] {
            let problem = expand(&[PathBuf::from("-")], Some(bad), Path::new("/")).expect_err(bad);
            assert_eq!(problem.code, "bad-name");
        }
        let good = expand(&[PathBuf::from("-")], Some("2024/a b.csv"), Path::new("/"));
        assert_eq!(good.expect("a plain name").sources[0].name, "2024/a b.csv");
    }

    #[test]
    fn marks_of_jobs_are_no_part_of_a_table() {
        let root = tree(&["d/_SUCCESS", "d/y=1/a.csv", "d/y=2/_committed_7", "d/y=2/b.csv"]);
        let found =
            |argument: &str| expand(&[PathBuf::from(argument)], None, root.path()).expect("files");
        let names = |sources: &Sources| -> Vec<String> {
            sources.sources.iter().map(|source| source.name.clone()).collect()
        };
        assert_eq!(found("d").sources.len(), 4);
        let table = found("d").without_marks();
        assert_eq!((names(&table).len(), table.marks_left_out), (2, 2));
        assert_eq!(Vec::from_iter(table.folder_keys(root.path())), ["y"]);
        for (named, left) in [("d/_SUCCESS", "_SUCCESS"), ("d/_*", "_SUCCESS")] {
            assert_eq!(names(&found(named).without_marks()), [left]);
        }
        // Where nothing else is, that is meant.
        fs::remove_file(root.path().join("d/y=2/b.csv")).expect("a file");
        assert_eq!(names(&found("d/y=2").without_marks()), ["_committed_7"]);
    }

    #[test]
    fn a_key_is_a_word_before_an_equals_sign() {
        assert_eq!(key_of("year=2026").as_deref(), Some("year"));
        assert_eq!(key_of("a_b="), Some("a_b".to_owned()));
        for none in ["year", "=2026", "a b=1", ""] {
            assert_eq!(key_of(none), None, "{none}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_told() {
        let root = tree(&["d/a.csv"]);
        std::os::unix::fs::symlink("gone", root.path().join("d/dead")).expect("a link");
        let found = expand(&[PathBuf::from("d")], None, root.path()).expect("one file");
        assert_eq!((found.sources.len(), found.dead_links.len()), (1, 1));
        let problem = found.without_dead_links().expect_err("a file may be missing");
        assert!(problem.message.ends_with("dead`: no such file or folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_is_not_followed_and_is_counted() {
        let root = tree(&["d/a.csv", "e/b.csv"]);
        std::os::unix::fs::symlink("../e", root.path().join("d/loop")).expect("a link");
        std::os::unix::fs::symlink("a.csv", root.path().join("d/c.csv")).expect("a link");
        let sources = expand(&[PathBuf::from("d")], None, root.path());
        // The link to a file inside the same folder is the same file twice.
        assert!(sources.expect_err("twice").message.contains("twice"));
        fs::remove_file(root.path().join("d/c.csv")).expect("a link");
        let sources = expand(&[PathBuf::from("d")], None, root.path()).expect("one file");
        assert_eq!((sources.sources.len(), sources.links_left_out), (1, 1));
    }
}
