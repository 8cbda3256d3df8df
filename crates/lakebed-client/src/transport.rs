//! The two ways a request travels: a socket, or a call.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::{Request, Response};
use http_body_util::{BodyExt, BodyStream, combinators::UnsyncBoxBody};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};
use url::Url;

use crate::ClientError;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of requests and responses.
pub type ClientBody = UnsyncBoxBody<Bytes, BoxError>;
/// Bytes of an answer as they come. After an error nothing follows; the end without an error means
/// that all bytes came.
pub type ByteStream = BoxStream<'static, Result<Bytes, ClientError>>;

type InProcess = BoxCloneSyncService<Request<ClientBody>, Response<ClientBody>, BoxError>;

#[derive(Clone)]
pub(crate) enum Transport {
    Socket(reqwest::Client),
    InProcess(InProcess),
}

/// Why a request had no response.
pub(crate) struct SendError {
    pub(crate) source: BoxError,
    /// Whether anybody was reached.
    pub(crate) connected: bool,
}

impl SendError {
    pub(crate) fn into_error(self, url: Url) -> ClientError {
        if self.connected {
            return ClientError::from_body(self.source);
        }
        ClientError::Unreachable { url, source: self.source }
    }
}

impl Transport {
    /// Trusts `authorities` besides the usual ones.
    pub(crate) fn socket(
        url: &Url,
        authorities: &[reqwest::Certificate],
    ) -> Result<Self, ClientError> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(std::time::Duration::from_secs(10))
            .tcp_keepalive(std::time::Duration::from_secs(30));
        for authority in authorities {
            builder = builder.add_root_certificate(authority.clone());
        }
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|source| ClientError::Unreachable {
            url: url.clone(),
            source: source.into(),
        })?;
        Ok(Self::Socket(client))
    }

    pub(crate) fn in_process<S, B>(service: S) -> Self
    where
        S: Service<Request<ClientBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service =
            service.map_response(|response: Response<B>| response.map(boxed)).map_err(Into::into);
        Self::InProcess(BoxCloneSyncService::new(service))
    }

    pub(crate) async fn send(
        &self,
        request: Request<ClientBody>,
    ) -> Result<Response<ClientBody>, SendError> {
        match self {
            Self::Socket(client) => send_on_socket(client, request).await,
            Self::InProcess(service) => {
                let answer = service.clone().oneshot(request).await;
                answer.map_err(|source| SendError { source, connected: true })
            }
        }
    }
}

async fn send_on_socket(
    client: &reqwest::Client,
    request: Request<ClientBody>,
) -> Result<Response<ClientBody>, SendError> {
    let (parts, body) = request.into_parts();
    let url = parts.uri.to_string();
    let length = http_body::Body::size_hint(&body).exact();
    let mut request = client.request(parts.method, url).headers(parts.headers);
    if length != Some(0) {
        request = request.body(socket_body(body, length).await?);
    }
    let response = request.send().await.map_err(|error| SendError {
        connected: !error.is_connect() && !error.is_builder(),
        source: error.into(),
    })?;
    Ok(Response::<reqwest::Body>::from(response).map(boxed))
}

/// Bytes at hand go with their length; a stream goes in chunks.
async fn socket_body(body: ClientBody, length: Option<u64>) -> Result<reqwest::Body, SendError> {
    if length.is_some() {
        let collected =
            body.collect().await.map_err(|source| SendError { source, connected: false })?;
        return Ok(collected.to_bytes().into());
    }
    let frames = BodyStream::new(body);
    let bytes = frames.try_filter_map(|frame| async move { Ok(frame.into_data().ok()) });
    Ok(reqwest::Body::wrap_stream(bytes))
}

pub(crate) fn boxed<B>(body: B) -> ClientBody
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// The data of a body; its errors become ours.
pub(crate) fn bytes_of(body: ClientBody) -> ByteStream {
    BodyStream::new(body)
        .try_filter_map(|frame| async move { Ok(frame.into_data().ok()) })
        .map_err(ClientError::from_body)
        .boxed()
}

/// Whether nobody but this machine hears what is sent there.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
