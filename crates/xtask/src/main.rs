//! Chores of this repository: `cargo xtask test` and `cargo xtask bench ingest`.
//!
//! Rules about the repository are no chores: they are tests, in `tests/tidy`.

mod bench;
mod services;
mod setup;
mod test;
mod workspace;

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask <command>

  test [ARGS]      run all tests; ARGS go to `cargo test` (`-p lakebed-core`, `-- name`)
  bench ingest     lakebed beside DuckDB: ingest, the same file again, 1 % more rows, resolve
  bench query      governed SQL beside DataFusion alone, ROAPI and DuckDB: TPC-H, a tiny query, an export
  bench resolve    resolve alone, with 1 version and with 1,000
  bench lock       lock --check of 1,000 references, local and by a server
  bench messy      polluted files: who loads what is wrong and does not say so
      --rounds N       clean rounds to measure (7)
      --others CORES   reject a round while the rest of the machine keeps more busy (0.25)
      --versions N     length of the long history (1000)
      --only PARTS     parts of `bench query`: tpch,verified,restricted,tiny,export,answers
      --binary FILE    measure this lakebed instead of building one in release mode
      --json FILE      write every sample there, too
";

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<()> {
    let texts: Vec<String> = arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = texts.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", ..] => test::run(&arguments[1..]),
        ["bench", rest @ ..] => bench::run(rest),
        // What `bench` runs in processes of their own.
        [bench::measure::COMMAND, ..] => bench::measure::run_measured(&arguments[1..]),
        [bench::hash::COMMAND, file] => bench::hash::run(file.as_ref()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [unknown, ..] => bail!("`{unknown}` is not a command\n\n{USAGE}"),
    }
}
