//! Answers compressed for those who take them so: the same bytes, as early, and broken as visibly.

use std::io::{Read as _, Write as _};

use axum::body::Body;
use flate2::read::GzDecoder;
use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyStream;
use lakebed_api::{
    Line,
    media::{self, SqlFormat},
};
use lakebed_core::ObjectId;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{Answer, Door, is};

const CODINGS: [&str; 2] = ["zstd", "gzip"];

async fn sql(door: &Door, sql: &str, accept: &str, accept_encoding: &str) -> Answer {
    let (accept, coding) =
        (format!("accept: {accept}"), format!("accept-encoding: {accept_encoding}"));
    let headers = ["content-type: text/plain", &accept, &coding];
    door.call("POST", "/v1/sql", &headers, sql.to_owned()).await
}

async fn get(door: &Door, method: &str, path: &str, headers: &[&str]) -> Answer {
    let headers = [&["accept-encoding: zstd, gzip"], headers].concat();
    door.call(method, path, &headers, Body::empty()).await
}

/// A whole frame, decoded; an error for one without its end.
fn decoded(bytes: &[u8], coding: &str) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    match coding {
        "zstd" => out = zstd::decode_all(bytes)?,
        "gzip" => _ = GzDecoder::new(bytes).read_to_end(&mut out)?,
        other => panic!("no such coding: {other}"),
    }
    Ok(out)
}

/// All that a reader has of a frame that may go on.
fn decoded_so_far(bytes: &[u8], coding: &str) -> Vec<u8> {
    match coding {
        "zstd" => {
            let mut decoder = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            decoder.into_inner()
        }
        _ => {
            let mut decoder = flate2::write::GzDecoder::new(Vec::new());
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            decoder.get_ref().clone()
        }
    }
}

/// What differs from answer to answer is not of the rows.
fn without_statement(body: &[u8], format: SqlFormat) -> Vec<u8> {
    if format != SqlFormat::Json {
        return body.to_vec();
    }
    let mut document: Value = serde_json::from_slice(body).unwrap();
    document["statement_id"] = Value::Null;
    serde_json::to_vec(&document).unwrap()
}

#[tokio::test]
async fn a_compressed_answer_is_the_same_answer() {
    let door = Door::remote().await;
    for format in SqlFormat::ALL {
        let accept = format.media_type();
        for statement in ["ROWS 12000", "ROWS 0"] {
            let plain = sql(&door, statement, accept, "identity").await;
            assert_eq!(plain.header("content-encoding"), "");
            assert_eq!(plain.header("vary"), "accept, accept-encoding");
            for coding in CODINGS {
                let answer = sql(&door, statement, accept, coding).await;
                assert_eq!(answer.header("vary"), "accept, accept-encoding");
                assert_eq!(answer.header("content-type"), plain.header("content-type"));
                // A Parquet file is compressed by itself.
                let expected = if format == SqlFormat::Parquet { "" } else { coding };
                assert_eq!(answer.header("content-encoding"), expected, "{format:?}");
                let body = match expected {
                    "" => answer.body.to_vec(),
                    coding => decoded(&answer.body, coding).unwrap(),
                };
                let (body, plain) =
                    (without_statement(&body, format), without_statement(&plain.body, format));
                assert!(body == plain, "{statement} as {format:?} in {coding}");
                assert!(statement == "ROWS 0" || answer.body.len() < 12_000 * 16);
            }
        }
    }
}

/// Whoever takes nothing that is offered is told so before the statement runs.
#[tokio::test]
async fn a_coding_is_negotiated() {
    let door = Door::remote().await;
    let answer = sql(&door, "ROWS 1", media::CSV, "br, identity;q=0").await;
    assert_eq!(answer.code(), is(406, "not-acceptable"));
    assert_eq!(answer.problem().hint.as_deref(), Some("take `zstd`, `gzip` or `identity`"));
    assert!(door.engine.limits.lock().unwrap().is_none(), "it did not run");
    let answer = sql(&door, "ROWS 1", media::CSV, "zstd;q=0.2, gzip;q=0.3").await;
    assert_eq!(decoded(&answer.body, "gzip").unwrap(), b"n,name\r\n0,row 0\r\n");
    let answer = sql(&door, "ROWS 1", media::CSV, "br").await;
    assert_eq!(answer.text(), "n,name\r\n0,row 0\r\n");
    let answer = sql(&door, "ROWS 1", media::PARQUET, "gzip, identity;q=0").await;
    assert_eq!(answer.header("content-encoding"), "gzip");
    assert_eq!(&decoded(&answer.body, "gzip").unwrap()[..4], b"PAR1");
}

/// All rows that are there can be read while the next ones are waited for.
#[tokio::test]
async fn rows_do_not_wait_in_a_compressor() {
    let door = Door::remote().await;
    for coding in CODINGS {
        let request = Request::post("/v1/sql")
            .header("host", "localhost")
            .header("content-type", "text/plain")
            .header("accept", media::NDJSON)
            .header("accept-encoding", coding)
            .body(Body::from("PAUSED 7000"))
            .unwrap();
        let response = door.router.clone().oneshot(request).await.unwrap();
        let mut parts = BodyStream::new(response.into_body());
        let mut received = Vec::new();
        while !decoded_so_far(&received, coding).ends_with(b"row 6999\"}\n") {
            let part = parts.next().await.unwrap().unwrap().into_data().unwrap();
            received.extend_from_slice(&part);
        }
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), parts.next()).await;
        assert!(waited.is_err(), "{coding}: it goes on");
    }
}

/// D-20: the body ends in an error, the frame has no end, and NDJSON says why.
#[tokio::test]
async fn a_compressed_answer_that_breaks_off_looks_broken() {
    let door = Door::remote().await;
    for (format, coding) in SqlFormat::ALL.into_iter().flat_map(|f| CODINGS.map(|c| (f, c))) {
        let request = Request::post("/v1/sql")
            .header("host", "localhost")
            .header("content-type", "text/plain")
            .header("accept", format.media_type())
            .header("accept-encoding", format!("{coding}, identity;q=0"))
            .body(Body::from("BREAK 5000"))
            .unwrap();
        let response = door.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-encoding"], coding);
        let mut parts = BodyStream::new(response.into_body());
        let mut received = Vec::new();
        let broken = loop {
            match parts.next().await {
                Some(Ok(part)) => received.extend_from_slice(&part.into_data().unwrap()),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broken, "{format:?} in {coding} ended as if it were whole");
        assert!(decoded(&received, coding).is_err(), "{format:?} in {coding} has an end");
        let text = decoded_so_far(&received, coding);
        let text = String::from_utf8_lossy(&text);
        if !matches!(format, SqlFormat::Parquet | SqlFormat::Arrow) {
            assert!(text.contains("row 4999"), "{format:?} in {coding}: the rows before it came");
        }
        if format == SqlFormat::Ndjson {
            let last = serde_json::from_str::<Line<()>>(text.lines().last().unwrap()).unwrap();
            let Line::Problem(problem) = last else { panic!("{text}") };
            assert_eq!(problem.code, "sql-failed");
        }
    }
}

/// What fails before the first row is a problem that anybody can read.
#[tokio::test]
async fn problems_are_not_compressed() {
    let door = Door::remote().await;
    for coding in CODINGS {
        let answer = sql(&door, "FAIL", media::NDJSON, coding).await;
        assert_eq!(answer.header("content-encoding"), "");
        assert_eq!(answer.code(), is(422, "sql-failed"));
        let answer = sql(&door, "INVALID", media::NDJSON, "gzip, identity;q=0").await;
        assert_eq!(answer.code(), is(400, "sql-invalid"));
    }
}

#[tokio::test]
async fn long_json_is_compressed_and_short_json_is_not() {
    let door = Door::remote().await;
    let plain = door.get("/openapi.json").await;
    assert_eq!((plain.header("vary"), plain.header("content-encoding")), ("accept-encoding", ""));
    let answer = get(&door, "GET", "/openapi.json", &[]).await;
    assert_eq!(answer.header("content-encoding"), "zstd");
    assert_eq!(answer.header("vary"), "accept-encoding");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert!(answer.body.len() * 4 < plain.body.len());
    assert!(decoded(&answer.body, "zstd").unwrap() == plain.body);
    let head = get(&door, "HEAD", "/openapi.json", &[]).await;
    assert_eq!(head.header("content-encoding"), "zstd");
    assert_eq!(head.header("content-length"), answer.body.len().to_string());
    assert!(head.body.is_empty());
    let short = get(&door, "GET", "/v1/lake", &[]).await;
    assert_eq!((short.header("vary"), short.header("content-encoding")), ("", ""));
    let refused = ["accept-encoding: identity;q=0"];
    let answer = door.call("GET", "/openapi.json", &refused, Body::empty()).await;
    assert_eq!(answer.json(), plain.json());
}

/// An object's bytes are what its digest and its ranges name.
#[tokio::test]
async fn objects_are_sent_as_they_are() {
    let door = Door::remote().await;
    let text = "id,name\n".to_owned() + &"1,the same again\n".repeat(1000);
    door.test.ingest("sales.orders", "orders.csv", &text).await.unwrap();
    let path = format!("/v1/objects/{}", ObjectId::of(text.as_bytes()));
    for (method, range, status, length) in [
        ("GET", None, 200, text.len()),
        ("HEAD", None, 200, text.len()),
        ("GET", Some("range: bytes=100-1999"), 206, 1900),
    ] {
        let answer = get(&door, method, &path, range.as_slice()).await;
        assert_eq!(answer.status, status, "{method} {range:?}");
        assert_eq!(answer.header("content-encoding"), "");
        assert_eq!(answer.header("content-length"), length.to_string());
    }
}

#[tokio::test]
async fn nothing_is_compressed_in_process() {
    let door = Door::local().await;
    let answer = get(&door, "GET", "/openapi.json", &[]).await;
    assert_eq!(answer.header("content-encoding"), "");
    let answer = sql(&door, "ROWS 1", media::CSV, "gzip, identity;q=0").await;
    assert_eq!(answer.text(), "n,name\r\n0,row 0\r\n");
}
