//! From a resource to a response: addresses, retries, problems.

use bytes::Bytes;
use futures::TryStreamExt;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Empty, Full};
use lakebed_api::{Problem, media};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{
    Client, ClientError,
    coding::{CODING, decoded},
    retry::{Patience, Tries, is_passing, is_passing_status},
    transport::{ClientBody, boxed, bytes_of},
};

/// The longest JSON answer that is read as a whole.
const MAX_ANSWER: usize = 512 << 20;

/// A request that is being put together.
pub(crate) struct Draft<'a> {
    client: &'a Client,
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
    /// Whether sending it twice does no more than sending it once.
    is_repeatable: bool,
}

enum Body {
    Empty,
    Bytes(Bytes),
    Stream(ClientBody),
}

impl<'a> Draft<'a> {
    /// A request to the path made of `segments`, each of which is escaped as needed.
    pub(crate) fn new(client: &'a Client, method: Method, segments: &[&str]) -> Self {
        let mut url = client.base().clone();
        url.path_segments_mut()
            .expect("checked by Client::remote: http and https addresses have a path")
            .pop_if_empty()
            .extend(segments);
        let is_repeatable = matches!(method, Method::GET | Method::HEAD);
        Self { client, method, url, headers: Vec::new(), body: Body::Empty, is_repeatable }
    }

    pub(crate) fn query(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, &value.to_string());
        }
        self
    }

    /// # Errors
    /// [`ClientError::Protocol`] when `value` cannot be sent in a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            ClientError::protocol(format!("the value for header `{name}` cannot be sent"))
        })?;
        self.headers.push((HeaderName::from_static(name), value));
        Ok(self)
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(body).expect("wire types always serialise");
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(media::JSON)));
        self.body = Body::Bytes(bytes.into());
        self
    }

    pub(crate) fn bytes(self, body: Bytes) -> Self {
        self.typed_bytes(media::BYTES, body)
    }

    pub(crate) fn typed_bytes(mut self, kind: &'static str, body: Bytes) -> Self {
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(kind)));
        self.body = Body::Bytes(body);
        self
    }

    /// The answer is one that gets smaller by compression.
    pub(crate) fn compressible(mut self) -> Self {
        if self.client.takes_compressed() {
            self.headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static(CODING)));
        }
        self
    }

    /// Sending it twice does no more than sending it once: it is sent again when it may have been
    /// lost.
    pub(crate) const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    pub(crate) fn stream(mut self, body: ClientBody) -> Self {
        self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static(media::BYTES)));
        self.body = Body::Stream(body);
        self
    }

    /// The successful response; any other becomes an error.
    pub(crate) async fn send(mut self) -> Result<Response<ClientBody>, ClientError> {
        let mut tries = Tries::new(self.client.patience().clone());
        loop {
            let request = self.request();
            let (error, is_passing) = match self.client.transport().send(request).await {
                Ok(response) => {
                    let status = response.status();
                    let response = decoded(response)
                        .map_err(|error| ClientError::protocol(error.to_string()))?;
                    match check(response, self.client.patience()).await {
                        Ok(response) => return Ok(response),
                        Err(error @ ClientError::Problem(_)) => {
                            let is_passing = is_passing(&error);
                            (error, is_passing)
                        }
                        Err(error) => (error, is_passing_status(status)),
                    }
                }
                Err(error) => (error.into_error(self.url.clone()), true),
            };
            let is_repeatable = is_passing && self.is_repeatable;
            if !is_repeatable || !tries.again().await {
                return Err(error);
            }
        }
    }

    /// The response's body as JSON.
    pub(crate) async fn fetch<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let draft = self.header("accept", media::JSON)?.compressible();
        read_json(draft.send().await?).await
    }

    /// The response's body as it is, of at most `most` bytes.
    pub(crate) async fn fetch_bytes(self, most: usize) -> Result<Bytes, ClientError> {
        let draft = self.header("accept", "*/*")?;
        read_whole(draft.send().await?, most).await
    }

    fn request(&mut self) -> Request<ClientBody> {
        let body = match &mut self.body {
            Body::Empty => boxed(Empty::new()),
            Body::Bytes(bytes) => boxed(Full::new(bytes.clone())),
            // Sent once: what is tried again has its bytes at hand.
            Body::Stream(stream) => std::mem::replace(stream, boxed(Empty::new())),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.as_str().parse().expect("a URL is a URI");
        if let Some(authorization) = self.client.authorization() {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        request
    }
}

async fn check(
    response: Response<ClientBody>,
    patience: &Patience,
) -> Result<Response<ClientBody>, ClientError> {
    let status = response.status();
    if status.is_success() {
        patience.note_answer(response.headers());
        return Ok(response);
    }
    if media_type(&response) == media::PROBLEM {
        patience.note_answer(response.headers());
        let problem: Problem = read_json(response).await?;
        return Err(ClientError::Problem(Box::new(problem)));
    }
    Err(unexpected(status))
}

fn unexpected(status: StatusCode) -> ClientError {
    ClientError::protocol(format!("status {status} without a problem"))
}

/// The media type of an answer, without parameters.
pub(crate) fn media_type(response: &Response<ClientBody>) -> &str {
    let value = response.headers().get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

async fn read_json<T: DeserializeOwned>(response: Response<ClientBody>) -> Result<T, ClientError> {
    let bytes = read_whole(response, MAX_ANSWER).await?;
    serde_json::from_slice(&bytes).map_err(|error| ClientError::protocol(error.to_string()))
}

async fn read_whole(response: Response<ClientBody>, most: usize) -> Result<Bytes, ClientError> {
    let mut bytes = Vec::new();
    let mut stream = bytes_of(response.into_body());
    while let Some(part) = stream.try_next().await? {
        if bytes.len() + part.len() > most {
            let most = most >> 20;
            return Err(ClientError::protocol(format!("it is larger than {most} MiB")));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes.into())
}
