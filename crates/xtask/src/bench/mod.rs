//! `cargo xtask bench …`: Lakebed beside its peers, on one machine, in one run.
//!
//! Whole processes are measured, from outside, in interleaved rounds; a round during which the rest
//! of the machine was busy does not count. Nothing here is a test: what a number has to be depends
//! on the machine, a ratio much less, and bars are written beside the ratios.

mod build;
pub(crate) mod hash;
mod http;
mod ingest;
mod lock;
pub(crate) mod measure;
mod messy;
mod peers;
mod query;
mod report;
mod resolve;
mod rounds;
mod served;
mod server;
mod stats;
mod trees;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::workspace::Workspace;

/// What can be measured.
const MEASURED: &str = "`ingest`, `query`, `resolve`, `lock`, `messy` or `server`";

/// What the command line asked for.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    rounds: usize,
    /// Cores that others may keep busy during a round.
    others: f64,
    /// Length of the long history.
    versions: usize,
    /// What of a benchmark that has parts.
    parts: Vec<String>,
    binary: Option<PathBuf>,
    json: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let parts = query::PARTS.map(str::to_owned).to_vec();
        Self { rounds: 7, others: 0.25, versions: 1000, parts, binary: None, json: None }
    }
}

/// Where a benchmark works, and what it measures.
#[derive(Debug)]
struct Bench {
    /// Kept between runs: peers, data.
    folder: PathBuf,
    lakebed: PathBuf,
    options: Options,
}

/// Runs `bench <what> [options]`.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let [what, rest @ ..] = words else { bail!("say what to measure: {MEASURED}") };
    let options = parse(rest)?;
    let report: fn(&Bench) -> Result<Map<String, Value>> = match *what {
        "ingest" => |bench| {
            let mut report = ingest::run(bench)?;
            report.extend(resolve::run(bench)?);
            Ok(report)
        },
        "query" => query::run,
        "resolve" => resolve::run,
        "lock" => lock::run,
        "messy" => messy::run,
        "server" => server::run,
        unknown => bail!("`{unknown}` cannot be measured: say {MEASURED}"),
    };
    let json = options.json.clone();
    let report = report(&Bench::prepare(options)?)?;
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(&file, text).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    Ok(())
}

fn parse(words: &[&str]) -> Result<Options> {
    let mut options = Options::default();
    for pair in words.chunks(2) {
        let [name, value] = pair else { bail!("`{}` needs a value", pair[0]) };
        let number = || format!("`{value}` is not a number that {name} can be");
        let no_file = || format!("there is no `{value}`");
        match *name {
            "--rounds" => options.rounds = value.parse().with_context(number)?,
            "--others" => options.others = value.parse().with_context(number)?,
            "--versions" => options.versions = value.parse().with_context(number)?,
            "--only" => options.parts = query::parts(value)?,
            "--binary" => options.binary = Some(fs::canonicalize(value).with_context(no_file)?),
            "--json" => options.json = Some(value.into()),
            unknown => bail!("`{unknown}` is not an option of `bench`"),
        }
    }
    if options.rounds == 0 || options.versions == 0 {
        bail!("at least one round and one version are needed");
    }
    Ok(options)
}

impl Bench {
    fn prepare(options: Options) -> Result<Self> {
        let workspace = Workspace::find()?;
        let folder = workspace.target.join("bench");
        fs::create_dir_all(&folder).context("cannot make a folder for the benchmark")?;
        let lakebed = match &options.binary {
            Some(binary) => binary.clone(),
            None => build::lakebed(&workspace)?,
        };
        Ok(Self { folder, lakebed, options })
    }

    /// A new, empty folder that is removed when the value is dropped.
    fn fresh_folder(&self, name: &str) -> Result<FreshFolder> {
        let path = self.folder.join(format!("{name}-{}", std::process::id()));
        if path.exists() {
            fs::remove_dir_all(&path).context("cannot remove a folder an earlier run left")?;
        }
        fs::create_dir_all(&path).context("cannot make a fresh folder")?;
        Ok(FreshFolder(path))
    }
}

/// See [`Bench::fresh_folder`].
#[derive(Debug)]
struct FreshFolder(PathBuf);

impl FreshFolder {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for FreshFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("could not remove `{}`: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let options = parse(&["--rounds", "3", "--others", "1.5"]).expect("options");
        assert_eq!(options, Options { rounds: 3, others: 1.5, ..Options::default() });
        for bad in [["--rounds", "0"], ["--rounds", "x"], ["--sides", "2"]] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
        assert!(parse(&["--json"]).is_err());
    }
}
