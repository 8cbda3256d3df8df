//! `lakebed completions`: a script for a shell, and the references that it asks for.

use clap::Args;
use clap_complete::Shell;
use lakebed_core::DatasetName;

use crate::{
    app::App,
    cli::Cli,
    connect::Session,
    problem::{Exit, Result},
};

/// Versions that are offered behind `@`, newest first.
const VERSIONS: u32 = 20;

/// Print a completion script for a shell.
///
/// In bash, zsh and fish it completes references, too: datasets of the lake that the environment or
/// `lakebed.toml` names and, behind `@`, their versions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed completions bash > ~/.local/share/bash-completion/completions/lakebed
  lakebed completions zsh > ~/.zfunc/_lakebed      # with ~/.zfunc in $fpath
  lakebed completions fish > ~/.config/fish/completions/lakebed.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL", required_unless_present = "references")]
    shell: Option<Shell>,
    /// Print the references that begin so, a line each: what the scripts ask
    #[arg(long, value_name = "PREFIX", hide = true, conflicts_with = "shell")]
    references: Option<String>,
}

pub(crate) async fn run(app: &App, args: &CompletionsArgs) -> Result<Exit> {
    match (&args.references, args.shell) {
        // A shell shows nothing where there is nothing; it has no place for an error.
        (Some(prefix), _) => match references(app, prefix).await {
            Ok(found) => app.terminal.print(found)?,
            Err(problem) => tracing::debug!(?problem, "no references to offer"),
        },
        (None, Some(shell)) => app.terminal.print(script(shell))?,
        (None, None) => {}
    }
    Ok(Exit::Ok)
}

/// The references that begin with `prefix`, a line each.
async fn references(app: &App, prefix: &str) -> Result<String> {
    let session = Session::open(app).await?;
    let mut found = Vec::new();
    match prefix.split_once('@') {
        None => {
            let datasets = session.client.datasets(None).await?.datasets;
            found.extend(datasets.into_iter().map(|dataset| dataset.dataset.to_string()));
        }
        Some((dataset, _)) => {
            if let Ok(name) = dataset.parse::<DatasetName>() {
                let page = session.client.history(&name, None, Some(VERSIONS)).await?;
                found.push(format!("{name}@latest"));
                found.extend(page.heads.iter().map(|head| format!("{name}@{}", head.stage)));
                found.extend(page.versions.iter().map(|v| format!("{name}@v{}", v.version)));
            }
        }
    }
    session.close().await;
    found.retain(|reference| reference.starts_with(prefix));
    Ok(found.into_iter().map(|reference| reference + "\n").collect())
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::parser(), "lakebed", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + &BASH.replace("COMMANDS", &takers().join("|")),
        Shell::Fish => script + &FISH.replace("COMMANDS", &takers().join(" ")),
        Shell::Zsh => in_zsh(&script),
        _ => script,
    }
}

/// The commands that take references.
fn takers() -> Vec<String> {
    let takes = |command: &&clap::Command| {
        command.get_positionals().any(|argument| {
            let names = argument.get_value_names().unwrap_or_default();
            names.iter().any(|name| name == "REF" || name == "DATASET")
        })
    };
    Cli::parser().get_subcommands().filter(takes).map(|c| c.get_name().to_owned()).collect()
}

/// The script completes words with files where it knows nothing better; references are better.
fn in_zsh(script: &str) -> String {
    let mut ours = String::with_capacity(script.len() + ZSH.len());
    let mut lines = script.lines();
    // The first line says what the file completes.
    ours.extend(lines.next().map(|first| format!("{first}\n{ZSH}")));
    for line in lines {
        match line.contains("`namespace.name") {
            true => ours.push_str(&line.replace(":_default'", ":_lakebed_references'")),
            false => ours.push_str(line),
        }
        ours.push('\n');
    }
    ours
}

/// Bash breaks words at `@` and replaces only what is behind it.
const BASH: &str = r#"
_lakebed_with_references() {
    _lakebed "$@"
    local line="${COMP_LINE:0:COMP_POINT}" word found known
    local current="${line##* }"
    [[ $current == -* ]] && return 0
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in
            COMMANDS)
                known="$(lakebed completions --references "$current" 2>/dev/null)"
                while IFS= read -r found; do
                    [[ -z $found ]] && continue
                    [[ $current == *@* && $COMP_WORDBREAKS == *@* ]] && found="${found#"${current%@*}"@}"
                    COMPREPLY+=("$found")
                done <<< "$known"
                return 0
                ;;
        esac
    done
}
complete -F _lakebed_with_references -o bashdefault -o default lakebed
"#;

const ZSH: &str = r#"
_lakebed_references() {
    local -a found
    found=(${(f)"$(lakebed completions --references "$PREFIX" 2>/dev/null)"})
    compadd -V references -- $found
}
"#;

const FISH: &str = r#"
complete -c lakebed -n "__fish_seen_subcommand_from COMMANDS" -f -k -a "(lakebed completions --references (commandline -ct) 2>/dev/null)"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_with_references_are_known() {
        let takers = takers();
        for command in ["show", "diff", "history", "quarantine", "resolve", "lock", "verify"] {
            assert!(takers.iter().any(|taker| taker == command), "{command}: {takers:?}");
        }
        assert!(!takers.iter().any(|taker| taker == "ingest"), "{takers:?}");
    }

    #[test]
    fn scripts_ask_for_references() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("lakebed completions --references"), "{shell}");
            assert!(!script.contains("COMMANDS)") && !script.contains("from COMMANDS"), "{shell}");
        }
        let zsh = script(Shell::Zsh);
        assert!(zsh.starts_with("#compdef lakebed\n"));
        assert!(zsh.matches(":_lakebed_references'").count() >= 4, "{zsh}");
    }
}
