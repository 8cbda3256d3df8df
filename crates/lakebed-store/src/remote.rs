//! An object store as a back end: whatever `object_store` reaches, under one prefix.
//!
//! Which store it is and with whose keys is configuration, and the caller's business. Up to 64 MiB
//! go in one create-only request. More is looked for first and then uploaded in parts to its final
//! key, which no store can do create-only; a race between two such uploads is one between equal
//! bytes. Stores never show half an upload.

use std::{ops::Range, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error as StoreError, GetOptions, MultipartUpload, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, path::Path,
};

use crate::{
    Backend, Content, Created, Error, Listed, ONE_PUT_BYTES, Result, error::blocking,
    key::check_key, local,
};

/// The least a part of an upload holds; S3 asks for 5 MiB.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// S3 takes no more parts than this.
const MOST_PARTS: u64 = 10_000;

/// Parts on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// Something that speaks `object_store`.
#[derive(Debug, Clone)]
pub struct ObjectStoreBackend {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl ObjectStoreBackend {
    /// Stores below `prefix` of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self { store, prefix }
    }

    fn location(&self, key: &str) -> Result<Path> {
        check_key(key)?;
        Ok(self.prefix.parts().chain(Path::from(key).parts()).collect())
    }

    async fn put(&self, location: &Path, content: &Content, mode: PutMode) -> Result<Created> {
        let size_bytes = content.size_bytes();
        let bytes = read_content(content, 0..size_bytes).await?;
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.store.put_opts(location, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(Created::New),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Ok(Created::Existed)
            }
            Err(error) => Err(sort(error)),
        }
    }

    async fn upload(&self, location: &Path, content: &Content) -> Result<()> {
        let options = PutMultipartOptions::default();
        let mut upload = self.store.put_multipart_opts(location, options).await.map_err(sort)?;
        let sent = send_parts(upload.as_mut(), content).await;
        if let Err(error) = sent {
            // What was sent is not visible; it only costs money until the store's own clean-up.
            upload.abort().await.ok();
            return Err(error);
        }
        upload.complete().await.map(drop).map_err(sort)
    }

    async fn get(&self, location: &Path, options: GetOptions) -> Result<Option<Bytes>> {
        let got = match self.store.get_opts(location, options).await {
            Ok(result) => result.bytes().await,
            Err(error) => Err(error),
        };
        found(got)
    }
}

#[async_trait]
impl Backend for ObjectStoreBackend {
    async fn create(&self, key: &str, content: &Content) -> Result<Created> {
        let location = self.location(key)?;
        if content.size_bytes() <= ONE_PUT_BYTES {
            return self.put(&location, content, PutMode::Create).await;
        }
        if self.size(key).await?.is_some() {
            return Ok(Created::Existed);
        }
        self.upload(&location, content).await?;
        Ok(Created::New)
    }

    async fn replace(&self, key: &str, content: &Content) -> Result<()> {
        let location = self.location(key)?;
        match content.size_bytes() <= ONE_PUT_BYTES {
            true => self.put(&location, content, PutMode::Overwrite).await.map(drop),
            false => self.upload(&location, content).await,
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Bytes>> {
        self.get(&self.location(key)?, GetOptions::default()).await
    }

    async fn read_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let location = self.location(key)?;
        let start = range.start;
        let got = self.get(&location, GetOptions::new().with_range(Some(range))).await;
        let Err(error) = got else { return got };
        // Stores differ in how they say that there is nothing from `start` on.
        match self.size(key).await? {
            Some(size_bytes) if size_bytes > start => Err(error),
            Some(_) => Ok(Some(Bytes::new())),
            None => Ok(None),
        }
    }

    async fn size(&self, key: &str) -> Result<Option<u64>> {
        let location = self.location(key)?;
        let got = self.store.get_opts(&location, GetOptions::new().with_head(true)).await;
        found(got.map(|result| result.meta.size))
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let prefix: Path = self.prefix.parts().chain(Path::from(folder).parts()).collect();
        let cut = match self.prefix.as_ref().len() {
            0 => 0,
            length => length + 1,
        };
        let metas: Vec<_> = self.store.list(Some(&prefix)).try_collect().await.map_err(sort)?;
        let listed = metas.into_iter().filter_map(|meta| {
            let key = meta.location.as_ref().get(cut..)?.to_owned();
            check_key(&key).is_ok().then_some(Listed { key, size_bytes: meta.size })
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort();
        Ok(listed)
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn worthwhile_gap(&self) -> u64 {
        object_store::OBJECT_STORE_COALESCE_DEFAULT
    }
}

async fn send_parts(upload: &mut dyn MultipartUpload, content: &Content) -> Result<()> {
    let size_bytes = content.size_bytes();
    let part_bytes = PART_BYTES.max(size_bytes.div_ceil(MOST_PARTS));
    let starts = (0..size_bytes).step_by(part_bytes as usize);
    let mut parts = stream::FuturesUnordered::new();
    for start in starts {
        let bytes = read_content(content, start..(start + part_bytes).min(size_bytes)).await?;
        parts.push(upload.put_part(PutPayload::from_bytes(bytes)));
        if parts.len() == PARTS_AT_ONCE {
            parts.next().await.transpose().map_err(sort)?;
        }
    }
    parts.try_collect().await.map_err(sort)
}

/// A part of the content, in memory. A file that is not as long as it was is an error.
async fn read_content(content: &Content, range: Range<u64>) -> Result<Bytes> {
    match content {
        Content::Bytes(bytes) => Ok(bytes.slice(range.start as usize..range.end as usize)),
        Content::File { path, .. } => {
            let path = path.clone();
            blocking(move || match local::read_range(&path, range.clone())? {
                Some(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
                _ => Err(Error::Changed { path }),
            })
            .await
        }
    }
}

fn found<T>(result: object_store::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(sort(error)),
    }
}

fn sort(error: StoreError) -> Error {
    match error {
        StoreError::PermissionDenied { ref path, .. }
        | StoreError::Unauthenticated { ref path, .. } => {
            Error::Denied { path: PathBuf::from(path), source: error.into() }
        }
        error => Error::Unavailable { source: error.into() },
    }
}
