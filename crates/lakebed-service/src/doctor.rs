//! Whether a deployment is fit to hold a lake: its place for bytes, its database, and that the two
//! belong together.
//!
//! Nothing is created, healed or published: what is wrong is said, and left as it is. How a place is
//! tried out is [`Store::examine`]'s business, how a database is [`Catalog`]'s.

use std::path::PathBuf;

use lakebed_catalog::{Catalog, JournalState};
use lakebed_core::{Check, LakeFile, ObjectId, Outcome, Timestamp};
use lakebed_store::{Root, Store};

use crate::{
    Clock, Error, LakeConfig, Result, Segment,
    lake::{catalog_file, open_catalog, open_lake_file},
};

/// Looks at the deployment that `config` describes: one check a property, in an order in which the
/// first that failed is the one to look at first.
pub async fn examine(config: &LakeConfig, clock: &dyn Clock) -> Vec<Check> {
    let store = match Store::open_with(&config.root, &config.store).await {
        Ok(store) => store,
        Err(error) => return vec![failed("open", &error.into())],
    };
    let mut checks = store.examine().await;
    let file = match open_lake_file(&store, &config.root).await {
        Ok(Some(file)) => file,
        Ok(None) => {
            let detail = format!("there is no lake at `{}` yet", config.root);
            checks.push(Check::warning("lake", detail, "`lakebed ingest` creates one"));
            return checks;
        }
        Err(error) => {
            checks.push(failed("lake", &error));
            return checks;
        }
    };
    checks.push(Check::ok("lake", format!("lake {} of {}", file.lake, file.created_at)));
    if let Some(path) = missing_database(config) {
        let detail = format!("there is no database at `{}`", path.display());
        let hint = "`lakebed rebuild` makes it again from the journal";
        checks.push(Check::failed("database", detail, hint));
        return checks;
    }
    match open_catalog(config, file.lake).await {
        Ok(catalog) => {
            checks.extend(examine_catalog(&store, &catalog, &file, clock.now()).await);
            catalog.close().await;
        }
        Err(error) => checks.push(failed("database", &error)),
    }
    checks
}

/// The file of a database that is not there: opening it would make one.
fn missing_database(config: &LakeConfig) -> Option<PathBuf> {
    let path = match (&config.catalog_url, &config.root) {
        (Some(url), _) => {
            let path = url.strip_prefix("sqlite://")?.split('?').next()?;
            // Escapes are the database's business.
            (!path.contains('%')).then(|| PathBuf::from(path))?
        }
        (None, Root::Folder(folder)) => catalog_file(folder),
        (None, Root::Url(_)) => return None,
    };
    (!path.exists()).then_some(path)
}

async fn examine_catalog(
    store: &Store,
    catalog: &Catalog,
    file: &LakeFile,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = catalog.examine(now).await;
    let fits = fits(store, catalog, file).await;
    checks.push(fits.unwrap_or_else(|error| failed("journal", &error)));
    checks
}

/// Whether the journal ends where the database says, with the bytes that it remembers.
async fn fits(store: &Store, catalog: &Catalog, file: &LakeFile) -> Result<Check> {
    let state = catalog.journal_state().await?;
    let stop = "run `lakebed log`: it says what to do; nothing is written until they fit";
    if state.segment > 0 {
        let key = Segment::key(state.segment);
        let Some(found) = store.read(&key).await? else {
            return Ok(Check::failed("journal", format!("`{key}` is missing"), stop));
        };
        if Some(ObjectId::of(&found)) != state.segment_digest {
            let detail = format!("`{key}` is not what the database of lake {} wrote", file.lake);
            return Ok(Check::failed("journal", detail, stop));
        }
    }
    let is_ahead = store.read(&Segment::key(state.segment + 1)).await?.is_some();
    let waiting = state.last_seq - state.journaled_seq;
    Ok(match (is_ahead, waiting) {
        (true, 0) => Check::failed(
            "journal",
            "the journal goes on where this database ends",
            "the database is older than the lake: run `lakebed rebuild --replace`",
        ),
        (_, 0) => {
            let (segments, events) = (state.segment, state.journaled_seq);
            let detail = format!("fits the database: {segments} segments, {events} events");
            Check::ok("journal", detail)
        }
        (_, waiting) => waits(catalog, state, waiting).await,
    })
}

/// Whether what waits for the journal can be put into it.
async fn waits(catalog: &Catalog, state: JournalState, waiting: u64) -> Check {
    match catalog.events_between(state.journaled_seq, state.last_seq).await {
        Ok(_) => Check::warning(
            "journal",
            format!("{waiting} events are committed and not in the journal yet"),
            "if no server is running, the next command publishes them",
        ),
        Err(error) => Check::failed(
            "journal",
            format!("{waiting} events are committed and cannot be put into the journal: {error}"),
            "nobody was told of them: `lakebed rebuild --replace` makes the database without them",
        ),
    }
}

fn failed(name: &'static str, error: &Error) -> Check {
    let hint = error.hint().unwrap_or_else(|| "see the message".to_owned());
    Check { name, outcome: Outcome::Failed, detail: error.to_string(), hint: Some(hint) }
}
