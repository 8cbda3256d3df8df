//! Over a socket, against servers that say one thing and hang up.

use lakebed_api::VerifyRequest;
use lakebed_client::{Client, ClientError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use url::Url;

/// Answers every connection with `answer`, after the first bytes of a request, and hangs up.
async fn server(answer: &'static str) -> (Url, JoinHandle<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move {
        let mut count = 0;
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            count += 1;
            let mut request = [0; 4096];
            let read = socket.read(&mut request).await.unwrap();
            assert!(String::from_utf8_lossy(&request[..read]).contains(" /prefix/"));
            socket.write_all(answer.as_bytes()).await.unwrap();
            if answer.is_empty() && count == 3 {
                return count;
            }
        }
    });
    (url, server)
}

#[tokio::test]
async fn an_address_may_have_a_prefix() {
    let body = "{\"status\":\"ready\"}";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (url, _server) = server(answer.leak()).await;
    assert_eq!(Client::remote(url).unwrap().ready().await.unwrap().status, "ready");
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::remote(format!("http://{address}/").parse().unwrap()).unwrap();
    let error = client.lake().await.unwrap_err();
    assert_eq!(error.to_string(), format!("no server answers at `http://{address}/v1/lake`"));
    assert!(std::error::Error::source(&error).is_some(), "with its cause");
}

/// A connection that is cut before the answer is tried twice more, and then is an error.
#[tokio::test]
async fn a_server_that_hangs_up_is_tried_again() {
    let (url, server) = server("").await;
    let error = Client::remote(url).unwrap().lake().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
    assert_eq!(server.await.unwrap(), 3);
}

#[tokio::test]
async fn a_body_shorter_than_announced_broke_off() {
    let (url, _server) = server("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\"").await;
    let error = Client::remote(url).unwrap().ready().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_broke_off() {
    let line = "{\"progress\":{\"phase\":\"x\",\"bytes_done\":1,\"rows_done\":1}}\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{line}\r\n",
        line.len()
    );
    let (url, _server) = server(answer.leak()).await;
    let mut lines = 0;
    let verified =
        Client::remote(url).unwrap().verify(&VerifyRequest::default(), |_| lines += 1).await;
    assert!(matches!(verified, Err(ClientError::Broken { .. })), "{verified:?}");
    assert_eq!(lines, 1, "the line before it was told");
}

/// A redirect could lead the request, and what it carries, to somebody else.
#[tokio::test]
async fn redirects_are_not_followed() {
    let (url, _server) =
        server("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
            .await;
    let error = Client::remote(url).unwrap().lake().await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
}
