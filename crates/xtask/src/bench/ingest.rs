//! A CSV file of 766 MB becomes a committed version: beside DuckDB, again, and one percent longer.

use std::{ffi::OsString, path::Path};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    Bench, hash,
    measure::{Cost, measure},
    peers::{self, Peers},
    report,
    rounds::{Contender, interleave},
    trees::TreeSize,
};

/// What the ratios are meant to stay under.
mod bars {
    pub(super) const WALL: f64 = 1.3;
    pub(super) const PEAK_MIB: f64 = 800.0;
    pub(super) const TABLE_BYTES: f64 = 1.05;
    pub(super) const AGAIN_KIB: f64 = 64.0;
    pub(super) const GROWN: f64 = 0.15;
}

/// Runs all three; prints as it goes.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    let peers = Peers::install(&bench.folder)?;
    let lineitem = peers.lineitem(&bench.folder)?;
    let grown = peers::grown(&lineitem, &bench.folder)?;

    let mut result = Map::new();
    result.insert("ingest".into(), beside_duckdb(bench, &peers, &lineitem)?);
    let lake = bench.fresh_folder("lake")?;
    once(bench, &ingest(bench, lake.path(), &lineitem))?;
    result.insert("same_again".into(), same_again(bench, lake.path(), &lineitem)?);
    result.insert("grown".into(), longer(bench, lake.path(), &grown)?);
    Ok(result)
}

fn ingest(bench: &Bench, lake: &Path, file: &Path) -> Vec<OsString> {
    let lakebed = bench.lakebed.clone().into_os_string();
    let words = [lakebed, "--lake".into(), lake.into(), "ingest".into(), file.into()];
    words.into_iter().chain(["--to".into(), "tpch.lineitem".into()]).collect()
}

fn once(bench: &Bench, command: &[OsString]) -> Result<Cost> {
    measure(command, &bench.folder.join("last.log"))
}

fn beside_duckdb(bench: &Bench, peers: &Peers, lineitem: &Path) -> Result<Value> {
    report::heading("lineitem.csv (766 MB): DuckDB's COPY to Parquet beside lakebed ingest");
    let duckdb = Contender {
        name: "duckdb copy",
        command: Box::new(|out| peers.duckdb_copy(lineitem, &out.join("lineitem.parquet"))),
    };
    let lakebed = Contender {
        name: "lakebed ingest",
        command: Box::new(|out| ingest(bench, &out.join("lake"), lineitem)),
    };
    let all = interleave(bench, &[duckdb, lakebed])?;
    let [duckdb, lakebed] = all.as_slice() else { unreachable!("two contenders, two series") };
    report::table(&all);
    let ratio = |what, figure, bar| report::ratio(what, lakebed.ratio_to(duckdb, figure), bar);
    ratio("wall, lakebed / duckdb", report::wall_s, Some(bars::WALL));
    ratio("cpu, lakebed / duckdb", report::cpu_s, None);
    ratio("table bytes, lakebed / duckdb", report::table_mib, Some(bars::TABLE_BYTES));
    let peak = lakebed.spread(report::peak_mib).max;
    report::figure("highest peak of lakebed", peak, "MiB", Some(bars::PEAK_MIB));
    Ok(json!(all))
}

fn same_again(bench: &Bench, lake: &Path, lineitem: &Path) -> Result<Value> {
    report::heading("the same file again: hashing it, and nothing else");
    let before = TreeSize::of(lake)?;
    once(bench, &ingest(bench, lake, lineitem))?;
    let new = TreeSize::of(lake)?.since(before);

    let this_program = std::env::current_exe()?;
    let hashing = Contender {
        name: "hash the file",
        command: Box::new(|_| {
            vec![this_program.clone().into(), hash::COMMAND.into(), lineitem.into()]
        }),
    };
    let again =
        Contender { name: "lakebed ingest", command: Box::new(|_| ingest(bench, lake, lineitem)) };
    let all = interleave(bench, &[hashing, again])?;
    let [hashing, again] = all.as_slice() else { unreachable!("two contenders, two series") };
    report::table(&all);
    report::ratio("wall, lakebed / hashing", again.ratio_to(hashing, report::wall_s), None);
    let kib = new.all_bytes as f64 / 1024.0;
    report::figure("new bytes", kib, "KiB", Some(bars::AGAIN_KIB));
    Ok(json!({ "series": all, "new": new }))
}

fn longer(bench: &Bench, lake: &Path, grown: &Path) -> Result<Value> {
    report::heading("the whole file again with 1 % more rows, replacing");
    let before = TreeSize::of(lake)?;
    let cost = once(bench, &ingest(bench, lake, grown))?;
    let new = TreeSize::of(lake)?.since(before);

    let fresh = bench.fresh_folder("full")?;
    once(bench, &ingest(bench, &fresh.path().join("lake"), grown))?;
    let full = TreeSize::of(fresh.path())?;
    report::figure("wall", cost.wall_s, "s", None);
    report::figure("new table bytes", new.table_bytes as f64 / 1_048_576.0, "MiB", None);
    let part = new.table_bytes as f64 / full.table_bytes as f64;
    report::figure("new table bytes / a full copy", part, "", Some(bars::GROWN));
    Ok(json!({ "cost": cost, "new": new, "full_copy": full }))
}
