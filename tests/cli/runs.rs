//! Runs, from outside: somebody's program between pinned versions and new ones; all of what it writes
//! becomes versions, or nothing does.

use std::{io::Read as _, path::Path, process::Command};

use insta::assert_snapshot;
use serde_json::Value;

use crate::{
    served::{Served, until},
    world::{LAKEBED, Ran, World, example},
};

/// Counts lines of its input, and writes a table and a model.
const TRAIN: &str = "\
set -e
echo \"depth $LAKEBED_PARAM_DEPTH\"
echo 'a warning' >&2
lines=$(wc -l < \"$LAKEBED_INPUTS/nyc/raw/airlines.csv\")
printf 'name,lines\\nairlines,%s\\n' $lines > \"$LAKEBED_OUTPUTS/scores.csv\"
printf 'weights %s' \"$lines\" > \"$LAKEBED_OUTPUTS/model.pkl\"
";

const OUTS: [&str; 4] = ["--out", "ml.scores=scores.csv", "--out", "ml.model=model.pkl"];

/// A lake with a file that is locked, and a program.
fn world() -> World {
    prepared(World::new())
}

fn prepared(world: World) -> World {
    let airlines = std::fs::read_to_string(example("airlines.csv")).unwrap();
    world.write("airlines.csv", airlines);
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.raw", "--as", "files"]);
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    world.ok(&["lock", "nyc.raw", "nyc.airlines"]);
    world.write("train.sh", TRAIN);
    world
}

/// `lakebed run … -- sh train.sh`
fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["run"];
    arguments.extend(OUTS);
    arguments.extend(["--param", "depth=3"]);
    arguments.extend(more);
    arguments.extend(["--", "sh", "train.sh"]);
    arguments
}

/// `lakebed run … -- sh -c script`
fn shell(world: &World, script: &str) -> Ran {
    let mut arguments = vec!["run"];
    arguments.extend(OUTS);
    arguments.extend(["--", "sh", "-c", script]);
    world.run(&arguments)
}

#[track_caller]
fn assert_nothing_came(world: &World) {
    for name in ["ml.scores", "ml.model"] {
        assert_eq!(world.run(&["history", name]).code, Some(3), "{name} is there");
    }
}

#[test]
fn a_program_makes_versions_of_what_it_writes() {
    let world = world();
    world.tell(0, &train(&[]));
    world.tell(0, &["sql", "SELECT * FROM ml.scores"]);
    world.tell(0, &["runs"]);
    let runs = world.json(&["runs"]);
    let run = runs["runs"][0]["run"].as_str().unwrap().to_owned();
    world.tell_of("lakebed runs show", &world.ok(&["runs", "show", &run]));
    // Which of two pipes is read first, nobody can say.
    let log = world.ok(&["runs", "show", &run, "--log"]).text();
    assert!(log.contains("depth 3\n") && log.contains("a warning\n"), "{log}");
    // The same program over the same versions writes the same: nothing new.
    world.tell(0, &train(&[]));
    world.ok(&["fetch", "ml.model", "--into", "fetched"]);
    assert_eq!(world.read("fetched/ml/model/model.pkl"), "weights 17");
    world.ok(&["verify"]);
    world.tell(3, &["runs", "show", "0123456789abcdef"]);
    assert_snapshot!(world.told());
}

/// What a run was is on record: the program, its code, what pins it, and no environment variables.
#[test]
fn a_run_says_what_ran() {
    let world = world();
    let git = |arguments: &[&str]| {
        let mut git = world.command_of("git");
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        let ran = world.finish(git, b"");
        assert_eq!(ran.code, Some(0), "{ran}");
        ran.text().trim().to_owned()
    };
    git(&["init", "-q"]);
    world.write(".gitignore", "lake/\nairlines.csv\nlakebed.lock\n");
    world.write("uv.lock", "numpy 2\n");
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let commit = git(&["rev-parse", "HEAD"]);
    let shown = |more: &[&str]| {
        let mut command = world.command(&train(more));
        command.env("API_SECRET", "hunter2").arg("--json");
        // `--json` stands behind `--`: it is the program's, and does not count.
        let ran = world.finish(command, b"");
        assert_eq!(ran.code, Some(0), "{ran}");
        let run = world.json(&["runs"])["runs"][0]["run"].as_str().unwrap().to_owned();
        world.json(&["runs", "show", &run])
    };
    let first = shown(&[]);
    assert_eq!(first["invocation"]["command"], serde_json::json!(["sh", "train.sh", "--json"]));
    assert_eq!(first["invocation"]["parameters"]["depth"], "3");
    assert_eq!(first["invocation"]["git"]["commit"], commit.as_str());
    assert_eq!(first["invocation"]["git"]["dirty"], false);
    assert!(first["invocation"]["environment"]["program"].is_string());
    let pins = first["invocation"]["environment"]["files"].as_object().unwrap();
    assert_eq!(pins.keys().collect::<Vec<_>>(), ["uv.lock"]);
    assert_eq!(first["exit_code"], 0);
    world.write("uv.lock", "numpy 3\n");
    let second = shown(&[]);
    assert_eq!(second["invocation"]["git"]["dirty"], true);
    assert_ne!(second["environment_digest"], first["environment_digest"]);
    assert_eq!(second["outputs"][0]["version"], 2, "another environment is another program");
    let log = world.run(&["log", "--json"]).text();
    assert!(!log.contains("hunter2") && !first.to_string().contains("hunter2"));
}

/// The inputs are where the index says, whatever they are called; the program may use the lake itself.
#[test]
fn a_program_finds_its_inputs() {
    let world = world();
    let script = format!(
        "cp \"$LAKEBED_INPUTS/inputs.json\" index.json && echo \"$LAKEBED_RUN\" > id && \
         {LAKEBED} sql --format csv 'SELECT count(*) AS n FROM nyc.airlines' \
         > \"$LAKEBED_OUTPUTS/scores.csv\" && touch \"$LAKEBED_OUTPUTS/model.pkl\" && \
         test -f inputs/nyc/airlines/part-00000.parquet"
    );
    let mut arguments = vec!["run", "--into", "inputs"];
    arguments.extend(OUTS);
    arguments.extend(["--json", "--", "sh", "-c", &script]);
    let ran = world.ok(&arguments);
    let answer: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(answer["run"]["run"], world.read("id").trim());
    let index: Value = serde_json::from_str(&world.read("index.json")).unwrap();
    assert_eq!(index["inputs"][0]["reference"], "nyc.airlines");
    let file = index["inputs"][1]["files"][0].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), world.read("airlines.csv"));
    let rows = world.ok(&["sql", "--format", "csv", "SELECT n FROM ml.scores"]).text();
    assert_eq!(rows.lines().last(), Some("16"));
}

#[test]
fn what_goes_wrong_leaves_nothing() {
    let world = world();
    let told = |what: &str, code: i32, ran: &Ran| {
        assert_eq!(ran.code, Some(code), "{what}\n{ran}");
        world.tell_of(what, ran);
        assert_nothing_came(&world);
    };
    let write = "echo a,b > $LAKEBED_OUTPUTS/scores.csv; echo 1,2 >> $LAKEBED_OUTPUTS/scores.csv;";
    told("the program fails", 42, &shell(&world, &format!("{write} echo no >&2; exit 42")));
    let json = world.run(&["run", "--json", "--out", "ml.x=x", "--", "sh", "-c", "exit 42"]);
    let problem: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!((json.code, &problem["exit_code"]), (Some(42), &42.into()), "{json}");
    told("it is killed", 137, &shell(&world, "kill -9 $$"));
    told("an output is missing", 4, &shell(&world, write));
    let broken = "printf 'a,\"b\\n1,2\\n' > $LAKEBED_OUTPUTS/scores.csv;";
    let model = "echo m > $LAKEBED_OUTPUTS/model.pkl";
    told("an output is no table", 4, &shell(&world, &format!("{broken} {model}")));
    let none = world.run(&["run", "--out", "ml.x=x.csv", "--", "./nothing"]);
    told("there is no program", 3, &none);
    world.write("results/scores.csv", "a,b\n1,2\n");
    told("an output is there before", 4, &world.run(&train(&["--outputs", "results"])));
    told("no lock", 3, &world.run(&train(&["--lock", "other.lock"])));
    told("an output is everything", 2, &world.run(&["run", "--out", "ml.x=./", "--", "true"]));
    let twice = ["run", "--out", "ml.x=a", "--out-files", "ml.x=b", "--", "true"];
    told("an output twice", 2, &world.run(&twice));
    world.tell_of("lakebed runs", &world.ok(&["runs"]));
    assert_snapshot!(world.told());
}

/// P3: a program is not run on bytes that are not those of the lock.
#[test]
fn p3_damaged_inputs_are_not_used() {
    let world = prepared(World::in_folder());
    let resolved = world.json(&["resolve", "nyc.raw", "--files"]);
    let digest = resolved["versions"][0]["files"][0]["object"].as_str().unwrap().to_owned();
    let path = world.path("lake/objects").join(&digest[..2]).join(&digest);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let ran = shell(&world, "touch was-run");
    assert_eq!(ran.code, Some(6), "{ran}");
    assert!(!world.path("was-run").exists(), "{ran}");
    assert_nothing_came(&world);
}

/// Whoever stops us stops the program and what it started, and nothing comes of it.
#[test]
fn signals_stop_the_program() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130), ("-HUP", 143)] {
        let world = world();
        let script = "sleep 600 & echo $! $$ > pids; echo x > $LAKEBED_OUTPUTS/model.pkl; wait";
        // Away from a terminal, which would tell all of them, and heard also where these tests hang up on nobody.
        let mut command = world.command_of("env");
        command
            .args(["--default-signal=HUP", "setsid", LAKEBED, "run"])
            .args(OUTS)
            .args(["--", "sh", "-c", script]);
        let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        until("the program runs", || {
            std::fs::read_to_string(world.path("pids")).is_ok_and(|pids| pids.ends_with('\n'))
        });
        let pids = world.read("pids");
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert!(said.contains("stopped: nothing was committed"), "{signal}: {said}");
        for pid in pids.split_whitespace() {
            until("what was started has ended", || !is_running(pid));
        }
        assert_nothing_came(&world);
        assert_eq!(world.json(&["runs"])["runs"][0]["state"], "aborted", "{signal}");
    }
}

fn is_running(pid: &str) -> bool {
    // One that has ended may wait for somebody to ask how.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Where SIGHUP is to do nothing, it does nothing.
#[test]
fn a_run_outlives_its_terminal_where_it_should() {
    let world = world();
    let mut command = world.command_of("nohup");
    command.args([LAKEBED, "run"]).args(OUTS);
    let wait = "touch runs; while test ! -f go; do sleep 0.05; done; sh train.sh";
    command.args(["--", "sh", "-c", wait]).stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    until("the program runs", || world.path("runs").exists());
    let kill = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    std::thread::sleep(std::time::Duration::from_millis(200));
    world.write("go", "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    world.ok(&["show", "ml.model"]);
}

/// What a program has written is not lost with whoever waits no longer for a lake that does not answer.
#[test]
fn what_a_program_wrote_outlives_who_stops_its_commit() {
    let world = world();
    let server = Served::start(&world, &[]);
    let script = format!("sh train.sh && kill -STOP {} && touch stopped", server.pid());
    let mut command = world.command(&["--lake", &server.url]);
    command.args(["run", "--param", "depth=3"]).args(OUTS);
    command.args(["--outputs", "made", "--", "sh", "-c", &script]);
    command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    until("the program has ended", || world.path("stopped").exists());
    std::thread::sleep(std::time::Duration::from_millis(500));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("`lakebed runs commit "), "{said}");
    server.signal("-CONT");
    let mut commit = world.command(&["--lake", &server.url]);
    commit.args(["runs", "commit", "made"]);
    let committed = world.finish(commit, b"");
    assert_eq!(committed.code, Some(0), "{committed}");
    server.stop();
    let rows = world.ok(&["sql", "--format", "csv", "SELECT lines FROM ml.scores"]).text();
    assert_eq!(rows.lines().last(), Some("17"));
}

/// What two programs write at once into one folder nobody could tell apart.
#[test]
fn one_program_at_a_time_writes_to_a_folder() {
    let world = world();
    let mut command = world.command(&["run", "--outputs", "made"]);
    let wait = "touch runs; while test ! -f go; do sleep 0.05; done; sh train.sh";
    command.args(OUTS).args(["--", "sh", "-c", wait]);
    let mut first = command.stdin(std::process::Stdio::null()).spawn().unwrap();
    until("the program runs", || world.path("runs").exists());
    let second = world.run(&["run", "--outputs", "made", "--out", "ml.x=x.csv", "--", "true"]);
    second.assert_clear(5);
    assert!(second.stderr.contains("another run is at work in `"), "{second}");
    world.write("go", "");
    assert_eq!(first.wait().unwrap().code(), Some(0));
}

/// However slowly it is read what a program prints, all of it arrives and is kept; what goes on printing
/// after the program has ended is not waited for.
#[test]
fn what_is_printed_is_not_cut_off_by_a_slow_reader() {
    let world = world();
    // What goes on begins once the numbers are written: two who print at once cut into each other's lines.
    let script = "seq 1 25000; (while echo more; do sleep 0.1; done) & \
        echo x > $LAKEBED_OUTPUTS/model.bin";
    let mut command = world.command_of("sh");
    let pipe = "\"$0\" run --out-files ml.m=model.bin -- sh -c \"$1\" | (sleep 3; cat) > out";
    command.args(["-c", pipe, LAKEBED, script]);
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    let run = world.json(&["runs"])["runs"][0]["run"].as_str().unwrap().to_owned();
    let log = world.ok(&["runs", "show", &run, "--log"]).text();
    for text in [world.read("out"), log] {
        let numbers: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        assert_eq!(numbers, (1..=25000).collect::<Vec<_>>());
    }
}

/// What is kept is committed once, also where a first try failed.
#[test]
fn what_is_kept_does_not_come_back() {
    let world = fetched();
    let write =
        "printf 'a,b\n1,old\n' > $LAKEBED_OUTPUTS/scores.csv; echo m > $LAKEBED_OUTPUTS/model.pkl";
    world.ok(&offline(&[], &["sh", "-c", write]));
    let file = world.path("made/scores.csv");
    std::fs::rename(&file, world.path("away")).unwrap();
    world.refused(4, &["runs", "commit", "made"]);
    std::fs::rename(world.path("away"), &file).unwrap();
    world.ok(&["runs", "commit", "made"]);
    let new =
        "printf 'a,b\n1,new\n' > $LAKEBED_OUTPUTS/scores.csv; echo n > $LAKEBED_OUTPUTS/model.pkl";
    assert_eq!(shell(&world, new).code, Some(0));
    let again = world.ok(&["runs", "commit", "made"]);
    assert!(again.text().contains("ml.scores@v1"), "{again}");
    let rows = world.ok(&["sql", "--format", "csv", "SELECT b FROM ml.scores"]).text();
    assert_eq!(rows.lines().last(), Some("new"));
}

/// What is left out of an output is said, and so is what was printed, without being mixed with ours.
#[test]
fn what_is_left_out_is_said() {
    let world = world();
    let script = "mkdir -p $LAKEBED_OUTPUTS/m/sub && cd $LAKEBED_OUTPUTS/m && echo a > a.bin && \
        echo b > .hidden && ln -s sub other && printf 'no line end'";
    let command = ["run", "--out", "ml.m=m/", "--", "sh", "-c", script];
    let ran = world.ok(&command);
    assert!(ran.stderr.contains("1 hidden file in `m/` left out of ml.m"), "{ran}");
    assert!(ran.stderr.contains("1 link in `m/` left out of ml.m"), "{ran}");
    assert!(ran.text().starts_with("no line end\n"), "{ran}");
    let run = world.json(&["runs"])["runs"][0]["run"].as_str().unwrap().to_owned();
    let log = world.json(&["runs", "show", &run, "--log"]);
    assert_eq!((&log["run"], &log["log"]), (&run.into(), &"no line end".into()));
    let fails = "printf 'no line end' >&2; exit 3";
    let ran = world.run(&["run", "--json", "--out", "ml.x=x", "--", "sh", "-c", fails]);
    let problem: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((ran.code, &problem["exit_code"]), (Some(3), &3.into()), "{ran}");
    // What failed is kept as well, with what it printed.
    let failed = world.json(&["runs"])["runs"][0].clone();
    assert_eq!((&failed["state"], &failed["exit_code"]), (&"aborted".into(), &3.into()));
    let failed = failed["run"].as_str().unwrap();
    assert_eq!(world.json(&["runs", "show", failed, "--log"])["log"], "no line end");
    let told = world.ok(&["log"]).text();
    assert!(told.contains(&format!("run {failed}: the program ended with 3")), "{told}");
    let odd = "printf 'a,b\n1\n2\n3\n' > $LAKEBED_OUTPUTS/x.csv";
    let ran = world.run(&["run", "--out", "ml.x=x.csv", "--", "sh", "-c", odd]);
    assert!(ran.code == Some(4) && !ran.stderr.contains("--max-quarantined"), "{ran}");
}

/// A refusal says what the program can do, and what `lakebed run` has no option for.
#[test]
fn hints_are_for_whoever_runs_a_program() {
    let world = World::new();
    let write = |out: &str, text: &str| {
        let script =
            format!("printf '{text}' > $LAKEBED_OUTPUTS/{}", out.split_once('=').unwrap().1);
        world.run(&["run", "--no-inputs", "--out", out, "--", "sh", "-c", &script])
    };
    assert_eq!(write("ml.t=t.csv", "a,b\\n1,2\\n").code, Some(0));
    let columns = write("ml.t=t.csv", "a,c\\n1,2\\n");
    columns.assert_clear(4);
    let once = "`lakebed ingest FILE --to DATASET --evolve ";
    assert!(columns.stderr.contains(once) && !columns.stderr.contains("UTF-8"), "{columns}");
    let text = write("ml.t=t.txt", "some words\\n");
    text.assert_clear(4);
    assert!(text.stderr.contains("`.csv`") && !text.stderr.contains("out-files"), "{text}");
}

/// What a program reads and what it writes are two folders, and nothing happens before they are.
#[test]
fn inputs_and_outputs_are_apart() {
    let world = world();
    std::os::unix::fs::symlink(".", world.path("here")).unwrap();
    for outputs in ["x", "./x/", "here/x", "x/out", "."] {
        let ran = world.refused(2, &train(&["--into", "x", "--outputs", outputs]));
        assert!(ran.stderr.contains("`--into x`"), "{ran}");
        assert!(!world.path("x").exists(), "{outputs}");
    }
    world.ok(&train(&["--into", "x", "--outputs", "xy"]));
    assert_eq!(world.json(&["runs"])["runs"].as_array().unwrap().len(), 1);
}

/// A link that leads nowhere is left out like one that leads to a folder, and said.
#[test]
fn a_link_to_nothing_is_left_out() {
    let world = world();
    let run = |script: &str| world.run(&["run", "--out", "ml.m=m", "--", "sh", "-c", script]);
    let ran =
        run("mkdir $LAKEBED_OUTPUTS/m && cd $LAKEBED_OUTPUTS/m && echo a > a.bin && ln -s no x");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.stderr.contains("1 link in `m` left out of ml.m"), "{ran}");
    let ran = run("ln -s no $LAKEBED_OUTPUTS/m");
    assert_eq!(ran.code, Some(4), "{ran}");
    assert!(ran.stderr.contains("`m` is a link to nothing"), "{ran}");
    // A file may be missing that somebody meant.
    std::fs::create_dir(world.path("d")).unwrap();
    world.write("d/a.csv", "a\n1\n");
    std::os::unix::fs::symlink("no", world.path("d/b.csv")).unwrap();
    world.refused(3, &["ingest", "d", "--to", "a.b"]);
}

/// What Spark and Hive write beside the files of a table makes no other thing of it.
#[test]
fn a_folder_of_a_job_is_a_table() {
    let world = world();
    let script = "mkdir -p $LAKEBED_OUTPUTS/t/year=2026 && cd $LAKEBED_OUTPUTS/t && touch _SUCCESS && \
        cp $LAKEBED_INPUTS/nyc/airlines/part-00000.parquet year=2026/";
    let ran = world.ok(&["run", "--out", "ml.t=t", "--", "sh", "-c", script]);
    assert!(ran.stderr.contains("1 file like `_SUCCESS` in `t` left out of ml.t"), "{ran}");
    assert!(ran.stderr.contains("the folders `year=…` are no columns"), "{ran}");
    assert!(ran.text().contains("16 rows"), "{ran}");
    let ran = world.ok(&["run", "--out-files", "ml.f=t", "--", "sh", "-c", script]);
    assert!(ran.text().contains("2 files"), "{ran}");
}

/// The program is on the lake that its run is on, however that was named; tokens are not handed on.
#[test]
fn a_program_sees_the_lake_of_its_run() {
    let world = World::in_folder();
    let script = "echo \"$LAKEBED_LAKE\" > seen; echo \"${LAKEBED_TOKEN-none}\" > token; \
        echo x > $LAKEBED_OUTPUTS/x.bin";
    let mut command = world.command(&["--lake", "other", "run", "--no-inputs"]);
    command.args(["--out", "ml.x=x.bin", "--", "sh", "-c", script]);
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    let seen = world.read("seen");
    assert!(Path::new(seen.trim()).is_absolute(), "{seen}");
    let real = |path: &Path| path.canonicalize().unwrap();
    assert_eq!(real(Path::new(seen.trim())), real(&world.path("other")));
    assert_eq!(world.read("token"), "none\n");
}

/// Nobody is to run a program again because what it made could not be printed.
#[test]
fn what_cannot_be_printed_is_committed() {
    let world = world();
    let mut command = world.command_of("sh");
    let run = "\"$0\" run --out ml.x=x.bin -- sh -c 'echo x > $LAKEBED_OUTPUTS/x.bin' > /dev/full";
    command.args(["-c", run, LAKEBED]);
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(7), "{ran}");
    assert!(ran.stderr.contains("  all outputs were committed, as run "), "{ran}");
    world.ok(&["show", "ml.x"]);
}

/// The same against a server, over uploads.
#[test]
fn a_program_runs_far_from_its_lake() {
    let world = world();
    let server = Served::start(&world, &[]);
    let at = |arguments: &[&str]| {
        let mut command = world.command(&["--lake", &server.url]);
        command.args(arguments);
        world.finish(command, b"")
    };
    let ran = at(&train(&[]));
    assert_eq!(ran.code, Some(0), "{ran}");
    let rows = at(&["sql", "--format", "csv", "SELECT lines FROM ml.scores"]).text();
    assert_eq!(rows.lines().last(), Some("17"));
    let failed = at(&[&["run"], &OUTS[..], &["--", "sh", "-c", "echo why; exit 9"]].concat());
    assert_eq!(failed.code, Some(9), "{failed}");
    let runs: Value = serde_json::from_slice(&at(&["runs", "--json"]).stdout).unwrap();
    let states: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["aborted", "committed"]);
    let why = at(&["runs", "show", runs["runs"][0]["run"].as_str().unwrap(), "--log"]);
    assert_eq!(why.text(), "why\n");
    let log = at(&["runs", "show", runs["runs"][1]["run"].as_str().unwrap(), "--log"]);
    assert!(log.text().contains("depth 3\n") && log.text().contains("a warning\n"), "{log}");
    server.stop();
}

/// P7: a program reads what its owner may read, all of it; and what it makes is kept from whoever may
/// not see all of that.
#[test]
fn p7_a_program_is_no_way_around_a_policy() {
    let world = world();
    let policy = "\
policies:
  - { name: own, on: { dataset: nyc.airlines }, row_filter: carrier = 'AA', except: [carol] }
";
    let grants = "\
grants:
  - { to: alice, may: [read, ingest], on: lake }
  - { to: carol, may: [read, ingest], on: lake }
";
    world.write("catalog/grants.yaml", grants);
    world.write("catalog/policies/nyc.yaml", policy);
    world.ok(&["apply"]);
    let refused = world.run(&[&["--as", "alice"], &train(&[])[..]].concat());
    assert_eq!(refused.code, Some(7), "{refused}");
    world.ok(&[&["--as", "carol"], &train(&[])[..]].concat());
    let read = |who: &str| world.run(&["sql", "--as", who, "SELECT * FROM ml.scores"]).code;
    assert_eq!((read("carol"), read("alice")), (Some(0), Some(7)));
    let fetch = world.run(&["fetch", "--as", "alice", "ml.model", "--into", "theirs"]);
    assert_eq!(fetch.code, Some(7), "{fetch}");
    let runs = world.json(&["runs", "--as", "alice"]);
    assert_eq!(runs["runs"], serde_json::json!([]));
}

/// Where nobody answers.
const NOWHERE: [&str; 2] = ["--lake", "http://127.0.0.1:9"];

/// `lakebed run --offline …` on what is in `inputs`, into `made`.
fn offline<'a>(more: &[&'a str], command: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = NOWHERE.to_vec();
    arguments.extend(["run", "--offline", "--into", "inputs", "--outputs", "made"]);
    arguments.extend(OUTS);
    arguments.extend(more);
    arguments.push("--");
    arguments.extend(command);
    arguments
}

fn fetched() -> World {
    let world = world();
    world.ok(&["fetch", "--lock", "lakebed.lock", "--into", "inputs"]);
    world
}

/// Without a lake a program runs on what was fetched, and what it wrote becomes versions later: the same
/// that they would have become at once.
#[test]
fn a_program_runs_where_no_lake_is() {
    let world = fetched();
    let trained = offline(&["--param", "depth=3"], &["sh", "train.sh"]);
    world.tell(0, &trained);
    assert_nothing_came(&world);
    world.tell(4, &trained);
    world.tell(0, &["runs", "commit", "made"]);
    world.tell(0, &["sql", "SELECT * FROM ml.scores"]);
    world.tell(0, &["lineage", "ml.scores"]);
    world.tell_of("lakebed run … -- sh train.sh", &world.ok(&train(&[])));
    assert_snapshot!(world.told());
    let runs = world.json(&["runs"]);
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    // Once committed it stays that, and is found by its folder.
    let again = world.json(&["runs", "commit", "made"]);
    assert_eq!(again["run"]["run"], runs[1]["run"]);
    assert_eq!(world.json(&["runs"])["runs"].as_array().unwrap().len(), 2);
    let seen = world.json(&["runs", "show", runs[1]["run"].as_str().unwrap()]);
    assert_eq!(seen["invocation"]["command"], serde_json::json!(["sh", "train.sh"]));
    assert_eq!(seen["inputs"].as_array().unwrap().len(), 2);
    let log = world.ok(&["runs", "show", runs[1]["run"].as_str().unwrap(), "--log"]).text();
    assert!(log.contains("depth 3\n") && log.contains("a warning\n"), "{log}");
    world.ok(&["verify"]);
}

/// What was fetched for many is used by whoever may only read it.
#[test]
fn a_program_runs_on_inputs_that_can_only_be_read() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    const NOBODY: u32 = 65534;
    let world = fetched();
    let mode = |name: &str, mode| {
        std::fs::set_permissions(world.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["made", "tmp"] {
        std::fs::create_dir(world.path(name)).unwrap();
        mode(name, 0o777);
    }
    mode("", 0o755);
    mode("inputs", 0o555);
    let is_root = rustix::process::geteuid().is_root();
    let program = if is_root {
        // The binary may lie where only root may go.
        std::fs::copy(LAKEBED, world.path("lakebed")).unwrap();
        mode("lakebed", 0o755);
        world.path("lakebed")
    } else {
        LAKEBED.into()
    };
    let mut command = world.command_of(program);
    command.env("TMPDIR", world.path("tmp"));
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    let script = "cp $LAKEBED_INPUTS/inputs.json $LAKEBED_OUTPUTS/index.json && sh train.sh";
    command.args(offline(&["--param", "depth=3"], &["sh", "-c", script]));
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    mode("inputs", 0o755);
    assert_eq!(world.read("made/model.pkl"), "weights 17");
    assert!(!world.path("inputs/inputs.json").exists());
    assert!(!world.path("inputs/.lakebed-fetch").exists());
    let index: Value = serde_json::from_str(&world.read("made/index.json")).unwrap();
    let file = index["inputs"][1]["files"][0].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), world.read("airlines.csv"));
    world.ok(&["runs", "commit", "made"]);
}

/// P3: nor is it run on other bytes than those of the lock, and nothing is kept of what failed.
#[test]
fn p3_offline_inputs_are_those_of_the_lock() {
    let world = fetched();
    let touch = offline(&[], &["sh", "-c", "touch was-run"]);
    let refused = |what: &str, code: i32, world: &World, arguments: &[&str]| {
        let ran = world.run(arguments);
        assert_eq!(ran.code, Some(code), "{what}\n{ran}");
        world.tell_of(what, &ran);
        assert!(!world.path("was-run").exists() && !world.path("made/lakebed-run.json").exists());
    };
    let file = "inputs/nyc/raw/airlines.csv";
    let sound = world.read(file);
    world.write(file, sound.replace("Alaska", "Nevada"));
    refused("other bytes of the same length", 6, &world, &touch);
    world.write(file, format!("{sound}x"));
    refused("more bytes", 6, &world, &touch);
    std::fs::remove_file(world.path(file)).unwrap();
    refused("no file", 3, &world, &touch);
    world.write(file, &sound);
    world.write("inputs/nyc/airlines/part-00001.parquet", "of another version");
    refused("a part too many", 5, &world, &touch);
    std::fs::remove_file(world.path("inputs/nyc/airlines/part-00001.parquet")).unwrap();
    world.write("airlines.csv", format!("{sound}ZZ,Zeppelin Ltd.\n"));
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    world.ok(&["lock", "--update"]);
    refused("a version that was not fetched", 3, &world, &touch);
    let elsewhere =
        [&touch[..2], &["run", "--offline", "--into", "x", "--outputs", "made"]].concat();
    let elsewhere = [&elsewhere[..], &OUTS, &["--", "touch", "was-run"]].concat();
    refused("nothing was fetched", 3, &world, &elsewhere);
    world.ok(&["fetch", "--lock", "lakebed.lock", "--into", "inputs", "--force"]);
    refused("the program fails", 42, &world, &offline(&[], &["sh", "-c", "exit 42"]));
    refused("it writes nothing", 4, &world, &offline(&[], &["true"]));
    refused("no folder", 2, &world, &["run", "--offline", "--out", "ml.x=x", "--", "true"]);
    assert_snapshot!(world.told());
}

/// What is committed is what the program wrote, made of what the lake has.
#[test]
fn what_is_kept_is_committed_as_it_was_written() {
    let world = fetched();
    let trained = offline(&["--param", "depth=3"], &["sh", "train.sh"]);
    world.ok(&trained);
    let (scores, kept) = (world.read("made/scores.csv"), world.read("made/lakebed-run.json"));
    let refused = |what: &str, code: i32| {
        let ran = world.run(&["runs", "commit", "made"]);
        assert_eq!(ran.code, Some(code), "{what}\n{ran}");
        world.tell_of(what, &ran);
        assert_nothing_came(&world);
    };
    world.write("made/scores.csv", scores.replace("17", "18"));
    refused("an output was changed", 4);
    std::fs::remove_file(world.path("made/scores.csv")).unwrap();
    refused("an output is gone", 4);
    world.write("made/scores.csv", scores);
    let mut forged: Value = serde_json::from_str(&kept).unwrap();
    forged["inputs"][0]["objects"][0] = "0".repeat(64).into();
    world.write("made/lakebed-run.json", forged.to_string());
    refused("it read other bytes", 4);
    world.write("made/lakebed-run.json", "{}");
    refused("no record", 4);
    world.write("made/lakebed-run.json", kept);
    assert_eq!(world.run(&["runs", "commit", "inputs"]).code, Some(3));
    // What was in the way is out of it: the same folder is committed after all.
    world.ok(&["runs", "commit", "made"]);
    world.ok(&["history", "ml.model"]);
    assert_snapshot!(world.told());
}

/// Another lake may have versions of the same names.
#[test]
fn what_is_kept_is_of_one_lake() {
    let world = World::in_folder();
    let world = prepared(world);
    world.ok(&["fetch", "--lock", "lakebed.lock", "--into", "inputs"]);
    world.ok(&offline(&["--param", "depth=3"], &["sh", "train.sh"]));
    world.ok(&["--lake", "other", "ingest", "airlines.csv", "--to", "nyc.airlines"]);
    let ran = world.run(&["--lake", "other", "runs", "commit", "made"]);
    ran.assert_clear(5);
}

/// P7: a right that is needed for a run is needed for one that was made offline.
#[test]
fn p7_what_is_kept_is_no_way_around_a_policy() {
    let world = fetched();
    world.ok(&offline(&["--param", "depth=3"], &["sh", "train.sh"]));
    let grants = "\
grants:
  - { to: alice, may: [read, ingest], on: { namespace: ml } }
  - { to: bob, may: [read, ingest], on: lake }
  - { to: carol, may: [read], on: lake }
";
    let policy = "\
policies:
  - { name: own, on: { dataset: nyc.airlines }, row_filter: carrier = 'AA', except: [carol] }
";
    world.write("catalog/grants.yaml", grants);
    world.write("catalog/policies/nyc.yaml", policy);
    world.ok(&["apply"]);
    for (who, code) in [("alice", 3), ("bob", 7), ("carol", 7)] {
        let ran = world.run(&["runs", "commit", "made", "--as", who]);
        assert_eq!(ran.code, Some(code), "{who}\n{ran}");
        assert_nothing_came(&world);
    }
}

/// What a program wrote is not lost with the disk that its lake was on.
#[test]
fn what_a_program_wrote_outlives_what_was_in_the_way() {
    let world = prepared(World::in_folder());
    let script = "sh train.sh && mv lake/objects lake/away && touch lake/objects";
    let arguments =
        [&["run", "--param", "depth=3"], &OUTS[..], &["--", "sh", "-c", script]].concat();
    let ran = world.run(&arguments);
    assert_eq!(ran.code, Some(7), "{ran}");
    let kept = ran.stderr.split_once("`lakebed runs commit ").expect("it says where").1;
    let kept = kept.split_once('`').unwrap().0;
    std::fs::remove_file(world.path("lake/objects")).unwrap();
    std::fs::rename(world.path("lake/away"), world.path("lake/objects")).unwrap();
    assert_nothing_came(&world);
    world.ok(&["runs", "commit", kept]);
    let rows = world.ok(&["sql", "--format", "csv", "SELECT lines FROM ml.scores"]).text();
    assert_eq!(rows.lines().last(), Some("17"));
    std::fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
}

/// P3, P4: a program reads the files of the versions in its lock, none of another that was there before, and
/// none that somebody put beside them.
#[test]
fn p3_no_stray_file_is_an_input() {
    let world = World::new();
    for (version, files) in [("one", &["a", "b"][..]), ("two", &["a"])] {
        for file in files {
            world.write(format!("{version}/{file}.csv"), format!("id\n{version}-{file}\n"));
        }
        world.ok(&["ingest", version, "--to", "o.m", "--as", "files"]);
        world.ok(&["lock", "o.m"]);
        world.ok(&["fetch", "--lock", "lakebed.lock", "--into", "inputs"]);
    }
    let script = "cat $LAKEBED_INPUTS/o/m/* > $LAKEBED_OUTPUTS/x.csv";
    let here = ["run", "--into", "inputs", "--out", "o.x=x.csv", "--", "sh", "-c", script];
    let off = ["run", "--offline", "--outputs", "made"];
    let offline = [&NOWHERE[..], &off, &here[1..]].concat();
    world.ok(&here);
    let rows = world.ok(&["sql", "--format", "csv", "SELECT * FROM o.x"]).text();
    assert_eq!(rows, "id\ntwo-a\n");
    world.write("inputs/o/m/stray.csv", "id\nstray\n");
    for arguments in [&here[..], &offline] {
        let ran = world.refused(5, arguments);
        assert!(ran.stderr.contains("o/m/stray.csv"), "{ran}");
    }
    assert_eq!(world.read("inputs/o/m/stray.csv"), "id\nstray\n");
    std::fs::remove_file(world.path("inputs/o/m/stray.csv")).unwrap();
    world.ok(&offline);
    assert_eq!(world.read("made/x.csv"), "id\ntwo-a\n");
    assert_eq!(world.json(&["history", "o.x"])["versions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_run_is_found_by_how_its_id_begins() {
    let world = world();
    world.ok(&train(&[]));
    let run = world.json(&["runs"])["runs"][0]["run"].as_str().unwrap().to_owned();
    assert_eq!(world.json(&["runs", "show", &run[..8]])["run"], run.as_str());
    world.refused(3, &["runs", "show", "zzzz"]);
}
