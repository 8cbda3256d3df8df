//! Uploads that survive the loss of a connection, of a server, of an answer.
//!
//! Small sources go in one request, larger ones in parts. After a loss the client asks how far the
//! server came, and goes on from there; when the server knows the upload no more, it begins again.

use std::future::Future;

use bytes::Bytes;
use http::Method;
use lakebed_api::{UploadState, Uploaded, media};
use lakebed_core::ObjectId;

use crate::{
    BoxError, Client, ClientError,
    request::Draft,
    retry::{Tries, is_passing},
};

/// What is sent, and kept in memory until the server has it, at a time.
const PART_BYTES: usize = 8 << 20;
/// How often an upload is begun again from its first byte.
const MOST_RESTARTS: u32 = 3;

/// Where the bytes of an upload come from.
pub trait UploadSource: Send {
    /// The bytes from `offset` on: `most` of them, or fewer at the end. `offset` is that of the
    /// bytes after those read last, or 0 to begin again.
    fn read(
        &mut self,
        offset: u64,
        most: usize,
    ) -> impl Future<Output = Result<Bytes, BoxError>> + Send;

    /// The digest of all bytes, once they were read from the first to the last.
    fn digest(&self) -> Option<ObjectId>;
}

impl Client {
    /// Sends all of `source` into the lake; `length` is how much that is, where it is known. Tells
    /// `on_bytes` of bytes that arrived.
    ///
    /// # Errors
    /// [`ClientError`], after patience has ended; [`ClientError::Source`] when `source` fails.
    pub async fn upload_from(
        &self,
        name: &str,
        length: Option<u64>,
        source: &mut impl UploadSource,
        mut on_bytes: impl FnMut(u64) + Send,
    ) -> Result<Uploaded, ClientError> {
        let mut restarts = 0;
        loop {
            match self.try_upload(name, length, source, &mut on_bytes).await {
                Err(ClientError::Problem(problem))
                    if restarts < MOST_RESTARTS && is_lost(&problem.code) =>
                {
                    restarts += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_upload(
        &self,
        name: &str,
        length: Option<u64>,
        source: &mut impl UploadSource,
        on_bytes: &mut (impl FnMut(u64) + Send),
    ) -> Result<Uploaded, ClientError> {
        let mut part = read(source, 0).await?;
        if part.len() < PART_BYTES {
            let sent = part.len() as u64;
            let draft = self.post(&["v1", "uploads"]).query("name", Some(name)).bytes(part);
            let uploaded = with_digest(draft, source.digest())?.repeatable().fetch().await?;
            on_bytes(sent);
            return Ok(uploaded);
        }
        let mut begin = self.post(&["v1", "uploads"]).query("name", Some(name));
        begin = begin.header(media::UPLOAD_COMPLETE, "?0")?;
        if let Some(length) = length {
            begin = begin.header(media::UPLOAD_LENGTH, &length.to_string())?;
        }
        // Begun twice, one of the two is empty, and expires.
        let begun: UploadState = begin.repeatable().fetch().await?;
        let mut offset = 0;
        loop {
            let end = offset + part.len() as u64;
            let next = match part.len() {
                PART_BYTES => read(source, end).await?,
                _ => Bytes::new(),
            };
            let digest = source.digest().filter(|_| next.is_empty());
            let part_of = Part { id: &begun.id, offset, bytes: part, is_last: next.is_empty() };
            let state = self.send_part(part_of, digest, on_bytes).await?;
            if let Some(upload) = state.upload {
                return Ok(Uploaded { upload, size_bytes: state.offset, name: state.name });
            }
            (offset, part) = (end, next);
        }
    }

    /// Sends one part, as often as it takes until all of it is there.
    async fn send_part(
        &self,
        part: Part<'_>,
        digest: Option<ObjectId>,
        on_bytes: &mut (impl FnMut(u64) + Send),
    ) -> Result<UploadState, ClientError> {
        let end = part.offset + part.bytes.len() as u64;
        let mut at = part.offset;
        let mut tries = Tries::new(self.patience().clone());
        loop {
            let rest = part.bytes.slice((at - part.offset) as usize..);
            let draft = Draft::new(self, Method::PATCH, &["v1", "uploads", part.id])
                .typed_bytes(media::PARTIAL_UPLOAD, rest)
                .header(media::UPLOAD_OFFSET, &at.to_string())?
                .header(media::UPLOAD_COMPLETE, if part.is_last { "?1" } else { "?0" })?;
            let sent: Result<UploadState, _> = with_digest(draft, digest)?.fetch().await;
            let error = match sent {
                Ok(state) => {
                    on_bytes(end - at);
                    return Ok(state);
                }
                Err(error) => error,
            };
            if !is_passing(&error) || !tries.again().await {
                return Err(error);
            }
            let state = self.upload_state(part.id).await?;
            let is_complete = state.upload.is_some();
            if is_complete || (state.offset >= end && !part.is_last) {
                on_bytes(end - at);
                return Ok(state);
            }
            if state.offset > at {
                on_bytes(state.offset - at);
                tries.reset();
            }
            at = state.offset.clamp(part.offset, end);
        }
    }

    /// How far an upload is.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload_state(&self, id: &str) -> Result<UploadState, ClientError> {
        self.get(&["v1", "uploads", id]).fetch().await
    }
}

struct Part<'a> {
    id: &'a str,
    offset: u64,
    bytes: Bytes,
    is_last: bool,
}

fn with_digest(draft: Draft<'_>, digest: Option<ObjectId>) -> Result<Draft<'_>, ClientError> {
    match digest {
        Some(digest) => draft.header(media::DIGEST, &format!("b3={digest}")),
        None => Ok(draft),
    }
}

async fn read(source: &mut impl UploadSource, offset: u64) -> Result<Bytes, ClientError> {
    source.read(offset, PART_BYTES).await.map_err(|source| ClientError::Source { source })
}

/// Whether only beginning again can help.
fn is_lost(code: &str) -> bool {
    matches!(code, "not-found" | "upload-differs" | "upload-offset" | "digest-mismatch")
}
