//! Jobs: long work that nobody has to wait for.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use std::{convert::Infallible, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};
use lakebed_api::{Job, JobList, media};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    problems::{Always, BadRequest, NotFound},
    version::page_limit,
};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiQuery, IdPath},
    problem::{Failure, Result},
};

/// How often a silent stream of events shows that it lives.
const ALIVE: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobsQuery {
    /// At most so many; 100 when unsaid, 1,000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Your jobs, the newest first
#[utoipa::path(get, path = "/v1/jobs", tag = "job", params(JobsQuery),
    responses((status = 200, description = "The jobs", body = JobList), BadRequest, Always)
)]
pub(crate) async fn list_jobs(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<JobsQuery>,
) -> Result<Json<JobList>> {
    let jobs = state.jobs()?.list(&ctx, page_limit(query.limit)?).await?;
    let jobs: Result<Vec<Job>> = jobs.into_iter().map(convert::job).collect();
    Ok(Json(JobList { jobs: jobs? }))
}

/// One of your jobs
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "job",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job), BadRequest, NotFound, Always)
)]
pub(crate) async fn get_job(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Job>> {
    convert::job(state.jobs()?.get(&ctx, &id).await?).map(Json)
}

/// End a job
///
/// It leaves nothing visible. What is committed already stays: then the job is done. The answer is
/// the job after a few seconds at most; until it is final, `cancel_asked` says that it is to end.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "job",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Job), BadRequest, NotFound, Always)
)]
pub(crate) async fn cancel_job(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Job>> {
    convert::job(state.jobs()?.cancel(&ctx, &id).await?).map(Json)
}

/// A job as it goes on
///
/// Server-sent events of type `job`, each the whole job: the first one at once, the last one when it
/// is final. A stream that ends before is to be opened again; with `last-event-id` it says nothing
/// that was said.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "job",
    params(
        ("id" = String, Path, description = "The job"),
        ("last-event-id" = Option<String>, Header, description = "The last event that was seen"),
    ),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        BadRequest, NotFound, Always
    )
)]
pub(crate) async fn job_events(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
    headers: HeaderMap,
) -> Result<Response> {
    let jobs = state.jobs()?;
    // What is not there is a problem with its own status, not a stream.
    jobs.get(&ctx, &id).await?;
    let seen = headers.get(media::LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    let seen = seen.and_then(|text| text.parse().ok());
    let events = jobs.follow(ctx, id, seen).filter_map(|status| async {
        let told = status.map_err(Failure::from).and_then(convert::job);
        match told {
            Ok(job) => Some(Ok::<_, Infallible>(event(&job))),
            Err(failure) => {
                tracing::warn!(code = failure.code(), cause = failure.cause(), "events broke off");
                None
            }
        }
    });
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(ALIVE));
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], events).into_response())
}

fn event(job: &Job) -> Event {
    let data = serde_json::to_string(job).expect("wire types always serialise");
    Event::default().event("job").id(job.revision.to_string()).data(data)
}
