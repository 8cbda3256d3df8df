//! Long work: uploads, ingests, verifications.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http_body::Frame;
use http_body_util::StreamBody;
use lakebed_api::{
    BuildRequest, IngestRequest, IngestResponse, Progress, Uploaded, VerifyReport, VerifyRequest,
    media,
};
use lakebed_core::{DatasetName, ObjectId};

use crate::{
    BoxError, Client, ClientError,
    lines::read_lines,
    request::Draft,
    transport::{boxed, bytes_of},
};

impl Client {
    /// Sends bytes into the lake, as they come. With `digest`, the lake refuses other bytes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn upload<S, E>(
        &self,
        name: &str,
        bytes: S,
        digest: Option<ObjectId>,
    ) -> Result<Uploaded, ClientError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let frames = bytes.map(|part| part.map(Frame::data).map_err(Into::<BoxError>::into));
        let body = boxed(StreamBody::new(frames.boxed()));
        let mut draft = self.post(&["v1", "uploads"]).query("name", Some(name)).stream(body);
        if let Some(digest) = digest {
            draft = draft.header(media::DIGEST, &format!("b3={digest}"))?;
        }
        draft.fetch().await
    }

    /// Makes a version of sources. Tells `on_progress` how far it is.
    ///
    /// The same `idempotency_key` is the same ingest, however often it is sent.
    ///
    /// # Errors
    /// [`ClientError`]; after [`ClientError::Broken`] the version may be there or not, and sending
    /// the same request again finds out.
    pub async fn ingest(
        &self,
        request: &IngestRequest,
        idempotency_key: Option<&str>,
        on_progress: impl FnMut(Progress),
    ) -> Result<IngestResponse, ClientError> {
        let mut draft = self.post(&["v1", "ingests"]).json(request);
        if let Some(key) = idempotency_key {
            draft = draft.header(media::IDEMPOTENCY_KEY, key)?;
        }
        follow(draft, on_progress).await
    }

    /// Builds a product. Tells `on_progress` how far it is.
    ///
    /// The same `idempotency_key` is the same build, however often it is sent.
    ///
    /// # Errors
    /// As [`Client::ingest`].
    pub async fn build(
        &self,
        product: &DatasetName,
        request: &BuildRequest,
        idempotency_key: Option<&str>,
        on_progress: impl FnMut(Progress),
    ) -> Result<IngestResponse, ClientError> {
        let (namespace, name) = (product.namespace(), product.name());
        let mut draft = self.post(&["v1", "products", namespace, name, "builds"]).json(request);
        if let Some(key) = idempotency_key {
            draft = draft.header(media::IDEMPOTENCY_KEY, key)?;
        }
        follow(draft, on_progress).await
    }

    /// Reads everything again, or the versions given, and says what is wrong.
    ///
    /// # Errors
    /// [`ClientError`]; damage is no error but a finding.
    pub async fn verify(
        &self,
        request: &VerifyRequest,
        on_progress: impl FnMut(Progress),
    ) -> Result<VerifyReport, ClientError> {
        follow(self.post(&["v1", "verifications"]).json(request), on_progress).await
    }
}

pub(crate) async fn follow<T: serde::de::DeserializeOwned>(
    draft: Draft<'_>,
    on_progress: impl FnMut(Progress),
) -> Result<T, ClientError> {
    let response = draft.header("accept", media::NDJSON)?.send().await?;
    let bytes = bytes_of(response.into_body());
    read_lines(bytes.into_stream().boxed(), on_progress).await
}
