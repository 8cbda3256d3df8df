//! `lakebed token`: make, list and revoke API tokens.

use clap::{Args, Subcommand};
use lakebed_api::{NewToken, TokenRequest, TokenSummary};
use lakebed_core::{Action, PrincipalName, ScopeEntry, Target, TokenId, TokenScope};

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human, style},
    problem::{Exit, Problem, Result},
};

/// Make, list and revoke API tokens.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token; it is printed once, alone on standard output
    Create(CreateArgs),
    /// List tokens
    Ls(LsArgs),
    /// Take a token back, at once and everywhere
    Revoke(RevokeArgs),
}

/// Make a token. It is printed once, and kept nowhere.
///
/// Without options it is yours, for 30 days, for all that you may do. It can only be good for less:
/// what its holder may do is decided each time it is shown.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed token create --name laptop --days 90
  lakebed token create --for svc:nightly --may ingest --on sales.orders --on crm.*
  lakebed --lake ./lake token create --for alice --lake-admin    # where the lake is")]
struct CreateArgs {
    /// Who is to hold it; others than you take `admin` on the lake
    #[arg(long = "for", value_name = "PRINCIPAL")]
    principal: Option<PrincipalName>,
    /// What to call it
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// For how many days, 1 to 366; never longer than the token you show [default: 30]
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Only for these: discover, read, ingest, steward, approve, audit, admin
    #[arg(long, value_name = "ACTION", value_delimiter = ',')]
    may: Vec<Action>,
    /// Only there: a dataset, a namespace as in `crm.*`, or `lake` [default: lake]
    #[arg(long, value_name = "TARGET")]
    on: Vec<Target>,
    /// Its holder may admin the lake, whatever is declared
    #[arg(long)]
    lake_admin: bool,
}

/// List your tokens, the newest first; never their secrets.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed token ls\n  lakebed token ls --all --json")]
struct LsArgs {
    /// Everybody's, which takes `admin` on the lake
    #[arg(long)]
    all: bool,
}

/// Take a token back. From then on it proves nothing, on any server.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed token revoke 9f2c61d07a5b4c3e")]
struct RevokeArgs {
    /// The token's id: its first group of digits
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: TokenId,
    /// All tokens that were made with it, too
    #[arg(long)]
    and_made_with_it: bool,
}

/// The id alone: a whole token does not belong on a command line.
fn parse_id(text: &str) -> std::result::Result<TokenId, &'static str> {
    let id = text.strip_prefix("lkb_").unwrap_or(text);
    match id.len() {
        16 => id.parse().map_err(|_| "an id is 16 lower-case hex digits"),
        17.. if text.starts_with("lkb_") => Err("give the id alone: its first group of digits"),
        _ => Err("an id is 16 lower-case hex digits"),
    }
}

pub(crate) async fn run(app: &App, args: TokenArgs) -> Result<Exit> {
    match args.command {
        TokenCommand::Create(args) => create(app, args).await,
        TokenCommand::Ls(args) => ls(app, &args).await,
        TokenCommand::Revoke(args) => revoke(app, &args).await,
    }
}

async fn create(app: &App, args: CreateArgs) -> Result<Exit> {
    let request = TokenRequest {
        scope: scope(&args)?,
        principal: args.principal,
        label: args.name,
        days: args.days,
        first_admin: args.lake_admin,
    };
    let session = Session::open(app).await?;
    let NewToken { secret, token } = session.client.create_token(&request).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&NewToken { secret, token })?;
        return Ok(Exit::Ok);
    }
    app.terminal.print(format_args!("{secret}\n"))?;
    let TokenSummary { id, principal, expires_at, .. } = token;
    let until = human::time(expires_at);
    app.terminal
        .note(format!("token {id} of {principal}, until {until} UTC; it is not shown again"));
    Ok(Exit::Ok)
}

/// Each of the actions on each of the targets; none narrows nothing.
fn scope(args: &CreateArgs) -> Result<Option<TokenScope>> {
    if args.may.is_empty() {
        return match args.on.is_empty() {
            true => Ok(None),
            false => Err(Problem::usage("`--on` says where, but not what")
                .hint("add what it is good for there, as in `--may read`")),
        };
    }
    let targets = match args.on.is_empty() {
        true => vec![Target::Lake],
        false => args.on.clone(),
    };
    let may = args.may.iter().copied().collect();
    let entry = |on| ScopeEntry { may: Clone::clone(&may), on };
    Ok(Some(TokenScope(targets.into_iter().map(entry).collect())))
}

async fn ls(app: &App, args: &LsArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let list = session.client.tokens(args.all).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&list)?;
        return Ok(Exit::Ok);
    }
    if list.tokens.is_empty() {
        app.terminal.note("there are no tokens");
        return Ok(Exit::Ok);
    }
    let mut table =
        Table::new(["id", "of", "name", "state", "made (UTC)", "until (UTC)", "good for"]);
    for token in list.tokens {
        let good_for = match &token.scope {
            Some(scope) => scope_in_words(scope),
            None if token.first_admin => "admin of the lake".to_owned(),
            None => "all its holder may do".to_owned(),
        };
        let is_good = token.state == "good";
        table.push([
            token.id.to_string().into(),
            token.principal.to_string().into(),
            token.label.map_or_else(Cell::null, Cell::new),
            Cell::styled(token.state, if is_good { style::PLAIN } else { style::DIM }),
            human::time(token.created_at).into(),
            human::time(token.expires_at).into(),
            good_for.into(),
        ]);
    }
    app.terminal.print_table(&table)?;
    Ok(Exit::Ok)
}

async fn revoke(app: &App, args: &RevokeArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let token = session.client.revoke_token(args.id, args.and_made_with_it).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&token)?;
        return Ok(Exit::Ok);
    }
    app.terminal.note(format!("token {} of {} proves nothing any more", token.id, token.principal));
    if !args.and_made_with_it {
        app.terminal
            .note("tokens that were made with it stay good; `--and-made-with-it` ends them, too");
    }
    Ok(Exit::Ok)
}

/// `read, ingest on sales.orders; discover on crm.*`.
pub(crate) fn scope_in_words(scope: &TokenScope) -> String {
    let entry = |entry: &ScopeEntry| {
        let actions: Vec<&str> = entry.may.iter().map(|action| action.as_str()).collect();
        format!("{} on {}", actions.join(", "), entry.on)
    };
    match scope.0.is_empty() {
        true => "nothing".to_owned(),
        false => scope.0.iter().map(entry).collect::<Vec<_>>().join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_token_is_not_taken_from_the_command_line() {
        let id = "9f2c61d07a5b4c3e";
        assert!(parse_id(id).is_ok() && parse_id(&format!("lkb_{id}")).is_ok());
        for bad in ["", "9f2c", "9F2C61D07A5B4C3E", &format!("lkb_{id}_{}", "0".repeat(64))] {
            assert!(parse_id(bad).is_err(), "{bad}");
        }
    }
}
