//! Bytes on their way into the lake, in one piece or in parts (the IETF's resumable uploads).
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use lakebed_api::{UploadState, Uploaded, media};
use lakebed_core::ObjectId;
use lakebed_service::NewUpload;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{
    Always, BadRequest, Changes, NotFound, RawBytes, TooLarge, TooMany, Unsupported,
};
use crate::{
    AppState,
    context::Context,
    convert,
    encode::BoxError,
    extract::{ApiQuery, IdPath, media_type, parse_digest, unsupported},
    problem::{Failure, Result},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// The name of the bytes; repeated in the answer.
    #[param(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    name: Option<String>,
}

/// Send bytes ahead of an ingest, or begin to
///
/// The body is the bytes, of any length; it is hashed as it comes. With `upload-complete: ?0` it is
/// only the first part, or nothing: the rest is sent to the address that `location` names, and a
/// connection that breaks loses nothing. What was uploaded is known to its sender alone, and waits
/// for a day for an ingest that names it.
#[utoipa::path(post, path = "/v1/uploads", tag = "ingest",
    params(
        UploadQuery,
        ("lakebed-digest" = Option<String>, Header,
            description = "`b3=` and the BLAKE3 of all bytes; other bytes are refused with 422",
            pattern = "^b3=[0-9a-f]{64}$"),
        ("upload-complete" = Option<String>, Header,
            description = "`?0`: more will come; `?1`, or absent: this is all",
            pattern = "^[?][01]$"),
        ("upload-length" = Option<u64>, Header,
            description = "How many bytes there will be in all"),
    ),
    request_body(content = RawBytes, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The bytes are here", body = Uploaded),
        (status = 201, description = "The upload is begun", body = UploadState, headers(
            ("location" = String, description = "Where the rest goes"),
            ("upload-offset" = u64, description = "How many bytes are here"),
        )),
        BadRequest, TooLarge, TooMany, Changes, Always
    )
)]
pub(crate) async fn upload(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<UploadQuery>,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let is_all = is_complete(&parts.headers)?.unwrap_or(true);
    let length = number(&parts.headers, &HeaderName::from_static(media::UPLOAD_LENGTH))?;
    let declared = NewUpload {
        name: query.name.clone(),
        length_bytes: match is_all {
            true => length.or(number(&parts.headers, &header::CONTENT_LENGTH)?),
            false => length,
        },
        digest: expected_digest(&parts.headers)?,
    };
    if is_all {
        let uploaded = state.lake.upload_whole(&ctx, declared, bytes_of(body)).await?;
        let (upload, size_bytes) = (uploaded.object, uploaded.size_bytes);
        return Ok(Json(Uploaded { upload, size_bytes, name: query.name }).into_response());
    }
    let begun = state.lake.begin_upload(&ctx, declared).await?;
    let begun = state.lake.append_upload(&ctx, &begun.id, 0, false, None, bytes_of(body)).await?;
    let location = format!("/v1/uploads/{}", begun.id);
    let mut response = (StatusCode::CREATED, described(begun)?).into_response();
    response.headers_mut().insert(header::LOCATION, text(&location)?);
    Ok(response)
}

/// How far an upload is
///
/// `HEAD` tells it in the header alone.
#[utoipa::path(get, path = "/v1/uploads/{id}", tag = "ingest",
    params(("id" = String, Path, description = "The upload")),
    responses(
        (status = 200, description = "How far it is", body = UploadState, headers(
            ("upload-offset" = u64, description = "How many bytes are here"),
            ("upload-complete" = String, description = "`?1` when all are"),
        )),
        BadRequest, NotFound, Always
    )
)]
pub(crate) async fn get_upload(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Response> {
    described(state.lake.upload_state(&ctx, &id).await?)
}

/// Send the next part of an upload
///
/// Sending again what is here already is no mistake, as long as it is the same. What came before a
/// connection broke is kept: ask how far the upload is, and go on from there.
#[utoipa::path(patch, path = "/v1/uploads/{id}", tag = "ingest",
    params(
        ("id" = String, Path, description = "The upload"),
        ("upload-offset" = u64, Header, description = "Where in the upload the body begins"),
        ("upload-complete" = Option<String>, Header,
            description = "`?1`: the upload is complete with this body"),
        ("lakebed-digest" = Option<String>, Header,
            description = "With the last part: `b3=` and the BLAKE3 of all bytes"),
    ),
    request_body(content(
        (RawBytes = "application/partial-upload"), (RawBytes = "application/octet-stream")
    )),
    responses(
        (status = 200, description = "How far it is", body = UploadState, headers(
            ("upload-offset" = u64, description = "How many bytes are here"),
            ("upload-complete" = String, description = "`?1` when all are"),
        )),
        BadRequest, NotFound, TooLarge, TooMany, Unsupported, Changes, Always
    )
)]
pub(crate) async fn append_upload(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
    request: Request,
) -> Result<Response> {
    let (parts, body) = request.into_parts();
    if !matches!(media_type(&parts.headers).as_deref(), Some(media::PARTIAL_UPLOAD | media::BYTES))
    {
        return Err(unsupported(media::PARTIAL_UPLOAD));
    }
    let offset = number(&parts.headers, &HeaderName::from_static(media::UPLOAD_OFFSET))?;
    let offset = offset.ok_or_else(|| {
        Failure::invalid("invalid-upload", "`upload-offset` says where the body begins")
    })?;
    let is_last = is_complete(&parts.headers)?.unwrap_or(false);
    let digest = expected_digest(&parts.headers)?;
    described(state.lake.append_upload(&ctx, &id, offset, is_last, digest, bytes_of(body)).await?)
}

/// Forget an upload
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "ingest",
    params(("id" = String, Path, description = "The upload")),
    responses(
        (status = 204, description = "It is forgotten"), BadRequest, NotFound, Always
    )
)]
pub(crate) async fn abort_upload(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<StatusCode> {
    state.lake.abort_upload(&ctx, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn described(upload: lakebed_service::UploadState) -> Result<Response> {
    let upload = convert::upload(upload);
    let offset = text(&upload.offset.to_string())?;
    let length = upload.size_bytes.map(|length| text(&length.to_string())).transpose()?;
    let complete = if upload.upload.is_some() { "?1" } else { "?0" };
    let mut response = Json(upload).into_response();
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(media::UPLOAD_OFFSET), offset);
    let complete = HeaderValue::from_static(complete);
    headers.insert(HeaderName::from_static(media::UPLOAD_COMPLETE), complete);
    if let Some(length) = length {
        headers.insert(HeaderName::from_static(media::UPLOAD_LENGTH), length);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn text(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|error| Failure::internal(error.to_string()))
}

/// A boolean of RFC 9651.
fn is_complete(headers: &HeaderMap) -> Result<Option<bool>> {
    match headers.get(media::UPLOAD_COMPLETE).map(HeaderValue::as_bytes) {
        None => Ok(None),
        Some(b"?1") => Ok(Some(true)),
        Some(b"?0") => Ok(Some(false)),
        Some(_) => Err(Failure::invalid("invalid-upload", "`upload-complete` is `?1` or `?0`")),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let is_plain = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.to_str().ok().filter(is_plain).and_then(|text| text.parse::<i64>().ok());
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(Failure::invalid("invalid-upload", format!("`{name}` is a number of bytes"))),
    }
}

fn bytes_of(body: Body) -> BoxStream<'static, std::result::Result<Bytes, BoxError>> {
    body.into_data_stream().map_err(|error| error.into_inner()).boxed()
}

fn expected_digest(headers: &HeaderMap) -> Result<Option<ObjectId>> {
    let Some(value) = headers.get(media::DIGEST) else { return Ok(None) };
    let hex = value.to_str().ok().and_then(|text| text.strip_prefix("b3="));
    let hex = hex.ok_or_else(|| {
        Failure::invalid("invalid-digest", "`lakebed-digest` is `b3=` and 64 lower-case hex digits")
    })?;
    parse_digest(hex).map(Some)
}
