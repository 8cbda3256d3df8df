//! Governed SQL beside what it is made of and beside its peers: TPC-H at scale 1 in our engine beside
//! DataFusion alone, over HTTP beside ROAPI, and its answers beside DuckDB's.
//!
//! All of it reads one lake that `lakebed ingest` made, and all but DuckDB the very same Parquet files.

mod answers;
mod doors;
mod engine;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use super::{
    Bench,
    peers::{Peers, TPCH_TABLES},
    served::Lake,
};
use crate::workspace::Workspace;

/// What can be measured alone.
pub(super) const PARTS: [&str; 6] = ["tpch", "verified", "restricted", "tiny", "export", "answers"];

/// Who asks over HTTP: may read everything, but is under a policy on one small dataset.
const READER: &str = "bench";
const GRANTS: &str = "grants:\n  - { to: bench, on: lake, may: [read] }\n  \
    - { to: root, on: lake, may: [admin] }\n";
const POLICIES: &str = "\
policies:
  - { name: own-regions, on: { dataset: bench.nation }, row_filter: 'n_regionkey in (0, 1, 3)' }
  - { name: no-comments, on: { dataset: bench.nation }, columns: [n_comment], mask: redact }
";

/// TPC-H as everybody here needs it.
struct World<'a> {
    bench: &'a Bench,
    peers: Peers,
    lake: Lake<'a>,
    /// The lake's folder.
    root: PathBuf,
    /// TPC-H's tables as CSV.
    tables: PathBuf,
    /// The text of all queries.
    queries: PathBuf,
}

/// Runs all of it, or the parts that were asked for; prints as it goes.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    let folder = bench.fresh_folder("tpch")?;
    let world = World::make(bench, folder.path())?;
    let mut result = Map::new();
    let is_wanted = |part: &str| bench.options.parts.iter().any(|wanted| wanted == part);
    if is_wanted("tpch") || is_wanted("verified") {
        engine::unrestricted(&world, is_wanted("tpch"), is_wanted("verified"), &mut result)?;
    }
    if is_wanted("restricted") {
        result.insert("restricted".into(), engine::restricted(&world)?);
    }
    if is_wanted("answers") {
        result.insert("answers".into(), answers::beside_duckdb(&world)?);
    }
    if is_wanted("tiny") || is_wanted("export") {
        let doors = doors::Doors::open(&world)?;
        if is_wanted("tiny") {
            result.insert("tiny".into(), doors.tiny(bench)?);
        }
        if is_wanted("export") {
            result.insert("export".into(), doors.export(bench)?);
        }
    }
    Ok(result)
}

/// The parts that a list names.
pub(super) fn parts(list: &str) -> Result<Vec<String>> {
    let parts: Vec<String> = list.split(',').map(str::to_owned).collect();
    match parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        None => Ok(parts),
        Some(unknown) => bail!("`{unknown}` is no part: say {}", PARTS.join(", ")),
    }
}

impl<'a> World<'a> {
    fn make(bench: &'a Bench, folder: &'a Path) -> Result<Self> {
        let peers = Peers::install(&bench.folder)?;
        let tables = peers.tpch(&bench.folder)?;
        let lake = Lake::new(bench, folder, None);
        eprintln!("ingesting TPC-H");
        let datasets = TPCH_TABLES.map(|table| (table, format!("tpch.{table}")));
        for (table, dataset) in datasets.into_iter().chain([("nation", "bench.nation".to_owned())])
        {
            let file = tables.join(format!("{table}.csv"));
            lake.run(&["ingest", &file.to_string_lossy(), "--to", &dataset])
                .with_context(|| format!("no {dataset}"))?;
        }
        lake.declare(&[("grants.yaml", GRANTS), ("policies/nation.yaml", POLICIES)])?;
        let queries = Workspace::find()?.root.join("crates/lakebed-query/benches/tpch/queries.sql");
        Ok(Self { bench, peers, lake, root: folder.join("lake"), tables, queries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known() {
        assert_eq!(parts("tiny,export").expect("parts"), ["tiny", "export"]);
        assert!(parts("tiny,").is_err());
    }
}
