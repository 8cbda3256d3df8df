//! Objects: immutable bytes by their digest, verified as they are read.

use std::ops::Range;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use lakebed_api::{BrokenStream, media};
use lakebed_core::StoredObject;
use lakebed_service::Ctx;

use super::problems::{Always, BadRequest, NotFound, RawBytes};
use crate::{
    AppState,
    context::Context,
    extract::ObjectPath,
    problem::{Failure, Result},
    range::{Wanted, parse_range},
};

/// What never changes may be kept for ever.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// Bytes of an object
///
/// Takes one range. The bytes are verified before they are sent; damage that is found later cuts
/// the body. `HEAD` answers without bytes. The entity tag is `"b3:<digest>"`.
#[utoipa::path(get, path = "/v1/objects/{digest}", tag = "object",
    params(
        ("digest" = String, Path, description = "The BLAKE3 of its bytes: 64 lower-case hex digits",
            pattern = "^[0-9a-f]{64}$"),
        ("range" = Option<String>, Header, description = "One range: `bytes=0-1023`"),
        ("if-none-match" = Option<String>, Header, description = "Entity tags that are known"),
        ("if-range" = Option<String>, Header, description = "The range counts only for this tag"),
    ),
    responses(
        (status = 200, description = "The whole object", body = RawBytes,
            content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for", body = RawBytes,
            content_type = "application/octet-stream"),
        (status = 304, description = "You know it already"),
        (status = 416, description = "No such bytes", body = lakebed_api::Problem,
            content_type = "application/problem+json"),
        BadRequest, NotFound, Always
    )
)]
pub(crate) async fn get_object(
    State(state): State<AppState>,
    Context(ctx): Context,
    method: Method,
    ObjectPath(id): ObjectPath,
    headers: HeaderMap,
) -> Result<Response> {
    let object = state.lake.find_object(&ctx, id).await?;
    let tag = format!("\"b3:{id}\"");
    if knows(&headers, &tag) {
        return Ok(described(StatusCode::NOT_MODIFIED, &tag));
    }
    let (status, range) = wanted(&method, &headers, &tag, object.size_bytes)?;
    let mut response = described(status, &tag);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media::BYTES));
    fields.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let sent = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size_bytes);
        fields.insert(header::CONTENT_RANGE, text(&sent)?);
    }
    if method != Method::HEAD {
        *response.body_mut() = read(&state, &ctx, &object, range).await?;
    }
    Ok(response)
}

fn described(status: StatusCode, tag: &str) -> Response {
    let fields =
        [(header::ETAG, tag), (header::CACHE_CONTROL, FOR_EVER), (header::ACCEPT_RANGES, "bytes")];
    (status, fields).into_response()
}

fn text(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|error| Failure::internal(error.to_string()))
}

/// Whether the client has these bytes: `If-None-Match`, by weak comparison.
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Ranges are of what is sent, so that `HEAD` has none: RFC 9110, section 14.2.
fn wanted(
    method: &Method,
    headers: &HeaderMap,
    tag: &str,
    size_bytes: u64,
) -> Result<(StatusCode, Range<u64>)> {
    let get = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_current = get(header::IF_RANGE).is_none_or(|known| known.trim() == tag);
    let range = get(header::RANGE).filter(|_| is_current && method == Method::GET);
    match parse_range(range, size_bytes) {
        Wanted::Whole => Ok((StatusCode::OK, 0..size_bytes)),
        Wanted::Part(range) => Ok((StatusCode::PARTIAL_CONTENT, range)),
        Wanted::Unsatisfiable => {
            let detail = format!("the object has {size_bytes} bytes, none of them in this range");
            let size = text(&format!("bytes */{size_bytes}"))?;
            Err(Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable", detail)
                .header(header::CONTENT_RANGE, size))
        }
    }
}

/// The first bytes are read before the status is sent, so that damage at the start is a problem.
async fn read(
    state: &AppState,
    ctx: &Ctx,
    object: &StoredObject,
    range: Range<u64>,
) -> Result<Body> {
    if range.is_empty() {
        return Ok(Body::empty());
    }
    let mut bytes = state.lake.read_object(ctx, object, range);
    let first = bytes.next().await.transpose()?;
    let (access, request_id) = (state.access, ctx.request_id.clone());
    let rest = bytes.map(move |part| {
        part.map_err(|error| {
            let failure = Failure::from(error);
            tracing::error!(
                request_id,
                code = failure.code(),
                cause = failure.cause(),
                "an object broke off while it was sent"
            );
            BrokenStream(Box::new(failure.problem(access, &request_id)))
        })
    });
    Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(rest)))
}
