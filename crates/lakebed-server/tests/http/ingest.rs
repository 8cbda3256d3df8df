//! Bytes in, versions out, through the door.

use bytes::Bytes;
use futures::stream;
use lakebed_api::{IngestRequest, IngestSource, IngestStatus, Line, VerifyRequest};
use lakebed_client::ClientError;
use lakebed_core::ObjectId;
use serde_json::json;

use crate::support::{Door, is};

const CSV: &str = "id,price\n1,1.5\n2,2.5\n";

fn parts(
    texts: &[&str],
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let parts: Vec<_> =
        texts.iter().map(|text| Ok(Bytes::copy_from_slice(text.as_bytes()))).collect();
    stream::iter(parts)
}

fn request(sources: Vec<IngestSource>) -> IngestRequest {
    IngestRequest { dataset: "sales.orders".to_owned(), sources, ..IngestRequest::default() }
}

async fn uploaded(door: &Door, text: &str) -> IngestSource {
    let uploaded = door.client().upload("orders.csv", parts(&[text]), None).await.unwrap();
    IngestSource::upload("orders.csv", uploaded.upload)
}

#[tokio::test]
async fn an_upload_becomes_a_version() {
    let door = Door::remote().await;
    let digest = ObjectId::of(CSV.as_bytes());
    let (head, tail) = CSV.split_at(7);
    let upload = door.client().upload("a.csv", parts(&[head, tail]), Some(digest)).await.unwrap();
    assert_eq!((upload.upload, upload.size_bytes), (digest, CSV.len() as u64));
    assert_eq!(upload.name.as_deref(), Some("a.csv"));

    let sources = vec![IngestSource::upload("orders.csv", digest)];
    let mut phases = Vec::new();
    let done = door
        .client()
        .ingest(&request(sources), None, |progress| phases.push(progress.phase))
        .await
        .unwrap();
    assert_eq!(
        (done.status, done.version.version, done.version.row_count),
        (IngestStatus::Committed, 1, Some(2))
    );
    assert_eq!(done.sources[0].file.name.as_deref(), Some("orders.csv"));
    assert_eq!(done.version.actor, "anonymous@loopback");

    let again = request(vec![uploaded(&door, CSV).await]);
    let done = door.client().ingest(&again, None, |_| {}).await.unwrap();
    assert_eq!(
        (done.status, done.version.version, done.new_bytes),
        (IngestStatus::Unchanged, 1, Some(0))
    );
}

/// The same request is answered once by whoever waits, and line by line to whoever asks for that.
#[tokio::test]
async fn whoever_accepts_lines_is_told_in_lines() {
    let door = Door::remote().await;
    let body = serde_json::to_string(&request(vec![uploaded(&door, CSV).await])).unwrap();
    let headers = ["content-type: application/json", "accept: application/x-ndjson"];
    let answer = door.call("POST", "/v1/ingests", &headers, body.clone()).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let lines: Vec<Line<lakebed_api::IngestResponse>> =
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, before) = lines.split_last().unwrap();
    assert!(matches!(last, Line::Done(done) if done.version.version == 1), "{last:?}");
    assert!(before.iter().all(|line| matches!(line, Line::Progress(_))));

    uploaded(&door, CSV).await;
    let answer = door.call("POST", "/v1/ingests", &headers[..1], body).await;
    assert_eq!(answer.json()["status"], "unchanged");
    let headers = ["content-type: application/json", "accept: text/html"];
    let answer = door.call("POST", "/v1/ingests", &headers, "{}").await;
    assert_eq!(answer.problem().status, 400, "the request is read first");
}

#[tokio::test]
async fn bytes_that_changed_on_their_way_are_refused() {
    let door = Door::remote().await;
    let digest = Some(ObjectId::of(b"other bytes"));
    let error = door.client().upload("a.csv", parts(&[CSV]), digest).await.unwrap_err();
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!((problem.status, problem.code.as_str()), (422, "digest-mismatch"));
    let headers = ["lakebed-digest: md5=12"];
    let answer = door.call("POST", "/v1/uploads", &headers, CSV).await;
    assert_eq!(answer.code(), is(400, "invalid-digest"));
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_kept() {
    let door = Door::remote().await;
    let broken = stream::iter([
        Ok(Bytes::from_static(CSV.as_bytes())),
        Err(std::io::Error::other("the disk of the client died")),
    ]);
    let error = door.client().upload("a.csv", broken, None).await.unwrap_err();
    assert_eq!(error.code(), "broke-off", "{error:?}");
    let sources = vec![IngestSource::upload("a.csv", ObjectId::of(CSV.as_bytes()))];
    let error = door.client().ingest(&request(sources), None, |_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::Problem(_)), "{error:?}");
    assert!(door.client().datasets(None).await.unwrap().datasets.is_empty());
}

/// A server never reads a path that a client names; the command line's own door does.
#[tokio::test]
async fn local_paths_are_taken_in_process_only() {
    let remote = Door::remote().await;
    let path = remote.test.file("secret.csv", CSV);
    let sources = vec![IngestSource::path("secret.csv", path.to_str().unwrap())];
    for resource in ["/v1/ingests", "/v1/ingest-plans"] {
        let body = serde_json::to_value(request(sources.clone())).unwrap();
        let answer = remote.post(resource, body).await;
        assert_eq!(answer.code(), is(403, "local-path-refused"), "{resource}");
    }
    let local = Door::local().await;
    let path = local.test.file("orders.csv", CSV);
    let source = IngestSource { path: path.to_str().map(str::to_owned), ..IngestSource::default() };
    let done = local.client().ingest(&request(vec![source]), None, |_| {}).await.unwrap();
    assert_eq!(done.sources[0].file.name.as_deref(), Some("orders.csv"), "its last part");
    assert_eq!(done.version.actor, "local");
}

#[tokio::test]
async fn a_source_is_an_upload_or_a_path() {
    let door = Door::local().await;
    let digest = "0".repeat(64);
    for source in [
        json!({}),
        json!({"name": "a"}),
        json!({"upload": digest, "path": "/a", "name": "a"}),
        json!({"upload": digest}),
        json!({"path": "relative.csv"}),
        json!({"path": "/"}),
    ] {
        let body = json!({"dataset": "a.b", "sources": [source]});
        let answer = door.post("/v1/ingests", body.clone()).await;
        assert_eq!(answer.code(), is(400, "invalid-source"), "{body}");
    }
    let answer = door.post("/v1/ingests", json!({"dataset": "a.b", "sources": []})).await;
    assert_eq!(answer.code(), is(400, "no-sources"));
    let answer = door.post("/v1/ingests", json!({"dataset": "A.b", "sources": [{}]})).await;
    assert_eq!(answer.code(), is(400, "invalid-name"));
}

/// P1: the bytes of a refused ingest are kept, and the problem names the event that knows them.
#[tokio::test]
async fn a_refusal_names_the_event_that_kept_the_bytes() {
    let door = Door::remote().await;
    let refused = request(vec![uploaded(&door, "").await]);
    let error = door.client().ingest(&refused, None, |_| {}).await.unwrap_err();
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!(problem.status, 422, "{problem:?}");
    let seq = problem.event.expect("an event");
    let page = door.client().events(seq - 1, Some(1)).await.unwrap();
    let kind = serde_json::to_value(&page.events[0]).unwrap()["type"].clone();
    assert_eq!(kind, "ingest_refused");
}

#[tokio::test]
async fn a_plan_shows_what_would_be_and_stores_nothing() {
    let door = Door::remote().await;
    let planned = request(vec![uploaded(&door, CSV).await]);
    let plan = door.client().plan_ingest(&planned).await.unwrap();
    assert_eq!(plan.sample_columns, ["id", "price"]);
    assert_eq!(plan.sample[0], [Some("1".to_owned()), Some("1.5".to_owned())]);
    assert!(plan.sources[0].decode.is_some() && plan.schema.is_some());
    assert!(door.client().datasets(None).await.unwrap().datasets.is_empty());
}

/// The key goes with the change: it is in the event.
#[tokio::test]
async fn an_idempotency_key_reaches_the_record() {
    let door = Door::remote().await;
    let ingest = request(vec![uploaded(&door, CSV).await]);
    door.client().ingest(&ingest, Some("job 42"), |_| {}).await.unwrap();
    let page = door.client().events(0, None).await.unwrap();
    assert!(page.events.iter().any(|event| event.text("idempotency_key") == Some("job 42")));
}

#[tokio::test]
async fn a_sound_lake_verifies_without_findings() {
    let door = Door::remote().await;
    let ingest = request(vec![uploaded(&door, CSV).await]);
    door.client().ingest(&ingest, None, |_| {}).await.unwrap();
    let report = door.client().verify(&VerifyRequest::default(), |_| {}).await.unwrap();
    assert_eq!((report.version_count, report.findings.len()), (1, 0), "{report:?}");
    assert!(report.object_count > 0 && report.segment_count > 0);
    let scoped = VerifyRequest { refs: vec!["sales.orders@v9".to_owned()] };
    let error = door.client().verify(&scoped, |_| {}).await.unwrap_err();
    assert_eq!(error.code(), "not-found");
}

/// Damage is a finding with a name, not an error.
#[tokio::test]
async fn damage_is_found_and_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut door = Door::remote_in_folder().await;
    let ingest = request(vec![uploaded(&door, CSV).await]);
    door.client().ingest(&ingest, None, |_| {}).await.unwrap();
    door.damaged();
    let id = ObjectId::of(CSV.as_bytes());
    let path = door.test.root().join(id.key());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&path, CSV.replace('5', "6")).unwrap();
    let report = door.client().verify(&VerifyRequest::default(), |_| {}).await.unwrap();
    let finding = report.findings.iter().find(|finding| finding.object == Some(id)).unwrap();
    assert_eq!(finding.dataset.as_ref().unwrap().to_string(), "sales.orders");
    assert_eq!(finding.versions, [1]);
}
