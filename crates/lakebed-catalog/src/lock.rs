//! What people registered that they count on: an actor's name for some versions, replaced as a whole.

use lakebed_core::{LockRegistered, LockedVersion, Timestamp};

use crate::{
    Catalog, Error, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::check_text,
    statement::query,
};

/// What somebody counts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRecord {
    /// Who.
    pub actor: String,
    /// What they call it.
    pub name: String,
    /// When they registered it.
    pub at: Timestamp,
    /// The versions; sorted.
    pub inputs: Vec<LockedVersion>,
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT l.name, l.inputs, e.actor, e.at_micros FROM meta m \
             JOIN locks l ON l.seq <= m.journaled_seq JOIN events e ON e.seq = l.seq \
             WHERE m.id = 1 AND l.inputs IS NOT NULL AND NOT EXISTS (SELECT n.seq FROM locks n \
             WHERE n.actor = l.actor AND n.name = l.name AND n.seq > l.seq \
             AND n.seq <= m.journaled_seq)",
            $condition,
            " ORDER BY l.seq"
        )
    };
}

impl Catalog {
    /// What an actor has registered now, or all have, in the order in which it was.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn locks(&self, of: Option<&str>) -> Result<Vec<LockRecord>> {
        let mut connection = self.connection().await?;
        let select = match of {
            Some(actor) => query(select!(" AND l.actor = $1")).bind(actor),
            None => query(select!("")),
        };
        select.fetch_all(&mut connection).await?.iter().map(from_row).collect()
    }
}

fn from_row(row: &Row) -> Result<LockRecord> {
    let inputs = serde_json::from_str(&row.text("inputs")?);
    Ok(LockRecord {
        actor: row.text("actor")?,
        name: row.text("name")?,
        at: row.time("at_micros")?,
        inputs: inputs.map_err(|error| Error::damaged("what somebody counts on", error))?,
    })
}

/// The projection of `lock_registered`.
pub(crate) async fn register(
    connection: &mut Connection,
    seq: u64,
    actor: &str,
    registered: &LockRegistered,
) -> Result<()> {
    let inputs = serde_json::to_string(&registered.inputs);
    let inputs = inputs.map_err(|error| Error::invalid(seq, error))?;
    insert(connection, seq, actor, &registered.name, Some(inputs)).await
}

/// The projection of `lock_removed`.
pub(crate) async fn remove(
    connection: &mut Connection,
    seq: u64,
    actor: &str,
    name: &str,
) -> Result<()> {
    insert(connection, seq, actor, name, None).await
}

async fn insert(
    connection: &mut Connection,
    seq: u64,
    actor: &str,
    name: &str,
    inputs: Option<String>,
) -> Result<()> {
    check_text("the name of a lock", name).map_err(|flaw| Error::invalid(seq, flaw))?;
    query("INSERT INTO locks (seq, actor, name, inputs) VALUES ($1, $2, $3, $4)")
        .bind(saturate(seq))
        .bind(actor)
        .bind(name)
        .bind(&inputs)
        .execute(connection)
        .await?;
    Ok(())
}
