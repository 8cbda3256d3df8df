//! JSON answers that are long are compressed for those who take them so (`accept-encoding`).
//!
//! Answers to statements do that themselves, as they come (`encode`). Objects are ranges of bytes
//! that their digest names, problems must be read by whoever asked, and what fits one packet gains
//! nothing: they stay as they are.

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use lakebed_api::media;

use crate::{
    Access, AppState,
    coding::Coding,
    encode,
    problem::{Failure, Result},
};

/// Shorter answers fit one packet.
const LEAST_BYTES: u64 = 1400;

/// The layer around all routes. In process nothing is compressed.
pub(crate) async fn compress(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    if state.access == Access::Local {
        return next.run(request).await;
    }
    // Whoever refuses all that is offered gets the answer as it is: what was asked for is done.
    let coding = Coding::preferred(request.headers()).unwrap_or(Coding::Identity);
    let response = next.run(request).await;
    match is_long_json(&response) {
        true => coded(response, coding).await.unwrap_or_else(IntoResponse::into_response),
        false => response,
    }
}

/// Whether it is JSON that is all there. A body that is streamed does not say how long it is.
fn is_long_json(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let length = response.body().size_hint().exact();
    response.status() == StatusCode::OK
        && kind.is_some_and(|kind| kind == media::JSON)
        && length.is_some_and(|length| length >= LEAST_BYTES)
}

async fn coded(response: Response, coding: Coding) -> Result<Response> {
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(name) = coding.name() else { return Ok(Response::from_parts(parts, body)) };
    let internal = |error: &dyn std::fmt::Display| Failure::internal(error.to_string());
    let plain = body.collect().await.map_err(|error| internal(&error))?.to_bytes();
    let work = tokio::task::spawn_blocking(move || encode::compress(&plain, coding));
    let bytes = work.await.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
