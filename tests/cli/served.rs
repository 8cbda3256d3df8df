//! `lakebed serve` as a child process: its addresses, its log, its end.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::world::World;

/// A server on ports of its own; ended when dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
    /// Where the operators' door is, when it has one.
    pub(crate) metrics_url: Option<String>,
    log: tempfile::TempPath,
}

impl Served {
    /// Serves the world's lake with these variables and more arguments.
    pub(crate) fn start(world: &World, more: &[&str]) -> Self {
        Self::start_with(world, more, &[])
    }

    pub(crate) fn start_with(world: &World, more: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(more).envs(variables.iter().copied());
        Self::from(command)
    }

    /// Starts a command that serves.
    pub(crate) fn from(mut command: Command) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        command.arg("--json").stdout(Stdio::piped()).stderr(log.reopen().unwrap());
        let log = log.into_temp_path();
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(said) = serde_json::from_str::<Value>(&line) else {
            let _ = child.wait();
            panic!("no address: {line:?}\n{}", fs::read_to_string(&log).unwrap())
        };
        let text = |key: &str| said[key].as_str().map(str::to_owned);
        Self { child, url: text("url").unwrap(), metrics_url: text("metrics_url"), log }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> String {
        self.url.split_once("://").unwrap().1.to_owned()
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([name, &self.pid().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), self.log());
            }
            assert!(started.elapsed() < Duration::from_secs(60), "it goes on:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop, and waits until it did.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.signal("-TERM");
        self.wait()
    }

    /// A whole answer: status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        self.get_with(path, "")
    }

    /// The same with more header fields, each with its end of line.
    pub(crate) fn get_with(&self, path: &str, fields: &str) -> (u16, String) {
        get(&self.address(), path, fields)
    }

    /// The same from the operators' door.
    pub(crate) fn get_operators(&self, path: &str) -> (u16, String) {
        let url = self.metrics_url.as_ref().expect("it was started with --metrics-listen");
        get(url.strip_prefix("http://").unwrap().split('/').next().unwrap(), path, "")
    }

    /// Sends a request, and leaves the answer to be read.
    pub(crate) fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str, fields: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{fields}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Waits until `done` says so.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A file of this world.
pub(crate) fn path_of(world: &World, name: &str) -> String {
    let path: PathBuf = world.path(name);
    path.to_str().unwrap().to_owned()
}
