//! Runs, from outside: somebody's program between pinned versions and new ones; all of what it writes
//! becomes versions, or nothing does.

use std::process::Command;

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

/// Whoever stops us stops the program, and nothing comes of it.
#[test]
fn signals_stop_the_program() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let world = world();
        let script = "echo $$ > pid; echo x > $LAKEBED_OUTPUTS/model.pkl; exec sleep 600";
        let mut arguments = vec!["run"];
        arguments.extend(OUTS);
        arguments.extend(["--", "sh", "-c", script]);
        let mut child = world.command(&arguments).spawn().unwrap();
        until("the program runs", || {
            std::fs::read_to_string(world.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let pid = world.read("pid").trim().to_owned();
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let is_there = Command::new("kill").args(["-0", &pid]).output().unwrap();
        assert!(!is_there.status.success(), "{signal}: the program goes on");
        assert_nothing_came(&world);
        assert_eq!(world.json(&["runs"])["runs"][0]["state"], "aborted", "{signal}");
    }
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
    let failed = at(&[&["run"], &OUTS[..], &["--", "sh", "-c", "exit 9"]].concat());
    assert_eq!(failed.code, Some(9), "{failed}");
    let runs: Value = serde_json::from_slice(&at(&["runs", "--json"]).stdout).unwrap();
    let states: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["aborted", "committed"]);
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
