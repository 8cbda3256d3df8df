//! Looking around: datasets, histories, objects. Everybody sees what they may discover, and of that
//! what they may read.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use lakebed_catalog::DatasetFilter;
use lakebed_core::{
    Action, DatasetName, Derivation, Manifest, ObjectId, Program, RunRecord, StageName,
    StoredObject, Target, lineage::Lineage,
};
use lakebed_govern::Rights;

use crate::{
    Ctx, DatasetRecord, Error, Lake, Result, Seen, Snapshot, StageHead, VersionRecord,
    access::{no_dataset, refused},
    ingest::blocking,
    reads::{Asked, Reading},
};

/// How the documents of a version begin.
const DOCUMENT: &[u8] = b"{\"format\":";
/// None of them is larger.
const LARGEST_DOCUMENT: u64 = 64 << 20;

impl Lake {
    /// All datasets that may be discovered, or those of one namespace, by name.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn datasets(
        &self,
        ctx: &Ctx,
        namespace: Option<&str>,
    ) -> Result<(Snapshot, Vec<Seen<DatasetRecord>>)> {
        let filter = DatasetFilter { namespace: namespace.map(str::to_owned) };
        let (snapshot, found) = self.inner.catalog.datasets(&filter).await?;
        let rights = self.rights(ctx).await?;
        let known = found.into_iter().filter(|dataset| rights.discovers(&dataset.name));
        let mut all = Vec::new();
        for mut record in known {
            record.newest = match record.newest {
                Some(newest) => Some(self.counted(newest).await?),
                None => None,
            };
            all.push(seen(&rights, record));
        }
        Ok((snapshot, all))
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where it may not be discovered.
    pub async fn dataset(&self, ctx: &Ctx, name: &DatasetName) -> Result<Seen<DatasetRecord>> {
        let found = self.inner.catalog.find_dataset(name).await?;
        let rights = self.rights(ctx).await?;
        let target = Target::Dataset(name.clone());
        rights.verdict(Action::Discover, &target).granted().map_err(refused)?;
        let record = found.ok_or_else(|| no_dataset(name))?;
        Ok(seen(&rights, record))
    }

    /// Versions of a dataset, newest first: at most `limit`, those below number `before`; and which
    /// of all its versions each stage has.
    ///
    /// # Errors
    /// [`Error::NotFound`], also where it may not be discovered.
    pub async fn history(
        &self,
        ctx: &Ctx,
        name: &DatasetName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Seen<(Vec<VersionRecord>, BTreeMap<StageName, StageHead>)>> {
        let found = self.inner.catalog.history(name, before, limit).await;
        // Says first that there is nothing, in the same words for everybody.
        let Seen { is_readable, record } = self.dataset(ctx, name).await?;
        let mut versions = Vec::new();
        for version in found? {
            versions.push(self.counted(version).await?);
        }
        Ok(Seen { record: (versions, record.heads), is_readable })
    }

    /// An object that a committed event names: of a dataset that the asker may read. What tells of what a
    /// version was made of is for those who may read all of that, too.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for bytes that are in the store but in no event, and for those of
    /// other datasets.
    pub async fn find_object(&self, ctx: &Ctx, id: ObjectId) -> Result<StoredObject> {
        let found = self.inner.catalog.find_object(id).await?;
        let rights = self.rights(ctx).await?;
        let is_readable = rights.reads_everything()
            || self
                .inner
                .catalog
                .datasets_of_object(id)
                .await?
                .iter()
                .any(|dataset| rights.reads(dataset));
        let no_object = || Error::NotFound {
            message: format!("there is no object `{id}`"),
            hint: Some("`lakebed resolve --files REF` lists the objects of a version".to_owned()),
        };
        let object = found.filter(|_| is_readable).ok_or_else(no_object)?;
        match rights.reads_everything() || self.names_only_readable(&rights, &object).await? {
            true => Ok(object),
            false => Err(no_object()),
        }
    }

    /// Whether an object names no dataset as what a version was made of that may not be read: manifests,
    /// and the statements and lineage of what was computed, name some.
    async fn names_only_readable(&self, rights: &Rights, object: &StoredObject) -> Result<bool> {
        let store = &self.inner.store;
        let end = DOCUMENT.len() as u64;
        if !(end..=LARGEST_DOCUMENT).contains(&object.size_bytes)
            || store.get_range(object, 0..end).await? != DOCUMENT
        {
            return Ok(true);
        }
        let bytes = store.get(object).await?;
        let named = blocking(move || Ok(made_of(&bytes))).await?;
        Ok(named.iter().all(|dataset| rights.reads(dataset)))
    }

    /// The bytes of an object that [`Lake::find_object`] gave, verified as they come, once it is on
    /// record that they are read. An error ends the stream.
    #[must_use]
    pub fn read_object(
        &self,
        ctx: &Ctx,
        object: &StoredObject,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let bytes = self.inner.store.stream(object, range).map(|bytes| bytes.map_err(Error::from));
        let bytes = bytes.boxed();
        let reading = Reading::begin(&self.inner.reads, ctx, Asked::Object { object: object.id });
        let on_record = async move {
            let mut reading = reading?;
            reading.intend().await?;
            Ok(reading)
        };
        let followed = async move {
            match on_record.await {
                Ok(reading) => reading.follow_bytes(bytes),
                Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
            }
        };
        stream::once(followed).flatten().boxed()
    }
}

/// The datasets that a document names as what a version was made of.
fn made_of(bytes: &[u8]) -> Vec<DatasetName> {
    if let Ok(manifest) = Manifest::from_bytes(bytes) {
        return manifest.inputs.into_iter().map(|input| input.dataset).collect();
    }
    if let Ok(derivation) = Derivation::from_bytes(bytes) {
        return derivation.inputs.into_iter().map(|input| input.reference.dataset).collect();
    }
    let program = Program::from_bytes(bytes)
        .or_else(|_| RunRecord::from_bytes(bytes).map(|record| record.program));
    if let Ok(program) = program {
        return program.inputs.into_iter().map(|input| input.reference.dataset).collect();
    }
    match Lineage::from_bytes(bytes) {
        Ok(lineage) => lineage.inputs().iter().map(|input| input.dataset.clone()).collect(),
        Err(_) => Vec::new(),
    }
}

/// A dataset as the asker may see it: what comes after it, only where they may know of that.
fn seen(rights: &Rights, mut record: DatasetRecord) -> Seen<DatasetRecord> {
    if let Some(notice) = &mut record.notice {
        notice.successor = notice.successor.take().filter(|other| rights.discovers(other));
    }
    Seen { is_readable: rights.reads(&record.name), record }
}
