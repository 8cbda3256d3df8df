//! Events as rows: insert, read back, and the pages that readers get.

use lakebed_core::{Event, EventBody};

use crate::{
    Catalog, Error, Result,
    connection::{Connection, Row},
    flaw::{Flaw, check_text, to_i64},
    meta,
    statement::query,
};

/// Events read in one statement where more are wanted.
pub(crate) const PAGE: i64 = 1_000;

impl Catalog {
    /// Up to `limit` events after `after`, oldest first; none above the journaled mark.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>> {
        let mut transaction = self.begin_read().await?;
        let mark = meta::read(&mut transaction).await?.journaled_seq;
        page(&mut transaction, after, mark, i64::from(limit)).await
    }
}

/// Every event with `after < seq <= up_to`, oldest first.
pub(crate) async fn read_range(
    connection: &mut Connection,
    after: u64,
    up_to: u64,
) -> Result<Vec<Event>> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let from = events.last().map_or(after, |event| event.seq);
        let more = page(connection, from, up_to, PAGE).await?;
        let is_last = more.len() < PAGE as usize;
        events.extend(more);
        if is_last {
            return Ok(events);
        }
    }
}

async fn page(
    connection: &mut Connection,
    after: u64,
    up_to: u64,
    limit: i64,
) -> Result<Vec<Event>> {
    let rows = query(
        "SELECT seq, at_micros, actor, idempotency_key, body FROM events \
         WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3",
    )
    .bind(saturate(after))
    .bind(saturate(up_to))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(from_row).collect()
}

/// The events of the commit that carried this key, oldest first; none if no commit did.
pub(crate) async fn find_by_key(
    connection: &mut Connection,
    actor: &str,
    key: &str,
) -> Result<Vec<Event>> {
    let rows = query(
        "SELECT seq, at_micros, actor, idempotency_key, body FROM events \
         WHERE actor = $1 AND idempotency_key = $2 ORDER BY part",
    )
    .bind(actor)
    .bind(key)
    .fetch_all(connection)
    .await?;
    rows.iter().map(from_row).collect()
}

/// Whether the record holds exactly these events, which are consecutive, at their places.
pub(crate) async fn are_recorded(connection: &mut Connection, events: &[Event]) -> Result<bool> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(false) };
    let recorded = read_range(connection, first.seq.saturating_sub(1), last.seq).await?;
    Ok(recorded == events)
}

/// Writes the event itself; its projection is `projection.rs`'s business.
pub(crate) async fn insert(connection: &mut Connection, event: &Event) -> Result<()> {
    let seq = to_i64("seq", event.seq).map_err(|flaw| Error::invalid(event.seq, flaw))?;
    check_texts(event).map_err(|flaw| Error::invalid(event.seq, flaw))?;
    let part = part_of(connection, event).await?;
    let body = body_json(event)?;
    query(
        "INSERT INTO events (seq, at_micros, actor, idempotency_key, part, type, dataset, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(seq)
    .bind(event.at.as_micros())
    .bind(&event.actor)
    .bind(&event.idempotency_key)
    .bind(part)
    .bind(event.body.type_name())
    // Of the lake as a whole: the empty text, which is no dataset's name.
    .bind(event.body.dataset().map(ToString::to_string).unwrap_or_default())
    .bind(body)
    .execute(connection)
    .await
    .map_err(|error| match error.is_unique_violation() {
        true => Error::invalid(event.seq, Flaw::KeyTwice),
        false => error,
    })?;
    Ok(())
}

fn check_texts(event: &Event) -> Result<(), Flaw> {
    check_text("the actor", &event.actor)?;
    event.idempotency_key.as_deref().map_or(Ok(()), |key| check_text("the idempotency key", key))
}

/// The events of one commit share its key and follow each other: that is how a rebuilt catalog
/// knows which belong together. The same key further on is refused by the table's constraint.
async fn part_of(connection: &mut Connection, event: &Event) -> Result<i64> {
    if event.idempotency_key.is_none() {
        return Ok(0);
    }
    let before =
        query("SELECT part FROM events WHERE seq = $1 AND actor = $2 AND idempotency_key = $3")
            .bind(saturate(event.seq) - 1)
            .bind(&event.actor)
            .bind(&event.idempotency_key)
            .fetch_optional(connection)
            .await?;
    match before {
        Some(row) => Ok(saturate(row.number("part")? + 1)),
        None => Ok(0),
    }
}

pub(crate) fn from_row(row: &Row) -> Result<Event> {
    let seq = row.number("seq")?;
    let body = serde_json::from_str(&row.text("body")?)
        .map_err(|error| Error::damaged(format!("body of event {seq}"), error))?;
    Ok(Event {
        seq,
        at: row.time("at_micros")?,
        actor: row.text("actor")?,
        idempotency_key: row.optional_text("idempotency_key")?,
        body,
    })
}

/// Refuses a body that would not be read as it was written, for nothing that comes after it could be read
/// either. What is replayed was read already.
pub(crate) fn check_reads_back(event: &Event) -> Result<()> {
    let invalid = |error| Error::invalid(event.seq, error);
    match serde_json::from_str::<EventBody>(&body_json(event)?).map_err(invalid)? == event.body {
        true => Ok(()),
        false => Err(Error::invalid(event.seq, Flaw::OtherBody)),
    }
}

fn body_json(event: &Event) -> Result<String> {
    serde_json::to_string(&event.body).map_err(|error| Error::invalid(event.seq, error))
}

/// For bounds in a `WHERE`: nothing recorded lies beyond 2⁶³ − 1.
pub(crate) fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
