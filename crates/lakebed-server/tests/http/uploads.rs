//! Uploads in parts: resumed, repeated, raced, bounded, and nobody else's.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lakebed_api::{IngestRequest, IngestSource, UploadState};
use lakebed_client::{BoxError, Client, UploadSource};
use lakebed_core::ObjectId;
use lakebed_service::{AdmissionLimits, UploadLimits, WorkLimits};

use crate::{
    proxy::Proxy,
    sockets::Served,
    support::{Answer, Door, is},
};

/// Bytes that repeat nowhere near.
fn bytes(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

fn state(answer: &Answer) -> UploadState {
    assert!(answer.status.is_success(), "{}", answer.text());
    let state: UploadState = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.header("upload-offset"), state.offset.to_string());
    assert_eq!(answer.header("upload-complete") == "?1", state.upload.is_some());
    state
}

async fn begin(door: &Door, headers: &[&str]) -> UploadState {
    let headers = [&["upload-complete: ?0"], headers].concat();
    let answer = door.call("POST", "/v1/uploads?name=x.csv", &headers, Bytes::new()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    let state = state(&answer);
    assert_eq!(answer.header("location"), format!("/v1/uploads/{}", state.id));
    state
}

async fn send(door: &Door, id: &str, offset: u64, body: Bytes, headers: &[&str]) -> Answer {
    let offset = format!("upload-offset: {offset}");
    let fixed = ["content-type: application/partial-upload", offset.as_str()];
    let headers = [&fixed, headers].concat();
    door.call("PATCH", &format!("/v1/uploads/{id}"), &headers, body).await
}

const LAST: &[&str] = &["upload-complete: ?1"];

#[tokio::test]
async fn parts_that_follow_each_other_are_one_upload() {
    let door = Door::remote().await;
    let whole = bytes(100_000);
    let id = begin(&door, &["upload-length: 100000"]).await.id;
    let path = format!("/v1/uploads/{id}");
    state(&send(&door, &id, 0, whole.slice(..40_000), &[]).await);
    let asked = door.call("HEAD", &path, &[], Bytes::new()).await;
    assert_eq!((asked.header("upload-offset"), asked.header("upload-complete")), ("40000", "?0"));
    assert_eq!(asked.header("upload-length"), "100000");
    assert_eq!(state(&door.get(&path).await).offset, 40_000);
    let done = state(&send(&door, &id, 40_000, whole.slice(40_000..), LAST).await);
    assert_eq!(done.upload, Some(ObjectId::of(&whole)));
    // The answer may be lost, and asked for again.
    let again = state(&send(&door, &id, 40_000, whole.slice(40_000..), LAST).await);
    assert_eq!(again, done);
    assert_eq!(state(&send(&door, &id, 100_000, Bytes::new(), LAST).await), done);
}

/// Whatever was sent before may be sent again, in other pieces, too.
#[tokio::test]
async fn a_part_may_be_sent_twice() {
    let door = Door::remote().await;
    let whole = bytes(50_000);
    let id = begin(&door, &[]).await.id;
    for (start, end) in [(0, 10_000), (0, 10_000), (5_000, 20_000), (2_000, 15_000), (0, 30_000)] {
        let sent = send(&door, &id, start, whole.slice(start as usize..end), &[]).await;
        assert!(state(&sent).offset >= end as u64);
    }
    let done = state(&send(&door, &id, 25_000, whole.slice(25_000..), LAST).await);
    assert_eq!((done.upload, done.offset), (Some(ObjectId::of(&whole)), 50_000));
}

#[tokio::test]
async fn missing_bytes_are_named() {
    let door = Door::remote().await;
    let id = begin(&door, &[]).await.id;
    send(&door, &id, 0, bytes(10), &[]).await;
    let gap = send(&door, &id, 11, bytes(10), &[]).await;
    assert_eq!(gap.code(), is(409, "upload-offset"));
    assert_eq!(gap.header("upload-offset"), "10");
    let answer = send(&door, "0123456789abcdef", 0, bytes(1), &[]).await;
    assert_eq!(answer.code(), is(404, "not-found"));
    let headers = ["content-type: text/plain", "upload-offset: 0"];
    let answer = door.call("PATCH", &format!("/v1/uploads/{id}"), &headers, bytes(1)).await;
    assert_eq!(answer.code(), is(415, "unsupported-media-type"));
    for wrong in ["upload-complete: yes", "upload-length: -1", "upload-length: 1e3"] {
        let headers = ["upload-complete: ?0", wrong];
        let answer = door.call("POST", "/v1/uploads", &headers[1..], bytes(1)).await;
        assert_eq!(answer.code(), is(400, "invalid-upload"), "{wrong}");
    }
}

#[tokio::test]
async fn what_is_not_as_declared_is_refused() {
    let door = Door::remote().await;
    let digest = |bytes: &[u8]| format!("lakebed-digest: b3={}", ObjectId::of(bytes));
    let id = begin(&door, &["upload-length: 100"]).await.id;
    let answer = send(&door, &id, 0, bytes(101), &[]).await;
    assert_eq!(answer.code(), is(422, "upload-too-long"));
    let answer = send(&door, &id, 0, bytes(99), LAST).await;
    assert_eq!(answer.code(), is(422, "length-mismatch"));
    // Declared at the beginning, or said at the end.
    for headers in [[digest(b"x").as_str(), "x: y"], ["x: y", digest(b"x").as_str()]] {
        let id = begin(&door, &headers[..1]).await.id;
        let headers = ["upload-complete: ?1", headers[1]];
        let answer = send(&door, &id, 0, bytes(10), &headers).await;
        assert_eq!(answer.code(), is(422, "digest-mismatch"));
        let gone = door.get(&format!("/v1/uploads/{id}")).await;
        assert_eq!(gone.code(), is(404, "not-found"), "it can only begin again");
    }
}

/// Found on PostgreSQL, which keeps no NUL: on SQLite it was taken.
#[tokio::test]
async fn a_name_is_text_to_show() {
    let door = Door::remote().await;
    for headers in [&[][..], &["upload-complete: ?0"]] {
        let answer = door.call("POST", "/v1/uploads?name=a%00b", headers, "x").await;
        assert_eq!(answer.code(), (400, "bad-upload-name".to_owned()));
    }
}

/// Two who send the same help each other; of two who send different bytes, one is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_do_not_corrupt_an_upload() {
    let door = Door::remote().await;
    let whole = bytes(400_000);
    let id = begin(&door, &["upload-length: 400000"]).await.id;
    let write = |step: usize| {
        let (door, id, whole) = (&door, &id, whole.clone());
        async move {
            for start in (0..whole.len()).step_by(step) {
                let part = whole.slice(start..(start + step).min(whole.len()));
                let sent = send(door, id, start as u64, part, &[]).await;
                assert!(sent.status.is_success(), "{}", sent.text());
            }
        }
    };
    tokio::join!(write(7_001), write(11_003), write(64_000));
    let done = state(&send(&door, &id, 400_000, Bytes::new(), LAST).await);
    assert_eq!(done.upload, Some(ObjectId::of(&whole)));

    let other: Bytes = whole.iter().map(|byte| !byte).collect();
    let id = begin(&door, &[]).await.id;
    let (one, two) = tokio::join!(
        send(&door, &id, 0, whole.slice(..1000), &[]),
        send(&door, &id, 0, other.slice(..1000), &[]),
    );
    let (winner, loser) = match one.status.is_success() {
        true => (&whole, two),
        false => (&other, one),
    };
    assert_eq!(loser.code(), is(422, "upload-differs"));
    let done = state(&send(&door, &id, 1000, winner.slice(1000..2000), LAST).await);
    assert_eq!(done.upload, Some(ObjectId::of(&winner[..2000])));
}

#[tokio::test]
async fn an_upload_is_its_senders_alone() {
    let door = Door::remote().await;
    let id = begin(&door, &[]).await.id;
    let mallory = door.of("mallory");
    let path = format!("/v1/uploads/{id}");
    let nobodys = mallory.get("/v1/uploads/0123456789abcdef").await.problem().detail;
    for method in ["GET", "DELETE"] {
        let answer = mallory.call(method, &path, &[], Bytes::new()).await;
        assert_eq!(
            (answer.code(), answer.problem().detail),
            (is(404, "not-found"), nobodys.clone())
        );
    }
    let answer = send(&mallory, &id, 0, bytes(1), &[]).await;
    assert_eq!((answer.code(), answer.problem().detail), (is(404, "not-found"), nobodys));
    let mine = door.call("DELETE", &path, &[], Bytes::new()).await;
    assert_eq!(mine.status, StatusCode::NO_CONTENT);
    assert_eq!(door.get(&path).await.code(), is(404, "not-found"));
}

/// Any server of a lake goes on with what another began, and so does the same one after a restart.
#[tokio::test]
async fn another_server_goes_on() {
    let one = Door::remote().await;
    let (two, three) = (one.another().await, one.another().await);
    let csv = Bytes::from("id,price\n".to_owned() + &"1,2.5\n".repeat(20_000));
    let id = begin(&one, &[]).await.id;
    state(&send(&one, &id, 0, csv.slice(..50_000), &[]).await);
    let asked = state(&two.get(&format!("/v1/uploads/{id}")).await);
    assert_eq!(asked.offset, 50_000);
    let done = state(&send(&two, &id, 50_000, csv.slice(50_000..), LAST).await);
    let request = IngestRequest {
        dataset: "sales.orders".to_owned(),
        sources: vec![IngestSource::upload("orders.csv", done.upload.unwrap())],
        ..IngestRequest::default()
    };
    let made = three.client().ingest(&request, None, |_| {}).await.unwrap();
    assert_eq!(made.version.row_count, Some(20_000));
    // What became an object waits no longer.
    assert_eq!(one.get(&format!("/v1/uploads/{id}")).await.code(), is(404, "not-found"));
    assert!(one.test.lake.store().waiting_uploads().await.unwrap().is_empty());
}

fn limits(uploads: UploadLimits) -> WorkLimits {
    let one = AdmissionLimits { at_once: 1, queued: 2, queued_per_principal: 2 };
    WorkLimits { ingests: one, statements: one, uploads, ..WorkLimits::default() }
}

/// Who can mend it decides: too large for ever, too much of one's own, too much of everyone's.
#[tokio::test]
async fn the_room_for_uploads_is_bounded() {
    let door = Door::remote().await;
    let room = UploadLimits {
        total_bytes: 1500,
        principal_bytes: 1000,
        principal_count: 3,
        kept: Duration::from_secs(60),
    };
    door.test.lake.limit_work(&limits(room));
    let post = |size: usize| door.call("POST", "/v1/uploads", &[], bytes(size));
    assert_eq!(post(1001).await.code(), is(413, "too-large"));
    let headers = ["upload-complete: ?0", "upload-length: 1001"];
    let answer = door.call("POST", "/v1/uploads", &headers, Bytes::new()).await;
    assert_eq!(answer.code(), is(413, "too-large"));
    assert_eq!(post(600).await.status, 200);
    let full = post(600).await;
    assert_eq!(full.code(), is(429, "too-many-uploads"));
    assert_eq!(full.header("retry-after"), "60");
    assert!(full.problem().hint.unwrap().contains("ingest"));
    // A length that is not declared is found out on the way; what came before is kept.
    let id = begin(&door, &[]).await.id;
    state(&send(&door, &id, 0, bytes(300), &[]).await);
    assert_eq!(send(&door, &id, 300, bytes(200), &[]).await.code(), is(429, "too-many-uploads"));
    assert_eq!(state(&door.get(&format!("/v1/uploads/{id}")).await).offset, 300);
    let bob = door.of("bob");
    let answer = bob.call("POST", "/v1/uploads", &[], bytes(700)).await;
    assert_eq!(answer.code(), is(507, "no-room"));
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(bob.call("POST", "/v1/uploads", &[], bytes(600)).await.status, 200);
    assert_eq!(
        door.call("DELETE", &format!("/v1/uploads/{id}"), &[], Bytes::new()).await.status,
        204
    );
}

/// What nothing comes for is forgotten, and bytes that belong to no upload are removed.
#[tokio::test]
async fn uploads_expire() {
    let door = Door::remote().await;
    let id = begin(&door, &[]).await.id;
    send(&door, &id, 0, bytes(10), &[]).await;
    let lake = &door.test.lake;
    let stray = lake.store().stage_stream(futures::stream::iter([Ok::<_, BoxError>(bytes(9))]));
    lake.store().wait("stray", 0, &stray.await.unwrap()).await.unwrap();
    lake.sweep_uploads().await.unwrap();
    assert_eq!(lake.store().waiting_uploads().await.unwrap(), [id.as_str()]);
    let at_once = UploadLimits { kept: Duration::ZERO, ..UploadLimits::default() };
    lake.limit_work(&limits(at_once));
    lake.sweep_uploads().await.unwrap();
    assert_eq!(door.get(&format!("/v1/uploads/{id}")).await.code(), is(404, "not-found"));
    assert!(lake.store().waiting_uploads().await.unwrap().is_empty());
}

/// Bytes in memory, as a file would have them.
struct Memory(Bytes);

impl UploadSource for Memory {
    async fn read(&mut self, offset: u64, most: usize) -> Result<Bytes, BoxError> {
        let start = offset as usize;
        Ok(self.0.slice(start..(start + most).min(self.0.len())))
    }

    fn digest(&self) -> Option<ObjectId> {
        Some(ObjectId::of(&self.0))
    }
}

/// 40 MB through a proxy that cuts connections at random points: byte for byte what was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_lose_nothing() {
    let served = Served::new().await;
    let proxy = Proxy::before(served.address, 3_000_000).await;
    let client = Client::remote(proxy.url()).unwrap().with_patience(Duration::from_secs(60));
    // One answer, so that the client knows that somebody is there.
    while client.lake().await.is_err() {}
    let whole = bytes(40_000_000);
    let mut arrived = 0;
    let uploaded = client
        .upload_from("x.bin", Some(whole.len() as u64), &mut Memory(whole.clone()), |bytes| {
            arrived += bytes;
        })
        .await
        .unwrap();
    assert_eq!(uploaded.upload, ObjectId::of(&whole));
    assert_eq!(arrived, whole.len() as u64, "progress counts every byte once");
    assert!(proxy.cuts() > 5, "{} cuts", proxy.cuts());
    let request = IngestRequest {
        dataset: "a.b".to_owned(),
        sources: vec![IngestSource::upload("x.bin", uploaded.upload)],
        options: lakebed_core::DecodeOptions {
            format: Some(lakebed_core::FormatName::Files),
            ..lakebed_core::DecodeOptions::default()
        },
        ..IngestRequest::default()
    };
    let job = client.submit_ingest(&request, "through the proxy").await.unwrap();
    client.follow_ingest(&job.id, |_| {}).await.unwrap();
    let answer = served.door.get(&format!("/v1/objects/{}", ObjectId::of(&whole))).await;
    assert!(answer.body == whole, "the object is the bytes");
}
