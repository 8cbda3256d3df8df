//! Two versions, side by side: columns, counts and distributions from their profiles and, by a key,
//! the rows that came, went and changed.
//!
//! Rows are compared by merging both versions, each sorted by the engine, which spills what does not
//! fit into memory; nothing here grows with the data. Counts are exact, rows shown are bounded.

mod columns;
mod rows;
mod side;

use lakebed_core::{
    DatasetRef, Manifest, TableSchema,
    contract::Contract,
    profile::{ColumnProfile, TableProfile},
};

use crate::{
    Ctx, Detail, Error, Lake, ProfileAnswer, ResolvedVersion, Result, Snapshot,
    reads::{Asked, Reading},
};
use columns::pair_up;
pub use columns::{ColumnChange, ColumnDiff};
pub use rows::{CellCount, RowDiff, RowSamples};

use crate::engine::QueryLimits;

/// What to compare.
#[derive(Debug, Clone)]
pub struct DiffRequest {
    /// What was.
    pub from: DatasetRef,
    /// What is.
    pub to: DatasetRef,
    /// The columns that say which rows are the same, by their names in `to`; when empty, the primary
    /// key of its contract, or else no rows are compared.
    pub key: Vec<String>,
    /// At most so many rows of each kind are shown; all are counted.
    pub show: usize,
    /// What sorting may use.
    pub limits: QueryLimits,
}

/// What differs.
#[derive(Debug)]
pub struct DiffAnswer {
    /// The snapshot both references were resolved against.
    pub snapshot: Snapshot,
    /// What was.
    pub from: ResolvedVersion,
    /// What is.
    pub to: ResolvedVersion,
    /// Every column of both, in the order of `to`, those that went last.
    pub columns: Vec<ColumnDiff>,
    /// The rows; none without a key.
    pub rows: Option<RowDiff>,
}

impl Lake {
    /// Compares two versions.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Forbidden`] as [`Lake::resolve`]; [`Error::Invalid`] for
    /// versions of kind `files` and for keys that not both have; [`Error::Engine`] when sorting needs
    /// more than it may use.
    pub async fn diff(&self, ctx: &Ctx, request: DiffRequest) -> Result<DiffAnswer> {
        let asked = Asked::Diff { from: request.from.to_string(), to: request.to.to_string() };
        let mut reading = Reading::begin(&self.inner.reads, ctx, asked)?;
        let answer = self.diff_for(ctx, request, &mut reading).await;
        reading.close(answer).await
    }

    async fn diff_for(
        &self,
        ctx: &Ctx,
        request: DiffRequest,
        reading: &mut Reading,
    ) -> Result<DiffAnswer> {
        let references = [request.from.clone(), request.to.clone()];
        let resolution = self.resolve(ctx, &references, Detail::None).await?;
        let snapshot = resolution.snapshot;
        reading.tells_of(&resolution.versions).await?;
        let [mut from, mut to] = <[ResolvedVersion; 2]>::try_from(resolution.versions)
            .map_err(|_| Error::Internal { source: "two references, two versions".into() })?;
        for resolved in [&mut from, &mut to] {
            resolved.version = self.in_files(ctx, resolved.version.clone()).await?;
        }
        let mut sides = Vec::with_capacity(2);
        for resolved in [&from, &to] {
            let version = &resolved.version;
            // Pinned: what a name means may change while this runs.
            let pinned = DatasetRef::pinned(version.dataset.clone(), version.number);
            sides.push(self.profile_for(ctx, pinned, reading).await?);
        }
        let [before, after] = <[ProfileAnswer; 2]>::try_from(sides)
            .map_err(|_| Error::Internal { source: "two references, two profiles".into() })?;
        let is_one_dataset = from.version.dataset == to.version.dataset;
        let columns = pair_up(Described::of(&before), Described::of(&after), is_one_dataset);
        let key = match request.key.is_empty() {
            false => request.key.clone(),
            true => self.primary_key(&to).await?.unwrap_or_default(),
        };
        let rows = match key.is_empty() {
            true => None,
            false => {
                let _permit =
                    self.inner.statements.enter(ctx.actor())?.admitted(|_| Ok(())).await?;
                let DiffRequest { limits, show, .. } = request;
                let task = rows::Task { columns: &columns, key: &key, show, limits };
                Some(self.diff_rows(&before.resolved, &after.resolved, task).await?)
            }
        };
        Ok(DiffAnswer { snapshot, from, to, columns, rows })
    }

    /// The primary key that the contract of a version names, if all of that is there.
    async fn primary_key(&self, resolved: &ResolvedVersion) -> Result<Option<Vec<String>>> {
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest: &Manifest = &*cache.manifest(store, &resolved.version).await?;
        let Some(contract) = manifest.contract else { return Ok(None) };
        let Some(object) = self.inner.catalog.find_object(contract).await? else { return Ok(None) };
        let bytes = store.get(&object).await?;
        let contract = std::str::from_utf8(&bytes).ok().and_then(|t| Contract::from_json(t).ok());
        let key = contract.map(|contract| {
            contract.primary_key().iter().map(|column| column.column().to_owned()).collect()
        });
        Ok(key)
    }
}

/// A version's columns and what they look like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    pub(crate) schema: &'a TableSchema,
    pub(crate) profile: &'a TableProfile,
}

impl<'a> Described<'a> {
    fn of(answer: &'a ProfileAnswer) -> Self {
        Self { schema: &answer.schema, profile: &answer.profile.whole }
    }

    pub(crate) fn column(&self, id: u32) -> ColumnProfile {
        let nulls = || ColumnProfile::of_nulls(id, self.profile.rows);
        self.profile.column(id).cloned().unwrap_or_else(nulls)
    }
}
