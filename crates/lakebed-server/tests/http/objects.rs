//! Objects by their digest: whole, in parts, known already, damaged.

use axum::body::Body;
use futures::TryStreamExt as _;
use lakebed_api::ResolveRequest;
use lakebed_client::ClientError;
use lakebed_core::ObjectId;

use crate::support::{Door, is};

/// A source longer than one hash group (256 KiB).
fn long() -> String {
    (0..60_000).fold("id,name\n".to_owned(), |text, row| format!("{text}{row},row {row}\n"))
}

async fn with_source(door: &Door, bytes: &str) -> (ObjectId, String) {
    door.test.ingest("sales.orders", "orders.csv", bytes).await.unwrap();
    let id = ObjectId::of(bytes.as_bytes());
    (id, format!("/v1/objects/{id}"))
}

#[tokio::test]
async fn an_object_is_sent_with_what_there_is_to_know() {
    let door = Door::remote().await;
    let (id, path) = with_source(&door, "id\n1\n2\n").await;
    let answer = door.get(&path).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "id\n1\n2\n"));
    assert_eq!(answer.header("etag"), format!("\"b3:{id}\""));
    assert_eq!(answer.header("content-length"), "7");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable");
    let head = door.call("HEAD", &path, &[], Body::empty()).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "7");
}

#[tokio::test]
async fn a_range_is_sent_as_a_part() {
    let door = Door::remote().await;
    let text = long();
    let (id, path) = with_source(&door, &text).await;
    for (range, start, end) in [
        ("0-9", 0, 10),
        ("-5", text.len() - 5, text.len()),
        ("262140-262150", 262_140, 262_151),
        ("600000-", 600_000, text.len()),
    ] {
        let header = format!("range: bytes={range}");
        let answer = door.call("GET", &path, &[&header], Body::empty()).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.text(), &text[start..end], "{range}");
        let sent = format!("bytes {start}-{}/{}", end - 1, text.len());
        assert_eq!(answer.header("content-range"), sent);
    }
    let answer = door.call("GET", &path, &["range: bytes=9999999-"], Body::empty()).await;
    assert_eq!(answer.code(), is(416, "range-not-satisfiable"));
    assert_eq!(answer.header("content-range"), format!("bytes */{}", text.len()));
    let answer = door.call("GET", &path, &["range: bytes=0-1,4-5"], Body::empty()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, text.len()));
    // A range is of what is sent; with `HEAD` nothing is.
    for range in ["bytes=0-9", "bytes=9999999-"] {
        let header = format!("range: {range}");
        let head = door.call("HEAD", &path, &[&header], Body::empty()).await;
        assert_eq!(head.status, 200, "{range}");
        assert_eq!(head.header("content-length"), text.len().to_string(), "{range}");
        assert_eq!(head.header("content-range"), "", "{range}");
    }
    for (tag, status) in [(id, 206), (ObjectId::of(b"another"), 200)] {
        let if_range = format!("if-range: \"b3:{tag}\"");
        let answer = door.call("GET", &path, &["range: bytes=0-1", &if_range], Body::empty()).await;
        assert_eq!(answer.status, status);
    }
    let bytes = door.client().object(id, Some(5..12)).await.unwrap();
    assert_eq!((bytes.size_bytes, bytes.range.clone()), (text.len() as u64, 5..12));
    let bytes = bytes.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(bytes, text.as_bytes()[5..12]);
}

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let door = Door::remote().await;
    let (id, path) = with_source(&door, "id\n1\n").await;
    for known in [format!("\"b3:{id}\""), format!("\"x\", W/\"b3:{id}\""), "*".to_owned()] {
        let header = format!("if-none-match: {known}");
        let answer = door.call("GET", &path, &[&header], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("etag"), format!("\"b3:{id}\""));
    }
    let header = format!("if-none-match: \"{id}\"");
    assert_eq!(door.call("GET", &path, &[&header], Body::empty()).await.status, 200);
}

#[tokio::test]
async fn an_object_nobody_committed_is_not_found() {
    let door = Door::remote().await;
    let uploaded = door.client().upload("a.csv", chunks("id\n1\n"), None).await.unwrap();
    let answer = door.get(&format!("/v1/objects/{}", uploaded.upload)).await;
    assert_eq!(answer.code(), is(404, "not-found"));
}

fn chunks(
    text: &str,
) -> impl futures::Stream<Item = Result<bytes::Bytes, std::io::Error>> + Send + 'static {
    futures::stream::iter([Ok(bytes::Bytes::copy_from_slice(text.as_bytes()))])
}

/// Flips one bit of the stored object at `offset`.
pub(crate) fn flip(door: &Door, id: ObjectId, offset: usize) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = door.test.root().join(id.key());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

/// P3: damage where the bytes begin is a problem, and no byte of it is sent.
#[tokio::test]
async fn damage_at_the_start_is_a_problem_that_names_the_object() {
    let mut door = Door::remote_in_folder().await;
    let (id, path) = with_source(&door, "id\n1\n2\n").await;
    door.damaged();
    flip(&door, id, 3);
    let answer = door.get(&path).await;
    assert_eq!(answer.code(), is(500, "corrupt"));
    assert!(answer.problem().detail.contains(&id.to_string()));
}

/// P3: damage further on cuts the body before any damaged byte.
#[tokio::test]
async fn damage_further_on_cuts_the_body() {
    let mut door = Door::remote_in_folder().await;
    // Long enough that its last group is not read together with the first.
    let text = long().repeat(40);
    let (id, _) = with_source(&door, &text).await;
    door.damaged();
    let at = text.len() - 10;
    flip(&door, id, at);
    let mut bytes = door.client().object(id, None).await.unwrap().bytes;
    let mut received = Vec::new();
    let error = loop {
        match bytes.try_next().await {
            Ok(Some(part)) => received.extend_from_slice(&part),
            Ok(None) => panic!("it ended as if it were whole"),
            Err(error) => break error,
        }
    };
    assert!(!received.is_empty() && received.len() <= at);
    assert_eq!(received, text.as_bytes()[..received.len()]);
    let ClientError::Problem(problem) = error else { panic!("{error}") };
    assert_eq!(problem.code, "corrupt");
    let good = door.client().object(id, Some(0..100)).await.unwrap();
    let good = good.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(good, text.as_bytes()[..100], "undamaged parts can still be read");
}

/// Everything that `resolve` links to can be fetched, and is what its digest says.
#[tokio::test]
async fn every_link_of_a_version_can_be_followed() {
    let door = Door::remote().await;
    with_source(&door, &long()).await;
    let request =
        ResolveRequest { refs: vec!["sales.orders".to_owned()], files: true, ..Default::default() };
    let answer = door.client().resolve(&request).await.unwrap();
    let found = &answer.versions[0];
    let sources = found.sources.as_ref().unwrap().iter().map(|source| &source.file);
    for file in found.files.as_ref().unwrap().iter().chain(sources) {
        let bytes = door.client().object(file.object, None).await.unwrap().bytes;
        let bytes = bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        assert_eq!(ObjectId::of(&bytes), file.object);
    }
}

/// Where nothing can be signed, links are paths on the server, however long they are asked to last.
#[tokio::test]
async fn a_lifetime_of_links_is_bounded_and_means_nothing_in_a_folder() {
    let door = Door::remote_in_folder().await;
    with_source(&door, "id\n1\n2\n").await;
    let request = |seconds| ResolveRequest {
        refs: vec!["sales.orders".to_owned()],
        files: true,
        url_seconds: Some(seconds),
    };
    for seconds in [0, 60, 604_800] {
        let answer = door.client().resolve(&request(seconds)).await.unwrap();
        assert!(answer.versions[0].files.as_ref().unwrap()[0].url.starts_with("/v1/objects/"));
    }
    let refused = door.client().resolve(&request(604_801)).await;
    let Err(ClientError::Problem(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!((problem.status, problem.code.as_str()), (400, "invalid-url-seconds"));
}

/// P3: an object that is gone is damage of the lake, not a wrong name; no path is told.
#[tokio::test]
async fn an_object_that_is_gone_is_damage() {
    let mut door = Door::remote_in_folder().await;
    let (id, path) = with_source(&door, "id\n1\n2\n").await;
    door.damaged();
    std::fs::remove_file(door.test.root().join(id.key())).unwrap();
    let answer = door.get(&path).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert!(!answer.text().contains(door.test.root().to_str().unwrap()), "{}", answer.text());
}
