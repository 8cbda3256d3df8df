//! The operators' door: what is counted, that it stays bounded and names nobody, and health.

use std::sync::Arc;

use axum::{Router, body::Body};
use bytes::Bytes;
use futures::TryStreamExt as _;
use lakebed_api::{SqlRequest, media::SqlFormat};
use lakebed_client::Client;
use lakebed_core::ObjectId;
use lakebed_server::{Access, AppState, Metrics, Reach, operations, router};
use lakebed_store::Backend;
use lakebed_testkit::{
    CrashingProbe,
    fault::{Fault, FaultBackend},
};
use serde_json::json;

use crate::{
    objects::flip,
    support::{Answer, Door, call, is},
};

/// A door whose requests are counted, and the operators' door beside it.
struct Measured {
    door: Door,
    state: AppState,
    operators: Router,
}

impl Measured {
    async fn new() -> Self {
        Self::of(Door::remote().await, Reach::Network)
    }

    fn of(mut door: Door, reach: Reach) -> Self {
        let metrics = Arc::new(Metrics::new("folder"));
        let state = AppState::new(door.test.lake.clone(), Access::Remote)
            .with_metrics(Arc::clone(&metrics));
        door.router = router(state.clone());
        let operators = operations(state.clone(), metrics, reach);
        Self { door, state, operators }
    }

    async fn ask(&self, path: &str, headers: &[&str]) -> Answer {
        call(&self.operators, "GET", path, headers, Body::empty()).await
    }

    /// What is told, line by line.
    async fn metrics(&self) -> Vec<String> {
        let answer = self.ask("/metrics", &[]).await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
        let lines: Vec<String> = answer.text().lines().map(str::to_owned).collect();
        assert_eq!(lines.last().map(String::as_str), Some("# EOF"));
        lines
    }

    /// The value of one series.
    async fn value(&self, series: &str) -> f64 {
        value_in(&self.metrics().await, series)
    }
}

/// The value of one series in what was told at once: numbers that belong together are of one page.
fn value_in(lines: &[String], series: &str) -> f64 {
    let value = lines.iter().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in\n{}", lines.join("\n"))).parse().unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let measured = Measured::new().await;
    measured.door.get("/v1/lake").await;
    measured.door.get("/v1/lake").await;
    measured.door.get("/v1/datasets/sales/orders").await;
    measured.door.call("DELETE", "/v1/lake", &[], Body::empty()).await;
    let count = |method: &str, route: &str, status: u16| {
        format!(
            "lakebed_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        )
    };
    assert_eq!(measured.value(&count("GET", "/v1/lake", 200)).await, 2.0);
    assert_eq!(measured.value(&count("DELETE", "/v1/lake", 405)).await, 1.0);
    let dataset = "/v1/datasets/{namespace}/{name}";
    assert_eq!(measured.value(&count("GET", dataset, 404)).await, 1.0);
    let timed = "lakebed_http_request_duration_seconds_count{method=\"GET\",route=\"/v1/lake\"}";
    assert_eq!(measured.value(timed).await, 2.0);
    assert_eq!(measured.value("lakebed_errors_total{code=\"not-found\"}").await, 1.0);
    assert_eq!(measured.value("lakebed_http_requests_in_flight").await, 0.0);
}

/// However many names strangers make up, there are no more series, and none of the names is told.
#[tokio::test]
async fn series_are_bounded_and_name_nobody() {
    let measured = Measured::new().await;
    let sql = "{\"sql\": \"ROWS 1 sales.secret\"}";
    let mut before = 0;
    for round in 0..200 {
        measured.door.get(&format!("/v1/datasets/secret/name_{round}")).await;
        measured.door.get(&format!("/secret/{round}?secret={round}")).await;
        measured.door.call(&format!("SECRET{round}"), "/v1/lake", &[], Body::empty()).await;
        measured.door.call("POST", "/v1/sql", &["content-type: application/json"], sql).await;
        if round == 1 {
            before = measured.metrics().await.len();
        }
    }
    let lines = measured.metrics().await;
    assert_eq!(lines.len(), before, "{}", lines.join("\n"));
    assert!(!lines.iter().any(|line| line.to_lowercase().contains("secret")), "{lines:#?}");
}

#[tokio::test]
async fn statements_are_counted_by_how_they_ended() {
    let measured = Measured::new().await;
    let client = measured.door.client();
    let ask = |sql: &str| SqlRequest { sql: sql.to_owned(), ..SqlRequest::default() };
    let whole = client.sql(&ask("ROWS 5000"), SqlFormat::Csv).await.unwrap();
    let bytes = whole.bytes.try_collect::<Vec<_>>().await.unwrap().concat().len();
    assert!(client.sql(&ask("INVALID"), SqlFormat::Csv).await.is_err());
    let broken = client.sql(&ask("BREAK 5000"), SqlFormat::Csv).await.unwrap();
    assert!(broken.bytes.try_collect::<Vec<_>>().await.is_err());
    measured.door.sql("PANIC", "*/*").await;
    let endless = client.sql(&ask("ENDLESS"), SqlFormat::Csv).await.unwrap();
    drop(endless);
    let ended = |outcome: &str| format!("lakebed_statement_ended_total{{outcome=\"{outcome}\"}}");
    assert_eq!(measured.value(&ended("answered")).await, 1.0);
    assert_eq!(measured.value(&ended("refused")).await, 2.0);
    // The one that panicked, and the one whose reader went away.
    assert_eq!(measured.value(&ended("cancelled")).await, 2.0);
    assert!(measured.value("lakebed_statement_rows_total").await >= 10_000.0);
    assert!(measured.value("lakebed_statement_bytes_total").await >= bytes as f64);
}

#[tokio::test]
async fn ingests_the_journal_and_the_store_are_counted() {
    let measured = Measured::new().await;
    let test = &measured.door.test;
    let csv = "id,price\n1,1.5\n2,2.5\n";
    test.ingest("sales.orders", "a.csv", csv).await.unwrap();
    test.ingest("sales.orders", "a.csv", csv).await.unwrap();
    test.ingest("sales.orders", "b.csv", "").await.unwrap_err();
    let ended = |outcome: &str| format!("lakebed_ingest_ended_total{{outcome=\"{outcome}\"}}");
    for outcome in ["committed", "unchanged", "refused"] {
        assert_eq!(measured.value(&ended(outcome)).await, 1.0, "{outcome}");
    }
    assert_eq!(measured.value("lakebed_ingest_rows_total{outcome=\"accepted\"}").await, 2.0);
    assert_eq!(measured.value("lakebed_ingest_source_bytes_total").await, csv.len() as f64);
    let created =
        "lakebed_store_operations_total{backend=\"folder\",operation=\"create\",outcome=\"done\"}";
    assert!(measured.value(created).await >= 4.0, "original, table, lists, manifest");
    let told = measured.metrics().await;
    let value = |series: &str| value_in(&told, series);
    assert!(value("lakebed_journal_segments_total{origin=\"written\"}") >= 2.0);
    assert_eq!(value("lakebed_journal_lag_events"), 0.0);
    let most = value("lakebed_database_connections_max");
    let in_use = value("lakebed_database_connections{state=\"in_use\"}");
    let idle = value("lakebed_database_connections{state=\"idle\"}");
    assert!(in_use + idle >= 1.0 && in_use + idle <= most, "{in_use} + {idle} of {most}");
    assert!(value("lakebed_database_waits_total") >= 0.0);
    assert!(value("lakebed_database_waited_seconds_total") >= 0.0);
    let last = value("lakebed_journal_last_seq");
    assert!(last >= 3.0);
    assert_eq!(value("lakebed_journal_journaled_seq"), last);
}

/// P3: damage that was noticed is a number that somebody can be woken by.
#[tokio::test]
async fn corrupt_reads_are_counted() {
    let mut measured = Measured::of(Door::remote_in_folder().await, Reach::Network);
    measured.door.test.ingest("sales.orders", "a.csv", "id\n1\n").await.unwrap();
    measured.door.damaged();
    assert_eq!(measured.value("lakebed_store_corrupt_reads_total").await, 0.0);
    let id = ObjectId::of(b"id\n1\n");
    flip(&measured.door, id, 3);
    assert_eq!(measured.door.get(&format!("/v1/objects/{id}")).await.status, 500);
    assert_eq!(measured.value("lakebed_store_corrupt_reads_total").await, 1.0);
}

#[tokio::test]
async fn the_process_and_the_build_are_told() {
    let measured = Measured::new().await;
    let build = format!("lakebed_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(measured.value(&build).await, 1.0);
    assert!(measured.value("process_resident_memory_bytes").await > 1e6);
    assert!(measured.value("process_open_fds").await > 2.0);
    assert!(measured.value("process_max_fds").await > 2.0);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = age.as_secs_f64() - measured.value("process_start_time_seconds").await;
    assert!((-1.0..86_400.0).contains(&age), "started {age} s ago");
}

/// A page that was led to loopback by a name of its own reads nothing.
#[tokio::test]
async fn on_loopback_only_its_own_names_are_answered() {
    let local = Measured::of(Door::remote().await, Reach::Loopback);
    assert_eq!(local.ask("/metrics", &["host: evil.example"]).await.code(), is(421, "wrong-host"));
    assert_eq!(local.ask("/metrics", &["host: 127.0.0.1:9464"]).await.status, 200);
    let network = Measured::new().await;
    assert_eq!(network.ask("/metrics", &["host: 10.1.2.3:9464"]).await.status, 200);
}

/// Neither door tells metrics to those who only speak to the API.
#[tokio::test]
async fn the_api_has_no_metrics() {
    let measured = Measured::new().await;
    assert_eq!(measured.door.get("/metrics").await.code(), is(404, "no-such-route"));
    assert_eq!(measured.ask("/v1/lake", &[]).await.status, 404);
}

#[tokio::test]
async fn a_stopping_server_lives_and_is_not_ready() {
    let measured = Measured::new().await;
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(measured.ask(path, &[]).await.status, 200);
        assert_eq!(measured.door.get(path).await.status, 200);
    }
    measured.state.stop();
    let problem = measured.door.get("/health/ready").await.problem();
    assert_eq!((problem.status, problem.detail.as_str()), (503, "the server is stopping"));
    assert_eq!(measured.ask("/health/ready", &[]).await.status, 503);
    assert_eq!(measured.ask("/health/live", &[]).await.json(), json!({ "status": "live" }));
}

/// A probe learns which part is missing, and no address.
#[tokio::test]
async fn readiness_says_what_is_missing() {
    let door = Door::remote().await;
    let mut faults = None;
    let wrap = |backend| {
        let failing = Arc::new(FaultBackend::new(backend));
        faults = Some(Arc::clone(&failing));
        failing as Arc<dyn Backend>
    };
    let lake = door.test.failing(wrap, Arc::new(CrashingProbe::default())).await.unwrap();
    let faults = faults.unwrap();
    let client = Client::in_process(router(AppState::new(lake.clone(), Access::Remote)));
    client.ready().await.unwrap();
    let state = AppState::new(lake.clone(), Access::Remote);
    faults.crash_at(0, Fault::Before);
    lake.store().create("journal/none", Bytes::new()).await.unwrap_err();
    let error = Client::in_process(router(state)).ready().await.unwrap_err();
    assert_eq!(error.code(), "not-ready");
    assert!(error.to_string().contains("the object store does not answer"), "{error}");
    let root = door.test.root().display().to_string();
    assert!(!format!("{error:?}").contains(&root), "{error:?}");
    lake.close().await;
    let state = AppState::new(lake, Access::Remote);
    let error = Client::in_process(router(state)).ready().await.unwrap_err();
    assert!(error.to_string().contains("neither the database nor the object store"), "{error}");
}

/// The answer is kept for a second: a hundred probes ask the store once.
#[tokio::test]
async fn many_probes_ask_once() {
    let measured = Measured::new().await;
    let reads =
        "lakebed_store_operations_total{backend=\"folder\",operation=\"read\",outcome=\"done\"}";
    measured.door.get("/health/ready").await;
    let before = measured.value(reads).await;
    for _ in 0..100 {
        assert_eq!(measured.door.get("/health/ready").await.status, 200);
    }
    // Two, should the second have passed meanwhile.
    assert!(measured.value(reads).await <= before + 2.0);
}
