//! Jobs: what was asked, who runs it, how far it is, what came of it.
//!
//! What a job's request, progress and outcome mean is the caller's business: here they are text. No
//! event speaks of a job, and a rebuild brings none back.

use std::{fmt, str::FromStr};

use lakebed_core::{Event, Timestamp};

use crate::{
    Catalog, Result,
    connection::{Connection, Row},
    event::{self, saturate},
    statement::{Statement, query},
};

const COLUMNS: &str = "SELECT id, principal, identity, idempotency_key, kind, request, state, \
     progress, outcome, server, attempt, cancel_asked, revision, created_at_micros, \
     updated_at_micros FROM jobs WHERE ";

/// Ids per statement.
const CHUNK: usize = 500;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is worked on.
    Running,
    /// It is done; the outcome is its result.
    Done,
    /// It could not be done; the outcome is the reason.
    Failed,
    /// Its owner did not want it any more; it left nothing.
    Cancelled,
}

impl JobState {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it changes no more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled];
        all.into_iter().find(|state| state.as_str() == text).ok_or("no state of a job")
    }
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its name in addresses: letters and digits.
    pub id: String,
    /// Whose it is; for everyone else there is no such job.
    pub principal: String,
    /// What else is known of its owner, for whoever runs it.
    pub identity: String,
    /// The owner's key: the same key is the same job.
    pub idempotency_key: Option<String>,
    /// What kind of work.
    pub kind: String,
    /// What was asked.
    pub request: String,
    /// How far it is.
    pub state: JobState,
    /// How far it is, more precisely.
    pub progress: Option<String>,
    /// What came of it, once it is final.
    pub outcome: Option<String>,
    /// The server that runs it; none: whoever comes first.
    pub server: Option<String>,
    /// How often a server began it.
    pub attempt: u64,
    /// Whether its owner wants it to end.
    pub cancel_asked: bool,
    /// Counts its changes.
    pub revision: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// What is needed to know who should go on with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedJob {
    /// The job.
    pub id: String,
    /// Its owner.
    pub principal: String,
    /// What kind of work.
    pub kind: String,
    /// The server that runs it; none: whoever comes first.
    pub server: Option<String>,
    /// How often a server began it.
    pub attempt: u64,
    /// Whether its owner wants it to end.
    pub cancel_asked: bool,
}

/// What is needed to know whether what a job left behind is still wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOutline {
    /// The job.
    pub id: String,
    /// Its owner.
    pub principal: String,
    /// How far it is.
    pub state: JobState,
    /// Whether its outcome is still known.
    pub has_outcome: bool,
}

impl Catalog {
    /// Records a new job, or finds the one that its owner asked for under the same key.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`], [`crate::Error::Full`].
    pub async fn create_job(&self, job: &JobRecord) -> Result<Option<JobRecord>> {
        let mut write = self.begin_write().await?;
        if let Some(key) = &job.idempotency_key
            && let Some(same) = by_key(write.connection(), &job.principal, key).await?
        {
            return Ok(Some(same));
        }
        query(
            "INSERT INTO jobs (id, principal, identity, idempotency_key, kind, request, state, \
             progress, outcome, server, attempt, cancel_asked, revision, created_at_micros, \
             updated_at_micros) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&job.id)
        .bind(&job.principal)
        .bind(&job.identity)
        .bind(&job.idempotency_key)
        .bind(&job.kind)
        .bind(&job.request)
        .bind(job.state.as_str())
        .bind(&job.progress)
        .bind(&job.outcome)
        .bind(&job.server)
        .bind(saturate(job.attempt))
        .bind(i64::from(job.cancel_asked))
        .bind(saturate(job.revision))
        .bind(job.created_at)
        .bind(job.updated_at)
        .execute(write.connection())
        .await?;
        write.commit().await?;
        Ok(None)
    }

    /// The job `id` of `principal`; somebody else's is not found.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn find_job(&self, principal: &str, id: &str) -> Result<Option<JobRecord>> {
        let mut statement = Statement::one_off(COLUMNS);
        statement.push("id = ").push_bind(id).push(" AND principal = ").push_bind(principal);
        let row = statement.fetch_optional(&mut self.connection().await?).await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The newest jobs of `principal`, at most `limit`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn jobs(&self, principal: &str, limit: u32) -> Result<Vec<JobRecord>> {
        let mut statement = Statement::one_off(COLUMNS);
        statement.push("principal = ").push_bind(principal);
        statement.push(" ORDER BY created_at_micros DESC, id DESC LIMIT ");
        statement.push_bind(i64::from(limit));
        read_all(&mut self.connection().await?, statement).await
    }

    /// The job that `principal` asked for under `key`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn find_job_by_key(&self, principal: &str, key: &str) -> Result<Option<JobRecord>> {
        let mut connection = self.connection().await?;
        by_key(&mut connection, principal, key).await
    }

    /// Every job that is not final yet, oldest first.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn unfinished_jobs(&self) -> Result<Vec<UnfinishedJob>> {
        let unfinished = query(
            "SELECT id, principal, kind, server, attempt, cancel_asked FROM jobs \
             WHERE state IN ('queued', 'running') ORDER BY created_at_micros, id",
        );
        let rows = unfinished.fetch_all(&mut self.connection().await?).await?;
        let job = |row: &Row| {
            Ok(UnfinishedJob {
                id: row.text("id")?,
                principal: row.text("principal")?,
                kind: row.text("kind")?,
                server: row.optional_text("server")?,
                attempt: row.number("attempt")?,
                cancel_asked: row.number("cancel_asked")? != 0,
            })
        };
        rows.iter().map(job).collect()
    }

    /// Those of `ids` that are jobs.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn jobs_among(&self, ids: &[String]) -> Result<Vec<JobOutline>> {
        let mut connection = self.connection().await?;
        let mut found = Vec::new();
        for chunk in ids.chunks(CHUNK) {
            let mut named = Statement::one_off(
                "SELECT id, principal, state, \
                 CAST(CASE WHEN outcome IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_outcome \
                 FROM jobs WHERE id IN (",
            );
            for (index, id) in chunk.iter().enumerate() {
                named.push(if index == 0 { "" } else { ", " }).push_bind(id);
            }
            named.push(")");
            for row in named.fetch_all(&mut connection).await? {
                found.push(JobOutline {
                    id: row.text("id")?,
                    principal: row.text("principal")?,
                    state: row.parsed("state")?,
                    has_outcome: row.number("has_outcome")? != 0,
                });
            }
        }
        Ok(found)
    }

    /// Writes how far a job of `server` is, or its end. Not, if it is another server's by now, or
    /// final: then it is none of `server`'s business any more.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn update_job(
        &self,
        id: &str,
        server: &str,
        state: JobState,
        text: Option<&str>,
        at: Timestamp,
    ) -> Result<bool> {
        let update = match state.is_final() {
            true => query(
                "UPDATE jobs SET state = $1, outcome = $2, server = NULL, progress = NULL, \
                 updated_at_micros = $3, revision = revision + 1 \
                 WHERE id = $4 AND server = $5 AND state IN ('queued', 'running')",
            ),
            false => query(
                "UPDATE jobs SET state = $1, progress = $2, updated_at_micros = $3, \
                 revision = revision + 1 \
                 WHERE id = $4 AND server = $5 AND state IN ('queued', 'running')",
            ),
        };
        self.change(update.bind(state.as_str()).bind(text).bind(at).bind(id).bind(server)).await
    }

    /// Makes a job that `from` ran, or nobody, `to`'s. Of several servers one succeeds.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn take_job(
        &self,
        id: &str,
        from: Option<&str>,
        to: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let mut take = Statement::one_off("UPDATE jobs SET server = ");
        take.push_bind(to).push(", state = 'queued', attempt = attempt + 1, updated_at_micros = ");
        take.push_bind(at).push(", revision = revision + 1 WHERE id = ").push_bind(id);
        take.push(" AND state IN ('queued', 'running') AND server ");
        match from {
            Some(from) => take.push("= ").push_bind(from),
            None => take.push("IS NULL"),
        };
        self.change(take).await
    }

    /// Gives a job of `server` back: the next server that looks takes it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn release_jobs(&self, server: &str) -> Result<bool> {
        let release = query(
            "UPDATE jobs SET server = NULL, state = 'queued', revision = revision + 1 \
             WHERE server = $1 AND state IN ('queued', 'running')",
        );
        self.change(release.bind(server)).await
    }

    /// Notes that its owner wants a job to end; not, if there is none or it has ended.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn ask_to_cancel(&self, principal: &str, id: &str, at: Timestamp) -> Result<bool> {
        let ask = query(
            "UPDATE jobs SET cancel_asked = 1, updated_at_micros = $1, revision = revision + 1 \
             WHERE id = $2 AND principal = $3 AND state IN ('queued', 'running')",
        );
        self.change(ask.bind(at).bind(id).bind(principal)).await
    }

    /// Forgets what came of a job of `principal`, and not that it was; not, if it goes on, or
    /// nothing is known of it any more.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn forget_outcome(&self, principal: &str, id: &str) -> Result<bool> {
        let forget = query(
            "UPDATE jobs SET outcome = NULL, revision = revision + 1 \
             WHERE id = $1 AND principal = $2 AND outcome IS NOT NULL \
             AND state IN ('done', 'failed', 'cancelled')",
        );
        self.change(forget.bind(id).bind(principal)).await
    }

    /// Forgets what came of jobs of one kind that ended at `until` or before.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn forget_outcomes(&self, kind: &str, until: Timestamp) -> Result<bool> {
        let forget = query(
            "UPDATE jobs SET outcome = NULL, revision = revision + 1 \
             WHERE state IN ('done', 'failed', 'cancelled') AND updated_at_micros <= $1 \
             AND kind = $2 AND outcome IS NOT NULL",
        );
        self.change(forget.bind(until).bind(kind)).await
    }

    /// Forgets jobs that ended before `before`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Locked`].
    pub async fn delete_jobs(&self, before: Timestamp) -> Result<bool> {
        let delete = query(
            "DELETE FROM jobs WHERE state IN ('done', 'failed', 'cancelled') \
             AND updated_at_micros < $1",
        );
        self.change(delete.bind(before)).await
    }

    /// The events of the commit that `actor` made under `key`, above the mark too; none if there is
    /// no such commit.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], [`crate::Error::Damaged`].
    pub async fn find_commit(&self, actor: &str, key: &str) -> Result<Vec<Event>> {
        event::find_by_key(&mut self.connection().await?, actor, key).await
    }
}

async fn by_key(
    connection: &mut Connection,
    principal: &str,
    key: &str,
) -> Result<Option<JobRecord>> {
    let mut same = Statement::one_off(COLUMNS);
    same.push("principal = ").push_bind(principal).push(" AND idempotency_key = ").push_bind(key);
    same.fetch_optional(connection).await?.as_ref().map(from_row).transpose()
}

async fn read_all(connection: &mut Connection, statement: Statement) -> Result<Vec<JobRecord>> {
    statement.fetch_all(connection).await?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<JobRecord> {
    Ok(JobRecord {
        id: row.text("id")?,
        principal: row.text("principal")?,
        identity: row.text("identity")?,
        idempotency_key: row.optional_text("idempotency_key")?,
        kind: row.text("kind")?,
        request: row.text("request")?,
        state: row.parsed("state")?,
        progress: row.optional_text("progress")?,
        outcome: row.optional_text("outcome")?,
        server: row.optional_text("server")?,
        attempt: row.number("attempt")?,
        cancel_asked: row.number("cancel_asked")? != 0,
        revision: row.number("revision")?,
        created_at: row.time("created_at_micros")?,
        updated_at: row.time("updated_at_micros")?,
    })
}
