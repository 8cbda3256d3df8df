//! One front door: the same commands through a socket, and the server's own life.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
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
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("LAKEBED_LOG", log);
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

    fn signal(&self, name: &str) {
        let kill =
            std::process::Command::new("kill").args([name, &self.child.id().to_string()]).status();
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
