//! What is measured, built as it is shipped.

use std::{
    io::BufReader,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;

use crate::workspace::Workspace;

/// The binary.
pub(crate) fn lakebed(workspace: &Workspace) -> Result<PathBuf> {
    eprintln!("building lakebed in release mode");
    let mut command = workspace.cargo();
    command.args(["build", "--release", "--locked", "--package", "lakebed"]);
    if !command.status().context("cannot start cargo")?.success() {
        bail!("lakebed does not build");
    }
    Ok(workspace.target.join("release/lakebed"))
}

/// A benchmark that is a program of its own.
pub(crate) fn benchmark(package: &str, name: &str) -> Result<PathBuf> {
    eprintln!("building {package}'s `{name}` in release mode");
    let mut command: Command = Workspace::find()?.cargo();
    command.args(["build", "--release", "--locked", "--package", package, "--bench", name]);
    command.args(["--message-format", "json-render-diagnostics"]).stdout(Stdio::piped());
    let mut cargo = command.spawn().context("cannot start cargo")?;
    let messages = BufReader::new(cargo.stdout.take().context("no output")?);
    let mut found = None;
    for message in Message::parse_stream(messages) {
        match message.context("cannot read what cargo says")? {
            Message::CompilerArtifact(artifact) if artifact.target.name == name => {
                found = artifact.executable.map(PathBuf::from).or(found);
            }
            _ => {}
        }
    }
    match cargo.wait()?.success() {
        true => found.with_context(|| format!("cargo names no program of `{name}`")),
        false => bail!("{package}'s `{name}` does not build"),
    }
}
