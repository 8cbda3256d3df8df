//! Sources by URL: off by default, from listed hosts alone, kept like any other, told without
//! saying what stands behind the server.

use lakebed_server::{Access, AppState, router};
use lakebed_testkit::TestLake;
use lakebed_web::{Fetcher, HostRule, Hosts, Policy};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Answer, Door, is};

/// A server on loopback with one answer; its port.
async fn site(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

async fn door(access: Access, rules: Vec<HostRule>) -> Door {
    let mut door = Door::remote().await;
    door.test = TestLake::new().await.into();
    let fetcher = Fetcher::new(Policy::new(Hosts::Listed(rules)));
    let state = AppState::new(door.test.lake.clone(), access).with_fetcher(fetcher);
    door.router = router(state);
    door
}

/// The one rule that reaches loopback; no configuration and no request can make it.
fn anywhere(port: u16) -> HostRule {
    format!("http://localhost:{port}").parse::<HostRule>().unwrap().anywhere()
}

async fn ingest(door: &Door, path: &str, sources: Value) -> Answer {
    door.post(path, json!({"dataset": "web.orders", "sources": sources})).await
}

/// The original is the very bytes, its name is the URL without its query, which nobody sees again.
#[tokio::test]
async fn a_source_from_a_url_is_kept_like_any_other() {
    let port = site("200 OK", "id,name\n1,a\n2,b\n").await;
    let door = door(Access::Remote, vec![anywhere(port)]).await;
    let url = format!("http://localhost:{port}/data/orders.csv?token=hush");
    let plan = ingest(&door, "/v1/ingest-plans", json!([{ "url": url }])).await.json();
    let name = format!("localhost:{port}/data/orders.csv");
    assert_eq!(plan["sources"][0]["name"], name.as_str());

    let done = ingest(&door, "/v1/ingests", json!([{ "url": url }])).await.json();
    assert_eq!(done["version"]["row_count"], 2);
    assert_eq!(done["sources"][0]["name"], name.as_str());
    let object = done["sources"][0]["object"].as_str().unwrap();
    let bytes = door.get(&format!("/v1/objects/{object}")).await;
    assert_eq!(bytes.text(), "id,name\n1,a\n2,b\n");
    for path in ["/v1/events", "/v1/versions?ref=web.orders", "/v1/datasets"] {
        assert!(!door.get(path).await.text().contains("hush"), "{path}");
    }
    // The same bytes again are no new version.
    let again = ingest(&door, "/v1/ingests", json!([{ "url": url }])).await.json();
    assert_eq!(again["status"], "unchanged");
}

#[tokio::test]
async fn sources_of_all_kinds_keep_their_order() {
    let port = site("200 OK", "id\n2\n").await;
    let door = door(Access::Remote, vec![anywhere(port)]).await;
    let upload = async |text: &'static str| {
        let answer = door.call("POST", "/v1/uploads?name=x", &[], text).await.json();
        answer["upload"].as_str().unwrap().to_owned()
    };
    let (first, last) = (upload("id\n1\n").await, upload("id\n3\n").await);
    let sources = json!([
        {"name": "1.csv", "upload": first},
        {"name": "2.csv", "url": format!("http://localhost:{port}/x")},
        {"name": "3.csv", "upload": last},
        {"name": "4.csv", "url": format!("http://localhost:{port}/y")},
    ]);
    let done = ingest(&door, "/v1/ingests", sources).await.json();
    let sources = done["sources"].as_array().unwrap().iter();
    let names: Vec<_> = sources.map(|source| source["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["1.csv", "2.csv", "3.csv", "4.csv"]);
}

#[tokio::test]
async fn a_server_fetches_nothing_by_default() {
    let port = site("200 OK", "id\n1\n").await;
    let door = Door::remote().await;
    let source = json!([{ "url": format!("http://localhost:{port}/x") }]);
    for path in ["/v1/ingests", "/v1/ingest-plans"] {
        assert_eq!(ingest(&door, path, source.clone()).await.code(), is(403, "urls-off"));
    }
}

#[tokio::test]
async fn only_listed_hosts_are_fetched_from() {
    let port = site("200 OK", "secret").await;
    let door = door(Access::Remote, vec!["data.example.org".parse().unwrap()]).await;
    for url in [
        format!("http://localhost:{port}/x"),
        format!("http://127.1:{port}/x"),
        "http://data.example.org/x".to_owned(),
        "https://data.example.org:22/x".to_owned(),
        "https://data.example.org.evil.example/x".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let answer = ingest(&door, "/v1/ingests", json!([{ "url": url }])).await;
        assert_eq!(answer.code(), is(403, "url-not-allowed"), "{url}");
    }
    for url in ["", "data.csv", "file:///etc/passwd", "https://user:word@data.example.org/x"] {
        let answer = ingest(&door, "/v1/ingests", json!([{ "url": url }])).await;
        assert_eq!(answer.code(), is(400, "invalid-url"), "{url}");
    }
    let both = json!([{"url": "https://data.example.org/x", "upload": "0".repeat(64)}]);
    assert_eq!(ingest(&door, "/v1/ingests", both).await.code(), is(400, "invalid-source"));
}

/// A closed port, another answer and an address that may not be reached all read the same through a
/// socket; whoever fetches for themselves is told.
#[tokio::test]
async fn failures_say_nothing_of_what_is_behind_the_server() {
    let missing = site("404 Not Found", "no such secret").await;
    let open = site("200 OK", "secret").await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    // As a configuration would list it: a public name is meant, whatever it resolves to.
    let listed = |port: u16| format!("http://127.0.0.1:{port}").parse::<HostRule>().unwrap();
    let rules = || vec![anywhere(missing), anywhere(closed), listed(open)];
    let remote = door(Access::Remote, rules()).await;
    let mut bodies = Vec::new();
    for url in [
        format!("http://localhost:{missing}/x"),
        format!("http://localhost:{closed}/x"),
        format!("http://127.0.0.1:{open}/x"),
    ] {
        let answer = ingest(&remote, "/v1/ingests", json!([{ "url": url }])).await;
        let mut problem = answer.problem();
        problem.instance.clear();
        bodies.push(serde_json::to_string(&problem).unwrap());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies[0].contains("url-unavailable") && !bodies[0].contains("404"), "{bodies:?}");

    let local = door(Access::Local, rules()).await;
    let url = json!([{ "url": format!("http://localhost:{missing}/x") }]);
    let detail = ingest(&local, "/v1/ingests", url).await.problem().detail;
    assert_eq!(detail, "nothing could be fetched from this URL: it answers 404");
}
