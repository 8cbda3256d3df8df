//! How much a source may be and how long it may take; what it may answer.

use std::time::Duration;

use lakebed_web::{Error, Fetcher, Policy};
use tokio::{io::AsyncWriteExt as _, time::timeout};

use crate::support::{Site, anywhere, fetch, ok, policy, says_nothing};

const TOO_LONG: Duration = Duration::from_secs(20);

fn bounded(site: &Site) -> Policy {
    Policy {
        max_bytes: 1000,
        timeout_ms: 2000,
        stall_timeout_ms: 300,
        min_bytes_per_second: 1000,
        ..policy([anywhere("localhost", site)])
    }
}

async fn error(policy: Policy, site: &Site) -> Error {
    let fetching = async { fetch(&Fetcher::new(policy), &site.url("localhost")).await };
    timeout(TOO_LONG, fetching).await.expect("bounded").unwrap_err()
}

#[tokio::test]
async fn more_than_may_be_taken_is_refused_whether_announced_or_not() {
    let site = Site::saying(ok(&"x".repeat(1001))).await;
    assert!(matches!(error(bounded(&site), &site).await, Error::TooLarge { most: 1000 }));
    let endless = Site::new(|mut socket| async move {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = socket.write_all(head).await;
        while socket.write_all(b"64\r\n").await.is_ok()
            && socket.write_all(&[b'x'; 100]).await.is_ok()
            && socket.write_all(b"\r\n").await.is_ok()
        {}
    })
    .await;
    assert!(matches!(error(bounded(&endless), &endless).await, Error::TooLarge { .. }));
    let whole = Site::saying(ok(&"x".repeat(1000))).await;
    let fetched = fetch(&Fetcher::new(bounded(&whole)), &whole.url("localhost")).await;
    assert_eq!(fetched.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_source_that_says_nothing_or_too_little_is_given_up() {
    let silent = Site::new(|socket| async move {
        tokio::time::sleep(TOO_LONG).await;
        drop(socket);
    })
    .await;
    assert!(matches!(error(bounded(&silent), &silent).await, Error::TooSlow));
    let dribbling = Site::new(|mut socket| async move {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n").await;
        while socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(matches!(error(bounded(&dribbling), &dribbling).await, Error::TooSlow));
    // However well it keeps the rate, it ends.
    let patient = Policy { min_bytes_per_second: 1, timeout_ms: 500, ..bounded(&dribbling) };
    assert!(matches!(error(patient, &dribbling).await, Error::TooSlow));
}

#[tokio::test]
async fn a_source_that_breaks_off_is_not_taken_for_whole() {
    let site = Site::saying("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let error = error(bounded(&site), &site).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    says_nothing(&error);
}

/// What is packed without being asked is not what lies there.
#[tokio::test]
async fn an_answer_in_another_encoding_is_refused() {
    let packed = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nbomb";
    let site = Site::saying(packed).await;
    let error = error(bounded(&site), &site).await;
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

/// Whatever else it answers is the same to the asker: neither status nor text are told.
#[tokio::test]
async fn other_answers_all_sound_alike() {
    let mut told = Vec::new();
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nsecret",
        "HTTP/1.1 500 Internal\r\nContent-Length: 6\r\n\r\nsecret",
        "HTTP/1.1 206 Partial\r\nContent-Length: 6\r\n\r\nsecret",
        "HTTP/1.1 204 None\r\n\r\n",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ] {
        let site = Site::saying(answer).await;
        let error = error(bounded(&site), &site).await;
        says_nothing(&error);
        told.push(error.to_string());
    }
    told.dedup();
    assert_eq!(told, ["nothing could be fetched from this URL"]);
}
