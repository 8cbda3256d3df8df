//! The two chains of a lake, by what differs between them: events, and records of reads.

use std::fmt::Debug;

use async_trait::async_trait;
use lakebed_catalog::{Catalog, JournalMark, JournalState};
use lakebed_core::Event;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Result, reads::StoredRead};

/// The most records of reads in one segment.
const READS_IN_SEGMENT: u64 = 10_000;

/// What stands in segments, one after the other.
pub trait Link: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// The folder of the segments, below the lake's root.
    const FOLDER: &'static str;

    /// Its place, from 1, without gaps.
    fn place(&self) -> u64;
}

impl Link for Event {
    const FOLDER: &'static str = "journal";

    fn place(&self) -> u64 {
        self.seq
    }
}

impl Link for StoredRead {
    const FOLDER: &'static str = "audit";

    fn place(&self) -> u64 {
        self.seq
    }
}

/// Where a chain's links come from, and where it is noted how far they are in segments.
#[async_trait]
pub(crate) trait Chain: Debug + Send + Sync + 'static {
    /// What it is a chain of.
    type Link: Link;
    /// The lease under which one server writes segments for all.
    const LEASE: &'static str;

    /// The last link of the segment that follows `state`.
    fn end_of_next(state: &JournalState) -> u64;

    /// How far links are written, and how far they are in segments.
    async fn state(catalog: &Catalog) -> Result<JournalState>;

    /// The links with `after < place <= up_to`, in order.
    async fn between(catalog: &Catalog, after: u64, up_to: u64) -> Result<Vec<Self::Link>>;

    /// Notes a segment, if the last one noted is still `expected`.
    async fn mark(catalog: &Catalog, expected: u64, mark: JournalMark) -> Result<bool>;
}

/// The chain of events.
#[derive(Debug)]
pub(crate) struct Events;

#[async_trait]
impl Chain for Events {
    type Link = Event;
    const LEASE: &'static str = "journal";

    fn end_of_next(state: &JournalState) -> u64 {
        state.last_seq
    }

    async fn state(catalog: &Catalog) -> Result<JournalState> {
        Ok(catalog.journal_state().await?)
    }

    async fn between(catalog: &Catalog, after: u64, up_to: u64) -> Result<Vec<Event>> {
        Ok(catalog.events_between(after, up_to).await?)
    }

    async fn mark(catalog: &Catalog, expected: u64, mark: JournalMark) -> Result<bool> {
        Ok(catalog.mark_journaled(expected, mark).await?)
    }
}

/// The chain of records of reads.
#[derive(Debug)]
pub(crate) struct Reads;

#[async_trait]
impl Chain for Reads {
    type Link = StoredRead;
    const LEASE: &'static str = "audit";

    fn end_of_next(state: &JournalState) -> u64 {
        state.last_seq.min(state.journaled_seq + READS_IN_SEGMENT)
    }

    async fn state(catalog: &Catalog) -> Result<JournalState> {
        Ok(catalog.read_state().await?)
    }

    async fn between(catalog: &Catalog, after: u64, up_to: u64) -> Result<Vec<StoredRead>> {
        let records = catalog.reads_between(after, up_to, usize::MAX).await?;
        records.iter().map(StoredRead::from_record).collect()
    }

    async fn mark(catalog: &Catalog, expected: u64, mark: JournalMark) -> Result<bool> {
        Ok(catalog.mark_reads(expected, mark).await?)
    }
}
