//! From references to versions: indexed reads, one snapshot for all of them, and one statement for
//! many heads and numbers: a lock of a thousand references is a few requests to a database server.
//!
//! The rules are the table of references in ARCHITECTURE.md. Nothing above the journaled mark can
//! be reached from here.

use std::collections::HashMap;

use lakebed_core::{DatasetName, DatasetRef, Selector, StageName, Timestamp, VersionId};

use crate::{
    Catalog, Error, Result, Snapshot, VersionRecord,
    connection::{Connection, Row},
    event::saturate,
    meta,
    projection::RAW,
    statement::{Statement, query},
    version::{self, version_columns, version_joins},
};

/// How many versions an ambiguous digest is answered with, at most.
const MAX_CANDIDATES: usize = 16;

/// How many heads and numbers are looked up by one statement.
const AT_ONCE: usize = 250;

/// What references resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The state of the lake in which they were resolved.
    pub snapshot: Snapshot,
    /// One outcome per reference, in the order given.
    pub versions: Vec<ResolveOutcome>,
}

/// A version, or why there is none. Either is an answer.
pub type ResolveOutcome = Result<Resolved, NotFound>;

/// A version that a reference resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The version.
    pub version: VersionRecord,
    /// The dataset's newest version number in the same snapshot: a larger one means that newer data
    /// exists.
    pub newest: u64,
}

/// Why a reference names no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No dataset has that name.
    #[error("dataset `{dataset}` does not exist")]
    UnknownDataset {
        /// The name given.
        dataset: DatasetName,
    },
    /// The dataset was created, and that is all.
    #[error("dataset `{dataset}` has no version yet")]
    NoVersionYet {
        /// The dataset.
        dataset: DatasetName,
    },
    /// The number is beyond the newest one.
    #[error("`{dataset}` has no version `v{number}`: the newest is `v{newest}`")]
    NoSuchVersion {
        /// The dataset.
        dataset: DatasetName,
        /// The number given.
        number: u64,
        /// The newest number.
        newest: u64,
    },
    /// No version's id starts so.
    #[error("`{dataset}` has no version whose id starts with `b3:{prefix}`")]
    NoSuchDigest {
        /// The dataset.
        dataset: DatasetName,
        /// The digits given.
        prefix: String,
    },
    /// Several versions' ids start so: give more digits.
    #[error("`b3:{prefix}` is ambiguous in `{dataset}`: {}", show(candidates))]
    AmbiguousDigest {
        /// The dataset.
        dataset: DatasetName,
        /// The digits given.
        prefix: String,
        /// The versions it could mean, by number; at most 16 of them.
        candidates: Vec<Candidate>,
    },
    /// No version was ever promoted to the stage.
    #[error("`{dataset}` has no version at stage `{stage}`")]
    NoHead {
        /// The dataset.
        dataset: DatasetName,
        /// The stage asked for.
        stage: StageName,
    },
    /// The bare name resolved to nothing then.
    #[error("`{dataset}` had no version at stage `{stage}` at {at}")]
    NothingThen {
        /// The dataset.
        dataset: DatasetName,
        /// The default stage.
        stage: StageName,
        /// The time asked for; the end of the day for a date.
        at: Timestamp,
    },
}

/// A version that an ambiguous digest could mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub number: u64,
    /// Its id.
    pub version_id: VersionId,
}

fn show(candidates: &[Candidate]) -> String {
    let show = |candidate: &Candidate| {
        let digits: String = candidate.version_id.to_string().chars().take(16).collect();
        format!("`v{}` is `b3:{digits}`", candidate.number)
    };
    candidates.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// The number of the newest version of dataset `d`.
macro_rules! newest {
    () => {
        "(SELECT n.number FROM head_moves n WHERE n.dataset_id = d.id AND n.stage = 'raw' \
         AND n.seq <= m.journaled_seq ORDER BY n.seq DESC LIMIT 1) AS newest, "
    };
}

/// The number that is the head of a stage of dataset `d`.
macro_rules! head {
    ($stage:literal) => {
        concat!(
            "(SELECT h.number FROM head_moves h WHERE h.dataset_id = d.id AND h.stage = ",
            $stage,
            " AND h.seq <= m.journaled_seq ORDER BY h.seq DESC LIMIT 1)"
        )
    };
}

/// One statement that finds the dataset `$1.$2`, its newest version, and versions by a condition on
/// `v` that may use `$3`, `$4`; always at least one row, so that "nothing" says what is missing.
macro_rules! resolve_sql {
    ($($condition:expr),+) => {
        concat!(
            "SELECT m.journaled_seq, COALESCE((SELECT j.at_micros FROM events j \
             WHERE j.seq = m.journaled_seq), 0) AS journaled_at_micros, d.id AS dataset_id, ",
            newest!(),
            version_columns!(),
            " FROM meta m \
             LEFT JOIN datasets d ON d.namespace = $1 AND d.name = $2 AND d.id <= m.journaled_seq \
             LEFT JOIN versions v ON v.dataset_id = d.id AND v.seq <= m.journaled_seq AND ",
            $($condition,)+
            " ",
            version_joins!(),
            " WHERE m.id = 1 LIMIT 17"
        )
    };
}

pub(crate) const BY_NUMBER: &str = resolve_sql!("v.number = $3");
pub(crate) const BY_DIGEST: &str = resolve_sql!("v.version_id >= $3 AND v.version_id <= $4");
pub(crate) const BY_STAGE: &str = resolve_sql!("v.number = ", head!("$3"));
pub(crate) const BY_TIME: &str = resolve_sql!(
    "v.number = (SELECT h.number FROM head_moves h WHERE h.dataset_id = d.id AND h.stage = $3 \
     AND h.seq <= (SELECT t.seq FROM events t WHERE t.at_micros <= $4 AND t.seq <= m.journaled_seq \
     ORDER BY t.at_micros DESC, t.seq DESC LIMIT 1) ORDER BY h.seq DESC LIMIT 1)"
);

/// What follows the values `asked`.
const MANY: &str = concat!(
    ") SELECT a.place, m.journaled_seq, d.id AS dataset_id, ",
    newest!(),
    version_columns!(),
    " FROM asked a JOIN meta m ON m.id = 1 \
     LEFT JOIN datasets d ON d.namespace = a.namespace AND d.name = a.name \
     AND d.id <= m.journaled_seq \
     LEFT JOIN versions v ON v.dataset_id = d.id AND v.seq <= m.journaled_seq \
     AND v.number = COALESCE(a.number, ",
    head!("a.stage"),
    ") ",
    version_joins!()
);

impl Catalog {
    /// Resolves `refs` in one snapshot, as of the journaled mark. A bare name is the head of
    /// `default_stage`; a time is what the bare name resolved to then.
    ///
    /// # Errors
    /// Only if the catalog cannot be read: a reference that names nothing is an outcome.
    pub async fn resolve(
        &self,
        refs: &[DatasetRef],
        default_stage: &StageName,
    ) -> Result<Resolution> {
        // One statement is a snapshot by itself.
        if let [reference] = refs {
            let mut connection = self.connection().await?;
            let (snapshot, outcome) =
                resolve_one(&mut connection, reference, default_stage).await?;
            return Ok(Resolution { snapshot, versions: vec![outcome] });
        }
        let mut transaction = self.begin_read().await?;
        let snapshot = meta::snapshot(&mut transaction).await?;
        let mut found = together(&mut transaction, refs, default_stage).await?;
        let mut versions = Vec::with_capacity(refs.len());
        for (place, reference) in refs.iter().enumerate() {
            versions.push(match found.remove(&place) {
                Some(row) => outcome(reference, default_stage, &[row])?,
                None => resolve_one(&mut transaction, reference, default_stage).await?.1,
            });
        }
        Ok(Resolution { snapshot, versions })
    }
}

/// What was found, by place, for all references that a head or a number decides.
async fn together(
    connection: &mut Connection,
    refs: &[DatasetRef],
    default_stage: &StageName,
) -> Result<HashMap<usize, Row>> {
    let asked = refs.iter().enumerate().filter_map(|(place, reference)| {
        let by = match &reference.selector {
            Selector::Default => By::Head(default_stage.as_str()),
            Selector::Latest => By::Head(RAW),
            Selector::Stage(stage) => By::Head(stage.as_str()),
            Selector::Number(number) => By::Number(*number),
            Selector::Digest(_) | Selector::Date(_) | Selector::Time(_) => return None,
        };
        Some(Asked { place, dataset: &reference.dataset, by })
    });
    let asked: Vec<Asked<'_>> = asked.collect();
    let mut found = HashMap::with_capacity(asked.len());
    for asked in asked.chunks(AT_ONCE) {
        for row in many(asked).fetch_all(connection).await? {
            let place = row.number("place")?;
            found.insert(usize::try_from(place).unwrap_or(usize::MAX), row);
        }
    }
    Ok(found)
}

/// A reference that a head or a number decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) place: usize,
    pub(crate) dataset: &'a DatasetName,
    pub(crate) by: By<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum By<'a> {
    Number(u64),
    /// The stage whose head it is.
    Head(&'a str),
}

/// One statement for all that is `asked`: a row each, as those of [`BY_STAGE`], with its place.
pub(crate) fn many(asked: &[Asked<'_>]) -> Statement {
    let mut statement =
        Statement::one_off("WITH asked (place, namespace, name, stage, number) AS (VALUES ");
    let mut bound = HashMap::new();
    for (index, Asked { place, dataset, by }) in asked.iter().enumerate() {
        let (stage, number) = match by {
            By::Head(stage) => (Some(*stage), None),
            By::Number(number) => (None, Some(saturate(*number))),
        };
        // PostgreSQL takes the types of the first row for all.
        let [open, number_ends, text_ends, close] = match index {
            0 => ["(CAST(", " AS BIGINT), CAST(", " AS TEXT), CAST(", " AS BIGINT))"],
            _ => [", (", ", ", ", ", ")"],
        };
        statement.push(open).push_number(saturate(*place as u64)).push(number_ends);
        for text in [Some(dataset.namespace()), Some(dataset.name()), stage] {
            match text {
                None => statement.push("NULL"),
                Some(text) => match bound.get(text) {
                    Some(place) => statement.push_bound(*place),
                    None => {
                        bound.insert(text, bound.len() + 1);
                        statement.push_bind(text)
                    }
                },
            };
            statement.push(text_ends);
        }
        match number {
            None => statement.push("NULL"),
            Some(number) => statement.push_number(number),
        };
        statement.push(close);
    }
    statement.push(MANY);
    statement
}

async fn resolve_one(
    connection: &mut Connection,
    reference: &DatasetRef,
    default_stage: &StageName,
) -> Result<(Snapshot, ResolveOutcome)> {
    let rows = select(connection, reference, default_stage).await?;
    let snapshot = Snapshot::from_columns(first(&rows)?)?;
    Ok((snapshot, outcome(reference, default_stage, &rows)?))
}

fn first(rows: &[Row]) -> Result<&Row> {
    let no_row = || Error::Damaged { what: "its `meta` row is missing".into(), source: None };
    rows.first().ok_or_else(no_row)
}

/// What the rows that were found for `reference` mean.
fn outcome(
    reference: &DatasetRef,
    default_stage: &StageName,
    rows: &[Row],
) -> Result<ResolveOutcome> {
    let first = first(rows)?;
    let newest = first.optional_number("newest")?;
    Ok(match (rows.len(), version::optional_from_row(first)?, newest) {
        (1, Some(version), Some(newest)) => Ok(Resolved { version, newest }),
        (1, _, _) => Err(missing(reference, default_stage, first, newest)?),
        _ => Err(ambiguous(reference, rows)?),
    })
}

async fn select(
    connection: &mut Connection,
    reference: &DatasetRef,
    default_stage: &StageName,
) -> Result<Vec<Row>> {
    let ask = |sql: &'static str| {
        query(sql).bind(reference.dataset.namespace()).bind(reference.dataset.name())
    };
    let at_time = |at: Timestamp| ask(BY_TIME).bind(default_stage.as_str()).bind(at);
    let statement = match &reference.selector {
        Selector::Default => ask(BY_STAGE).bind(default_stage.as_str()),
        Selector::Latest => ask(BY_STAGE).bind(RAW),
        Selector::Stage(stage) => ask(BY_STAGE).bind(stage.as_str()),
        Selector::Number(number) => ask(BY_NUMBER).bind(saturate(*number)),
        Selector::Digest(prefix) => {
            let (low, high) = digest_range(prefix);
            ask(BY_DIGEST).bind(low).bind(high)
        }
        Selector::Date(date) => at_time(Timestamp::end_of_day(*date)),
        Selector::Time(at) => at_time(*at),
    };
    statement.fetch_all(connection).await
}

/// The smallest and the largest digest with this prefix of hex digits. Other text, which only code
/// can put there, makes a range without digests.
fn digest_range(prefix: &str) -> (Vec<u8>, Vec<u8>) {
    let bound = |filler: char| {
        let digits: String = prefix.chars().chain(std::iter::repeat(filler)).take(64).collect();
        digits.parse::<lakebed_core::ObjectId>().map(|id| id.as_bytes().to_vec())
    };
    match (bound('0'), bound('f')) {
        (Ok(low), Ok(high)) if prefix.len() <= 64 => (low, high),
        _ => (vec![1], vec![0]),
    }
}

/// Says what is not there.
fn missing(
    reference: &DatasetRef,
    default_stage: &StageName,
    row: &Row,
    newest: Option<u64>,
) -> Result<NotFound> {
    let dataset = reference.dataset.clone();
    if row.optional_number("dataset_id")?.is_none() {
        return Ok(NotFound::UnknownDataset { dataset });
    }
    let Some(newest) = newest else {
        return Ok(NotFound::NoVersionYet { dataset });
    };
    let then =
        |at| NotFound::NothingThen { dataset: dataset.clone(), stage: default_stage.clone(), at };
    Ok(match &reference.selector {
        Selector::Default => NotFound::NoHead { dataset, stage: default_stage.clone() },
        Selector::Stage(stage) => NotFound::NoHead { dataset, stage: stage.clone() },
        Selector::Number(number) => NotFound::NoSuchVersion { dataset, number: *number, newest },
        Selector::Digest(prefix) => NotFound::NoSuchDigest { dataset, prefix: prefix.clone() },
        Selector::Date(date) => then(Timestamp::end_of_day(*date)),
        Selector::Time(at) => then(*at),
        Selector::Latest => {
            return Err(Error::Damaged {
                what: format!("version `{dataset}@v{newest}` is missing"),
                source: None,
            });
        }
    })
}

fn ambiguous(reference: &DatasetRef, rows: &[Row]) -> Result<NotFound> {
    let mut candidates = Vec::with_capacity(rows.len());
    for row in rows {
        let number = row.number("number")?;
        candidates.push(Candidate { number, version_id: row.version_id("version_id")? });
    }
    candidates.sort_unstable_by_key(|candidate| candidate.number);
    candidates.truncate(MAX_CANDIDATES);
    let prefix = match &reference.selector {
        Selector::Digest(prefix) => prefix.clone(),
        other => {
            return Err(Error::Damaged { what: format!("`{other}` is not unique"), source: None });
        }
    };
    Ok(NotFound::AmbiguousDigest { dataset: reference.dataset.clone(), prefix, candidates })
}
