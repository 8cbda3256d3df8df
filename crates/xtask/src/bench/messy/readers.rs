//! What the readers make of polluted files, each as it comes: no options.

use std::{collections::BTreeMap, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{Case, Reading};
use crate::bench::{Bench, peers::Messy};

/// What Lakebed says of every file.
const ALWAYS: &str = ": delimiter ";

/// Every peer, by name.
pub(super) fn of_peers(
    peers: &Messy,
    folder: &Path,
    cases: &[Case],
) -> Result<BTreeMap<String, Vec<Reading>>> {
    let files: Vec<_> = cases.iter().map(|case| folder.join(&case.file)).collect();
    let output = peers.read(&files).output().context("cannot start Python")?;
    if !output.status.success() {
        bail!("the peers' reader failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut readings: BTreeMap<String, Vec<Reading>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let value: Value = serde_json::from_str(line).context("not what was expected")?;
        let name = value["reader"].as_str().context("a reader has no name")?.to_owned();
        let rows = serde_json::from_value(value["rows"].clone())?;
        let said = value["said"].as_bool().unwrap_or_default();
        readings.entry(name).or_default().push(Reading { rows, said, set_aside: 0 });
    }
    match readings.values().all(|readings| readings.len() == cases.len()) {
        true => Ok(readings),
        false => bail!("the peers did not read every file"),
    }
}

/// Lakebed: an ingest into a lake of its own, and what is in it then.
pub(super) fn of_lakebed(bench: &Bench, folder: &Path, cases: &[Case]) -> Result<Vec<Reading>> {
    let lake = folder.join("lake");
    let lakebed = |words: &[&str]| {
        let mut command = Command::new(&bench.lakebed);
        command.arg("--lake").arg(&lake).args(words).current_dir(folder);
        command.output().context("cannot start lakebed")
    };
    let (mut readings, mut told) = (Vec::new(), Vec::new());
    for (number, case) in cases.iter().enumerate() {
        let dataset = format!("messy.t{number}");
        let ingest = lakebed(&["ingest", &case.file, "--to", &dataset, "--json"])?;
        if !ingest.status.success() {
            readings.push(Reading { said: true, ..Reading::default() });
            told.push(Vec::new());
            continue;
        }
        let answer: Value = serde_json::from_slice(&ingest.stdout).context("not JSON")?;
        let notes = answer["notes"].as_array().cloned().unwrap_or_default();
        let notes = notes.iter().filter_map(Value::as_str).filter(|note| !note.contains(ALWAYS));
        told.push(notes.map(|note| note.replace(&case.file, "")).collect::<Vec<_>>());
        let set_aside = answer["sources"][0]["quarantined"]["rows"].as_u64().unwrap_or_default();
        let rows = lakebed(&["sql", &format!("SELECT * FROM {dataset}"), "--format", "json"])?;
        let rows: Value = serde_json::from_slice(&rows.stdout).context("not JSON")?;
        readings.push(Reading {
            rows: rows_of(&rows["rows"])?,
            said: false,
            set_aside: set_aside as usize,
        });
    }
    for (place, case) in cases.iter().enumerate() {
        let is_clean = |other: &&Case| other.kind == "clean" && other.table == case.table;
        let clean = cases.iter().position(|other| is_clean(&other)).context("no clean file")?;
        readings[place].said |= told[place].iter().any(|note| !told[clean].contains(note));
    }
    Ok(readings)
}

fn rows_of(rows: &Value) -> Result<Vec<Vec<String>>> {
    let rows = rows.as_array().context("no rows")?;
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |row: &Value| match row {
        Value::Object(fields) => Ok(fields.values().map(text).collect()),
        Value::Array(fields) => Ok(fields.iter().map(text).collect()),
        _ => bail!("a row is neither object nor list"),
    };
    rows.iter().map(row).collect()
}
