//! OpenLineage events over HTTP: taken where OpenLineage's clients send them, refused with every reason,
//! shown; and sent to others.

use std::{io::Write as _, sync::Arc};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use flate2::{Compression, write::GzEncoder};
use lakebed_core::ObjectId;
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

/// What others told stands beside the dataset that it was told of: up what it was made of, down what was
/// made of it.
#[tokio::test]
async fn what_others_told_stands_in_lineage_and_impact() {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "orders.csv", "a\n1\n").await.unwrap();
    let path = "/v1/datasets/sales/orders";
    let before = door.get(&format!("{path}/lineage")).await.json();
    assert!(before["versions"][0].get("external").is_none());
    let mut down = event(&door, "3f5e83fa-3480-44ff-99c5-ff943904e5e9");
    let (inputs, outputs) = (down["inputs"].take(), down["outputs"].take());
    (down["inputs"], down["outputs"]) = (outputs, inputs);
    for event in [event(&door, RUN), event(&door, RUN), down] {
        assert_eq!(door.post("/api/v1/lineage", event).await.status, 201);
    }
    for question in ["lineage", "lineage?direction=down"] {
        let told = door.get(&format!("{path}/{question}")).await.json();
        let external = told["versions"][0]["external"].as_array().unwrap();
        assert_eq!(external.len(), 1, "{question}");
        let node = &external[0];
        assert_eq!((&node["namespace"], &node["name"]), (&json!("s3://bucket"), &json!("a b/c")));
        assert_eq!(node["job"], "j");
    }
    let impact = door.get(&format!("{path}/impact")).await.json();
    assert_eq!(impact["external"].as_array().unwrap().len(), 1);
    assert_eq!(impact["external"][0]["name"], "a b/c");
}

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

/// Clients can be told to pack what they send; what is kept is the event.
#[tokio::test]
async fn packed_events_are_unpacked_once() {
    let door = Door::remote().await;
    let pack = |bytes: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let send = async |body: Vec<u8>, encoding: &str| {
        let encoding = format!("content-encoding: {encoding}");
        let headers = ["content-type: application/json", &encoding];
        door.call("POST", "/api/v1/lineage", &headers, body).await
    };
    let plain = event(&door, RUN).to_string().into_bytes();
    let taken = send(pack(&plain), "gzip").await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    let unpacked = send(plain.clone(), "identity").await;
    assert_eq!((unpacked.status.as_u16(), &unpacked.body), (201, &taken.body));
    assert!(taken.text().contains(&ObjectId::of(&plain).to_string()), "what is unpacked is kept");
    let twice = send(pack(&pack(&plain)), "gzip, gzip").await;
    assert_eq!(twice.code(), is(415, "unsupported-encoding"));
    assert_eq!(send(plain.clone(), "zstd").await.code(), is(415, "unsupported-encoding"));
    let cut = pack(&plain)[..40].to_vec();
    for broken in [plain, cut] {
        assert_eq!(send(broken, "gzip").await.code(), is(400, "invalid-gzip"));
    }
    // A little that would be a lot.
    let bomb = pack(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(send(bomb, "gzip").await.code(), is(413, "body-too-large"));
    let long = format!("[{}]", " ".repeat(4 << 20)).into_bytes();
    assert_eq!(send(long, "identity").await.code(), is(413, "body-too-large"));
    // Nobody else's bodies are unpacked.
    let headers = ["content-type: application/json", "content-encoding: gzip"];
    let other = door.call("POST", "/v1/resolve", &headers, pack(b"{}")).await;
    assert_eq!(other.code(), is(415, "unsupported-encoding"));
}

/// P4: a time that could not be read again would end the lake.
#[tokio::test]
async fn p4_an_event_at_an_impossible_time_is_refused() {
    let door = Door::remote().await;
    for time in ["9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z"] {
        let mut event = event(&door, RUN);
        event["eventTime"] = json!(time);
        let refused = door.post("/api/v1/lineage", event).await;
        assert_eq!(refused.code(), is(422, "invalid-lineage-event"), "{time}");
    }
    let mut last = event(&door, RUN);
    last["eventTime"] = json!("9999-12-31T23:59:59.999999Z");
    assert_eq!(door.post("/api/v1/lineage", last).await.status, 201);
    door.test.ingest("sales.orders", "o.csv", "id\n1\n").await.unwrap();
    assert_eq!(door.get("/v1/lineage/events").await.json()["events"].as_array().unwrap().len(), 1);
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
    let told = |(_, event): &(String, Value)| {
        let run = event["run"]["runId"].as_str().unwrap().to_owned();
        (event["eventType"].as_str().unwrap().to_owned(), run)
    };
    let told: Vec<(String, String)> = heard.iter().map(told).collect();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["START", "START", "COMPLETE", "START", "COMPLETE"]);
    assert!(told[0] == told[1] && told[1].1 == told[2].1 && told[2].1 != told[3].1, "{told:?}");
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
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|event| event["job"]["name"] == "ingest:sales.orders"));
}
