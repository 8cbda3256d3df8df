//! Thousands of requests that nobody would send: never a failure of ours, always a problem.
//!
//! A plain generator with a fixed seed, so that what fails once fails again.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;
use lakebed_api::Problem;
use tower::ServiceExt as _;

use crate::support::Door;

/// xorshift64*: good enough to choose among mutations, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[self.roll(among.len())]
    }
}

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "get",
    "X",
];

const PATHS: &[&str] = &[
    "/",
    "/v1",
    "/v1/lake",
    "/v1/datasets",
    "/v1/datasets/nyc/planes",
    "/v1/datasets/nyc/planes/versions",
    "/v1/datasets/nyc/planes/lineage",
    "/v1/datasets/nyc/planes/openlineage",
    "/v1/datasets/nyc/planes/impact",
    "/v1/report",
    "/v1/locks/train",
    "/v1/versions",
    "/v1/resolve",
    "/v1/uploads",
    "/v1/ingests",
    "/v1/ingest-plans",
    "/v1/sql",
    "/v1/statements",
    "/v1/statements/0123456789abcdef",
    "/v1/statements/0123456789abcdef/chunks/0",
    "/v1/events",
    "/v1/verifications",
    "/v1/objects/0000000000000000000000000000000000000000000000000000000000000000",
    "/health/live",
    "/health/ready",
    "/openapi.json",
];

/// Put in somewhere, in the place of a part, or behind.
const ODD: &[&str] = &[
    "%00",
    "%2e%2e",
    "%2e%2e%2f",
    "..",
    "../..",
    "%c0%ae%c0%ae",
    "%c0%af",
    "%e0%80%af",
    "%ff",
    "%ed%a0%80",
    "%f5%80%80%80",
    "%252e%252e",
    "%",
    "%g0",
    "%2",
    "//",
    "/./",
    ";a=b",
    "%0d%0a",
    "%09",
    "%20",
    "+",
    "*",
    "~",
    "%e2%80%ae",
    "%ef%bb%bf",
    "%5c",
    "%7f",
    "%u0041",
    "'",
    "(",
    "@v1",
    "\u{e9}",
    "{",
    "|",
];

const QUERIES: &[&str] = &[
    "",
    "?",
    "?limit=0",
    "?limit=-1",
    "?limit=99999999999999999999",
    "?limit=1e3",
    "?limit=+1",
    "?limit=1&limit=2",
    "?after=18446744073709551615",
    "?after=9223372036854775808",
    "?before=0",
    "?ref=nyc.planes",
    "?ref=nyc.planes@v1",
    "?ref=nyc.planes@v99999999999999999999",
    "?ref=",
    "?ref=nyc.planes@b3:00000000",
    "?ref=nyc.planes@9999-12-31",
    "?ref=nyc.planes@0000-00-00",
    "?ref=nyc.planes@-262144-01-01T00:00:00Z",
    "?ref=nyc.planes@2026-11-01T08:00:00%2b99:99",
    "?namespace=nyc",
    "?namespace=%00",
    "?namespace=%ff",
    "?namespace[]=a",
    "?a=b&a=b&a=b",
    "?&&&",
    "?=",
    "?%",
    "?int64=string",
    "?int64=",
    "?wait_ms=0",
    "?wait_ms=-1",
    "?wait_ms=99999999999999999999",
    "?name=%2e%2e",
    "?name=a%00b",
    "?unknown=1",
];

const FIELDS: &[(&str, &[&str])] = &[
    (
        "accept",
        &[
            "",
            "*/*",
            "text/csv",
            "application/x-ndjson",
            "application/vnd.apache.parquet",
            "text/html",
            "*/*;q=0",
            "application/json;q=2",
            ";;;",
            ",",
            "a/b;q=0.0001",
            "text/csv;q=\u{e9}",
            "*",
            "application/vnd.apache.arrow.stream, */*;q=0.001",
        ],
    ),
    (
        "content-type",
        &[
            "",
            "application/json",
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
            "APPLICATION/JSON;a=\"b;c\"",
            "/",
            "json",
            "application/octet-stream",
        ],
    ),
    (
        "accept-encoding",
        &["gzip", "zstd;q=0.5, *;q=0", "identity;q=0", "*;q=0", ";;,;q=", "br;q=1.0001", "*"],
    ),
    ("content-encoding", &["gzip", "identity", "br, br, br", ""]),
    (
        "range",
        &[
            "bytes=0-",
            "bytes=-0",
            "bytes=99999999999999999999-",
            "bytes=5-1",
            "bytes=0-0,2-3,4-",
            "bytes=--1",
            "lines=1-2",
            "bytes",
            "",
        ],
    ),
    ("if-none-match", &["*", "\"b3:0\"", "W/\"\"", ",,,", "\""]),
    ("if-range", &["x", "\"b3:0\"", "Sat, 01 Jan 2000 00:00:00 GMT"]),
    ("idempotency-key", &["", "k", "a b", "\u{e9}", "key-key-key"]),
    ("lakebed-digest", &["", "b3=", "b3=00", "sha256=00", "b3=ZZ"]),
    ("x-request-id", &["", "ok-1", "a b", "\u{e9}", "<script>"]),
    ("host", &["localhost", "localhost:80", "evil.example", "", "localhost, localhost", "[::1]"]),
    ("origin", &["null", "http://localhost", "http://evil.example"]),
    ("authorization", &["Bearer ", "Basic Og==", "Bearer a.b.c", "Negotiate \u{e9}"]),
    ("expect", &["100-continue", "nonsense"]),
    ("content-length", &["0", "5", "-1", "18446744073709551615"]),
    ("transfer-encoding", &["chunked", "gzip, chunked"]),
    ("forwarded", &["for=\"[::1]\";proto=https", ";;"]),
    ("x-forwarded-for", &["127.0.0.1, ::1", "unknown", ",,,"]),
    ("prefer", &["respond-async", "wait=99999999999999999999", ";"]),
    ("last-event-id", &["0", "-1", "x", "99999999999999999999"]),
];

/// Values in the place of any other.
const VALUES: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e308",
    "1e999",
    "-0.0",
    "9223372036854775808",
    "123456789012345678901234567890",
    "0.1e-400",
    "\"\"",
    "\"nyc.planes\"",
    "\"nyc.planes@v1\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\uD83D\\uDE00\"",
    "[]",
    "{}",
    "[[]]",
    "[null]",
    "{\"a\":{}}",
    "[\"nyc.planes\",\"nyc.planes\"]",
    "\"SELECT 1\"",
    "\"ROWS 3\"",
    "\"table\"",
    "\"append\"",
    "\"https://127.0.0.1/\"",
    "\"../../etc/passwd\"",
    "nul",
    "01",
    "+1",
    "'a'",
    "NaN",
    "\"\t\"",
];

const KEYS: &[&str] = &[
    "refs",
    "files",
    "dataset",
    "sources",
    "mode",
    "again",
    "options",
    "name",
    "upload",
    "url",
    "path",
    "sql",
    "params",
    "limits",
    "max_rows",
    "max_bytes",
    "timeout_ms",
    "memory_bytes",
    "spill_bytes",
    "format",
    "encoding",
    "delimiter",
    "quote",
    "header",
    "null_tokens",
    "types",
    "max_quarantined",
    "max_quarantined_rows",
    "unknown",
    "__proto__",
    "",
];

fn value(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(5) {
        0 if depth > 0 => {
            let count = dice.roll(4);
            let items: Vec<_> = (0..count).map(|_| value(dice, depth - 1)).collect();
            format!("[{}]", items.join(","))
        }
        // Keys are drawn with repetition on purpose.
        1 | 2 if depth > 0 => {
            let count = dice.roll(6);
            let members: Vec<_> = (0..count)
                .map(|_| format!("\"{}\":{}", dice.pick(KEYS), value(dice, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        _ => dice.pick(VALUES).to_owned(),
    }
}

fn body(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(12) {
        0 => Vec::new(),
        1 => vec![0xff, 0xfe, 0x00, 0x80],
        2 => "[".repeat(1 + dice.roll(5000)).into_bytes(),
        3 => "{\"a\":".repeat(1 + dice.roll(5000)).into_bytes(),
        4 => format!("{{\"refs\":[{}]}}", "\"a.b\",".repeat(1 + dice.roll(3000))).into_bytes(),
        5 => format!("\u{feff}{}", value(dice, 3)).into_bytes(),
        6 => {
            let mut text = value(dice, 4).into_bytes();
            let at = dice.roll(text.len());
            text[at] = u8::try_from(dice.roll(256)).unwrap();
            text
        }
        7 => {
            let text = value(dice, 4);
            text.as_bytes()[..dice.roll(text.len() + 1)].to_vec()
        }
        _ => value(dice, 4).into_bytes(),
    }
}

fn target(dice: &mut Dice) -> String {
    let mut path = dice.pick(PATHS).to_owned();
    for _ in 0..dice.roll(3) {
        let odd = dice.pick(ODD);
        match dice.roll(3) {
            0 => path.push_str(odd),
            1 => {
                let mut parts: Vec<&str> = path.split('/').collect();
                let at = dice.roll(parts.len());
                parts[at] = odd;
                path = parts.join("/");
            }
            _ => {
                let at = dice.roll(path.len() + 1);
                if path.is_char_boundary(at) {
                    path.insert_str(at, odd);
                }
            }
        }
    }
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    format!("{path}{}", dice.pick(QUERIES))
}

/// One request; none when the types of HTTP do not even let it be said.
fn request(dice: &mut Dice) -> Option<Request<Body>> {
    let method = Method::from_bytes(dice.pick(METHODS).as_bytes()).ok()?;
    let method =
        if dice.roll(3) == 0 { method } else { [Method::GET, Method::POST][dice.roll(2)].clone() };
    let uri = Uri::try_from(target(dice)).ok()?;
    let mut request =
        Request::builder().method(method).uri(uri).body(Body::from(body(dice))).ok()?;
    let headers = request.headers_mut();
    headers.insert("host", HeaderValue::from_static("localhost"));
    if dice.roll(4) > 0 {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
    }
    for _ in 0..dice.roll(4) {
        let (name, values) = FIELDS[dice.roll(FIELDS.len())];
        let value = HeaderValue::from_bytes(dice.pick(values).as_bytes()).ok()?;
        headers.append(HeaderName::from_static(name), value);
    }
    Some(request)
}

/// Whatever is sent is answered: not by a failure of ours, and every error is a problem with its
/// request's id.
#[tokio::test]
async fn no_request_is_too_odd_to_be_answered() {
    const COUNT: usize = 6000;
    for (seed, door) in [(1, Door::remote().await), (2, Door::local().await)] {
        let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ seed);
        let mut answered = [0_usize; 6];
        for number in 0..COUNT {
            let Some(request) = request(&mut dice) else { continue };
            let said = format!("{seed}/{number}: {} {}", request.method(), request.uri());
            let is_head = request.method() == Method::HEAD;
            let response = door.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let status = parts.status.as_u16();
            assert!(status < 500, "{said}: {status}");
            answered[usize::from(status / 100)] += 1;
            let id = parts.headers.get("x-request-id").expect("every answer has an id").clone();
            if status < 400 {
                continue;
            }
            let kind = parts.headers.get("content-type").unwrap();
            assert_eq!(kind, "application/problem+json", "{said}: {status}");
            let bytes = body.collect().await.unwrap().to_bytes();
            if is_head {
                assert!(bytes.is_empty(), "{said}");
                continue;
            }
            let problem: Problem = serde_json::from_slice(&bytes).expect(&said);
            assert_eq!(
                (problem.status, problem.instance.as_bytes()),
                (status, id.as_bytes()),
                "{said}"
            );
            assert!(
                !problem.code.is_empty() && problem.detail.chars().all(|c| !c.is_control()),
                "{said}"
            );
        }
        // The mutations are not all refused at the same gate.
        assert!(answered[2] > COUNT / 50 && answered[4] > COUNT / 2, "{answered:?}");
    }
}
