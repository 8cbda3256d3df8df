//! Originals in, a version out.

use std::path::{Path, PathBuf};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use lakebed_api::{IngestPlan, IngestRequest, IngestResponse, IngestSource, Job, Line, media};
use lakebed_service::{Ctx, JobStatus, NewJob, SourceInput};

use super::problems::{Always, BadBody, Changes, NotAcceptable, NotFound, TooMany};
use crate::{
    Access, AppState,
    context::Context,
    convert,
    extract::{ApiJson, parse_digest, parse_ref},
    jobs::INGEST,
    lines::{Reader, Telling, answer},
    problem::{Failure, Result},
    urls::{Ignored, UrlSource, fetch, not_one_of},
};

/// What an ingest would do: options, schema, first rows; nothing is stored
#[utoipa::path(post, path = "/v1/ingest-plans", tag = "ingest", request_body = IngestRequest,
    responses(
        (status = 200, description = "The plan", body = IngestPlan),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn plan_ingest(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<IngestRequest>,
) -> Result<Json<IngestPlan>> {
    let (mut request, urls) = parse_request(request, &state)?;
    state.lake.check_ingest(&ctx, &request.dataset).await?;
    fetch(&state, &ctx, &mut request, urls, &Ignored).await?;
    let plan = state.lake.plan_ingest(&ctx, request).await?;
    Ok(Json(convert::plan(plan)))
}

/// Make a version of sources
///
/// `application/json` waits; `application/x-ndjson` tells the progress line by line. Going away
/// cancels it: the version is there whole, or not at all. With `prefer: respond-async` it becomes a
/// job that goes on by itself. The same `idempotency-key` is the same ingest, and the same job,
/// however often it is sent.
#[utoipa::path(post, path = "/v1/ingests", tag = "ingest",
    params(
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same change; 1 to 200 characters",
            pattern = "^[ -~]{1,200}$"),
        ("prefer" = Option<String>, Header, description = "`respond-async`: a job, please"),
    ),
    request_body = IngestRequest,
    responses(
        (status = 200, description = "What it did", content(
            (IngestResponse = "application/json"), (Line<IngestResponse> = "application/x-ndjson")
        )),
        (status = 202, description = "It is a job now", body = Job,
            headers(("location" = String, description = "The job"))),
        BadBody, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn ingest(
    State(state): State<AppState>,
    Context(ctx): Context,
    headers: HeaderMap,
    ApiJson(request): ApiJson<IngestRequest>,
) -> Result<Response> {
    if state.access == Access::Remote && prefers_a_job(&headers) {
        return accept(&state, &ctx, request).await;
    }
    let telling = Telling::of(&headers)?;
    let (mut request, urls) = parse_request(request, &state)?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    state.lake.check_ingest(&ctx, &request.dataset).await?;
    answer(telling, reader, |progress| async move {
        fetch(&state, &ctx, &mut request, urls, progress.as_ref()).await?;
        let outcome = state.lake.ingest(&ctx, request, progress).await?;
        Ok(convert::ingested(&state, outcome))
    })
    .await
}

/// One of the preferences of RFC 7240.
pub(crate) fn prefers_a_job(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(media::PREFER).iter().filter_map(|line| line.to_str().ok());
    let mut preferences = lines.flat_map(|line| line.split(',')).map(str::trim);
    preferences.any(|preference| preference.eq_ignore_ascii_case("respond-async"))
}

/// What cannot be meant is refused now; everything else is the job's outcome.
async fn accept(state: &AppState, ctx: &Ctx, request: IngestRequest) -> Result<Response> {
    let text = serde_json::to_string(&request).expect("wire types always serialise");
    let (request, _) = parse_request(request, state)?;
    state.lake.check_ingest(ctx, &request.dataset).await?;
    let new = NewJob { kind: INGEST.to_owned(), request: text };
    accepted(state.jobs()?.submit(ctx, new).await?)
}

/// The answer to work that goes on by itself.
pub(crate) fn accepted(job: JobStatus) -> Result<Response> {
    let job = convert::job(job)?;
    let location = format!("/v1/jobs/{}", job.id);
    let headers = [
        (header::LOCATION, location.as_str()),
        (HeaderName::from_static("preference-applied"), "respond-async"),
    ];
    Ok((StatusCode::ACCEPTED, headers, Json(job)).into_response())
}

/// The request without the sources that have to be fetched, and those with their places in it.
pub(crate) fn parse_request(
    request: IngestRequest,
    state: &AppState,
) -> Result<(lakebed_service::IngestRequest, Vec<UrlSource>)> {
    let dataset = request.dataset.parse().map_err(|error: lakebed_core::NameError| {
        Failure::invalid("invalid-name", error.to_string())
    })?;
    if request.sources.is_empty() {
        return Err(Failure::invalid(
            "no-sources",
            "`sources` is empty: there is nothing to ingest",
        ));
    }
    let (mut sources, mut urls) = (Vec::new(), Vec::new());
    for (place, mut source) in request.sources.into_iter().enumerate() {
        match source.url.take() {
            Some(url) => urls.push(UrlSource::parse(place, &url, source, state)?),
            None => sources.push(parse_source(source, state.access)?),
        }
    }
    let request = lakebed_service::IngestRequest {
        dataset,
        mode: request.mode,
        again: request.again,
        repairs: request.repairs.as_deref().map(parse_ref).transpose()?,
        sources,
        options: request.options,
    };
    Ok((request, urls))
}

pub(crate) fn parse_source(source: IngestSource, access: Access) -> Result<SourceInput> {
    match (source.upload, source.path, source.name) {
        (Some(digest), None, Some(name)) => {
            Ok(SourceInput::Upload { name, object: parse_digest(&digest)? })
        }
        (Some(_), None, None) => {
            Err(Failure::invalid("invalid-source", "an upload needs a `name` to be kept under"))
        }
        (None, Some(path), name) => parse_path(path, name, access),
        _ => Err(not_one_of()),
    }
}

/// A server never reads a path that a client names.
fn parse_path(path: String, name: Option<String>, access: Access) -> Result<SourceInput> {
    if access == Access::Remote {
        let detail = "a server does not read local paths";
        return Err(Failure::new(StatusCode::FORBIDDEN, "local-path-refused", detail)
            .hint("send the bytes to `/v1/uploads` and name the upload"));
    }
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        let detail = "the `path` of a source must be absolute";
        return Err(Failure::invalid("invalid-source", detail));
    }
    let name = name.or_else(|| Some(Path::new(path.file_name()?).display().to_string()));
    match name {
        Some(name) => Ok(SourceInput::Path { name, path }),
        None => Err(Failure::invalid("invalid-source", "the `path` of a source names no file")),
    }
}
