//! Datasets as the catalog knows them: with their newest version and the heads of their stages.

use std::collections::{BTreeMap, BTreeSet};

use lakebed_core::{DatasetKind, DatasetName, GateName, StageName, Timestamp};

use crate::{
    Catalog, NoticeRecord, Result, Snapshot, VersionRecord,
    connection::{Connection, Row},
    meta, projection, promotion,
    statement::query,
    version::{self, version_columns, version_joins},
};

/// Which datasets to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatasetFilter {
    /// Only this namespace.
    pub namespace: Option<String>,
}

/// A dataset at the journaled mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRecord {
    /// Its name.
    pub name: DatasetName,
    /// What its versions are made of.
    pub kind: DatasetKind,
    /// When it was created.
    pub created_at: Timestamp,
    /// Its newest version, whatever its stage.
    pub newest: Option<VersionRecord>,
    /// The head of each stage that has one, `raw` included.
    pub heads: BTreeMap<StageName, StageHead>,
    /// Whether it ends.
    pub notice: Option<NoticeRecord>,
}

/// The head of a stage, and how it came there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageHead {
    /// The version's number.
    pub number: u64,
    /// Whether whoever made it or asked for it was needed to approve it.
    pub is_self_approved: bool,
    /// The gates that it came through although they were closed.
    pub waived: BTreeSet<GateName>,
}

/// A dataset as the next commit will find it, above the journaled mark too: for planning, never for
/// showing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestState {
    /// What its versions are made of.
    pub kind: DatasetKind,
    /// The version that the next one must follow.
    pub newest: Option<VersionRecord>,
}

/// Datasets with their newest version; `$1` is the mark.
macro_rules! datasets_sql {
    ($condition:literal) => {
        concat!(
            "SELECT d.id AS dataset_id, c.at_micros AS created_at_micros, ",
            version_columns!(),
            " FROM datasets d JOIN events c ON c.seq = d.id \
             LEFT JOIN versions v ON v.dataset_id = d.id AND v.number = \
             (SELECT h.number FROM head_moves h WHERE h.dataset_id = d.id AND h.stage = 'raw' \
             AND h.seq <= $1 ORDER BY h.seq DESC LIMIT 1) ",
            version_joins!(),
            " WHERE d.id <= $1",
            $condition,
            " ORDER BY d.namespace, d.name"
        )
    };
}

/// The heads of those datasets, and of those above `raw` the event that made them so; `$1` is the mark.
/// `heads` says which stages there are, and `head_moves` which version each had then (none, if it came
/// later).
macro_rules! heads_sql {
    ($condition:literal) => {
        concat!(
            "SELECT s.dataset_id, s.stage, h.number, h.seq, e.body FROM datasets d \
             JOIN heads s ON s.dataset_id = d.id \
             JOIN head_moves h ON h.dataset_id = s.dataset_id AND h.stage = s.stage AND h.seq = \
             (SELECT n.seq FROM head_moves n WHERE n.dataset_id = s.dataset_id \
             AND n.stage = s.stage AND n.seq <= $1 ORDER BY n.seq DESC LIMIT 1) \
             LEFT JOIN events e ON e.seq = h.seq AND s.stage <> 'raw' WHERE d.id <= $1",
            $condition
        )
    };
}

/// What was said of the end of those datasets, by rising event; `$1` is the mark.
macro_rules! notices_sql {
    ($condition:literal) => {
        concat!(
            "SELECT n.dataset_id, n.seq, e.at_micros, n.sunset_at_micros, n.successor \
             FROM datasets d JOIN notices n ON n.dataset_id = d.id AND n.seq <= $1 \
             JOIN events e ON e.seq = n.seq WHERE d.id <= $1",
            $condition,
            " ORDER BY n.seq"
        )
    };
}

/// Statements that read the same datasets.
pub(crate) struct Listing {
    pub(crate) datasets: &'static str,
    pub(crate) heads: &'static str,
    pub(crate) notices: &'static str,
}

const EVERY: Listing =
    Listing { datasets: datasets_sql!(""), heads: heads_sql!(""), notices: notices_sql!("") };
const NAMESPACE: Listing = Listing {
    datasets: datasets_sql!(" AND d.namespace = $2"),
    heads: heads_sql!(" AND d.namespace = $2"),
    notices: notices_sql!(" AND d.namespace = $2"),
};
pub(crate) const ONE: Listing = Listing {
    datasets: datasets_sql!(" AND d.namespace = $2 AND d.name = $3"),
    heads: heads_sql!(" AND d.namespace = $2 AND d.name = $3"),
    notices: notices_sql!(" AND d.namespace = $2 AND d.name = $3"),
};

pub(crate) const NEWEST: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM datasets d JOIN heads s ON s.dataset_id = d.id AND s.stage = 'raw' \
     JOIN versions v ON v.dataset_id = d.id AND v.number = s.number ",
    version_joins!(),
    " WHERE d.namespace = $1 AND d.name = $2"
);

impl Catalog {
    /// The datasets at the journaled mark, sorted by name, and what that mark is.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable), [`Error::Damaged`](crate::Error::Damaged).
    pub async fn datasets(&self, filter: &DatasetFilter) -> Result<(Snapshot, Vec<DatasetRecord>)> {
        let mut transaction = self.begin_read().await?;
        let snapshot = meta::snapshot(&mut transaction).await?;
        let records = match &filter.namespace {
            None => list(&mut transaction, snapshot, &EVERY, &[]).await?,
            // No name holds a NUL, and PostgreSQL takes no text with one.
            Some(name) if name.contains('\0') => Vec::new(),
            Some(name) => list(&mut transaction, snapshot, &NAMESPACE, &[name.as_str()]).await?,
        };
        Ok((snapshot, records))
    }

    /// The dataset of this name at the journaled mark.
    ///
    /// # Errors
    /// As [`Catalog::datasets`].
    pub async fn find_dataset(&self, name: &DatasetName) -> Result<Option<DatasetRecord>> {
        let mut transaction = self.begin_read().await?;
        let snapshot = meta::snapshot(&mut transaction).await?;
        let parts = [name.namespace(), name.name()];
        Ok(list(&mut transaction, snapshot, &ONE, &parts).await?.pop())
    }

    /// The newest version as the next commit will find it, above the journaled mark too.
    ///
    /// # Errors
    /// As [`Catalog::datasets`].
    pub async fn newest(&self, name: &DatasetName) -> Result<Option<VersionRecord>> {
        let mut connection = self.connection().await?;
        find_newest(&mut connection, name).await
    }

    /// The dataset as the next commit will find it, above the journaled mark too; `None` if that
    /// commit has to create it.
    ///
    /// # Errors
    /// As [`Catalog::datasets`].
    pub async fn newest_state(&self, name: &DatasetName) -> Result<Option<NewestState>> {
        let mut transaction = self.begin_read().await?;
        match projection::find_dataset(&mut transaction, name).await? {
            None => Ok(None),
            Some((_, kind)) => {
                let newest = find_newest(&mut transaction, name).await?;
                Ok(Some(NewestState { kind, newest }))
            }
        }
    }
}

async fn find_newest(
    connection: &mut Connection,
    name: &DatasetName,
) -> Result<Option<VersionRecord>> {
    let row =
        query(NEWEST).bind(name.namespace()).bind(name.name()).fetch_optional(connection).await?;
    row.as_ref().map(version::from_row).transpose()
}

async fn list(
    connection: &mut Connection,
    snapshot: Snapshot,
    listing: &Listing,
    names: &[&str],
) -> Result<Vec<DatasetRecord>> {
    let mut heads = read_heads(connection, snapshot, listing, names).await?;
    let mut notices = BTreeMap::new();
    for row in select(connection, snapshot, listing.notices, names).await? {
        notices.insert(row.number("dataset_id")?, promotion::notice_from_row(&row)?);
    }
    let rows = select(connection, snapshot, listing.datasets, names).await?;
    let record = |row: &Row| {
        Ok(DatasetRecord {
            name: version::dataset_name(row)?,
            kind: row.kind("kind")?,
            created_at: row.time("created_at_micros")?,
            newest: version::optional_from_row(row)?,
            heads: heads.remove(&row.number("dataset_id")?).unwrap_or_default(),
            notice: notices.remove(&row.number("dataset_id")?),
        })
    };
    rows.iter().map(record).collect()
}

async fn read_heads(
    connection: &mut Connection,
    snapshot: Snapshot,
    listing: &Listing,
    names: &[&str],
) -> Result<BTreeMap<u64, BTreeMap<StageName, StageHead>>> {
    let mut heads: BTreeMap<u64, BTreeMap<StageName, StageHead>> = BTreeMap::new();
    for row in select(connection, snapshot, listing.heads, names).await? {
        let stages = heads.entry(row.number("dataset_id")?).or_default();
        stages.insert(row.parsed("stage")?, head_from_row(&row)?);
    }
    Ok(heads)
}

fn head_from_row(row: &Row) -> Result<StageHead> {
    let promotion = promotion::promotion_from_row(row)?;
    let gates = promotion.iter().flat_map(|promotion| &promotion.gates);
    let waived = gates.filter(|outcome| outcome.waiver.is_some());
    Ok(StageHead {
        number: row.number("number")?,
        is_self_approved: promotion.as_ref().is_some_and(|promotion| promotion.self_approved),
        waived: waived.map(|outcome| outcome.gate.name()).collect(),
    })
}

async fn select(
    connection: &mut Connection,
    snapshot: Snapshot,
    sql: &'static str,
    names: &[&str],
) -> Result<Vec<Row>> {
    let mut statement = query(sql).bind(crate::event::saturate(snapshot.seq));
    for name in names {
        statement = statement.bind(*name);
    }
    statement.fetch_all(connection).await
}
