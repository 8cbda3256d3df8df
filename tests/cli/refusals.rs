//! Bad input: one clear line and a hint, no backtrace, no version.

use std::io::Write as _;

use insta::assert_snapshot;
use lakebed_core::{EventBody, ObjectId, VersionId};
use lakebed_service::{Segment, SegmentBytes};

use crate::world::{LAKEBED, Ran, World, example};

/// Refused with `code`, with a hint, and no version came of it. Goes into the transcript.
#[track_caller]
fn refused(world: &World, code: i32, arguments: &[&str]) {
    let before = world.version_count();
    let ran = world.tell(code, arguments);
    ran.assert_clear(code);
    assert!(ran.stderr.contains("\nhint: "), "no hint\n{ran}");
    assert!(ran.stdout.is_empty(), "{ran}");
    assert_eq!(world.version_count(), before, "{ran}");
}

#[test]
fn sources_that_are_not_there_or_empty() {
    let world = World::new();
    std::fs::create_dir(world.path("nothing")).unwrap();
    world.write("empty.csv", "");
    world.write("header.csv", "a,b,c\n");
    refused(&world, 3, &["ingest", "missing.csv", "--to", "a.b"]);
    refused(&world, 4, &["ingest", "nothing", "--to", "a.b"]);
    refused(&world, 3, &["ingest", "*.parquet", "--to", "a.b"]);
    assert!(!world.path("lake").exists(), "a slip makes no lake");
    refused(&world, 4, &["ingest", "empty.csv", "--to", "a.b"]);
    refused(&world, 4, &["ingest", "header.csv", "--to", "a.b"]);
    assert_snapshot!(world.told());
}

#[test]
fn sources_that_are_no_table() {
    let world = World::new();
    let garbage: Vec<u8> =
        (0..20_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    world.write("garbage.csv", &garbage);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for row in 0..5000 {
        writeln!(gzip, "{row},text {row}").unwrap();
    }
    let gzip = gzip.finish().unwrap();
    world.write("truncated.csv.gz", &gzip[..gzip.len() / 2]);
    world.write("unclosed.csv", "id,\"text\n1,never closed\n2,x\n3,y\n");
    world.write("broken.parquet", b"PAR1 this is not one PAR1");
    refused(&world, 4, &["ingest", "garbage.csv", "--to", "a.b"]);
    refused(&world, 4, &["ingest", "truncated.csv.gz", "--to", "a.b"]);
    refused(&world, 4, &["ingest", "unclosed.csv", "--to", "a.b"]);
    refused(&world, 4, &["ingest", "broken.parquet", "--to", "a.b"]);

    // P1: what was refused is kept, and the log says where.
    let log = world.ok(&["log", "--json"]).text();
    assert_eq!(log.matches("ingest_refused").count(), 4, "{log}");
    world.ok(&["verify"]);
    assert_snapshot!(world.told());
}

#[test]
fn a_line_of_100_megabytes() {
    let world = World::new();
    let mut long = vec![b'x'; 100_000_000];
    long[..4].copy_from_slice(b"a,b\n");
    world.write("long.csv", long);
    refused(&world, 4, &["ingest", "long.csv", "--to", "a.b"]);
    assert_snapshot!(world.told());
}

#[test]
fn types_that_do_not_fit() {
    let world = World::with_airlines();
    world.write("t.csv", "id,n\na,one\nb,two\n");
    refused(&world, 4, &["ingest", "t.csv", "--to", "a.b", "--type", "n=long"]);
    refused(&world, 2, &["ingest", "t.csv", "--to", "a.b", "--type", "n=quick"]);
    world.write("other.csv", "code,name\nAA,x\n");
    refused(&world, 4, &["ingest", "other.csv", "--to", "nyc.airlines"]);
    assert_snapshot!(world.told());
}

#[test]
fn references_that_mean_nothing() {
    let world = World::with_airlines();
    refused(&world, 3, &["show", "nyc.airplanes"]);
    refused(&world, 3, &["resolve", "nyc.airlines", "nyc.airlines@v3"]);
    refused(&world, 3, &["show", "nyc.airlines@b3:00000000"]);
    refused(&world, 3, &["show", "nyc.airlines@1999-12-31"]);
    refused(&world, 2, &["show", "nyc.airlines@b3:12"]);
    refused(&world, 2, &["show", "airlines"]);
    assert_snapshot!(world.told());
}

/// Two ids with one beginning cannot be made, so the journal is told that there are.
#[test]
fn an_ambiguous_digest_prefix() {
    let world = World::in_folder_with_airlines();
    let ids: Vec<String> = world.json(&["history", "nyc.airlines"])["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["version_id"].as_str().unwrap().to_owned())
        .collect();
    let (second, first) = (&ids[0], &ids[1]);
    let twin = format!("{}{}", &first[..8], &second[8..]);
    let last = std::fs::read_dir(world.path("lake/journal"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .max()
        .unwrap();
    let SegmentBytes::Whole(segment) = Segment::read(&std::fs::read(&last).unwrap()) else {
        panic!("the last segment is whole")
    };
    let mut events = segment.events.clone();
    for event in &mut events {
        if let EventBody::VersionCommitted(version) = &mut event.body {
            let (old, new): (ObjectId, ObjectId) =
                (version.version_id.object(), twin.parse().unwrap());
            version.version_id = VersionId::new(new);
            version
                .objects
                .iter_mut()
                .filter(|object| object.id == old)
                .for_each(|object| object.id = new);
            version.objects.sort();
        }
    }
    let forged = Segment::new(segment.lake, segment.segment, segment.previous, events).unwrap();
    std::fs::remove_file(&last).unwrap();
    std::fs::write(&last, forged.to_bytes()).unwrap();
    world.ok(&["rebuild", "--replace"]);
    world.tell(3, &["resolve", &format!("nyc.airlines@b3:{}", &first[..8])]).assert_clear(3);
    assert_snapshot!(world.told());
    world.ok(&["resolve", &format!("nyc.airlines@b3:{}", &first[..12])]);
}

#[test]
fn names_that_leave_the_folder_or_move_the_cursor() {
    let world = World::with_airlines();
    for name in ["../etc.passwd", "a.b/../c", "a.\u{1b}[2Jb", "A.b", "a", "a.b@v1", "system.x"] {
        let ran = world.refused(2, &["ingest", "airlines.csv", "--to", name]);
        assert!(ran.stderr.contains("\nhint: "), "{ran}");
    }
    for name in ["../x.csv", "/etc/passwd", "a\u{7}.csv", "a\nb.csv"] {
        let ran = world.run_with(&["ingest", "-", "--name", name, "--to", "a.b"], b"a,b\n1,2\n");
        ran.assert_clear(4);
    }
    refused(&world, 2, &["ingest", "airlines.csv", "--to", "../etc.passwd"]);
    assert_eq!(world.version_count(), 2);
    assert_snapshot!(world.told());
}

#[test]
fn mistakes_on_the_command_line() {
    let world = World::with_airlines();
    refused(&world, 2, &["ingest", "airlines.csv"]);
    refused(&world, 2, &["ingset"]);
    refused(&world, 2, &["fetch", "--into", "x"]);
    refused(&world, 2, &["lock"]);
    refused(&world, 2, &["ingest", "airlines.csv", "airlines.csv", "--to", "a.b"]);
    assert_snapshot!(world.told());
}

#[test]
fn no_lake_is_said_and_none_is_made() {
    let world = World::in_folder();
    for arguments in
        [&["ls"][..], &["sql", "SELECT 1"], &["verify"], &["rebuild"], &["show", "a.b"]]
    {
        let ran = world.refused(3, arguments);
        assert!(
            ran.stderr.contains("there is no lake at") && ran.stderr.contains("hint: "),
            "{ran}"
        );
    }
    assert!(!world.path("lake").exists());
    world.write("full/of/my/files", "x");
    world.write("a.csv", "a,b\n1,2\n");
    world.tell(5, &["--lake", "full", "ingest", "a.csv", "--to", "a.b"]).assert_clear(5);
    assert_snapshot!(world.told());
    let ran = world.refused(7, &["--lake", "http://127.0.0.1:1", "ls"]);
    assert!(ran.stderr.contains("no server answers"), "{ran}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database() {
    use sqlx::Connection as _;
    let world = World::in_folder_with_airlines();
    let url = format!("sqlite://{}", world.path("lake/lakebed.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.unwrap();
    world.write("new.csv", "carrier,name\nAA,x\n");
    let ran = world.refused(5, &["ingest", "new.csv", "--to", "nyc.airlines"]);
    assert_snapshot!(ran);
    sqlx::query("ROLLBACK").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!(world.version_count(), 2);
    world.ok(&["ingest", "new.csv", "--to", "nyc.airlines"]);
}

/// On a small file system where one may be mounted; else under a limit on the size of files, which
/// fails the same way one write later.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    const SMALL_DISK: &str = "mkdir -p disk && mount -t tmpfs -o size=1m tmpfs disk";
    let world = World::in_folder();
    let can = |arguments: &[&str]| {
        let mut command = world.command_of("unshare");
        world
            .finish(
                {
                    command.args(arguments).args(["sh", "-c", SMALL_DISK]);
                    command
                },
                b"",
            )
            .code
            == Some(0)
    };
    let (wrapper, limit): (&[&str], _) = if can(&["-m"]) {
        (&["unshare", "-m"], SMALL_DISK)
    } else if can(&["-Urm"]) {
        (&["unshare", "-Urm"], SMALL_DISK)
    } else {
        (&["env"], "trap '' XFSZ; ulimit -f 1024")
    };
    let script = format!(
        "{limit}; \"$LAKEBED\" --lake disk/lake ingest \"$1\" --to a.big; echo \"exit code $?\"; \
         \"$LAKEBED\" --lake disk/lake ls"
    );
    let mut command = world.command_of(wrapper[0]);
    command.args(&wrapper[1..]).args(["sh", "-c", &script, "sh"]);
    command.arg(example("weather.csv")).env("LAKEBED", LAKEBED);
    let ran = world.finish(command, b"");
    assert_eq!(ran.text(), "exit code 7\n", "{ran}");
    let first = ran.stderr.lines().next().unwrap_or_default();
    assert!(first.starts_with("error: ") && ran.stderr.contains("\nhint: "), "{ran}");
    assert!(
        ran.stderr.contains("full") || ran.stderr.contains("space") || ran.stderr.contains("room"),
        "{ran}"
    );
    assert!(!ran.stderr.contains("panicked"), "{ran}");
}

/// As an ordinary user, for root may write everywhere.
#[cfg(unix)]
#[test]
fn a_read_only_folder() {
    use std::os::unix::{fs::PermissionsExt as _, process::CommandExt as _};
    const NOBODY: u32 = 65534;
    let world = World::in_folder();
    let mode = |name: &str, mode| {
        std::fs::set_permissions(world.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    world.write("airlines.csv", std::fs::read(example("airlines.csv")).unwrap());
    world.write("secret.csv", "a,b\n1,2\n");
    std::fs::create_dir(world.path("locked")).unwrap();
    std::fs::create_dir(world.path("open")).unwrap();
    for (name, bits) in [("", 0o755), ("locked", 0o555), ("open", 0o777), ("secret.csv", 0o000)] {
        mode(name, bits);
    }
    let is_root = rustix::process::geteuid().is_root();
    let program = if is_root {
        // The binary may lie where only root may go.
        std::fs::copy(LAKEBED, world.path("lakebed")).unwrap();
        mode("lakebed", 0o755);
        world.path("lakebed")
    } else {
        LAKEBED.into()
    };
    let run = |arguments: &[&str]| -> Ran {
        let mut command = world.command_of(&program);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.args(arguments);
        world.finish(command, b"")
    };
    let ran = run(&["--lake", "locked/lake", "ingest", "airlines.csv", "--to", "a.b"]);
    ran.assert_clear(7);
    world.tell_of("lakebed --lake locked/lake ingest airlines.csv --to a.b", &ran);
    let ran = run(&["--lake", "open/lake", "ingest", "secret.csv", "--to", "a.b"]);
    ran.assert_clear(7);
    world.tell_of("lakebed --lake open/lake ingest secret.csv --to a.b", &ran);
    assert_snapshot!(world.told());
    assert_eq!(
        run(&["--lake", "open/lake", "ingest", "airlines.csv", "--to", "a.b"]).code,
        Some(0)
    );
    let ran = run(&["--lake", "open/lake", "sql", "SELECT 1", "-o", "locked/out.csv"]);
    ran.assert_clear(7);
    let ran = run(&["--lake", "open/lake", "fetch", "a.b", "--into", "locked/in"]);
    ran.assert_clear(7);
}

/// Whatever is configured, this machine and a cloud's metadata are not fetched from; a server that
/// lists no hosts fetches nothing.
#[test]
fn urls_that_lead_inside() {
    let world = World::with_airlines();
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let here = format!("http://127.0.0.1:{}", inside.local_addr().unwrap().port());
    let ours = world.lake();
    let refused = |url: &str, variables: &[(&str, &str)], lake: &str, words: &str| {
        let before = world.version_count();
        let mut command = world.command(&["ingest", url, "--to", "web.x"]);
        command.env("LAKEBED_LAKE", lake).envs(variables.iter().copied());
        let ran = world.finish(command, b"");
        ran.assert_clear(4);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("\nhint: "), "{ran}");
        assert_eq!(world.version_count(), before, "{ran}");
    };
    let file = format!("{here}/x.csv?key=secret");
    refused(&file, &[], &ours, "not among those");
    refused("https://127.0.0.1/x.csv", &[], &ours, "may not be reached");
    refused("https://169.254.169.254/latest/", &[], &ours, "may not be reached");
    refused("https://user:word@example.org/x.csv", &[], &ours, "a user's name or password");
    for variable in ["LAKEBED_URL_HOSTS", "LAKEBED_URL_PRIVATE_HOSTS"] {
        refused(&file, &[(variable, &here)], &ours, "may not be reached");
    }
    let server = crate::server::Server::start(&world);
    refused(&file, &[], &server.url, "this server fetches nothing from URLs");
    assert!(inside.accept().is_err(), "nobody was connected to");
}

/// Text is no Parquet file because it is called one; whoever says that it is text is believed.
#[test]
fn a_name_that_lies_is_refused() {
    let world = World::new();
    for name in ["t.parquet", "t.pq", "t.xlsx", "t.csv.gz", "t.csv.zst"] {
        world.write(name, "a,b\n1,2\n");
        let ran = world.refused(4, &["ingest", name, "--to", "x.y"]);
        assert!(ran.stderr.contains("--as csv"), "{ran}");
        world.ok(&["ingest", name, "--to", "x.y", "--as", "csv", "--plan"]);
    }
    world.ok(&["ingest", "t.parquet", "--to", "x.files", "--as", "files"]);
    let write = "printf 'a,b\\n1,2\\n' > $LAKEBED_OUTPUTS/o.parquet";
    let run = ["run", "--no-inputs", "--out", "x.o=o.parquet", "--", "sh", "-c", write];
    world.refused(4, &run);
    assert_eq!(world.version_count(), 1);
}

#[test]
fn help_has_help() {
    let world = World::new();
    for arguments in [["help", "--help"], ["help", "-h"]] {
        let ran = world.ok(&arguments);
        assert!(ran.text().contains("Usage: lakebed"), "{ran}");
    }
    world.refused(2, &["help", "--nothing"]);
}
