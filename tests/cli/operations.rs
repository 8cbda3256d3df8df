//! A server's life: stopping in order, TLS, metrics, traces, and a log that keeps secrets.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;

use crate::{
    served::{Served, path_of, until},
    world::World,
};

/// More than any socket holds: whoever reads it has to ask for more.
const LONG: &str = "SELECT a.name AS a, b.name AS b, c.name AS c, d.name AS d, e.name AS e \
    FROM nyc.airlines a CROSS JOIN nyc.airlines b CROSS JOIN nyc.airlines c \
    CROSS JOIN nyc.airlines d CROSS JOIN nyc.airlines e LIMIT 600000";

fn statement(sql: &str) -> String {
    format!(
        "POST /v1/sql HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n\
         accept: text/csv\r\nx-request-id: job-42\r\ncontent-length: {}\r\n\r\n{sql}",
        sql.len()
    )
}

/// An answer that has begun, and goes on when it is read.
fn begun(server: &Served) -> TcpStream {
    let mut stream = server.send(&statement(LONG));
    let mut first = [0; 1024];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&first));
    stream
}

fn rest_of(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A reset is one way to cut.
    let _ = stream.read_to_end(&mut rest);
    rest
}

#[test]
fn a_server_told_to_stop_finishes_what_it_has() {
    let world = World::with_airlines();
    let server = Served::start(&world, &["--metrics-listen", "127.0.0.1:0"]);
    let answer = begun(&server);
    assert_eq!(server.get_operators("/health/ready").0, 200);
    server.signal("-TERM");
    until("it is not ready", || server.get_operators("/health/ready").0 == 503);
    let (_, why) = server.get_operators("/health/ready");
    assert!(why.contains("the server is stopping"), "{why}");
    assert_eq!(server.get_operators("/health/live").0, 200);
    until("it takes no connections", || TcpStream::connect(server.address()).is_err());
    let rest = rest_of(answer);
    assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "the answer is whole: {} bytes", rest.len());
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("cut"), "{log}");
}

#[test]
fn requests_that_take_too_long_are_cut_visibly() {
    let world = World::with_airlines();
    let server = Served::start_with(&world, &[], &[("LAKEBED_DRAIN_SECONDS", "1")]);
    let answer = begun(&server);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("after 1 s: they are cut"), "{log}");
    assert!(!rest_of(answer).ends_with(b"0\r\n\r\n"), "a cut answer must not look whole");
}

#[test]
fn whoever_says_stop_twice_does_not_want_to_wait() {
    let world = World::with_airlines();
    let server = Served::start(&world, &["--metrics-listen", "127.0.0.1:0"]);
    let answer = begun(&server);
    server.signal("-TERM");
    until("it is not ready", || server.get_operators("/health/ready").0 == 503);
    server.signal("-TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(143), "{log}");
    assert!(!rest_of(answer).ends_with(b"0\r\n\r\n"));
}

/// A certificate for this machine, and its key, as PEM.
fn certificate() -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn install(world: &World, certificate: &(String, String)) {
    world.write("server.pem", &certificate.0);
    world.write("server.key", &certificate.1);
}

const TLS: [&str; 4] = ["--tls-cert", "server.pem", "--tls-key", "server.key"];

#[test]
fn a_server_speaks_tls_and_shows_a_new_certificate_when_told() {
    let world = World::with_airlines();
    let first = certificate();
    install(&world, &first);
    world.write("first.pem", &first.0);
    let server = Served::start(&world, &TLS);
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let here = world.ok(&["ls"]);
    let there = world.ok(&["--lake", &server.url, "--ca-file", "first.pem", "ls"]);
    assert_eq!(here.text(), there.text());
    world.refused(7, &["--lake", &server.url, "ls"]);
    world.refused(7, &["--lake", &server.url.replace("https", "http"), "ls"]);

    // A pair that does not fit changes nothing.
    let second = certificate();
    world.write("server.pem", &second.0);
    server.signal("-HUP");
    until("it says so", || server.log().contains("the certificate in use stays"));
    world.ok(&["--lake", &server.url, "--ca-file", "first.pem", "ls"]);

    install(&world, &second);
    world.write("second.pem", &second.0);
    server.signal("-HUP");
    until("the new one is shown", || {
        world.run(&["--lake", &server.url, "--ca-file", "second.pem", "ls"]).code == Some(0)
    });
    world.refused(7, &["--lake", &server.url, "--ca-file", "first.pem", "ls"]);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_by_name() {
    let world = World::with_airlines();
    let serve = |more: &[&str]| {
        let ran = world.refused(2, &[&["serve", "--listen", "127.0.0.1:0"], more].concat());
        ran.stderr
    };
    install(&world, &certificate());
    let stderr = serve(&["--tls-cert", "server.pem"]);
    assert!(stderr.contains("`tls_key` is not"), "{stderr}");
    world.write("other.key", certificate().1);
    let stderr = serve(&["--tls-cert", "server.pem", "--tls-key", "other.key"]);
    assert!(stderr.contains("does not belong to the certificate"), "{stderr}");
    let stderr = serve(&["--tls-cert", "absent.pem", "--tls-key", "server.key"]);
    assert!(stderr.contains("absent.pem"), "{stderr}");
    let stderr = serve(&["--tls-cert", "server.key", "--tls-key", "server.key"]);
    assert!(stderr.contains("holds no certificate"), "{stderr}");
    let stderr = serve(&["--tls-cert", "server.pem", "--tls-key", "server.pem"]);
    assert!(stderr.contains("holds no private key"), "{stderr}");
    world.write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n");
    let stderr = serve(&["--tls-cert", "server.pem", "--tls-key", "locked.key"]);
    assert!(stderr.contains("encrypted key"), "{stderr}");
}

#[test]
fn metrics_are_told_where_the_operator_said() {
    let world = World::with_airlines();
    let server = Served::start(&world, &["--metrics-listen", "127.0.0.1:0"]);
    world.ok(&["--lake", &server.url, "sql", "SELECT count(*) FROM nyc.airlines"]);
    let (status, text) = server.get_operators("/metrics");
    assert_eq!(status, 200);
    for line in [
        "lakebed_http_requests_total{method=\"POST\",route=\"/v1/sql\",status=\"200\"} 1",
        "lakebed_statement_ended_total{outcome=\"answered\"} 1",
        "lakebed_journal_lag_events 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("airlines"), "{text}");
    assert_eq!(server.get("/metrics").0, 404);
    world.ok(&["--lake", &server.url, "ready"]);
    let url = server.metrics_url.clone().unwrap().replace("/metrics", "");
    world.ok(&["--lake", &url, "ready"]);
    drop(server);
    world.refused(7, &["--lake", &url, "ready"]);
}

/// A statement, a row, a token, a password: at the loudest level none is in the log, and what our
/// own tiers say of a request carries its id.
#[test]
fn the_log_keeps_secrets_and_one_request_id_through_all_tiers() {
    const SECRETS: [&str; 4] = ["s3cretcell", "s3cretliteral", "s3crettoken", "s3cretquery"];
    let world = World::with_airlines();
    let loud = [("LAKEBED_LOG", "trace"), ("LAKEBED_LOG_FORMAT", "json")];
    let server = Served::start_with(&world, &[], &loud);
    let csv = "id,text\n1,s3cretcell\ns3cretcell,x\n2,y\n";
    world.write("in.csv", csv);
    let url = server.url.as_str();
    world.ok(&[
        "--lake",
        url,
        "ingest",
        "in.csv",
        "--to",
        "a.secret",
        "--type",
        "id=long",
        "--type",
        "text=string",
    ]);
    for sql in [
        "SELECT * FROM a.secret WHERE text = 's3cretliteral' OR text LIKE '%s3cretliteral%'",
        "SELECT CAST('s3cretliteral' AS BIGINT)",
        "SELECT CAST(text AS BIGINT) FROM a.secret",
        "SELECT 's3cretliteral' FROM nowhere.at_all",
        "SELECT nothing('s3cretliteral')",
        "SELEC 's3cretliteral'",
        "EXPLAIN SELECT * FROM a.secret WHERE text > 's3cretliteral'",
    ] {
        world.run(&["--lake", url, "sql", sql]);
        let mut request = statement(sql);
        request = request.replace("/v1/sql", "/v1/sql?s3cretquery=1");
        let close = "connection: close\r\nauthorization: Bearer s3crettoken\r\naccept:";
        rest_of(server.send(&request.replace("accept:", close)));
        let request = statement(sql).replace("accept:", close);
        rest_of(server.send(&request));
    }
    world.ok(&["--lake", url, "show", "a.secret", "--quarantine"]);
    world.ok(&["--lake", url, "verify"]);
    let ingest = "{\"dataset\": \"a.b\", \"sources\": [{\"path\": \"/s3cretquery\"}]}";
    rest_of(server.send(&format!(
        "POST /v1/ingests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\nx-request-id: job-43\r\ncontent-length: {}\r\n\r\n{ingest}",
        ingest.len()
    )));
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    for secret in SECRETS {
        let told: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} is in the log:\n{}", told.join("\n"));
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 30, "{log}");
    let of_request = |line: &&Value| {
        let spans = line["spans"].as_array().into_iter().flatten();
        spans.clone().any(|span| span["request_id"].is_string())
    };
    for tier in ["lakebed_server", "lakebed_service", "lakebed_catalog", "lakebed_store"] {
        let from = |line: &&Value| line["target"].as_str().unwrap().starts_with(tier);
        assert!(lines.iter().filter(from).any(|line| of_request(&line)), "{tier}:\n{log}");
    }
    assert!(lines.iter().any(|line| line["message"] == "serving"), "{log}");
    assert!(lines.iter().any(|line| line["message"] == "stopped"), "{log}");
}

/// A password in an address is in no error and in no log.
#[test]
fn passwords_in_addresses_are_not_told() {
    let world = World::with_airlines();
    for catalog in [
        "postgres://me:s3cret@127.0.0.1:1/lake",
        "postgres://me:s3cret@127.0.0.1:1/lake?sslpassword=s3cret",
        "mysql://me:s3cret@127.0.0.1:1/lake",
    ] {
        for command in [&["ls"][..], &["serve", "--listen", "127.0.0.1:0"], &["config"]] {
            let ran = world.run(&[command, &["--catalog", catalog, "-vvv"]].concat());
            let told = format!("{}{}", ran.text(), ran.stderr);
            assert!(!told.contains("s3cret"), "{command:?}\n{told}");
        }
    }
    let ran = world.run(&["--lake", "http://me:s3cret@127.0.0.1:1", "ls", "-vvv"]);
    assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
}

/// Takes what is sent to it, and says yes.
struct Collector {
    address: String,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || take(stream.unwrap(), &kept));
            }
        });
        Self { address, received }
    }

    fn has(&self, text: &str) -> bool {
        let received = self.received.lock().unwrap();
        let is_there =
            |request: &Vec<u8>| request.windows(text.len()).any(|window| window == text.as_bytes());
        received.iter().any(is_there)
    }
}

/// One connection: requests with a length, each answered.
fn take(mut stream: TcpStream, kept: &Mutex<Vec<Vec<u8>>>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let end = head + 4 + length.unwrap().parse::<usize>().unwrap();
        if bytes.len() >= end {
            kept.lock().unwrap().push(bytes.drain(..end).collect());
            let yes = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(yes.as_bytes()).unwrap();
        }
    }
}

#[test]
fn traces_go_to_the_collector_that_was_named() {
    let world = World::with_airlines();
    let collector = Collector::start();
    let endpoint = format!("http://{}", collector.address);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let server = Served::start_with(&world, &[], &variables);
    let sql = "SELECT count(*) FROM nyc.airlines WHERE name = 's3cretliteral'";
    let request = statement(sql).replace("accept:", "connection: close\r\naccept:");
    rest_of(server.send(&request));
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(collector.has("POST /v1/traces HTTP/1.1"), "{log}");
    for text in ["application/x-protobuf", "job-42", "/v1/sql", "lakebed", "query"] {
        assert!(collector.has(text), "{text}");
    }
    assert!(!collector.has("s3cretliteral"));
}

/// A collector that is gone costs spans: no request, no log full of complaints, no slow end.
#[test]
fn a_collector_that_is_gone_is_in_nobodys_way() {
    let world = World::with_airlines();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let endpoint = format!("http://{gone}");
    let server = Served::start_with(&world, &[], &[("LAKEBED_OTLP_ENDPOINT", &endpoint)]);
    for _ in 0..20 {
        assert_eq!(server.get("/v1/datasets").0, 200);
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(server.get("/v1/datasets").0, 200);
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let complaints = log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN"));
    assert!(complaints.count() <= 3, "{log}");
}

#[test]
fn an_address_that_is_no_collector_is_refused() {
    let world = World::with_airlines();
    let mut command = world.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("LAKEBED_OTLP_ENDPOINT", "me:s3cret@nowhere");
    let ran = world.finish(command, b"");
    ran.assert_clear(2);
    assert!(ran.stderr.contains("LAKEBED_OTLP_ENDPOINT") && !ran.stderr.contains("s3cret"));
}

#[test]
fn the_reference_is_a_file_with_every_setting() {
    let world = World::new();
    let reference = world.ok(&["config", "--reference"]).text();
    world.write("lakebed.toml", &reference);
    let path = path_of(&world, "lakebed.toml");
    let settings = world.json(&["config", "--config", &path]);
    for (name, setting) in settings.as_object().unwrap() {
        let origin = setting["origin"].as_str().unwrap_or_default();
        assert!(!origin.contains("lakebed.toml"), "{name} is in force");
        // Who asks the lake, and who asks its store, is no setting.
        let is_who = ["actor", "s3.credentials"].contains(&name.as_str());
        assert!(is_who || reference.contains(&format!("\n#{name} = ")), "{name}");
    }
}

/// A server that can read, and whose commits nobody would ever see, is not ready.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_publish_is_not_ready() {
    use sqlx::Connection as _;
    let world = World::in_folder_with_airlines();
    let server = Served::start(&world, &["--metrics-listen", "127.0.0.1:0"]);
    assert_eq!(server.get_operators("/health/ready").0, 200);
    let url = format!("sqlite://{}", world.path("lake/lakebed.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    for statement in crate::doctor::UNREADABLE {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    until("it is not ready", || server.get_operators("/health/ready").0 == 503);
    let (_, why) = server.get_operators("/health/ready");
    assert!(why.contains("cannot be put into the journal"), "{why}");
    assert_eq!(server.get_operators("/health/live").0, 200);
}
