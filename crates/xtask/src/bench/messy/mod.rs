//! Clean files, polluted in known ways, read by Lakebed and its peers: who loads what is wrong and does
//! not say so?
//!
//! | outcome | |
//! |---|---|
//! | right | all rows with their values, and no others |
//! | said | not all of that, and a refusal, a quarantined row, a warning or a note says so |
//! | wrong | not all of that, and nobody says so |
//!
//! What Lakebed notes of the clean file as well counts for nothing, nor does its note on delimiter and
//! header.

mod judge;
mod kinds;
mod readers;
mod tables;

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::{Bench, peers::Messy, report};
use judge::{Outcome, judge};

/// What the shares of wrong files are meant to stay under.
mod bars {
    pub(super) const RAGGED: f64 = 0.0;
    pub(super) const ALL: f64 = 0.10;
}

/// A polluted file and what it holds.
#[derive(Debug)]
struct Case {
    kind: &'static str,
    ragged: bool,
    table: &'static str,
    file: String,
    truth: Vec<Vec<String>>,
}

/// What a reader made of a file.
#[derive(Debug, Default)]
struct Reading {
    rows: Vec<Vec<String>>,
    /// Whether it said that something is not as it should be.
    said: bool,
    /// Rows it set aside and said so.
    set_aside: usize,
}

/// Pollutes, reads and compares; prints as it goes.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    let folder = bench.fresh_folder("messy")?;
    let mut cases = Vec::new();
    for table in tables::all() {
        for kind in kinds::all() {
            let Some((bytes, truth)) = (kind.pollute)(&table) else { continue };
            let file = format!("{}-{}.csv", kind.name.replace(' ', "-"), table.name);
            fs::write(folder.path().join(&file), bytes).context("cannot write a polluted file")?;
            let (kind, ragged, table) = (kind.name, kind.ragged, table.name);
            cases.push(Case { kind, ragged, table, file, truth });
        }
    }
    let peers = Messy::install(&bench.folder)?;
    let mut readings = readers::of_peers(&peers, folder.path(), &cases)?;
    readings.insert("lakebed".to_owned(), readers::of_lakebed(bench, folder.path(), &cases)?);
    report::heading("polluted files: right, said, wrong and unsaid");
    Ok(table(&cases, &readings))
}

fn table(cases: &[Case], readings: &BTreeMap<String, Vec<Reading>>) -> Map<String, Value> {
    let names: Vec<&String> = readings.keys().collect();
    let mut counts: BTreeMap<(&str, &str), [usize; 3]> = BTreeMap::new();
    let (mut ragged, mut all) = (BTreeMap::new(), BTreeMap::new());
    for (name, readings) in readings {
        for (case, reading) in cases.iter().zip(readings) {
            let outcome = judge(case, reading);
            counts.entry((case.kind, name)).or_default()[outcome as usize] += 1;
            let wrong = f64::from(u8::from(outcome == Outcome::Wrong));
            let tally: &mut (f64, f64) = all.entry(name.as_str()).or_default();
            *tally = (tally.0 + wrong, tally.1 + 1.0);
            if case.ragged {
                let tally: &mut (f64, f64) = ragged.entry(name.as_str()).or_default();
                *tally = (tally.0 + wrong, tally.1 + 1.0);
            }
            if name == "lakebed" && outcome == Outcome::Wrong {
                println!("  wrong and unsaid: {}", case.file);
            }
        }
    }
    print!("{:28}", "kind");
    names.iter().for_each(|name| print!("{name:>16}"));
    println!();
    let kinds: Vec<&str> = kinds::all().into_iter().map(|kind| kind.name).collect();
    for kind in kinds {
        print!("{kind:28}");
        for name in &names {
            let [right, said, wrong] =
                counts.get(&(kind, name.as_str())).copied().unwrap_or_default();
            print!("{:>16}", format!("{right} / {said} / {wrong}"));
        }
        println!();
    }
    let mut result = Map::new();
    for (label, shares, bar) in [("ragged", &ragged, bars::RAGGED), ("all", &all, bars::ALL)] {
        for (name, (wrong, count)) in shares {
            let share = wrong / count;
            let bar = (*name == "lakebed").then_some(bar);
            report::figure(&format!("wrong and unsaid, {label}, {name}"), share, "", bar);
            result.insert(format!("{label}_{name}"), json!(share));
        }
    }
    result
}
