//! Bytes of an object: all that were asked for, or an error.

use futures::TryStreamExt as _;
use lakebed_client::ClientError;
use lakebed_core::ObjectId;

use crate::support::{answer, broken, client};

type Range = std::ops::Range<u64>;

async fn read(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    range: Option<Range>,
) -> Result<String, ClientError> {
    let (client, _) = client(move || {
        let mut answer = answer(status, headers, "");
        *answer.body_mut() = broken(&[], &[body], None).into_body();
        answer
    });
    let object = client.object(ObjectId::of(b"x"), range).await?;
    let bytes: Vec<_> = object.bytes.try_collect().await?;
    Ok(String::from_utf8(bytes.concat()).unwrap())
}

#[tokio::test]
async fn all_bytes_of_an_object_come() {
    assert_eq!(read(200, &[("content-length", "5")], "hello", None).await.unwrap(), "hello");
    assert_eq!(read(200, &[("content-length", "0")], "", None).await.unwrap(), "");
    let part = &[("content-range", "bytes 1-3/5")];
    assert_eq!(read(206, part, "ell", Some(1..4)).await.unwrap(), "ell");
}

#[tokio::test]
async fn a_range_may_end_beyond_the_object() {
    let part = &[("content-range", "bytes 3-4/5")];
    assert_eq!(read(206, part, "lo", Some(3..100)).await.unwrap(), "lo");
}

#[tokio::test]
async fn missing_bytes_are_an_error() {
    let short = read(200, &[("content-length", "5")], "hell", None).await.unwrap_err();
    assert!(matches!(short, ClientError::Broken { .. }), "{short:?}");
}

#[tokio::test]
async fn other_bytes_than_asked_for_are_an_error() {
    let part = &[("content-range", "bytes 0-3/5")];
    for result in [
        read(200, &[("content-length", "4")], "hello", None).await,
        read(200, &[], "hello", None).await,
        read(200, &[("content-length", "5")], "hello", Some(1..4)).await,
        read(206, part, "hell", Some(1..5)).await,
        read(206, &[("content-range", "bytes 9-3/5")], "", Some(9..12)).await,
        read(206, &[("content-range", "bytes */5")], "", Some(1..2)).await,
    ] {
        assert!(matches!(result, Err(ClientError::Protocol { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn an_empty_range_is_not_asked_for() {
    let (client, log) = client(|| answer(200, &[], ""));
    assert!(client.object(ObjectId::of(b"x"), Some(3..3)).await.is_err());
    assert!(log.lock().unwrap().is_empty());
}
