//! `lakebed whoami`: who the lake takes the caller for.

use clap::Args;
use lakebed_api::WhoAmI;

use crate::{
    app::App,
    connect::Session,
    output::{escaped, human},
    problem::{Exit, Result},
};

/// Say who you are to the lake, and what proves it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lakebed whoami\n  lakebed --lake https://lake.example whoami --json"
)]
pub(crate) struct WhoAmIArgs {}

pub(crate) async fn run(app: &App, _args: WhoAmIArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let who = session.client.whoami().await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&who)?;
        return Ok(Exit::Ok);
    }
    let line = |(name, value): (&str, String)| format!("{name:<9}  {}\n", escaped(&value));
    app.terminal.print(rows(&who).into_iter().map(line).collect::<String>())?;
    Ok(Exit::Ok)
}

fn rows(who: &WhoAmI) -> Vec<(&'static str, String)> {
    let mut rows = vec![("principal", who.principal.to_string())];
    match who.standing.as_str() {
        "owner" => rows.push(("may", "everything: the lake is in your hands".to_owned())),
        "first_admin" => rows.push(("may", "admin the lake".to_owned())),
        _ => {}
    }
    if !who.groups.is_empty() {
        let groups: Vec<&str> = who.groups.iter().map(|group| group.as_str()).collect();
        rows.push(("groups", groups.join(", ")));
    }
    for (name, value) in &who.attributes {
        rows.push(("attribute", format!("{name} = {value}")));
    }
    rows.push(match (&who.token, &who.issuer) {
        (Some(token), _) => ("proved by", format!("token {token}")),
        (None, Some(issuer)) => ("proved by", format!("a token of {issuer}")),
        (None, None) => ("proved by", "nothing: nobody is asked here".to_owned()),
    });
    if let Some(expires_at) = who.expires_at {
        rows.push(("until", format!("{} UTC", human::time(expires_at))));
    }
    if let Some(scope) = &who.scope {
        rows.push(("good for", super::token::scope_in_words(scope)));
    }
    rows
}
