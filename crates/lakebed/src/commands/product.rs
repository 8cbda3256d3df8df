//! `lakebed products`, `lakebed product`: what is offered, by whom, and how old it is.

use std::fmt::Write as _;

use clap::Args;
use lakebed_api::{Head, ProductAnswer};
use lakebed_core::{DatasetName, Served};

use crate::{
    app::App,
    commands::{history::described, show::ends},
    connect::Session,
    output::{Cell, Table, escaped, human, style},
    problem::{Exit, Result},
};

/// List products, with who answers for them and their newest versions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed products\n  lakebed products --json")]
pub(crate) struct ProductsArgs {}

/// Describe a product: who answers for it, what it is for, how old it is, where it is served.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed product sales.orders_a_day
  lakebed product sales.orders_a_day --json")]
pub(crate) struct ProductArgs {
    /// The product, `namespace.name`
    #[arg(value_name = "PRODUCT")]
    product: DatasetName,
}

pub(crate) async fn list(app: &App, _: ProductsArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let list = session.client.products().await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&list)?;
        return Ok(Exit::Ok);
    }
    if list.products.is_empty() {
        app.terminal.note("there are no products");
        app.terminal.hint("declare one in `catalog/products/<namespace>/<name>.yaml`");
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["product", "owner", ">newest", "as of (UTC)", "purpose"]);
    for product in list.products {
        let (number, as_of) = match &product.newest {
            None => (Cell::null(), Cell::null()),
            Some(newest) => {
                (format!("v{}", newest.version).into(), human::time(newest.committed_at).into())
            }
        };
        let name = product.product.to_string().into();
        table.push([name, product.owner.into(), number, as_of, product.purpose.into()]);
    }
    app.terminal.print_table(&table)?;
    Ok(Exit::Ok)
}

pub(crate) async fn show(app: &App, args: ProductArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let answer = session.client.product(&args.product).await?;
    session.close().await;
    match app.terminal.json {
        true => app.terminal.print_json(&answer)?,
        false => app.terminal.print(facts(&answer))?,
    }
    Ok(Exit::Ok)
}

fn facts(answer: &ProductAnswer) -> String {
    let product = &answer.summary;
    let mut facts = vec![("owner", product.owner.clone()), ("purpose", product.purpose.clone())];
    match &product.newest {
        Some(newest) => facts.push(("newest", format!("v{}", newest.version))),
        None => facts.push(("newest", "none: it was never built".to_owned())),
    }
    let at = |head: &Head| format!("v{} at {}", head.version, described(head));
    let stages: Vec<String> = product.heads.iter().map(at).collect();
    if !stages.is_empty() {
        facts.push(("stages", stages.join(", ")));
    }
    if product.served == Served::Live {
        facts.push(("served", "live: its rows are computed whenever it is read".to_owned()));
    }
    facts.extend(answer.as_of.map(|at| ("as of", format!("{} UTC", human::time(at)))));
    if product.newest.is_some() {
        facts.push(("stale", answer.stale.as_deref().map_or_else(unknown, stale)));
    }
    facts.extend(answer.notice.as_ref().map(|notice| ("ends", ends(notice))));
    for name in ["rows", "openapi"] {
        facts.extend(product.links.get(name).map(|path| (name, format!("GET {path}"))));
    }
    let (bold, dim) = (style::BOLD, style::DIM);
    let mut text = format!("{bold}{}{bold:#}\n", product.product);
    for (name, value) in facts {
        // Writing into a text cannot fail.
        let _ = writeln!(text, "  {dim}{name:<11}{dim:#} {}", escaped(&value));
    }
    text
}

/// It is not told to everybody.
fn unknown() -> String {
    "unknown: not all that it is made of is known to you".to_owned()
}

/// `no`, or why.
fn stale(why: &[String]) -> String {
    let reason = |why: &String| match why.as_str() {
        "not-computed" => "it cannot be computed now: asking for its rows says why".to_owned(),
        "statement" => "it is declared with another statement or order by now".to_owned(),
        "inputs" => "an input has another version by now".to_owned(),
        "contract" => "its contract promises newer rows".to_owned(),
        other => other.to_owned(),
    };
    match why {
        [] => "no".to_owned(),
        why => why.iter().map(reason).collect::<Vec<_>>().join(", "),
    }
}
