//! Bodies, query strings and paths, whose errors are problems too.

use std::{error::Error as _, io::Read as _, str::FromStr};

use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lakebed_api::media;
use lakebed_core::{DatasetName, DatasetRef, ObjectId, TokenId};
use lakebed_service::MAX_EVENT_BYTES;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    admission::Packed,
    problem::{Failure, Result, causes},
};

/// The largest body of a question.
pub(crate) const MAX_QUESTION: usize = 1 << 20;
/// The largest body of a change: some 200,000 names of files, or thousands of declarations. Uploads are
/// streams, with a limit of their own.
pub(crate) const MAX_BODY: usize = 32 << 20;
/// What to do about one that is larger.
pub(crate) const SHORTER_BODY: &str =
    "send data to `/v1/uploads`, which takes larger bodies, and very many files a part at a time";

/// A JSON body of at most [`MAX_BODY`].
pub(crate) struct ApiJson<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        if media_type(&parts.headers).as_deref() != Some(media::JSON) {
            return Err(unsupported(media::JSON));
        }
        let body = read_body(body).await?;
        parse_json(&body).map(Self)
    }
}

/// A body of at most [`MAX_BODY`], whole.
pub(crate) async fn read_body(body: Body) -> Result<Bytes> {
    collect(body, MAX_BODY, SHORTER_BODY).await
}

/// What to do about an event that is too large.
pub(crate) const SHORTER_EVENT: &str =
    "tell it in several events, with fewer datasets or columns in each";

/// The body of an event, of at most [`MAX_EVENT_BYTES`] as it comes and unpacked.
pub(crate) async fn read_event(headers: &HeaderMap, body: Body) -> Result<Bytes> {
    let bytes = collect(body, MAX_EVENT_BYTES, SHORTER_EVENT).await?;
    if Packed::of(headers) != Some(Packed::Gzip) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    // A little of it may be a lot: it is unpacked no further than needed to know.
    let mut decoder = MultiGzDecoder::new(&*bytes).take(MAX_EVENT_BYTES as u64 + 1);
    decoder
        .read_to_end(&mut unpacked)
        .map_err(|_| Failure::invalid("invalid-gzip", "the body is not what gzip packs"))?;
    match unpacked.len() > MAX_EVENT_BYTES {
        true => Err(too_large(MAX_EVENT_BYTES, SHORTER_EVENT)),
        false => Ok(unpacked.into()),
    }
}

async fn collect(body: Body, most: usize, way_out: &'static str) -> Result<Bytes> {
    let collected = Limited::new(body, most).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        match error.is::<LengthLimitError>() {
            true => too_large(most, way_out),
            false => Failure::invalid("broke-off", "the body broke off before its end"),
        }
    })
}

fn too_large(most: usize, way_out: &'static str) -> Failure {
    let detail = format!("the body is larger than {most} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).hint(way_out)
}

/// The body's media type without parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

pub(crate) fn unsupported(expected: &str) -> Failure {
    let detail = format!("the body's `content-type` must be {expected}");
    Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}

/// A body of at most [`MAX_BODY`] that is text.
pub(crate) async fn text_body(body: Body) -> Result<String> {
    let text = String::from_utf8(read_body(body).await?.into());
    text.map_err(|_| Failure::invalid("invalid-text", "the body is not UTF-8"))
}

/// serde's message names the line and the column, and never more of the body than a field's name.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    // It would be read as the fields in their order.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Failure::invalid("invalid-json", "the body is a list: expected an object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let what = if error.is_data() {
            "the body is not the request expected"
        } else {
            "the body is not JSON"
        };
        Failure::invalid("invalid-json", format!("{what}: {}", without_values(&error.to_string())))
    })
}

/// Control characters of names that came from outside are escaped; long texts are cut.
fn without_values(text: &str) -> String {
    let escaped = text.chars().take(300).flat_map(|char| match char.is_control() {
        true => char.escape_debug().collect::<Vec<_>>(),
        false => vec![char],
    });
    escaped.collect()
}

/// A query string; unknown names are refused by the type.
pub(crate) struct ApiQuery<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        check_query(parts)?;
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|error| {
            // Its first cause says the same twice.
            let why = error.source().and_then(causes).unwrap_or_default();
            let detail =
                format!("the query string is not the one expected: {}", without_values(&why));
            Failure::invalid("invalid-query", detail)
        })
    }
}

/// The query of a request that takes none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}

/// The query string, if it is UTF-8: what is not would be read as another text.
fn check_query(parts: &Parts) -> Result<&str> {
    let query = parts.uri.query().unwrap_or_default();
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let (mut bytes, mut rest) = (Vec::with_capacity(query.len()), query.as_bytes());
    while let [first, behind @ ..] = rest {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    match std::str::from_utf8(&bytes) {
        Ok(_) => Ok(query),
        Err(_) => Err(Failure::invalid("invalid-query", "the query string is not UTF-8")),
    }
}

/// The dataset that a path names.
pub(crate) struct DatasetPath(pub(crate) DatasetName);

impl<S: Send + Sync> FromRequestParts<S> for DatasetPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let namespace = path_part(parts, state, "namespace").await?;
        let name = path_part(parts, state, "name").await?;
        DatasetName::new(&namespace, &name)
            .map(Self)
            .map_err(|error| Failure::invalid("invalid-name", error.to_string()))
    }
}

/// The query of a product that a path names.
pub(crate) struct QueryPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for QueryPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        path_part(parts, state, "query").await.map(Self)
    }
}

/// Names and values of a query string, in its order, whatever they are.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self> {
        let query = check_query(parts)?;
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// The object that a path names.
pub(crate) struct ObjectPath(pub(crate) ObjectId);

impl<S: Send + Sync> FromRequestParts<S> for ObjectPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        parse_digest(&path_part(parts, state, "digest").await?).map(Self)
    }
}

/// The token that a path names.
pub(crate) struct TokenPath(pub(crate) TokenId);

impl<S: Send + Sync> FromRequestParts<S> for TokenPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let id = path_part(parts, state, "id").await?.parse();
        id.map(Self).map_err(|_| {
            Failure::invalid("invalid-token-id", "a token's id is 16 lower-case hex digits")
        })
    }
}

/// The upload, job or statement that a path names: a word of letters and digits.
pub(crate) struct IdPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let id = path_part(parts, state, "id").await?;
        match !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            true => Ok(Self(id)),
            false => Err(Failure::invalid("invalid-id", "this names nothing of ours")),
        }
    }
}

/// The registered lock that a path names; whether it is a name, the lake says.
pub(crate) struct LockPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for LockPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        path_part(parts, state, "name").await.map(Self)
    }
}

/// The chunk of a statement that a path names.
pub(crate) struct ChunkPath {
    pub(crate) id: String,
    pub(crate) number: usize,
}

impl<S: Send + Sync> FromRequestParts<S> for ChunkPath {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let IdPath(id) = IdPath::from_request_parts(parts, state).await?;
        let number = path_part(parts, state, "number").await?;
        let is_number =
            (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        match number.parse() {
            Ok(number) if is_number => Ok(Self { id, number }),
            _ => {
                Err(Failure::invalid("invalid-chunk", "a chunk is named by its number, from 0 on"))
            }
        }
    }
}

async fn path_part<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String> {
    let params = RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|_| Failure::invalid("invalid-path", "the path is not valid UTF-8"))?;
    let found = params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| Failure::internal(format!("the route has no part `{name}`")))
}

pub(crate) fn parse_digest(text: &str) -> Result<ObjectId> {
    ObjectId::from_str(text)
        .map_err(|_| Failure::invalid("invalid-digest", "a digest is 64 lower-case hex digits"))
}

/// References of a request, at most a thousand.
pub(crate) fn parse_refs(texts: &[String]) -> Result<Vec<DatasetRef>> {
    const MOST: usize = 1000;
    if texts.len() > MOST {
        let detail = format!("{} references are more than the {MOST} of one request", texts.len());
        return Err(Failure::invalid("too-many-refs", detail));
    }
    texts.iter().map(|text| parse_ref(text)).collect()
}

pub(crate) fn parse_ref(text: &str) -> Result<DatasetRef> {
    text.parse().map_err(|error: lakebed_core::RefError| {
        Failure::invalid("invalid-reference", error.to_string())
    })
}
