//! Over HTTP beside ROAPI, which serves the same Parquet files by an earlier DataFusion and asks nobody
//! who they are.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{READER, World};
use crate::{
    bench::{
        Bench,
        http::{Connection, Drained, post},
        measure::{Watch, forget_peak, peak_bytes},
        peers, report,
        rounds::clean_rounds,
        served::{Server, request},
        stats::{Spread, ratios},
    },
    services::ports,
};

/// What the figures are meant to stay under.
mod bars {
    pub(super) const TINY: f64 = 2.0;
    pub(super) const EXPORT: f64 = 0.5;
    pub(super) const PEAK_MIB: f64 = 600.0;
    pub(super) const FIRST_BYTE_MS: f64 = 100.0;
}

/// Requests of each in a round.
const REQUESTS: usize = 500;
/// Requests before the first round.
const WARM_UP: usize = 100;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
const ARROW: &str = "application/vnd.apache.arrow.stream";

/// Both servers.
pub(super) struct Doors {
    ours: Server,
    token: String,
    theirs: Server,
}

/// Times of one round.
struct Round {
    ours: Side,
    theirs: Side,
}

/// What one side did in a round.
#[derive(Default)]
struct Side {
    /// p50 of small answers, or the one large answer.
    ms: f64,
    /// Of one answer.
    cpu_ms: f64,
    first_byte_ms: f64,
    peak_mib: f64,
    bytes: u64,
}

impl Doors {
    pub(super) fn open(world: &World<'_>) -> Result<Self> {
        let files = world.root.with_file_name("files");
        let into = files.to_string_lossy();
        world.lake.run(&["fetch", "tpch.nation", "tpch.lineitem", "--into", &into])?;
        let token = world.lake.token(READER)?;
        Ok(Self { ours: world.lake.serve()?, token, theirs: roapi(world.bench, &files)? })
    }

    /// A row of a small table: with a token, under a row filter and a mask, beside none of these.
    pub(super) fn tiny(&self, bench: &Bench) -> Result<Value> {
        report::heading(
            "a tiny query over HTTP: with token, policy and resolve, beside ROAPI with none",
        );
        let sql = |table| format!("select n_name, n_comment from {table} where n_nationkey = 7");
        let ours = self.ask_us(&sql("bench.nation"), "application/json");
        let theirs = self.ask_them(&sql("nation"), "application/json");
        let (mut us, mut them) = (self.ours.connect()?, self.theirs.connect()?);
        let mut by_turns = |count| -> Result<(Vec<f64>, Vec<f64>)> {
            let pair = |_| Ok((ask_ms(&mut us, &ours)?, ask_ms(&mut them, &theirs)?));
            Ok((0..count).map(pair).collect::<Result<Vec<_>>>()?.into_iter().unzip())
        };
        by_turns(WARM_UP)?;
        let rounds = self.rounds(bench, || {
            let (ours, theirs) = by_turns(REQUESTS)?;
            let side = |times| Side { ms: Spread::of(times).median, ..Side::default() };
            Ok((Round { ours: side(ours), theirs: side(theirs) }, REQUESTS))
        })?;
        let of = |side: fn(&Round) -> f64| rounds.iter().map(side).collect::<Vec<_>>();
        let (ours, theirs) = (of(|round| round.ours.ms), of(|round| round.theirs.ms));
        let (our_cpu, their_cpu) = (of(|round| round.ours.cpu_ms), of(|round| round.theirs.cpu_ms));
        let line = |what, figures: &[f64]| {
            report::figure(what, Spread::of(figures.to_vec()).median, "ms", None);
        };
        line("lakebed, p50", &ours);
        line("roapi, p50", &theirs);
        report::ratio("p50, lakebed / roapi", ratios(&ours, &theirs), Some(bars::TINY));
        line("lakebed, cpu of an answer", &our_cpu);
        line("roapi, cpu of an answer", &their_cpu);
        report::ratio("cpu, lakebed / roapi", ratios(&our_cpu, &their_cpu), None);
        Ok(json!({ "lakebed_p50_ms": ours, "roapi_p50_ms": theirs,
            "lakebed_cpu_ms": our_cpu, "roapi_cpu_ms": their_cpu }))
    }

    /// All of the largest table as Arrow.
    pub(super) fn export(&self, bench: &Bench) -> Result<Value> {
        report::heading("lineitem, 6 M rows, as Arrow over HTTP beside ROAPI");
        let ours = self.ask_us("select * from tpch.lineitem", ARROW);
        let theirs = self.ask_them("select * from lineitem", ARROW);
        let export = |server: &Server, request: &[u8]| -> Result<Side> {
            forget_peak(server.pid())?;
            let Drained { first_byte, elapsed, bytes } = server.connect()?.drain(request)?;
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            let peak_mib = peak_bytes(server.pid())? as f64 / 1_048_576.0;
            Ok(Side {
                ms: ms(elapsed),
                first_byte_ms: ms(first_byte),
                peak_mib,
                bytes,
                cpu_ms: 0.0,
            })
        };
        let once = || -> Result<Round> {
            Ok(Round { ours: export(&self.ours, &ours)?, theirs: export(&self.theirs, &theirs)? })
        };
        once()?;
        let rounds = self.rounds(bench, || Ok((once()?, 1)))?;
        let of = |side: fn(&Round) -> f64| rounds.iter().map(side).collect::<Vec<_>>();
        let median = |figures: &[f64]| Spread::of(figures.to_vec()).median;
        let most = |figures: &[f64]| Spread::of(figures.to_vec()).max;
        let (ours, theirs) = (of(|round| round.ours.ms), of(|round| round.theirs.ms));
        let (our_cpu, their_cpu) = (of(|round| round.ours.cpu_ms), of(|round| round.theirs.cpu_ms));
        let (our_peak, their_peak) =
            (of(|round| round.ours.peak_mib), of(|round| round.theirs.peak_mib));
        let (first, their_first) =
            (of(|round| round.ours.first_byte_ms), of(|round| round.theirs.first_byte_ms));
        report::figure("lakebed", median(&ours) / 1000.0, "s", None);
        report::figure("roapi", median(&theirs) / 1000.0, "s", None);
        report::ratio("wall, lakebed / roapi", ratios(&ours, &theirs), Some(bars::EXPORT));
        report::ratio("cpu of the server, lakebed / roapi", ratios(&our_cpu, &their_cpu), None);
        report::figure("highest peak of lakebed", most(&our_peak), "MiB", Some(bars::PEAK_MIB));
        report::figure("highest peak of roapi", most(&their_peak), "MiB", None);
        report::figure(
            "first byte of lakebed, median",
            median(&first),
            "ms",
            Some(bars::FIRST_BYTE_MS),
        );
        report::figure("first byte of roapi, median", median(&their_first), "ms", None);
        let sent = |side: fn(&Round) -> &Side| rounds.first().map(|round| side(round).bytes);
        Ok(json!({ "lakebed_ms": ours, "roapi_ms": theirs, "lakebed_cpu_ms": our_cpu,
            "roapi_cpu_ms": their_cpu, "lakebed_peak_mib": our_peak, "roapi_peak_mib": their_peak,
            "lakebed_first_byte_ms": first, "roapi_first_byte_ms": their_first,
            "lakebed_bytes": sent(|round| &round.ours), "roapi_bytes": sent(|round| &round.theirs) }))
    }

    /// Clean rounds, each with what the servers' processors did for one of so many answers.
    fn rounds(
        &self,
        bench: &Bench,
        mut round: impl FnMut() -> Result<(Round, usize)>,
    ) -> Result<Vec<Round>> {
        let pids = [self.ours.pid(), self.theirs.pid()];
        clean_rounds(bench, || {
            let watch = Watch::start(&pids)?;
            let (mut round, answers) = round()?;
            let watched = watch.end()?;
            for (side, cpu_s) in [&mut round.ours, &mut round.theirs].into_iter().zip(watched.cpu_s)
            {
                side.cpu_ms = cpu_s * 1000.0 / answers as f64;
            }
            Ok((round, watched.others_cores))
        })
    }

    fn ask_us(&self, sql: &str, accept: &str) -> Vec<u8> {
        let fields = [("content-type", "text/plain"), ("accept", accept)];
        request(&self.ours, &self.token, "/v1/sql", &fields, sql.as_bytes())
    }

    fn ask_them(&self, sql: &str, accept: &str) -> Vec<u8> {
        post(&self.theirs.address, "/api/sql", &[("accept", accept)], sql.as_bytes())
    }
}

fn ask_ms(connection: &mut Connection, request: &[u8]) -> Result<f64> {
    let start = Instant::now();
    connection.ask(request)?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

/// ROAPI on free ports, reading files as it is asked, as we do.
fn roapi(bench: &Bench, files: &Path) -> Result<Server> {
    let program = peers::roapi(&bench.folder)?;
    let [http, postgres, flight] = ports::free()?;
    let mut config = format!(
        "addr:\n  http: 127.0.0.1:{http}\n  postgres: 127.0.0.1:{postgres}\n  \
         flight_sql: 127.0.0.1:{flight}\ntables:\n"
    );
    for table in ["nation", "lineitem"] {
        let uri = files.join("tpch").join(table);
        config += &format!(
            "  - name: {table}\n    uri: {}\n    option:\n      format: parquet\n      \
             use_memory_table: false\n",
            uri.display()
        );
    }
    let file = files.join("roapi.yml");
    fs::write(&file, config)?;
    let log = File::create(bench.folder.join("roapi.log"))?;
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).env("RUST_LOG", "warn").stdin(Stdio::null());
    let process = command.stdout(log.try_clone()?).stderr(log).spawn().context("no ROAPI")?;
    let mut server = Server::new(process, format!("127.0.0.1:{http}"));
    let began = Instant::now();
    while began.elapsed() < PATIENCE && server.is_alive() {
        let request = post(&server.address, "/api/sql", &[], b"select 1");
        let asked = server.connect().and_then(|mut connection| connection.ask(&request));
        if asked.is_ok() {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(50));
    }
    bail!("ROAPI does not answer: see `roapi.log` in {}", bench.folder.display())
}
