//! Answers that no route gives, written byte by byte: the request never became one.

use std::time::SystemTime;

use http::StatusCode;
use lakebed_api::media;

use crate::{Access, context::random_hex, problem::Failure};

/// A whole response that ends its connection.
pub(crate) fn response(failure: &Failure) -> Vec<u8> {
    let request_id = random_hex();
    let problem = failure.problem(Access::Remote, &request_id);
    let body = serde_json::to_vec(&problem).expect("wire types always serialise");
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut head = format!("HTTP/1.1 {status}\r\n");
    let mut field = |name: &str, value: &str| head.push_str(&format!("{name}: {value}\r\n"));
    field("content-type", media::PROBLEM);
    field("content-length", &body.len().to_string());
    field("cache-control", "no-store");
    field("x-content-type-options", "nosniff");
    field(media::REQUEST_ID, &request_id);
    field("date", &httpdate::fmt_http_date(SystemTime::now()));
    field("connection", "close");
    for (name, value) in failure.headers() {
        field(name.as_str(), value.to_str().unwrap_or_default());
    }
    head.push_str("\r\n");
    tracing::info!(
        request_id,
        status = problem.status,
        code = problem.code,
        "refused what is no request: {}",
        problem.detail
    );
    let mut response = head.into_bytes();
    response.extend(body);
    response
}

/// Every place is taken.
pub(crate) fn too_many_connections() -> Failure {
    let detail = "this server has as many connections as it takes, in all or from your address";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-connections", detail)
        .hint("come back later, and use connections for more than one request")
        .retry_after(1)
}

/// The header did not come in time.
pub(crate) fn slow_head() -> Failure {
    let detail = "the request's header did not arrive in the time it may take";
    Failure::new(StatusCode::REQUEST_TIMEOUT, "slow-request", detail)
}

/// What the protocol's own parser refuses with `status`.
pub(crate) fn unparsable(status: u16, line_ended: bool) -> Failure {
    match (status, line_ended) {
        (414, _) | (431, false) => uri_too_long(),
        (431, true) => head_too_large(),
        _ => Failure::invalid("malformed-request", "this is not a request of HTTP/1.1")
            .hint("check its first line, its header and how its body's length is said"),
    }
}

/// A path and query string beyond the limit.
pub(crate) fn uri_too_long() -> Failure {
    let detail = "the path and query string are longer than this server takes";
    Failure::new(StatusCode::URI_TOO_LONG, "uri-too-long", detail)
        .hint("what does not fit belongs into a body: `/v1/resolve` takes a thousand references")
}

/// A header beyond the limit.
pub(crate) fn head_too_large() -> Failure {
    let detail = "the request's header has more fields or bytes than this server takes";
    Failure::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "header-too-large", detail)
}
