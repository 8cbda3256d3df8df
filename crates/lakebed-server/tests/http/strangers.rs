//! What a peer may do to a socket: speak slowly, listen slowly, say too much, say it wrongly.
//!
//! Over real sockets and bytes, for an HTTP client would not do it. Every case ends by itself.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use lakebed_server::{Limits, Server};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::support::Door;

/// Longer than anything here takes; a test that needs it has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

struct Served {
    _door: Door,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
    _server: JoinHandle<std::io::Result<()>>,
}

/// Limits that a test can wait for.
fn short() -> Limits {
    Limits {
        head_timeout_ms: 300,
        idle_timeout_ms: 600,
        stall_timeout_ms: 500,
        min_bytes_per_second: 1000,
        answer_idle_timeout_ms: 500,
        ..Limits::default()
    }
}

async fn served(limits: Limits) -> Served {
    let door = Door::remote_with(limits.clone()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(listener, door.router.clone()).with_limits(limits);
    let server = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        server.run(stopped).await
    });
    Served { _door: door, address, _stop: stop, _server: server }
}

impl Served {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends everything, if it is taken, and reads until the server ends the connection.
    async fn raw(&self, request: impl Into<Vec<u8>>) -> String {
        let (mut reading, mut writing) = self.connect().await.into_split();
        let request = request.into();
        let sent = tokio::spawn(async move {
            // The server may have had enough.
            let _ = writing.write_all(&request).await;
            writing
        });
        let mut answer = Vec::new();
        let read = timeout(TOO_LONG, reading.read_to_end(&mut answer)).await;
        let read = read.expect("the server ends the connection");
        let _writing = timeout(TOO_LONG, sent).await.expect("written or refused").unwrap();
        // A reset after the answer is no loss; before it, it is.
        assert!(read.is_ok() || !answer.is_empty(), "reset without an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// That the server still answers, at once.
    async fn is_well(&self) {
        let answer = timeout(TOO_LONG, self.raw(get("/health/live", "Connection: close\r\n")));
        assert!(answer.await.unwrap().starts_with("HTTP/1.1 200"));
    }
}

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// That an answer is one whole problem and nothing else, and that it says it is the last.
#[track_caller]
fn is_problem(answer: &str, status: u16, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with(&format!("http/1.1 {status} ")), "{answer}");
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    let problem: lakebed_api::Problem = serde_json::from_str(body).unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (status, code));
    assert!(head.contains(&format!("x-request-id: {}", problem.instance)), "{answer}");
}

/// Slowloris: one byte of the header now and then.
#[tokio::test]
async fn a_header_that_dribbles_is_ended() {
    let served = served(short()).await;
    let (mut reading, mut writing) = served.connect().await.into_split();
    let dribble = tokio::spawn(async move {
        for byte in get("/v1/lake", &"X-Slow: yes\r\n".repeat(20)).into_bytes() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let started = Instant::now();
    let mut answer = String::new();
    let read = timeout(TOO_LONG, reading.read_to_string(&mut answer)).await.unwrap();
    assert!(read.is_ok(), "{read:?}");
    is_problem(&answer, 408, "slow-request");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    dribble.abort();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_ended_without_a_word() {
    let served = served(short()).await;
    assert_eq!(served.raw("").await, "");
}

#[tokio::test]
async fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    let served = served(short()).await;
    let mut socket = served.connect().await;
    // Three requests, together longer than the time for one header.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        socket.write_all(get("/health/live", "").as_bytes()).await.unwrap();
        let mut part = vec![0; 4096];
        let count = timeout(TOO_LONG, socket.read(&mut part)).await.unwrap().unwrap();
        assert!(part[..count].starts_with(b"HTTP/1.1 200"));
    }
    let mut rest = Vec::new();
    timeout(TOO_LONG, socket.read_to_end(&mut rest)).await.expect("ended").unwrap();
    assert!(rest.is_empty(), "an idle connection ends without a word");
}

#[tokio::test]
async fn too_many_fields_are_refused() {
    let served = served(Limits::default()).await;
    for count in [101, 10_000] {
        let fields: String = (0..count).map(|n| format!("X-{n}: 1\r\n")).collect();
        let answer = served.raw(get("/v1/lake", &fields)).await;
        is_problem(&answer, 431, "header-too-large");
    }
    let long = format!("X-Long: {}\r\n", "x".repeat(1 << 20));
    is_problem(&served.raw(get("/v1/lake", &long)).await, 431, "header-too-large");
    served.is_well().await;
}

#[tokio::test]
async fn a_path_of_a_megabyte_is_refused() {
    let served = served(Limits::default()).await;
    let answer = served.raw(get(&format!("/{}", "x".repeat(1 << 20)), "")).await;
    is_problem(&answer, 414, "uri-too-long");
    served.is_well().await;
}

/// Nothing that two parties could read as two different numbers of requests is answered as one.
#[tokio::test]
async fn requests_that_could_hide_another_are_refused() {
    let served = served(Limits::default()).await;
    let hidden = "GET /v1/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let post = |fields: &str, body: &str| {
        format!(
            "POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             {fields}\r\n{body}{hidden}"
        )
    };
    let cases = [
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 5\r\n", "")),
        ("a list of lengths", post("Content-Length: 0, 5\r\n", "")),
        ("a signed length", post("Content-Length: +5\r\n", "")),
        ("a length that overflows", post("Content-Length: 18446744073709551617\r\n", "")),
        ("a folded field", post("X-A: b\r\n Content-Length: 5\r\n", "")),
        ("a space before the colon", post("Content-Length : 5\r\n", "")),
        ("a zero byte", post("X-A: b\0c\r\n", "")),
        ("a lone carriage return", post("X-A: b\rX-C: d\r\n", "")),
        ("an encoding that does not end chunked", post("Transfer-Encoding: chunked, x\r\n", "")),
        ("no protocol", format!("GET /v1/lake\r\n\r\n{hidden}")),
        ("another protocol", format!("GET /v1/lake HTTP/2.7\r\n\r\n{hidden}")),
        ("a space in the path", format!("GET /v1/ lake HTTP/1.1\r\n\r\n{hidden}")),
        ("no request at all", "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03".to_owned()),
    ];
    for (what, request) in cases {
        let answer = served.raw(request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
        is_problem(&answer, 400, "malformed-request");
    }
    served.is_well().await;
}

/// RFC 9112, section 6.3: the encoding counts, the length is ignored, and the connection ends, so
/// that whatever follows is nobody's request.
#[tokio::test]
async fn a_length_beside_an_encoding_hides_nothing() {
    let served = served(Limits::default()).await;
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 500\r\n",
    ] {
        let answer = served
            .raw(format!(
                "POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 {fields}\r\n0\r\n\r\nGET /v1/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ))
            .await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        is_problem(&answer, 400, "invalid-json");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

/// A lone line feed ends a line (RFC 9112, section 2.2, allows it): one request, one answer.
#[tokio::test]
async fn a_lone_line_feed_ends_a_line_and_nothing_more() {
    let served = served(Limits::default()).await;
    let answer =
        served.raw("GET /health/live HTTP/1.1\nHost: localhost\nConnection: close\n\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[tokio::test]
async fn chunks_with_endless_extensions_are_refused() {
    let served = served(short()).await;
    let extension = "x".repeat(1 << 20);
    let head = "POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\n\
                Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = served.raw(format!("{head}1;{extension}\r\n{{\r\n0\r\n\r\n")).await;
    is_problem(&answer, 400, "broke-off");
    // Many small ones are no better.
    let many = "1;abcdefghijklmnopqrstuvwxyz\r\n \r\n".repeat(10_000);
    let answer = served.raw(format!("{head}{many}0\r\n\r\n")).await;
    is_problem(&answer, 400, "broke-off");
    served.is_well().await;
}

/// One peer that takes all it may have leaves room for others, and gets a problem beyond it.
#[tokio::test]
async fn connections_beyond_the_limit_are_told_so() {
    let limits = Limits { connections: 50, connections_per_peer: 3, ..Limits::default() };
    let served = served(limits).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut socket = served.connect().await;
        socket.write_all(get("/health/live", "").as_bytes()).await.unwrap();
        let mut part = [0; 16];
        timeout(TOO_LONG, socket.read_exact(&mut part)).await.unwrap().unwrap();
        held.push(socket);
    }
    let answer = served.raw(get("/v1/lake", "")).await;
    is_problem(&answer, 503, "too-many-connections");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    drop(held);
    let well = async {
        while !served.raw(get("/health/live", "Connection: close\r\n")).await.contains(" 200 ") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TOO_LONG, well).await.expect("places are given back");
}

/// A client that does not take its answer is cut, and its statement ends with it.
#[tokio::test]
async fn a_peer_that_does_not_listen_is_cut() {
    let served = served(short()).await;
    let mut socket = served.connect().await;
    let sql = "ENDLESS";
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
         Accept: text/csv\r\nContent-Length: {}\r\n\r\n{sql}",
        sql.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let dropped = Arc::clone(&served._door.engine.dropped);
    let cut = async {
        while !dropped.load(std::sync::atomic::Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TOO_LONG, cut).await.expect("the statement ends");
    served.is_well().await;
}

/// An answer in which nothing happens any more is cut, visibly.
#[tokio::test]
async fn an_answer_that_falls_silent_is_cut() {
    let served = served(short()).await;
    let sql = "PAUSED 5000";
    let request = format!(
        "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
         Accept: text/csv\r\nContent-Length: {}\r\n\r\n{sql}",
        sql.len()
    );
    let answer = served.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
    assert!(!answer.ends_with("0\r\n\r\n"), "no last chunk: it is not whole");
}

/// A connection is closed in order after its last request.
#[tokio::test]
async fn a_connection_carries_so_many_requests() {
    let served = served(Limits { requests_per_connection: 3, ..Limits::default() }).await;
    let answer = served.raw(get("/health/live", "").repeat(5)).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

/// Hundreds of bad connections leave nothing behind: no task, no memory to speak of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_connections_leave_nothing_behind() {
    // Resident memory is the process's: other tests beside this one would be taken for a leak.
    if !alone("strangers::bad_connections_leave_nothing_behind") {
        return;
    }
    let served = served(short()).await;
    let bad: [Vec<u8>; 4] = [
        b"nonsense\r\n\r\n".to_vec(),
        get(&format!("/{}", "x".repeat(100_000)), "").into_bytes(),
        get("/v1/lake", &"X-A: b\r\n".repeat(200)).into_bytes(),
        b"GET /v1/lake HTTP/1.1\r\nHost: localhost\r\nX-Unfin".to_vec(),
    ];
    let round = async |count: usize| {
        for batch in 0..count {
            let all = (0..20).map(|n| served.raw(bad[(batch + n) % bad.len()].clone()));
            futures::future::join_all(all).await;
        }
    };
    round(5).await;
    let before = (alive_tasks(), resident_bytes());
    round(30).await;
    let settled = async {
        while alive_tasks() > before.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TOO_LONG, settled).await.expect("tasks end with their connections");
    let grown = resident_bytes().saturating_sub(before.1);
    assert!(grown < 32 << 20, "{grown} bytes more for 600 connections");
    served.is_well().await;
}

/// Whether this process runs the one test; if not, one that does has run, and passed.
fn alone(test: &str) -> bool {
    const ALONE: &str = "LAKEBED_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "it is the test that ran: {said}");
    false
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
