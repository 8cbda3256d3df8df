//! `lakebed completions`: a script for a shell.

use clap::Args;
use clap_complete::Shell;

use crate::{
    app::App,
    cli::Cli,
    problem::{Exit, Result},
};

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed completions bash > ~/.local/share/bash-completion/completions/lakebed"
)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(app: &App, args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::parser(), "lakebed", &mut script);
    app.terminal.print(String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}
