//! `lakebed lock --check` of many references: the lake in the same process, and behind a server.
//!
//! Whole processes by turns, and beside them what of it is the server's one answer.

use std::{fs, path::Path, time::Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    Bench, report,
    served::{Lake, Server, output, request},
    stats::Spread,
};

const REFERENCES: usize = 1000;
const RUNS: usize = 31;
const MILLISECONDS_BAR: f64 = 100.0;

const GRANTS: &str = "grants:\n  - { to: bench, on: lake, may: [read] }\n  \
    - { to: root, on: lake, may: [admin] }\n";

/// Makes as many datasets, pins them, and checks.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    report::heading(&format!(
        "lakebed lock --check of {REFERENCES} references: SQLite and a folder"
    ));
    let folder = bench.fresh_folder("lock")?;
    let lake = Lake::new(bench, folder.path(), None);
    let references = fill(&lake, folder.path())?;
    let pinned: Vec<&str> = references.iter().map(String::as_str).collect();
    lake.run(&[&["lock"][..], &pinned].concat())?;
    lake.declare(&[("grants.yaml", GRANTS)])?;
    let token = lake.token("bench")?;
    let server = lake.serve()?;
    let body = json!({ "refs": references }).to_string();
    let fields = [("content-type", "application/json")];
    let asked = request(&server, &token, "/v1/resolve", &fields, body.as_bytes());
    let mut connection = server.connect()?;
    let (mut local, mut served, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        local.push(ms(|| lake.run(&["lock", "--check"]).map(drop))?);
        served.push(ms(|| check(&lake, &server, &token))?);
        answers.push(ms(|| connection.ask(&asked).map(drop))?);
    }
    let median = |times: &[f64]| Spread::of(times.to_vec()).median;
    report::figure(
        "whole process, local lake, median",
        median(&local),
        "ms",
        Some(MILLISECONDS_BAR),
    );
    report::figure("whole process, server, median", median(&served), "ms", Some(MILLISECONDS_BAR));
    report::figure("of it the one answer, median", median(&answers), "ms", None);
    let result = json!({ "local_ms": local, "server_ms": served, "answer_ms": answers });
    Ok(Map::from_iter([("lock".to_owned(), result)]))
}

/// Datasets of one version each; their names.
fn fill(lake: &Lake<'_>, folder: &Path) -> Result<Vec<String>> {
    let mut references = Vec::with_capacity(REFERENCES);
    for number in 0..REFERENCES {
        fs::write(folder.join("small.csv"), format!("a,b\n1,{number}\n"))?;
        let reference = format!("bench.d{number}");
        lake.run(&["ingest", "small.csv", "--to", &reference])?;
        references.push(reference);
        if number % 100 == 99 {
            eprintln!("{} datasets", number + 1);
        }
    }
    Ok(references)
}

fn check(lake: &Lake<'_>, server: &Server, token: &str) -> Result<()> {
    let mut command = lake.command();
    let url = format!("http://{}", server.address);
    command.env("LAKEBED_LAKE", url).env("LAKEBED_TOKEN", token).args(["lock", "--check"]);
    output(&mut command).map(drop)
}

fn ms(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
