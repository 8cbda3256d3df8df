//! Looking around: datasets, histories, events, objects.

use std::ops::Range;

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use lakebed_catalog::DatasetFilter;
use lakebed_core::{DatasetName, Event, ObjectId, StoredObject};

use crate::{Ctx, DatasetRecord, Error, Lake, Result, Snapshot, VersionRecord};

impl Lake {
    /// All datasets, or those of one namespace, by name.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn datasets(
        &self,
        _ctx: &Ctx,
        namespace: Option<&str>,
    ) -> Result<(Snapshot, Vec<DatasetRecord>)> {
        let filter = DatasetFilter { namespace: namespace.map(str::to_owned) };
        Ok(self.inner.catalog.datasets(&filter).await?)
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn dataset(&self, _ctx: &Ctx, name: &DatasetName) -> Result<DatasetRecord> {
        let found = self.inner.catalog.find_dataset(name).await?;
        found.ok_or_else(|| Error::NotFound {
            message: format!("there is no dataset `{name}`"),
            hint: Some("`lakebed ls` lists the datasets".to_owned()),
        })
    }

    /// Versions of a dataset, newest first: at most `limit`, those below number `before`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn history(
        &self,
        ctx: &Ctx,
        name: &DatasetName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<VersionRecord>> {
        self.dataset(ctx, name).await?;
        Ok(self.inner.catalog.history(name, before, limit).await?)
    }

    /// Events after `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn events(&self, _ctx: &Ctx, after: u64, limit: u32) -> Result<Vec<Event>> {
        Ok(self.inner.catalog.events(after, limit).await?)
    }

    /// An object that a committed event names.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for bytes that are in the store but in no event.
    pub async fn find_object(&self, _ctx: &Ctx, id: ObjectId) -> Result<StoredObject> {
        let found = self.inner.catalog.find_object(id).await?;
        found.ok_or_else(|| Error::NotFound {
            message: format!("there is no object `{id}`"),
            hint: Some("`lakebed resolve --files REF` lists the objects of a version".to_owned()),
        })
    }

    /// The bytes of an object, verified as they come. An error ends the stream.
    #[must_use]
    pub fn read_object(
        &self,
        _ctx: &Ctx,
        object: &StoredObject,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes>> {
        self.inner.store.stream(object, range).map(|bytes| bytes.map_err(Error::from)).boxed()
    }
}
