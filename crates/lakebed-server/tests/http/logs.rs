//! What the log says of a request, and what it never says.

use std::{
    io::Write,
    sync::{Arc, LazyLock, Mutex},
};

use axum::body::Body;
use futures::TryStreamExt as _;
use lakebed_api::{SqlRequest, media::SqlFormat};
use tracing::Dispatch;

use crate::support::Door;

/// While there is only one listener, tracing asks the thread that meets a line first whether anyone
/// wants it, and keeps the answer: a test beside ours that listens to nothing would silence it for
/// all. With these two, every listener is always asked.
static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry())));

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Hears everything that this thread logs while the guard lives.
    pub(crate) fn listen(&self) -> tracing::subscriber::DefaultGuard {
        LazyLock::force(&OTHERS);
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn lines(&self, of: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(of)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn each_request_is_one_line_with_its_fields() {
    let door = Door::remote().await;
    let log = Log::default();
    let _guard = log.listen();
    let headers = ["x-request-id: job-42"];
    door.call("GET", "/v1/datasets/sales/secret_name?", &headers, Body::empty()).await;
    let lines = log.lines("answered 404");
    assert_eq!(lines.len(), 1, "{lines:?}");
    for field in [
        "GET /v1/datasets/{namespace}/{name} answered 404 after ",
        "request_id=\"job-42\"",
        "method=GET",
        "route=\"/v1/datasets/{namespace}/{name}\"",
        "status=404",
        "elapsed_ms=",
        "code=\"not-found\"",
    ] {
        assert!(lines[0].contains(field), "{field}: {}", lines[0]);
    }
}

/// Statements, parameters, names and query strings may hold what nobody should read in a log.
#[tokio::test]
async fn nothing_that_was_sent_is_logged() {
    let door = Door::remote().await;
    let log = Log::default();
    let _guard = log.listen();
    let sql = "{\"sql\": \"ROWS 1\", \"params\": [\"s3cret\"]}";
    let json = "content-type: application/json";
    door.call("POST", "/v1/sql", &[json], sql).await;
    door.sql("FAIL s3cret", "*/*;q=0.1, s3cret/s3cret").await;
    let late = SqlRequest { sql: "BREAK 5000 s3cret".to_owned(), ..SqlRequest::default() };
    let late = door.client().sql(&late, SqlFormat::Csv).await.unwrap();
    assert!(late.bytes.try_collect::<Vec<_>>().await.is_err());
    door.call("POST", "/v1/resolve", &[json], "{\"refs\": [\"s3cret.s3cret\"]}").await;
    door.call("POST", "/v1/resolve", &[json], "{\"s3cret\": 1}").await;
    door.get("/v1/datasets?namespace=s3cret").await;
    door.get("/v1/datasets?s3cret=1").await;
    door.get("/s3cret").await;
    let ours = log.lines(" after ");
    assert_eq!(ours.len(), 8, "{ours:#?}");
    assert!(log.lines("s3cret").is_empty(), "{:#?}", log.lines("s3cret"));
}

/// The cause of a failure is in the log, under the id that the client was told.
#[tokio::test]
async fn the_cause_of_a_failure_is_logged_under_its_id() {
    let door = Door::remote().await;
    let log = Log::default();
    let _guard = log.listen();
    let answer = door.sql("PANIC", "*/*").await;
    let lines = log.lines(answer.header("x-request-id"));
    let line = lines.iter().find(|line| line.contains("failed with 500")).unwrap();
    assert!(line.contains("ERROR") && line.contains("panic: scripted"), "{line}");
}
