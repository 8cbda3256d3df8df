//! The door of those who run the server: `/metrics` and health, on a listener of its own.
//!
//! Nobody is asked who they are here, so it is off unless a listener is named, and nothing here
//! names a dataset, a person or an address (D-55). It goes on answering while the server drains, so
//! that a probe sees 503 from `/health/ready` and 200 from `/health/live`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lakebed_api::media;

use crate::{
    Access, AppState, Metrics,
    context::RequestId,
    host::check_loopback,
    metrics::OPENMETRICS,
    problem::{Failure, Result},
    routes::lake::{live, ready},
};

/// From where the operators' door is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From this machine: only its own names are answered, so that no page can be led here.
    Loopback,
    /// From a network that the operator chose.
    Network,
}

/// `/metrics`, `/health/live`, `/health/ready`.
///
/// `metrics` is what [`AppState::with_metrics`] of the API's router was given.
pub fn operations(state: AppState, metrics: Arc<Metrics>, reach: Reach) -> Router {
    Router::new()
        .route("/metrics", get(render).with_state((state.clone(), metrics)))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .fallback(no_such_route)
        .layer(from_fn(move |request: Request, next: Next| answer(reach, request, next)))
        .with_state(state)
}

async fn render(State((state, metrics)): State<(AppState, Arc<Metrics>)>) -> Response {
    let text = metrics.render(&state.lake).await;
    ([(header::CONTENT_TYPE, OPENMETRICS), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

async fn no_such_route() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no-such-route", "there is nothing at this path")
        .hint("there is `/metrics`, `/health/live` and `/health/ready`")
}

/// Problems get their bodies; nothing is logged, for probes ask every few seconds.
async fn answer(reach: Reach, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let admitted: Result<()> = match reach {
        Reach::Loopback => check_loopback(request.uri(), request.headers()),
        Reach::Network => Ok(()),
    };
    let mut response = match admitted {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        response = failure.respond(Access::Remote, &id.0);
    }
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(HeaderName::from_static(media::REQUEST_ID), id);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}
