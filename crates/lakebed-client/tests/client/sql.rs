//! Statements: what an answer must say of itself.

use futures::TryStreamExt as _;
use lakebed_api::{
    BrokenStream, ResolvedInput, Snapshot, SqlRequest, encode_resolved, format_snapshot,
    media::SqlFormat,
};
use lakebed_client::{ClientError, SqlResponse};
use lakebed_core::{ObjectId, VersionId};

use crate::support::{broken, client, problem};

fn input() -> ResolvedInput {
    ResolvedInput {
        reference: "sales.orders".parse().unwrap(),
        dataset: "sales.orders".parse().unwrap(),
        version: 2,
        version_id: Some(VersionId::new(ObjectId::of(b"v2"))),
        newest: 3,
    }
}

fn snapshot() -> Snapshot {
    Snapshot { seq: 12, at: "2026-11-01T08:00:00Z".parse().unwrap() }
}

/// A CSV answer without the header `without`, broken off at its end if asked for.
async fn ask(without: &'static str, is_broken: bool) -> Result<SqlResponse, ClientError> {
    let (client, _) = client(move || {
        let (snapshot, resolved) = (format_snapshot(&snapshot()), encode_resolved(&[input()]));
        let headers = [
            ("content-type", "text/csv; charset=utf-8"),
            ("lakebed-statement-id", "s1"),
            ("lakebed-snapshot", &snapshot),
            ("lakebed-resolved", &resolved),
        ];
        let headers: Vec<_> = headers.into_iter().filter(|(name, _)| *name != without).collect();
        let error = is_broken.then(|| BrokenStream(Box::new(problem())).into());
        broken(&headers, &["n\r\n", "1\r\n"], error)
    });
    client.sql(&SqlRequest::default(), SqlFormat::Csv).await
}

#[tokio::test]
async fn an_answer_says_what_it_read() {
    let answer = ask("", false).await.unwrap();
    assert_eq!(answer.statement_id, "s1");
    assert_eq!((answer.snapshot, answer.resolved.as_slice()), (snapshot(), &[input()][..]));
    let bytes = answer.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
    assert_eq!(bytes, b"n\r\n1\r\n");
}

/// P5: an answer that does not say what it read is not believed.
#[tokio::test]
async fn an_answer_that_does_not_say_what_it_read_is_refused() {
    for without in ["lakebed-statement-id", "lakebed-snapshot", "lakebed-resolved", "content-type"]
    {
        let error = ask(without, false).await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{without}: {error:?}");
    }
}

#[tokio::test]
async fn a_broken_answer_ends_in_its_reason() {
    let mut bytes = ask("", true).await.unwrap().bytes;
    assert_eq!(bytes.try_next().await.unwrap().unwrap(), "n\r\n");
    assert_eq!(bytes.try_next().await.unwrap().unwrap(), "1\r\n");
    let error = bytes.try_next().await.unwrap_err();
    assert!(matches!(error, ClientError::Problem(found) if *found == problem()));
}
