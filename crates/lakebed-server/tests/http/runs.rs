//! Runs over HTTP, for those who orchestrate elsewhere: begun, heard of, committed, given up.

use lakebed_core::{Declared, Identity};
use lakebed_server::{Access, AppState, Asks, Auth};
use lakebed_service::ApplyCatalog;
use serde_json::{Value, json};

use crate::support::{Door, is};

const GRANTS: &str = r#"[
    {"to": "dan", "may": ["read", "ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "eve", "may": ["read", "ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "ian", "may": ["ingest"], "on": "lake", "from_stage": "raw"},
    {"to": "gus", "may": ["read"], "on": {"namespace": "ml"}, "from_stage": "raw"}]"#;

async fn door() -> Door {
    let door = Door::remote().await;
    door.test.ingest("sales.orders", "o.csv", "id\n1\n2\n").await.unwrap();
    let declared: Declared =
        serde_json::from_str(&format!(r#"{{"format": 1, "grants": {GRANTS}}}"#)).unwrap();
    let apply = ApplyCatalog { declared, expected: None, without_admin: true };
    door.test.lake.apply_catalog(&door.test.ctx(), apply).await.unwrap();
    door
}

/// The same lake, asked by somebody who owns nothing.
fn somebody(door: &Door, name: &str) -> Door {
    let state = AppState::new(door.lake.clone(), Access::Remote);
    let unasked = Auth::new(Asks::Never, Vec::new()).unwrap();
    door.with_state(state.with_identity(Identity::of(name.parse().unwrap())).with_auth(unasked))
}

fn asked() -> Value {
    json!({ "inputs": [{ "ref": "sales.orders" }], "outputs": ["ml.scores"],
            "command": ["python", "train.py"], "parameters": { "depth": "3" },
            "git": { "commit": "9f2c61d0", "dirty": false }, "patience_seconds": 60 })
}

/// The digest of what was uploaded.
async fn upload(door: &Door, bytes: &'static str) -> Value {
    let headers = ["content-type: application/octet-stream"];
    let answer = door.call("POST", "/v1/uploads?name=x", &headers, bytes).await;
    answer.json()["upload"].clone()
}

async fn made(door: &Door, rows: &'static str) -> Value {
    let scores = upload(door, rows).await;
    let model = upload(door, "weights").await;
    json!({ "outputs": [
        { "dataset": "ml.scores", "sources": [{ "name": "scores.csv", "upload": scores }] },
        { "dataset": "ml.model", "sources": [{ "name": "model.pkl", "upload": model }],
          "options": { "format": "files" } } ],
        "exit_code": 0, "log": { "name": "log", "upload": upload(door, "trained\n").await } })
}

#[tokio::test]
async fn a_run_is_begun_heard_of_and_committed() {
    let door = door().await;
    let dan = somebody(&door, "dan");
    let run = dan.post("/v1/runs", asked()).await.json();
    assert_eq!((&run["state"], &run["inputs"][0]["version"]), (&"running".into(), &1.into()));
    let path = |end: &str| format!("/v1/runs/{}{end}", run["run"].as_str().unwrap());
    let heard = dan.post(&path("/heartbeat"), json!({})).await.json();
    assert_eq!((&heard["state"], &heard["patience_seconds"]), (&"running".into(), &60.into()));

    let mut failed = made(&dan, "id,score\n1,2\n").await;
    failed["exit_code"] = 3.into();
    assert_eq!(dan.post(&path("/commit"), failed).await.code(), is(400, "run-failed"));
    let done = made(&dan, "id,score\n1,2\n").await;
    let answer = dan.post(&path("/commit"), done.clone()).await.json();
    assert_eq!(answer["run"]["state"], "committed");
    assert_eq!(answer["outputs"][1]["version"]["kind"], "files");
    let again = dan.post(&path("/commit"), done).await.json();
    assert_eq!(again["run"], answer["run"], "it is committed once");
    assert_eq!(dan.post(&path("/abort"), json!({})).await.code(), is(400, "run-ended"));

    let shown = dan.get(&path("")).await.json();
    assert_eq!(shown["invocation"]["git"]["commit"], "9f2c61d0");
    assert_eq!((&shown["exit_code"], &shown["log_bytes"]), (&0.into(), &8.into()));
    assert_eq!(dan.get(&path("/log")).await.text(), "trained\n");
    let version = dan.get("/v1/versions?ref=ml.scores").await.json();
    assert_eq!(version["inputs"][0]["dataset"], "sales.orders");
}

#[tokio::test]
async fn a_run_that_is_given_up_leaves_nothing() {
    let door = door().await;
    let dan = somebody(&door, "dan");
    let run = dan.post("/v1/runs", asked()).await.json();
    let path = |end: &str| format!("/v1/runs/{}{end}", run["run"].as_str().unwrap());
    let log = made(&dan, "id\n1\n").await["log"].clone();
    let why = json!({ "exit_code": 3, "reason": "it failed", "log": log });
    let given_up = dan.post(&path("/abort"), why).await.json();
    assert_eq!((&given_up["state"], &given_up["exit_code"]), (&"aborted".into(), &3.into()));
    assert_eq!((&given_up["reason"], &given_up["log_bytes"]), (&"it failed".into(), &8.into()));
    assert_eq!(dan.get(&path("/log")).await.text(), "trained\n");
    let other = json!({ "reason": "other" });
    assert_eq!(dan.post(&path("/abort"), other).await.json(), given_up, "it ends once");
    let event = dan.get("/v1/events").await.json()["events"].as_array().unwrap().last().cloned();
    let event = event.unwrap();
    assert_eq!((&event["type"], &event["exit_code"]), (&"run_failed".into(), &3.into()));
    let late = dan.post(&path("/commit"), made(&dan, "id\n1\n").await).await;
    assert_eq!(late.code(), is(400, "run-ended"));
    assert_eq!(dan.get("/v1/datasets/ml/scores").await.code(), is(404, "not-found"));
    let long = json!({ "reason": "x".repeat(1001) });
    assert_eq!(dan.post(&path("/abort"), long).await.code(), is(400, "too-long"));
}

/// P7: a run is its owner's, and for whoever may read all that it read and made.
#[tokio::test]
async fn p7_runs_of_others_are_not_there() {
    let door = door().await;
    let (dan, eve) = (somebody(&door, "dan"), somebody(&door, "eve"));
    let (ian, gus) = (somebody(&door, "ian"), somebody(&door, "gus"));
    assert_eq!(ian.post("/v1/runs", asked()).await.code(), is(403, "forbidden"));
    assert_eq!(gus.post("/v1/runs", asked()).await.code(), is(403, "forbidden"));
    let run = dan.post("/v1/runs", asked()).await.json();
    let path = |end: &str| format!("/v1/runs/{}{end}", run["run"].as_str().unwrap());
    for who in [&eve, &ian, &gus] {
        assert_eq!(who.get(&path("")).await.code(), is(404, "not-found"));
        assert_eq!(who.post(&path("/heartbeat"), json!({})).await.code(), is(404, "not-found"));
        assert_eq!(who.post(&path("/abort"), json!({})).await.code(), is(404, "not-found"));
    }
    let failed = dan.post("/v1/runs", asked()).await.json();
    let failed = format!("/v1/runs/{}", failed["run"].as_str().unwrap());
    let why = json!({ "log": made(&dan, "id\n1\n").await["log"] });
    dan.post(&format!("{failed}/abort"), why).await.json();
    assert_eq!(eve.get(&format!("{failed}/log")).await.text(), "trained\n");
    for who in [&ian, &gus] {
        assert_eq!(who.get(&failed).await.code(), is(404, "not-found"));
    }
    dan.post(&path("/commit"), made(&dan, "id\n1\n").await).await.json();
    assert_eq!(eve.get(&path("/log")).await.text(), "trained\n");
    for who in [&ian, &gus] {
        assert_eq!(who.get(&path("")).await.code(), is(404, "not-found"));
        assert_eq!(who.get(&path("/log")).await.code(), is(404, "not-found"));
        assert_eq!(who.get("/v1/runs").await.json()["runs"], json!([]));
        let events = who.get("/v1/events").await;
        assert!(!events.text().contains("\"run_"), "{}", events.text());
    }
    // gus may read the outputs, and is told of no run and of nothing that it printed.
    assert_eq!(gus.get("/v1/datasets/ml/scores").await.status, 200);
}
