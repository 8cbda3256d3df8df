//! Requests: counted by route, method and status; timed to the last byte of their answers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{Metrics, Timings};

#[derive(Debug, Default)]
pub(super) struct Requests {
    ended: Family<Request, Counter>,
    seconds: Timings<Route>,
    in_flight: Gauge,
    errors: Family<Code, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

impl Requests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let new = Self::default();
        let prefix = registry.sub_registry_with_prefix("lakebed_http");
        prefix.register("requests", "Requests that were answered or given up", new.ended.clone());
        prefix.register_with_unit(
            "request_duration",
            "From the request's header to the last byte of its answer",
            Unit::Seconds,
            new.seconds.0.clone(),
        );
        prefix.register("requests_in_flight", "Requests under way", new.in_flight.clone());
        registry.register("lakebed_errors", "Problems told, by code", new.errors.clone());
        new
    }
}

/// A request under way. However it ends, it is counted when this is dropped.
#[derive(Debug)]
pub(crate) struct MeteredRequest {
    metrics: Arc<Metrics>,
    method: &'static str,
    route: String,
    /// None until there is an answer: who leaves before has left no status.
    status: Option<u16>,
    started: Instant,
}

impl MeteredRequest {
    /// A request begins. `route` is a pattern of ours.
    pub(crate) fn begin(metrics: Arc<Metrics>, method: &Method, route: &str) -> Self {
        metrics.requests.in_flight.inc();
        let (method, route) = (word(method), route.to_owned());
        Self { metrics, method, route, status: None, started: Instant::now() }
    }

    /// A problem with this code is told. Codes are words of the code, never the client's.
    pub(crate) fn problem(&self, code: &str) {
        self.metrics.requests.errors.get_or_create(&Code { code: code.to_owned() }).inc();
    }

    /// The answer, which is watched to its end.
    pub(crate) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status().as_u16());
        response.map(|body| Body::new(Metered { body, _request: self }))
    }
}

/// Methods are the client's words: unknown ones are one.
fn word(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

impl Drop for MeteredRequest {
    fn drop(&mut self) {
        let requests = &self.metrics.requests;
        requests.in_flight.dec();
        let status = self.status.map_or_else(|| "gone".to_owned(), |status| status.to_string());
        let (method, route) = (self.method, std::mem::take(&mut self.route));
        let labels = Route { method, route };
        requests.seconds.observe(&labels, self.started.elapsed());
        requests.ended.get_or_create(&Request { method, route: labels.route, status }).inc();
    }
}

/// The body of an answer; its request is under way until it is gone.
#[derive(Debug)]
pub(crate) struct Metered {
    body: Body,
    _request: MeteredRequest,
}

impl HttpBody for Metered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
