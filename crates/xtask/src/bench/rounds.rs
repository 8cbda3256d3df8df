//! Interleaved rounds: A B, A B, A B …

use std::{ffi::OsString, path::Path};

use anyhow::{Result, bail};
use serde::Serialize;
use serde_json::Value;

use super::{
    Bench,
    measure::{Cost, measure},
    stats::{Spread, ratios},
    trees::TreeSize,
};

/// Rounds tried for each one that is asked for, before giving up on a busy machine.
const PATIENCE: usize = 4;

/// Gives the program and its arguments, for a fresh folder.
type MakeCommand<'a> = Box<dyn Fn(&Path) -> Vec<OsString> + 'a>;

/// A command that takes part.
pub(crate) struct Contender<'a> {
    /// For the report.
    pub(crate) name: &'static str,
    /// What to run.
    pub(crate) command: MakeCommand<'a>,
}

/// One run of one contender.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// What it left in its fresh folder.
    #[serde(flatten)]
    pub(crate) left: TreeSize,
    /// The last line it printed, where that is an object of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<Value>,
}

/// All clean rounds of one contender.
#[derive(Debug, Serialize)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    /// The spread of one figure.
    pub(crate) fn spread(&self, figure: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples.iter().map(figure))
    }

    /// Round by round, this one's figure over another's.
    pub(crate) fn ratio_to(&self, other: &Self, figure: fn(&Sample) -> f64) -> Spread {
        let figures = |series: &Self| series.samples.iter().map(figure).collect::<Vec<_>>();
        ratios(&figures(self), &figures(other))
    }
}

/// Runs every contender once to warm up, then in clean rounds; series in the order given.
///
/// # Errors
/// When a command fails, and when the machine stays too busy for enough clean rounds.
pub(crate) fn interleave(bench: &Bench, contenders: &[Contender<'_>]) -> Result<Vec<Series>> {
    let series = |contender: &Contender<'_>| Series { name: contender.name, samples: Vec::new() };
    let mut all: Vec<Series> = contenders.iter().map(series).collect();
    run_round(bench, contenders)?;
    let rounds = clean_rounds(bench, || {
        let round = run_round(bench, contenders)?;
        let others = round.iter().map(|sample| sample.cost.others_cores).fold(0.0, f64::max);
        Ok((round, others))
    })?;
    for round in rounds {
        for (series, sample) in all.iter_mut().zip(round) {
            series.samples.push(sample);
        }
    }
    Ok(all)
}

/// What as many rounds as are asked for gave, without those during which others kept the machine
/// busy: `round` says what it gave, and how many cores others took.
///
/// # Errors
/// When a round fails, and when the machine stays too busy.
pub(crate) fn clean_rounds<T>(
    bench: &Bench,
    mut round: impl FnMut() -> Result<(T, f64)>,
) -> Result<Vec<T>> {
    let (wanted, allowed) = (bench.options.rounds, bench.options.others);
    let mut clean = Vec::new();
    for _ in 0..wanted * PATIENCE {
        let (given, others) = round()?;
        if others > allowed {
            eprintln!("round rejected: others kept {others:.2} cores busy");
            continue;
        }
        clean.push(given);
        eprintln!("round {} of {wanted}", clean.len());
        if clean.len() == wanted {
            return Ok(clean);
        }
    }
    bail!(
        "only {} of {} rounds were clean: others kept more than {allowed} cores busy; try later, or \
         allow more with `--others`",
        clean.len(),
        wanted * PATIENCE
    )
}

fn run_round(bench: &Bench, contenders: &[Contender<'_>]) -> Result<Vec<Sample>> {
    contenders.iter().map(|contender| run_once(bench, contender)).collect()
}

fn run_once(bench: &Bench, contender: &Contender<'_>) -> Result<Sample> {
    let folder = bench.fresh_folder("run")?;
    let command = (contender.command)(folder.path());
    let log = bench.folder.join("last.log");
    let cost = measure(&command, &log)?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let told = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let told = told.filter(Value::is_object);
    Ok(Sample { cost, left: TreeSize::of(folder.path())?, told })
}
