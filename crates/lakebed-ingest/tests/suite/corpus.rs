//! Collections of files with known answers: what must be refused is not loaded, what must load is
//! not refused, and nothing crashes. Their folders are named by `LAKEBED_TEST_CORPUS`, separated as
//! in `PATH`; a table of scores is printed (`cargo test --test suite -- --nocapture corpus`).
//!
//! Known answers: names as in the JSON parsing test suite (`y_…`, `n_…`, `i_…`), `bad_data` of
//! parquet-testing, and a CSV file beside a folder `json` with a file of its name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use lakebed_ingest::LocalSource;
use serde_json::Value;

use crate::bench::{Bench, rows};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Load,
    Refuse,
    Either,
}

#[derive(Debug, Default)]
struct Score {
    files: usize,
    loaded: usize,
    refused: usize,
    wrong: Vec<String>,
    slowest: Duration,
}

fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, files);
        } else if matches!(ending(&path), "csv" | "tsv" | "json" | "ndjson" | "jsonl" | "parquet") {
            files.push(path);
        }
    }
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default()
}

fn answer(path: &Path) -> Answer {
    let name = path.file_name().unwrap().to_str().unwrap();
    if ending(path) == "parquet" {
        // Indices of no bits are lawful where all of them are 0, as they are there.
        if name == "ARROW-GH-43605.parquet" {
            return Answer::Either;
        }
        let is_bad = path.components().any(|part| part.as_os_str() == "bad_data");
        return if is_bad { Answer::Refuse } else { Answer::Either };
    }
    match name.get(..2).filter(|_| ending(path) == "json") {
        Some("n_") => Answer::Refuse,
        Some("y_") if is_table(path) => Answer::Load,
        Some("y_") => Answer::Refuse,
        Some("i_") => Answer::Either,
        _ => Answer::Load,
    }
}

/// Whether a JSON document is a table: an object, or objects in an array, with a key in some; and no
/// key that comes twice, of which nobody knows which value was meant.
fn is_table(path: &Path) -> bool {
    let has_keys = |value: &Value| value.as_object().is_some_and(|object| !object.is_empty());
    let value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let keys = match &value {
        Value::Array(items) => items.iter().all(Value::is_object) && items.iter().any(has_keys),
        value => has_keys(value),
    };
    keys && !path.to_str().unwrap().contains("duplicated_key")
}

/// The rows that a CSV file is known to hold, as texts by column.
fn known_rows(path: &Path) -> Option<Vec<Value>> {
    let json = path.parent()?.parent()?.join("json").join(path.with_extension("json").file_name()?);
    match serde_json::from_slice(&fs::read(json).ok()?).unwrap() {
        Value::Array(rows) => Some(rows),
        row => Some(vec![row]),
    }
}

fn judge(path: &Path, score: &mut Score) {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let begun = Instant::now();
    let bench = Bench::new();
    let result = bench.decode(&[LocalSource { name: name.clone(), path: path.to_owned() }]);
    score.slowest = score.slowest.max(begun.elapsed());
    score.files += 1;
    let wrong = match (&result, answer(path)) {
        (Err(refusal), _) if !refusal.is_about_the_source() => Some(refusal.to_string()),
        (Err(refusal), Answer::Load) => Some(format!("refused: {refusal}")),
        (Ok(_), Answer::Refuse) => Some("loaded".to_owned()),
        (Ok(decoded), _) => known_rows(path).and_then(|known| {
            let found = rows(&decoded.tables).len() as u64 + decoded.sources[0].quarantined.rows;
            (found != known.len() as u64).then(|| format!("{found} rows of {}", known.len()))
        }),
        (Err(_), _) => None,
    };
    match result {
        Ok(_) => score.loaded += 1,
        Err(_) => score.refused += 1,
    }
    score.wrong.extend(wrong.map(|wrong| format!("{name}: {wrong}")));
}

#[test]
fn every_corpus_is_read_as_it_is_meant() {
    let mut folders = vec![crate::bench::data("csv-spectrum")];
    match std::env::var_os("LAKEBED_TEST_CORPUS") {
        Some(more) => folders.extend(std::env::split_paths(&more)),
        None => eprintln!("LAKEBED_TEST_CORPUS names no further folders of files"),
    }
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for folder in &folders {
        let mut files = Vec::new();
        files_below(folder, &mut files);
        for path in files.iter().filter(|path| !is_answer(path)) {
            let below = path.parent().unwrap().strip_prefix(folder).unwrap();
            let label = Path::new(folder.file_name().unwrap()).join(below);
            judge(path, scores.entry(label.display().to_string()).or_default());
        }
    }
    println!(
        "{:40} {:>6} {:>7} {:>8} {:>6} {:>9}",
        "corpus", "files", "loaded", "refused", "wrong", "slowest"
    );
    for (label, score) in &scores {
        let Score { files, loaded, refused, wrong, slowest } = score;
        let (wrong, slowest) = (wrong.len(), slowest.as_millis());
        println!("{label:40} {files:>6} {loaded:>7} {refused:>8} {wrong:>6} {slowest:>6} ms");
    }
    let wrong: Vec<&String> = scores.values().flat_map(|score| &score.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Files that hold the answer for a CSV file.
fn is_answer(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("csv-spectrum/json"))
}
