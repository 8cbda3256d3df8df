//! `lakebed ls`: the datasets.

use clap::Args;

use crate::{
    app::App,
    connect::Session,
    output::{Cell, Table, human},
    problem::{Exit, Result},
};

/// List datasets, with their newest versions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lakebed ls\n  lakebed ls nyc --json")]
pub(crate) struct LsArgs {
    /// Only datasets of this namespace
    #[arg(value_name = "NAMESPACE")]
    namespace: Option<String>,
}

pub(crate) async fn run(app: &App, args: LsArgs) -> Result<Exit> {
    let session = Session::open(app).await?;
    let list = session.client.datasets(args.namespace.as_deref()).await?;
    // Whoever runs this where the lake is owns it, and sees all; of others nobody here knows what they see.
    let sees_all = session.is_local() && app.principal.is_none();
    session.close().await;
    if app.terminal.json {
        app.terminal.print_json(&list)?;
        return Ok(Exit::Ok);
    }
    if list.datasets.is_empty() {
        app.terminal.note(match (&args.namespace, sees_all) {
            (Some(namespace), true) => format!("namespace `{namespace}` has no datasets"),
            (Some(namespace), false) => {
                format!("there are no datasets in namespace `{namespace}` that you may see")
            }
            (None, true) => "the lake has no datasets yet".to_owned(),
            (None, false) => "there are no datasets that you may see".to_owned(),
        });
        app.terminal.hint(match sees_all {
            true => "add one with `lakebed ingest <file> --to <namespace>.<name>`",
            false => "`lakebed whoami` says who you are to the lake",
        });
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(["dataset", "kind", ">newest", ">rows", ">size", "committed (UTC)"]);
    for dataset in &list.datasets {
        let (name, kind) = (dataset.dataset.to_string().into(), dataset.kind.to_string().into());
        table.push(match &dataset.newest {
            None => [name, kind, Cell::null(), Cell::null(), Cell::null(), Cell::null()],
            Some(newest) => [
                name,
                kind,
                format!("v{}", newest.version).into(),
                newest.row_count.map_or_else(Cell::null, |rows| human::count(rows).into()),
                newest.size_bytes.map_or_else(Cell::null, |size| human::bytes(size).into()),
                human::time(newest.committed_at).into(),
            ],
        });
    }
    app.terminal.print_table(&table)?;
    Ok(Exit::Ok)
}
