//! What a request must look like before a route sees it, and how its body may come.
//!
//! Sizes and rates bind those who come through a socket alone; how a body is encoded binds all, so
//! that what is stored is what was sent.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use lakebed_service::MAX_EVENT_BYTES;

use crate::{
    Limits,
    class::Class,
    door::{Pace, head_too_large, uri_too_long},
    extract::{MAX_BODY, MAX_QUESTION, SHORTER_BODY, SHORTER_EVENT},
    problem::{Failure, Result},
};

/// Refuses bodies in an encoding: they would have to be unpacked, and bytes are kept as they come. Only
/// events may be packed by gzip, once, as OpenLineage's clients can be told to.
pub(crate) fn check_encoding(headers: &HeaderMap, class: Class) -> Result<()> {
    let (taken, detail, hint) = match class {
        Class::Event => (
            "gzip, identity",
            "a body with another `content-encoding` than `gzip` is not taken",
            "send the event as it is, or packed by gzip",
        ),
        _ => (
            "identity",
            "a body with a `content-encoding` is not taken",
            "send the bytes as they are; a compressed file is a source like any other",
        ),
    };
    match Packed::of(headers) {
        Some(Packed::Plain) => Ok(()),
        Some(Packed::Gzip) if class == Class::Event => Ok(()),
        _ => {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let failure = Failure::new(status, "unsupported-encoding", detail)
                .header(header::ACCEPT_ENCODING, HeaderValue::from_static(taken));
            Err(failure.hint(hint))
        }
    }
}

/// How a body is packed: RFC 9110, section 8.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packed {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
}

impl Packed {
    /// None where it is packed in another way, or more than once.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut packed = Self::Plain;
        for line in headers.get_all(header::CONTENT_ENCODING) {
            for coding in line.as_bytes().split(|byte| *byte == b',') {
                packed = match coding.trim_ascii().to_ascii_lowercase().as_slice() {
                    b"identity" => packed,
                    b"gzip" | b"x-gzip" if packed == Self::Plain => Self::Gzip,
                    _ => return None,
                };
            }
        }
        Some(packed)
    }
}

/// Refuses lines and headers that are too long.
pub(crate) fn check_head(uri: &Uri, headers: &HeaderMap, limits: &Limits) -> Result<()> {
    let uri_bytes = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > limits.uri_bytes as usize {
        return Err(uri_too_long());
    }
    let field_bytes = |(name, value): (&header::HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + ": \r\n".len()
    };
    if headers.iter().map(field_bytes).sum::<usize>() > limits.head_bytes as usize {
        return Err(head_too_large());
    }
    Ok(())
}

/// Why a body ended early, told by the body to `front.rs`, past whoever read it.
pub(crate) type Fault = Arc<OnceLock<Failure>>;

/// Holds the body of `request` to its size and its rate.
///
/// # Errors
/// 413 when it says itself that it is too large.
pub(crate) fn bound_body(
    request: Request,
    class: Class,
    limits: &Limits,
) -> Result<(Request, Fault)> {
    let most = match class {
        Class::Upload => limits.upload_bytes,
        Class::Event => MAX_EVENT_BYTES as u64,
        Class::Write => MAX_BODY as u64,
        Class::Read | Class::Statement => MAX_QUESTION as u64,
    };
    if request.body().size_hint().lower() > most {
        return Err(too_large(class, most));
    }
    let fault = Fault::default();
    if request.body().is_end_stream() {
        return Ok((request, fault));
    }
    let bounded = |body| {
        let (pace, fault) = (Pace::new(limits), Arc::clone(&fault));
        Body::new(BoundedBody { body, class, most, left: most, pace, fault })
    };
    Ok((request.map(bounded), fault))
}

fn too_large(class: Class, most: u64) -> Failure {
    let detail = format!("the body is larger than {most} bytes");
    let failure = Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
    match class {
        Class::Upload => failure.hint("whoever runs the server can raise `limits.upload_bytes`"),
        Class::Event => failure.hint(SHORTER_EVENT),
        Class::Write => failure.hint(SHORTER_BODY),
        Class::Read | Class::Statement => failure.hint("ask in several requests"),
    }
}

fn too_slow() -> Failure {
    let detail = "the body came more slowly than this server waits for";
    Failure::new(StatusCode::REQUEST_TIMEOUT, "slow-request", detail)
        .hint("write it to a file first where its producer pauses, and send that")
}

/// A body that ends when it is too large or too slow.
struct BoundedBody {
    body: Body,
    class: Class,
    most: u64,
    left: u64,
    pace: Pace,
    fault: Fault,
}

impl BoundedBody {
    fn end(&self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let error = axum::Error::new(failure.code().to_owned());
        // Whoever polls on after an error gets the first reason again.
        let _ = self.fault.set(failure);
        Poll::Ready(Some(Err(error)))
    }
}

impl HttpBody for BoundedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let me = self.get_mut();
        let frame = match Pin::new(&mut me.body).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(me.pace.poll_too_slow(cx));
                return me.end(too_slow());
            }
        };
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let bytes = bytes.map_or(0, Bytes::len);
        me.pace.moved(bytes);
        match me.left.checked_sub(bytes as u64) {
            Some(left) => me.left = left,
            None => return me.end(too_large(me.class, me.most)),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
