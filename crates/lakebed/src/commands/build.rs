//! `lakebed build`: makes versions of products.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use lakebed_api::{BuildRequest, IngestResponse, IngestStatus, LockedReference};
use lakebed_client::ClientError;
use lakebed_core::{DatasetName, Served};

use super::ingest::{own_key, print_outcome};
use crate::{
    app::App,
    connect::Session,
    lockfile::LockFile,
    output::human,
    problem::{Exit, Problem, Result},
    progress::Bar,
};

/// Build products: run their statements over the versions that these name, and keep the answers.
///
/// The same statement over the same versions is the same version: then nothing is done. The rows are in
/// a fixed order, so that a build elsewhere has the same content. Several are built one after the other
/// until one fails; with `--json` they are one list of what was built. `--all` builds what is made of
/// another product after it, whatever their names, and goes on where one fails.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lakebed build sales.orders_a_day
  lakebed build sales.orders_a_day sales.best_customers
  lakebed build --all
  lakebed build sales.orders_a_day --locked
  lakebed build sales.orders_a_day --locked=release.lock --json")]
pub(crate) struct BuildArgs {
    /// The products, `namespace.name`, in this order
    #[arg(required_unless_present = "all", value_name = "PRODUCT")]
    products: Vec<DatasetName>,
    /// All products that you may build, until each is made of the newest of the others
    #[arg(long, conflicts_with_all = ["products", "locked", "idempotency_key"])]
    all: bool,
    /// From the versions that a lock pins, instead of those that the references mean now
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
        default_missing_value = "lakebed.lock", value_hint = ValueHint::FilePath)]
    locked: Option<PathBuf>,
    /// A key that makes repeating this very command harmless; for one product
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) async fn run(app: &App, args: BuildArgs) -> Result<Exit> {
    if args.idempotency_key.is_some() && args.products.len() > 1 {
        let message = "a key is good for one build".to_owned();
        return Err(
            Problem::refused("bad-option", message).hint("name one product, or leave the key out")
        );
    }
    let locked = args.locked.as_deref().map(|file| locked(app, file)).transpose()?;
    let session = Session::open(app).await?;
    if args.all {
        let done = all(app, &session).await;
        session.close().await;
        return done;
    }
    let mut built = Vec::new();
    let mut done = Ok(Exit::Ok);
    for product in &args.products {
        let request = BuildRequest { locked: locked.clone() };
        let key = args.idempotency_key.as_deref();
        let mut bar = Bar::new(&app.terminal);
        let outcome = send(app, &session, product, &request, key, &mut bar).await;
        drop(bar);
        match outcome {
            Ok(outcome) if app.terminal.json && args.products.len() > 1 => built.push(outcome),
            Ok(outcome) => print_built(app, &outcome)?,
            Err(error) => {
                done = Err(without_sources(error).into());
                break;
            }
        }
    }
    session.close().await;
    if app.terminal.json && args.products.len() > 1 {
        // What was built is there, also where the next one failed.
        app.terminal.print_json(&built)?;
    }
    done
}

/// Builds all products that are kept in files, again and again until none of them has anything to do: then
/// whatever is made of another one is made of its newest version.
async fn all(app: &App, session: &Session) -> Result<Exit> {
    let products = session.client.products().await?.products;
    let products = products.into_iter().filter(|product| product.served == Served::Materialized);
    let mut waiting: Vec<DatasetName> = products.map(|product| product.product).collect();
    let (mut built, mut failed) = (BTreeMap::new(), BTreeMap::new());
    // No product is further from its originals than there are products.
    for _ in 0..=waiting.len() {
        let mut has_moved = false;
        let mut next = Vec::new();
        for product in waiting {
            let mut bar = Bar::new(&app.terminal);
            let request = BuildRequest { locked: None };
            let outcome = send(app, session, &product, &request, None, &mut bar).await;
            drop(bar);
            match outcome {
                Ok(outcome) => {
                    failed.remove(&product);
                    if outcome.status == IngestStatus::Committed {
                        has_moved = true;
                        if !app.terminal.json {
                            print_built(app, &outcome)?;
                        }
                        built.insert(product.clone(), outcome);
                    } else {
                        built.entry(product.clone()).or_insert(outcome);
                    }
                    next.push(product);
                }
                Err(error) => {
                    let problem: Problem = without_sources(error).into();
                    // What it is made of may not be there yet.
                    if problem.exit == Exit::NotFound {
                        next.push(product.clone());
                    }
                    failed.insert(product, problem);
                }
            }
        }
        waiting = next;
        if !has_moved {
            break;
        }
    }
    let known = failed.len();
    failed.retain(|_, problem: &mut Problem| problem.code != "forbidden");
    let others = known - failed.len();
    if app.terminal.json {
        app.terminal.print_json(&built.values().collect::<Vec<_>>())?;
    }
    let same = built.values().filter(|outcome| outcome.status != IngestStatus::Committed).count();
    if same > 0 {
        app.terminal.note(format!("nothing to do for {}", human::counted(same as u64, "product")));
    }
    if others > 0 {
        let others = human::counted(others as u64, "product");
        app.terminal.note(format!("{others} left out, which you may not build"));
    }
    let mut failed = failed.into_values();
    let last = failed.next_back();
    failed.for_each(|problem| app.terminal.print_problem(&problem));
    match last {
        None => Ok(Exit::Ok),
        Some(problem) => Err(problem),
    }
}

fn print_built(app: &App, outcome: &IngestResponse) -> Result<()> {
    for input in &outcome.inputs {
        app.terminal.note(format!("{} is v{}", input.reference, input.version));
    }
    print_outcome(app, outcome)
}

/// What is computed has no sources that were kept: its problem says where the rows are.
fn without_sources(error: ClientError) -> ClientError {
    match error {
        ClientError::Problem(mut problem) => {
            problem.event = None;
            ClientError::Problem(problem)
        }
        error => error,
    }
}

fn locked(app: &App, file: &Path) -> Result<Vec<LockedReference>> {
    let lock = LockFile::open(&app.current.join(file))?.existing()?;
    let pinned = lock.inputs().iter().map(|input| LockedReference {
        reference: input.reference.clone(),
        version_id: input.version_id,
    });
    Ok(pinned.collect())
}

/// Has it done, and shows how far it is; on a server it is a job.
async fn send(
    app: &App,
    session: &Session,
    product: &DatasetName,
    request: &BuildRequest,
    key: Option<&str>,
    bar: &mut Bar,
) -> Result<IngestResponse, ClientError> {
    let client = &session.client;
    if session.is_local() {
        return client.build(product, request, key, |progress| bar.show(&progress)).await;
    }
    let key = own_key(key)?;
    app.running.begin(client, &key);
    let followed = match client.submit_build(product, request, &key).await {
        Ok(job) => client.follow_ingest(&job.id, |progress| bar.show(&progress)).await,
        Err(error) => Err(error),
    };
    app.running.end();
    followed
}
