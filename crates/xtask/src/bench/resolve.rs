//! `lakebed resolve` as a whole process, with a short history and with a long one.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::{
    Bench, report,
    stats::{Spread, ratios},
};

const RUNS: usize = 101;
const MILLISECONDS_BAR: f64 = 60.0;
const LONG_BAR: f64 = 1.3;

/// Makes both histories and resolves in them, by turns.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    let versions = bench.options.versions;
    report::heading(&format!("lakebed resolve, whole process: 1 version and {versions}"));
    let (short, long) = (bench.fresh_folder("short")?, bench.fresh_folder("long")?);
    make_history(bench, short.path(), 1)?;
    make_history(bench, long.path(), versions)?;

    let (mut of_short, mut of_long) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        of_short.push(resolve_ms(bench, short.path())?);
        of_long.push(resolve_ms(bench, long.path())?);
    }
    let (one, many) = (Spread::of(of_short.clone()), Spread::of(of_long.clone()));
    report::figure("1 version, median", one.median, "ms", Some(MILLISECONDS_BAR));
    report::figure(&format!("{versions} versions, median"), many.median, "ms", None);
    report::ratio("many / one", ratios(&of_long, &of_short), Some(LONG_BAR));
    let result = json!({ "versions": versions, "one_ms": of_short, "many_ms": of_long });
    Ok(Map::from_iter([("resolve".to_owned(), result)]))
}

/// `count` versions of ten rows, each another content.
fn make_history(bench: &Bench, folder: &Path, count: usize) -> Result<()> {
    for version in 1..=count {
        let rows: String = (0..10).map(|row| format!("{row},{version}\n")).collect();
        let file = folder.join("small.csv");
        fs::write(&file, format!("row,version\n{rows}"))?;
        run_quietly(bench, folder, &["ingest", &file.to_string_lossy(), "--to", "bench.small"])?;
        if version % 100 == 0 {
            eprintln!("{version} versions");
        }
    }
    Ok(())
}

fn resolve_ms(bench: &Bench, folder: &Path) -> Result<f64> {
    let start = Instant::now();
    run_quietly(bench, folder, &["resolve", "bench.small"])?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

fn run_quietly(bench: &Bench, folder: &Path, words: &[&str]) -> Result<()> {
    let mut command = Command::new(&bench.lakebed);
    command.arg("--lake").arg(folder.join("lake")).args(words);
    command.env_remove("LAKEBED_LAKE").stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output().context("cannot start lakebed")?;
    if !output.status.success() {
        bail!("lakebed {}: {}", words[0], String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
