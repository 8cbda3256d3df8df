//! What a request through a socket may cost: sizes, encodings, rates. Nothing of it in process.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use lakebed_server::Limits;
use serde_json::json;

use crate::support::{Door, is};

const JSON: &str = "content-type: application/json";

#[tokio::test]
async fn a_principal_that_asks_too_often_is_told_when_to_come_back() {
    let limits = Limits {
        reads_per_second: 1,
        reads_burst: 2,
        statements_per_second: 1,
        statements_burst: 1,
        ..Limits::default()
    };
    let door = Door::remote_with(limits).await;
    assert_eq!(door.get("/v1/lake").await.status, 200);
    assert_eq!(door.post("/v1/resolve", json!({"refs": ["a.b"]})).await.status, 404);
    let answer = door.get("/v1/datasets").await;
    assert_eq!(answer.code(), is(429, "too-many-requests"));
    assert_eq!(answer.header("retry-after"), "1");
    // Other kinds have buckets of their own, and health is never asked to wait.
    assert_eq!(door.sql("ROWS 1", "text/csv").await.status, 200);
    assert_eq!(door.sql("ROWS 1", "text/csv").await.code(), is(429, "too-many-requests"));
    for _ in 0..10 {
        assert_eq!(door.get("/health/live").await.status, 200);
    }
}

#[tokio::test]
async fn in_process_nothing_is_counted() {
    let door = Door::local().await;
    for _ in 0..100 {
        assert_eq!(door.get("/health/live").await.status, 200);
    }
    let long = format!("/v1/datasets?namespace={}", "x".repeat(20_000));
    assert_ne!(door.get(&long).await.status, 414);
}

#[tokio::test]
async fn long_paths_and_headers_are_refused() {
    let door = Door::remote().await;
    let long = format!("/v1/datasets?namespace={}", "x".repeat(8192));
    assert_eq!(door.get(&long).await.code(), is(414, "uri-too-long"));
    let field = format!("x-long: {}", "x".repeat(33_000));
    let answer = door.call("GET", "/v1/lake", &[&field], Body::empty()).await;
    assert_eq!(answer.code(), is(431, "header-too-large"));
}

/// What is packed would be something else than what was sent: on every door.
#[tokio::test]
async fn packed_bodies_are_refused() {
    for door in [Door::remote().await, Door::local().await] {
        for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip", "x"] {
            let field = format!("content-encoding: {encoding}");
            for path in ["/v1/uploads", "/v1/resolve", "/v1/sql", "/v1/ingests"] {
                let answer = door.call("POST", path, &[&field, JSON], "{}").await;
                assert_eq!(answer.code(), is(415, "unsupported-encoding"), "{encoding} {path}");
                assert_eq!(answer.header("accept-encoding"), "identity");
            }
        }
        let field = "content-encoding: identity";
        let answer = door.call("POST", "/v1/uploads?name=a.csv", &[field], "id\n1\n").await;
        assert_eq!(answer.status, 200);
    }
}

/// Announced or not: a body that is too large ends the request, and nothing of it is kept.
#[tokio::test]
async fn an_upload_has_the_size_that_is_configured() {
    let door = Door::remote_with(Limits { upload_bytes: 1000, ..Limits::default() }).await;
    let upload = async |body: Body| door.call("POST", "/v1/uploads?name=a.csv", &[], body).await;
    let parts = |count: usize| {
        let parts = (0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 100])));
        Body::from_stream(stream::iter(parts))
    };
    assert_eq!(upload(Body::from("x".repeat(1000))).await.status, 200);
    assert_eq!(upload(parts(10)).await.status, 200);
    assert_eq!(upload(Body::from("x".repeat(1001))).await.code(), is(413, "body-too-large"));
    assert_eq!(upload(parts(11)).await.code(), is(413, "body-too-large"));
    assert_eq!(upload(parts(100_000)).await.code(), is(413, "body-too-large"));
}

/// A body that comes too slowly ends with a word of its own, wherever it is read.
#[tokio::test]
async fn a_body_that_dribbles_is_ended() {
    let limits = Limits { stall_timeout_ms: 200, min_bytes_per_second: 1000, ..Limits::default() };
    let door = Door::remote_with(limits).await;
    for path in ["/v1/uploads?name=a.csv", "/v1/resolve", "/v1/sql"] {
        let dribble = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        let answer = door.call("POST", path, &[JSON], Body::from_stream(dribble)).await;
        assert_eq!(answer.code(), is(408, "slow-request"), "{path}");
    }
}

#[tokio::test]
async fn json_is_as_deep_as_a_stack_allows_and_no_deeper() {
    let door = Door::remote().await;
    for depth in [127, 1000, 500_000] {
        for path in ["/v1/resolve", "/v1/sql", "/v1/ingests", "/v1/verifications"] {
            let body = format!("{{\"refs\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            let answer = door.call("POST", path, &[JSON], body).await;
            assert_eq!(answer.code(), is(400, "invalid-json"), "{depth} {path}");
        }
        let nested = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!("{{\"sql\":\"ROWS 1\",\"params\":[{nested}]}}");
        let answer = door.call("POST", "/v1/sql", &[JSON], body).await;
        assert!(answer.status.as_u16() < 500, "{depth}");
    }
}
