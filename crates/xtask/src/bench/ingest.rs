//! A CSV file of 766 MB becomes a committed version: beside DuckDB, under a contract of ten rules, again,
//! and one percent longer.

use std::{
    cell::RefCell,
    ffi::{OsStr, OsString},
    path::Path,
};

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
    /// Wall or CPU time.
    pub(super) const TIME: f64 = 1.1;
    pub(super) const PEAK_MIB: f64 = 560.0;
    pub(super) const RULES: f64 = 1.15;
    pub(super) const TABLE_BYTES: f64 = 1.05;
    pub(super) const AGAIN_KIB: f64 = 64.0;
    pub(super) const GROWN: f64 = 0.15;
}

/// Runs all of it; prints as it goes.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    let peers = Peers::install(&bench.folder)?;
    let lineitem = peers.lineitem(&bench.folder)?;
    let grown = peers::grown(&lineitem, &bench.folder)?;

    let mut result = Map::new();
    result.insert("ingest".into(), beside_duckdb(bench, &peers, &lineitem)?);
    result.insert("ten_rules".into(), ten_rules(bench, &lineitem)?);
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
    ratio("wall, lakebed / duckdb", report::wall_s, Some(bars::TIME));
    ratio("cpu, lakebed / duckdb", report::cpu_s, Some(bars::TIME));
    ratio("table bytes, lakebed / duckdb", report::table_mib, Some(bars::TABLE_BYTES));
    let peak = lakebed.spread(report::peak_mib).max;
    report::figure("highest peak of lakebed", peak, "MiB", Some(bars::PEAK_MIB));
    Ok(json!(all))
}

/// Ten rules as people write them: what must be there, bounds, valid values, a length.
const CONTRACT: &str = "\
apiVersion: v3.1.0
kind: DataContract
id: tpch.lineitem
version: 1.0.0
status: active
schema:
  - name: lineitem
    properties:
      - { name: l_orderkey, required: true }
      - { name: l_linenumber, required: true }
      - { name: l_quantity, logicalType: integer, logicalTypeOptions: { minimum: 1, maximum: 50 } }
      - name: l_discount
        logicalType: number
        physicalType: 'decimal(18,2)'
        logicalTypeOptions: { minimum: 0, maximum: 0.1 }
      - name: l_returnflag
        quality: [{ metric: invalidValues, arguments: { validValues: [A, N, R] }, mustBe: 0 }]
      - name: l_shipmode
        quality:
          - metric: invalidValues
            arguments: { validValues: [AIR, FOB, MAIL, RAIL, REG AIR, SHIP, TRUCK] }
            mustBe: 0
      - { name: l_shipdate, logicalType: date, logicalTypeOptions: { minimum: '1992-01-01' } }
      - { name: l_comment, logicalType: string, logicalTypeOptions: { maxLength: 44 } }
";

/// The same with a primary key of two columns, whose values of all rows have to be kept in mind.
fn with_key() -> String {
    let key = |name: &str, place: u32| {
        let plain = format!("{{ name: {name}, required: true }}");
        let keyed = format!(
            "{{ name: {name}, required: true, primaryKey: true, primaryKeyPosition: {place} }}"
        );
        (plain, keyed)
    };
    let (first, second) = (key("l_orderkey", 1), key("l_linenumber", 2));
    CONTRACT.replace(&first.0, &first.1).replace(&second.0, &second.1)
}

fn ten_rules(bench: &Bench, lineitem: &Path) -> Result<Value> {
    report::heading("the same file under a contract of ten rules beside no contract");
    let declared = bench.fresh_folder("catalog")?;
    for (name, contract) in [("plain", CONTRACT.to_owned()), ("keyed", with_key())] {
        let folder = declared.path().join(name).join("datasets/tpch");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("lineitem.odcs.yaml"), contract)?;
    }
    let seed = declared.path().join("seed.csv");
    std::fs::write(&seed, "a\n1\n")?;
    let lakebed = |lake: &Path, words: &[&OsStr]| -> Vec<OsString> {
        let program = bench.lakebed.clone().into_os_string();
        let head = [program, "--lake".into(), lake.into()];
        head.into_iter().chain(words.iter().map(OsString::from)).collect()
    };
    let failed: RefCell<Option<anyhow::Error>> = RefCell::default();
    let prepared = |out: &Path, promised: Option<&str>| {
        let lake = out.join("lake");
        let made = lakebed(
            &lake,
            &["ingest".as_ref(), seed.as_os_str(), "--to".as_ref(), "bench.seed".as_ref()],
        );
        let applied = promised.map(|name| {
            let folder = declared.path().join(name);
            let words = ["apply".as_ref(), folder.as_os_str(), "--without-admin".as_ref()];
            lakebed(&lake, &words)
        });
        let commands = [Some(&made), applied.as_ref()];
        for command in commands.into_iter().flatten() {
            if let Err(error) = once(bench, command) {
                failed.borrow_mut().get_or_insert(error);
            }
        }
        ingest(bench, &lake, lineitem)
    };
    let bare = Contender { name: "no contract", command: Box::new(|out| prepared(out, None)) };
    let promised =
        Contender { name: "ten rules", command: Box::new(|out| prepared(out, Some("plain"))) };
    let keyed =
        Contender { name: "and a key", command: Box::new(|out| prepared(out, Some("keyed"))) };
    let all = interleave(bench, &[bare, promised, keyed])?;
    if let Some(error) = failed.take() {
        return Err(error.context("the lake was not prepared"));
    }
    let [bare, promised, keyed] = all.as_slice() else { unreachable!("as many series") };
    report::table(&all);
    let ratio =
        |what, figure| report::ratio(what, promised.ratio_to(bare, figure), Some(bars::RULES));
    ratio("wall, ten rules / none", report::wall_s);
    ratio("cpu, ten rules / none", report::cpu_s);
    report::ratio("wall, with a key / none", keyed.ratio_to(bare, report::wall_s), None);
    let peak = keyed.spread(report::peak_mib).max;
    report::figure("highest peak with a key", peak, "MiB", Some(bars::PEAK_MIB));
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
