//! One front door: the same commands through a socket, and the server's own life.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use insta::assert_snapshot;

use crate::world::World;

/// `lakebed serve` on a port of its own; ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start(world: &World) -> Self {
        Self::start_logging(world, "info")
    }

    /// The same with another log: nobody reads it here, and thousands of lines would fill the pipe.
    pub(crate) fn start_logging(world: &World, log: &str) -> Self {
        Self::start_at(world, log, "127.0.0.1:0")
    }

    fn start_at(world: &World, log: &str, address: &str) -> Self {
        let mut command = world.command(&["serve", "--create", "--listen", address]);
        command.env("LAKEBED_LOG", log);
        Self::start_command(command)
    }

    /// The server that `command` starts.
    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| {
            let mut stderr = String::new();
            child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
            panic!("no address: {line:?}\n{stderr}")
        });
        let url = url.to_owned();
        Self { child, url }
    }

    /// What the server answers to a plain GET.
    fn get(&self, path: &str) -> serde_json::Value {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The states of all jobs.
    fn job_states(&self) -> Vec<String> {
        let list = self.get("/v1/jobs");
        let state = |job: &serde_json::Value| job["state"].as_str().unwrap().to_owned();
        list["jobs"].as_array().unwrap().iter().map(state).collect()
    }

    /// Waits until a job is worked on; false if it was done before anyone saw it.
    fn sees_a_running_job(&self) -> bool {
        for _ in 0..6000 {
            match self.job_states().first().map(String::as_str) {
                Some("running") => return true,
                Some("queued") | None => std::thread::sleep(Duration::from_millis(10)),
                Some(_) => return false,
            }
        }
        panic!("no job was ever seen")
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// P10: the socket answers what the folder answers.
#[test]
fn every_command_says_the_same_through_a_socket() {
    let world = World::with_airlines();
    let server = Server::start(&world);
    for command in [
        &["ls"][..],
        &["history", "nyc.airlines"],
        &["show", "nyc.airlines@v1", "--sources"],
        &["log", "--json"],
        &["resolve", "nyc.airlines", "nyc.airlines@v1", "--json"],
        &["sql", "SELECT * FROM nyc.airlines ORDER BY carrier", "--format", "csv"],
        &["sql", "SELECT * FROM nyc.airlines ORDER BY carrier"],
        &["sql", "SHOW TABLES", "--format", "csv"],
        &["sql", "SELECT * FROM nyc.airlines WHERE false"],
        &["sql", "SELECT * FROM nyc.airlines WHERE false", "--format", "csv"],
        &["sql", "SELECT * FROM nyc.airlines WHERE false", "--format", "ndjson"],
        &["verify"],
    ] {
        let here = world.ok(command);
        let there = world.ok(&[&["--lake", &server.url], command].concat());
        assert_eq!(here.text(), there.text(), "{command:?}");
    }
    for command in [&["show", "nyc.airplanes"][..], &["sql", "SELEC"], &["show", "nyc.airlines@v9"]]
    {
        let here = world.run(command);
        let there = world.run(&[&["--lake", &server.url], command].concat());
        assert_eq!((here.code, here.stderr), (there.code, there.stderr), "{command:?}");
    }
}

#[test]
fn files_are_uploaded_to_a_server_and_fetched_from_it() {
    let world = World::with_airlines();
    let server = Server::start(&world);
    let there = |arguments: &[&str]| {
        [&["--lake", &server.url], arguments]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let ok = |arguments: &[&str]| {
        let arguments = there(arguments);
        world.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    world.write("new.csv", "id,text\n1,x\n2,y\n");
    ok(&["ingest", "new.csv", "--to", "a.new"]);
    assert_eq!(world.json(&["show", "a.new"])["version"]["row_count"], 2);
    ok(&["lock", "nyc.airlines", "a.new"]);
    ok(&["fetch", "--lock", "lakebed.lock", "--into", "remote"]);
    world.ok(&["fetch", "--lock", "lakebed.lock", "--into", "local"]);
    for file in ["nyc/airlines/part-00000.parquet", "a/new/part-00000.parquet"] {
        let (remote, local) = (world.path("remote").join(file), world.path("local").join(file));
        assert_eq!(std::fs::read(remote).unwrap(), std::fs::read(local).unwrap());
    }
    ok(&["fetch", "nyc.airlines", "--sources", "--into", "originals"]);
    assert_eq!(world.read("originals/nyc/airlines/airlines.csv"), world.read("airlines.csv"));
}

#[test]
fn an_address_that_cannot_be_listened_on_is_said() {
    let world = World::with_airlines();
    world.tell(4, &["serve", "--listen", "0.0.0.0:0", "--auth", "none"]).assert_clear(4);
    world.refused(2, &["serve", "--listen", "nonsense"]);
    let server = Server::start(&world);
    let address = server.url.strip_prefix("http://").unwrap();
    world.refused(7, &["serve", "--listen", address]);
    assert_snapshot!(world.told());
}

#[test]
fn a_server_that_is_told_to_stop_stops_in_order() {
    let world = World::with_airlines();
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(&world);
        world.ok(&["--lake", &server.url, "ls"]);
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

/// Small files of one shape, as a machine writes them day by day.
fn small_files(world: &World, count: usize) {
    for day in 0..count {
        let mut text = String::from("id,station,temp,at\n");
        for row in 0..40 {
            let id = day * 40 + row;
            let (station, minute) = (row % 7, row % 60);
            text.push_str(&format!(
                "{id},S{station},{}.5,2026-01-01T{:02}:{minute:02}:00Z\n",
                id % 30,
                day % 24
            ));
        }
        world.write(format!("days/day-{day:04}.csv"), text);
    }
}

/// One command, one version, one job; the same version wherever it is made.
#[test]
fn a_folder_of_757_small_files_is_one_command() {
    let world = World::new();
    small_files(&world, 757);
    let started = Instant::now();
    let here = world.json(&["ingest", "days", "--to", "a.days"]);
    let locally = started.elapsed();
    assert_eq!(
        (&here["version"]["version"], &here["version"]["row_count"]),
        (&1.into(), &30_280.into())
    );
    assert_eq!(here["sources"].as_array().unwrap().len(), 757);

    let other = World::new();
    small_files(&other, 757);
    let server = Server::start_logging(&other, "off");
    let started = Instant::now();
    let there = other.json(&["--lake", &server.url, "ingest", "days", "--to", "a.days"]);
    eprintln!("757 files: {locally:?} locally, {:?} through a server", started.elapsed());
    assert_eq!(there["version"]["version_id"], here["version"]["version_id"]);
    assert_eq!(server.job_states(), ["done"]);
    assert_eq!(other.json(&["history", "a.days"])["versions"].as_array().unwrap().len(), 1);
}

/// Enough that it can be seen running.
fn a_long_file(world: &World) {
    let mut text = String::from("id,name,price\n");
    for row in 0..1_000_000 {
        text.push_str(&format!("{row},\"name, of {row}\",{}.25\n", row % 977));
    }
    world.write("long.csv", text);
}

/// P4: a server that is killed at any point of a job is restarted, and the command knows nothing of
/// it; there is one version, and it is whole.
#[test]
fn a_server_that_is_killed_goes_on_when_it_is_back() {
    let world = World::new();
    a_long_file(&world);
    let mut server = Server::start_logging(&world, "off");
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let mut command =
        world.command(&["--lake", &server.url, "ingest", "long.csv", "--to", "a.long", "--json"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let was_running = server.sees_a_running_job();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = Server::start_at(&world, "off", &address);
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(done["version"]["row_count"], 1_000_000);
    let job = &server.get("/v1/jobs")["jobs"][0];
    assert_eq!(job["state"], "done");
    assert!(!was_running || job["attempt"].as_u64() >= Some(2), "{job}");
    let history = world.json(&["--lake", &server.url, "history", "a.long"]);
    assert_eq!(history["versions"].as_array().unwrap().len(), 1);
}

/// Ctrl-C ends the job on the server, too, and nothing of it is visible.
#[test]
fn whoever_stops_the_command_stops_the_job() {
    let world = World::new();
    a_long_file(&world);
    let server = Server::start_logging(&world, "off");
    let mut command =
        world.command(&["--lake", &server.url, "ingest", "long.csv", "--to", "a.long"]);
    let mut command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(server.sees_a_running_job(), "it was over before it could be stopped");
    let pid = command.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(command.wait().unwrap().code(), Some(130));
    for _ in 0..400 {
        if server.job_states() == ["cancelled"] {
            let list = server.get("/v1/datasets");
            assert!(list["datasets"].as_array().unwrap().is_empty(), "{list}");
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the job goes on: {:?}", server.job_states());
}

/// Work that nobody waits for is found again, followed and ended by its id.
#[test]
fn jobs_are_looked_after_by_their_id() {
    let world = World::with_airlines();
    let server = Server::start(&world);
    let ask = |arguments: &[&str]| world.ok(&[&["--lake", &server.url], arguments].concat());
    world.write("a.csv", "id\n1\n2\n");
    let ingest = ["ingest", "a.csv", "--to", "a.b", "--detach"];
    let id = ask(&ingest).text().trim().to_owned();
    let followed = ask(&["job", "follow", &id]);
    assert!(followed.text().starts_with("a.b@v1  2 rows"), "{}", followed.text());
    assert!(ask(&["job", "show", &id]).text().contains("ingest done  a.b@v1"));
    assert!(ask(&["job", "ls", "--limit", "1"]).text().contains(&id));
    // What is done stays done.
    let ended = world.json(&["--lake", &server.url, "job", "cancel", &id]);
    assert_eq!((&ended["state"], &ended["cancel_asked"]), (&"done".into(), &false.into()));
    world.refused(3, &["--lake", &server.url, "job", "show", "0123456789abcdef"]);
    world.refused(2, &["job", "ls"]);
    world.refused(2, &ingest);
    // A job's failure is the command's.
    world.write("empty.csv", "");
    let id = ask(&["ingest", "empty.csv", "--to", "a.c", "--detach"]).text().trim().to_owned();
    world.refused(4, &["--lake", &server.url, "job", "follow", &id]);
    assert!(ask(&["job", "show", &id]).text().contains("ingest failed"));
}
