//! The 22 queries, once each, in fresh processes: our engine beside DataFusion alone.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use super::World;
use crate::bench::{
    build, report,
    rounds::{Contender, Sample, Series, interleave},
    stats::{Spread, ratios},
};

/// What the ratios are meant to stay under.
mod bars {
    pub(super) const TPCH: f64 = 1.05;
    pub(super) const RESTRICTED: f64 = 1.15;
    pub(super) const VERIFIED: f64 = 1.05;
}

/// As many queries are named that cost most beside their yardstick.
const NAMED: usize = 5;

/// What reads the lake in a process of its own, as many ways as it is asked to.
struct Program {
    file: PathBuf,
    lake: PathBuf,
}

impl Program {
    fn build(world: &World<'_>) -> Result<Self> {
        Ok(Self { file: build::benchmark("lakebed-query", "tpch")?, lake: world.root.clone() })
    }

    fn contender(&self, name: &'static str, reader: &'static str) -> Contender<'_> {
        let words = move || -> Vec<OsString> {
            vec![self.file.clone().into(), reader.into(), self.lake.clone().into()]
        };
        Contender { name, command: Box::new(move |_| words()) }
    }
}

/// Where no policy applies.
pub(super) fn unrestricted(
    world: &World<'_>,
    in_engine: bool,
    is_verified: bool,
    result: &mut Map<String, Value>,
) -> Result<()> {
    report::heading("TPC-H, 22 queries in a fresh process: our engine beside DataFusion alone");
    let program = Program::build(world)?;
    let mut contenders = vec![program.contender("datafusion", "plain")];
    if is_verified {
        contenders.push(program.contender("with verified reads", "verified"));
    }
    if in_engine {
        contenders.push(program.contender("lakebed's engine", "engine"));
    }
    let all = interleave(world.bench, &contenders)?;
    report::table(&all);
    if is_verified {
        compare(&all[1], &all[0], "verified / unverified", bars::VERIFIED)?;
    }
    if let (true, [plain, .., engine]) = (in_engine, all.as_slice()) {
        compare(engine, plain, "lakebed / datafusion", bars::TPCH)?;
    }
    result.insert("tpch".into(), json!(all));
    Ok(())
}

/// Where a row filter and two masks apply.
pub(super) fn restricted(world: &World<'_>) -> Result<Value> {
    report::heading("the same under a row filter and two masks: beside SQL that says so by hand");
    let program = Program::build(world)?;
    let by_hand = program.contender("datafusion, by hand", "by-hand");
    let governed = program.contender("lakebed's engine", "restricted");
    let all = interleave(world.bench, &[by_hand, governed])?;
    let [by_hand, governed] = all.as_slice() else { unreachable!("two contenders, two series") };
    report::table(&all);
    compare(governed, by_hand, "lakebed / by hand", bars::RESTRICTED)?;
    Ok(json!(all))
}

fn compare(ours: &Series, theirs: &Series, what: &str, bar: f64) -> Result<()> {
    report::ratio(&format!("wall, {what}"), ours.ratio_to(theirs, report::wall_s), Some(bar));
    report::ratio(&format!("cpu, {what}"), ours.ratio_to(theirs, report::cpu_s), Some(bar));
    let (ours, theirs) = (by_query(ours), by_query(theirs));
    let mut costs = Vec::new();
    for (name, ours) in &ours {
        let Some(theirs) = theirs.get(name) else { bail!("{name} was answered by one side") };
        if ours.answer != theirs.answer {
            bail!("{name} has two answers: {} and {}", ours.answer, theirs.answer);
        }
        let median = |times: &[f64]| Spread::of(times.to_vec()).median;
        let lost = median(&ours.cpu_ms) - median(&theirs.cpu_ms);
        costs.push((lost, name, ratios(&ours.cpu_ms, &theirs.cpu_ms)));
    }
    costs.sort_by(|one, other| other.0.total_cmp(&one.0));
    for (lost, name, ratio) in costs.into_iter().take(NAMED).filter(|(lost, ..)| *lost > 0.0) {
        report::ratio(&format!("  cpu, {name}, {lost:+.0} ms"), ratio, None);
    }
    Ok(())
}

/// One query in all rounds.
#[derive(Default)]
struct Query {
    cpu_ms: Vec<f64>,
    /// Rows and digest, the same in every round.
    answer: String,
}

fn by_query(series: &Series) -> BTreeMap<String, Query> {
    let mut queries: BTreeMap<String, Query> = BTreeMap::new();
    let told = |sample: &Sample| sample.told.as_ref().and_then(Value::as_object).cloned();
    for (name, told) in series.samples.iter().filter_map(told).flatten() {
        let query = queries.entry(name).or_default();
        query.cpu_ms.push(told["cpu_ms"].as_f64().unwrap_or(f64::NAN));
        query.answer = format!("{} rows, {}", told["rows"], told["digest"]);
    }
    queries
}
