//! The database, made again from the journal.

use lakebed_catalog::{Catalog, DatasetFilter, JournalMark};
use lakebed_core::{Event, LakeId, ObjectId};
use lakebed_store::Store;

use crate::{
    ChainSegment, Clock, Error, LakeConfig, Link, OpenMode, Result, Segment, SegmentBytes,
    journal::{Events, damaged, foreign, forked, missing},
    lake::{open_catalog, open_store},
};

/// What a rebuild found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    /// Segments that were read.
    pub segments: u64,
    /// Events that were replayed.
    pub events: u64,
    /// Datasets there are now.
    pub datasets: u64,
    /// Versions there are now.
    pub versions: u64,
    /// Whether the last segment was cut off. Nobody was told of what it held.
    pub dropped_torn_segment: bool,
}

/// Fills an empty database from the journal of the lake of `config` (P9).
///
/// One transaction a segment; a rebuild that breaks off leaves a database that is not empty and
/// therefore refused by the next one.
///
/// # Errors
/// [`Error::Invalid`] when the database is not empty, [`Error::Stopped`] when the journal is damaged.
pub async fn rebuild(config: LakeConfig, clock: &dyn Clock) -> Result<RebuildReport> {
    let config = LakeConfig { open: OpenMode::Existing, ..config };
    let (store, file) = open_store(&config, clock).await?;
    let catalog = open_catalog(&config, file.lake).await?;
    if catalog.journal_state().await?.last_seq > 0 {
        return Err(Error::Invalid {
            code: "database-not-empty",
            message: "the database holds events already".to_owned(),
            hint: Some("move it away first: rebuild fills an empty one".to_owned()),
        });
    }
    let report = replay(&store, &catalog, file.lake).await;
    catalog.close().await;
    report
}

/// Replays the journal of `store` into the empty `catalog`.
pub(crate) async fn replay(
    store: &Store,
    catalog: &Catalog,
    lake: LakeId,
) -> Result<RebuildReport> {
    let mut report = RebuildReport::default();
    let mut previous: Option<ObjectId> = None;
    let last = last_segment::<Event>(store).await?;
    for number in 1..=last {
        let bytes =
            store.read(&Segment::key(number)).await?.ok_or_else(|| missing::<Events>(number))?;
        let segment = match Segment::read(&bytes) {
            SegmentBytes::Whole(segment) => segment,
            SegmentBytes::Torn if number == last => {
                report.dropped_torn_segment = true;
                break;
            }
            SegmentBytes::Torn => return Err(damaged::<Events>(number, "it is cut off")),
            SegmentBytes::Damaged { why } => return Err(damaged::<Events>(number, &why)),
        };
        if segment.lake != lake {
            return Err(foreign::<Events>(number, segment.lake));
        }
        if segment.segment != number || segment.previous != previous {
            return Err(forked::<Events>(number));
        }
        let digest = ObjectId::of(&bytes);
        let mark = JournalMark { segment: number, seq: segment.last_seq, digest };
        catalog.replay(&segment.events, mark).await?;
        previous = Some(digest);
        report.segments += 1;
        report.events += segment.events.len() as u64;
    }
    let (_, datasets) = catalog.datasets(&DatasetFilter::default()).await?;
    report.datasets = datasets.len() as u64;
    report.versions = datasets
        .iter()
        .filter_map(|dataset| dataset.newest.as_ref())
        .map(|newest| newest.number)
        .sum();
    Ok(report)
}

/// The highest number of a chain's segments; every number up to it must be there.
pub(crate) async fn last_segment<T: Link>(store: &Store) -> Result<u64> {
    let mut last = 0;
    let folder = format!("{}/", T::FOLDER);
    for listed in store.list(&folder).await? {
        let number = listed.key.strip_prefix(&folder).and_then(|name| name.strip_suffix(".json"));
        match number.and_then(|digits| digits.parse::<u64>().ok()) {
            Some(number) if ChainSegment::<T>::key(number) == listed.key => {
                last = last.max(number);
            }
            _ => tracing::warn!(key = listed.key, "leaving alone what is no segment"),
        }
    }
    Ok(last)
}
