//! The database, made again from the journal.

use lakebed_catalog::{Aside, Beside, Catalog, DatasetFilter, JournalMark};
use lakebed_core::{Event, LakeId, ObjectId};
use lakebed_store::Store;

use crate::{
    ChainSegment, Clock, Error, LakeConfig, Link, OpenMode, Result, Segment, SegmentBytes,
    journal::{Events, damaged, foreign, missing},
    lake::{catalog_url, open_catalog, open_store},
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

/// Makes the database from the journal of the lake of `config` (P9), where there is none or an empty one.
///
/// A file is made beside its place, and is there when it is whole. The tables of an empty database of
/// PostgreSQL are filled where they are, one transaction a segment: what broke off there is a database that
/// is not empty, and [`rebuild_replacing`] replaces it.
///
/// # Errors
/// [`Error::Invalid`] when the database is not empty, [`Error::Stopped`] when the journal is damaged.
pub async fn rebuild(config: LakeConfig, clock: &dyn Clock) -> Result<RebuildReport> {
    let config = LakeConfig { open: OpenMode::Existing, ..config };
    let (store, file) = open_store(&config, clock).await?;
    check_journal(&store, file.lake).await?;
    let catalog = open_catalog(&config, file.lake).await?;
    let state = catalog.journal_state().await;
    if catalog.is_shared() && matches!(&state, Ok(state) if state.last_seq == 0) {
        let report = replay(&store, &catalog, file.lake).await;
        catalog.close().await;
        return report;
    }
    catalog.close().await;
    if state?.last_seq > 0 {
        return Err(Error::Invalid {
            code: "database-not-empty",
            message: "the database holds events already".to_owned(),
            hint: Some("move it away first: rebuild fills an empty one".to_owned()),
        });
    }
    let (report, empty) = make_beside(&config, &store, file.lake).await?;
    if let Some(Aside::File(empty)) = empty {
        let _ = std::fs::remove_file(empty);
    }
    Ok(report)
}

/// The same whatever is there by now, which gives way to the new database when that is whole, and not
/// before: when the journal cannot be read, or the process dies, the old one is in its place. Gives what
/// it is called afterwards; none if there was none.
///
/// # Errors
/// [`Error::Stopped`] when the journal is damaged, or when somebody writes to the lake meanwhile.
pub async fn rebuild_replacing(
    config: LakeConfig,
    clock: &dyn Clock,
) -> Result<(RebuildReport, Option<String>)> {
    let config = LakeConfig { open: OpenMode::Existing, ..config };
    let (store, file) = open_store(&config, clock).await?;
    check_journal(&store, file.lake).await?;
    let (report, aside) = make_beside(&config, &store, file.lake).await?;
    Ok((report, aside.map(|aside| aside.to_string())))
}

async fn make_beside(
    config: &LakeConfig,
    store: &Store,
    lake: LakeId,
) -> Result<(RebuildReport, Option<Aside>)> {
    let beside = Beside::begin(&catalog_url(config)?).await?;
    let catalog = Catalog::open(beside.url(), lake).await?;
    let report = replay(store, &catalog, lake).await;
    catalog.close().await;
    let report = report?;
    let read = report.segments + u64::from(report.dropped_torn_segment);
    if last_segment::<Event>(store).await? != read {
        return Err(Error::Stopped {
            message: "somebody wrote to the lake while its database was made again".to_owned(),
            hint: "stop whoever uses it, then run `lakebed rebuild --replace` again".to_owned(),
        });
    }
    Ok((report, beside.put_in_place().await?))
}

/// Reads the journal once before anything is made of it.
async fn check_journal(store: &Store, lake: LakeId) -> Result<()> {
    let mut chain = Replay::begin(store, lake).await?;
    while chain.next(store).await?.is_some() {}
    Ok(())
}

/// The segments of a journal, one after the other, each as it must be behind the one before.
struct Replay {
    lake: LakeId,
    last: u64,
    /// The number of the segment that was read last.
    read: u64,
    previous: Option<ObjectId>,
    is_torn: bool,
}

impl Replay {
    async fn begin(store: &Store, lake: LakeId) -> Result<Self> {
        let last = last_segment::<Event>(store).await?;
        Ok(Self { lake, last, read: 0, previous: None, is_torn: false })
    }

    /// The next segment and its mark; none behind the last, or where that is cut off.
    async fn next(&mut self, store: &Store) -> Result<Option<(Segment, JournalMark)>> {
        if self.is_torn || self.read == self.last {
            return Ok(None);
        }
        let number = self.read + 1;
        let bytes =
            store.read(&Segment::key(number)).await?.ok_or_else(|| missing::<Events>(number))?;
        let segment = match Segment::read(&bytes) {
            SegmentBytes::Whole(segment) => segment,
            SegmentBytes::Torn if number == self.last => {
                self.is_torn = true;
                return Ok(None);
            }
            SegmentBytes::Torn => return Err(damaged::<Events>(number, "it is cut off")),
            SegmentBytes::Damaged { why } => return Err(damaged::<Events>(number, &why)),
        };
        if segment.lake != self.lake {
            return Err(foreign::<Events>(number, segment.lake));
        }
        if segment.segment != number || segment.previous != self.previous {
            return Err(damaged::<Events>(number, "it does not follow the one before"));
        }
        let digest = ObjectId::of(&bytes);
        let mark = JournalMark { segment: number, seq: segment.last_seq, digest };
        (self.read, self.previous) = (number, Some(digest));
        Ok(Some((*segment, mark)))
    }
}

/// Replays the journal of `store` into the empty `catalog`.
pub(crate) async fn replay(
    store: &Store,
    catalog: &Catalog,
    lake: LakeId,
) -> Result<RebuildReport> {
    let mut report = RebuildReport::default();
    let mut chain = Replay::begin(store, lake).await?;
    while let Some((segment, mark)) = chain.next(store).await? {
        catalog.replay(&segment.events, mark).await?;
        report.segments += 1;
        report.events += segment.events.len() as u64;
    }
    report.dropped_torn_segment = chain.is_torn;
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
