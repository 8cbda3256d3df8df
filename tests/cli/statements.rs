//! Statements whose rows are fetched later, from outside: they hold what their reader may see, and no
//! longer than they may (P7).

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{server::Server, world::World};

const GRANTS: &str = "\
grants:
  - { to: alice, may: [read], on: { namespace: crm } }
  - { to: root, may: [admin], on: lake }
";

const POLICIES: &str = "\
policies:
  - { name: eu, on: { dataset: crm.customers }, row_filter: region = 'EU' }
  - { name: mail, on: { dataset: crm.customers }, columns: [email], mask: { partial: { keep_last: 4 } } }
  - { name: pay, on: { dataset: crm.customers }, columns: [salary], hide: true }
";

const HEAD: &str = "id,region,email,salary\n";
const SEEN: &str = "1,EU,ann@example.com,1000\n3,EU,eve@example.org,3000\n";

/// A lake whose `crm.customers` holds what alice sees and `hidden` rows, its server, and her token.
struct Served {
    world: World,
    server: Server,
    token: String,
}

impl Served {
    fn with(hidden: &str) -> Self {
        let world = World::new();
        world.write("customers.csv", format!("{HEAD}{SEEN}{hidden}"));
        world.ok(&["ingest", "customers.csv", "--to", "crm.customers"]);
        world.write("catalog/grants.yaml", GRANTS);
        world.write("catalog/policies/customers.yaml", POLICIES);
        world.ok(&["apply"]);
        let token = world.json(&["token", "create", "--for", "alice"]);
        let token = token["secret"].as_str().unwrap().to_owned();
        let server = Server::start_logging(&world, "off");
        Self { world, server, token }
    }

    /// Status and body.
    fn call(&self, method: &str, path: &str, accept: &str, body: &str) -> (u16, String) {
        let address = self.server.url.strip_prefix("http://").unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nAccept: {accept}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        (status, if is_chunked { unchunked(body) } else { body.to_owned() })
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.call(method, path, "application/json", &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// The statement that has ended.
    fn statement(&self, sql: &str) -> Value {
        let body = json!({ "sql": sql, "wait_ms": 30_000 });
        let (status, statement) = self.json("POST", "/v1/statements", &body);
        assert_eq!(status, 200, "{statement}");
        statement
    }

    fn chunk(&self, statement: &Value) -> (u16, String) {
        let id = statement["id"].as_str().unwrap();
        self.call("GET", &format!("/v1/statements/{id}/chunks/0"), "text/csv", "")
    }
}

/// The body of an answer that came in chunks of HTTP.
fn unchunked(body: &str) -> String {
    let mut whole = String::new();
    let mut rest = body;
    loop {
        let (length, after) = rest.split_once("\r\n").unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.push_str(&after[..length]);
        rest = &after[length + 2..];
    }
}

/// What is told of a statement, without what is another each time.
fn told(statement: &Value) -> Value {
    let mut told = json!({ "state": statement["state"], "result": statement["result"],
                           "problem": statement["problem"] });
    if let Some(result) = told["result"].as_object_mut() {
        result.remove("statement_id");
        // Its time counts every change of the lake.
        result["snapshot"].as_object_mut().unwrap().remove("at");
    }
    if let Some(problem) = told["problem"].as_object_mut() {
        problem.remove("instance");
    }
    let id = statement["id"].as_str().unwrap();
    serde_json::from_str(&told.to_string().replace(id, "ID")).unwrap()
}

/// P7: rows, columns, counts, sizes of chunks and errors are those of what alice sees, whatever else
/// there is; and once she sees something else nothing of it is told.
#[test]
fn p7_results_hold_what_their_reader_sees() {
    let one = Served::with("2,US,bob@example.com,2000\n");
    let other = Served::with(&"2,US,x,0\n9,,nobody,7\n".repeat(200));
    let statements = [
        "SELECT * FROM crm.customers ORDER BY id",
        "SELECT count(*) AS n, max(id) AS most FROM crm.customers",
        "SELECT region, count(*) AS n FROM crm.customers GROUP BY region",
        "SELECT id FROM crm.customers WHERE 1 / (id - 2) > 0",
        "SELECT 1 / (id - 1) FROM crm.customers",
        "SELECT cast(email AS int) FROM crm.customers WHERE id = 1",
        "EXPLAIN SELECT id FROM crm.customers WHERE salary > 1",
        "EXPLAIN SELECT id FROM crm.customers",
        "DESCRIBE crm.customers",
        "SHOW TABLES",
    ];
    let mut kept = Vec::new();
    for sql in statements {
        let (left, right) = (one.statement(sql), other.statement(sql));
        assert_eq!(told(&left), told(&right), "{sql}");
        if left["state"] == "done" {
            let (rows, others) = (one.chunk(&left), other.chunk(&right));
            assert_eq!(rows, others, "{sql}");
            assert_eq!(rows.0, 200, "{sql}");
            assert!(!rows.1.contains("bob") && !rows.1.contains("US"), "{sql}: {}", rows.1);
        }
        kept.push(left);
    }
    assert_eq!(kept[0]["result"]["resolved"][0].get("version_id"), None);
    let direct = one.world.ok(&[
        "sql",
        "--as",
        "alice",
        "SELECT * FROM crm.customers ORDER BY id",
        "--format",
        "csv",
    ]);
    assert_eq!(one.chunk(&kept[0]).1.replace("\r\n", "\n"), direct.text());

    // Somebody looks again: less is to be seen, then more; either way it is not what it was.
    let less = POLICIES.replace("region = 'EU'", "id = 1");
    for policies in [less.as_str(), "policies: []\n"] {
        one.world.write("catalog/policies/customers.yaml", policies);
        one.world.ok(&["apply"]);
        for statement in &kept {
            let id = statement["id"].as_str().unwrap();
            let (status, problem) = one.json("GET", &format!("/v1/statements/{id}"), &Value::Null);
            assert_eq!(
                (status, &problem["code"]),
                (410, &json!("statement-outdated")),
                "{problem}"
            );
            let (status, rows) = one.chunk(statement);
            let expected = if statement["state"] == "done" { 410 } else { 409 };
            assert_eq!(status, expected, "{rows}");
            assert!(!rows.contains("example"), "{rows}");
        }
        kept = statements.map(|sql| one.statement(sql)).into();
        assert_eq!(one.chunk(&kept[0]).0, 200, "run again, it is told again");
    }
    assert!(
        one.chunk(&kept[0]).1.contains("bob@example.com"),
        "nobody keeps anything from her now"
    );
}
