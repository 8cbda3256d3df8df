//! Runs: programs outside of the lake that make versions.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};
use lakebed_api::{
    Invocation, Line, NewRunOutput, PinnedInput, Run, RunAbortRequest, RunCommitAnswer,
    RunCommitRequest, RunEnvironment, RunList, RunOutput, RunRequest, RunState, media,
};
use lakebed_service as service;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ingest::parse_source,
    problems::{Always, BadBody, BadRequest, Changes, NotAcceptable, NotFound, RawBytes, TooMany},
    version::page_limit,
};
use crate::{
    AppState,
    context::Context,
    convert,
    extract::{ApiJson, ApiQuery, IdPath, parse_ref},
    lines::{Reader, Telling, answer},
    problem::{Failure, Result},
};

/// How many references a run reads at most.
const MOST_INPUTS: usize = 1000;
/// The longest reason, in characters.
const MOST_REASON: usize = 1000;

/// Begin a run
///
/// Its references are resolved once, and pinned; that takes the right to read all of what they mean, and
/// to ingest into the outputs. The run is yours until it is committed or aborted, or not heard of
/// for longer than it says. With a key whose run was committed, it is that; one that was aborted, or not
/// heard of, is begun once more.
#[utoipa::path(post, path = "/v1/runs", tag = "run",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters",
        pattern = "^[ -~]{1,200}$")),
    request_body = RunRequest,
    responses(
        (status = 200, description = "The run", body = Run),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn begin_run(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiJson(request): ApiJson<RunRequest>,
) -> Result<Json<Run>> {
    if request.inputs.len() > MOST_INPUTS {
        let detail = format!("a run reads {MOST_INPUTS} references at most");
        return Err(Failure::invalid("too-many-refs", detail));
    }
    let input = |input: lakebed_api::RunInput| {
        let reference = parse_ref(&input.reference)?;
        Ok(service::RunInput { reference, version_id: input.version_id })
    };
    let asked = service::BeginRun {
        inputs: request.inputs.into_iter().map(input).collect::<Result<_>>()?,
        invocation: invocation(Invocation {
            command: request.command,
            parameters: request.parameters,
            git: request.git,
            environment: request.environment,
        }),
        outputs: request.outputs,
        patience: request.patience_seconds.map(|seconds| Duration::from_secs(seconds.into())),
    };
    Ok(Json(shown(state.lake.begin_run(&ctx, asked).await?)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunsQuery {
    /// At most so many; 100 when unsaid, 1,000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Runs that are yours, or of which you may read all inputs and outputs
#[utoipa::path(get, path = "/v1/runs", tag = "run", params(RunsQuery),
    responses((status = 200, description = "The runs", body = RunList), BadRequest, Always)
)]
pub(crate) async fn list_runs(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<RunsQuery>,
) -> Result<Json<RunList>> {
    let runs = state.lake.runs(&ctx, page_limit(query.limit)?).await?;
    Ok(Json(RunList { runs: runs.into_iter().map(shown).collect() }))
}

/// A run
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "run",
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, description = "The run", body = Run), BadRequest, NotFound, Always)
)]
pub(crate) async fn get_run(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Run>> {
    Ok(Json(shown(state.lake.run(&ctx, &id).await?)))
}

/// What a committed run printed
#[utoipa::path(get, path = "/v1/runs/{id}/log", tag = "run",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "The log", body = RawBytes,
            content_type = "application/octet-stream"),
        BadRequest, NotFound, Always
    )
)]
pub(crate) async fn get_run_log(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Response> {
    let log = state.lake.run_log(&ctx, &id).await?;
    Ok(([(header::CONTENT_TYPE, media::BYTES)], log).into_response())
}

/// Say that a run is alive
#[utoipa::path(post, path = "/v1/runs/{id}/heartbeat", tag = "run",
    params(("id" = String, Path, description = "The run")),
    responses(
        (status = 200, description = "The run", body = Run),
        BadRequest, NotFound, Changes, Always
    )
)]
pub(crate) async fn hear_of_run(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
) -> Result<Json<Run>> {
    Ok(Json(shown(state.lake.hear_of_run(&ctx, &id).await?)))
}

/// Commit a run: all its outputs become versions, or none does
///
/// `application/json` waits; `application/x-ndjson` tells the progress line by line. Going away cancels
/// it. A run is committed once: asked again, the answer is what came of it.
#[utoipa::path(post, path = "/v1/runs/{id}/commit", tag = "run",
    params(
        ("id" = String, Path, description = "The run"),
        ("idempotency-key" = Option<String>, Header,
            description = "The same key from the same actor is the same change; 1 to 200 characters",
            pattern = "^[ -~]{1,200}$"),
    ),
    request_body = RunCommitRequest,
    responses(
        (status = 200, description = "What it did", content(
            (RunCommitAnswer = "application/json"),
            (Line<RunCommitAnswer> = "application/x-ndjson")
        )),
        BadBody, NotFound, NotAcceptable, TooMany, Changes, Always
    )
)]
pub(crate) async fn commit_run(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
    headers: HeaderMap,
    ApiJson(request): ApiJson<RunCommitRequest>,
) -> Result<Response> {
    if let Some(code) = request.exit_code.filter(|code| *code != 0) {
        let detail = format!("a program that ended with {code} has nothing to commit");
        return Err(Failure::invalid("run-failed", detail).hint("abort the run"));
    }
    let outputs = request.outputs.into_iter().map(|made| output(made, &state));
    let made = service::CommitRun {
        outputs: outputs.collect::<Result<_>>()?,
        started_at: request.started_at,
        ended_at: request.ended_at,
        log: request.log.map(|log| parse_source(log, state.access)).transpose()?,
    };
    let telling = Telling::of(&headers)?;
    let reader = Reader { access: state.access, request_id: ctx.request_id.clone() };
    answer(telling, reader, |progress| async move {
        let done = state.lake.commit_run(&ctx, &id, made, progress).await?;
        let outputs = done.outputs.into_iter().map(|outcome| convert::ingested(&state, outcome));
        Ok(RunCommitAnswer { outputs: outputs.collect(), run: shown(done.run) })
    })
    .await
}

/// Give a run up: nothing comes of it, and why is on record
#[utoipa::path(post, path = "/v1/runs/{id}/abort", tag = "run",
    params(("id" = String, Path, description = "The run")),
    request_body = RunAbortRequest,
    responses(
        (status = 200, description = "The run", body = Run),
        BadBody, NotFound, Changes, Always
    )
)]
pub(crate) async fn abort_run(
    State(state): State<AppState>,
    Context(ctx): Context,
    IdPath(id): IdPath,
    ApiJson(request): ApiJson<RunAbortRequest>,
) -> Result<Json<Run>> {
    if request.reason.as_ref().is_some_and(|reason| reason.chars().count() > MOST_REASON) {
        let detail = format!("a reason has {MOST_REASON} characters at most");
        return Err(Failure::invalid("too-long", detail));
    }
    let why = service::AbortRun {
        exit_code: request.exit_code,
        reason: request.reason,
        started_at: request.started_at,
        ended_at: request.ended_at,
        log: request.log.map(|log| parse_source(log, state.access)).transpose()?,
    };
    Ok(Json(shown(state.lake.abort_run(&ctx, &id, why).await?)))
}

fn output(made: NewRunOutput, state: &AppState) -> Result<service::RunOutputs> {
    let dataset = made.dataset.parse().map_err(|error: lakebed_core::NameError| {
        Failure::invalid("invalid-name", error.to_string())
    })?;
    let sources = made.sources.into_iter().map(|source| parse_source(source, state.access));
    Ok(service::RunOutputs {
        dataset,
        sources: sources.collect::<Result<_>>()?,
        options: made.options,
    })
}

fn invocation(given: Invocation) -> lakebed_core::Invocation {
    let Invocation { command, parameters, git, environment } = given;
    lakebed_core::Invocation {
        command,
        parameters,
        git: git.map(|git| lakebed_core::GitState { commit: git.commit, dirty: git.dirty }),
        environment: environment.map(|environment| lakebed_core::Environment {
            program: environment.program,
            files: environment.files,
        }),
    }
}

fn shown_invocation(kept: lakebed_core::Invocation) -> Invocation {
    let lakebed_core::Invocation { command, parameters, git, environment } = kept;
    Invocation {
        command,
        parameters,
        git: git.map(|git| lakebed_api::GitState { commit: git.commit, dirty: git.dirty }),
        environment: environment.map(|environment| RunEnvironment {
            program: environment.program,
            files: environment.files,
        }),
    }
}

fn shown(seen: service::SeenRun) -> Run {
    let environment = seen.invocation.as_ref().and_then(|kept| kept.environment.as_ref());
    Run {
        state: match seen.standing {
            service::RunStanding::Running => RunState::Running,
            service::RunStanding::Abandoned => RunState::Abandoned,
            service::RunStanding::Aborted => RunState::Aborted,
            service::RunStanding::Committed => RunState::Committed,
        },
        environment_digest: environment.map(|environment| environment.digest().to_string()),
        run: seen.run,
        actor: seen.actor,
        inputs: seen.inputs.into_iter().map(input).collect(),
        outputs: seen.outputs.into_iter().map(made).collect(),
        invocation: seen.invocation.map(shown_invocation),
        started_at: seen.started_at,
        ended_at: seen.ended_at,
        heard_at: seen.heard.map(|(at, _)| at),
        patience_seconds: seen.heard.map(|(_, patience)| patience.as_secs()),
        exit_code: seen.exit_code,
        reason: seen.reason,
        log_bytes: seen.log.map(|log| log.size_bytes),
        event: seen.event,
    }
}

fn input(seen: service::SeenInput) -> PinnedInput {
    PinnedInput { reference: seen.reference, version: seen.number, version_id: seen.version_id }
}

fn made(output: lakebed_core::RunOutput) -> RunOutput {
    RunOutput { dataset: output.dataset, version: output.number, unchanged: output.unchanged }
}
