//! Errors on their way out: the one place that decides a status.
//!
//! What the client may read ([`Problem`]) and what the log keeps (the cause) are two things. A
//! handler's error travels as [`Failure`] in its response's extensions; `front.rs` adds the request
//! id and writes the body, so that every error of every layer looks alike.

use std::error::Error as StdError;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lakebed_api::{Problem, media};
use lakebed_service::{Error, engine::EngineError};

use crate::{Access, auth::AuthError};

/// Why a request was not answered. Boxed, so that a `Result` of it stays small.
#[derive(Debug, Clone)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: String,
    title: &'static str,
    detail: String,
    hint: Option<String>,
    event: Option<u64>,
    /// Everything that is in the way.
    reasons: Vec<String>,
    /// Said instead of `detail` through a socket, where that could name this machine's paths.
    remote_detail: Option<&'static str>,
    /// Said instead of `detail` in process.
    local_detail: Option<String>,
    /// The causes, for the log alone.
    cause: Option<String>,
    /// Header fields that the status asks for.
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

/// The result of a handler.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// An error of the door itself.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code: code.to_owned(),
            title: title_of(status),
            detail: detail.into(),
            hint: None,
            event: None,
            reasons: Vec::new(),
            remote_detail: None,
            local_detail: None,
            cause: None,
            headers: Vec::new(),
        }))
    }

    /// The request cannot be meant like that.
    pub(crate) fn invalid(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// Nobody was proved to ask. Constant: `reason` is for the log.
    pub(crate) fn unauthorized(reason: impl Into<String>) -> Self {
        let detail = "this takes a valid credential";
        let mut failure = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        failure.0.cause = Some(reason.into());
        failure
            .hint("send `authorization: Bearer <token>`; `lakebed login` keeps one for a server")
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// A defect; `cause` is for the log.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let mut failure =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error");
        failure.0.cause = Some(cause.into());
        failure.hint("this is a defect: please report it with the log of this request")
    }

    /// The same with a cause that the log keeps and a caller in this process may read; through a
    /// socket it is not told.
    pub(crate) fn because(mut self, cause: &str) -> Self {
        self.0.cause = Some(cause.to_owned());
        self.0.local_detail = Some(format!("{}: {cause}", self.0.detail));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// When asking again may help.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }

    /// Header fields that the status asks for.
    pub(crate) fn headers(&self) -> &[(header::HeaderName, HeaderValue)] {
        &self.0.headers
    }

    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    pub(crate) const fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The causes, for the log.
    pub(crate) fn cause(&self) -> &str {
        self.0.cause.as_deref().unwrap_or_default()
    }

    /// What the client reads.
    pub(crate) fn problem(&self, access: Access, request_id: &str) -> Problem {
        let detail = match (access, self.0.remote_detail, &self.0.local_detail) {
            (Access::Remote, Some(detail), _) => detail.to_owned(),
            (Access::Local, _, Some(detail)) => detail.clone(),
            _ => self.0.detail.clone(),
        };
        Problem {
            kind: Problem::kind_of(&self.0.code),
            title: self.0.title.to_owned(),
            status: self.0.status.as_u16(),
            detail,
            instance: request_id.to_owned(),
            code: self.0.code.clone(),
            hint: self.0.hint.clone(),
            event: self.0.event,
            reasons: self.0.reasons.clone(),
        }
    }

    /// The whole response.
    pub(crate) fn respond(&self, access: Access, request_id: &str) -> Response {
        let body = serde_json::to_vec(&self.problem(access, request_id))
            .expect("wire types always serialise");
        let mut response = (self.0.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media::PROBLEM));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in &self.0.headers {
            headers.insert(name, value.clone());
        }
        response
    }
}

impl IntoResponse for Failure {
    /// Only a bearer: `front.rs` turns it into the body.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(status_of(&error), error.code(), error.to_string());
        failure.0.hint = error.hint();
        failure.0.remote_detail = remote_detail(&error);
        failure.0.cause = causes(&error);
        match &error {
            Error::Refused { event, .. } => failure.0.event = Some(*event),
            Error::NotReady { reasons, .. } | Error::Unfit { reasons, .. } => {
                failure.0.reasons.clone_from(reasons);
            }
            Error::Locked { .. } | Error::Conflict { .. } => {
                return failure.header(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Error::Busy { retry_after, .. } | Error::NoRoom { retry_after, .. } => {
                let seconds = retry_after.as_secs().max(1);
                return failure.header(header::RETRY_AFTER, seconds.into());
            }
            Error::Offset { expected, .. } => {
                let name = header::HeaderName::from_static(media::UPLOAD_OFFSET);
                return failure.header(name, (*expected).into());
            }
            _ => {}
        }
        failure
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(refusal) => Self::unauthorized(refusal.to_string()),
            AuthError::Unavailable(error) => error.into(),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Error::from(error).into()
    }
}

/// Who can mend it decides: the asker (4xx), or whoever runs the lake (5xx).
const fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::NotFound { .. } => StatusCode::NOT_FOUND,
        Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        Error::Refused { .. }
        | Error::Unfit { .. }
        | Error::Mismatch { .. }
        | Error::ResultTooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Conflict { .. }
        | Error::Offset { .. }
        | Error::NotReady { .. }
        | Error::NotComputed { .. } => StatusCode::CONFLICT,
        Error::Gone { .. } => StatusCode::GONE,
        Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Engine(error) => engine_status(error),
        Error::Forbidden { .. } => StatusCode::FORBIDDEN,
        Error::Full { .. } | Error::NoRoom { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::Locked { .. }
        | Error::NoLake { .. }
        | Error::Stopped { .. }
        | Error::Bucket { .. }
        | Error::Unavailable { .. }
        | Error::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Error::Corrupt { .. }
        | Error::ResultDamaged { .. }
        | Error::Denied { .. }
        | Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn engine_status(error: &EngineError) -> StatusCode {
    match error {
        EngineError::Invalid { .. } | EngineError::NotAllowed { .. } => StatusCode::BAD_REQUEST,
        EngineError::Failed { .. } | EngineError::Exhausted { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        EngineError::Store(_) | EngineError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Errors of the machine name its paths; through a socket they only say what kind they are.
const fn remote_detail(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Full { .. } => "the lake has no space left",
        Error::Denied { .. } => "the system does not let the server do that",
        Error::Bucket { .. } => "the lake's bucket cannot be used as it is configured",
        Error::Locked { .. } => "another process holds the lake's database",
        Error::NoLake { .. } => "the server has lost its lake",
        Error::Stopped { .. } => "the lake and its database do not fit together",
        Error::Unavailable { .. } => "the lake's store or database did not answer",
        _ => return None,
    })
}

/// What all problems of a status have in common.
const fn title_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "the request cannot be meant like that",
        StatusCode::UNAUTHORIZED => "nobody knows who asks",
        StatusCode::FORBIDDEN => "not allowed here",
        StatusCode::NOT_FOUND => "no such thing",
        StatusCode::METHOD_NOT_ALLOWED => "this resource has no such method",
        StatusCode::NOT_ACCEPTABLE => "none of the formats asked for is offered",
        StatusCode::REQUEST_TIMEOUT => "the request came too slowly",
        StatusCode::CONFLICT => "not as things stand",
        StatusCode::GONE => "not to be had any more",
        StatusCode::PAYLOAD_TOO_LARGE => "the request is too large",
        StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "the request is longer than taken here"
        }
        StatusCode::TOO_MANY_REQUESTS => "more requests than may be made",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body is of another type than expected",
        StatusCode::RANGE_NOT_SATISFIABLE => "no such bytes",
        StatusCode::MISDIRECTED_REQUEST => "the request is meant for another server",
        StatusCode::UNPROCESSABLE_ENTITY => "understood, but not possible with this content",
        StatusCode::TOO_MANY_REQUESTS => "too much at once",
        StatusCode::SERVICE_UNAVAILABLE => "not now",
        StatusCode::INSUFFICIENT_STORAGE => "no space left",
        _ => "the server failed",
    }
}

/// The texts of the causes on one line; none where there is no cause.
pub(crate) fn causes(error: &dyn StdError) -> Option<String> {
    let mut texts = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    (!texts.is_empty()).then(|| texts.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Failure {
        Error::Denied { message: "`/srv/lake/objects`: permission denied".to_owned() }.into()
    }

    #[test]
    fn a_path_of_this_machine_is_told_in_process_only() {
        assert!(denied().problem(Access::Local, "id").detail.contains("/srv/lake"));
        let problem = denied().problem(Access::Remote, "id");
        assert!(!serde_json::to_string(&problem).unwrap().contains("/srv"), "{problem:?}");
    }

    #[test]
    fn who_can_mend_it_decides_the_status() {
        let message = || "x".to_owned();
        let cases = [
            (Error::NotFound { message: message(), hint: None }, 404),
            (Error::Invalid { code: "bad-name", message: message(), hint: None }, 400),
            (
                Error::Refused { code: "empty-source", message: message(), hint: None, event: 7 },
                422,
            ),
            (Error::Conflict { message: message() }, 409),
            (Error::NotComputed { message: message(), hint: None }, 409),
            (Error::Full { message: message() }, 507),
            (Error::Denied { message: message() }, 500),
            (Error::Locked { message: message() }, 503),
            (Error::Engine(EngineError::Failed { message: message() }), 422),
            (Error::Engine(EngineError::Exhausted { message: message() }), 422),
            (Error::Engine(EngineError::Invalid { message: message(), hint: None }), 400),
            (Error::Engine(EngineError::NotAllowed { message: message(), hint: None }), 400),
        ];
        for (error, status) in cases {
            let code = error.code();
            let problem = Failure::from(error).problem(Access::Local, "id");
            assert_eq!(problem.status, status, "{problem:?}");
            assert_eq!(problem.code, code);
            assert_eq!(problem.kind, format!("urn:lakebed:problem:{code}"));
        }
    }

    #[test]
    fn a_refusal_names_the_event_that_kept_the_sources() {
        let error =
            Error::Refused { code: "empty-source", message: "x".to_owned(), hint: None, event: 7 };
        assert_eq!(Failure::from(error).problem(Access::Remote, "id").event, Some(7));
    }

    #[test]
    fn causes_are_for_the_log_alone() {
        let source = Box::new(std::io::Error::other("secret cause"));
        let failure = Failure::from(Error::Internal { source });
        assert_eq!(failure.cause(), "secret cause");
        let problem = failure.problem(Access::Local, "id");
        assert!(!serde_json::to_string(&problem).unwrap().contains("secret"), "{problem:?}");
    }
}
