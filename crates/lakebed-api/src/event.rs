//! What happened, in order.

use lakebed_core::Event;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schemas::EventSchema;

/// A part of the lake's history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// Events by rising `seq`, without gaps.
    #[schema(value_type = Vec<EventSchema>)]
    pub events: Vec<Event>,
    /// Give this as `after` to read on; none when there was nothing more yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_after: Option<u64>,
}
