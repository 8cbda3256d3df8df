//! Reading everything again.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use lakebed_api::{Line, VerifyReport, VerifyRequest};

use super::problems::{Always, BadBody, NotAcceptable, NotFound};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, parse_refs},
    lines::{Reader, Telling, answer},
    problem::Result,
};

/// Read everything again, or the versions given, and say what is wrong
///
/// `application/json` waits; `application/x-ndjson` tells the progress line by line. Going away
/// cancels it. Damage is a finding, not an error.
#[utoipa::path(post, path = "/v1/verifications", tag = "verification",
    request_body = VerifyRequest,
    responses(
        (status = 200, description = "What was verified, and what is wrong", content(
            (VerifyReport = "application/json"), (Line<VerifyReport> = "application/x-ndjson")
        )),
        BadBody, NotFound, NotAcceptable, Always
    )
)]
pub(crate) async fn verify(
    State(state): State<AppState>,
    Context(ctx): Context,
    headers: HeaderMap,
    ApiJson(request): ApiJson<VerifyRequest>,
) -> Result<Response> {
    let telling = Telling::of(&headers)?;
    let scope = parse_refs(&request.refs)?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    answer(telling, reader, |progress| async move {
        Ok(convert::report(state.lake.verify(&ctx, &scope, progress).await?))
    })
    .await
}
