//! OpenLineage events over HTTP: taken where OpenLineage's clients send them, refused with every reason,
//! shown; and sent to others.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use lakebed_server::{LineageFile, LineageUrl};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex};

use crate::support::{Door, is};

fn event(door: &Door, run: &str) -> Value {
    json!({
        "eventTime": "2026-01-02T03:04:05Z",
        "eventType": "START",
        "producer": "https://example.org/p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": { "runId": run },
        "job": { "namespace": "n", "name": "j" },
        "inputs": [{ "namespace": "s3://bucket", "name": "a b/c" }],
        "outputs": [{ "namespace": format!("lakebed://{}", door.lake.id()), "name": "sales.orders" }],
    })
}

const RUN: &str = "3f5e83fa-3480-44ff-99c5-ff943904e5e8";

#[tokio::test]
async fn events_are_taken_and_shown() {
    let door = Door::remote().await;
    let taken = door.post("/api/v1/lineage", event(&door, RUN)).await;
    assert_eq!(taken.status, 201);
    let taken: Value = serde_json::from_slice(&taken.body).unwrap();
    let told = taken["told"].clone();
    for query in [
        "",
        "?dataset=sales.orders",
        "?dataset=a%20b/c&namespace=s3://bucket",
        "?run=3F5E83FA-3480-44ff-99c5-ff943904e5e8",
    ] {
        let page = door.get(&format!("/v1/lineage/events{query}")).await.json();
        assert_eq!(page["events"].as_array().unwrap().len(), 1, "{query}");
        let found = &page["events"][0];
        assert_eq!((&found["run"], &found["told"]), (&json!(RUN), &told));
        assert_eq!(found["outputs"][0]["datasets"], json!(["sales.orders"]));
    }
    let none = door.get("/v1/lineage/events?dataset=sales.others").await.json();
    assert_eq!(none, json!({ "events": [] }));
    let page = door.get("/v1/events").await.json();
    assert_eq!(page["events"].as_array().unwrap().last().unwrap()["type"], "lineage_received");
}

#[tokio::test]
async fn what_is_wrong_is_told_by_its_place() {
    let door = Door::remote().await;
    let mut wrong = event(&door, "7");
    wrong["inputs"][0].as_object_mut().unwrap().remove("name");
    let refused = door.post("/api/v1/lineage", wrong).await;
    assert_eq!(refused.code(), is(422, "invalid-lineage-event"));
    let mut reasons = refused.problem().reasons;
    reasons.sort();
    assert_eq!(reasons, ["/inputs/0: `name` is missing", "/run/runId: it must be a UUID"]);
    let number = door.post("/api/v1/lineage", json!(7)).await;
    assert_eq!(number.code(), is(422, "invalid-lineage-event"));
    for query in ["?dataset=x", "?namespace=a", "?run=%00", "?limit=0"] {
        assert_eq!(door.get(&format!("/v1/lineage/events{query}")).await.status, 400, "{query}");
    }
    assert_eq!(door.get("/v1/lineage/events").await.json(), json!({ "events": [] }));
}

type Heard = Arc<Mutex<Vec<(String, Value)>>>;

async fn hear(
    State(heard): State<Heard>,
    headers: HeaderMap,
    Json(event): Json<Value>,
) -> http::StatusCode {
    let token = headers["authorization"].to_str().unwrap().to_owned();
    let mut heard = heard.lock().await;
    heard.push((token, event));
    match heard.len() {
        1 => http::StatusCode::SERVICE_UNAVAILABLE,
        2 => http::StatusCode::UNPROCESSABLE_ENTITY,
        _ => http::StatusCode::OK,
    }
}

/// A receiver that is not there yet is told again; what it refuses for good holds nothing up.
#[tokio::test]
async fn what_happens_is_sent_with_a_token() {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "o.csv", "id\n1\n").await.unwrap();
    door.test.ingest("sales.orders", "o.csv", "id\n2\n").await.unwrap();
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/api/v1/lineage", listener.local_addr().unwrap());
    let router = Router::new().route("/api/v1/lineage", post(hear)).with_state(Arc::clone(&heard));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let sink = LineageUrl::new(&url, Some("t0ken")).unwrap();
    let refused = door.lake.tell_some_lineage(&sink).await.unwrap_err();
    assert_eq!(refused.code(), "unavailable");
    while door.lake.tell_some_lineage(&sink).await.unwrap() {}
    let heard = heard.lock().await;
    assert!(heard.iter().all(|(token, _)| token == "Bearer t0ken"), "{heard:?}");
    let runs: Vec<&Value> = heard.iter().map(|(_, event)| &event["run"]["runId"]).collect();
    assert_eq!(runs.len(), 3);
    assert!(runs[0] == runs[1] && runs[1] != runs[2], "{runs:?}");
}

#[tokio::test]
async fn what_happens_is_appended_to_a_file() {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "o.csv", "id\n1\n").await.unwrap();
    let path = door.test.outside().join("lineage.jsonl");
    let sink = LineageFile::new(path.clone());
    while door.lake.tell_some_lineage(&sink).await.unwrap() {}
    door.test.ingest("sales.orders", "o.csv", "id\n2\n").await.unwrap();
    while door.lake.tell_some_lineage(&sink).await.unwrap() {}
    let text = std::fs::read_to_string(path).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["job"]["name"], "ingest:sales.orders");
}
