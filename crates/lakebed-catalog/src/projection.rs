//! What an event changes, in the tables that hold what all events add up to.
//!
//! The caller holds the only write transaction and has checked that the event continues the record.
//! Nothing here may depend on anything but the events before: a rebuilt catalog goes the same way.

use lakebed_core::{
    DatasetKind, DatasetName, Event, EventBody, HeadMoved, IngestRefused, ObjectId, StageName,
    VersionCommitted, VersionId,
};

use crate::{
    Entity, Error, Result,
    connection::Connection,
    declaration, derivation,
    event::{self, saturate},
    findings,
    flaw::{Flaw, to_i64},
    lock, materialised, meta, object, object_dataset, openlineage, promotion, run,
    statement::query,
    token,
};

/// The stage whose head is always the newest version.
pub(crate) const RAW: &str = "raw";

/// The event that could not be recorded, and why.
pub(crate) struct Failed {
    pub(crate) seq: u64,
    pub(crate) error: Error,
}

/// Records `events`, which continue the record, and everything they change. The only way into the
/// tables, for new events and for old ones.
pub(crate) async fn apply_all(connection: &mut Connection, events: &[Event]) -> Result<(), Failed> {
    for event in events {
        let failed = |error| Failed { seq: event.seq, error };
        apply(connection, event).await.map_err(failed)?;
    }
    match events.last() {
        Some(last) => {
            let failed = |error| Failed { seq: last.seq, error };
            meta::advance(connection, last).await.map_err(failed)
        }
        None => Ok(()),
    }
}

/// Records `event` and what it changes.
async fn apply(connection: &mut Connection, event: &Event) -> Result<()> {
    event::insert(connection, event).await?;
    let seq = event.seq;
    match &event.body {
        EventBody::DatasetCreated { dataset, kind } => {
            create_dataset(connection, seq, dataset, *kind).await
        }
        EventBody::VersionCommitted(version) => commit_version(connection, seq, version).await,
        EventBody::VersionMaterialised(found) => materialised::insert(connection, seq, found).await,
        EventBody::HeadMoved(moved) => move_head(connection, seq, moved).await,
        EventBody::PromotionReviewed(review) => promotion::review(connection, seq, review).await,
        EventBody::DatasetDeprecated(deprecated) => {
            promotion::deprecate(connection, seq, deprecated).await
        }
        EventBody::DatasetRetired { dataset } => promotion::retire(connection, seq, dataset).await,
        EventBody::IngestRefused(refused) => keep_refused(connection, seq, refused).await,
        EventBody::ContractMeasured(measured) => findings::insert(connection, seq, measured).await,
        EventBody::RunCommitted(committed) => run::commit(connection, seq, committed).await,
        EventBody::RunFailed(failed) => run::fail(connection, seq, failed).await,
        EventBody::CatalogApplied(applied) => declaration::insert(connection, seq, applied).await,
        EventBody::TokenCreated(token) => token::create(connection, seq, token).await,
        EventBody::TokenRevoked(revoked) => token::revoke(connection, seq, revoked).await,
        EventBody::LockRegistered(registered) => {
            lock::register(connection, seq, &event.actor, registered).await
        }
        EventBody::LockRemoved { name } => lock::remove(connection, seq, &event.actor, name).await,
        EventBody::LineageReceived(received) => {
            openlineage::insert(connection, seq, received).await
        }
    }
}

async fn create_dataset(
    connection: &mut Connection,
    seq: u64,
    dataset: &DatasetName,
    kind: DatasetKind,
) -> Result<()> {
    if let Some((_, found)) = find_dataset(connection, dataset).await? {
        return Err(Error::Conflict {
            entity: Entity::Dataset(dataset.clone()),
            expected: "none".to_owned(),
            found: format!("one of kind `{found}`"),
        });
    }
    query("INSERT INTO datasets (id, namespace, name, kind) VALUES ($1, $2, $3, $4)")
        .bind(saturate(seq))
        .bind(dataset.namespace())
        .bind(dataset.name())
        .bind(kind.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn commit_version(
    connection: &mut Connection,
    seq: u64,
    version: &VersionCommitted,
) -> Result<()> {
    let dataset_id = get_dataset(connection, &version.dataset).await?;
    let newest = newest(connection, dataset_id).await?;
    check_follows(version, newest)?;
    object::insert(connection, seq, &version.objects).await?;
    object_dataset::require(connection, seq, &version.shared).await?;
    let named = version.objects.iter().map(|object| object.id).chain(version.shared.clone());
    object_dataset::insert(connection, seq, &version.dataset, named).await?;
    require_object(connection, seq, version.version_id.object()).await?;
    insert_version(connection, seq, dataset_id, version).await?;
    let derived = (dataset_id, version.number);
    derivation::insert(connection, seq, derived, &version.derived_from).await?;
    let number = saturate(version.number);
    swap_head(connection, dataset_id, RAW, newest.map(|(number, _)| number), number).await?;
    insert_head_move(connection, seq, dataset_id, RAW, number).await
}

/// A version follows the newest one, by number and by parent, or someone was first.
fn check_follows(version: &VersionCommitted, newest: Option<(u64, VersionId)>) -> Result<()> {
    let expected = version.parent.map(|parent| (version.number.saturating_sub(1), parent));
    let is_first = newest.is_none() && version.number == 1;
    if expected == newest && (newest.is_some() || is_first) {
        return Ok(());
    }
    Err(Error::Conflict {
        entity: Entity::Newest(version.dataset.clone()),
        expected: match version.parent {
            None if version.number == 1 => "none".to_owned(),
            parent => show_version(version.number.saturating_sub(1), parent),
        },
        found: newest.map_or("none".to_owned(), |(number, id)| show_version(number, Some(id))),
    })
}

fn show_version(number: u64, version_id: Option<VersionId>) -> String {
    match version_id {
        Some(id) => format!("`v{number}` (`b3:{}`)", id.object().short()),
        None => format!("`v{number}`"),
    }
}

async fn insert_version(
    connection: &mut Connection,
    seq: u64,
    dataset_id: i64,
    version: &VersionCommitted,
) -> Result<()> {
    let int = |what, value| to_i64(what, value).map_err(|flaw| Error::invalid(seq, flaw));
    query(
        "INSERT INTO versions (dataset_id, number, version_id, parent, content_id, ingest_key, \
         row_count, quarantined_count, size_bytes, seq, live) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(dataset_id)
    .bind(int("the version number", version.number)?)
    .bind(version.version_id.object())
    .bind(version.parent.map(|parent| parent.object()))
    .bind(version.content_id)
    .bind(version.ingest_key.digest())
    .bind(int("row_count", version.row_count)?)
    .bind(int("quarantined_count", version.quarantined_count)?)
    .bind(int("size_bytes", version.size_bytes)?)
    .bind(saturate(seq))
    .bind(i64::from(version.live))
    .execute(connection)
    .await
    .map_err(|error| match error.is_unique_violation() {
        true => Error::invalid(seq, Flaw::VersionTwice { version_id: version.version_id }),
        false => error,
    })?;
    Ok(())
}

async fn move_head(connection: &mut Connection, seq: u64, moved: &HeadMoved) -> Result<()> {
    if moved.stage.as_str() == RAW {
        return Err(Error::invalid(seq, Flaw::RawMoved));
    }
    let dataset_id = get_dataset(connection, &moved.dataset).await?;
    let found = find_head(connection, dataset_id, &moved.stage).await?;
    if found != moved.from {
        let show = |head: Option<u64>| head.map_or("none".to_owned(), |n| format!("`v{n}`"));
        return Err(Error::Conflict {
            entity: Entity::Head(moved.dataset.clone(), moved.stage.clone()),
            expected: show(moved.from),
            found: show(found),
        });
    }
    require_version(connection, dataset_id, moved).await?;
    if let Some(promotion) = &moved.promotion {
        promotion::check(connection, seq, dataset_id, moved, promotion).await?;
        promotion::keep_objects(connection, seq, moved, promotion).await?;
    }
    let (stage, to) = (moved.stage.as_str(), saturate(moved.to));
    swap_head(connection, dataset_id, stage, found, to).await?;
    insert_head_move(connection, seq, dataset_id, stage, to).await
}

async fn keep_refused(
    connection: &mut Connection,
    seq: u64,
    refused: &IngestRefused,
) -> Result<()> {
    object::insert(connection, seq, &refused.objects).await?;
    for source in &refused.sources {
        require_object(connection, seq, source.object.id).await?;
    }
    for file in &refused.quarantine {
        require_object(connection, seq, file.object.id).await?;
    }
    let named = refused.objects.iter().map(|object| object.id);
    let named = named.chain(refused.sources.iter().map(|source| source.object.id));
    let named = named.chain(refused.quarantine.iter().map(|file| file.object.id));
    object_dataset::insert(connection, seq, &refused.dataset, named).await
}

pub(crate) async fn require_object(
    connection: &mut Connection,
    seq: u64,
    id: ObjectId,
) -> Result<()> {
    match object::is_recorded(connection, id).await? {
        true => Ok(()),
        false => Err(Error::invalid(seq, Flaw::ObjectUnknown { object: id })),
    }
}

async fn require_version(
    connection: &mut Connection,
    dataset_id: i64,
    moved: &HeadMoved,
) -> Result<()> {
    let found = query("SELECT seq FROM versions WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(saturate(moved.to))
        .fetch_optional(connection)
        .await?;
    match found {
        Some(_) => Ok(()),
        None => Err(Error::NotFound { entity: Entity::Version(moved.dataset.clone(), moved.to) }),
    }
}

/// The dataset's id and kind, above the mark too.
pub(crate) async fn find_dataset(
    connection: &mut Connection,
    dataset: &DatasetName,
) -> Result<Option<(i64, DatasetKind)>> {
    let row = query("SELECT id, kind FROM datasets WHERE namespace = $1 AND name = $2")
        .bind(dataset.namespace())
        .bind(dataset.name())
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((saturate(row.number("id")?), row.kind("kind")?))).transpose()
}

pub(crate) async fn get_dataset(connection: &mut Connection, dataset: &DatasetName) -> Result<i64> {
    match find_dataset(connection, dataset).await? {
        Some((dataset_id, _)) => Ok(dataset_id),
        None => Err(Error::NotFound { entity: Entity::Dataset(dataset.clone()) }),
    }
}

/// The newest version, above the mark too.
async fn newest(connection: &mut Connection, dataset_id: i64) -> Result<Option<(u64, VersionId)>> {
    let row = query(
        "SELECT v.number, v.version_id FROM heads h \
         JOIN versions v ON v.dataset_id = h.dataset_id AND v.number = h.number \
         WHERE h.dataset_id = $1 AND h.stage = $2",
    )
    .bind(dataset_id)
    .bind(RAW)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((row.number("number")?, row.version_id("version_id")?))).transpose()
}

async fn find_head(
    connection: &mut Connection,
    dataset_id: i64,
    stage: &StageName,
) -> Result<Option<u64>> {
    let row = query("SELECT number FROM heads WHERE dataset_id = $1 AND stage = $2")
        .bind(dataset_id)
        .bind(stage.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.number("number")).transpose()
}

/// Sets the head that was just read as `from`; under the write lock nobody can have moved it.
async fn swap_head(
    connection: &mut Connection,
    dataset_id: i64,
    stage: &str,
    from: Option<u64>,
    to: i64,
) -> Result<()> {
    let swapped = match from {
        None => query("INSERT INTO heads (dataset_id, stage, number) VALUES ($1, $2, $3)"),
        Some(_) => query(
            "UPDATE heads SET number = $3 WHERE dataset_id = $1 AND stage = $2 AND number = $4",
        ),
    };
    let swapped = swapped.bind(dataset_id).bind(stage).bind(to);
    let swapped = match from {
        None => swapped,
        Some(from) => swapped.bind(saturate(from)),
    };
    match swapped.execute(connection).await? {
        1 => Ok(()),
        _ => Err(Error::Damaged { what: format!("the head of stage `{stage}`"), source: None }),
    }
}

async fn insert_head_move(
    connection: &mut Connection,
    seq: u64,
    dataset_id: i64,
    stage: &str,
    number: i64,
) -> Result<()> {
    query("INSERT INTO head_moves (dataset_id, stage, seq, number) VALUES ($1, $2, $3, $4)")
        .bind(dataset_id)
        .bind(stage)
        .bind(saturate(seq))
        .bind(number)
        .execute(connection)
        .await?;
    Ok(())
}
