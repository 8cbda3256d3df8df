//! What pipelines elsewhere told, found by dataset and by run; and how far our own events were told.

use lakebed_core::{
    DatasetName, Event, ObjectId,
    lineage::{LineageName, LineageReceived},
};

use crate::{
    Catalog, Entity, Error, Result,
    connection::Connection,
    event::{from_row, saturate},
    flaw::{Flaw, check_text},
    object,
    projection::require_object,
    statement::{Statement, query},
};

/// The longest name, and the longest namespace.
const MAX_NAME_BYTES: usize = 1_000;

/// Which events of lineage are wanted; all that is said must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineageFilter {
    /// Those that name this dataset of the lake.
    pub dataset: Option<DatasetName>,
    /// Those with an edge to this, wherever it is.
    pub name: Option<LineageName>,
    /// Those of this run, a UUID in lower case.
    pub run: Option<String>,
}

impl Catalog {
    /// Up to `limit` events of lineage before `before` (or all), newest first; none above the mark.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn lineage_events(
        &self,
        filter: &LineageFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Event>> {
        let mut query = Statement::one_off(
            "SELECT e.seq, e.at_micros, e.actor, e.idempotency_key, e.body FROM meta m ",
        );
        let mut place = "l";
        if let Some(dataset) = &filter.dataset {
            query.push("JOIN lineage_datasets d ON d.namespace = ").push_bind(dataset.namespace());
            query.push(" AND d.name = ").push_bind(dataset.name()).push(" ");
            place = "d";
        }
        if let Some(name) = &filter.name {
            query.push("JOIN lineage_names n ON n.namespace = ").push_bind(&name.namespace);
            query.push(" AND n.name = ").push_bind(&name.name).push(" ");
            if place == "d" {
                query.push("AND n.seq = d.seq ");
            }
            place = "n";
        }
        query.push("JOIN lineage_events l ON ");
        query.push(match place {
            "d" => "l.seq = d.seq ",
            "n" => "l.seq = n.seq ",
            _ => "l.seq > 0 ",
        });
        if let Some(run) = &filter.run {
            query.push("AND l.run_id = ").push_bind(run).push(" ");
        }
        query.push("JOIN events e ON e.seq = l.seq WHERE m.id = 1 AND ");
        let bound = match place {
            "d" => ("d.seq <= m.journaled_seq AND d.seq < ", " ORDER BY d.seq DESC LIMIT "),
            "n" => ("n.seq <= m.journaled_seq AND n.seq < ", " ORDER BY n.seq DESC LIMIT "),
            _ => ("l.seq <= m.journaled_seq AND l.seq < ", " ORDER BY l.seq DESC LIMIT "),
        };
        query.push(bound.0).push_bind(before.map_or(i64::MAX, saturate));
        query.push(bound.1).push_bind(i64::from(limit));
        let mut connection = self.connection().await?;
        let rows = query.fetch_all(&mut connection).await?;
        rows.iter().map(from_row).collect()
    }

    /// The event that told these bytes, above the mark too: to be published before it is relied on.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_lineage_event(&self, told: ObjectId) -> Result<Option<u64>> {
        let mut connection = self.connection().await?;
        let row = query("SELECT seq FROM lineage_events WHERE object_id = $1").bind(told);
        let row = row.fetch_optional(&mut connection).await?;
        row.map(|row| row.number("seq")).transpose()
    }

    /// The last event of the lake that `sink` was told; 0 before the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn lineage_told(&self, sink: &str) -> Result<u64> {
        let mut connection = self.connection().await?;
        let row = query("SELECT seq FROM lineage_told WHERE sink = $1").bind(sink);
        let row = row.fetch_optional(&mut connection).await?;
        row.map_or(Ok(0), |row| row.number("seq"))
    }

    /// Remembers that `sink` was told everything up to `seq`. Never goes back.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Locked`], [`Error::ReadOnly`], [`Error::Full`].
    pub async fn mark_lineage_told(&self, sink: &str, seq: u64) -> Result<()> {
        let mut connection = self.connection().await?;
        query(
            "INSERT INTO lineage_told (sink, seq) VALUES ($1, $2) \
             ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq \
             WHERE lineage_told.seq < excluded.seq",
        )
        .bind(sink)
        .bind(saturate(seq))
        .execute(&mut connection)
        .await?;
        Ok(())
    }
}

/// Records what was told, and which names it is found by.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    received: &LineageReceived,
) -> Result<()> {
    let told = received.told;
    if let Some(run) = &received.run {
        check_text("the run", run).map_err(|flaw| Error::invalid(seq, flaw))?;
    }
    object::insert(connection, seq, &[told]).await?;
    require_object(connection, seq, told.id).await?;
    query("INSERT INTO lineage_events (seq, object_id, run_id) VALUES ($1, $2, $3)")
        .bind(saturate(seq))
        .bind(told.id)
        .bind(&received.run)
        .execute(connection)
        .await
        .map_err(|error| match error.is_unique_violation() {
            true => Error::Conflict {
                entity: Entity::LineageEvent(told.id),
                expected: "none".to_owned(),
                found: "an event that told the same".to_owned(),
            },
            false => error,
        })?;
    for node in received.inputs.iter().chain(&received.outputs) {
        check_name(&node.name).map_err(|flaw| Error::invalid(seq, flaw))?;
        query(
            "INSERT INTO lineage_names (namespace, name, seq) VALUES ($1, $2, $3) \
             ON CONFLICT (namespace, name, seq) DO NOTHING",
        )
        .bind(&node.name.namespace)
        .bind(&node.name.name)
        .bind(saturate(seq))
        .execute(connection)
        .await?;
    }
    for dataset in &received.datasets {
        query("INSERT INTO lineage_datasets (namespace, name, seq) VALUES ($1, $2, $3)")
            .bind(dataset.namespace())
            .bind(dataset.name())
            .bind(saturate(seq))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Keys of both databases hold this much, and PostgreSQL's texts no NUL.
fn check_name(name: &LineageName) -> Result<(), Flaw> {
    let fits = |text: &String| text.len() <= MAX_NAME_BYTES && !text.contains('\0');
    match fits(&name.namespace) && fits(&name.name) {
        true => Ok(()),
        false => Err(Flaw::LineageName),
    }
}
