//! Long work, told line by line: nothing but its last line ends it.

use lakebed_api::{BrokenStream, Line, Progress, VerifyReport, VerifyRequest};
use lakebed_client::{BoxError, ClientError};

use crate::support::{NDJSON, broken, client, problem};

fn report() -> VerifyReport {
    VerifyReport {
        version_count: 1,
        object_count: 2,
        size_bytes: 3,
        segment_count: 4,
        findings: Vec::new(),
    }
}

fn line(line: &Line<VerifyReport>) -> String {
    serde_json::to_string(line).unwrap() + "\n"
}

fn progress(rows_done: u64) -> String {
    line(&Line::Progress(Progress { rows_done, ..Progress::default() }))
}

/// What the client makes of a body of these parts, and the progress it told.
async fn follow(
    parts: &[String],
    error: Option<fn() -> BoxError>,
) -> (Result<VerifyReport, ClientError>, Vec<u64>) {
    let parts = parts.to_vec();
    let (client, _) = client(move || {
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        broken(&[NDJSON], &parts, error.map(|error| error()))
    });
    let mut seen = Vec::new();
    let request = VerifyRequest::default();
    let done = client.verify(&request, |progress| seen.push(progress.rows_done)).await;
    (done, seen)
}

#[tokio::test]
async fn progress_is_told_and_the_last_line_is_the_answer() {
    let (done, seen) = follow(&[progress(1), progress(2), line(&Line::Done(report()))], None).await;
    assert_eq!((done.unwrap(), seen), (report(), vec![1, 2]));
}

/// Lines are lines, wherever the transport cut them.
#[tokio::test]
async fn lines_may_come_in_pieces() {
    let all = [progress(1), progress(2), line(&Line::Done(report()))].concat();
    for size in [1, 7, all.len()] {
        let pieces = all.as_bytes().chunks(size).map(|piece| String::from_utf8_lossy(piece).into());
        let (done, seen) = follow(&pieces.collect::<Vec<_>>(), None).await;
        assert_eq!((done.unwrap(), seen), (report(), vec![1, 2]), "{size}");
    }
}

#[tokio::test]
async fn a_last_line_can_be_a_problem() {
    let (done, _) = follow(&[progress(1), line(&Line::Problem(problem()))], None).await;
    assert!(matches!(done.unwrap_err(), ClientError::Problem(found) if *found == problem()));
}

/// An answer without its last line is not taken for an answer, even if it ended in order.
#[tokio::test]
async fn a_body_without_its_last_line_broke_off() {
    let done = line(&Line::Done(report()));
    for parts in [vec![], vec![progress(1)], vec![progress(1), done[..done.len() - 1].to_owned()]] {
        let (done, _) = follow(&parts, None).await;
        assert!(matches!(done, Err(ClientError::Broken { .. })), "{parts:?}: {done:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_an_error_with_its_cause() {
    let (done, seen) = follow(&[progress(1)], Some(|| "reset by peer".into())).await;
    let error = done.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!((cause.as_str(), seen), ("reset by peer", vec![1]));
}

/// In process the reason of a broken body is among the causes, however deep.
#[tokio::test]
async fn the_reason_of_a_broken_body_is_found() {
    let wrapped: fn() -> BoxError =
        || Box::new(std::io::Error::other(BrokenStream(Box::new(problem()))));
    for error in [wrapped, || Box::new(BrokenStream(Box::new(problem())))] {
        let (done, _) = follow(&[progress(1)], Some(error)).await;
        assert!(matches!(done.unwrap_err(), ClientError::Problem(found) if *found == problem()));
    }
}

#[tokio::test]
async fn what_is_no_line_of_ours_is_refused() {
    for text in ["hello\n", "{\"done\":1}\n", "{\"other\":{}}\n", "\n"] {
        let (done, _) = follow(&[text.to_owned()], None).await;
        assert!(matches!(done, Err(ClientError::Protocol { .. })), "{text}: {done:?}");
    }
}
