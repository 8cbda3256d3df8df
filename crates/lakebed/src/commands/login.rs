//! `lakebed login` and `lakebed logout`: keep a token for a server, or forget it.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use clap::Args;
use serde_json::json;
use url::Url;

use crate::{
    app::App,
    config::Target,
    connect::nobody,
    credentials::{Credentials, check},
    output::human,
    problem::{Exit, Problem, Result},
};

/// More than a token: the rest of a line is not read.
const MAX_LINE: u64 = 64 << 10;

/// Keep a token for a server, so that other commands show it there.
///
/// The token is asked for without showing it, or read from standard input; never from the command
/// line. It is tried first. It is kept in `lakebed/credentials.toml` below your configuration folder
/// (XDG_CONFIG_HOME, else ~/.config), readable by you alone, and sent to this server only.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed --lake https://lake.example login
  lakebed --lake https://lake.example login < token.txt")]
pub(crate) struct LoginArgs {}

/// Forget the token kept for a server. It stays good: `lakebed token revoke` ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed --lake https://lake.example logout")]
pub(crate) struct LogoutArgs {}

pub(crate) async fn run(app: &App, _args: LoginArgs) -> Result<Exit> {
    let server = server(app)?;
    let credentials = Credentials::of(&app.settings)?;
    let client = nobody(app, server)?;
    let token = check(&ask(server)?, "what was given")?;
    let who = client.with_token(&token)?.whoami().await?;
    credentials.keep(server, &token)?;
    if app.terminal.json {
        app.terminal.print_json(&json!({ "url": server.as_str(), "principal": who.principal }))?;
        return Ok(Exit::Ok);
    }
    let until = who.expires_at.map(|at| format!(", until {} UTC", human::time(at)));
    app.terminal.print(format_args!("you are {}{}\n", who.principal, until.unwrap_or_default()))?;
    if who.credential == "presence" {
        app.terminal.note("nobody is asked there, so this says nothing of the token");
    }
    Ok(Exit::Ok)
}

pub(crate) fn forget(app: &App, _args: &LogoutArgs) -> Result<Exit> {
    let server = server(app)?;
    let forgotten = Credentials::of(&app.settings)?.forget(server)?;
    if app.terminal.json {
        app.terminal.print_json(&json!({ "url": server.as_str(), "forgotten": forgotten }))?;
    } else if forgotten {
        app.terminal.note(format!("the token for {server} is forgotten; it stays good"));
    } else {
        app.terminal.note(format!("no token was kept for {server}"));
    }
    Ok(Exit::Ok)
}

fn server(app: &App) -> Result<&Url> {
    match app.settings.lake()? {
        Target::Server(url) => Ok(url),
        _ => Err(Problem::usage("a lake of your own needs no token: this is about servers")
            .hint("name one, as in `--lake https://lake.example`")),
    }
}

/// From the keyboard without an echo, or the first line of what is piped in.
fn ask(server: &Url) -> Result<String> {
    let failed = |error: io::Error| {
        Problem::new(Exit::Unavailable, "io", format!("no token can be read: {error}"))
    };
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(format!("token for {server}: ")).map_err(failed);
    }
    let mut line = String::new();
    io::stdin().lock().take(MAX_LINE).read_line(&mut line).map_err(failed)?;
    Ok(line)
}
