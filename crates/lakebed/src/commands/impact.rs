//! `lakebed impact`: who would notice a change.

use std::str::FromStr;

use clap::Args;
use lakebed_api::{ImpactAnswer, ImpactProduct};
use lakebed_core::{DatasetName, NameError};

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human},
    problem::{Exit, Result},
};

/// Say who would notice a change of a dataset, or of one of its columns.
///
/// Products that read it, however far away, by what they are declared to be and by what they were built
/// from; what programs made of it, and what pipelines elsewhere told that they did; locks that people
/// registered; and, for whoever may audit the lake, its readers of the last 90 days. What you may not know
/// of is left out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed impact sales.orders
  lakebed impact sales.orders.amount
  lakebed impact sales.orders.amount --json")]
pub(crate) struct ImpactArgs {
    /// The dataset, `namespace.name`, or a column of it, `namespace.name.column`
    #[arg(value_name = "DATASET")]
    target: ImpactTarget,
}

/// A dataset, or a column of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ImpactTarget {
    dataset: DatasetName,
    column: Option<String>,
}

impl FromStr for ImpactTarget {
    type Err = NameError;

    /// Names of datasets have one dot; what stands behind another is a column, whatever is in it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let second = text.match_indices('.').nth(1).map(|(place, _)| place);
        let (dataset, column) = match second {
            Some(place) => (&text[..place], Some(text[place + 1..].to_owned())),
            None => (text, None),
        };
        Ok(Self { dataset: dataset.parse()?, column: column.filter(|column| !column.is_empty()) })
    }
}

pub(crate) async fn run(app: &App, args: ImpactArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let ImpactTarget { dataset, column } = &args.target;
    let answer = session.client.impact(dataset, column.as_deref()).await?;
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&answer)?;
        return Ok(Exit::Ok);
    }
    show(app, &answer)?;
    Ok(Exit::Ok)
}

fn show(app: &App, answer: &ImpactAnswer) -> Result<()> {
    if answer.products.is_empty() {
        app.terminal.print("no product\n")?;
    } else {
        app.terminal.print_table(&products(answer))?;
    }
    if !answer.external.is_empty() {
        let mut table = Table::new(["elsewhere", "job", "told by", "on (UTC)"]);
        for node in &answer.external {
            table.push([
                format!("{}/{}", node.namespace, node.name).into(),
                node.job.as_deref().map_or_else(Cell::null, Cell::from),
                node.told_by.as_str().into(),
                human::time(node.told_at).into(),
            ]);
        }
        app.terminal.print("\n")?;
        app.terminal.print_table(&table)?;
    }
    if !answer.locks.is_empty() {
        let mut table = Table::new(["lock", "registered by", "versions", "on (UTC)"]);
        for lock in &answer.locks {
            let versions: Vec<String> = lock.versions.iter().map(|v| format!("v{v}")).collect();
            table.push([
                lock.name.as_str().into(),
                lock.actor.as_str().into(),
                versions.join(", ").into(),
                human::time(lock.registered_at).into(),
            ]);
        }
        app.terminal.print("\n")?;
        app.terminal.print_table(&table)?;
    }
    if !answer.all_locks {
        app.terminal.note("locks of others are told to whoever may ingest, steward or audit");
    }
    match &answer.readers {
        None => app.terminal.note("readers are told to whoever may audit the lake"),
        Some(readers) if readers.is_empty() => {
            app.terminal.print("\nno reader in the last 90 days\n")?;
        }
        Some(readers) => {
            let mut table = Table::new(["reader", ">reads in 90 days", "last (UTC)"]);
            for reader in readers {
                table.push([
                    reader.principal.as_str().into(),
                    human::count(reader.reads).into(),
                    human::time(reader.last_at).into(),
                ]);
            }
            app.terminal.print("\n")?;
            app.terminal.print_table(&table)?;
        }
    }
    Ok(())
}

fn products(answer: &ImpactAnswer) -> Table {
    let mut table = match answer.column {
        Some(_) => Table::new(["product", "owner", ">steps", "declared", "built", "changes"]),
        None => Table::new(["product", "owner", ">steps", "declared", "built"]),
    };
    for product in &answer.products {
        let mut cells: Vec<Cell> = vec![
            product.product.to_string().into(),
            product.owner.as_deref().map_or_else(Cell::null, Cell::from),
            product.steps.to_string().into(),
            (if product.declared { "yes" } else { "no" }).into(),
            product.built.map_or_else(Cell::null, |built| format!("v{built}").into()),
        ];
        if answer.column.is_some() {
            cells.push(changes(product).into());
        }
        table.push_row(cells);
    }
    table
}

fn changes(product: &ImpactProduct) -> String {
    let columns = product.columns.iter().cloned();
    let told = [
        (product.other_rows && !product.anything, "which rows there are"),
        (product.anything, "anything in it"),
        (product.broken, "it cannot be computed any more"),
    ];
    let told = told.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text.to_owned());
    columns.chain(told).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_stands_behind_the_second_dot() {
        let told = |text: &str| {
            text.parse::<ImpactTarget>().map(|found| (found.dataset.to_string(), found.column))
        };
        assert_eq!(told("a.b").ok(), Some(("a.b".to_owned(), None)));
        assert_eq!(told("a.b.c").ok(), Some(("a.b".to_owned(), Some("c".to_owned()))));
        let dotted = Some(("a.b".to_owned(), Some("c.d E".to_owned())));
        assert_eq!(told("a.b.c.d E").ok(), dotted);
        assert!(told("a").is_err());
        assert!(told("a.B.c").is_err());
    }
}
