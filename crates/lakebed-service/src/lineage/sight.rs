//! What one asker may see of how versions came from each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lakebed_core::{DatasetName, TablePart, lineage::Lineage};
use lakebed_govern::Rights;

use super::Found;
use crate::{Ctx, Error, Lake, Result, VersionRecord, cache::InForce};

/// Columns of a version that somebody may know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// All.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Columns {
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.contains(name),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        matches!(self, Self::Some(names) if names.is_empty())
    }
}

/// What the asker may see, found once for each version.
pub(crate) struct Sees<'a> {
    lake: &'a Lake,
    ctx: &'a Ctx,
    pub(crate) rights: Rights,
    in_force: Arc<InForce>,
    columns: BTreeMap<(DatasetName, u64), Columns>,
}

impl<'a> Sees<'a> {
    /// What is in force now; asked for after a snapshot was taken.
    pub(crate) async fn of(lake: &'a Lake, ctx: &'a Ctx) -> Result<Self> {
        let (rights, in_force) = lake.rights_in_force(ctx).await?;
        Ok(Self { lake, ctx, rights, in_force, columns: BTreeMap::new() })
    }

    /// The columns of `version` that the asker may know of.
    pub(crate) async fn columns(&mut self, version: &VersionRecord) -> Result<Columns> {
        if self.rights.reads(&version.dataset) {
            return Ok(Columns::All);
        }
        if !self.rights.queries(&version.dataset) {
            return Ok(Columns::Some(BTreeSet::new()));
        }
        let key = (version.dataset.clone(), version.number);
        if let Some(columns) = self.columns.get(&key) {
            return Ok(columns.clone());
        }
        let columns = Columns::Some(self.visible(version).await?);
        self.columns.insert(key, columns.clone());
        Ok(columns)
    }

    async fn visible(&self, version: &VersionRecord) -> Result<BTreeSet<String>> {
        let manifest = self.lake.inner.cache.manifest(&self.lake.inner.store, version).await?;
        let Some(schema) = &manifest.schema else { return Ok(BTreeSet::new()) };
        match self.lake.restriction(self.ctx, version, schema, &self.in_force).await {
            Ok(restriction) => {
                let visible = restriction.visible(schema).fields;
                Ok(visible.into_iter().map(|field| field.name).collect())
            }
            // Nobody can say which rows are theirs, so they see nothing of it.
            Err(Error::Forbidden { .. } | Error::NotFound { .. }) => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Whether `version` has that column, for the asker.
    pub(crate) async fn has(&mut self, version: &VersionRecord, column: &str) -> Result<bool> {
        let manifest = self.lake.inner.cache.manifest(&self.lake.inner.store, version).await?;
        let is_there =
            manifest.schema.as_ref().is_some_and(|schema| schema.field(column).is_some());
        Ok(is_there && self.columns(version).await?.has(column))
    }

    /// What the columns of `version` are called that the asker may know of; none of files.
    pub(crate) async fn names(&mut self, version: &VersionRecord) -> Result<BTreeSet<String>> {
        let manifest = self.lake.inner.cache.manifest(&self.lake.inner.store, version).await?;
        let columns = self.columns(version).await?;
        let fields = manifest.schema.iter().flat_map(|schema| &schema.fields);
        let names = fields.map(|field| &field.name).filter(|name| columns.has(name));
        Ok(names.cloned().collect())
    }

    /// What the columns of a version are made of, as it was noted; none where nothing was.
    pub(crate) async fn lineage(&self, version: &VersionRecord) -> Result<Option<Arc<Lineage>>> {
        let (store, cache) = (&self.lake.inner.store, &self.lake.inner.cache);
        let manifest = cache.manifest(store, version).await?;
        match &manifest.lineage {
            Some(object) => cache.lineage(store, object).await.map(Some),
            None => Ok(None),
        }
    }

    /// How `computed` came from `source`, column by column.
    pub(crate) async fn between(
        &mut self,
        computed: &VersionRecord,
        source: &VersionRecord,
    ) -> Result<Found> {
        let (of_computed, of_source) = (self.columns(computed).await?, self.columns(source).await?);
        let Some(lineage) = self.lineage(computed).await? else {
            let (store, cache) = (&self.lake.inner.store, &self.lake.inner.cache);
            let is_of_program = cache.manifest(store, computed).await?.program.is_some();
            let is_told = !of_computed.is_none() && !of_source.is_none();
            return Ok(Found { is_any: is_of_program && is_told, ..Found::default() });
        };
        // What was set aside is for those who may see all.
        let reads_all = of_source == Columns::All;
        Ok(Found::of(
            &lineage,
            |input| input.dataset == source.dataset && input.version_id == source.version_id,
            &of_computed,
            |origin| match origin.input.part {
                TablePart::Rows => of_source.has(&origin.column),
                TablePart::Quarantine => reads_all,
            },
        ))
    }
}
