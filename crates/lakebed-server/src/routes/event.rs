//! What happened, in order.
#![expect(unused_qualifications, reason = "utoipa's attribute spells out paths")]

use axum::{Json, extract::State};
use lakebed_api::EventPage;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    problems::{Always, BadRequest},
    version::{check_number, page_limit},
};
use crate::{AppState, context::Context, convert, extract::ApiQuery, problem::Result};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Only events with a larger `seq`; 0 when unsaid.
    #[serde(default)]
    #[param(minimum = 0)]
    after: u64,
    /// At most so many, 1 to 1000; 100 when unsaid.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Events, oldest first: those of datasets that may be discovered or audited
#[utoipa::path(get, path = "/v1/events", tag = "event", params(EventQuery), responses(
    (status = 200, description = "The events", body = EventPage), BadRequest, Always
))]
pub(crate) async fn list_events(
    State(state): State<AppState>,
    Context(ctx): Context,
    ApiQuery(query): ApiQuery<EventQuery>,
) -> Result<Json<EventPage>> {
    let limit = page_limit(query.limit)?;
    check_number("after", Some(query.after))?;
    let seen = state.lake.events(&ctx, query.after, limit).await?;
    let events: Result<_> = seen.events.iter().map(convert::event).collect();
    Ok(Json(EventPage { events: events?, next_after: seen.next_after }))
}
