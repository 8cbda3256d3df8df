//! An object store as a back end: whatever `object_store` reaches, under one prefix.
//!
//! Which store it is and with whose keys is `cloud.rs`'s business. Up to 64 MiB go in one create-only
//! request. More is looked for first and then uploaded in parts to its final key, which no store can
//! do create-only; a race between two such uploads is one between equal bytes. Stores never show
//! half an upload.
//!
//! **Asking again.** What reads, lists or uploads a part is asked again by the client underneath.
//! Creating is not: that client takes "already exists" after a broken connection for somebody else's
//! doing, though it may well be our own first request that arrived. So creating is tried again here,
//! and once an answer was lost, what is there is compared with what we sent. (D-31)

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{
    Error as StoreError, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, path::Path, signer::Signer,
};
use url::Url;

use crate::{
    Backend, BucketFaultKind, Content, Created, Error, Listed, ONE_PUT_BYTES, PROBES, Result,
    StoreOptions,
    backend::check_probe,
    bucket::{is_only_contention, sort, whole_text},
    cloud::{Clients, open_url},
    connector::{DAMAGED_ON_THE_WAY, Seen},
    error::blocking,
    key::{check_key, check_waiting_key},
    local,
    ranges::windows,
};

/// The least a part of an upload holds; S3 asks for 5 MiB.
const PART_BYTES: u64 = 16 * 1024 * 1024;

/// S3 takes no more parts than this.
const MOST_PARTS: u64 = 10_000;

/// Parts on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// How often creating is tried when answers get lost.
const CREATE_TRIES: u32 = 5;

/// How often a list that broke off is asked for again.
const LIST_TRIES: u32 = 5;

/// What the first new try waits; each one after it waits twice as long.
const CREATE_PAUSE: Duration = Duration::from_millis(100);

/// Something that speaks `object_store`.
#[derive(Debug, Clone)]
pub struct ObjectStoreBackend {
    /// Asks again by itself: for what does nothing twice.
    repeating: Arc<dyn ObjectStore>,
    /// Asks once.
    once: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    prefix: Path,
    /// For messages: `s3://bucket`.
    bucket: String,
    seen: Seen,
}

impl ObjectStoreBackend {
    /// Stores below `prefix` of `store`, which must not ask again by itself when creating.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        let bucket = store.to_string();
        let clients = Clients {
            repeating: Arc::clone(&store),
            once: store,
            signer: None,
            seen: Seen::default(),
        };
        Self::of_clients(clients, prefix, bucket)
    }

    /// Stores below a bucket's URL, as in `s3://bucket/prefix`. Asks nobody anything.
    ///
    /// # Errors
    /// [`Error::Root`] if URL and options cannot be meant like that.
    pub fn open(url: &Url, options: &StoreOptions) -> Result<Self> {
        open_url(url, options)
    }

    pub(crate) fn of_clients(clients: Clients, prefix: Path, bucket: String) -> Self {
        let Clients { repeating, once, signer, seen } = clients;
        Self { repeating, once, signer, prefix, bucket, seen }
    }

    fn location(&self, key: &str) -> Result<Path> {
        check_key(key)?;
        Ok(self.prefix.parts().chain(Path::from(key).parts()).collect())
    }

    fn waiting_location(&self, key: &str) -> Result<Path> {
        check_waiting_key(key)?;
        Ok(self.prefix.parts().chain(Path::from(key).parts()).collect())
    }

    async fn list_below(
        &self,
        folder: &str,
        check: impl Fn(&str) -> Result<()>,
    ) -> Result<Vec<Listed>> {
        let prefix: Path = self.prefix.parts().chain(Path::from(folder).parts()).collect();
        let cut = match self.prefix.as_ref().len() {
            0 => 0,
            length => length + 1,
        };
        let mut tries = 0;
        let metas = loop {
            match self.repeating.list(Some(&prefix)).try_collect::<Vec<_>>().await {
                // The client asks again when no answer came, but not when one broke off.
                Err(error)
                    if whole_text(&error).contains("response body") && tries < LIST_TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(CREATE_PAUSE).await;
                }
                metas => break metas.map_err(|error| self.sort(error))?,
            }
        };
        let listed = metas.into_iter().filter_map(|meta| {
            let key = meta.location.as_ref().get(cut..)?.to_owned();
            check(&key).is_ok().then_some(Listed { key, size_bytes: meta.size })
        });
        let mut listed: Vec<_> = listed.collect();
        listed.sort();
        Ok(listed)
    }

    fn sort(&self, error: StoreError) -> Error {
        sort(&self.bucket, &self.seen, error)
    }

    fn found<T>(&self, result: object_store::Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            // A bucket that is not there has no keys either, but nobody wants to hear it so.
            Err(error @ StoreError::NotFound { .. }) => match self.sort(error) {
                fault @ Error::Bucket { .. } => Err(fault),
                _ => Ok(None),
            },
            Err(error) => Err(self.sort(error)),
        }
    }

    /// Creates in one request, again and again while answers get lost.
    async fn create_at_once(&self, key: &str, content: &Content) -> Result<Created> {
        let location = self.location(key)?;
        let bytes = read_content(content, 0..content.size_bytes()).await?;
        let mut lost = None;
        for attempt in 0..CREATE_TRIES {
            if attempt > 0 {
                tokio::time::sleep(CREATE_PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let payload = PutPayload::from_bytes(bytes.clone());
            let error = match self.once.put_opts(&location, payload, options).await {
                Ok(_) => return Ok(Created::New),
                Err(error) => error,
            };
            let exists =
                matches!(error, StoreError::AlreadyExists { .. } | StoreError::Precondition { .. });
            match (exists && !is_only_contention(&error), &lost) {
                (true, None) => return Ok(Created::Existed),
                // An earlier try may have got through.
                (true, Some(_)) => {
                    return self.whose(key, &bytes).await?.ok_or_else(|| Error::not_found(key));
                }
                (false, _) => match self.sort(error) {
                    error @ Error::Unavailable { .. } => {
                        tracing::info!(key, %error, attempt, "creating broke off; trying again");
                        lost = Some(error);
                    }
                    error => return Err(error),
                },
            }
        }
        let lost = lost.expect("every try that does not return loses an answer");
        match self.whose(key, &bytes).await {
            Ok(Some(created)) => Ok(created),
            Ok(None) | Err(_) => Err(lost),
        }
    }

    /// Whether what is at `key` is what we sent; nothing if nothing is there.
    async fn whose(&self, key: &str, ours: &Bytes) -> Result<Option<Created>> {
        let size_bytes = ours.len() as u64;
        match self.size(key).await? {
            None => return Ok(None),
            Some(found) if found != size_bytes => return Ok(Some(Created::Existed)),
            Some(_) => {}
        }
        for window in windows(0..size_bytes) {
            let found = self.read_range(key, window.clone()).await?;
            if found != Some(ours.slice(window.start as usize..window.end as usize)) {
                return Ok(Some(Created::Existed));
            }
        }
        Ok(Some(Created::New))
    }

    async fn upload(&self, location: &Path, content: &Content) -> Result<()> {
        let options = PutMultipartOptions::default();
        let upload = self.repeating.put_multipart_opts(location, options).await;
        let mut upload = upload.map_err(|error| self.sort(error))?;
        if let Err(error) = self.send_parts(upload.as_mut(), content).await {
            // What was sent is not visible; it only costs money until the store's own clean-up.
            upload.abort().await.ok();
            return Err(error);
        }
        match upload.complete().await {
            Ok(_) => Ok(()),
            // Asked again after a lost answer, a store has forgotten the upload: look, do not guess.
            Err(error @ StoreError::NotFound { .. }) => {
                Err(Error::Unavailable { source: error.into() })
            }
            Err(error) => Err(self.sort(error)),
        }
    }

    async fn send_parts(&self, upload: &mut dyn MultipartUpload, content: &Content) -> Result<()> {
        let size_bytes = content.size_bytes();
        let part_bytes = PART_BYTES.max(size_bytes.div_ceil(MOST_PARTS));
        let starts = (0..size_bytes).step_by(part_bytes as usize);
        let mut parts = stream::FuturesUnordered::new();
        for start in starts {
            let bytes = read_content(content, start..(start + part_bytes).min(size_bytes)).await?;
            parts.push(upload.put_part(PutPayload::from_bytes(bytes)));
            if parts.len() == PARTS_AT_ONCE {
                parts.next().await.transpose().map_err(|error| self.sort(error))?;
            }
        }
        parts.try_collect().await.map_err(|error| self.sort(error))
    }

    async fn get(&self, location: &Path, options: GetOptions) -> Result<Option<Bytes>> {
        let got = match self.repeating.get_opts(location, options).await {
            Ok(result) => result.bytes().await,
            Err(error) => Err(error),
        };
        self.found(got)
    }
}

#[async_trait]
impl Backend for ObjectStoreBackend {
    async fn create(&self, key: &str, content: &Content) -> Result<Created> {
        if content.size_bytes() <= ONE_PUT_BYTES {
            return self.create_at_once(key, content).await;
        }
        if self.size(key).await?.is_some() {
            return Ok(Created::Existed);
        }
        self.upload(&self.location(key)?, content).await?;
        Ok(Created::New)
    }

    async fn replace(&self, key: &str, content: &Content) -> Result<()> {
        let location = self.location(key)?;
        if content.size_bytes() > ONE_PUT_BYTES {
            return self.upload(&location, content).await;
        }
        let bytes = read_content(content, 0..content.size_bytes()).await?;
        let put = self.repeating.put(&location, PutPayload::from_bytes(bytes)).await;
        put.map(drop).map_err(|error| self.sort(error))
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
        let got = self.repeating.get_opts(&location, GetOptions::new().with_head(true)).await;
        self.found(got.map(|result| result.meta.size))
    }

    async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        self.list_below(folder, check_key).await
    }

    /// An answer that got lost may have been a success: whoever is told [`Created::Existed`]
    /// compares.
    async fn create_waiting(&self, key: &str, content: &Content) -> Result<Created> {
        let location = self.waiting_location(key)?;
        let bytes = read_content(content, 0..content.size_bytes()).await?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.repeating.put_opts(&location, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(Created::New),
            Err(error) if is_only_contention(&error) => {
                Err(Error::Unavailable { source: error.into() })
            }
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Ok(Created::Existed)
            }
            Err(error) => Err(self.sort(error)),
        }
    }

    async fn read_waiting(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let location = self.waiting_location(key)?;
        self.get(&location, GetOptions::new().with_range(Some(range))).await
    }

    async fn list_waiting(&self, folder: &str) -> Result<Vec<Listed>> {
        self.list_below(folder, check_waiting_key).await
    }

    async fn remove_waiting(&self, key: &str) -> Result<()> {
        let location = self.waiting_location(key)?;
        self.found(self.repeating.delete(&location).await).map(drop)
    }

    /// Asks for names only until there is one: a bucket may hold millions of somebody's files.
    async fn holds_anything(&self) -> Result<bool> {
        let probes = self.location(&format!("{PROBES}/x"))?;
        let probes = probes.as_ref().trim_end_matches('x').to_owned();
        let mut listed = self.repeating.list(Some(&self.prefix));
        while let Some(meta) = listed.try_next().await.map_err(|error| self.sort(error))? {
            if !meta.location.as_ref().starts_with(&probes) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn worthwhile_gap(&self) -> u64 {
        object_store::OBJECT_STORE_COALESCE_DEFAULT
    }

    async fn presign(&self, key: &str, lifetime: Duration) -> Result<Option<Url>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let signed = signer.signed_url(http::Method::GET, &self.location(key)?, lifetime).await;
        signed.map(Some).map_err(|error| self.sort(error))
    }

    async fn remove_probe(&self, key: &str) -> Result<()> {
        check_probe(key)?;
        self.found(self.repeating.delete(&self.location(key)?).await).map(drop)
    }

    async fn accepts_damage(&self, folder: &str) -> Result<Option<bool>> {
        if self.signer.is_none() {
            return Ok(None);
        }
        let key = format!("{folder}/{DAMAGED_ON_THE_WAY}");
        check_probe(&key)?;
        let payload = PutPayload::from_static(b"what was signed");
        let put = self.once.put(&self.location(&key)?, payload).await;
        match put {
            Ok(_) => self.remove_probe(&key).await.map(|()| Some(true)),
            // It says that the checksum or that the signature does not fit.
            Err(error) if whole_text(&error).contains("400 Bad Request") => Ok(Some(false)),
            Err(error) => match self.sort(error) {
                Error::Bucket { fault, .. } if fault.kind == BucketFaultKind::WrongSignature => {
                    Ok(Some(false))
                }
                other => Err(other),
            },
        }
    }

    fn clock_ahead_ms(&self) -> Option<i64> {
        self.seen.ahead_ms()
    }
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
