//! From a version to what it was computed from, down to the original files; and from a version to all
//! that was computed from it.
//!
//! What the asker may not know of is left out, and so is what lies behind it. That a version was computed
//! from another is told to whoever may query the first and may know of the second; columns are told as
//! far as policies leave them on both sides; digests, originals and counts are for those who may read all
//! of a dataset. The limits count what is told, so that nobody learns from a cut what was left out.

mod event;
mod external;
mod sight;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lakebed_core::{
    DatasetName, DatasetRef, SourceEntry, TablePart,
    lineage::{ColumnOrigin, Direct, Indirect, Input, Lineage},
};

use crate::{
    Ctx, Error, Lake, Result, Snapshot, VersionRecord,
    reads::{Asked, ReadVersion, Reading},
};

pub use external::ExternalNode;
pub(crate) use sight::{Columns, Sees};

/// How many versions are told at once.
const MOST_VERSIONS: usize = 1000;
/// How far from where it begins.
const MOST_STEPS: usize = 64;
/// How many originals of a version are named.
const MOST_ORIGINALS: usize = 100;

/// Where to begin, and which way to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageRequest {
    /// The version.
    pub reference: DatasetRef,
    /// Only what has to do with this column of it.
    pub column: Option<String>,
    /// Which way.
    pub direction: Direction,
}

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what a version was computed from.
    Up,
    /// To what was computed from a version.
    Down,
}

/// Versions, and what was computed from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageAnswer {
    /// The snapshot in which the reference was resolved.
    pub snapshot: Snapshot,
    /// The versions; the first is the one it begins with.
    pub versions: Vec<LineageVersion>,
    /// Which of them were computed from which.
    pub edges: Vec<LineageEdge>,
    /// There is more than is told at once.
    pub is_cut: bool,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageVersion {
    /// The version.
    pub record: VersionRecord,
    /// Whether its digests and counts are for the asker.
    pub is_readable: bool,
    /// Those of its columns that have to do with the one that was asked for.
    pub columns: BTreeSet<String>,
    /// The files that it was read from; the first hundred, where it was not computed by a statement.
    pub originals: Vec<SourceEntry>,
    /// How many they are.
    pub original_count: u64,
    /// What pipelines elsewhere told of its dataset: with the first of its versions, where no column was
    /// asked for.
    pub external: Vec<ExternalNode>,
}

/// That a version was computed from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineageEdge {
    /// The place of the version that was computed.
    pub computed: usize,
    /// The place of the version it was computed from.
    pub source: usize,
    /// Which columns were made of which; told where a column was asked for.
    pub columns: Vec<ColumnEdge>,
    /// Which columns decided which rows there are, and so about all columns.
    pub rows: Vec<RowsEdge>,
}

/// That a column was made of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnEdge {
    /// The column that was computed.
    pub column: String,
    /// The rows that the other is a column of.
    pub part: TablePart,
    /// The other column.
    pub source: String,
    /// How its values became part of the column's; nothing where they only decided about them.
    pub direct: BTreeSet<Direct>,
    /// Whether its values decided which values the column has.
    pub is_conditional: bool,
}

/// That a column decided about rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowsEdge {
    /// The rows that it is a column of.
    pub part: TablePart,
    /// The column.
    pub source: String,
    /// How.
    pub kinds: BTreeSet<Indirect>,
}

impl Lake {
    /// Walks from a version to what it was computed from, or to what was computed from it.
    ///
    /// With a column, only along what has to do with it, version by version. Up, that is what it is made
    /// of, and what decides about its rows: these hang on the rows of everything that its version was
    /// computed from. Down, it is what is made of it; where it decides about rows, all columns have to do
    /// with it, and so has whatever reads these rows, as [`Lake::impact`] tells. What a program made may
    /// be made of every column of what it read.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] as [`Lake::query`]; [`Error::NotFound`] also for a
    /// column that is not there for the asker.
    pub async fn lineage(&self, ctx: &Ctx, request: &LineageRequest) -> Result<LineageAnswer> {
        let asked = Asked::Lineage { reference: request.reference.to_string() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let answer = self.walk(ctx, request, &mut reading).await;
        reading.close(answer).await
    }

    async fn walk(
        &self,
        ctx: &Ctx,
        request: &LineageRequest,
        reading: &mut Reading,
    ) -> Result<LineageAnswer> {
        let LineageRequest { reference, column, direction } = request;
        let found = self.resolve_rows(ctx, std::slice::from_ref(reference)).await?;
        let resolution = found.resolution;
        let snapshot = resolution.snapshot;
        let found = resolution.versions.into_iter().next().expect("one reference was resolved");
        let mut sees = Sees::of(self, ctx).await?;
        if let Some(column) = column
            && !sees.has(&found.version, column).await?
        {
            return Err(no_column(&found.version.dataset, column));
        }
        let mut walk = Walk::new(self, sees, *direction, column.is_some());
        let first = walk.place(found.version, 0);
        let rows = column.is_none() || *direction == Direction::Up;
        walk.reach(first, Concern { columns: column.iter().cloned().collect(), rows });
        while let Some(place) = walk.next.pop_front() {
            let ahead = std::mem::take(&mut walk.ahead[place]);
            walk.step(place, &ahead).await?;
        }
        let mut answer = walk.finish(snapshot).await?;
        if column.is_none() {
            self.add_external(ctx, &mut answer.versions, *direction).await?;
        }
        reading.about(|intent| {
            let readable = answer.versions.iter().filter(|version| version.is_readable);
            intent.versions = readable.map(|version| whole(&version.record)).collect();
        });
        reading.intend().await?;
        Ok(answer)
    }
}

fn whole(record: &VersionRecord) -> ReadVersion {
    ReadVersion {
        reference: format!("{}@v{}", record.dataset, record.number),
        dataset: record.dataset.clone(),
        version: record.number,
        version_id: record.version_id,
        restriction: crate::engine::Restriction::Unrestricted,
    }
}

/// A column that is not there, or not for the asker: nobody can tell the two apart.
pub(crate) fn no_column(dataset: &DatasetName, column: &str) -> Error {
    let shown: String = column.chars().take(64).flat_map(char::escape_debug).collect();
    Error::NotFound {
        message: format!("`{dataset}` has no column `{shown}`"),
        hint: Some(format!("`lakebed sql 'DESCRIBE {dataset}'` lists its columns")),
    }
}

/// What of a version has to do with what was asked for.
#[derive(Debug, Default)]
struct Concern {
    /// Columns.
    columns: BTreeSet<String>,
    /// Which rows there are.
    rows: bool,
}

impl Concern {
    fn is_none(&self) -> bool {
        self.columns.is_empty() && !self.rows
    }

    /// Takes `more` in, and says what of it is new.
    fn learn(&mut self, more: Self) -> Self {
        let columns = more.columns.difference(&self.columns).cloned().collect();
        let new = Self { columns, rows: more.rows && !self.rows };
        self.columns.extend(more.columns);
        self.rows |= more.rows;
        new
    }
}

/// What was found so far.
struct Walk<'a> {
    lake: &'a Lake,
    sees: Sees<'a>,
    direction: Direction,
    is_about_columns: bool,
    versions: Vec<VersionRecord>,
    /// How far each is from the first.
    steps: Vec<usize>,
    /// What of each was reached.
    reached: Vec<Concern>,
    /// What of that was not followed yet.
    ahead: Vec<Concern>,
    places: BTreeMap<(DatasetName, u64), usize>,
    edges: BTreeMap<(usize, usize), LineageEdge>,
    /// Where to go on, each once.
    next: VecDeque<usize>,
    is_cut: bool,
}

impl<'a> Walk<'a> {
    fn new(lake: &'a Lake, sees: Sees<'a>, direction: Direction, is_about_columns: bool) -> Self {
        Self {
            lake,
            sees,
            direction,
            is_about_columns,
            versions: Vec::new(),
            steps: Vec::new(),
            reached: Vec::new(),
            ahead: Vec::new(),
            places: BTreeMap::new(),
            edges: BTreeMap::new(),
            next: VecDeque::new(),
            is_cut: false,
        }
    }

    /// The place of a version that may be told, which may be new.
    fn place(&mut self, version: VersionRecord, steps: usize) -> usize {
        let key = (version.dataset.clone(), version.number);
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = self.versions.len();
        self.places.insert(key, place);
        self.versions.push(version);
        self.steps.push(steps);
        self.reached.push(Concern::default());
        self.ahead.push(Concern::default());
        place
    }

    /// Goes on from there with what of `concern` is new to it.
    fn reach(&mut self, place: usize, concern: Concern) {
        let new = self.reached[place].learn(concern);
        if new.is_none() {
            return;
        }
        if self.ahead[place].is_none() {
            self.next.push_back(place);
        }
        self.ahead[place].learn(new);
    }

    async fn step(&mut self, place: usize, ahead: &Concern) -> Result<()> {
        let here = self.versions[place].clone();
        let catalog = &self.lake.inner.catalog;
        let beside = match self.direction {
            // What it was computed from is told to those who may query it.
            Direction::Up if !self.sees.rights.queries(&here.dataset) => return Ok(()),
            Direction::Up => catalog.version_inputs(&here.dataset, here.number).await?,
            Direction::Down => catalog.derived_versions(&here.dataset, here.number).await?,
        };
        for version in beside {
            let is_told = match self.direction {
                Direction::Up => self.sees.rights.discovers(&version.dataset),
                Direction::Down => self.sees.rights.queries(&version.dataset),
            };
            if is_told {
                self.edge(place, &here, version, ahead).await?;
            }
        }
        Ok(())
    }

    /// From `here` to a version beside it, if that has to do with what is `ahead`.
    async fn edge(
        &mut self,
        place: usize,
        here: &VersionRecord,
        there: VersionRecord,
        ahead: &Concern,
    ) -> Result<()> {
        let (found, next) = match (self.is_about_columns, self.direction) {
            (false, _) => (Found::default(), Concern { rows: true, ..Concern::default() }),
            (true, Direction::Up) => self.made_of(here, &there, ahead).await?,
            (true, Direction::Down) => self.made_into(here, &there, ahead).await?,
        };
        if next.is_none() {
            return Ok(());
        }
        let steps = self.steps[place] + 1;
        let is_known = self.places.contains_key(&(there.dataset.clone(), there.number));
        if !is_known && (steps > MOST_STEPS || self.versions.len() >= MOST_VERSIONS) {
            self.is_cut = true;
            return Ok(());
        }
        let other = self.place(there, steps);
        let ends = match self.direction {
            Direction::Up => (place, other),
            Direction::Down => (other, place),
        };
        let edge = self.edges.entry(ends).or_insert_with(|| LineageEdge {
            computed: ends.0,
            source: ends.1,
            columns: Vec::new(),
            rows: Vec::new(),
        });
        merge(&mut edge.columns, found.columns);
        merge(&mut edge.rows, found.rows);
        self.reach(other, next);
        Ok(())
    }

    /// How what is `ahead` came from `there`, and what of that it hangs on. Which rows there are always
    /// hangs on the rows of `there`, and on the columns that decide about them.
    async fn made_of(
        &mut self,
        here: &VersionRecord,
        there: &VersionRecord,
        ahead: &Concern,
    ) -> Result<(Found, Concern)> {
        let mut found = self.sees.between(here, there).await?;
        found.columns.retain(|edge| ahead.columns.contains(&edge.column));
        let columns = match found.is_any {
            true => self.sees.names(there).await?,
            false => {
                let columns = found.columns.iter().map(|edge| (edge.part, &edge.source));
                let sources =
                    columns.chain(found.rows.iter().map(|edge| (edge.part, &edge.source)));
                let of_rows = sources.filter(|(part, _)| *part == TablePart::Rows);
                of_rows.map(|(_, source)| source.clone()).collect()
            }
        };
        Ok((found, Concern { columns, rows: true }))
    }

    /// What of `there` came from what is `ahead`, and how. Other rows are there for whoever reads any of
    /// them, and are other values in all columns.
    async fn made_into(
        &mut self,
        here: &VersionRecord,
        there: &VersionRecord,
        ahead: &Concern,
    ) -> Result<(Found, Concern)> {
        let mut found = self.sees.between(there, here).await?;
        let is_ours = |part: TablePart, source: &str| {
            ahead.rows || (part == TablePart::Rows && ahead.columns.contains(source))
        };
        found.columns.retain(|edge| is_ours(edge.part, &edge.source));
        found.rows.retain(|edge| is_ours(edge.part, &edge.source));
        let rows = ahead.rows || found.is_any || !found.rows.is_empty();
        let columns = match rows {
            true => self.sees.names(there).await?,
            false => found.columns.iter().map(|edge| edge.column.clone()).collect(),
        };
        Ok((found, Concern { columns, rows }))
    }

    async fn finish(self, snapshot: Snapshot) -> Result<LineageAnswer> {
        let Self { lake, sees, direction, versions, reached, edges, is_cut, .. } = self;
        let mut told = Vec::with_capacity(versions.len());
        for (record, Concern { columns, .. }) in versions.into_iter().zip(reached) {
            let is_readable = sees.rights.reads(&record.dataset);
            let (originals, original_count) = match is_readable && direction == Direction::Up {
                true => lake.originals(&record).await?,
                false => (Vec::new(), 0),
            };
            let external = Vec::new();
            told.push(LineageVersion {
                record,
                is_readable,
                columns,
                originals,
                original_count,
                external,
            });
        }
        Ok(LineageAnswer { snapshot, versions: told, edges: edges.into_values().collect(), is_cut })
    }
}

fn merge<T: Ord>(known: &mut Vec<T>, more: Vec<T>) {
    known.extend(more);
    known.sort();
    known.dedup();
}

/// What is told of how one version came from another.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) columns: Vec<ColumnEdge>,
    pub(crate) rows: Vec<RowsEdge>,
    /// A program made it, and nobody knows which columns of which.
    pub(crate) is_any: bool,
}

impl Found {
    /// What `lineage` says of `input`, as far as `sees` leaves columns of the answer and of its parts.
    pub(crate) fn of(
        lineage: &Lineage,
        input: impl Fn(&Input) -> bool,
        computed: &Columns,
        source: impl Fn(&ColumnOrigin) -> bool,
    ) -> Self {
        let is_told = |origin: &ColumnOrigin| input(&origin.input) && source(origin);
        let mut columns: BTreeMap<(String, TablePart, String), ColumnEdge> = BTreeMap::new();
        for output in lineage.outputs().iter().filter(|output| computed.has(&output.name)) {
            for origin in output.origins().filter(|origin| is_told(origin)) {
                let (part, source) = (origin.input.part, origin.column.clone());
                let key = (output.name.clone(), part, source.clone());
                let edge = columns.entry(key).or_insert_with(|| ColumnEdge {
                    column: output.name.clone(),
                    part,
                    source,
                    direct: BTreeSet::new(),
                    is_conditional: false,
                });
                edge.direct.extend(output.direct.get(origin).into_iter().flatten());
                edge.is_conditional |= output.conditional.contains(origin);
            }
        }
        let rows = lineage.indirect().iter().filter(|(origin, _)| is_told(origin));
        let rows = rows.map(|(origin, kinds)| RowsEdge {
            part: origin.input.part,
            source: origin.column.clone(),
            kinds: kinds.clone(),
        });
        Self { columns: columns.into_values().collect(), rows: rows.collect(), is_any: false }
    }
}

impl Lake {
    /// The first of the files that a version was read from, and how many they are; none of one that a
    /// statement computed.
    async fn originals(&self, version: &VersionRecord) -> Result<(Vec<SourceEntry>, u64)> {
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest = cache.manifest(store, version).await?;
        if manifest.derivation.is_some() {
            return Ok((Vec::new(), 0));
        }
        let count = manifest.sources.iter().map(|list| list.entry_count).sum();
        let mut originals = Vec::new();
        for list in &manifest.sources {
            if originals.len() >= MOST_ORIGINALS {
                break;
            }
            originals.extend(cache.sources(store, std::slice::from_ref(list)).await?);
        }
        originals.truncate(MOST_ORIGINALS);
        Ok((originals, count))
    }
}
