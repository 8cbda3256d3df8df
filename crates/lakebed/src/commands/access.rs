//! `lakebed access explain`: why somebody may do what they may, and why not more.

use clap::{Args, Subcommand};
use lakebed_api::{AccessExplanation, PolicyExplained};
use lakebed_core::Target;

use super::catalog::{NAMES, shown};
use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, style},
    problem::{Exit, Result},
};

/// Who may do what.
#[derive(Debug, Args)]
pub(crate) struct AccessArgs {
    #[command(subcommand)]
    command: AccessCommand,
}

#[derive(Debug, Subcommand)]
enum AccessCommand {
    /// Say what you, or somebody else, may do with a target, which grants decide it, and which
    /// policies take something away
    ///
    /// It answers by names: whether there is such a dataset it does not say. Others are explained to
    /// whoever may admin the target.
    #[command(after_help = "\
Examples:
  lakebed access explain sales.orders
  lakebed access explain --as alice sales.orders
  lakebed access explain --as svc:nightly 'sales.*'")]
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// `lake`, a namespace as in `sales.*`, or a dataset
    #[arg(default_value = "lake", value_name = "TARGET")]
    target: Target,
}

pub(crate) async fn run(app: &App, args: AccessArgs) -> Result<Exit> {
    let AccessCommand::Explain(args) = args.command;
    // Whoever explains is the caller: `--as` says whom to explain.
    let session = Session::open_as_caller(app).await?;
    let target = args.target.to_string();
    let explanation = session.client.explain_access(&target, app.principal.as_ref()).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&explanation)?;
        return Ok(Exit::Ok);
    }
    print(app, &explanation)?;
    Ok(Exit::Ok)
}

fn print(app: &App, explanation: &AccessExplanation) -> Result<()> {
    let bold = style::BOLD;
    let standing = match explanation.standing.as_str() {
        "owner" => ", who owns the lake",
        "first-admin" => ", who holds the first admin token",
        _ => "",
    };
    let (principal, target) = (&explanation.principal, &explanation.target);
    app.terminal.print(format_args!("{bold}{principal}{bold:#}{standing}, on {target}\n"))?;
    let mut facts: Vec<String> =
        explanation.groups.iter().map(|group| format!("group:{group}")).collect();
    facts.extend(explanation.attributes.iter().map(|(name, value)| format!("{name} = {value}")));
    if !facts.is_empty() {
        app.terminal.print(format_args!("  {}\n", crate::output::escaped(&facts.join(", "))))?;
    }
    app.terminal.print("\n")?;
    let mut actions = Table::new(["action", "allowed"]);
    for explained in &explanation.actions {
        let (word, style) = match (explained.is_allowed, explained.is_out_of_scope) {
            (true, _) => ("yes", style::GOOD),
            (false, true) => ("no: outside the token's scope", style::WARN),
            (false, false) => ("no", style::DIM),
        };
        actions.push([explained.action.to_string().into(), Cell::styled(word, style)]);
    }
    app.terminal.print_table(&actions)?;
    match explanation.grants.is_empty() {
        true => app.terminal.note("no grant is made to them"),
        false => print_grants(app, explanation)?,
    }
    print_policies(app, explanation)
}

fn print_grants(app: &App, explanation: &AccessExplanation) -> Result<()> {
    app.terminal.print("\n")?;
    let mut grants = Table::new(["applies", "grant"]);
    for explained in &explanation.grants {
        let (word, style) = match explained.why_not.as_deref() {
            None => ("yes", style::GOOD),
            Some("over") => ("no: it is over", style::WARN),
            Some("elsewhere") => ("no: another target", style::DIM),
            Some("stage-not-reached") => ("no: a higher stage", style::DIM),
            Some(_) => ("no: to others", style::DIM),
        };
        grants.push([Cell::styled(word, style), shown(&explained.grant).into()]);
    }
    app.terminal.print_table(&grants)
}

fn print_policies(app: &App, explanation: &AccessExplanation) -> Result<()> {
    if explanation.policies.is_empty() {
        return Ok(());
    }
    app.terminal.print("\n")?;
    let mut policies = Table::new(["restricts", "policy"]);
    for explained in &explanation.policies {
        let (word, style) = match explained.why_not.as_deref() {
            None => ("yes", style::WARN),
            Some("owner") => ("no: they own the lake", style::DIM),
            Some(_) => ("no: excepted", style::DIM),
        };
        let what = match (&explained.restriction, explained.kind.as_str()) {
            (Some(restriction), _) => restriction.clone(),
            (None, "rows") => "only some rows".to_owned(),
            (None, "mask") => "some columns masked".to_owned(),
            (None, _) => "some columns hidden".to_owned(),
        };
        let tagged = tagged(explained);
        let told = format!("{} on {}{tagged}: {what}", explained.name, explained.on);
        policies.push([Cell::styled(word, style), told.into()]);
    }
    app.terminal.print_table(&policies)
}

/// What carries a policy's tag: ` (crm.customers.email, crm.notes)`; nothing if it is on none.
fn tagged(explained: &PolicyExplained) -> String {
    let mut names = Vec::new();
    for part in &explained.tagged {
        match &part.columns {
            None => names.push(part.dataset.to_string()),
            Some(columns) => {
                names.extend(columns.iter().map(|column| format!("{}.{column}", part.dataset)));
            }
        }
    }
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}
