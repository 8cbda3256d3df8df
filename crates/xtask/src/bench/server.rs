//! A server: how fast it answers those who prove who they are, and how fast it commits.
//!
//! Resolving is asked over HTTP with a token, by one client and by eight, which share the machine
//! with the server. Committing is the whole of what a client does for a version (upload, ingest) on
//! PostgreSQL and a folder, beside DuckLake on the same cluster, which syncs as usual; by turns.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::{
    Bench,
    http::Connection,
    peers, report,
    served::{self, Server, output, request},
    stats::{Spread, ratios},
};
use crate::{services::postgres::Cluster, setup};

/// How long a load of requests lasts.
const LOAD: Duration = Duration::from_secs(4);
const CLIENTS: usize = 8;
const P50_BAR_MS: f64 = 2.0;
const RATE_BAR: f64 = 2000.0;
/// Commits of each contender in a round.
const COMMITS: usize = 50;

const GRANTS: &str = "grants:\n  - { to: bench, on: lake, may: [read, ingest] }\n  \
    - { to: root, on: lake, may: [admin] }\n";

/// Measures both.
pub(crate) fn run(bench: &Bench) -> Result<Map<String, Value>> {
    setup::postgres()?;
    let cluster = Cluster::start_durable().context("cannot start PostgreSQL")?;
    let mut all = Map::new();
    for (name, catalog) in [("SQLite", None), ("PostgreSQL", Some(cluster.url()))] {
        let folder = bench.fresh_folder("server")?;
        let lake = Lake::make(bench, folder.path(), catalog)?;
        all.insert(name.to_lowercase(), resolve(bench, &lake, name)?);
        if name == "PostgreSQL" {
            all.insert("commit".to_owned(), commit(bench, &lake, &cluster)?);
        }
    }
    Ok(all)
}

/// Requests per second and milliseconds, with one client and with eight.
fn resolve(bench: &Bench, lake: &Lake, name: &str) -> Result<Value> {
    report::heading(&format!("resolve over HTTP with a token: {name} and a folder"));
    let request = lake.request("/v1/resolve", "application/json", br#"{"refs":["bench.small"]}"#);
    let (mut medians, mut rates, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.options.rounds {
        medians.push(load(lake, &request, 1)?.p50_ms);
        let eight = load(lake, &request, CLIENTS)?;
        rates.push(eight.per_second);
        busy.push(eight.p50_ms);
    }
    let rate = Spread::of(rates.clone());
    report::figure("1 client, p50", Spread::of(medians.clone()).median, "ms", Some(P50_BAR_MS));
    report::figure(&format!("{CLIENTS} clients, p50"), Spread::of(busy.clone()).median, "ms", None);
    let spread = format!("[{:.0}-{:.0}]", rate.min, rate.max);
    let what = format!("{CLIENTS} clients, answers a second");
    println!("  {what:<44} {:>8.0} {spread:>17}   at least {RATE_BAR}", rate.median);
    Ok(json!({ "one_p50_ms": medians, "eight_p50_ms": busy, "eight_per_second": rates }))
}

/// Versions of ten rows, ours and theirs by turns.
fn commit(bench: &Bench, lake: &Lake, cluster: &Cluster) -> Result<Value> {
    report::heading("a version of ten rows: PostgreSQL and a folder, everything synced");
    let folder = bench.fresh_folder("ducklake")?;
    let create = ["-q", "-c", "CREATE DATABASE ducklake"];
    output(Command::new("psql").arg(cluster.url()).args(create))?;
    let mut ducklake = DuckLake::start(bench, cluster, folder.path())?;
    let mut connection = lake.server.connect()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..bench.options.rounds {
        let mine = (0..COMMITS).map(|row| lake.commit(&mut connection, round * COMMITS + row));
        let mine: Vec<f64> = mine.collect::<Result<_>>()?;
        let their: Vec<f64> = (0..COMMITS).map(|_| ducklake.commit()).collect::<Result<_>>()?;
        ours.push(Spread::of(mine).median);
        theirs.push(Spread::of(their).median);
    }
    report::figure("lakebed, upload and ingest, p50", Spread::of(ours.clone()).median, "ms", None);
    report::figure("ducklake, replace, p50", Spread::of(theirs.clone()).median, "ms", None);
    report::ratio("lakebed / ducklake", ratios(&ours, &theirs), None);
    Ok(json!({ "lakebed_p50_ms": ours, "ducklake_p50_ms": theirs }))
}

struct Loaded {
    p50_ms: f64,
    per_second: f64,
}

/// The same request over and over by so many clients, each on a connection of its own.
fn load(lake: &Lake, request: &[u8], clients: usize) -> Result<Loaded> {
    let until = Instant::now() + LOAD;
    let times: Result<Vec<Vec<f64>>> = thread::scope(|scope| {
        let asks = || {
            let mut connection = lake.server.connect()?;
            let mut times = Vec::new();
            while Instant::now() < until {
                let start = Instant::now();
                connection.ask(request)?;
                times.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(times)
        };
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(asks)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        joined.collect()
    });
    let times = times?.concat();
    let per_second = times.len() as f64 / LOAD.as_secs_f64();
    Ok(Loaded { p50_ms: Spread::of(times).median, per_second })
}

/// A lake with one small dataset, served on loopback to those with a token.
struct Lake {
    server: Server,
    token: String,
}

impl Lake {
    fn make(bench: &Bench, folder: &Path, catalog: Option<String>) -> Result<Self> {
        let lake = served::Lake::new(bench, folder, catalog);
        fs::write(folder.join("small.csv"), "row,version\n1,1\n")?;
        lake.run(&["ingest", "small.csv", "--to", "bench.small"])?;
        lake.declare(&[("grants.yaml", GRANTS)])?;
        Ok(Self { token: lake.token("bench")?, server: lake.serve()? })
    }

    fn request(&self, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
        request(&self.server, &self.token, path, &[("content-type", content_type)], body)
    }

    /// The milliseconds of a new version.
    fn commit(&self, connection: &mut Connection, number: usize) -> Result<f64> {
        let rows: String = (0..10).map(|row| format!("{},row {row}\n", number + row)).collect();
        let csv = format!("a,b\n{rows}");
        let start = Instant::now();
        let path = "/v1/uploads?name=x.csv";
        let upload = self.request(path, "application/octet-stream", csv.as_bytes());
        let uploaded: Value = serde_json::from_slice(&connection.ask(&upload)?)?;
        let source = json!({ "name": "x.csv", "upload": uploaded["upload"] });
        let ingest = json!({ "dataset": "bench.committed", "sources": [source] }).to_string();
        let ingest = self.request("/v1/ingests", "application/json", ingest.as_bytes());
        connection.ask(&ingest)?;
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }
}

/// The peer, waiting for its turns.
struct DuckLake {
    process: Child,
    turns: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl DuckLake {
    fn start(bench: &Bench, cluster: &Cluster, folder: &Path) -> Result<Self> {
        let catalog = cluster.keywords("ducklake");
        let mut command = peers::ducklake_commits(&bench.folder, &catalog, folder)?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let turns = process.stdin.take().context("no input")?;
        let answers = BufReader::new(process.stdout.take().context("no output")?);
        let mut started = Self { process, turns, answers };
        match started.line()?.as_str() {
            "ready" => Ok(started),
            other => bail!("DuckLake does not start: {other}"),
        }
    }

    fn commit(&mut self) -> Result<f64> {
        writeln!(self.turns)?;
        Ok(self.line()?.parse()?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "DuckLake ended");
        Ok(line.trim().to_owned())
    }
}

impl Drop for DuckLake {
    fn drop(&mut self) {
        // It is gone in the end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
