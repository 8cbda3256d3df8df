//! Tools that tests need and a machine with Rust may lack.
//!
//! A tool is probed first and installed when the probe fails, so that a second run costs nothing.
//! A tool that cannot be had fails the run: no test is skipped silently.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// A program the tests call.
#[derive(Debug)]
pub(crate) struct Tool {
    /// For messages.
    pub(crate) name: &'static str,
    /// Succeeds exactly when the tool is there.
    pub(crate) probe: &'static [&'static str],
    /// Installs it.
    pub(crate) install: &'static [&'static str],
}

/// What the tests need besides Rust and a C compiler: nothing so far.
pub(crate) const TOOLS: &[Tool] = &[];

/// Makes sure that every tool is there.
///
/// # Errors
/// When one is missing and installing it did not help.
pub(crate) fn provide(tools: &[Tool]) -> Result<()> {
    for tool in tools {
        if succeeds(tool.probe) {
            continue;
        }
        eprintln!("installing {}: {}", tool.name, tool.install.join(" "));
        if !succeeds(tool.install) || !succeeds(tool.probe) {
            bail!("the tests need {}; `{}` did not help", tool.name, tool.install.join(" "));
        }
    }
    Ok(())
}

fn succeeds(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_installed() {
        let there = Tool { name: "true", probe: &["true"], install: &["false"] };
        assert!(provide(&[there]).is_ok());
    }

    #[test]
    fn what_cannot_be_had_fails_the_run() {
        let missing = Tool { name: "nothing", probe: &["false"], install: &["true"] };
        assert!(provide(&[missing]).is_err());
    }
}
