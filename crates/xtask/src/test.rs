//! `cargo xtask test`: all tests of the workspace; last, the names of those that failed, and one plain line
//! that counts all.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{services::Services, setup, workspace::Workspace};

/// What the test binaries reported, summed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// The tests that failed, in the order they did; of several combinations, with theirs.
    names: Vec<String>,
    /// Whether cargo said so, too.
    succeeded: bool,
}

/// Databases and stores that the suites with a lake run on, after everything ran on SQLite and
/// folders (P10).
const COMBINATIONS: [&str; 2] = ["postgres+folder", "postgres+s3"];

/// The use cases, the door, and the command line with its demo and the examples.
const SUITES_WITH_A_LAKE: [&str; 3] = ["service", "http", "cli"];

/// Runs the tests, showing their output as it comes; `extra` goes to `cargo test`.
///
/// Everything runs once with lakes in folders; then, unless the caller picks packages, the suites
/// with lakes run on every other combination.
///
/// # Errors
/// When a test failed, when something did not build, and when no test ran at all.
pub(crate) fn run(extra: &[OsString]) -> Result<()> {
    let services = Services::start()?;
    let workspace = Workspace::find()?;
    let selection = selection(extra);
    let mut command = workspace.cargo();
    command.arg("test").args(selection).args(["--locked", "--no-fail-fast"]).args(extra);
    let mut tally = run_on("sqlite+folder", command, &services)?;
    for combination in COMBINATIONS.into_iter().filter(|_| selection.is_some()) {
        let mut command = workspace.cargo();
        command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
        command.args(SUITES_WITH_A_LAKE.into_iter().flat_map(|suite| ["--test", suite]));
        command.args(extra);
        tally = tally.and(run_on(combination, command, &services)?);
    }
    for name in &tally.names {
        println!("failed: {name}");
    }
    if tally.ignored > 0 {
        println!("{} ignored", tally.ignored);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    match tally {
        Tally { failed: 1.., .. } => bail!("tests failed"),
        Tally { succeeded: false, .. } => {
            bail!("cargo test did not succeed; its output says why")
        }
        Tally { passed: 0, .. } => bail!("no test ran"),
        _ => Ok(()),
    }
}

/// Runs one `cargo test` with lakes on `combination`, and counts.
fn run_on(combination: &str, mut command: Command, services: &Services) -> Result<Tally> {
    println!("== lakes on {combination}");
    command.envs(services.environment()).env("LAKEBED_TEST_BACKEND", combination);
    command.env("LAKEBED_TEST_SCHEMATHESIS", setup::schemathesis()?);
    command.env("LAKEBED_TEST_PYTHON", setup::python()?);
    // R is large, and no part of many systems: all else is tested without it, and what is not is said.
    match setup::rscript() {
        Ok(program) => {
            command.env("LAKEBED_TEST_RSCRIPT", program);
        }
        Err(error) => println!("== NOT TESTED: examples/clients.sh: {error:#}"),
    }
    command.env("LAKEBED_TEST_OPENAPI_CLIENT", setup::openapi_client()?);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let output = child.stdout.take().expect("stdout is piped");
    let tally = show_and_count(BufReader::new(output), io::stdout())
        .context("cannot read cargo's output")?;
    let status = child.wait().context("cannot wait for cargo")?;
    let names = tally.names.iter().map(|name| format!("{name} on {combination}")).collect();
    Ok(Tally { succeeded: status.success(), names, ..tally })
}

/// The whole workspace, unless the caller picks packages.
fn selection(extra: &[OsString]) -> Option<&'static str> {
    let ours = extra.iter().take_while(|argument| *argument != "--");
    let picks = |text: &str| text.starts_with("-p") || text.starts_with("--package");
    let picked = ours.into_iter().any(|argument| picks(&argument.to_string_lossy()));
    (!picked).then_some("--workspace")
}

fn show_and_count(mut output: impl BufRead, mut screen: impl Write) -> io::Result<Tally> {
    let mut tally = Tally { passed: 0, failed: 0, ignored: 0, names: Vec::new(), succeeded: true };
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        screen.write_all(&line)?;
        screen.flush()?;
        tally.add(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(tally)
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.names.extend(other.names);
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
            names: self.names,
            succeeded: self.succeeded && other.succeeded,
        }
    }

    /// Counts in `test result: ok. 12 passed; 0 failed; 1 ignored; …`, keeps the name of
    /// `test a::b ... FAILED`; other lines say nothing.
    fn add(&mut self, line: &str) {
        let failed = line.trim_end().strip_suffix(" ... FAILED");
        self.names.extend(failed.and_then(|line| line.strip_prefix("test ")).map(str::to_owned));
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_add_up() {
        let output = "\
running 2 tests
test a ... ok
test a::b ... FAILED
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 9 filtered out; finished in 0.1s
";
        let mut screen = Vec::new();
        let tally = show_and_count(output.as_bytes(), &mut screen).expect("memory can be read");
        assert_eq!(screen, output.as_bytes());
        let names = vec!["a::b".to_owned()];
        assert_eq!(tally, Tally { passed: 5, failed: 1, ignored: 2, names, succeeded: true });
    }

    #[test]
    fn picking_a_package_leaves_the_workspace_out() {
        let given = |words: &[&str]| {
            selection(&words.iter().map(OsString::from).collect::<Vec<_>>()).is_some()
        };
        assert!(given(&[]));
        assert!(given(&["--", "-p"]));
        assert!(!given(&["-p", "lakebed-core"]));
        assert!(!given(&["--package=lakebed-core"]));
    }
}
