//! An S3 server: SeaweedFS, with identities of ours so that signatures are really checked.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::ports;
use crate::setup;

/// Who may ask, with which keys; the tests know them from the same file.
const IDENTITIES: &str = include_str!("../../../lakebed-testkit/src/s3_identities.json");

/// It takes about three seconds on an idle machine.
const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// Others may take a port between our look and its use.
const TRIES: usize = 3;

/// A running server, stopped on drop.
#[derive(Debug)]
pub(crate) struct S3Server {
    child: Child,
    port: u16,
    /// Ports that name sockets outside of `folder`.
    ports: [u16; 8],
    folder: TempDir,
}

impl S3Server {
    /// Installs the server if it is missing, starts it and waits until it stores something.
    pub(crate) fn start() -> Result<Self> {
        let program = setup::seaweedfs()?;
        let mut last = None;
        for _ in 0..TRIES {
            match Self::try_start(&program) {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("it was tried")).context("the S3 server of the tests does not start")
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn try_start(program: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("lakebed-s3-").tempdir()?;
        let identities = folder.path().join("identities.json");
        fs::write(&identities, IDENTITIES)?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        let log = File::create(folder.path().join("log"))?;
        let ports = ports::free()?;
        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc] = ports;

        let mut command = setup::dies_with_us(program);
        command.arg("server");
        let paths = [("dir", &data), ("s3.config", &identities)];
        for (name, path) in paths {
            command.arg(format!("-{name}={}", path.display()));
        }
        let ports_by_name = [
            ("master.port", master),
            ("master.port.grpc", master_grpc),
            ("volume.port", volume),
            ("volume.port.grpc", volume_grpc),
            ("filer.port", filer),
            ("filer.port.grpc", filer_grpc),
            ("s3.port", s3),
            ("s3.port.grpc", s3_grpc),
        ];
        for (name, port) in ports_by_name {
            command.arg(format!("-{name}={port}"));
        }
        command.args([
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3.ip.bind=127.0.0.1",
            "-filer",
            "-s3",
            "-s3.iam=false",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.volumePreallocate=false",
            "-master.volumeSizeLimitMB=256",
            "-volume.max=200",
            // Of a disk that is nearly full, too: tests write little.
            "-volume.minFreeSpace=100MiB",
        ]);
        // It looks for settings in its user's home, and keeps sockets in the temporary folder.
        command.env("HOME", folder.path()).env("TMPDIR", folder.path()).current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("cannot start it")?;
        let mut server = Self { child, port: s3, ports, folder };
        server.wait_until_it_stores(master)?;
        Ok(server)
    }

    /// The S3 door refuses strangers, and the store behind it has room to give.
    fn wait_until_it_stores(&mut self, master: u16) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < STARTS_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                bail!("it stopped with {status}: {}", self.last_words());
            }
            let answers = ports::get(self.port, "/").is_some_and(|answer| answer.contains(" 403 "));
            if answers && ports::get(master, "/dir/assign").is_some_and(|a| a.contains("\"fid\"")) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("it does not answer after {} s: {}", STARTS_WITHIN.as_secs(), self.last_words())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(10).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for S3Server {
    /// At once: asked politely it takes up to a minute, and nothing of it is kept.
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
        remove_sockets(&self.ports);
    }
}

/// What it leaves in the system's folder for temporary files, named by its ports.
fn remove_sockets(ports: &[u16]) {
    let Ok(entries) = fs::read_dir("/tmp") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let ours = |port: &u16| name.ends_with(&format!("-{port}.sock"));
        if name.starts_with("seaweedfs-") && ports.iter().any(ours) {
            // Another process cannot have it: the port was ours.
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the real thing: what `cargo xtask test` relies on.
    #[test]
    fn the_server_refuses_strangers_and_leaves_nothing() {
        let server = S3Server::start().expect("it starts");
        let (folder, port) = (server.folder.path().to_owned(), server.port);
        let answer = ports::get(port, "/some-bucket/some-key").expect("it answers");
        assert!(answer.contains("AccessDenied"), "{answer}");
        drop(server);
        assert_eq!(ports::get(port, "/"), None);
        assert!(!folder.exists());
    }
}
