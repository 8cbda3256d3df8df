//! A service made of one closure.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use lakebed_api::Problem;
use lakebed_client::{BoxError, Client, ClientBody};

/// What was asked: `METHOD path?query`, headers as `name: value`, the body.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) type Log = Arc<Mutex<Vec<Asked>>>;

/// A client whose every request is answered by `answer`.
pub(crate) fn client(
    answer: impl Fn() -> Response<ClientBody> + Clone + Send + Sync + 'static,
) -> (Client, Log) {
    let log = Log::default();
    let service = tower::service_fn({
        let log = Arc::clone(&log);
        move |request: Request<ClientBody>| {
            let (log, answer) = (Arc::clone(&log), answer.clone());
            async move {
                let asked = read(request).await;
                log.lock().unwrap().push(asked);
                Ok::<_, Infallible>(answer())
            }
        }
    });
    (Client::in_process(service), log)
}

async fn read(request: Request<ClientBody>) -> Asked {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let body = body.collect().await.unwrap().to_bytes();
    Asked {
        line: format!("{} {}", parts.method, parts.uri.path_and_query().unwrap()),
        headers: headers.collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<ClientBody> {
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    response(status, headers, body.map_err(Into::into).boxed_unsync())
}

/// A body of parts that ends with `error`, if there is one.
pub(crate) fn broken(
    headers: &[(&str, &str)],
    parts: &[&str],
    error: Option<BoxError>,
) -> Response<ClientBody> {
    let parts = parts.iter().map(|part| Ok(Frame::data(Bytes::copy_from_slice(part.as_bytes()))));
    let parts: Vec<Result<_, BoxError>> = parts.chain(error.map(Err)).collect();
    response(200, headers, UnsyncBoxBody::new(StreamBody::new(stream::iter(parts))))
}

fn response(status: u16, headers: &[(&str, &str)], body: ClientBody) -> Response<ClientBody> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).unwrap()
}

pub(crate) fn problem() -> Problem {
    Problem {
        kind: Problem::kind_of("not-found"),
        title: "no such thing".to_owned(),
        status: 404,
        detail: "there is no dataset `a.b`".to_owned(),
        instance: "r1".to_owned(),
        code: "not-found".to_owned(),
        hint: None,
        event: None,
        reasons: Vec::new(),
    }
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
