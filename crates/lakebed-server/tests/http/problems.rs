//! Every error of every layer is a problem with a stable code, and says where to look it up.

use axum::body::Body;
use serde_json::json;

use crate::support::{Door, is};

const JSON: &str = "content-type: application/json";

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let door = Door::remote().await;
    for path in ["/", "/v1", "/v1/nothing", "/v2/lake", "/v1/datasets/a/b/c/d", "/openapi.yaml"] {
        assert_eq!(door.get(path).await.code(), is(404, "no-such-route"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_lists_the_right_ones() {
    let door = Door::remote().await;
    let answer = door.call("DELETE", "/v1/lake", &[], Body::empty()).await;
    assert_eq!(answer.code(), is(405, "method-not-allowed"));
    assert_eq!(answer.header("allow"), "GET,HEAD");
    let answer = door.call("GET", "/v1/resolve", &[], Body::empty()).await;
    assert_eq!(answer.code(), is(405, "method-not-allowed"));
    assert_eq!(answer.header("allow"), "POST");
}

#[tokio::test]
async fn a_body_that_is_not_json_says_where() {
    let door = Door::remote().await;
    let answer = door.call("POST", "/v1/resolve", &[JSON], "{\n  \"refs\": [,]\n}").await;
    assert_eq!(answer.code(), is(400, "invalid-json"));
    let detail = answer.problem().detail;
    assert!(detail.contains("line 2 column 12"), "{detail}");
    let answer = door.call("POST", "/v1/resolve", &[JSON], "").await;
    assert_eq!(answer.code(), is(400, "invalid-json"));
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_refused() {
    let door = Door::remote().await;
    let answer = door.post("/v1/resolve", json!({"refs": ["a.b"], "fils": true})).await;
    assert_eq!(answer.code(), is(400, "invalid-json"));
    let detail = answer.problem().detail;
    assert!(detail.contains("`fils`") && detail.contains("`files`"), "{detail}");
    let answer = door.get("/v1/datasets?namspace=a").await;
    assert_eq!(answer.code(), is(400, "invalid-query"));
    assert!(answer.problem().detail.contains("`namspace`"));
    assert_eq!(door.get("/v1/events?after=x").await.code(), is(400, "invalid-query"));
    assert_eq!(door.get("/v1/events?limit=0").await.code(), is(400, "invalid-query"));
    assert_eq!(door.get("/v1/events?limit=1001").await.code(), is(400, "invalid-query"));
    assert_eq!(door.get("/v1/versions").await.code(), is(400, "invalid-query"));
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let door = Door::remote().await;
    for headers in [&[][..], &["content-type: text/plain"], &["content-type: application/jsonx"]] {
        let answer = door.call("POST", "/v1/resolve", headers, "{\"refs\":[\"a.b\"]}").await;
        assert_eq!(answer.code(), is(415, "unsupported-media-type"), "{headers:?}");
    }
    let headers = ["content-type: Application/JSON; charset=utf-8"];
    let answer = door.call("POST", "/v1/resolve", &headers, "{\"refs\":[\"a.b\"]}").await;
    assert_eq!(answer.code(), is(404, "not-found"), "the body was taken");
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_refused() {
    let door = Door::remote().await;
    let body = format!("{{\"refs\":[\"{}\"]}}", "x".repeat(1 << 20));
    let answer = door.call("POST", "/v1/resolve", &[JSON], body).await;
    assert_eq!(answer.code(), is(413, "body-too-large"));
    let answer = door.sql(&"x".repeat((1 << 20) + 1), "*/*").await;
    assert_eq!(answer.code(), is(413, "body-too-large"));
}

#[tokio::test]
async fn names_references_and_digests_are_checked_at_the_edge() {
    let door = Door::remote().await;
    assert_eq!(door.get("/v1/datasets/Sales/orders").await.code(), is(400, "invalid-name"));
    assert_eq!(door.get("/v1/datasets/a/..%2f..").await.code(), is(400, "invalid-name"));
    assert_eq!(door.get("/v1/datasets/a/%07").await.code(), is(400, "invalid-name"));
    assert_eq!(door.get("/v1/datasets/a/%ff").await.code(), is(400, "invalid-path"));
    assert_eq!(door.get("/v1/versions?ref=a.b@v0").await.code(), is(400, "invalid-reference"));
    assert_eq!(door.get("/v1/objects/12").await.code(), is(400, "invalid-digest"));
    let answer = door.post("/v1/resolve", json!({"refs": ["a.b", "a.b@\u{7}"]})).await;
    assert_eq!(answer.code(), is(400, "invalid-reference"));
    assert!(!answer.problem().detail.chars().any(char::is_control));
    assert_eq!(door.post("/v1/resolve", json!({"refs": []})).await.code(), is(400, "no-refs"));
    let many = vec!["a.b"; 1001];
    let answer = door.post("/v1/resolve", json!({ "refs": many })).await;
    assert_eq!(answer.code(), is(400, "too-many-refs"));
}

/// A handler that panics costs its own request; the lake and the next request are unharmed.
#[tokio::test]
async fn a_panic_is_a_problem_and_no_more() {
    let door = Door::remote().await;
    let answer = door.sql("PANIC", "*/*").await;
    assert_eq!(answer.code(), is(500, "internal"));
    assert!(!answer.text().contains("scripted"), "the cause is for the log: {}", answer.text());
    assert_eq!(door.get("/v1/lake").await.status, 200);
}

#[tokio::test]
async fn a_request_keeps_its_id_or_gets_one() {
    let door = Door::remote().await;
    let answer = door.call("GET", "/v1/nothing", &["x-request-id: job-42"], Body::empty()).await;
    assert_eq!(answer.problem().instance, "job-42");
    let bad = "x-request-id: no spaces allowed";
    let answer = door.call("GET", "/v1/lake", &[bad], Body::empty()).await;
    let id = answer.header("x-request-id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_ne!(id, door.get("/v1/lake").await.header("x-request-id"));
}

#[tokio::test]
async fn answers_are_never_sniffed() {
    let door = Door::remote().await;
    for path in ["/v1/lake", "/v1/nothing", "/openapi.json"] {
        assert_eq!(door.get(path).await.header("x-content-type-options"), "nosniff", "{path}");
    }
}

/// DNS rebinding: a page whose name resolves to 127.0.0.1 is not answered, whatever it asks.
#[tokio::test]
async fn a_server_answers_to_its_own_name_only() {
    let door = Door::remote().await;
    for path in ["/v1/lake", "/v1/nothing", "/health/live"] {
        let answer = door.call("GET", path, &["host: evil.example"], Body::empty()).await;
        assert_eq!(answer.code(), is(421, "wrong-host"), "{path}");
    }
    let headers = ["origin: http://evil.example", "content-type: text/plain"];
    let answer = door.call("POST", "/v1/sql", &headers, "ROWS 1").await;
    assert_eq!(answer.code(), is(403, "cross-origin"));
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let local = Door::local().await;
    let answer = local.call("GET", "/v1/lake", &["host: in-process"], Body::empty()).await;
    assert_eq!(answer.status, 200, "in process there is no network to be led through");
}

#[tokio::test]
async fn an_idempotency_key_is_one_printable_word_or_more() {
    let door = Door::remote().await;
    let long = format!("idempotency-key: {}", "k".repeat(201));
    let answer = door.call("GET", "/v1/datasets", &[&long], Body::empty()).await;
    assert_eq!(answer.code(), is(400, "invalid-idempotency-key"));
}

#[tokio::test]
async fn a_head_request_has_no_body_even_when_it_fails() {
    let door = Door::remote().await;
    let path = format!("/v1/objects/{}", "0".repeat(64));
    let answer = door.call("HEAD", &path, &[], Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (404, 0));
}
