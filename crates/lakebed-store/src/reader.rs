//! The objects of a query as an object store: read only, and verified like everything that is read.
//!
//! It knows the objects it was given and no others, and answers `head` from what it was given.
//! What it hands out never changes under its path, so its times are constant and its tags digests.

use std::{collections::HashMap, fmt, ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use lakebed_core::StoredObject;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, RenameOptions, Result as StoreResult, path::Path,
};

use crate::{Error, Store, ranges::WINDOW_BYTES};

/// What this store is called in other crates' messages.
const NAME: &str = "lakebed";

/// Some objects of a store, under [`lakebed_core::ObjectId::key`].
///
/// Errors are of [`object_store`]; ours is among their causes: see [`Error::find_in`].
#[derive(Debug, Clone)]
pub struct VerifiedObjects {
    store: Store,
    objects: Arc<HashMap<Path, StoredObject>>,
}

impl Store {
    /// A reader of these objects and no others. Asks the back end nothing.
    pub fn reader(&self, objects: impl IntoIterator<Item = StoredObject>) -> VerifiedObjects {
        let by_path = |object: StoredObject| (Path::from(object.id.key()), object);
        let objects = Arc::new(objects.into_iter().map(by_path).collect());
        VerifiedObjects { store: self.clone(), objects }
    }
}

impl VerifiedObjects {
    fn find(&self, location: &Path) -> StoreResult<StoredObject> {
        let found = self.objects.get(location).copied();
        found.ok_or_else(|| wrap(location, Error::not_found(location.as_ref())))
    }
}

impl fmt::Display for VerifiedObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} verified objects", self.objects.len())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for VerifiedObjects {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let object = self.find(location)?;
        let meta = meta(location, &object);
        options.check_preconditions(&meta)?;
        let range = wanted(&options, object.size_bytes)?;
        let payload = match () {
            () if options.head => stream::empty().boxed(),
            () if range.end - range.start <= WINDOW_BYTES => {
                let bytes = self.store.get_range(&object, range.clone()).await;
                let bytes = bytes.map_err(|error| wrap(location, error))?;
                stream::once(async { Ok(bytes) }).boxed()
            }
            () => {
                let location = location.clone();
                let pieces = self.store.stream(&object, range.clone());
                pieces.map_err(move |error| wrap(&location, error)).boxed()
            }
        };
        let payload = GetResultPayload::Stream(payload);
        Ok(GetResult { payload, meta, range, attributes: Default::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let object = self.find(location)?;
        let bytes = self.store.get_ranges(&object, ranges).await;
        bytes.map_err(|error| wrap(location, error))
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> StoreResult<PutResult> {
        Err(refused("put"))
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(refused("put"))
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        locations.map(|_| Err(refused("delete"))).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        stream::once(async { Err(refused("list")) }).boxed()
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        _: &Path,
    ) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.list(prefix)
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> StoreResult<ListResult> {
        Err(refused("list"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> StoreResult<()> {
        Err(refused("copy"))
    }

    async fn rename_opts(&self, _: &Path, _: &Path, _: RenameOptions) -> StoreResult<()> {
        Err(refused("rename"))
    }
}

fn meta(location: &Path, object: &StoredObject) -> ObjectMeta {
    ObjectMeta {
        location: location.clone(),
        // 1970: an object has no time, and caches compare times.
        last_modified: Default::default(),
        size: object.size_bytes,
        e_tag: Some(object.id.to_string()),
        version: None,
    }
}

fn wanted(options: &GetOptions, size_bytes: u64) -> StoreResult<Range<u64>> {
    let Some(range) = &options.range else { return Ok(0..size_bytes) };
    range
        .as_range(size_bytes)
        .map_err(|error| StoreError::Generic { store: NAME, source: error.to_string().into() })
}

fn wrap(location: &Path, error: Error) -> StoreError {
    match error {
        Error::NotFound { .. } => {
            StoreError::NotFound { path: location.to_string(), source: error.into() }
        }
        error => StoreError::Generic { store: NAME, source: error.into() },
    }
}

fn refused(what: &str) -> StoreError {
    StoreError::NotSupported { source: format!("cannot {what}: objects are read only").into() }
}
