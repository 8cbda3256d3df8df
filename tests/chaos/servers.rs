//! Three processes of the shipped binary on one root and one database.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long servers may take to come up while everything around them breaks.
const PATIENCE: Duration = Duration::from_secs(120);

/// See the module. Ended when dropped.
pub(crate) struct Servers {
    environment: Vec<(&'static str, String)>,
    ports: [u16; 3],
    children: [Option<Child>; 3],
}

impl Servers {
    /// Three servers that are told where the lake is by these variables.
    pub(crate) fn start(environment: Vec<(&'static str, String)>) -> Self {
        let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        let mut servers = Self { environment, ports, children: [None, None, None] };
        for index in 0..3 {
            servers.run(index);
        }
        servers
    }

    pub(crate) fn urls(&self) -> [String; 3] {
        self.ports.map(|port| format!("http://127.0.0.1:{port}"))
    }

    /// Starts one, on the port it always has.
    pub(crate) fn run(&mut self, index: usize) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakebed"));
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.args([
            "serve",
            "--create",
            "--listen",
            &format!("127.0.0.1:{}", self.ports[index]),
        ]);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("LAKEBED_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null());
        self.children[index] = Some(command.spawn().unwrap());
    }

    /// Starts those again that gave up at their start because store or database were away, as whoever
    /// supervises servers does. That one ends in any other way is a defect.
    pub(crate) fn supervise(&mut self) {
        for index in 0..3 {
            let ended = self.children[index].as_mut().and_then(|child| child.try_wait().unwrap());
            if let Some(status) = ended {
                assert_eq!(status.code(), Some(7), "server {index} ended by itself");
                self.run(index);
            }
        }
    }

    /// Waits until all of them listen.
    pub(crate) fn wait_until_up(&mut self) {
        let started = Instant::now();
        while self.ports.iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(started.elapsed() < PATIENCE, "a server does not come up");
            thread::sleep(Duration::from_millis(100));
            self.supervise();
        }
    }

    /// Dead at once, in the middle of whatever it does.
    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.children[index].take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Told to stop, each ends by itself and without an error.
    pub(crate) fn stop_in_order(&mut self) {
        for child in self.children.iter_mut().filter_map(Option::as_mut) {
            let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(kill.unwrap().success());
        }
        for child in self.children.iter_mut().filter_map(Option::take) {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0));
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for mut child in self.children.iter_mut().filter_map(Option::take) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
