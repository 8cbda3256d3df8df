//! Runs: those that are under way, and those that ended.
//!
//! A run under way is a row that changes; what was asked is text, the caller's business. How it ended is
//! an event: it was committed, or nothing came of it.

use std::{fmt, str::FromStr};

use lakebed_core::{EndedRun, Event, RunCommitted, RunFailed, Timestamp};

use crate::{
    Catalog, Entity, Error, Result,
    connection::{Connection, Row},
    event::{self, saturate},
    flaw::check_text,
    object,
    projection::{get_dataset, require_object},
    statement::{Statement, query},
};

const COLUMNS: &str = "SELECT id, principal, idempotency_key, request, state, \
     patience_micros, created_at_micros, heard_at_micros FROM runs WHERE ";

/// How far a run is that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It is under way, if it is heard of.
    Running,
    /// It was given up, and left nothing.
    Aborted,
    /// Its outputs are versions.
    Committed,
}

impl RunState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Aborted => "aborted",
            Self::Committed => "committed",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Running, Self::Aborted, Self::Committed];
        all.into_iter().find(|state| state.as_str() == text).ok_or("no state of a run")
    }
}

/// A run that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunRun {
    /// Its name in addresses: letters and digits.
    pub id: String,
    /// Whose it is.
    pub principal: String,
    /// The owner's key: the same key is the same run.
    pub idempotency_key: Option<String>,
    /// What was begun.
    pub request: String,
    /// How far it is.
    pub state: RunState,
    /// After so long without a word it is abandoned, in microseconds.
    pub patience_micros: u64,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was heard of last.
    pub heard_at: Timestamp,
}

impl BegunRun {
    /// Whether nobody has heard of it for too long.
    #[must_use]
    pub fn is_abandoned(&self, now: Timestamp) -> bool {
        let until = self.heard_at.as_micros().saturating_add(saturate(self.patience_micros));
        self.state == RunState::Running && until < now.as_micros()
    }
}

impl Catalog {
    /// Records a new run, or finds the one that its owner began under the same key, unless nothing came of
    /// that.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Locked`], [`Error::Full`].
    pub async fn create_run(&self, run: &BegunRun) -> Result<Option<BegunRun>> {
        let mut write = self.begin_write().await?;
        if let Some(key) = &run.idempotency_key
            && let Some(same) = by_key(write.connection(), &run.principal, key).await?
        {
            if same.state != RunState::Aborted {
                return Ok(Some(same));
            }
            // How it ended is in its event.
            let forget = query("DELETE FROM runs WHERE id = $1").bind(&same.id);
            forget.execute(write.connection()).await?;
        }
        query(
            "INSERT INTO runs (id, principal, idempotency_key, request, state, \
             patience_micros, created_at_micros, heard_at_micros) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&run.id)
        .bind(&run.principal)
        .bind(&run.idempotency_key)
        .bind(&run.request)
        .bind(run.state.as_str())
        .bind(saturate(run.patience_micros))
        .bind(run.created_at)
        .bind(run.heard_at)
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(None)
    }

    /// The run that `principal` began under `key`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_begun_by_key(&self, principal: &str, key: &str) -> Result<Option<BegunRun>> {
        by_key(&mut self.connection().await?, principal, key).await
    }

    /// The run `id` as `principal` began it; somebody else's is not found.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_begun(&self, principal: &str, id: &str) -> Result<Option<BegunRun>> {
        let mut statement = Statement::one_off(COLUMNS);
        statement.push("id = ").push_bind(id).push(" AND principal = ").push_bind(principal);
        let row = statement.fetch_optional(&mut self.connection().await?).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The newest runs of `principal` that have not ended, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn begun_runs(&self, principal: &str, limit: u32) -> Result<Vec<BegunRun>> {
        let mut statement = Statement::one_off(COLUMNS);
        statement.push("principal = ").push_bind(principal).push(" AND state = 'running'");
        statement.push(" ORDER BY created_at_micros DESC, id DESC LIMIT ");
        statement.push_bind(i64::from(limit));
        let rows = statement.fetch_all(&mut self.connection().await?).await?;
        rows.iter().map(from_row).collect()
    }

    /// Notes that a run is alive at `now`; not, if it has ended or was abandoned before.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Locked`].
    pub async fn hear_of_run(&self, principal: &str, id: &str, now: Timestamp) -> Result<bool> {
        let hear = query(
            "UPDATE runs SET heard_at_micros = $1 WHERE id = $2 AND principal = $3 \
             AND state = 'running' AND heard_at_micros + patience_micros >= $4",
        );
        self.change(hear.bind(now).bind(id).bind(principal).bind(now)).await
    }

    /// Forgets runs that were begun and not heard of since `before`; how one ended stays in its event.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Locked`].
    pub async fn forget_runs(&self, before: Timestamp) -> Result<bool> {
        self.change(query("DELETE FROM runs WHERE heard_at_micros < $1").bind(before)).await
    }

    /// The event that ended a run, if readers may see it.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_ended_run(&self, id: &str) -> Result<Option<Event>> {
        let mut connection = self.connection().await?;
        let found = query(
            "SELECT e.seq, e.at_micros, e.actor, e.idempotency_key, e.body FROM meta m \
             JOIN committed_runs r ON r.run = $1 AND r.seq <= m.journaled_seq \
             JOIN events e ON e.seq = r.seq WHERE m.id = 1",
        );
        let row = found.bind(id).fetch_optional(&mut connection).await?;
        row.as_ref().map(event::from_row).transpose()
    }

    /// Where the event is that ended a run, above the journaled mark, too.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn place_of_run(&self, id: &str) -> Result<Option<u64>> {
        let mut connection = self.connection().await?;
        let found = query("SELECT seq FROM committed_runs WHERE run = $1").bind(id);
        let row = found.fetch_optional(&mut connection).await?;
        row.map(|row| row.number("seq")).transpose()
    }

    /// The events that ended runs before event `before` (or all) that readers may see, newest first,
    /// at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn ended_runs(&self, before: Option<u64>, limit: u32) -> Result<Vec<Event>> {
        let mut connection = self.connection().await?;
        let rows = query(
            "SELECT e.seq, e.at_micros, e.actor, e.idempotency_key, e.body FROM meta m \
             JOIN committed_runs r ON r.seq < $1 AND r.seq <= m.journaled_seq \
             JOIN events e ON e.seq = r.seq WHERE m.id = 1 ORDER BY r.seq DESC LIMIT $2",
        )
        .bind(before.map_or(i64::MAX, saturate))
        .bind(i64::from(limit))
        .fetch_all(&mut connection)
        .await?;
        rows.iter().map(event::from_row).collect()
    }
}

/// Ends the runs that `events` end, in their transaction: each ends once. Those that nobody knows to be
/// under way were begun before a rebuild.
pub(crate) async fn close(connection: &mut Connection, events: &[Event]) -> Result<()> {
    for event in events {
        let Some(ended) = event.body.ended_run() else { continue };
        let found = query("SELECT state FROM runs WHERE id = $1").bind(ended.run());
        let Some(row) = found.fetch_optional(connection).await? else { continue };
        let state: RunState = row.parsed("state")?;
        if state != RunState::Running {
            return Err(moved(ended.run(), state));
        }
        let close = query("UPDATE runs SET state = $1 WHERE id = $2");
        close.bind(state_of(ended).as_str()).bind(ended.run()).execute(connection).await?;
    }
    Ok(())
}

/// The projection of `run_committed`.
pub(crate) async fn commit(
    connection: &mut Connection,
    seq: u64,
    committed: &RunCommitted,
) -> Result<()> {
    for output in &committed.outputs {
        let dataset_id = get_dataset(connection, &output.dataset).await?;
        let found = query("SELECT seq FROM versions WHERE dataset_id = $1 AND number = $2")
            .bind(dataset_id)
            .bind(saturate(output.number))
            .fetch_optional(connection)
            .await?;
        if found.is_none() {
            let entity = Entity::Version(output.dataset.clone(), output.number);
            return Err(Error::NotFound { entity });
        }
    }
    end(connection, seq, EndedRun::Committed(committed)).await
}

/// The projection of `run_failed`.
pub(crate) async fn fail(connection: &mut Connection, seq: u64, failed: &RunFailed) -> Result<()> {
    end(connection, seq, EndedRun::Failed(failed)).await
}

/// A run ends once. The table is called after those that were committed, which are not all in it any more: an
/// older build looks for it by that name.
async fn end(connection: &mut Connection, seq: u64, ended: EndedRun<'_>) -> Result<()> {
    let run = ended.run();
    check_text("the id of a run", run).map_err(|flaw| Error::invalid(seq, flaw))?;
    object::insert(connection, seq, ended.objects()).await?;
    require_object(connection, seq, ended.record().id).await?;
    query("INSERT INTO committed_runs (seq, run) VALUES ($1, $2)")
        .bind(saturate(seq))
        .bind(run)
        .execute(connection)
        .await
        .map_err(|error| match error.is_unique_violation() {
            true => moved(run, state_of(ended)),
            false => error,
        })?;
    Ok(())
}

const fn state_of(ended: EndedRun<'_>) -> RunState {
    match ended {
        EndedRun::Committed(_) => RunState::Committed,
        EndedRun::Failed(_) => RunState::Aborted,
    }
}

fn moved(run: &str, found: RunState) -> Error {
    Error::Conflict {
        entity: Entity::Run(run.to_owned()),
        expected: RunState::Running.to_string(),
        found: found.to_string(),
    }
}

async fn by_key(
    connection: &mut Connection,
    principal: &str,
    key: &str,
) -> Result<Option<BegunRun>> {
    let mut same = Statement::one_off(COLUMNS);
    same.push("principal = ").push_bind(principal).push(" AND idempotency_key = ").push_bind(key);
    same.fetch_optional(connection).await?.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<BegunRun> {
    Ok(BegunRun {
        id: row.text("id")?,
        principal: row.text("principal")?,
        idempotency_key: row.optional_text("idempotency_key")?,
        request: row.text("request")?,
        state: row.parsed("state")?,
        patience_micros: row.number("patience_micros")?,
        created_at: row.time("created_at_micros")?,
        heard_at: row.time("heard_at_micros")?,
    })
}
