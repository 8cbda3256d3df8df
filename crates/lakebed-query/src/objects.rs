//! The one object store that a statement can reach: the verified objects of its own job.
//!
//! What the store finds wrong is kept here, whatever becomes of it on its way through the engine:
//! DataFusion turns some errors into text and swallows others. A statement with a fault never ends
//! well (P3).

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use datafusion::{
    common::{DataFusionError, Result as DfResult},
    execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl},
};
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use lakebed_store::{Error, VerifiedObjects};
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, path::Path,
};
use url::Url;

/// Where scans find their objects.
pub(crate) fn store_url() -> ObjectStoreUrl {
    ObjectStoreUrl::parse("lakebed://objects").expect("a constant that parses")
}

/// The first thing that was wrong with bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault(Arc<Mutex<Option<Error>>>);

impl Fault {
    /// What was wrong, once.
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Keeps our error of `error`'s, and returns one without it.
    fn keep(&self, error: StoreError) -> StoreError {
        let source = match error {
            StoreError::Generic { source, .. }
            | StoreError::NotFound { source, .. }
            | StoreError::PermissionDenied { source, .. } => source,
            other => return other,
        };
        let ours = match source.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(source) => Error::Unavailable { source },
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ours);
        StoreError::Generic { store: "lakebed", source: "an object could not be read".into() }
    }
}

/// Knows `lakebed://objects` and no other place; above all, no files.
#[derive(Debug, Clone)]
pub(crate) struct OnlyOurs {
    objects: Arc<dyn ObjectStore>,
}

impl OnlyOurs {
    pub(crate) fn new(objects: VerifiedObjects, fault: Fault) -> Self {
        Self { objects: Arc::new(Watched { inner: objects, fault }) }
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.objects)
    }
}

impl ObjectStoreRegistry for OnlyOurs {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DfResult<Arc<dyn ObjectStore>> {
        let ours = store_url();
        let ours: &Url = ours.as_ref();
        match url.scheme() == ours.scheme() && url.host_str() == ours.host_str() {
            true => Ok(Arc::clone(&self.objects)),
            false => Err(DataFusionError::Internal("an object store that is not ours".to_owned())),
        }
    }
}

/// Knows no place at all: for what plans and never reads.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl ObjectStoreRegistry for Nowhere {
    fn register_store(&self, _: &Url, _: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, _: &Url) -> DfResult<Arc<dyn ObjectStore>> {
        Err(DataFusionError::Internal("nothing is read while planning".to_owned()))
    }
}

/// Verified objects, and an eye on what is wrong with them.
#[derive(Debug)]
struct Watched {
    inner: VerifiedObjects,
    fault: Fault,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result =
            self.inner.get_opts(location, options).await.map_err(|error| self.fault.keep(error))?;
        if let GetResultPayload::Stream(bytes) = result.payload {
            let fault = self.fault.clone();
            let watched = bytes.map_err(move |error| fault.keep(error)).boxed();
            result.payload = GetResultPayload::Stream(watched);
        }
        Ok(result)
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<bytes::Bytes>> {
        let bytes = self.inner.get_ranges(location, ranges).await;
        bytes.map_err(|error| self.fault.keep(error))
    }

    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
