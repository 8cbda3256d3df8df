//! Over a real socket: cut bodies are cut, stopping is orderly, names are checked.

use std::{net::SocketAddr, time::Duration};

use futures::TryStreamExt as _;
use lakebed_api::{SqlRequest, media::SqlFormat};
use lakebed_client::{Client, ClientError};
use lakebed_server::{Auth, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use url::Url;

use crate::support::Door;

pub(crate) struct Served {
    pub(crate) door: Door,
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        let door = Door::remote().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let router = door.router.clone();
        let server =
            tokio::spawn(async move { serve(listener, router, &Auth::default(), shutdown).await });
        Self { door, address, stop, server }
    }

    fn client(&self) -> Client {
        Client::remote(Url::parse(&format!("http://{}/", self.address)).unwrap()).unwrap()
    }

    /// Everything the server sends until it closes the connection.
    async fn raw(&self, request: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is one way to cut: what came before it counts.
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn raw_sql(&self, sql: &str, accept: &str) -> String {
        let length = sql.len();
        self.raw(&format!(
            "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
             Accept: {accept}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{sql}"
        ))
        .await
    }
}

fn statement(sql: &str) -> SqlRequest {
    SqlRequest { sql: sql.to_owned(), ..SqlRequest::default() }
}

/// The last chunk is missing, so no HTTP client takes the body for whole.
#[tokio::test]
async fn a_broken_answer_has_no_last_chunk() {
    let served = Served::new().await;
    for format in SqlFormat::ALL {
        let whole = served.raw_sql("ROWS 5000", format.media_type()).await;
        assert!(whole.ends_with("0\r\n\r\n"), "{format:?}");
        let broken = served.raw_sql("BREAK 5000", format.media_type()).await;
        assert!(broken.starts_with("HTTP/1.1 200 OK"), "{format:?}");
        assert!(!broken.ends_with("0\r\n\r\n"), "{format:?}");
    }
}

/// The last line of a broken NDJSON answer arrives before the connection is cut.
#[tokio::test]
async fn the_reason_of_a_broken_ndjson_answer_arrives() {
    let served = Served::new().await;
    let broken = served.raw_sql("BREAK 5000", "application/x-ndjson").await;
    assert!(broken.contains("row 4999"), "all rows before");
    let tail = &broken[broken.len().saturating_sub(400)..];
    assert!(tail.contains("{\"problem\":") && tail.contains("sql-failed"), "{tail}");
}

#[tokio::test]
async fn the_client_sees_the_cut() {
    let served = Served::new().await;
    for format in SqlFormat::ALL {
        let whole = served.client().sql(&statement("ROWS 5000"), format).await.unwrap();
        whole.bytes.try_collect::<Vec<_>>().await.unwrap();
        let broken = served.client().sql(&statement("BREAK 5000"), format).await.unwrap();
        let error = broken.bytes.try_collect::<Vec<_>>().await.unwrap_err();
        assert!(matches!(error, ClientError::Broken { .. }), "{format:?}: {error:?}");
    }
}

/// A client that takes answers compressed reads the same, and sees the same cut.
#[tokio::test]
async fn a_client_of_another_machine_reads_the_same() {
    let served = Served::new().await;
    let client = served.client().with_compression();
    for format in SqlFormat::ALL {
        let whole = client.sql(&statement("ROWS 5000"), format).await.unwrap();
        let bytes = whole.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
        if format == SqlFormat::Csv {
            assert!(bytes.ends_with(b"4999,row 4999\r\n"));
        }
        let mut broken = client.sql(&statement("BREAK 5000"), format).await.unwrap().bytes;
        let mut received = Vec::new();
        let error = loop {
            match broken.try_next().await {
                Ok(Some(part)) => received.extend_from_slice(&part),
                Ok(None) => panic!("{format:?} ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ClientError::Broken { .. }), "{format:?}: {error:?}");
        if format == SqlFormat::Ndjson {
            let text = String::from_utf8(received).unwrap();
            assert!(text.lines().last().unwrap().starts_with("{\"problem\":"), "{text}");
        }
    }
    assert_eq!(client.openapi().await.unwrap(), served.client().openapi().await.unwrap());
    assert_eq!(client.version("sales.orders").await.unwrap_err().code(), "not-found");
}

/// Answers travel compressed where a client asks for that, cut without the end of chunks.
#[tokio::test]
async fn compressed_answers_travel_compressed() {
    let served = Served::new().await;
    let ask = async |sql: &str| {
        served
            .raw(&format!(
                "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                 Accept: text/csv\r\nAccept-Encoding: zstd\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{sql}",
                sql.len()
            ))
            .await
    };
    let whole = ask("ROWS 5000").await;
    assert!(whole.contains("content-encoding: zstd\r\n"), "{whole:.400}");
    assert!(whole.ends_with("0\r\n\r\n") && !whole.contains("row 4999"));
    let broken = ask("BREAK 5000").await;
    assert!(broken.contains("content-encoding: zstd\r\n"));
    assert!(!broken.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn the_whole_path_works_over_a_socket() {
    let served = Served::new().await;
    let client = served.client();
    let parts = [Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"id\n1\n2\n"))];
    let uploaded = client.upload("a.csv", futures::stream::iter(parts), None).await.unwrap();
    let request = lakebed_api::IngestRequest {
        dataset: "sales.orders".to_owned(),
        sources: vec![lakebed_api::IngestSource::upload("a.csv", uploaded.upload)],
        ..lakebed_api::IngestRequest::default()
    };
    let done = client.ingest(&request, None, |_| {}).await.unwrap();
    assert_eq!(done.version.row_count, Some(2));
    let object = client.object(uploaded.upload, Some(0..3)).await.unwrap();
    assert_eq!(object.bytes.try_collect::<Vec<_>>().await.unwrap().concat(), b"id\n");
    assert_eq!(client.lake().await.unwrap().lake, served.door.test.lake.id());
    let error = client.version("sales.orders@v7").await.unwrap_err();
    assert_eq!(error.code(), "not-found");
}

#[tokio::test]
async fn a_foreign_host_is_refused() {
    let served = Served::new().await;
    let foreign = served
        .raw("GET /v1/lake HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .await;
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    assert!(foreign.contains("\"code\":\"wrong-host\""), "{foreign}");
}

/// A statement under way when the server is told to stop is answered to its end.
#[tokio::test]
async fn stopping_waits_for_requests_under_way() {
    let served = Served::new().await;
    let mut answer = served.client().sql(&statement("ROWS 300000"), SqlFormat::Csv).await.unwrap();
    let first = answer.bytes.try_next().await.unwrap().unwrap();
    served.stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), async {
        while TcpStream::connect(served.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("no new connections are taken");
    let rest = answer.bytes.try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(rest.ends_with(b"299999,row 299999\r\n"), "{} bytes", first.len() + rest.len());
    served.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_is_gone_is_unreachable() {
    let served = Served::new().await;
    let client = served.client();
    client.lake().await.unwrap();
    served.stop.send(()).unwrap();
    served.server.await.unwrap().unwrap();
    let client = client.with_patience(Duration::from_millis(300));
    let error = client.lake().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_never_listens_where_others_can_reach_it() {
    let door = Door::remote().await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = serve(listener, door.router.clone(), &Auth::default(), std::future::pending())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("other machines"), "{error}");
}
