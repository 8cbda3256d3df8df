//! The one row that says which lake this is, where the record ends and how far the journal has come.

use lakebed_core::{Event, LakeId, ObjectId, Timestamp};

use crate::{
    Result,
    connection::{Connection, Row},
    event::saturate,
    statement::query,
};

/// The state of the whole lake at one place in the order of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event in it; 0 in a lake without events.
    pub seq: u64,
    /// When that event was committed; 1970-01-01 in a lake without events. No later commit has the
    /// same time, so a reference with this time resolves to this snapshot for ever.
    pub at: Timestamp,
}

impl Snapshot {
    /// From the columns that every reading statement selects beside its own.
    pub(crate) fn from_columns(row: &Row) -> Result<Self> {
        Ok(Self { seq: row.number("journaled_seq")?, at: row.time("journaled_at_micros")? })
    }
}

/// The row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) last_seq: u64,
    pub(crate) last_at: Timestamp,
    pub(crate) journaled_seq: u64,
    pub(crate) segment: u64,
    pub(crate) segment_digest: Option<ObjectId>,
}

/// The lake's id, if the row is there.
pub(crate) async fn find_lake(connection: &mut Connection) -> Result<Option<LakeId>> {
    let row = query("SELECT lake FROM meta WHERE id = 1").fetch_optional(connection).await?;
    row.map(|row| row.parsed("lake")).transpose()
}

/// Writes the row of a catalog without events.
pub(crate) async fn insert(connection: &mut Connection, lake: LakeId) -> Result<()> {
    query(
        "INSERT INTO meta (id, lake, last_seq, last_at_micros, journaled_seq, segment, \
         segment_digest) VALUES (1, $1, 0, 0, 0, 0, NULL)",
    )
    .bind(lake.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Reads the row.
pub(crate) async fn read(connection: &mut Connection) -> Result<Meta> {
    let row = query(
        "SELECT last_seq, last_at_micros, journaled_seq, segment, segment_digest FROM meta \
         WHERE id = 1",
    )
    .fetch_one(connection)
    .await?;
    Ok(Meta {
        last_seq: row.number("last_seq")?,
        last_at: row.time("last_at_micros")?,
        journaled_seq: row.number("journaled_seq")?,
        segment: row.number("segment")?,
        segment_digest: row.optional_digest("segment_digest")?,
    })
}

/// Reads what readers may see.
pub(crate) async fn snapshot(connection: &mut Connection) -> Result<Snapshot> {
    let row = query(
        "SELECT m.journaled_seq, COALESCE((SELECT e.at_micros FROM events e \
         WHERE e.seq = m.journaled_seq), 0) AS journaled_at_micros FROM meta m WHERE m.id = 1",
    )
    .fetch_one(connection)
    .await?;
    Snapshot::from_columns(&row)
}

/// Moves the end of the record to `event`.
pub(crate) async fn advance(connection: &mut Connection, event: &Event) -> Result<()> {
    query("UPDATE meta SET last_seq = $1, last_at_micros = $2 WHERE id = 1")
        .bind(saturate(event.seq))
        .bind(event.at.as_micros())
        .execute(connection)
        .await?;
    Ok(())
}
