//! SQL: formats, parameters, files, and what is said about the answer.

use std::{collections::BTreeSet, process::Stdio};

use insta::assert_snapshot;

use crate::{served::Served, world::World};

const FIRST: &str = "SELECT carrier, name, CASE WHEN carrier = 'AA' THEN NULL ELSE length(name) END AS n \
                     FROM nyc.airlines ORDER BY carrier LIMIT 3";

#[test]
fn text_formats_show_nulls_and_say_what_was_read() {
    let world = World::with_airlines();
    for format in ["table", "csv", "ndjson"] {
        world.tell(0, &["sql", FIRST, "--format", format]);
    }
    assert_snapshot!(world.told());
}

#[test]
fn an_old_version_answers_and_a_newer_one_is_mentioned() {
    let world = World::with_airlines();
    world.tell(0, &["sql", "SELECT count(*) AS n FROM nyc.\"airlines@v1\""]);
    world.tell(0, &["sql", "SELECT count(*) AS n FROM nyc.airlines"]);
    assert_snapshot!(world.told());
}

#[test]
fn json_says_what_was_read_and_proves_that_it_is_whole() {
    let world = World::with_airlines();
    let answer = world.json(&["sql", FIRST]);
    assert_eq!(answer["row_count"], 3);
    assert_eq!(answer["resolved"][0]["version"], 2);
    assert_eq!(answer["columns"][2]["name"], "n");
}

#[test]
fn binary_formats_go_to_files_and_read_back() {
    let world = World::with_airlines();
    for name in ["out.parquet", "out.csv", "out.arrow", "out.ndjson", "out.txt"] {
        world.ok(&["sql", FIRST, "-o", name]);
    }
    assert_eq!(&std::fs::read(world.path("out.parquet")).unwrap()[..4], b"PAR1");
    assert_eq!(world.read("out.csv").lines().count(), 4);
    assert_eq!(world.read("out.ndjson").lines().count(), 3);
    assert!(world.read("out.txt").starts_with("carrier"), "{}", world.read("out.txt"));
    assert_eq!(world.ok(&["sql", FIRST, "--format", "parquet"]).stdout[..4], *b"PAR1");
    world.ok(&["ingest", "out.parquet", "--to", "a.back"]);
    assert_eq!(world.json(&["sql", "SELECT count(*) FROM a.back"])["rows"][0][0], 3);
}

#[test]
fn a_failed_statement_leaves_the_old_file_alone() {
    let world = World::with_airlines();
    world.write("out.csv", "precious");
    let names = || -> BTreeSet<_> {
        std::fs::read_dir(world.path("")).unwrap().map(|e| e.unwrap().file_name()).collect()
    };
    let before = names();
    let ran =
        world.run(&["sql", "SELECT 1 / (length(name) - 22) FROM nyc.airlines", "-o", "out.csv"]);
    ran.assert_clear(4);
    assert_eq!(world.read("out.csv"), "precious");
    assert_eq!(names(), before);
}

#[test]
fn parameters_are_bound_by_name_or_by_position() {
    let world = World::with_airlines();
    let count =
        |arguments: &[&str]| world.json(&[&["sql"][..], arguments].concat())["rows"][0][0].clone();
    let by_position = "SELECT count(*) FROM nyc.airlines WHERE carrier = $1 OR length(name) > $2";
    assert_eq!(count(&[by_position, "--param", "AA", "--param", "1000"]), 1);
    let by_name = "SELECT count(*) FROM nyc.airlines WHERE carrier = $code";
    assert_eq!(count(&[by_name, "--param", "code=ZZ"]), 1);
    assert_eq!(count(&["SELECT $1 = '42'", "--param", "\"42\""]), true);
    world.refused(2, &["sql", by_name, "--param", "code=ZZ", "--param", "1"]);
}

#[test]
fn the_statement_comes_from_an_argument_a_file_or_standard_input() {
    let world = World::with_airlines();
    world.write("q.sql", "SELECT 1 AS one -- a remark\n");
    assert_eq!(world.ok(&["sql", "-f", "q.sql", "--format", "csv"]).text(), "one\n1\n");
    let ran = world.run_with(&["sql", "-", "--format", "csv"], b"SELECT 1 AS one");
    assert_eq!(ran.text(), "one\n1\n", "{ran}");
    world.refused(2, &["sql", "  "]);
    world.refused(3, &["sql", "-f", "nothing.sql"]);
}

#[test]
fn a_statement_that_cannot_be_answered_says_why() {
    let world = World::with_airlines();
    for (code, sql) in [
        (4, "SELEC 1"),
        (4, "SELECT carier FROM nyc.airlines"),
        (3, "SELECT * FROM nyc.airplanes"),
        (3, "SELECT * FROM nyc.\"airlines@v9\""),
        (4, "DROP TABLE nyc.airlines"),
        (4, "SELECT * FROM nyc.airlines VERSION AS OF 1"),
        (4, "COPY nyc.airlines TO '/tmp/x.csv'"),
        (4, "SELECT * FROM '/etc/passwd'"),
        (4, "SELECT 1; SELECT 2"),
    ] {
        world.tell(code, &["sql", sql]).assert_clear(code);
    }
    assert_snapshot!(world.told());
}

/// A limit is named with its size; a server's can be lowered by its clients, and not lifted.
#[test]
fn answers_are_bounded_in_rows_and_bytes() {
    let world = World::with_airlines();
    let numbers = "SELECT value FROM generate_series(1, 9)";
    for format in ["csv", "json", "parquet"] {
        world.ok(&["sql", numbers, "--format", format, "--max-rows", "9", "--max-bytes", "72"]);
        let ran = world.refused(4, &["sql", numbers, "--format", format, "--max-bytes", "71"]);
        assert!(ran.stderr.contains("more than the 71 bytes of values"), "{ran}");
        let ran = world.refused(4, &["sql", numbers, "--format", format, "--max-rows", "8"]);
        assert!(ran.stderr.contains("more than the 8 rows"), "{ran}");
    }
    let limits = "{statement_rows=60, statement_bytes=40}";
    let served = Served::start_with(&world, &[], &[("LAKEBED_LIMITS", limits)]);
    let ask = |sql: &str, more: &[&str]| {
        world.run(&[&["--lake", &served.url, "sql", sql, "--format", "csv"][..], more].concat())
    };
    assert_eq!(ask("SELECT value FROM generate_series(1, 5)", &[]).text().lines().count(), 6);
    for (more, said) in [
        (&[][..], "more than the 40 bytes of values"),
        (&["--max-bytes", "1000"], "more than the 40 bytes of values"),
        (&["--max-rows", "4"], "more than the 4 rows"),
    ] {
        let ran = ask(numbers, more);
        assert!(ran.code == Some(4) && ran.stderr.contains(said), "{more:?}: {ran}");
    }
}

/// `lakebed sql … | head -1` is how people look at data.
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let world = World::with_airlines();
    let sql = "SELECT a.name, b.name, c.name, d.name FROM nyc.airlines a, nyc.airlines b, nyc.airlines c, nyc.airlines d";
    for format in ["csv", "table"] {
        let mut command = world.command(&["sql", sql, "--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_said() {
    let world = World::with_airlines();
    for format in ["csv", "table"] {
        let ran = world.refused(7, &["sql", FIRST, "--format", format, "-o", "/dev/full"]);
        assert!(ran.stderr.contains("no space is left"), "{ran}");
    }
    let mut command = world.command(&["sql", FIRST, "--format", "csv"]);
    command.stderr(Stdio::piped());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
}

/// P3, P5: ctrl-C ends the statement, and no half file stays.
#[cfg(unix)]
#[test]
fn ctrl_c_cancels_and_leaves_no_half_file() {
    let world = World::with_airlines();
    let six = "nyc.airlines a, nyc.airlines b, nyc.airlines c, nyc.airlines d, nyc.airlines e, nyc.airlines f";
    let sql = format!("SELECT a.name, b.name, c.name FROM {six}");
    let mut child = world.command(&["sql", &sql, "-o", "out.csv"]).spawn().unwrap();
    let is_writing = || {
        let entries = std::fs::read_dir(world.path("")).unwrap();
        entries.map(|entry| entry.unwrap()).any(|entry| {
            entry.file_name().to_string_lossy().ends_with(".part")
                && entry.metadata().is_ok_and(|m| m.len() > 0)
        })
    };
    while !is_writing() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was interrupted");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let killed =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!is_writing() && !world.path("out.csv").exists());
}
