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
    CatalogApplyRequest, CatalogPlanRequest, DiffRequest, IngestRequest, IngestSource, LockRequest,
    Problem, ResolveRequest, RunAbortRequest, RunCommitRequest, RunRequest, SqlRequest,
    VerifyRequest, media::SqlFormat,
};
use lakebed_client::{Client, ClientBody, ClientError};
use lakebed_core::ObjectId;
use url::Url;

use crate::support::{JSON, Log, answer, broken, client, problem};

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
    let _ = client.profile("sales.orders@v3").await;
    let (from, to) = ("a.b@v1".to_owned(), "a.b".to_owned());
    let diff = DiffRequest { from, to, key: vec!["id".to_owned()], show: None };
    let _ = client.diff(&diff).await;
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
    let _ = client.lineage(&dataset, Some("v3"), Some("a b"), Some("down")).await;
    let _ = client.openlineage(&dataset, None).await;
    let _ = client.impact(&dataset, Some("a b")).await;
    let _ = client.report().await;
    let _ = client.register_lock("train", &LockRequest { inputs: Vec::new() }).await;
    let _ = client.remove_lock("train").await;
    let _ = client.openapi().await;
    let _ = client.submit_ingest(&ingest, "key").await;
    let _ = client.job("j1").await;
    let _ = client.jobs(Some(5)).await;
    let _ = client.cancel_job("j1").await;
    let _ = client.upload_state("u1").await;
    let run = RunRequest { outputs: vec![dataset.clone()], ..RunRequest::default() };
    let _ = client.begin_run(&run, "key").await;
    let _ = client.runs(Some(5)).await;
    let _ = client.run("r1").await;
    let _ = client.run_log("r1").await;
    let _ = client.hear_of_run("r1").await;
    let _ = client.commit_run("r1", &RunCommitRequest::default(), |_| {}).await;
    let _ = client.abort_run("r1", &RunAbortRequest::default()).await;
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

/// A service that is busy twice, and says when to come back.
fn busy(status: u16) -> (Client, Log) {
    let count = Arc::new(AtomicU32::new(0));
    let busy = serde_json::to_string(&Problem { status, code: "busy".to_owned(), ..problem() });
    let busy = busy.unwrap();
    client(move || match count.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => {
            let headers = [("content-type", "application/problem+json"), ("retry-after", "7")];
            answer(status, &headers, &busy)
        }
        _ => answer(200, &[JSON], "{\"status\":\"ready\"}"),
    })
}

/// Where nothing can double: reads, and what carries a key.
#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_when_it_says_so() {
    for status in [429, 503] {
        let (client, log) = busy(status);
        let started = tokio::time::Instant::now();
        assert_eq!(client.ready().await.unwrap().status, "ready");
        assert_eq!((log.lock().unwrap().len(), started.elapsed().as_secs()), (3, 14));
        let (client, log) = busy(status);
        // The answer is no job; what was sent is what counts.
        client.submit_ingest(&IngestRequest::default(), "key").await.unwrap_err();
        assert_eq!(log.lock().unwrap().len(), 3);
        let (client, log) = busy(status);
        let error = client.resolve(&ResolveRequest::default()).await.unwrap_err();
        assert_eq!((error.code(), log.lock().unwrap().len()), ("busy", 1));
    }
}

/// What somebody has to mend first is not waited for, nor is a server that is always busy.
#[tokio::test(start_paused = true)]
async fn patience_ends() {
    let stopped = Problem { status: 503, code: "stopped".to_owned(), ..problem() };
    let stopped = serde_json::to_string(&stopped).unwrap();
    let headers = [("content-type", "application/problem+json")];
    let (stopped, log) = client(move || answer(503, &headers, &stopped));
    assert_eq!(stopped.lake().await.unwrap_err().code(), "stopped");
    assert_eq!(log.lock().unwrap().len(), 1);
    let (gateway, log) = client(|| answer(502, &[("content-type", "text/html")], "<h1>Bad</h1>"));
    assert_eq!(gateway.lake().await.unwrap_err().code(), "protocol");
    assert_eq!(log.lock().unwrap().len(), 3, "nobody of ours ever answered");
}

/// A job is followed over as many streams as it takes, from where it was lost.
#[tokio::test(start_paused = true)]
async fn a_job_is_followed_across_broken_streams() {
    let count = Arc::new(AtomicU32::new(0));
    let event = |revision: u64, state: &str, more: &str| {
        format!(
            "id: {revision}\ndata: {{\"id\":\"j\",\"kind\":\"ingest\",\"state\":\"{state}\",\
             \"cancel_asked\":false,\"attempt\":1,\"revision\":{revision},\
             \"created_at\":\"2026-01-01T00:00:00.000000Z\",\
             \"updated_at\":\"2026-01-01T00:00:00.000000Z\"{more}}}\n\n"
        )
    };
    let progress = ",\"progress\":{\"phase\":\"reading\",\"bytes_done\":1,\"rows_done\":2}";
    let streams = [
        event(3, "running", progress),
        format!(": alive\n\n{}", event(4, "running", progress)),
        event(5, "cancelled", ""),
    ];
    let (client, log) = client(move || {
        let at = count.fetch_add(1, Ordering::SeqCst) as usize;
        let cause: Option<lakebed_client::BoxError> = (at == 0).then(|| "reset by peer".into());
        broken(&[("content-type", "text/event-stream")], &[&streams[at]], cause)
    });
    let mut rows = Vec::new();
    let followed = client.follow_ingest("j", |progress| rows.push(progress.rows_done)).await;
    assert_eq!(followed.unwrap_err().code(), "cancelled");
    assert_eq!(rows, [2, 2]);
    let log = log.lock().unwrap();
    let seen = |asked: &crate::support::Asked| {
        asked.headers.iter().find(|header| header.starts_with("last-event-id")).cloned()
    };
    let seen: Vec<_> = log.iter().map(seen).collect();
    let expected = [None, Some("last-event-id: 3".to_owned()), Some("last-event-id: 4".to_owned())];
    assert_eq!(seen, expected);
}

#[test]
fn only_http_is_spoken() {
    for address in ["ftp://localhost/", "file:///lake", "data:x"] {
        let error = Client::remote(Url::parse(address).unwrap()).unwrap_err();
        assert!(error.to_string().contains("expected http or https"), "{error}");
    }
}
