//! Bytes on their way into the lake.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use lakebed_api::{Uploaded, media};
use lakebed_core::ObjectId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problems::{Always, BadRequest, Changes, RawBytes};
use crate::{
    AppState,
    context::Context,
    encode::BoxError,
    extract::{ApiQuery, parse_digest},
    problem::{Failure, Result},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadQuery {
    /// The name of the bytes; repeated in the answer.
    name: Option<String>,
}

/// Send bytes ahead of an ingest
///
/// The body is the bytes, of any length; it is hashed as it comes. What was uploaded is known to
/// its sender alone, and waits about an hour for an ingest that names it.
#[utoipa::path(post, path = "/v1/uploads", tag = "ingest",
    params(
        UploadQuery,
        ("lakebed-digest" = Option<String>, Header,
            description = "`b3=` and the BLAKE3 of the bytes; other bytes are refused with 422",
            pattern = "^b3=[0-9a-f]{64}$"),
    ),
    request_body(content = RawBytes, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "The bytes are here", body = Uploaded),
        BadRequest, Changes, Always
    )
)]
pub(crate) async fn upload(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<UploadQuery>,
    request: Request,
) -> Result<Json<Uploaded>> {
    let (parts, body) = request.into_parts();
    let expected = expected_digest(&parts.headers)?;
    let uploaded = state.lake.upload(&ctx, bytes_of(body)).await?;
    check_digest(expected, uploaded.object)?;
    Ok(Json(Uploaded {
        upload: uploaded.object,
        size_bytes: uploaded.size_bytes,
        name: query.name,
    }))
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

fn check_digest(expected: Option<ObjectId>, found: ObjectId) -> Result<()> {
    match expected {
        Some(expected) if expected != found => {
            let detail = format!("expected bytes that hash to `{expected}`, found `{found}`");
            Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "digest-mismatch", detail)
                .hint("the bytes changed on their way: send them again"))
        }
        _ => Ok(()),
    }
}
