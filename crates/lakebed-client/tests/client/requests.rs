//! What is sent for each method, and what becomes of answers that are none.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use futures::stream;
use http::Request;
use http_body_util::Full;
use insta::assert_snapshot;
use lakebed_api::{
    CatalogApplyRequest, CatalogPlanRequest, IngestRequest, IngestSource, ResolveRequest,
    SqlRequest, VerifyRequest, media::SqlFormat,
};
use lakebed_client::{Client, ClientBody, ClientError};
use lakebed_core::ObjectId;
use url::Url;

use crate::support::{JSON, answer, client, problem};

/// One request a method, each on a line with the headers that matter.
#[tokio::test]
async fn every_method_asks_for_its_resource() {
    let (client, log) = client(|| answer(200, &[JSON], "{}"));
    let dataset = "sales.orders".parse().unwrap();
    let object = ObjectId::of(b"x");
    // None of these answers is what the method expects; what was asked is what counts here.
    let _ = client.lake().await;
    let _ = client.ready().await;
    let _ = client.datasets(None).await;
    let _ = client.datasets(Some("sa les&x=1")).await;
    let _ = client.dataset(&dataset).await;
    let _ = client.history(&dataset, Some(7), Some(2)).await;
    let _ = client.version("sales.orders@2026-11-01T08:00:00+02:00").await;
    let _ = client
        .resolve(&ResolveRequest {
            refs: vec!["a.b".to_owned()],
            files: true,
            ..ResolveRequest::default()
        })
        .await;
    let _ = client.events(3, None).await;
    let _ = client.object(object, Some(0..10)).await;
    let parts = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"id\n1\n"))]);
    let _ = client.upload("a b.csv", parts, Some(object)).await;
    let ingest = IngestRequest {
        dataset: "a.b".to_owned(),
        sources: vec![IngestSource::path("a.csv", "/a.csv")],
        ..IngestRequest::default()
    };
    let _ = client.plan_ingest(&ingest).await;
    let _ = client.ingest(&ingest, Some("key"), |_| {}).await;
    let _ = client.verify(&VerifyRequest::default(), |_| {}).await;
    let sql = SqlRequest { sql: "SELECT 1".to_owned(), ..SqlRequest::default() };
    let _ = client.sql(&sql, SqlFormat::Arrow).await;
    let _ = client.catalog().await;
    let declared = lakebed_core::Declared::default();
    let _ = client.plan_catalog(&CatalogPlanRequest { declared: declared.clone() }).await;
    let apply = CatalogApplyRequest { declared, expected: Some(object), without_admin: false };
    let _ = client.apply_catalog(&apply, Some("key")).await;
    let alice = "alice@example.com".parse().unwrap();
    let _ = client.explain_access("crm.*", Some(&alice)).await;
    let _ = client.openapi().await;
    let asked = log.lock().unwrap().clone();
    let lines = asked.iter().map(|asked| {
        let mut headers = asked.headers.clone();
        headers.sort();
        format!("{} {headers:?} {}\n", asked.line, asked.body)
    });
    assert_snapshot!(lines.collect::<String>());
}

#[tokio::test]
async fn a_problem_is_an_error_with_everything_in_it() {
    let body = serde_json::to_string(&problem()).unwrap();
    let (client, _) =
        client(move || answer(404, &[("content-type", "application/problem+json")], &body));
    let error = client.lake().await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("not-found", "there is no dataset `a.b`")
    );
    assert!(matches!(error, ClientError::Problem(found) if *found == problem()));
}

/// Somebody else's server is told apart from a lake.
#[tokio::test]
async fn answers_that_are_not_ours_say_so() {
    for (status, kind, body) in [
        (502, "text/html", "<h1>Bad gateway</h1>"),
        (302, "text/plain", ""),
        (404, "application/problem+json", "{\"title\":\"theirs\"}"),
        (200, "application/json", "{\"hello\":\"world\"}"),
        (200, "text/html", "<h1>Welcome</h1>"),
    ] {
        let (client, _) = client(move || answer(status, &[("content-type", kind)], body));
        let error = client.lake().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{status} {kind}: {error:?}");
    }
}

/// A service that fails its first two requests.
fn reluctant() -> (Client, Arc<AtomicU32>) {
    let count = Arc::new(AtomicU32::new(0));
    let service = tower::service_fn({
        let count = Arc::clone(&count);
        move |_: Request<ClientBody>| {
            let tried = count.fetch_add(1, Ordering::SeqCst);
            async move {
                match tried {
                    0 | 1 => Err(std::io::Error::other("reset")),
                    _ => Ok(http::Response::new(Full::new(Bytes::from_static(
                        b"{\"status\":\"ready\"}",
                    )))),
                }
            }
        }
    });
    (Client::in_process(service), count)
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_is_tried_again() {
    let (client, count) = reluctant();
    assert_eq!(client.ready().await.unwrap().status, "ready");
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

/// A change that may have happened is not sent twice behind the caller's back.
#[tokio::test(start_paused = true)]
async fn what_changes_something_is_sent_once() {
    let (client, count) = reluctant();
    let error = client.ingest(&IngestRequest::default(), Some("key"), |_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn only_http_is_spoken() {
    for address in ["ftp://localhost/", "file:///lake", "data:x"] {
        let error = Client::remote(Url::parse(address).unwrap()).unwrap_err();
        assert!(error.to_string().contains("expected http or https"), "{error}");
    }
}
