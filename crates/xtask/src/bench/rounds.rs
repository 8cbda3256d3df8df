//! Interleaved rounds: A B, A B, A B …

use std::{ffi::OsString, path::Path};

use anyhow::{Result, bail};
use serde::Serialize;

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
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// What it left in its fresh folder.
    #[serde(flatten)]
    pub(crate) left: TreeSize,
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
    let wanted = bench.options.rounds;
    let series = |contender: &Contender<'_>| Series { name: contender.name, samples: Vec::new() };
    let mut all: Vec<Series> = contenders.iter().map(series).collect();
    run_round(bench, contenders)?;
    for tried in 0.. {
        let clean = all.first().map_or(wanted, |first| first.samples.len());
        if clean == wanted {
            break;
        }
        if tried == wanted * PATIENCE {
            bail!(
                "only {clean} of {tried} rounds were clean: others kept more than {} cores busy; \
                 try later, or allow more with `--others`",
                bench.options.others
            );
        }
        let round = run_round(bench, contenders)?;
        let others = round.iter().map(|sample| sample.cost.others_cores).fold(0.0, f64::max);
        if others > bench.options.others {
            eprintln!("round rejected: others kept {others:.2} cores busy");
            continue;
        }
        eprintln!("round {} of {wanted}", clean + 1);
        for (series, sample) in all.iter_mut().zip(round) {
            series.samples.push(sample);
        }
    }
    Ok(all)
}

fn run_round(bench: &Bench, contenders: &[Contender<'_>]) -> Result<Vec<Sample>> {
    contenders.iter().map(|contender| run_once(bench, contender)).collect()
}

fn run_once(bench: &Bench, contender: &Contender<'_>) -> Result<Sample> {
    let folder = bench.fresh_folder("run")?;
    let command = (contender.command)(folder.path());
    let cost = measure(&command, &bench.folder.join("last.log"))?;
    Ok(Sample { cost, left: TreeSize::of(folder.path())? })
}
