//! OpenLineage events: taken from pipelines elsewhere, and shown.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use lakebed_api::{LineageEvent, LineageEventAnswer, LineageEventNode, LineageEventPage, media};
use lakebed_core::{
    DatasetName,
    lineage::{LineageName, LineageNode},
};
use lakebed_service::{LineageFilter, SeenLineageEvent};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    problems::{Always, BadBody, BadRequest, Changes},
    version::{check_number, page_limit},
};
use crate::{
    AppState,
    context::Context,
    extract::{ApiQuery, media_type, read_event, unsupported},
    problem::{Failure, Result},
};

/// Tell what a pipeline elsewhere reads and makes: an OpenLineage event
///
/// A RunEvent, a DatasetEvent or a JobEvent, as the schemas of OpenLineage 2-0-2 say; facets of the
/// specification are held to their own schemas, others are taken as they are. Every place that is wrong is
/// told in `reasons`, by its JSON Pointer, with 422. Datasets in the namespace `lakebed://<lake id>` are this
/// lake's. Needs `ingest` on every dataset of the lake that it says is made, or on the lake. The same bytes
/// again are the same event. At most 4 MiB, as it is or with `content-encoding: gzip`, of which what is
/// unpacked is kept; at most 2,000 inputs and outputs, and times in the years 0000 to 9999.
#[utoipa::path(post, path = "/api/v1/lineage", tag = "lineage",
    params(("idempotency-key" = Option<String>, Header,
        description = "The same key from the same actor is the same change; 1 to 200 characters")),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 201, description = "It is on record", body = LineageEventAnswer),
        BadBody, Changes, Always
    )
)]
pub(crate) async fn receive_lineage(
    State(state): State<AppState>,
    Context(ctx): Context,
    request: Request,
) -> Result<(StatusCode, Json<LineageEventAnswer>)> {
    let (parts, body) = request.into_parts();
    if media_type(&parts.headers).as_deref() != Some(media::JSON) {
        return Err(unsupported(media::JSON));
    }
    let told = state.lake.receive_lineage(&ctx, read_event(&parts.headers, body).await?).await?;
    Ok((StatusCode::CREATED, Json(LineageEventAnswer { told })))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LineageQuery {
    /// Only events that name this dataset of the lake; with `namespace`, the one of this name there.
    #[param(max_length = 1000)]
    dataset: Option<String>,
    /// Where `dataset` is, when it is not in this lake.
    #[param(max_length = 1000)]
    namespace: Option<String>,
    /// Only events of this run, a UUID.
    #[param(max_length = 1000)]
    run: Option<String>,
    /// Only events with a smaller `seq`.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// At most so many, 1 to 1000; 100 when unsaid.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What pipelines elsewhere told, newest first
///
/// An event is there for whoever may discover or `audit` every dataset of the lake that it names; one
/// that names none, for whoever may read all of the lake, `audit`, `admin` or `ingest` into it.
#[utoipa::path(get, path = "/v1/lineage/events", tag = "lineage", params(LineageQuery), responses(
    (status = 200, description = "The events", body = LineageEventPage), BadRequest, Always
))]
pub(crate) async fn list_lineage_events(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<LineageQuery>,
) -> Result<Json<LineageEventPage>> {
    let limit = page_limit(query.limit)?;
    check_number("before", query.before)?;
    let before = query.before;
    let seen = state.lake.lineage_events(&ctx, &filter(query)?, before, limit).await?;
    let events = seen.events.into_iter().map(event).collect();
    Ok(Json(LineageEventPage { events, next_before: seen.next_before }))
}

fn filter(query: LineageQuery) -> Result<LineageFilter> {
    let LineageQuery { dataset, namespace, run, .. } = query;
    let mut filter =
        LineageFilter { run: run.map(|run| run.to_ascii_lowercase()), ..LineageFilter::default() };
    let is_name = |text: &Option<String>| {
        text.as_ref().is_none_or(|text| text.chars().count() <= 1000 && !text.contains('\0'))
    };
    if !(is_name(&dataset) && is_name(&namespace) && is_name(&filter.run)) {
        let detail = "a name has at most 1000 characters, none of them NUL";
        return Err(Failure::invalid("invalid-query", detail));
    }
    match (dataset, namespace) {
        (Some(name), Some(namespace)) => filter.name = Some(LineageName { namespace, name }),
        (Some(name), None) => {
            let name = name.parse::<DatasetName>();
            filter.dataset =
                Some(name.map_err(|error| Failure::invalid("invalid-name", error.to_string()))?);
        }
        (None, Some(_)) => {
            return Err(Failure::invalid("invalid-query", "`namespace` goes with `dataset`"));
        }
        (None, None) => {}
    }
    Ok(filter)
}

fn event(seen: SeenLineageEvent) -> LineageEvent {
    let SeenLineageEvent { seq, at, actor, received, is_whole } = seen;
    LineageEvent {
        seq,
        at,
        actor,
        kind: received.kind.as_str().to_owned(),
        event_at: received.event_at,
        event_type: received.event_type,
        run: received.run,
        job: received.job.map(|job| LineageEventNode {
            namespace: job.namespace,
            name: job.name,
            datasets: Vec::new(),
        }),
        inputs: received.inputs.into_iter().map(node).collect(),
        outputs: received.outputs.into_iter().map(node).collect(),
        told: is_whole.then_some(received.told.id),
    }
}

fn node(node: LineageNode) -> LineageEventNode {
    LineageEventNode {
        namespace: node.name.namespace,
        name: node.name.name,
        datasets: node.datasets.into_iter().collect(),
    }
}
