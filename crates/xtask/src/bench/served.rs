//! Servers that a benchmark starts, asks and ends.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    Bench,
    http::{Connection, post},
};

/// A server, gone when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    /// A server that answers at `address`, once it does.
    pub(crate) fn new(process: Child, address: String) -> Self {
        Self { process, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It is gone in the end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A lake in a folder of its own, to be filled and then served to those with a token.
pub(crate) struct Lake<'a> {
    lakebed: &'a Path,
    folder: &'a Path,
    catalog: Option<String>,
}

impl<'a> Lake<'a> {
    /// The lake below `folder`, whose database is `catalog` if it is not in the folder.
    pub(crate) fn new(bench: &'a Bench, folder: &'a Path, catalog: Option<String>) -> Self {
        Self { lakebed: &bench.lakebed, folder, catalog }
    }

    /// What the binary prints, called with these words.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String> {
        output(self.command().args(words))
    }

    /// Declares what `files` say, by their names.
    pub(crate) fn declare(&self, files: &[(&str, &str)]) -> Result<()> {
        for (name, text) in files {
            let file = self.folder.join("declared").join(name);
            fs::create_dir_all(file.parent().context("a file in a folder")?)?;
            fs::write(file, text)?;
        }
        self.run(&["apply", "declared"]).map(drop)
    }

    /// A token for somebody.
    pub(crate) fn token(&self, principal: &str) -> Result<String> {
        let made = self.run(&["token", "create", "--for", principal, "--json"])?;
        let made: Value = serde_json::from_str(&made)?;
        Ok(made["secret"].as_str().context("no secret came")?.to_owned())
    }

    /// Serves it on loopback.
    pub(crate) fn serve(&self) -> Result<Server> {
        let mut command = self.command();
        command.args(["serve", "--listen", "127.0.0.1:0", "--auth", "required"]);
        let process = command.stdout(Stdio::piped()).spawn().context("cannot start lakebed")?;
        let mut server = Server::new(process, String::new());
        let mut line = String::new();
        let said = server.process.stdout.take().context("no output")?;
        BufReader::new(said).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        server.address = address.with_context(|| format!("lakebed does not serve: {line}"))?.into();
        Ok(server)
    }

    /// The binary, with this lake.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.lakebed);
        command.env("LAKEBED_LAKE", self.folder.join("lake")).env("LAKEBED_LOG", "error");
        match &self.catalog {
            Some(catalog) => command.env("LAKEBED_CATALOG", catalog),
            None => command.env_remove("LAKEBED_CATALOG"),
        };
        command.current_dir(self.folder).stdin(Stdio::null());
        command
    }
}

/// A request of whoever has `token`.
pub(crate) fn request(
    server: &Server,
    token: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let bearer = format!("Bearer {token}");
    let fields = [&[("authorization", bearer.as_str())], fields].concat();
    post(&server.address, path, &fields, body)
}

/// What a command prints, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let ran = command.stderr(Stdio::piped()).output();
    let ran = ran.with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !ran.status.success() {
        bail!("{:?}: {}", command.get_program(), String::from_utf8_lossy(&ran.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}
