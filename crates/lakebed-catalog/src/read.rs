//! Records of reads: who read what. Written in groups, read back in order.
//!
//! What a record says is the caller's business: here it is text. No event speaks of it, so reading
//! never moves `seq`. SQLite keeps records in a database file of their own, which is made when the
//! first read is recorded; PostgreSQL in tables of their own, under a lock of their own: whoever reads
//! never waits for whoever commits.

use lakebed_core::Timestamp;

use crate::{
    Catalog, Error, JournalMark, JournalState, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::to_i64,
    statement::{Statement, query},
    tries::Tries,
};

/// Records written by one statement, and read by one.
const PAGE: usize = 500;
/// The only writer of records until its transaction ends.
const LOCK: &str = "SELECT l.last_number FROM read_log l WHERE l.id = 1 FOR UPDATE";

/// A record of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadRecord {
    /// Its place among all records, from 1, without gaps.
    pub number: u64,
    /// What it says.
    pub record: NewReadRecord,
}

/// A record that has no place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReadRecord {
    /// When it was made.
    pub at: Timestamp,
    /// Which read it is about.
    pub read: String,
    /// Which of the read's records it is: each is there once.
    pub part: ReadPart,
    /// Who read.
    pub principal: String,
    /// What it says.
    pub body: String,
}

/// The records that a read has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadPart {
    /// What was about to be read.
    Intent,
    /// What came of it.
    Outcome,
}

impl ReadPart {
    const fn number(self) -> i64 {
        match self {
            Self::Intent => 0,
            Self::Outcome => 1,
        }
    }
}

impl Catalog {
    /// Writes `records` in order, all or none, durable when it returns.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Locked`], [`Error::ReadOnly`], [`Error::Full`].
    pub async fn append_reads(&self, records: &[NewReadRecord]) -> Result<()> {
        let log = self.read_log().await?;
        let mut tries = Tries::new();
        loop {
            match log.try_append(records).await {
                Err(error) if tries.again(&error).await => {}
                done => return done,
            }
        }
    }

    /// One try. An earlier one, of this call or of one that nobody waited for, may have done it: what is
    /// there already is not written again.
    async fn try_append(&self, records: &[NewReadRecord]) -> Result<()> {
        let mut write = self.begin_alone(LOCK).await?;
        let connection = write.connection();
        let mut new: Vec<&NewReadRecord> = records.iter().collect();
        // All or none: if the first one is new, all are.
        if let Some(first) = new.first()
            && has(connection, first).await?
        {
            new.clear();
            for record in records {
                if !has(connection, record).await? {
                    new.push(record);
                }
            }
        }
        let last = read_state(connection).await?.last_number;
        let numbered: Vec<(u64, &NewReadRecord)> = (last + 1..).zip(new).collect();
        for some in numbered.chunks(PAGE) {
            insert(some)?.execute(connection).await?;
        }
        query("UPDATE read_log SET last_number = $1 WHERE id = 1")
            .bind(saturate(last + numbered.len() as u64))
            .execute(connection)
            .await?;
        write.commit().await
    }

    /// How far records are written, and how far they are in segments.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn read_state(&self) -> Result<JournalState> {
        let log = self.read_log().await?;
        let state = read_state(&mut log.connection().await?).await?;
        Ok(JournalState {
            lake: self.lake(),
            last_seq: state.last_number,
            journaled_seq: state.segmented_number,
            segment: state.segment,
            segment_digest: state.segment_digest,
        })
    }

    /// Records with `after < number <= up_to`, in order, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn reads_between(
        &self,
        after: u64,
        up_to: u64,
        limit: usize,
    ) -> Result<Vec<ReadRecord>> {
        let log = self.read_log().await?;
        let mut connection = log.connection().await?;
        let mut records: Vec<ReadRecord> = Vec::new();
        while records.len() < limit {
            let from = records.last().map_or(after, |record| record.number);
            let most = (limit - records.len()).min(PAGE);
            let rows = query(
                "SELECT number, at_micros, read, part, principal, body FROM reads \
                 WHERE number > $1 AND number <= $2 ORDER BY number LIMIT $3",
            )
            .bind(saturate(from))
            .bind(saturate(up_to))
            .bind(saturate(most as u64))
            .fetch_all(&mut connection)
            .await?;
            let is_last = rows.len() < most;
            for row in &rows {
                records.push(from_row(row)?);
            }
            if is_last {
                break;
            }
        }
        Ok(records)
    }

    /// The records of one read, in order.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn find_read(&self, read: &str) -> Result<Vec<ReadRecord>> {
        let log = self.read_log().await?;
        let rows = query(
            "SELECT number, at_micros, read, part, principal, body FROM reads \
             WHERE read = $1 ORDER BY part",
        )
        .bind(read)
        .fetch_all(&mut log.connection().await?)
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Notes that records are in segments up to `mark`, if the last segment is still
    /// `expected_segment`. `false` if another process noted it first.
    ///
    /// # Errors
    /// [`Error::MarkOutOfReach`] if the mark lies beyond the records or before the last mark.
    pub async fn mark_reads(&self, expected_segment: u64, mark: JournalMark) -> Result<bool> {
        let log = self.read_log().await?;
        let mut write = log.begin_alone(LOCK).await?;
        let state = read_state(write.connection()).await?;
        if state.segment != expected_segment {
            return Ok(false);
        }
        set_mark(write.connection(), &state, mark).await?;
        write.commit().await?;
        Ok(true)
    }

    /// Puts the records of one segment back, exactly as they are.
    ///
    /// # Errors
    /// [`Error::Gap`] if they do not continue what is there, [`Error::MarkOutOfReach`]. Nothing is
    /// written then.
    pub async fn replay_reads(&self, records: &[ReadRecord], mark: JournalMark) -> Result<()> {
        let log = self.read_log().await?;
        let mut write = log.begin_alone(LOCK).await?;
        let connection = write.connection();
        let state = read_state(connection).await?;
        for (expected, record) in (state.last_number + 1..).zip(records) {
            if record.number != expected {
                return Err(Error::Gap { expected, found: record.number });
            }
        }
        let numbered: Vec<_> =
            records.iter().map(|record| (record.number, &record.record)).collect();
        for some in numbered.chunks(PAGE) {
            insert(some)?.execute(connection).await?;
        }
        let last_number = state.last_number + records.len() as u64;
        query("UPDATE read_log SET last_number = $1 WHERE id = 1")
            .bind(saturate(last_number))
            .execute(connection)
            .await?;
        set_mark(connection, &State { last_number, ..state }, mark).await?;
        write.commit().await
    }
}

struct State {
    last_number: u64,
    segmented_number: u64,
    segment: u64,
    segment_digest: Option<lakebed_core::ObjectId>,
}

async fn read_state(connection: &mut Connection) -> Result<State> {
    let row = query(
        "SELECT last_number, segmented_number, segment, segment_digest FROM read_log WHERE id = 1",
    )
    .fetch_one(connection)
    .await?;
    Ok(State {
        last_number: row.number("last_number")?,
        segmented_number: row.number("segmented_number")?,
        segment: row.number("segment")?,
        segment_digest: row.optional_digest("segment_digest")?,
    })
}

async fn set_mark(connection: &mut Connection, state: &State, mark: JournalMark) -> Result<()> {
    let is_ahead = mark.segment > state.segment && mark.seq >= state.segmented_number;
    if !is_ahead || mark.seq > state.last_number {
        return Err(Error::MarkOutOfReach { mark: mark.seq, last_seq: state.last_number });
    }
    query(
        "UPDATE read_log SET segmented_number = $1, segment = $2, segment_digest = $3 WHERE id = 1",
    )
    .bind(saturate(mark.seq))
    .bind(saturate(mark.segment))
    .bind(mark.digest)
    .execute(connection)
    .await?;
    Ok(())
}

async fn has(connection: &mut Connection, record: &NewReadRecord) -> Result<bool> {
    let found = query("SELECT number FROM reads WHERE read = $1 AND part = $2")
        .bind(&record.read)
        .bind(record.part.number())
        .fetch_optional(connection)
        .await?;
    Ok(found.is_some())
}

/// One statement for all of `records`; that for a single one stays prepared.
fn insert(records: &[(u64, &NewReadRecord)]) -> Result<Statement> {
    let mut statement = Statement::one_off(
        "INSERT INTO reads (number, at_micros, read, part, principal, body) VALUES ",
    );
    statement.is_kept = records.len() == 1;
    for (index, (number, record)) in records.iter().enumerate() {
        let number = to_i64("the number", *number).map_err(|flaw| Error::invalid(*number, flaw))?;
        statement.push(if index == 0 { "(" } else { ", (" }).push_bind(number);
        statement.push(", ").push_bind(record.at);
        statement.push(", ").push_bind(&record.read);
        statement.push(", ").push_bind(record.part.number());
        statement.push(", ").push_bind(&record.principal);
        statement.push(", ").push_bind(&record.body).push(")");
    }
    Ok(statement)
}

fn from_row(row: &Row) -> Result<ReadRecord> {
    Ok(ReadRecord {
        number: row.number("number")?,
        record: NewReadRecord {
            at: row.time("at_micros")?,
            read: row.text("read")?,
            part: match row.number("part")? {
                0 => ReadPart::Intent,
                _ => ReadPart::Outcome,
            },
            principal: row.text("principal")?,
            body: row.text("body")?,
        },
    })
}
