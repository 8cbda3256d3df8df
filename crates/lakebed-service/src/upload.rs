//! Bytes that clients send ahead of an ingest, in one piece or in as many as it takes.
//!
//! An upload is known to who sends it alone, and waits until an ingest names it by its digest. Its
//! bytes lie beside the lake, where every server of the lake finds them, and its row is in the
//! catalog: any server goes on with what another began, and a restart loses nothing. Nothing of it
//! is in the lake before the ingest (D-50).
//!
//! Bytes are appended at an offset. Sending again what is here already is no mistake, as long as it
//! is the same; of two who send different bytes to one place the second is refused.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use lakebed_catalog::{UploadRecord, UploadUsage};
use lakebed_core::{ObjectId, Timestamp};
use lakebed_store::{BoxError, Created, Staged, WaitingPart};

use crate::{Ctx, Error, Lake, Result, lake::random_id};

/// What is kept at once of a body: where a connection breaks, what came before is not lost.
const SEGMENT_BYTES: u64 = 16 << 20;
/// How often a race for a place is lost, without the upload going on, before its client is told.
const TRIES: usize = 8;
/// How often left-overs are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// When to come back if there is no room.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Uploads that are brought together or forgotten at the same time.
const AT_ONCE: usize = 16;

/// How much may wait, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    /// Bytes of all uploads together.
    pub total_bytes: u64,
    /// Bytes of all uploads of one principal.
    pub principal_bytes: u64,
    /// Uploads of one principal.
    pub principal_count: u64,
    /// How long an upload waits after its last byte came.
    pub kept: Duration,
}

impl Default for UploadLimits {
    /// 256 GiB, half of it for one principal, 100,000 uploads, a day.
    fn default() -> Self {
        Self {
            total_bytes: 256 << 30,
            principal_bytes: 128 << 30,
            principal_count: 100_000,
            kept: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What is declared of an upload before its bytes come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUpload {
    /// What its sender calls it.
    pub name: Option<String>,
    /// How long it will be.
    pub length_bytes: Option<u64>,
    /// What it will hash to.
    pub digest: Option<ObjectId>,
}

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// The digest of the bytes: how an ingest names them.
    pub object: ObjectId,
    /// How many bytes.
    pub size_bytes: u64,
}

/// How far an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// Its name in addresses.
    pub id: String,
    /// What its sender calls it.
    pub name: Option<String>,
    /// How many bytes are here; the next one goes there.
    pub offset: u64,
    /// How long it is to be, where that is known.
    pub length_bytes: Option<u64>,
    /// What it hashes to, once all of it is here.
    pub object: Option<ObjectId>,
    /// When it is forgotten unless more of it comes.
    pub expires_at: Timestamp,
}

/// What this process knows of uploads besides what everyone finds.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<Here>);

#[derive(Debug, Default)]
struct Here {
    limits: UploadLimits,
    /// Complete uploads that are staged here already.
    staged: HashMap<(String, ObjectId), (Arc<Staged>, Timestamp)>,
    /// Bytes of whole uploads that are coming in and are in no row yet, by principal.
    coming: HashMap<String, u64>,
    swept_at: Option<std::time::Instant>,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, Here> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn limit(&self, limits: UploadLimits) {
        self.lock().limits = limits;
    }

    fn limits(&self) -> UploadLimits {
        self.lock().limits
    }

    fn find(&self, principal: &str, object: ObjectId) -> Option<Arc<Staged>> {
        self.lock()
            .staged
            .get(&(principal.to_owned(), object))
            .map(|(staged, _)| Arc::clone(staged))
    }

    fn keep(&self, principal: &str, staged: &Arc<Staged>, now: Timestamp) {
        let key = (principal.to_owned(), staged.id());
        self.lock().staged.insert(key, (Arc::clone(staged), now));
    }

    /// Drops what nobody asked for since `before`.
    fn drop_stale(&self, before: Timestamp) {
        self.lock().staged.retain(|_, (_, since)| *since >= before);
    }

    fn drop_staged(&self, principal: &str, objects: &[ObjectId]) {
        let mut here = self.lock();
        for object in objects {
            here.staged.remove(&(principal.to_owned(), *object));
        }
    }

    fn is_sweep_due(&self) -> bool {
        let mut here = self.lock();
        let is_due = here.swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY);
        if is_due {
            here.swept_at = Some(std::time::Instant::now());
        }
        is_due
    }
}

/// Room for bytes that are in no row yet; given back when dropped.
struct Room<'a> {
    uploads: &'a Uploads,
    principal: &'a str,
    usage: UploadUsage,
    taken: u64,
}

impl<'a> Room<'a> {
    fn new(uploads: &'a Uploads, principal: &'a str, usage: UploadUsage) -> Self {
        Self { uploads, principal, usage, taken: 0 }
    }

    /// Takes room for `bytes` more.
    fn take(&mut self, bytes: u64) -> Result<()> {
        let mut here = self.uploads.lock();
        let own = here.coming.get(self.principal).copied().unwrap_or(0);
        let all: u64 = here.coming.values().sum();
        let usage = UploadUsage {
            all_bytes: self.usage.all_bytes + all,
            own_bytes: self.usage.own_bytes + own,
            own_count: self.usage.own_count,
        };
        check_room(&here.limits, usage, bytes)?;
        *here.coming.entry(self.principal.to_owned()).or_default() += bytes;
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut here = self.uploads.lock();
        if let Some(coming) = here.coming.get_mut(self.principal) {
            *coming -= self.taken;
            if *coming == 0 {
                here.coming.remove(self.principal);
            }
        }
    }
}

/// Who can mend it decides: too large for ever, too much of one principal's, too much of all.
fn check_room(limits: &UploadLimits, usage: UploadUsage, bytes: u64) -> Result<()> {
    let most = limits.principal_bytes.min(limits.total_bytes);
    if bytes > most {
        return Err(Error::TooLarge {
            message: format!("an upload of {bytes} bytes is more than the {most} that may wait"),
            hint: "split it, or have `uploads_principal_bytes` raised".to_owned(),
        });
    }
    let busy = |code, message| Error::Busy {
        code,
        message,
        hint: "ingest what was uploaded or wait until it expires, then send it again".to_owned(),
        retry_after: RETRY_AFTER,
    };
    if usage.own_count >= limits.principal_count {
        let message = format!("{} uploads of yours wait for an ingest already", usage.own_count);
        return Err(busy("too-many-uploads", message));
    }
    if usage.own_bytes.saturating_add(bytes) > limits.principal_bytes {
        let (waiting, most) = (usage.own_bytes, limits.principal_bytes);
        let message = format!("{waiting} bytes of yours wait already, of at most {most}");
        return Err(busy("too-many-uploads", message));
    }
    if usage.all_bytes.saturating_add(bytes) > limits.total_bytes {
        return Err(Error::NoRoom {
            message: "the room for uploads is taken".to_owned(),
            hint: "try again when others have ingested theirs".to_owned(),
            retry_after: RETRY_AFTER,
        });
    }
    Ok(())
}

/// A name is text to show; not every database keeps a NUL.
fn check_name(name: &str) -> Result<()> {
    match name.contains(char::is_control) {
        false => Ok(()),
        true => Err(Error::Invalid {
            code: "bad-upload-name",
            message: format!("`{}` cannot be the name of an upload", name.escape_debug()),
            hint: Some("leave out control characters".to_owned()),
        }),
    }
}

/// A body that is taken in segments. Where it breaks off, what came before is still taken.
struct Segments {
    body: BoxStream<'static, std::result::Result<Bytes, BoxError>>,
    rest: Bytes,
    is_over: bool,
    broke: Option<BoxError>,
}

impl Segments {
    fn new(body: BoxStream<'static, std::result::Result<Bytes, BoxError>>) -> Self {
        Self { body, rest: Bytes::new(), is_over: false, broke: None }
    }

    /// The next piece, of at most `most` bytes; none at the end.
    async fn next(&mut self, most: u64) -> Option<Bytes> {
        while self.rest.is_empty() && !self.is_over {
            match self.body.next().await {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => {
                    self.broke = Some(error);
                    self.is_over = true;
                }
                None => self.is_over = true,
            }
        }
        let length = self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        (length > 0).then(|| self.rest.split_to(length))
    }

    /// Stages up to [`SEGMENT_BYTES`].
    async fn stage(&mut self, lake: &Lake) -> Result<Staged> {
        let segment = stream::unfold((self, SEGMENT_BYTES), |(segments, left)| async move {
            let bytes = segments.next(left).await?;
            let left = left - bytes.len() as u64;
            Some((Ok::<_, BoxError>(bytes), (segments, left)))
        });
        Ok(lake.inner.store.stage_stream(segment).await?)
    }
}

impl Lake {
    /// Receives bytes for a later ingest by the same principal, all of them at once.
    ///
    /// # Errors
    /// As [`Self::upload_whole`].
    pub async fn upload(
        &self,
        ctx: &Ctx,
        bytes: BoxStream<'static, std::result::Result<Bytes, BoxError>>,
    ) -> Result<Uploaded> {
        self.upload_whole(ctx, NewUpload::default(), bytes).await
    }

    /// Receives bytes for a later ingest by the same principal, all of them at once, as declared.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::NoRoom`] or [`Error::TooLarge`] when there is no room for them,
    /// [`Error::Full`] when the disk is full, [`Error::Mismatch`] when they are not what was
    /// declared; nothing is kept then. [`Error::Forbidden`] for those who may ingest nowhere.
    pub async fn upload_whole(
        &self,
        ctx: &Ctx,
        declared: NewUpload,
        bytes: BoxStream<'static, std::result::Result<Bytes, BoxError>>,
    ) -> Result<Uploaded> {
        self.authorize_upload(ctx).await?;
        self.sweep_now_and_then().await;
        let (uploads, catalog) = (&self.inner.uploads, &self.inner.catalog);
        let usage = catalog.upload_usage(ctx.actor()).await?;
        let mut room = Room::new(uploads, ctx.actor(), usage);
        room.take(declared.length_bytes.unwrap_or(0))?;
        let mut left = declared.length_bytes.unwrap_or(0);
        let counted = bytes.map(move |piece| {
            let piece = piece?;
            let more = (piece.len() as u64).saturating_sub(left);
            left = left.saturating_sub(piece.len() as u64);
            Ok((piece, more))
        });
        let room = Mutex::new(room);
        let refused = Mutex::new(None);
        let bounded = counted.map(|piece: std::result::Result<_, BoxError>| {
            let (piece, more) = piece?;
            let taken = room.lock().unwrap_or_else(PoisonError::into_inner).take(more);
            taken.map_err(|error| {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                BoxError::from("no room")
            })?;
            Ok(piece)
        });
        let staged = self.inner.store.stage_stream(bounded).await;
        if let Some(error) = refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let staged = Arc::new(staged?);
        check_length(declared.length_bytes, staged.size_bytes())?;
        check_digest(declared.digest, staged.id())?;
        drop(room);
        let record = UploadRecord {
            received_bytes: staged.size_bytes(),
            length_bytes: Some(staged.size_bytes()),
            object: Some(staged.id()),
            ..self.new_record(ctx, declared)?
        };
        self.record_upload(&record).await?;
        // After the row: what has no row is swept away.
        self.inner.store.wait_whole(&record.id, &staged).await?;
        uploads.keep(ctx.actor(), &staged, self.inner.clock.now());
        Ok(Uploaded { object: staged.id(), size_bytes: staged.size_bytes() })
    }

    /// Begins an upload whose bytes will come in parts.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::NoRoom`], [`Error::TooLarge`]; [`Error::Forbidden`] for those who may
    /// ingest nowhere.
    pub async fn begin_upload(&self, ctx: &Ctx, declared: NewUpload) -> Result<UploadState> {
        self.authorize_upload(ctx).await?;
        self.sweep_now_and_then().await;
        let record = self.new_record(ctx, declared)?;
        self.record_upload(&record).await?;
        Ok(self.state_of(record))
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's.
    pub async fn upload_state(&self, ctx: &Ctx, id: &str) -> Result<UploadState> {
        Ok(self.state_of(self.get_upload(ctx, id).await?))
    }

    /// Takes the bytes from `offset` on; with `is_last` the upload is complete with them, and is
    /// checked against what was declared, and against `digest`.
    ///
    /// What came before a connection broke is kept. Sending again what is here is no mistake.
    ///
    /// # Errors
    /// [`Error::Offset`] when bytes between are missing, [`Error::Mismatch`] when other bytes are
    /// here, or the upload is not what was declared; [`Error::NotFound`]; [`Error::Forbidden`] for
    /// those who may ingest nowhere any more.
    pub async fn append_upload(
        &self,
        ctx: &Ctx,
        id: &str,
        offset: u64,
        is_last: bool,
        digest: Option<ObjectId>,
        bytes: BoxStream<'static, std::result::Result<Bytes, BoxError>>,
    ) -> Result<UploadState> {
        self.authorize_upload(ctx).await?;
        let mut upload = self.get_upload(ctx, id).await?;
        if offset > upload.received_bytes {
            return Err(Error::Offset { found: offset, expected: upload.received_bytes });
        }
        let mut segments = Segments::new(bytes);
        let mut at = offset;
        while !segments.is_over {
            let staged = segments.stage(self).await?;
            if staged.size_bytes() > 0 {
                at = self.place(&mut upload, at, staged).await?;
            }
        }
        if let Some(source) = segments.broke {
            return Err(lakebed_store::Error::BrokeOff { source }.into());
        }
        if is_last {
            upload = self.complete(ctx, upload, at, digest).await?;
        }
        Ok(self.state_of(upload))
    }

    /// Forgets an upload.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn abort_upload(&self, ctx: &Ctx, id: &str) -> Result<()> {
        let upload = self.get_upload(ctx, id).await?;
        if let Some(object) = upload.object {
            self.inner.uploads.drop_staged(ctx.actor(), &[object]);
        }
        self.remove_uploads(vec![upload.id]).await
    }

    /// Forgets uploads that nothing came for, and bytes that belong to none.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn sweep_uploads(&self) -> Result<()> {
        let (catalog, store) = (&self.inner.catalog, &self.inner.store);
        let kept = i64::try_from(self.inner.uploads.limits().kept.as_micros()).unwrap_or(i64::MAX);
        let now = self.inner.clock.now().as_micros();
        let before = Timestamp::from_micros(now.saturating_sub(kept));
        self.inner.uploads.drop_stale(before);
        let stale = catalog.stale_uploads(before, 10_000).await?;
        self.remove_uploads(stale).await?;
        let mut waiting = store.waiting_uploads().await?;
        let known = catalog.known_uploads(&waiting).await?;
        waiting.retain(|id| !known.contains(id));
        for id in waiting {
            tracing::info!(upload = id, "removing the bytes of an upload that nobody knows");
            store.forget_waiting(&id).await?;
        }
        Ok(())
    }

    /// What the caller uploaded under these digests, staged. Those that are not there are left out.
    pub(crate) async fn staged_uploads(
        &self,
        ctx: &Ctx,
        objects: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Arc<Staged>>> {
        let mut found = BTreeMap::new();
        let mut missing = Vec::new();
        for object in objects {
            match self.inner.uploads.find(ctx.actor(), *object) {
                Some(staged) => drop(found.insert(*object, staged)),
                None => missing.push(*object),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let records = self.inner.catalog.find_uploaded(ctx.actor(), &missing).await?;
        let gather = |record| {
            let lake = self.clone();
            async move { lake.gather(record).await }
        };
        let gathered = stream::iter(records).map(gather).buffered(AT_ONCE);
        let gathered: Vec<_> = gathered.try_collect().await?;
        for staged in gathered.into_iter().flatten() {
            self.inner.uploads.keep(ctx.actor(), &staged, self.inner.clock.now());
            found.insert(staged.id(), staged);
        }
        Ok(found)
    }

    /// Forgets the uploads that an ingest has made objects of.
    pub(crate) async fn forget_uploads(&self, ctx: &Ctx, objects: &[ObjectId]) -> Result<()> {
        self.inner.uploads.drop_staged(ctx.actor(), objects);
        let records = self.inner.catalog.find_uploaded(ctx.actor(), objects).await?;
        self.remove_uploads(records.into_iter().map(|record| record.id).collect()).await
    }

    /// A complete upload brought together; nothing if its bytes were lost.
    async fn gather(&self, record: UploadRecord) -> Result<Option<Arc<Staged>>> {
        let staged = self.inner.store.gather_waiting(&record.id, record.received_bytes).await?;
        Ok(staged.filter(|staged| Some(staged.id()) == record.object).map(Arc::new))
    }

    async fn get_upload(&self, ctx: &Ctx, id: &str) -> Result<UploadRecord> {
        let found = self.inner.catalog.find_upload(ctx.actor(), id).await?;
        found.ok_or_else(no_upload)
    }

    fn new_record(&self, ctx: &Ctx, declared: NewUpload) -> Result<UploadRecord> {
        check_name(declared.name.as_deref().unwrap_or_default())?;
        Ok(UploadRecord {
            id: random_id()?,
            principal: ctx.actor().to_owned(),
            name: declared.name,
            length_bytes: declared.length_bytes,
            digest: declared.digest,
            received_bytes: 0,
            object: None,
            touched_at: self.inner.clock.now(),
        })
    }

    async fn record_upload(&self, record: &UploadRecord) -> Result<()> {
        let limits = self.inner.uploads.limits();
        let bytes = record.reserved_bytes();
        let fits = |usage| check_room(&limits, usage, bytes).is_ok();
        let (usage, is_recorded) = self.inner.catalog.create_upload(record, fits).await?;
        if is_recorded { Ok(()) } else { check_room(&limits, usage, bytes) }
    }

    /// Puts a segment where it belongs; gives the place after it.
    async fn place(&self, upload: &mut UploadRecord, at: u64, staged: Staged) -> Result<u64> {
        let (store, catalog) = (&self.inner.store, &self.inner.catalog);
        let end = at + staged.size_bytes();
        self.check_growth(upload, end).await?;
        let (mut at, mut staged) = (at, staged);
        let mut tries = TRIES;
        while tries > 0 {
            let before = upload.received_bytes;
            if at < upload.received_bytes {
                let parts = store.waiting_parts(&upload.id).await?;
                if !store.waiting_equals(&parts, at, &staged).await? {
                    return Err(other_bytes(at));
                }
                if end <= upload.received_bytes {
                    return Ok(end);
                }
                staged = store.stage_rest(&staged, upload.received_bytes - at).await?;
                at = upload.received_bytes;
            }
            let (to, is_ours) = match store.wait(&upload.id, at, &staged).await? {
                Created::New => (end, true),
                // Another writer's, or our own from before a crash: the next look decides whether
                // its bytes are ours, too.
                Created::Existed => {
                    let parts = store.waiting_parts(&upload.id).await?;
                    let there = parts.iter().find(|part| part.start == at);
                    (there.map(WaitingPart::end).ok_or_else(|| other_bytes(at))?, false)
                }
            };
            let now = self.inner.clock.now();
            if catalog.advance_upload(&upload.id, at, to, now).await? {
                (upload.received_bytes, upload.touched_at) = (to, now);
            } else {
                let current = catalog.find_upload(&upload.principal, &upload.id).await?;
                *upload = current.ok_or_else(no_upload)?;
            }
            if is_ours && upload.received_bytes >= end {
                return Ok(end);
            }
            // Where others go on with small parts, a large one is overtaken often; it gets there.
            tries = if upload.received_bytes > before { TRIES } else { tries - 1 };
        }
        Err(Error::Conflict { message: "another client sends this upload, too".to_owned() })
    }

    /// An upload does not outgrow what was declared, nor the room there is.
    async fn check_growth(&self, upload: &UploadRecord, end: u64) -> Result<()> {
        if let Some(length) = upload.length_bytes {
            return match end <= length {
                true => Ok(()),
                false => Err(Error::Mismatch {
                    code: "upload-too-long",
                    message: format!("{length} bytes were declared, and more are sent"),
                    hint: "begin another upload with the right length".to_owned(),
                }),
            };
        }
        let more = end.saturating_sub(upload.received_bytes);
        let mut usage = self.inner.catalog.upload_usage(&upload.principal).await?;
        usage.own_count = usage.own_count.saturating_sub(1);
        check_room(&self.inner.uploads.limits(), usage, more)
    }

    async fn complete(
        &self,
        ctx: &Ctx,
        upload: UploadRecord,
        end: u64,
        digest: Option<ObjectId>,
    ) -> Result<UploadRecord> {
        check_length(upload.length_bytes, end)?;
        if end != upload.received_bytes {
            return Err(Error::Offset { found: end, expected: upload.received_bytes });
        }
        if let Some(object) = upload.object {
            return check_digest(digest, object).map(|()| upload);
        }
        let store = &self.inner.store;
        let staged = store.gather_waiting(&upload.id, end).await?.ok_or_else(no_upload)?;
        let checked = check_digest(digest, staged.id())
            .and_then(|()| check_digest(upload.digest, staged.id()));
        if let Err(error) = checked {
            // Nothing that is sent from now on could make it right.
            self.remove_uploads(vec![upload.id]).await?;
            return Err(error);
        }
        let now = self.inner.clock.now();
        if !self.inner.catalog.complete_upload(&upload.id, end, staged.id(), now).await? {
            return Err(no_upload());
        }
        let staged = Arc::new(staged);
        store.settle_waiting(&upload.id, &staged).await?;
        self.inner.uploads.keep(ctx.actor(), &staged, self.inner.clock.now());
        Ok(UploadRecord {
            object: Some(staged.id()),
            length_bytes: Some(end),
            touched_at: now,
            ..upload
        })
    }

    /// The bytes first: what has no row any more is nobody's, and what has one can be looked for.
    async fn remove_uploads(&self, ids: Vec<String>) -> Result<()> {
        let forget = |id: String| {
            let store = self.inner.store.clone();
            async move { store.forget_waiting(&id).await }
        };
        let forgotten = stream::iter(ids.clone()).map(forget).buffer_unordered(AT_ONCE);
        forgotten.try_collect::<()>().await?;
        Ok(self.inner.catalog.delete_uploads(&ids).await?)
    }

    async fn sweep_now_and_then(&self) {
        if !self.inner.uploads.is_sweep_due() {
            return;
        }
        if let Err(error) = self.sweep_uploads().await {
            tracing::warn!(%error, "could not look for uploads that were left behind");
        }
    }

    fn state_of(&self, upload: UploadRecord) -> UploadState {
        let kept = self.inner.uploads.limits().kept.as_micros();
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        let expires_at = upload.touched_at.as_micros().saturating_add(kept);
        UploadState {
            id: upload.id,
            name: upload.name,
            offset: upload.received_bytes,
            length_bytes: upload.length_bytes,
            object: upload.object,
            expires_at: Timestamp::from_micros(expires_at),
        }
    }
}

fn no_upload() -> Error {
    Error::NotFound {
        message: "no such upload of yours".to_owned(),
        hint: Some("it may have expired, or been ingested: begin another".to_owned()),
    }
}

fn other_bytes(at: u64) -> Error {
    Error::Mismatch {
        code: "upload-differs",
        message: format!("other bytes are here already from byte {at} on"),
        hint: "another client sends to the same upload: begin one of your own".to_owned(),
    }
}

fn check_length(declared: Option<u64>, found: u64) -> Result<()> {
    match declared {
        Some(declared) if declared != found => Err(Error::Mismatch {
            code: "length-mismatch",
            message: format!("{declared} bytes were declared, {found} came"),
            hint: "send all of them, or begin another upload with the right length".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_digest(expected: Option<ObjectId>, found: ObjectId) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Error::Mismatch {
            code: "digest-mismatch",
            message: format!("expected bytes that hash to `{expected}`, found `{found}`"),
            hint: "the bytes changed on their way: send them again".to_owned(),
        }),
        _ => Ok(()),
    }
}
