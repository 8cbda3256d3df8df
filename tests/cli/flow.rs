//! The main job, command by command: what each one prints.

use insta::assert_snapshot;

use crate::world::{World, example};

fn weather() -> String {
    example("weather.csv").display().to_string()
}

#[test]
fn a_file_becomes_a_version_and_the_same_file_changes_nothing() {
    let world = World::new();
    let ingest = ["ingest", &weather(), "--to", "nyc.weather", "--null", "NA"];
    world.tell(0, &ingest);
    world.tell(0, &ingest);
    assert_eq!(world.version_count(), 1);
    world.ok(&[&ingest[..], &["--again"]].concat());
    assert_eq!(world.version_count(), 2, "--again is on purpose");
    assert_snapshot!(world.told());
}

#[test]
fn ls_show_history_and_log_say_what_there_is() {
    let world = World::with_airlines();
    world.tell(0, &["ls"]);
    world.tell(0, &["show", "nyc.airlines@v1", "--sources"]);
    world.tell(0, &["history", "nyc.airlines"]);
    world.tell(0, &["log"]);
    world.tell(0, &["resolve", "nyc.airlines", "nyc.airlines@v1"]);
    assert_snapshot!(world.told());
}

#[test]
fn a_profile_shows_what_rows_look_like() {
    let world = World::new();
    world.ok(&["ingest", &weather(), "--to", "nyc.weather", "--null", "NA"]);
    world.tell(0, &["show", "nyc.weather", "--profile"]);
    world.tell(0, &["show", "nyc.weather", "--profile", "--column", "temp", "--column", "origin"]);
    world.tell(3, &["show", "nyc.weather", "--profile", "--column", "nothing"]);
    let profile = world.json(&["show", "nyc.weather", "--profile"]);
    let origin = profile["columns"].as_array().unwrap().iter().find(|c| c["name"] == "origin");
    assert_eq!(origin.unwrap()["distinct"]["is_exact"], true);
    assert_snapshot!(world.told());
}

#[test]
fn a_change_of_the_schema_is_declared() {
    let world = World::new();
    world.write("x.csv", "id,qty,note\n1,2,a\n2,3,b\n");
    world.ok(&["ingest", "x.csv", "--to", "sales.orders"]);
    world.write("y.csv", "id,quantity\n1,2.50\n2,3.50\n");
    let ingest = ["ingest", "y.csv", "--to", "sales.orders"];
    world.tell(4, &ingest);
    let changes = [
        "--evolve",
        "rename qty=quantity",
        "--evolve",
        "retype quantity=decimal(9,2)",
        "--evolve",
        "drop note",
    ];
    world.tell(0, &[&ingest[..], &changes].concat());
    world.tell(0, &[&ingest[..], &changes].concat());
    world.tell(0, &["diff", "sales.orders", "--key", "id"]);
    world.tell(2, &[&ingest[..], &["--evolve", "remove note"]].concat());
    world.tell(2, &[&ingest[..], &["--evolve", "drop note", "--append"]].concat());
    assert_snapshot!(world.told());
}

#[test]
fn a_difference_is_told_by_column_row_and_cell() {
    let world = World::new();
    let before = "id,name,price\n1,one,1.50\n2,two,2.50\n3,three,\n4,four,4.00\n";
    let after = "id,name,price,note\n4,four,4.25,x\n2,two,2.50,\n3,THREE,3.00,\n5,,5.00,\n";
    world.write("x.csv", before);
    world.ok(&["ingest", "x.csv", "--to", "sales.orders"]);
    world.tell(2, &["diff", "sales.orders"]);
    world.write("x.csv", after);
    world.ok(&["ingest", "x.csv", "--to", "sales.orders"]);
    world.tell(0, &["diff", "sales.orders"]);
    world.tell(1, &["diff", "sales.orders", "v1", "v2", "--key", "id", "--check"]);
    world.tell(0, &["diff", "sales.orders@v1", "v2", "--key", "name", "--show", "1"]);
    world.tell(0, &["diff", "sales.orders", "v2", "sales.orders@latest", "--check"]);
    world.tell(2, &["diff", "sales.orders@v1", "v1", "v2"]);
    world.tell(2, &["diff", "sales.orders", "v0"]);
    world.tell(4, &["diff", "sales.orders", "v1", "--key", "nothing"]);
    let diff = world.json(&["diff", "sales.orders", "v1", "v2", "--key", "id"]);
    assert_eq!(diff["rows"]["changed_rows"][0]["cells"][0]["before"], "three");
    assert_snapshot!(world.told());
}

#[test]
fn an_empty_lake_says_how_to_go_on() {
    let world = World::with_airlines();
    world.tell(0, &["ls", "elsewhere"]);
    assert_snapshot!(world.told());
}

#[test]
fn everything_has_a_json_document() {
    let world = World::with_airlines();
    let list = world.json(&["ls"]);
    assert_eq!(list["datasets"][0]["dataset"], "nyc.airlines");
    assert_eq!(list["datasets"][0]["newest"]["version"], 2);
    assert_eq!(world.json(&["history", "nyc.airlines"])["versions"].as_array().unwrap().len(), 2);
    assert_eq!(world.json(&["show", "nyc.airlines"])["schema"]["fields"][0]["name"], "carrier");
    let resolved = world.json(&["resolve", "nyc.airlines@v1", "--files"]);
    assert_eq!(resolved["versions"][0]["newest"], 2);
    let url = resolved["versions"][0]["files"][0]["url"].as_str().unwrap();
    let is_near = url.starts_with("file://");
    assert!(is_near == world.is_in_folder() && is_near != url.contains("X-Amz-Signature"), "{url}");
    assert_eq!(world.json(&["verify"])["findings"].as_array().unwrap().len(), 0);
    assert_eq!(world.json(&["config"])["lake"]["origin"], "LAKEBED_LAKE");
    let unchanged = world.json(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    assert_eq!(unchanged["status"], "unchanged");
    let events = world.ok(&["log", "--json"]).text();
    for line in events.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(events.lines().count(), 3, "created, two versions");
}

#[test]
fn errors_are_problems_with_json() {
    let world = World::with_airlines();
    let ran = world.run(&["--json", "show", "nyc.nothing"]);
    let problem: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(
        (problem["code"].as_str(), problem["exit_code"].as_u64()),
        (Some("not-found"), Some(3))
    );
    assert!(ran.stdout.is_empty() && problem["hint"].is_string(), "{ran}");
    let ran = world.run(&["--json", "show"]);
    let problem: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(problem["code"], "usage");
}

#[test]
fn a_lock_pins_notices_drift_and_moves_on_when_told() {
    let world = World::with_airlines();
    world.tell(0, &["lock", "nyc.airlines", "nyc.airlines@v1"]);
    world.tell_of("cat lakebed.lock", &world.file("lakebed.lock"));
    world.tell(0, &["lock", "--check"]);
    let pinned = world.read("lakebed.lock");

    world.write("airlines.csv", "carrier,name\nAA,American Airlines Inc.\n");
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    world.tell(1, &["lock", "--check"]);
    assert_eq!(world.read("lakebed.lock"), pinned, "--check writes nothing");
    let json = world.run(&["lock", "--check", "--json"]);
    assert_eq!(json.code, Some(1));
    let checked: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&checked["drifted"][0]["from"], &checked["drifted"][0]["to"]),
        (&2.into(), &3.into())
    );

    world.tell(0, &["lock", "--update"]);
    world.ok(&["lock", "--check"]);
    let updated = world.read("lakebed.lock");
    world.ok(&["lock", "--update"]);
    assert_eq!(world.read("lakebed.lock"), updated, "equal inputs, equal bytes");
    // A number that is not the id's is no drift.
    world.write("lakebed.lock", updated.replacen("version = 3", "version = 99", 1));
    world.refused(4, &["lock", "--check"]);
    world.write("lakebed.lock", &updated);
    world.refused(3, &["lock", "--update", "nyc.airlines@v2"]);
    assert_snapshot!(world.told());
}

#[test]
fn a_lock_of_another_lake_is_refused() {
    let world = World::in_folder_with_airlines();
    world.ok(&["lock", "nyc.airlines"]);
    world.ok(&["--lake", "other", "ingest", "airlines.csv", "--to", "nyc.airlines"]);
    for arguments in [
        &["--lake", "other", "lock", "--check"][..],
        &["--lake", "other", "lock", "nyc.airlines"],
        &["--lake", "other", "fetch", "--lock", "lakebed.lock", "--into", "in"],
    ] {
        let ran = world.refused(5, arguments);
        assert!(ran.stderr.contains("locks another lake"), "{ran}");
    }
    assert!(!world.path("in").exists());
}

/// P9: the database can be lost.
#[test]
fn a_rebuilt_lake_answers_the_same() {
    let world = World::in_folder_with_airlines();
    let questions = [
        &["ls", "--json"][..],
        &["history", "nyc.airlines", "--json"],
        &["log", "--json"],
        &["resolve", "nyc.airlines@v1", "--files", "--json"],
        &["sql", "SELECT * FROM nyc.airlines ORDER BY carrier", "--format", "csv"],
    ];
    let ask = || questions.map(|question| world.ok(question).text());
    let before = ask();
    for name in ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"] {
        let _ = std::fs::remove_file(world.path("lake").join(name));
    }
    let ran = world.refused(5, &["ls"]);
    assert!(ran.stderr.contains("lakebed rebuild"), "{ran}");
    world.tell(0, &["rebuild"]);
    assert_eq!(ask(), before);
    let ran = world.refused(5, &["rebuild"]);
    assert!(ran.stderr.contains("--replace"), "{ran}");
    world.ok(&["rebuild", "--replace"]);
    assert_eq!(ask(), before);
    assert!(world.path("lake/lakebed.db.old-1").exists());
    assert_snapshot!(world.told());
}

/// P9, P10: wherever the database is, it is moved aside and made again.
#[test]
fn a_replaced_database_answers_the_same() {
    let world = World::with_airlines();
    let questions = [&["ls", "--json"][..], &["history", "nyc.airlines", "--json"]];
    let ask = || questions.map(|question| world.ok(question).text());
    let before = ask();
    for _ in 0..2 {
        let ran = world.refused(5, &["rebuild"]);
        assert!(ran.stderr.contains("--replace"), "{ran}");
        let ran = world.ok(&["rebuild", "--replace"]);
        assert!(ran.stderr.contains("the old database is `"), "{ran}");
        assert_eq!(ask(), before);
    }
}

/// P9: the old database gives way to a whole one, and to nothing else.
#[test]
fn p9_a_failed_rebuild_leaves_the_old_database() {
    let world = World::in_folder_with_airlines();
    let before = world.ok(&["history", "nyc.airlines", "--json"]).text();
    let segment = world.path("lake/journal/000000000001.json");
    let sound = std::fs::read(&segment).unwrap();
    let mut damaged = sound.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let write = |bytes: &[u8]| {
        std::fs::remove_file(&segment).unwrap();
        std::fs::write(&segment, bytes).unwrap();
    };
    write(&damaged);
    let ran = world.refused(5, &["rebuild", "--replace"]);
    assert!(ran.stderr.contains("journal segment 1 is damaged"), "{ran}");
    assert_eq!(world.ok(&["history", "nyc.airlines", "--json"]).text(), before);
    assert!(!world.path("lake/lakebed.db.old-1").exists());
    write(&sound);
    // What a rebuild left that was killed in the middle is no database of anybody.
    world.write("lake/lakebed.db.new", "half of a database");
    world.write("lake/lakebed.db.new-wal", "half of its log");
    assert_eq!(world.ok(&["history", "nyc.airlines", "--json"]).text(), before);
    world.ok(&["rebuild", "--replace"]);
    assert_eq!(world.ok(&["history", "nyc.airlines", "--json"]).text(), before);
    assert!(!world.path("lake/lakebed.db.new").exists());
    // The hint of a stale database is a command that works.
    std::fs::rename(world.path("lake/lakebed.db.old-1"), world.path("lake/lakebed.db")).unwrap();
    world.ok(&["ls"]);
    for name in ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"] {
        let _ = std::fs::copy(world.path("lake").join(name), world.path(name));
    }
    world.write("airlines.csv", "carrier,name\nAA,American Airlines Inc.\n");
    world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
    for name in ["lakebed.db", "lakebed.db-wal", "lakebed.db-shm"] {
        let _ = std::fs::remove_file(world.path("lake").join(name));
        let _ = std::fs::copy(world.path(name), world.path("lake").join(name));
    }
    let ran = world.refused(5, &["ls"]);
    assert!(ran.stderr.contains("`lakebed rebuild --replace`"), "{ran}");
    world.ok(&["rebuild", "--replace"]);
    assert_eq!(world.version_count(), 3);
}

#[test]
fn folders_globs_and_standard_input_are_sources() {
    let world = World::new();
    for (name, rows) in
        [("d/2024/a.csv", "1,x\n"), ("d/2025/a.csv", "2,y\n"), ("d/.hidden.csv", "9,z\n")]
    {
        world.write(name, format!("id,text\n{rows}"));
    }
    world.ok(&["ingest", "d", "--to", "a.folder"]);
    world.ok(&["ingest", "d/**/*.csv", "--to", "a.glob"]);
    let ran =
        world.run_with(&["ingest", "-", "--name", "in.csv", "--to", "a.piped"], b"id,text\n3,z\n");
    assert_eq!(ran.code, Some(0), "{ran}");
    let names = |reference: &str| {
        let shown = world.json(&["show", reference]);
        let sources = shown["version"]["sources"].as_array().unwrap().clone();
        sources.iter().map(|s| s["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("a.folder"), ["2024/a.csv", "2025/a.csv"]);
    assert_eq!(names("a.glob"), ["2024/a.csv", "2025/a.csv"]);
    assert_eq!(names("a.piped"), ["in.csv"]);
}

#[test]
fn a_file_that_is_no_table_is_kept_as_it_is() {
    let world = World::new();
    world.write("model.bin", [0, 159, 146, 150]);
    world.tell(0, &["ingest", "model.bin", "--to", "ml.model", "--as", "files"]);
    world.ok(&["fetch", "ml.model", "--into", "out"]);
    assert_eq!(std::fs::read(world.path("out/ml/model/model.bin")).unwrap(), [0, 159, 146, 150]);
    assert_snapshot!(world.told());
}

#[test]
fn a_plan_shows_how_it_would_be_read_and_commits_nothing() {
    let world = World::new();
    world.tell(0, &["ingest", &weather(), "--to", "nyc.weather", "--null", "NA", "--plan"]);
    assert_snapshot!(world.told());
    assert_eq!(world.version_count(), 0);
}

#[test]
fn quarantined_rows_are_counted_and_shown() {
    let world = World::new();
    world.write("t.csv", "id,n\na,1\nb,two\nc,3\nd,4,extra\n");
    let ingest = ["ingest", "t.csv", "--to", "a.t", "--type", "n=long", "--max-quarantined", "60%"];
    world.tell(0, &ingest);
    world.tell(0, &["show", "a.t", "--quarantine"]);
    let lines = world.ok(&["show", "a.t", "--quarantine", "--json"]).text();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert_snapshot!(world.told());
}

/// Counted, sampled, exported; and those of an ingest that was refused, by its event.
#[test]
fn quarantined_rows_are_summarised_and_exported() {
    let world = World::new();
    world.write("t.csv", "id,n\na,1\nb,two\nc,\"3\nd,4,extra\ne,five\nf,6\n");
    let ingest = |limit: &'static str| {
        ["ingest", "t.csv", "--to", "a.t", "--type", "n=long", "--max-quarantined", limit]
    };
    world.ok(&ingest("4 rows"));
    world.tell(0, &["quarantine", "a.t"]);
    world.tell(0, &["quarantine", "a.t", "--sample", "1"]);
    world.tell(0, &["quarantine", "a.t", "--json"]);
    world.tell(0, &["quarantine", "a.t", "--export", "bad.csv"]);
    let exported = std::fs::read_to_string(world.path("bad.csv")).unwrap();
    assert_eq!(exported, "id,n\nb,two\nc,\"3\nd,4,extra\ne,five\n");
    world.tell(0, &["quarantine", "a.t", "--export", "bad.parquet"]);
    assert!(std::fs::read(world.path("bad.parquet")).unwrap().starts_with(b"PAR1"));

    world.write("t.csv", "id,n\na,x\nb,2\nc,y\n");
    world.tell(4, &ingest("1 row"));
    world.tell(0, &["quarantine", "--event", "3"]);
    world.tell(0, &["quarantine", "--event", "3", "--export", "refused.csv"]);
    assert_eq!(std::fs::read_to_string(world.path("refused.csv")).unwrap(), "a,x\nc,y\n");
    world.tell(2, &["quarantine", "--event", "1"]);
    assert_snapshot!(world.told());
    world.ok(&["verify"]);
}

/// Programs hear of an export, too, and of one that had nothing to write.
#[test]
fn an_export_is_one_document() {
    let world = World::new();
    world.write("t.csv", "id,n\na,1\nb,two\nc,3\n");
    let ingest = ["ingest", "t.csv", "--to", "a.t", "--type", "n=long"];
    world.ok(&[&ingest[..], &["--max-quarantined", "2 rows"]].concat());
    let told = world.json(&["quarantine", "a.t", "--export", "bad.csv"]);
    assert!(told["exported"].as_str().unwrap().ends_with("bad.csv"), "{told}");
    assert_eq!(told["rows"], 1);
    world.write("t.csv", "id,n\na,1\n");
    world.ok(&ingest);
    let told = world.json(&["quarantine", "a.t", "--export", "none.csv"]);
    assert_eq!(told, serde_json::json!({ "exported": null, "rows": 0 }));
    assert!(!world.path("none.csv").exists());
}

/// What Spark and Hive leave beside the files of a table is no part of it, and the names of their folders
/// are no columns.
#[test]
fn folders_of_jobs_are_tables() {
    let world = World::new();
    world.write("out/year=2025/part-0.csv", "id\n1\n");
    world.write("out/year=2026/part-0.csv", "id\n2\n");
    world.write("out/_SUCCESS", "done");
    let keys = "the folders `year=…` are no columns";
    for more in [&["--plan"][..], &[]] {
        let ran = world.ok(&[&["ingest", "out", "--to", "a.t"][..], more].concat());
        assert_eq!(ran.stderr.matches(keys).count(), 1, "{ran}");
        assert!(ran.stderr.contains("1 file like `_SUCCESS` left out of a.t"), "{ran}");
    }
    let rows = world.ok(&["sql", "--format", "csv", "SELECT * FROM a.t ORDER BY id"]).text();
    assert_eq!(rows, "id\n1\n2\n");
    // As the shell expands `out/year=*`.
    let ran = world.ok(&["ingest", "out/year=2025", "out/year=2026", "--to", "a.u"]);
    assert!(ran.stderr.contains(keys), "{ran}");
    let ran = world.ok(&["ingest", "out", "--to", "a.f", "--as", "files"]);
    assert!(!ran.stderr.contains("left out") && !ran.stderr.contains("columns"), "{ran}");
    assert!(ran.text().contains("3 files"), "{ran}");
}

/// Stopped in the middle, nothing is there: published once, whole (P4).
#[cfg(unix)]
#[test]
fn an_interrupted_ingest_makes_no_version() {
    use std::{io::Write as _, process::Stdio};
    let world = World::new();
    let mut command = world.command(&["ingest", "-", "--name", "x.csv", "--to", "a.x"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"a,b\n1,2\n").unwrap();
    // It has begun once there is a lake.
    while world.run(&["ls"]).code != Some(0) {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "stopped: nothing was committed\n");
    drop(stdin);
    assert_eq!(world.version_count(), 0);
    world.ok(&["verify"]);
}
