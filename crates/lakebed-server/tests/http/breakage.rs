//! What fails early is a problem; what fails late is visibly broken, in every format.

use futures::TryStreamExt as _;
use lakebed_api::{
    Line, SqlRequest,
    media::{self, SqlFormat},
};
use lakebed_client::ClientError;

use crate::support::{Door, is};

fn statement(sql: &str) -> SqlRequest {
    SqlRequest { sql: sql.to_owned(), ..SqlRequest::default() }
}

/// The status is sent after the first rows are there: whatever fails before is a problem.
#[tokio::test]
async fn what_fails_before_the_first_row_is_a_problem() {
    let door = Door::remote().await;
    for format in SqlFormat::ALL {
        let accept = format.media_type();
        assert_eq!(door.sql("FAIL", accept).await.code(), is(422, "sql-failed"), "{accept}");
        assert_eq!(door.sql("BREAK 0", accept).await.code(), is(422, "sql-failed"), "{accept}");
        let invalid = door.sql("INVALID", accept).await;
        assert_eq!(invalid.code(), is(400, "sql-invalid"), "{accept}");
        assert_eq!(invalid.problem().hint.as_deref(), Some("there is `y`"));
    }
}

/// In process the reason comes through the body's own error; the rows before it came too.
#[tokio::test]
async fn what_fails_later_reaches_the_client_in_process() {
    let door = Door::local().await;
    for format in SqlFormat::ALL {
        let answer = door.client().sql(&statement("BREAK 5000"), format).await.unwrap();
        let mut bytes = answer.bytes;
        let mut received = Vec::new();
        let error = loop {
            match bytes.try_next().await {
                Ok(Some(part)) => received.extend_from_slice(&part),
                Ok(None) => panic!("{format:?} ended as if it were whole"),
                Err(error) => break error,
            }
        };
        let ClientError::Problem(problem) = error else { panic!("{format:?}: {error}") };
        assert_eq!(problem.code, "sql-failed", "{format:?}");
        assert_eq!(problem.detail, "division by zero");
        let text = String::from_utf8_lossy(&received).into_owned();
        match format {
            SqlFormat::Parquet => assert!(!received.ends_with(b"PAR1"), "no footer"),
            SqlFormat::Arrow => assert!(received.len() > 1000, "rows came"),
            _ => assert!(text.contains("row 4999"), "{format:?}: the rows before it came"),
        }
        if format == SqlFormat::Json {
            assert!(
                serde_json::from_str::<serde_json::Value>(&text).is_err(),
                "not a whole document"
            );
        }
    }
}

#[tokio::test]
async fn ndjson_tells_the_reason_in_its_last_line() {
    let door = Door::remote().await;
    let answer = door.client().sql(&statement("BREAK 5000"), SqlFormat::Ndjson).await.unwrap();
    let mut received = Vec::new();
    let mut bytes = answer.bytes;
    while let Ok(Some(part)) = bytes.try_next().await {
        received.extend_from_slice(&part);
    }
    let text = String::from_utf8(received).unwrap();
    assert_eq!(text.lines().count(), 5001);
    let Line::Problem(problem) =
        serde_json::from_str::<Line<()>>(text.lines().last().unwrap()).unwrap()
    else {
        panic!("{text}")
    };
    assert_eq!((problem.code.as_str(), problem.status), ("sql-failed", 422));
}

/// A whole answer never looks like a broken one.
#[tokio::test]
async fn a_whole_answer_ends_without_an_error() {
    let door = Door::remote().await;
    for format in SqlFormat::ALL {
        let answer = door.client().sql(&statement("ROWS 5000"), format).await.unwrap();
        answer.bytes.try_collect::<Vec<_>>().await.unwrap();
    }
    assert_eq!(door.sql("ROWS 5000", media::NDJSON).await.text().lines().count(), 5000);
}
