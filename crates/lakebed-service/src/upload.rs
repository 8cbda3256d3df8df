//! Bytes that clients sent ahead of an ingest.
//!
//! They wait in scratch, known only to who sent them, until an ingest names them; a server that
//! restarts forgets them, and the client sends them again. Nothing of them is in the lake before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::stream::BoxStream;
use lakebed_core::{ObjectId, Timestamp};
use lakebed_store::Staged;

use crate::{Ctx, Error, Lake, Result};

/// How long an upload waits for its ingest.
const KEPT_MICROS: i64 = 60 * 60 * 1_000_000;
/// How many uploads of one actor wait at most.
const MOST_PER_ACTOR: usize = 10_000;

/// What was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uploaded {
    /// The digest of the bytes: how an ingest names them.
    pub object: ObjectId,
    /// How many bytes.
    pub size_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<HashMap<String, HashMap<ObjectId, Waiting>>>);

#[derive(Debug)]
struct Waiting {
    staged: Arc<Staged>,
    since: Timestamp,
}

impl Uploads {
    fn keep(&self, actor: &str, staged: Staged, now: Timestamp) -> Result<()> {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for waiting in all.values_mut() {
            waiting.retain(|_, upload| now.as_micros() - upload.since.as_micros() < KEPT_MICROS);
        }
        let mine = all.entry(actor.to_owned()).or_default();
        if mine.len() >= MOST_PER_ACTOR {
            return Err(Error::Invalid {
                code: "too-many-uploads",
                message: format!("{MOST_PER_ACTOR} uploads wait for an ingest already"),
                hint: Some("ingest what was uploaded, then upload more".to_owned()),
            });
        }
        mine.insert(staged.id(), Waiting { staged: Arc::new(staged), since: now });
        Ok(())
    }

    /// What `actor` uploaded under that digest; somebody else's upload is not found.
    pub(crate) fn find(&self, actor: &str, id: ObjectId) -> Option<Arc<Staged>> {
        let all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        all.get(actor)?.get(&id).map(|waiting| Arc::clone(&waiting.staged))
    }

    pub(crate) fn forget(&self, actor: &str, ids: impl IntoIterator<Item = ObjectId>) {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(mine) = all.get_mut(actor) {
            for id in ids {
                mine.remove(&id);
            }
        }
    }
}

impl Lake {
    /// Receives bytes for a later ingest by the same actor. They wait for an hour.
    ///
    /// # Errors
    /// [`Error::Full`] when scratch is full; nothing is kept then. [`Error::Forbidden`] for those
    /// who may ingest nowhere.
    pub async fn upload(
        &self,
        ctx: &Ctx,
        bytes: BoxStream<'static, std::result::Result<Bytes, lakebed_store::BoxError>>,
    ) -> Result<Uploaded> {
        self.authorize_upload(ctx).await?;
        let staged = self.inner.store.stage_stream(bytes).await?;
        let uploaded = Uploaded { object: staged.id(), size_bytes: staged.size_bytes() };
        self.inner.uploads.keep(ctx.actor(), staged, self.inner.clock.now())?;
        Ok(uploaded)
    }
}
